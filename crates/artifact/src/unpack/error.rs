//! Why an archive is not unpacked.

use std::io;
use std::path::{Path, PathBuf};

use super::rule::Rule;
use flugs_base::{ExitCode, Failure, Sha256Digest};

/// Why an archive is not unpacked. Nothing of it is left behind in any of these cases.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// An entry breaks a rule.
    #[error("the archive {} is refused at entry {entry:?}: {rule}", path.display())]
    Entry {
        /// The archive.
        path: PathBuf,
        /// The entry's name as written.
        entry: String,
        /// The rule.
        rule: Rule,
    },
    /// The archive as a whole breaks a rule.
    #[error("the archive {} is refused: {rule}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// The rule.
        rule: Rule,
    },
    /// It is damaged: a checksum or structure is wrong.
    #[error("the archive {} is damaged", path.display())]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// What the decoder said.
        source: io::Error,
    },
    /// It is of no known format.
    #[error(
        "{} is {found}: tar, tar.gz, tar.zst and zip are understood", path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        found: &'static str,
    },
    /// Its bytes are others than those demanded.
    #[error("{} has sha256:{found}, expected sha256:{expected}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// The digest that is demanded.
        expected: Sha256Digest,
        /// The digest that it has.
        found: Sha256Digest,
    },
    /// Something is where the tree should go.
    #[error("{} exists already: an archive is unpacked into a new or empty directory only", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read the archive {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The tree cannot be written.
    #[error("cannot unpack to {}", path.display())]
    Write {
        /// The place.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Failure for UnpackError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Entry { .. }
            | Self::Archive { .. }
            | Self::Damaged { .. }
            | Self::Format { .. } => ExitCode::ArchiveRefused,
            Self::Digest { .. } => ExitCode::ArtifactDigest,
            Self::Exists { .. } => ExitCode::DirectoryInUse,
            Self::Read { source, .. } | Self::Write { source, .. } => ExitCode::of_io(source),
        }
    }
}

/// The same before it is known which archive and which place are meant.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{0:?}: {1}")]
    Entry(String, Rule),
    #[error("{0}")]
    Whole(Rule),
    #[error("{0}")]
    Archive(io::Error),
    #[error("{0}")]
    Tree(io::Error),
    #[error("{0}")]
    Format(&'static str),
}

impl Problem {
    pub(super) fn about(self, archive: &Path, dest: &Path) -> UnpackError {
        let path = archive.to_owned();
        match self {
            Self::Entry(entry, rule) => UnpackError::Entry { path, entry, rule },
            Self::Whole(rule) => UnpackError::Archive { path, rule },
            // A rule that a reader found out about travels inside its I/O error.
            Self::Archive(source) => match source.downcast::<Rule>() {
                Ok(rule) => UnpackError::Archive { path, rule },
                Err(source) => UnpackError::Damaged { path, source },
            },
            Self::Tree(source) => UnpackError::Write {
                path: dest.to_owned(),
                source,
            },
            Self::Format(found) => UnpackError::Format { path, found },
        }
    }
}
