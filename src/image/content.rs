//! An image as its documents describe it, read from blobs and checked against one another.

use serde::de::DeserializeOwned;

use super::blobs::Blobs;
use super::oci::{BlobDigest, Descriptor, ImageConfig, Index, Manifest, Platform};
use super::{Architecture, ImageError, Reference};

/// An image under one name: for one platform, or an index of several.
#[derive(Debug, Clone)]
pub(super) struct Content {
    /// The name, where it has one.
    pub(super) reference: Option<Reference>,
    /// What names all of it: a manifest or an index.
    pub(super) root: Descriptor,
    /// The index, if there is one.
    pub(super) index: Option<Vec<u8>>,
    /// The images, one for each platform.
    pub(super) images: Vec<Image>,
}

/// An image for one platform.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) descriptor: Descriptor,
    pub(super) manifest_bytes: Vec<u8>,
    pub(super) manifest: Manifest,
    pub(super) config_bytes: Vec<u8>,
    pub(super) config: ImageConfig,
}

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) descriptor: Descriptor,
    pub(super) diff_id: BlobDigest,
}

impl Image {
    /// The layers, the lowest first.
    pub(super) fn layers(&self) -> impl Iterator<Item = Layer> + '_ {
        let diff_ids = self.config.rootfs.diff_ids.iter();
        self.manifest
            .layers
            .iter()
            .zip(diff_ids)
            .map(|(descriptor, diff_id)| Layer {
                descriptor: descriptor.clone(),
                diff_id: *diff_id,
            })
    }

    pub(super) fn platform(&self) -> Platform {
        Platform {
            architecture: self.config.architecture.clone(),
            os: self.config.os.clone(),
            variant: None,
        }
    }

    fn read(blobs: &Blobs, descriptor: &Descriptor) -> Result<Self, ImageError> {
        let manifest_bytes = blobs.document(descriptor)?;
        let manifest: Manifest = parsed(blobs, descriptor, &manifest_bytes)?;
        let config_bytes = blobs.document(&manifest.config)?;
        let config: ImageConfig = parsed(blobs, &manifest.config, &config_bytes)?;
        let (layers, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
        if layers != diff_ids {
            return Err(ImageError::damaged(
                format!("{}: {}", blobs.place(), descriptor.digest),
                format!("the manifest has {layers} layers, and the configuration {diff_ids}"),
            ));
        }
        Ok(Self {
            descriptor: descriptor.clone(),
            manifest_bytes,
            manifest,
            config_bytes,
            config,
        })
    }
}

impl Content {
    /// Reads what a descriptor names. Manifests and configurations are verified; layers are not
    /// looked at.
    pub(super) fn read(
        blobs: &Blobs,
        root: &Descriptor,
        reference: Option<Reference>,
    ) -> Result<Self, ImageError> {
        let mut content = Self {
            reference,
            root: root.clone(),
            index: None,
            images: Vec::new(),
        };
        if root.is_index() {
            let bytes = blobs.document(root)?;
            let index: Index = parsed(blobs, root, &bytes)?;
            content.index = Some(bytes);
            for descriptor in index.manifests.iter().filter(|one| is_image(one)) {
                content.images.push(Image::read(blobs, descriptor)?);
            }
        } else {
            content.images.push(Image::read(blobs, root)?);
        }
        Ok(content)
    }

    /// The image for a platform.
    pub(super) fn image(
        &self,
        architecture: Architecture,
        place: &str,
    ) -> Result<&Image, ImageError> {
        let fits = |image: &&Image| image.config.architecture == architecture.name();
        self.images.iter().find(fits).ok_or_else(|| {
            let found: Vec<_> = self
                .images
                .iter()
                .map(|image| image.platform().to_string())
                .collect();
            ImageError::NoImage {
                place: place.to_owned(),
                wanted: format!("for linux/{architecture}"),
                found: found.join(", "),
            }
        })
    }

    /// Every blob, each once: layers first, then configurations, then manifests, then the index.
    /// Whoever stores them in this order never has a document whose parts are missing.
    pub(super) fn blobs(&self) -> Vec<Descriptor> {
        let layers = self
            .images
            .iter()
            .flat_map(|image| image.manifest.layers.iter());
        let configs = self.images.iter().map(|image| &image.manifest.config);
        let manifests = self.images.iter().map(|image| &image.descriptor);
        let mut all: Vec<Descriptor> = Vec::new();
        for descriptor in layers.chain(configs).chain(manifests).chain([&self.root]) {
            if all.iter().all(|one| one.digest != descriptor.digest) {
                all.push(descriptor.clone());
            }
        }
        all
    }

    /// The bytes of a document of this image.
    pub(super) fn document(&self, wanted: &Descriptor) -> Option<&[u8]> {
        if wanted.digest == self.root.digest && self.index.is_some() {
            return self.index.as_deref();
        }
        self.images.iter().find_map(|image| {
            if image.descriptor.digest == wanted.digest {
                Some(image.manifest_bytes.as_slice())
            } else if image.manifest.config.digest == wanted.digest {
                Some(image.config_bytes.as_slice())
            } else {
                None
            }
        })
    }
}

/// Build tools put attestations among the images of an index, with a platform that is none.
fn is_image(descriptor: &Descriptor) -> bool {
    let known = |platform: &Platform| platform.architecture != "unknown";
    descriptor.is_manifest() && descriptor.platform.as_ref().is_none_or(known)
}

fn parsed<T: DeserializeOwned>(
    blobs: &Blobs,
    descriptor: &Descriptor,
    bytes: &[u8],
) -> Result<T, ImageError> {
    serde_json::from_slice(bytes).map_err(|error| {
        ImageError::damaged(
            format!("{}: {}", blobs.place(), descriptor.digest),
            format!("not a {}: {error}", descriptor.media_type),
        )
    })
}
