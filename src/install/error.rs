//! Why an image's root could not be filled.

use std::path::PathBuf;

use flugs_artifact::FetchError;
use flugs_artifact::unpack::UnpackError;
use flugs_base::{DigestError, ExitCode, Failure, PathError};
use flugs_flink::FlinkHomeError;
use flugs_flink_conf::ConfError;

/// Why an image's root could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The Flink home is unusable.
    #[error(transparent)]
    FlinkHome(#[from] FlinkHomeError),
    /// The shipped configuration cannot be fitted.
    #[error(transparent)]
    Configuration(#[from] ConfError),
    /// The archive was refused.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The archive could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The archive's place makes no artifact.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The digest is none.
    #[error("FLINK_SHA256 is no digest")]
    Digest(#[from] DigestError),
    /// The URL is none.
    #[error("FLINK_URL is no URL: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// A URL came without a digest.
    #[error(
        "FLINK_URL without FLINK_SHA256: what is fetched must have a digest to be checked against"
    )]
    NoDigest,
    /// There is no Flink to install.
    #[error(
        "there is no Flink in {path}: expected a Flink home, one release tarball (.tgz), or the build arguments FLINK_URL and FLINK_SHA256"
    )]
    NoFlink {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There are several tarballs.
    #[error("there are several archives in {path}: {}; leave one", found.join(", "))]
    SeveralArchives {
        /// The directory.
        path: PathBuf,
        /// The archives.
        found: Vec<String>,
    },
    /// Something cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// What.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Something cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// What.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
}

impl Failure for InstallError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::FlinkHome(error) => error.exit_code(),
            Self::Configuration(error) => error.exit_code(),
            Self::Unpack(error) => error.exit_code(),
            Self::Fetch(error) => error.exit_code(),
            Self::Path(_) | Self::Digest(_) | Self::Url { .. } | Self::NoDigest => ExitCode::Usage,
            Self::NoFlink { .. } => ExitCode::FlinkHomeMissing,
            Self::SeveralArchives { .. } => ExitCode::FlinkHomeIncomplete,
            Self::Read { source, .. } | Self::Write { source, .. } => ExitCode::of_io(source),
        }
    }
}
