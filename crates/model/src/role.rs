//! What a launched process is in the cluster.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use flugs_base::{ExitCode, Failure, did_you_mean};

/// The part a launched JVM plays. The spellings are those of the official image's commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A session cluster's JobManager.
    #[serde(rename = "jobmanager")]
    JobManager,
    /// A worker.
    #[serde(rename = "taskmanager")]
    TaskManager,
    /// A JobManager that runs the one job found on its class path (application mode).
    StandaloneJob,
    /// The server of finished jobs' archives.
    HistoryServer,
}

/// A role that is none of [`Role::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown role \"{found}\": expected one of jobmanager, taskmanager, standalone-job, history-server{}",
    did_you_mean(found, Role::ALL.map(Role::as_str))
)]
pub struct RoleError {
    /// The word that was given.
    pub found: String,
}

impl Role {
    /// Every role, in the order the documentation lists them.
    pub const ALL: [Self; 4] = [
        Self::JobManager,
        Self::TaskManager,
        Self::StandaloneJob,
        Self::HistoryServer,
    ];

    /// The role as people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JobManager => "jobmanager",
            Self::TaskManager => "taskmanager",
            Self::StandaloneJob => "standalone-job",
            Self::HistoryServer => "history-server",
        }
    }

    /// Whether the process holds a JobManager (and so uses `jobmanager.*` memory and options).
    pub const fn is_job_manager(self) -> bool {
        matches!(self, Self::JobManager | Self::StandaloneJob)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| RoleError {
                found: text.to_owned(),
            })
    }
}

impl Failure for RoleError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::UnknownRole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_reads_back_from_its_own_spelling_in_text_and_json() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
    }

    #[test]
    fn unknown_role_names_the_word_and_the_choices() {
        let error = "worker".parse::<Role>().unwrap_err();
        assert!(error.to_string().contains("\"worker\""));
        assert!(error.to_string().contains("standalone-job"));
        assert!(!error.to_string().contains("did you mean"));
        let error = "taskmanger".parse::<Role>().unwrap_err().to_string();
        assert!(error.ends_with("; did you mean taskmanager?"), "{error}");
    }
}
