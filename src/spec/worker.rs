//! A worker's name and what it may use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of one launched process within its cluster, e.g. `taskmanager-1`.
///
/// It becomes a directory name, a Mesos task id, a container name and Flink's
/// `taskmanager.resource-id`, so it keeps to what all of them accept: a letter or digit, then
/// letters, digits, `.`, `_` and `-`, 63 bytes in all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkerId(String);

/// A name that is not a worker id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{found}\" is not a worker id: expected a letter or digit, then letters, digits, '.', '_' or '-', at most 63 bytes"
)]
pub struct WorkerIdError {
    /// The name that was given.
    pub found: String,
}

impl WorkerId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WorkerId {
    type Error = WorkerIdError;

    fn try_from(text: String) -> Result<Self, WorkerIdError> {
        let follows = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if starts && text.len() <= 63 && text.chars().all(follows) {
            Ok(Self(text))
        } else {
            Err(WorkerIdError { found: text })
        }
    }
}

impl FromStr for WorkerId {
    type Err = WorkerIdError;

    fn from_str(text: &str) -> Result<Self, WorkerIdError> {
        text.to_owned().try_into()
    }
}

impl From<WorkerId> for String {
    fn from(id: WorkerId) -> Self {
        id.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// What a worker may use of its host. Absent means "whatever the host allows".
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Resources {
    /// CPU cores, fractions allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// The memory limit of the container, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_ids_that_would_leave_their_directory_are_refused() {
        for text in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "-a",
            "a b",
            "a\0",
            &"a".repeat(64),
        ] {
            assert!(text.parse::<WorkerId>().is_err(), "{text:?}");
        }
        assert_eq!(
            "taskmanager-1".parse::<WorkerId>().unwrap().as_str(),
            "taskmanager-1"
        );
    }
}
