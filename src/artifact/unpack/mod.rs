//! Archives.

use std::path::{Path, PathBuf};

use crate::spec::{ExitCode, Failure};

/// What an archive may contain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {}

/// Why an archive is not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Its format is not known.
    #[error("{} is not an archive of a known format", path.display())]
    Format {
        /// The archive.
        path: PathBuf,
    },
}

impl Failure for UnpackError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::ArchiveRefused
    }
}

/// Unpacks an archive.
pub fn unpack(archive: &Path, _dest: &Path, _limits: &Limits) -> Result<(), UnpackError> {
    Err(UnpackError::Format {
        path: archive.to_owned(),
    })
}
