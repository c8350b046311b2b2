//! What can go wrong with a bundle.

use std::io;
use std::path::PathBuf;

use crate::image::ImageError;
use flugs_base::{ExitCode, Failure};

/// Why a bundle cannot be made, trusted or loaded.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Something with an image in it.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// What should be bundled cannot be.
    #[error("{what} cannot be bundled: {reason}")]
    Unfit {
        /// The input.
        what: String,
        /// Why.
        reason: String,
    },
    /// A key is not what it should be.
    #[error("the key {} cannot be used: {reason}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// Why; never the key.
        reason: String,
    },
    /// The bundle is from a newer flugs.
    #[error("{} has version {found} of the bundle format, and this flugs reads {known}: use a newer flugs", path.display())]
    TooNew {
        /// The bundle.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The newest that is known.
        known: String,
    },
    /// The signature is missing or wrong.
    #[error("{} is not to be trusted: {reason}", path.display())]
    Signature {
        /// The bundle.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The bundle is damaged.
    #[error("{} is damaged: {}", path.display(), problems.join("; "))]
    Damaged {
        /// The bundle.
        path: PathBuf,
        /// All that is wrong.
        problems: Vec<String>,
    },
    /// A delta bundle lacks the one that it builds on.
    #[error("{} builds on an earlier bundle (manifest sha256:{manifest}), which was not given: name it with --earlier", path.display())]
    Incomplete {
        /// The bundle.
        path: PathBuf,
        /// The earlier bundle's manifest.
        manifest: flugs_base::Sha256Digest,
    },
    /// Loading failed, and what had been done was undone.
    #[error("{what} could not be loaded; everything is as it was before{}", undone.as_deref().map(|reason| format!(", but: {reason}")).unwrap_or_default())]
    RolledBack {
        /// What could not be loaded, and where.
        what: String,
        /// What could not be undone.
        undone: Option<String>,
        /// Why.
        source: Box<BundleError>,
    },
}

impl BundleError {
    pub(super) fn read(path: &std::path::Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Read { path, source }
    }

    pub(super) fn write(path: &std::path::Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Write { path, source }
    }

    pub(super) fn damaged(path: &std::path::Path, problem: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            problems: vec![problem.into()],
        }
    }
}

impl Failure for BundleError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Image(error) => error.exit_code(),
            Self::Read { source, .. } | Self::Write { source, .. } => ExitCode::of_io(source),
            Self::Unfit { .. } => ExitCode::ImageInput,
            Self::TooNew { .. } => ExitCode::BundleTooNew,
            Self::Key { .. } | Self::Signature { .. } => ExitCode::BundleSignature,
            Self::Damaged { .. } => ExitCode::BundleDamaged,
            Self::Incomplete { .. } => ExitCode::BundleIncomplete,
            Self::RolledBack { source, .. } => source.exit_code(),
        }
    }
}
