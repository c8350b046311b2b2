//! How two bundles differ: what is new, gone, or another, and how many bytes that are.

use std::collections::BTreeMap;

use serde::Serialize;

use super::manifest::BundleManifest;
use flugs_base::Sha256Digest;

/// What differs between two bundles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleDifference {
    /// Images and files that are new.
    pub added: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
    /// Those that are others under the same name.
    pub changed: Vec<String>,
    /// Blobs that only the second one has.
    pub new_blobs: usize,
    /// Their bytes: what a delta would carry.
    pub new_bytes: u64,
}

/// Compares two bundles by their manifests.
pub fn difference(before: &BundleManifest, after: &BundleManifest) -> BundleDifference {
    let (old, new) = (items(before), items(after));
    let new_blobs: Vec<u64> = after
        .blobs
        .iter()
        .filter(|(digest, _)| !before.blobs.contains_key(*digest))
        .map(|(_, blob)| blob.size)
        .collect();
    BundleDifference {
        added: new
            .keys()
            .filter(|name| !old.contains_key(*name))
            .cloned()
            .collect(),
        removed: old
            .keys()
            .filter(|name| !new.contains_key(*name))
            .cloned()
            .collect(),
        changed: new
            .iter()
            .filter(|(name, digest)| old.get(*name).is_some_and(|before| before != *digest))
            .map(|(name, _)| name.clone())
            .collect(),
        new_blobs: new_blobs.len(),
        new_bytes: new_blobs.iter().sum(),
    }
}

fn items(manifest: &BundleManifest) -> BTreeMap<String, Sha256Digest> {
    let images = manifest
        .images
        .iter()
        .map(|image| (format!("image {}", image.name), image.root.digest.0));
    let files = manifest
        .files
        .iter()
        .map(|file| (file.path.to_string(), file.sha256));
    images.chain(files).collect()
}
