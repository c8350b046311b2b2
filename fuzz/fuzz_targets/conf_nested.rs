//! `config.yaml`: nothing panics, and what is read can be written and read again.
#![no_main]

use flugs::conf::{ConfError, Configuration, Dialect, Layer, parse_nested, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let parsed = match parse_nested(text, "config.yaml") {
        Ok(parsed) => parsed,
        Err(error) => {
            let _ = error.to_string();
            return;
        }
    };
    let mut configuration = Configuration::new();
    configuration.extend(&parsed, Layer::ConfDirectory, "config.yaml");
    // Keys that only nesting keeps short enough are refused; everything else must read back.
    if let Err(error) = render(&configuration, Dialect::Nested) {
        assert!(matches!(error, ConfError::NotRepresentable { .. }), "{error}");
    }
});
