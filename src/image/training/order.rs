//! What the build tells those who train: a file in their directory, since nothing of an image's
//! environment belongs on a command line.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ORDER, TrainingError};
use crate::image::blobs::Region;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// The layers, the lowest first: what messages call each, and where it is.
    pub(super) layers: Vec<(String, Region)>,
    /// The image's environment.
    pub(super) environment: Vec<(String, String)>,
    /// The image's flugs.
    pub(super) program: String,
    /// The image's Flink.
    pub(super) flink_home: String,
    /// The image's user and group.
    pub(super) user: u32,
    pub(super) group: u32,
    /// Whether the builder is not root: then a namespace of users makes one of him, and every
    /// file of the image is his.
    pub(super) mapped: bool,
}

impl Order {
    /// Strings and numbers have no way to fail to be written.
    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn read(directory: &Path) -> Result<Self, TrainingError> {
        let path = directory.join(ORDER);
        std::fs::read(&path)
            .and_then(|bytes| Ok(serde_json::from_slice(&bytes)?))
            .map_err(|source| TrainingError::Order { path, source })
    }
}
