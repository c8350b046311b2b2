//! What each configuration overlay adds to a launch: files, properties, environment.
//!
//! One file an overlay, named after the overlay of Flink's Mesos integration whose part it plays
//! (`org.apache.flink.runtime.clusterframework.overlays`). Overlays only describe; they never
//! fetch, serve or copy a file.

mod flink_distribution;
mod tree;
mod user_library;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::spec::{ArtifactError, ExitCode, Failure, RelativePath};

pub use flink_distribution::flink_distribution;
pub use user_library::user_library;

/// What one overlay adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    /// The overlay's name, for messages.
    pub name: &'static str,
    /// Files to ship, in the order of their destinations.
    pub files: Vec<OverlayFile>,
    /// Flink options to set.
    pub properties: BTreeMap<String, String>,
    /// Environment variables to set.
    pub environment: BTreeMap<String, String>,
}

/// One file that an overlay ships.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlayFile {
    /// Where it is now.
    pub source: PathBuf,
    /// Where it goes, below the launch's sandbox.
    pub dest: RelativePath,
    /// Permission bits at its destination.
    pub mode: u32,
    /// Whether it is a secret: kept out of shared caches.
    pub secret: bool,
}

/// Why an overlay cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// A file or directory could not be read.
    #[error("overlay \"{overlay}\" cannot read {path}")]
    Read {
        /// The overlay.
        overlay: &'static str,
        /// What could not be read.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A file's name cannot travel.
    #[error("overlay \"{overlay}\" cannot ship {path}")]
    Name {
        /// The overlay.
        overlay: &'static str,
        /// The file.
        path: PathBuf,
        /// Which rule its name breaks.
        source: ArtifactError,
    },
    /// Directories are nested too deeply, most likely by a link that leads back up.
    #[error(
        "overlay \"{overlay}\" gave up at {path}: more than {limit} directories deep, does a link lead back up?"
    )]
    TooDeep {
        /// The overlay.
        overlay: &'static str,
        /// The directory.
        path: PathBuf,
        /// How deep is too deep.
        limit: usize,
    },
}

impl Failure for OverlayError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Read { source, .. } => ExitCode::of_io(source),
            Self::Name { .. } | Self::TooDeep { .. } => ExitCode::InputOutput,
        }
    }
}
