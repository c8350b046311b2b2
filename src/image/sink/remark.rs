//! What whoever sends an image somewhere should know, though it went well.

use std::fmt;

use crate::image::oci::BlobDigest;

/// A remark on how an image arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// Images of several names share one tag in a layout.
    SharedTag {
        /// The layout.
        layout: String,
        /// The tag.
        tag: String,
        /// The names, with the tag.
        names: Vec<String>,
    },
    /// A name in a layout stands for another image now.
    Renamed {
        /// The layout.
        layout: String,
        /// The name.
        name: String,
        /// The image that it stood for.
        before: BlobDigest,
    },
    /// A registry forgot an upload that was cut off.
    BegunAgain {
        /// The registry.
        registry: String,
        /// The blob.
        blob: BlobDigest,
        /// How often.
        times: u32,
        /// Bytes that were sent for nothing, at least.
        lost: u64,
    },
    /// An archive has layers that not everybody reads.
    NotForAll {
        /// The archive.
        archive: String,
    },
}

impl fmt::Display for Remark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SharedTag { layout, tag, names } => write!(
                formatter,
                "{layout} has several images of the tag {tag}: {}. Others (skopeo, umoci) look images up by the \
                 tag alone; give each another with --name NAME:TAG, or name the whole name here",
                names.join(", ")
            ),
            Self::Renamed {
                layout,
                name,
                before,
            } => write!(formatter, "{name} in {layout} was {before} before"),
            Self::BegunAgain {
                registry,
                blob,
                times,
                lost,
            } => write!(
                formatter,
                "the registry {registry} does not go on with an upload that was cut off: {blob} was begun \
                 again {times} times, {lost} bytes were sent for nothing"
            ),
            Self::NotForAll { archive } => write!(
                formatter,
                "{archive} has layers in zstd: Docker before 23.0 cannot load it; --compression gzip is for all"
            ),
        }
    }
}
