//! The name of an image: `[registry/]repository[:tag]`.
//!
//! The grammar is that of the distribution specification (opencontainers/distribution-spec,
//! "Pull") and of Docker's familiar names: the first part is a registry if it has a dot or a
//! colon, or is `localhost`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that an image is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    /// The registry's host and port, if the name has one.
    pub registry: Option<String>,
    /// The repository in the registry.
    pub repository: String,
    /// The tag; `latest` unless given.
    pub tag: String,
}

/// Text that names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{found}\" does not name an image: {reason}; expected [registry/]repository[:tag]")]
pub struct ReferenceError {
    /// The text.
    pub found: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Reference {
    /// The name without the tag.
    pub fn name(&self) -> String {
        match &self.registry {
            Some(registry) => format!("{registry}/{}", self.repository),
            None => self.repository.clone(),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let refuse = |reason| ReferenceError {
            found: text.to_owned(),
            reason,
        };
        if text.contains('@') {
            return Err(refuse(
                "a digest cannot be chosen, it follows from the content",
            ));
        }
        let (registry, rest) = match text.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
                (Some(first), rest)
            }
            _ => (None, text),
        };
        let (repository, tag) = rest.rsplit_once(':').unwrap_or((rest, "latest"));
        if !repository.split('/').all(is_component) || repository.len() > 255 {
            return Err(refuse(
                "a repository is lower-case letters, digits, and . _ - between them",
            ));
        }
        let tag_begins = tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let tag_rest = tag
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
        if !tag_begins || !tag_rest || tag.len() > 128 {
            return Err(refuse("a tag is up to 128 letters, digits, _ . -"));
        }
        if registry.is_some_and(|registry| !is_registry(registry)) {
            return Err(refuse(
                "a registry is a host name, with :port behind it if need be",
            ));
        }
        Ok(Self {
            registry: registry.map(str::to_owned),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
        })
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(part: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators_fit = part
        .split(word)
        .filter(|separator| !separator.is_empty())
        .all(|separator| {
            matches!(separator, "." | "_" | "__") || separator.chars().all(|c| c == '-')
        });
    part.starts_with(word) && part.ends_with(word) && separators_fit
}

fn is_registry(text: &str) -> bool {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "443"));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    !host.is_empty() && host.chars().all(plain) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.name(), self.tag)
    }
}

impl TryFrom<String> for Reference {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_read_as_docker_reads_them() {
        let read = |text: &str| {
            let read: Reference = text.parse().unwrap();
            (read.registry, read.repository, read.tag)
        };
        let none = None::<String>;
        assert_eq!(
            read("flink"),
            (none.clone(), "flink".into(), "latest".into())
        );
        assert_eq!(read("a/b:1.2"), (none, "a/b".into(), "1.2".into()));
        assert_eq!(
            read("localhost/x:t"),
            (Some("localhost".into()), "x".into(), "t".into())
        );
        assert_eq!(
            read("h:5000/a/b"),
            (Some("h:5000".into()), "a/b".into(), "latest".into())
        );
        assert_eq!(
            read("a__b/c-d--e.f"),
            (None, "a__b/c-d--e.f".into(), "latest".into())
        );
    }

    #[test]
    fn what_no_registry_takes_is_refused() {
        for text in [
            "",
            ":t",
            "A",
            "a//b",
            "a/",
            "-a",
            "a..b",
            "a:",
            "a:-t",
            "a b",
            "h:0/a",
            "a@sha256:0",
            "a/../b",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_reads_back(text in "\\PC{0,40}|[a-z0-9._:/-]{0,40}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse(), Ok(reference));
            }
        }
    }
}
