//! `flink-conf.yaml`: nothing panics, and what is read can be written and read again.

use flugs_flink_conf::{Configuration, Dialect, Layer, parse_flat, render};

pub(crate) fn run(bytes: &[u8]) {
    let text = crate::text(bytes);
    let parsed = parse_flat(text, "flink-conf.yaml");
    for warning in &parsed.warnings {
        let _ = warning.to_string();
    }
    let mut configuration = Configuration::new();
    configuration.extend(&parsed, Layer::ConfDirectory, "flink-conf.yaml");
    for dialect in [Dialect::Flat, Dialect::Nested] {
        match render(&configuration, dialect) {
            Ok(_) => {}
            Err(error) => assert!(
                dialect == Dialect::Nested && error.to_string().contains("too long"),
                "{error}"
            ),
        }
    }
}
