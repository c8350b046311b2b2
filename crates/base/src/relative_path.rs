//! A path that stays below its directory.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A path below a directory: relative, normal, without `..`, control characters or surprises.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelativePath(String);

/// A path that does not stay below its directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {found:?} is refused: {reason}")]
pub struct PathError {
    /// The path as written.
    pub found: String,
    /// Which rule it breaks.
    pub reason: &'static str,
}

impl RelativePath {
    /// A path that the program itself spells out. Only for plain names, which no rule refuses.
    pub fn literal(plain: &'static str) -> Self {
        debug_assert!(Self::refusal(plain).is_none(), "{plain}");
        Self(plain.to_owned())
    }

    /// The path, to be joined to a directory.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The path as text, `/` between components.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This path below `directory`.
    pub fn below(&self, directory: &Path) -> PathBuf {
        directory.join(&self.0)
    }

    fn refusal(text: &str) -> Option<&'static str> {
        if text.is_empty() {
            return Some("it is empty");
        }
        if text.len() > 4096 || text.split('/').any(|part| part.len() > 255) {
            return Some("it is longer than file systems allow");
        }
        if text.chars().any(char::is_control) {
            return Some("it holds a control character");
        }
        if text.starts_with('/') {
            return Some("it is absolute");
        }
        let odd = |part: &str| matches!(part, "" | "." | "..");
        text.split('/')
            .any(odd)
            .then_some("it has an empty, '.' or '..' component")
    }
}

impl TryFrom<String> for RelativePath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        match Self::refusal(&text) {
            None => Ok(Self(text)),
            Some(reason) => Err(PathError {
                found: text,
                reason,
            }),
        }
    }
}

impl std::str::FromStr for RelativePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        text.to_owned().try_into()
    }
}

impl From<RelativePath> for String {
    fn from(path: RelativePath) -> Self {
        path.0
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_that_leave_the_sandbox_are_refused() {
        for text in [
            "",
            "/etc/passwd",
            "..",
            "a/../b",
            "a//b",
            "./a",
            "a/",
            "a\nb",
            "a\0",
        ] {
            assert!(text.parse::<RelativePath>().is_err(), "{text:?}");
        }
        assert!("a".repeat(256).parse::<RelativePath>().is_err());
        assert!("flink/lib/a b..c.jar".parse::<RelativePath>().is_ok());
    }

    proptest! {
        #[test]
        fn an_accepted_path_stays_below_any_directory(text in "[./a\\\\ ]{0,12}") {
            if let Ok(path) = text.parse::<RelativePath>() {
                let joined = path.below(Path::new("/sandbox"));
                prop_assert!(joined.starts_with("/sandbox"));
                let normal = |part| matches!(part, std::path::Component::Normal(_));
                prop_assert!(path.as_path().components().all(normal));
            }
        }
    }
}
