//! Every way in which supervising itself can fail.

use std::io;
use std::path::PathBuf;

use super::report::ReportError;
use flugs_base::{ExitCode, Failure};

/// Why a program is not supervised, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// Signals could not be blocked or received.
    #[error("cannot take over signals ({call}): {error}")]
    Signals {
        /// The system call.
        call: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
    /// A system call that cannot fail did.
    #[error("{call} failed: {error}")]
    Call {
        /// The system call.
        call: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
    /// The document handed over by re-execution is not there, or not readable.
    #[error("cannot read the supervision document from descriptor {descriptor}: {reason}")]
    Document {
        /// The descriptor's number.
        descriptor: i32,
        /// What is wrong.
        reason: String,
    },
    /// Re-executing this program failed.
    #[error("cannot hand over to the supervising process ({step}): {error}; is /proc mounted?")]
    Handover {
        /// Which step.
        step: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
    /// The program could not be started.
    #[error("cannot start {}: {error}{hint}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the kernel said.
        error: io::Error,
        /// What to do about it; starts with "; " if there is something.
        hint: String,
    },
    /// The working directory is not there.
    #[error("cannot start {} in {}: there is no such directory", program.display(), directory.display())]
    Directory {
        /// The program.
        program: PathBuf,
        /// Its working directory.
        directory: PathBuf,
    },
    /// A name holds a NUL byte, or a variable's name an equals sign.
    #[error("cannot start {}: {what} holds a NUL byte or an equals sign where none may be", program.display())]
    Text {
        /// The program.
        program: PathBuf,
        /// Which text.
        what: String,
    },
    /// A resource limit could not be set.
    #[error(
        "cannot set the limit of {limit} to {wanted}: {error}; lower it, or raise the container's hard limit"
    )]
    Limit {
        /// Which limit.
        limit: &'static str,
        /// The value that was asked for.
        wanted: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// The user to become is not known.
    #[error("cannot become user \"{user}\": {reason}")]
    User {
        /// The user as it was named.
        user: String,
        /// Why not.
        reason: String,
    },
    /// A privilege could not be given up.
    #[error("cannot give up privileges ({step}): {error}")]
    Privileges {
        /// Which step.
        step: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
    /// A directory could not be handed to the user.
    #[error("cannot hand {} to user {user}: {error}", path.display())]
    Ownership {
        /// The file or directory.
        path: PathBuf,
        /// Whom to.
        user: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// The log directory or a log file cannot be used.
    #[error("cannot write logs to {}: {error}", path.display())]
    Logs {
        /// The directory or file.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// The status address is not usable.
    #[error("cannot answer health questions at {address}: {error}")]
    Status {
        /// The socket or port.
        address: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// The exit report cannot be written.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl Failure for SuperviseError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Signals { .. }
            | Self::Call { .. }
            | Self::Document { .. }
            | Self::Handover { .. } => ExitCode::Internal,
            Self::Start { .. } | Self::Directory { .. } | Self::Text { .. } => ExitCode::ChildStart,
            Self::Limit { .. } => ExitCode::Configuration,
            Self::User { .. } | Self::Privileges { .. } | Self::Ownership { .. } => {
                ExitCode::Privileges
            }
            Self::Status { error, .. } if error.kind() == io::ErrorKind::AddrInUse => {
                ExitCode::PortInUse
            }
            Self::Logs { error, .. } | Self::Status { error, .. } => ExitCode::of_io(error),
            Self::Report(report) => report.exit_code(),
        }
    }
}
