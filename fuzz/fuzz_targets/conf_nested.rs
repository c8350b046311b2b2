//! `config.yaml`: nothing panics, and what is read can be written and read again.

use flugs_flink_conf::{ConfError, Configuration, Dialect, Layer, parse_nested, render};

pub(crate) fn run(bytes: &[u8]) {
    let text = crate::text(bytes);
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
        assert!(
            matches!(error, ConfError::NotRepresentable { .. }),
            "{error}"
        );
    }
}
