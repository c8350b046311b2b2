//! Archives of `docker save` before version 25, and of all who write the like: `manifest.json`
//! names a configuration and layers (moby/docker-image-spec, v1.2). They have no manifest in the
//! OCI's sense, so one is made.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::archive::{Members, bytes, normal};
use crate::image::ImageError;
use crate::image::blobs::Region;
use crate::image::layer::{Compression, Hashed};
use crate::image::oci::{self, BlobDigest, CONTAINERD_NAME, Descriptor, ImageConfig, Manifest};
use crate::image::packing::{self, Packing};
use flugs_base::Sha256Digest;

/// One element of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// An archive whose members are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Archive<'a> {
    pub(super) path: &'a Path,
    pub(super) members: &'a Members,
}

impl Archive<'_> {
    /// Gives an image the manifest that it does not have, under each of its names.
    pub(super) fn image(
        self,
        listed: &Listed,
        regions: &mut BTreeMap<Sha256Digest, Region>,
        made: &mut BTreeMap<Sha256Digest, Vec<u8>>,
    ) -> Result<Vec<Descriptor>, ImageError> {
        let config_bytes = bytes(self.member(&listed.config)?)?;
        let config: ImageConfig = serde_json::from_slice(&config_bytes).map_err(|error| {
            ImageError::damaged(format!("{}: {}", self.path.display(), listed.config), error)
        })?;
        let names = listed.layers.as_deref().unwrap_or_default();
        let diff_ids = &config.rootfs.diff_ids;
        if diff_ids.len() != names.len() {
            let reason = format!(
                "{} layers, and the configuration has {}",
                names.len(),
                diff_ids.len()
            );
            return Err(ImageError::damaged(self.path.display(), reason));
        }
        let mut layers = Vec::new();
        for (name, diff_id) in names.iter().zip(diff_ids) {
            let region = self.member(name)?;
            let layer = layer(region, *diff_id)?;
            regions.insert(layer.digest.0, region.clone());
            layers.push(layer);
        }
        let config_descriptor = Descriptor::of(oci::CONFIG, &config_bytes);
        made.insert(config_descriptor.digest.0, config_bytes);
        let manifest = oci::to_json(&Manifest {
            schema_version: 2,
            media_type: Some(oci::MANIFEST.to_owned()),
            config: config_descriptor,
            layers,
        });
        let descriptor = Descriptor::of(oci::MANIFEST, &manifest);
        made.insert(descriptor.digest.0, manifest);
        Ok(under_names(descriptor, listed))
    }

    fn member(&self, name: &str) -> Result<&Region, ImageError> {
        self.members.get(&normal(Path::new(name))).ok_or_else(|| {
            let reason = format!("manifest.json names {name}, which is not in it");
            ImageError::damaged(self.path.display(), reason)
        })
    }
}

fn under_names(descriptor: Descriptor, listed: &Listed) -> Vec<Descriptor> {
    let tags = listed.repo_tags.as_deref().unwrap_or_default();
    if tags.is_empty() {
        return vec![descriptor];
    }
    let named = |tag: &String| {
        let mut named = descriptor.clone();
        let name = CONTAINERD_NAME.to_owned();
        named.annotations.insert(name, tag.clone());
        named
    };
    tags.iter().map(named).collect()
}

/// Docker's layers are plain tars, so their digests are the diffIDs; other tools pack them.
fn layer(region: &Region, diff_id: BlobDigest) -> Result<Descriptor, ImageError> {
    let unreadable = |error| ImageError::read(&region.path, error);
    let part = region.open().map_err(unreadable)?;
    let compression = match packing::of_part(part).map_err(unreadable)? {
        Packing::Gzip => Compression::Gzip,
        Packing::Zstd => Compression::Zstd,
        // Whoever reads what is packed otherwise is told so then.
        Packing::Plain | Packing::Foreign(..) => {
            let media_type = Compression::None.media_type();
            return Ok(Descriptor::new(media_type, diff_id.0, region.size));
        }
    };
    let mut content = Hashed::new(region.open().map_err(unreadable)?);
    io::copy(&mut content, &mut io::sink()).map_err(unreadable)?;
    let (digest, size) = content.finish().1;
    Ok(Descriptor::new(compression.media_type(), digest, size))
}
