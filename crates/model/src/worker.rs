//! A worker's name and what it may use.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use flugs_base::Sha256Digest;

use super::Role;

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
    /// The id of a role's only member, or of its `number`th.
    pub fn of(role: Role, number: Option<u64>) -> Self {
        match number {
            Some(number) => Self(format!("{role}-{number}")),
            None => Self(role.to_string()),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number that [`WorkerId::of`] was given, if there was one.
    pub fn number(&self) -> Option<u64> {
        self.0.rsplit_once('-')?.1.parse().ok()
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

/// How far a member got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberState {
    /// Wanted; nothing was started for it yet, because no place for it has been found.
    Waiting,
    /// Written down, not yet known to run.
    Starting,
    /// Its process runs; Flink does not know it yet.
    Running,
    /// It serves: a JobManager answers, a TaskManager is registered.
    Registered,
    /// It served, and neither Flink nor Mesos has heard of it for too long. It may come back; until
    /// then another one is wanted in its place.
    Lost,
    /// It was told to stop.
    Stopping,
}

/// One process of this machine, told apart from any later one that was given the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ProcessIdentity {
    /// The process id.
    pub pid: i32,
    /// When it started, in clock ticks since boot (`proc_pid_stat(5)`, field 22).
    pub start_ticks: u64,
}

/// What a provider needs to start one worker: the three values that name its manifest, and
/// where it lives.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerSpec {
    /// Its name.
    pub id: WorkerId,
    /// What it is.
    pub role: Role,
    /// Where its launch manifest is served.
    pub manifest_url: String,
    /// The digest its launch manifest must have.
    pub manifest_sha256: Sha256Digest,
    /// The file that holds the artifact server's token, readable by the worker.
    pub token_file: PathBuf,
    /// Its own directory.
    pub sandbox: PathBuf,
    /// The artifact cache it shares with the other workers of its host.
    pub cache: PathBuf,
    /// What it may use.
    pub resources: Resources,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_has_the_number_that_it_was_made_with() {
        let numbered = WorkerId::of(Role::TaskManager, Some(12));
        assert_eq!(numbered.number(), Some(12));
        assert_eq!(WorkerId::of(Role::JobManager, None).number(), None);
        assert_eq!("a-b".parse::<WorkerId>().unwrap().number(), None);
    }

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
