//! Why cluster state could not be kept.

use std::path::PathBuf;

use flugs_base::{ExitCode, Failure};

/// Why cluster state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be made or written to.
    #[error("directory {path} is not writable: choose another with --dir, or mend its permissions")]
    NotWritable {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Another process holds the directory's lock.
    #[error("a cluster already runs in {path} (process {holder}): stop it with `flugs down --dir {path}`, or choose another directory", holder = holder.as_deref().unwrap_or("unknown"))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The holder's process id, if it wrote one.
        holder: Option<String>,
    },
    /// Reading or writing a state file failed.
    #[error("cannot {action} {path}")]
    InputOutput {
        /// `read`, `write`, ….
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The state is not readable.
    #[error(
        "the state in {path} is damaged: {reason}; it was left as it is: move it away to start afresh"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// The state is of another version.
    #[error(
        "the state in {path} has version {found}, this flugs reads version {expected}: use the flugs that wrote it"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The version this program reads and writes.
        expected: u32,
    },
    /// Another scheduler has taken the state over.
    #[error("another scheduler has taken over the state in {place}: this one is no longer needed")]
    Superseded {
        /// Where the state is.
        place: PathBuf,
    },
    /// The servers that have the state cannot be reached, or have no quorum.
    #[error("the state in {place} cannot be reached: {reason}")]
    Away {
        /// Where the state is.
        place: PathBuf,
        /// What was tried last.
        reason: String,
    },
    /// The servers that have the state refuse.
    #[error(
        "the state in {place} is refused: {reason}; check the credentials and who owns the nodes"
    )]
    Refused {
        /// Where the state is.
        place: PathBuf,
        /// What they said.
        reason: String,
    },
}

impl Failure for StoreError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NotWritable { .. } => ExitCode::NotWritable,
            Self::InUse { .. } => ExitCode::DirectoryInUse,
            Self::InputOutput { source, .. } => ExitCode::of_io(source),
            Self::Damaged { .. } | Self::Version { .. } => ExitCode::StateRefused,
            Self::Superseded { .. } => ExitCode::FrameworkSuperseded,
            Self::Away { .. } => ExitCode::StateUnreachable,
            Self::Refused { .. } => ExitCode::StateForbidden,
        }
    }
}
