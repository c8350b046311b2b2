//! What can go wrong with an image.

use std::io;
use std::path::{Path, PathBuf};

use super::DefinitionError;
use flugs_artifact::{FetchError, StoreError};
use flugs_base::{ExitCode, Failure, Sha256Digest};

/// Why an image cannot be built, read or handed over.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The definition is wrong.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// The cache cannot do as asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No client for HTTP can be made.
    #[error(transparent)]
    Client(#[from] FetchError),
    /// `SOURCE_DATE_EPOCH` is no time.
    #[error(
        "SOURCE_DATE_EPOCH is \"{found}\": expected whole seconds since 1970, before the year 10000"
    )]
    Epoch {
        /// The variable's value.
        found: String,
    },
    /// A file or directory cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file or directory cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// An input is there, but is not what it should be.
    #[error("{} cannot be used: {reason}", path.display())]
    Unfit {
        /// The path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// An input that the definition needs was not named.
    #[error("{what} is needed: {hint}")]
    Needed {
        /// The input.
        what: String,
        /// How to name it.
        hint: String,
    },
    /// An input does not have the digest that was demanded.
    #[error("{what} has sha256:{found}, and sha256:{expected} was demanded")]
    Digest {
        /// The input.
        what: String,
        /// The digest that was demanded.
        expected: Sha256Digest,
        /// The digest it has.
        found: Sha256Digest,
    },
    /// An image lacks a blob.
    #[error("{place} lacks sha256:{digest} ({what})")]
    Lacks {
        /// The layout or archive.
        place: String,
        /// The blob.
        digest: Sha256Digest,
        /// What the blob would be.
        what: String,
    },
    /// A layer's bytes are left out of images, for its licence.
    #[error(
        "{place} lacks sha256:{digest}, a layer that images do not carry: fetch it from {urls} and put \
         it into the layout as blobs/sha256/{digest}"
    )]
    Elsewhere {
        /// The layout or archive.
        place: String,
        /// The layer.
        digest: Sha256Digest,
        /// Where it is.
        urls: String,
    },
    /// An image is damaged, or was never one.
    #[error("{place}: {reason}")]
    Damaged {
        /// The layout or archive, and what in it.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no such image in a layout, archive or engine.
    #[error("{place} has no image {wanted}; it has: {found}")]
    NoImage {
        /// Where it was looked for.
        place: String,
        /// The name or platform that was asked for.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// A program that is needed to make a base failed.
    #[error("the base cannot be made: {reason}")]
    Base {
        /// Why, with what the program said.
        reason: String,
    },
    /// This image's JVM cannot be trained here.
    #[error("the image's JVM cannot be trained: {reason}")]
    Untrainable {
        /// Why, and what to do.
        reason: String,
    },
    /// The training of the image's JVM failed.
    #[error("the image's JVM was not trained: {reason}")]
    Untrained {
        /// The step, and what was said last.
        reason: String,
    },
    /// The Docker engine cannot be reached, or refuses.
    #[error("the Docker engine: {reason}")]
    Engine {
        /// What it said.
        reason: String,
    },
    /// The Docker engine is too old for zstd.
    #[error(
        "the Docker engine is {version}, which cannot read layers in zstd (23.0 and newer can): build with \
         --compression gzip, on a base whose layers are not in zstd, or name another --output"
    )]
    EngineReadsNoZstd {
        /// Its version.
        version: String,
    },
    /// A registry cannot be reached, after every retry.
    #[error("the registry {registry} cannot be reached: {reason}")]
    RegistryUnreachable {
        /// Its name.
        registry: String,
        /// Why.
        reason: String,
    },
    /// A registry refuses.
    #[error("the registry {registry} refuses {what}: {reason}")]
    RegistryRefused {
        /// Its name.
        registry: String,
        /// What was asked of it.
        what: String,
        /// What it answered.
        reason: String,
    },
    /// The credentials for a registry cannot be had.
    #[error("the credentials for {registry} cannot be had: {reason}")]
    Credentials {
        /// The registry.
        registry: String,
        /// Why; never the credentials.
        reason: String,
    },
}

impl ImageError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Read { path, source }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Write { path, source }
    }

    pub(super) fn damaged(place: impl std::fmt::Display, reason: impl std::fmt::Display) -> Self {
        Self::Damaged {
            place: place.to_string(),
            reason: reason.to_string(),
        }
    }
}

impl Failure for ImageError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Definition(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
            Self::Client(error) => error.exit_code(),
            Self::Read { source, .. } | Self::Write { source, .. } => ExitCode::of_io(source),
            Self::Epoch { .. }
            | Self::Unfit { .. }
            | Self::Needed { .. }
            | Self::Digest { .. }
            | Self::Base { .. }
            | Self::Untrainable { .. } => ExitCode::ImageInput,
            Self::Untrained { .. } => ExitCode::ImageTraining,
            Self::Lacks { .. }
            | Self::Elsewhere { .. }
            | Self::Damaged { .. }
            | Self::NoImage { .. } => ExitCode::ImageRefused,
            Self::Engine { .. } | Self::EngineReadsNoZstd { .. } => ExitCode::Engine,
            Self::RegistryUnreachable { .. } => ExitCode::RegistryUnreachable,
            Self::RegistryRefused { .. } | Self::Credentials { .. } => ExitCode::RegistryRefused,
        }
    }
}
