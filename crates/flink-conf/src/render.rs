//! Writing a configuration as text that Flink's own loader reads back to the same settings.

use super::configuration::Configuration;
use super::dialect::Dialect;
use super::error::{ConfError, Unrepresentable};
use super::nested::{Scalar, escape, is_printable};
use super::{flat, nested};

/// The longest key that YAML takes without an explicit `?`, less a margin for its quotes.
const KEY_LENGTH: usize = 1_000;

/// Renders the values in effect, one line for each key, sorted by key.
///
/// In `config.yaml` the keys are dotted, never nested: so `fs.s3a.endpoint` and
/// `fs.s3a.endpoint.region` both survive, where Flink's own rewriting drops one (FLINK-39431).
/// A value is written bare if it reads back as it is, else quoted.
///
/// # Errors
/// [`ConfError::NotRepresentable`] with every setting that the dialect cannot hold.
pub fn render(configuration: &Configuration, dialect: Dialect) -> Result<String, ConfError> {
    let problems = unrepresentable(configuration, dialect);
    if !problems.is_empty() {
        return Err(ConfError::NotRepresentable { dialect, problems });
    }
    let mut text = String::new();
    for (key, setting) in configuration.iter() {
        match dialect {
            Dialect::Flat => text.push_str(&flat::line(key, &setting.value)),
            Dialect::Nested => {
                text.push_str(&key_text(key));
                text.push_str(": ");
                text.push_str(&quoted(&setting.value));
            }
        }
        text.push('\n');
    }
    if reads_back(configuration, &text, dialect) {
        Ok(text)
    } else {
        Err(ConfError::ReadBack { dialect })
    }
}

/// Every setting in effect that a dialect cannot hold, with the reason.
pub fn unrepresentable(configuration: &Configuration, dialect: Dialect) -> Vec<Unrepresentable> {
    configuration
        .iter()
        .filter_map(|(key, setting)| {
            let reason = misfit(dialect, key, &setting.value)?;
            Some(Unrepresentable {
                key: key.to_owned(),
                reason,
                remedy: "",
            })
        })
        .collect()
}

/// Why a dialect cannot hold a setting, if it cannot.
pub fn misfit(dialect: Dialect, key: &str, value: &str) -> Option<&'static str> {
    match dialect {
        Dialect::Flat => flat::unrepresentable(key, value),
        Dialect::Nested => {
            (key_text(key).chars().count() > KEY_LENGTH).then_some("the key is too long")
        }
    }
}

/// Parses what was rendered and compares: a last line of defence before Flink starts with
/// something else than was asked for.
fn reads_back(configuration: &Configuration, text: &str, dialect: Dialect) -> bool {
    let parsed = match dialect {
        Dialect::Flat => flat::parse_flat(text, ""),
        Dialect::Nested => match nested::parse_nested(text, "") {
            Ok(parsed) => parsed,
            Err(_) => return false,
        },
    };
    parsed.settings.len() == configuration.len()
        && parsed
            .settings
            .iter()
            .all(|setting| configuration.get(&setting.key) == Some(setting.value.as_str()))
}

/// A key of `config.yaml`: like a value, but one that reads as a number or a boolean is no key.
pub(super) fn key_text(key: &str) -> String {
    match Scalar::resolve(key) {
        Scalar::Text(_) => quoted(key),
        _ => format!("'{key}'"),
    }
}

/// A scalar of `config.yaml` for this text: bare, in single or in double quotes.
pub(super) fn quoted(text: &str) -> String {
    if is_bare(text) {
        return text.to_owned();
    }
    if !text.is_empty() && text.chars().all(is_printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut output = String::from("\"");
    for c in text.chars() {
        escape(c, &mut output);
    }
    output.push('"');
    output
}

/// Whether a text reads back as itself without quotes, for any YAML reader. Deliberately narrow.
fn is_bare(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        || (text.starts_with('-')
            && text
                .chars()
                .nth(1)
                .is_some_and(|c| c.is_ascii_alphanumeric()));
    let plain_throughout = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "/._-+=:;,@%$() ".contains(c));
    let inner = !text.contains(": ") && !text.ends_with(':') && !text.ends_with(' ');
    // A word that another YAML reader takes for a boolean, a date or a number is quoted, unless
    // it prints as what it is.
    let unambiguous = match Scalar::resolve(text) {
        Scalar::Text(_) => !is_yaml_1_1_word(text),
        Scalar::Integer(printed) | Scalar::Float(printed) => printed == text,
        Scalar::Boolean(value) => text == if value { "true" } else { "false" },
        Scalar::Null => false,
    };
    starts_well && plain_throughout && inner && unambiguous
}

/// Whether YAML 1.1 readers (the Python tools around Flink) would not take the text as a string.
fn is_yaml_1_1_word(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    matches!(lower.as_str(), "y" | "n" | "yes" | "no" | "on" | "off")
        || (text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
            && text
                .chars()
                .all(|c| c.is_ascii_hexdigit() || "_:-.+xob".contains(c)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::configuration::{Layer, Origin};

    fn configuration(settings: &[(&str, &str)]) -> Configuration {
        let mut configuration = Configuration::new();
        for (key, value) in settings {
            configuration.set(*key, *value, Origin::of(Layer::Manifest));
        }
        configuration
    }

    #[test]
    fn config_yaml_is_readable_and_quotes_only_what_needs_it() {
        let configuration = configuration(&[
            ("blob.server.port", "6124"),
            ("env.java.opts.all", "-Dfoo=bar -XX:+UseZGC"),
            ("high-availability.storageDir", "s3://bucket/ha"),
            ("taskmanager.memory.process.size", "1728m"),
            ("rest.flamegraph.enabled", "true"),
            ("a.leading.zero", "007"),
            ("a.password", "p#ss: word"),
            ("a.list", "[a, b]"),
            ("a.word", "yes"),
            ("a.time", "12:30:45"),
            ("an.empty.one", ""),
            ("lines", "a\tb\nc"),
            ("true", "null"),
        ]);
        insta::assert_snapshot!(render(&configuration, Dialect::Nested).unwrap(), @r#"
a.leading.zero: '007'
a.list: '[a, b]'
a.password: 'p#ss: word'
a.time: '12:30:45'
a.word: 'yes'
an.empty.one: ""
blob.server.port: 6124
env.java.opts.all: -Dfoo=bar -XX:+UseZGC
high-availability.storageDir: s3://bucket/ha
lines: "a\tb\nc"
rest.flamegraph.enabled: true
taskmanager.memory.process.size: 1728m
'true': 'null'
"#);
    }

    #[test]
    fn flink_39431_a_key_and_its_own_prefix_both_survive() {
        let configuration = configuration(&[
            ("fs.s3a.endpoint", "host"),
            ("fs.s3a.endpoint.region", "eu"),
        ]);
        let text = render(&configuration, Dialect::Nested).unwrap();
        assert_eq!(text, "fs.s3a.endpoint: host\nfs.s3a.endpoint.region: eu\n");
    }

    #[test]
    fn flink_35642_a_hash_is_refused_for_flink_conf_yaml_instead_of_cut() {
        let configuration = configuration(&[("s3.secret-key", "hunter#2"), ("x", "")]);
        let error = render(&configuration, Dialect::Flat).unwrap_err();
        insta::assert_snapshot!(error.to_string(), @r##"flink-conf.yaml cannot hold "s3.secret-key" (Flink cuts the line at "#"); "x" (the value is empty, and Flink skips such lines)"##);
        assert!(render(&configuration, Dialect::Nested).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_rendered_reads_back(key in "\\PC{1,40}|.{1,20}", value in "\\PC{0,60}|(?s).{0,40}") {
            let configuration = configuration(&[(&key, &value)]);
            prop_assert!(render(&configuration, Dialect::Nested).is_ok());
            let flat = render(&configuration, Dialect::Flat);
            let refused = matches!(flat, Err(ConfError::NotRepresentable { .. }));
            prop_assert!(flat.is_ok() || refused);
        }
    }
}
