//! One `key=value` setting as it is given on a command line or in a manifest.

use flugs_base::{ExitCode, Failure};
use std::str::FromStr;

/// A configuration setting: a Flink option's key and its value, both as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The option's key, e.g. `taskmanager.numberOfTaskSlots`. Never empty, never padded.
    pub key: String,
    /// The value, exactly as given; may be empty, may hold any character.
    pub value: String,
}

/// Text that is not `key=value`. The value is not repeated: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// There is no `=`.
    #[error("malformed property \"{key}\": expected key=value, found no \"=\"")]
    NoEquals {
        /// What stood there.
        key: String,
    },
    /// There is nothing before the `=`.
    #[error("malformed property: expected key=value, found nothing before \"=\"")]
    NoKey,
    /// The key holds white space, a control character or a colon, which no Flink key does and
    /// which the configuration files could not carry.
    #[error(
        "malformed property: key {key:?} holds white space, a colon, \"#\" or a control character"
    )]
    BadKey {
        /// The key.
        key: String,
    },
}

impl FromStr for Property {
    type Err = PropertyError;

    fn from_str(text: &str) -> Result<Self, PropertyError> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| PropertyError::NoEquals {
                key: text.to_owned(),
            })?;
        if key.is_empty() {
            return Err(PropertyError::NoKey);
        }
        let forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | '#');
        if key.contains(forbidden) {
            return Err(PropertyError::BadKey {
                key: key.to_owned(),
            });
        }
        Ok(Self {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl Failure for PropertyError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::MalformedProperty
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(String, String), PropertyError> {
        text.parse::<Property>()
            .map(|property| (property.key, property.value))
    }

    #[test]
    fn value_keeps_equals_signs_spaces_and_emptiness() {
        assert_eq!(parse("a.b=c=d e "), Ok(("a.b".into(), "c=d e ".into())));
        assert_eq!(parse("a="), Ok(("a".into(), String::new())));
    }

    #[test]
    fn malformed_properties_are_refused_each_in_its_own_way() {
        assert_eq!(parse("a"), Err(PropertyError::NoEquals { key: "a".into() }));
        assert_eq!(parse("=a"), Err(PropertyError::NoKey));
        assert_eq!(
            parse("a b=c"),
            Err(PropertyError::BadKey { key: "a b".into() })
        );
        assert_eq!(
            parse("a:b=c"),
            Err(PropertyError::BadKey { key: "a:b".into() })
        );
    }
}
