//! What can go wrong with a store.

use std::io;
use std::path::PathBuf;

use flugs_base::{ExitCode, Failure, Sha256Digest};

/// Why the store could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be made or used.
    #[error("the artifact store {} cannot be used", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file that was to be added, or one of the store's own, cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Something that was to be added is not a regular file.
    #[error("{} is not a regular file: only files can be added", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The store cannot be written to.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no object of that name.
    #[error("the artifact store {} has no sha256:{digest}", root.display())]
    Missing {
        /// The digest that was asked for.
        digest: Sha256Digest,
        /// The store's directory.
        root: PathBuf,
    },
    /// An object cannot be put where it is needed.
    #[error("cannot place sha256:{digest} at {}", dest.display())]
    Place {
        /// The object.
        digest: Sha256Digest,
        /// Where it should go.
        dest: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Failure for StoreError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Open { source, .. }
            | Self::Read { source, .. }
            | Self::Write { source, .. }
            | Self::Place { source, .. } => ExitCode::of_io(source),
            Self::NotAFile { .. } => ExitCode::InputOutput,
            Self::Missing { .. } => ExitCode::ArtifactRefused,
        }
    }
}
