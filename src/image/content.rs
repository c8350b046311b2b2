//! An image as its documents describe it, read from blobs and checked against one another.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::blobs::Blobs;
use super::layer::Compression;
use super::oci::{self, BlobDigest, Descriptor, ImageConfig, Index, Manifest, Platform};
use super::{Architecture, ImageError, Reference};

/// An image under one name: for one platform, or an index of several.
#[derive(Debug, Clone)]
pub(super) struct Content {
    /// The name, where it has one.
    pub(super) reference: Option<Reference>,
    /// What names all of it: a manifest or an index.
    pub(super) root: Descriptor,
    /// The indexes, if there are any: the root's first, then those within.
    pub(super) indexes: Vec<Document>,
    /// The images, one for each platform.
    pub(super) images: Vec<Image>,
    /// What an index names beside images: attestations, signatures.
    pub(super) attached: Vec<Attached>,
    /// What an index names and the place does not have: engines keep their own platform's only.
    pub(super) absent: Vec<Descriptor>,
}

/// A document and what names it.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) descriptor: Descriptor,
    pub(super) bytes: Vec<u8>,
}

/// A manifest of something that is no image. It travels with the images that it is about.
#[derive(Debug, Clone)]
pub(super) struct Attached {
    manifest: Document,
    blobs: Vec<Descriptor>,
}

/// Indexes within indexes; more than this are nobody's.
const DEEPEST: usize = 8;

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
            others: oci::Others::new(),
        }
    }

    fn read(blobs: &Blobs, descriptor: &Descriptor) -> Result<Self, ImageError> {
        let manifest_bytes = blobs.document(descriptor)?;
        let manifest: Manifest = parsed(blobs, descriptor, &manifest_bytes)?;
        refuse_artifact(blobs, descriptor, &manifest)?;
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

/// A registry's other contents (charts, signatures, modules) have manifests as well.
fn refuse_artifact(
    blobs: &Blobs,
    descriptor: &Descriptor,
    manifest: &Manifest,
) -> Result<(), ImageError> {
    let kind = &manifest.config.media_type;
    if kind == oci::CONFIG || kind == oci::DOCKER_CONFIG {
        return Ok(());
    }
    Err(ImageError::damaged(
        format!("{}: {}", blobs.place(), descriptor.digest),
        format!("it is no image: its configuration is {kind}"),
    ))
}

impl Attached {
    fn read(blobs: &Blobs, descriptor: &Descriptor) -> Result<Self, ImageError> {
        let bytes = blobs.document(descriptor)?;
        let manifest: Manifest = parsed(blobs, descriptor, &bytes)?;
        Ok(Self {
            manifest: Document {
                descriptor: descriptor.clone(),
                bytes,
            },
            blobs: [manifest.config]
                .into_iter()
                .chain(manifest.layers)
                .collect(),
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
            indexes: Vec::new(),
            images: Vec::new(),
            attached: Vec::new(),
            absent: Vec::new(),
        };
        if root.is_index() {
            content.add_index(blobs, root)?;
        } else if root.is_manifest() {
            content.images.push(Image::read(blobs, root)?);
        } else {
            return Err(unknown(blobs, root));
        }
        Ok(content)
    }

    fn add_index(&mut self, blobs: &Blobs, descriptor: &Descriptor) -> Result<(), ImageError> {
        if self.indexes.len() >= DEEPEST {
            return Err(ImageError::damaged(
                format!("{}: {}", blobs.place(), self.root.digest),
                format!("more than {DEEPEST} indexes within one another"),
            ));
        }
        let bytes = blobs.document(descriptor)?;
        let index: Index = parsed(blobs, descriptor, &bytes)?;
        self.indexes.push(Document {
            descriptor: descriptor.clone(),
            bytes,
        });
        for one in &index.manifests {
            if !blobs.has(&one.digest.0) {
                self.absent.push(one.clone());
            } else if one.is_index() {
                self.add_index(blobs, one)?;
            } else if is_image(one) {
                self.images.push(Image::read(blobs, one)?);
            } else if one.is_manifest() {
                self.attached.push(Attached::read(blobs, one)?);
            } else {
                return Err(unknown(blobs, one));
            }
        }
        Ok(())
    }

    /// The image for a platform.
    pub(super) fn image(
        &self,
        architecture: Architecture,
        place: &str,
    ) -> Result<&Image, ImageError> {
        let fits = |image: &&Image| image.config.architecture == architecture.name();
        self.images.iter().find(fits).ok_or_else(|| {
            let here = self.images.iter().map(|image| image.platform().to_string());
            let absent = self.absent.iter().filter_map(|one| one.platform.as_ref());
            let absent = absent.map(|platform| format!("{platform} (named, and not there)"));
            let found: Vec<_> = here.chain(absent).collect();
            ImageError::NoImage {
                place: place.to_owned(),
                wanted: format!("for linux/{architecture}"),
                found: found.join(", "),
            }
        })
    }

    /// Every blob, each once: layers first, then configurations, then manifests, then indexes, the
    /// root last. Whoever stores them in this order never has a document whose parts are missing.
    pub(super) fn blobs(&self) -> Vec<Descriptor> {
        let layers = self.images.iter().flat_map(|image| &image.manifest.layers);
        let of_attached = self.attached.iter().flat_map(|one| &one.blobs);
        let configs = self.images.iter().map(|image| &image.manifest.config);
        let manifests = self.images.iter().map(|image| &image.descriptor);
        let attached = self.attached.iter().map(|one| &one.manifest.descriptor);
        let indexes = self.indexes.iter().rev().map(|index| &index.descriptor);
        let mut seen = BTreeSet::new();
        layers
            .chain(of_attached)
            .chain(configs)
            .chain(manifests)
            .chain(attached)
            // What is missing is said to be missing by whoever wants to pass it on.
            .chain(&self.absent)
            .chain(indexes)
            .filter(|descriptor| seen.insert(descriptor.digest))
            .cloned()
            .collect()
    }

    /// Whether any layer is compressed with zstd.
    pub(super) fn has_zstd(&self) -> bool {
        let layers = self.images.iter().flat_map(|image| &image.manifest.layers);
        let mut found = layers.filter_map(Descriptor::layer_compression);
        found.any(|found| found == Compression::Zstd)
    }

    /// The bytes of a document of this image.
    pub(super) fn document(&self, wanted: &Descriptor) -> Option<&[u8]> {
        let attached = self.attached.iter().map(|one| &one.manifest);
        let other = self
            .indexes
            .iter()
            .chain(attached)
            .find(|document| document.descriptor.digest == wanted.digest);
        let of_images = || {
            self.images.iter().find_map(|image| {
                if image.descriptor.digest == wanted.digest {
                    Some(image.manifest_bytes.as_slice())
                } else if image.manifest.config.digest == wanted.digest {
                    Some(image.config_bytes.as_slice())
                } else {
                    None
                }
            })
        };
        other
            .map(|document| document.bytes.as_slice())
            .or_else(of_images)
    }
}

fn unknown(blobs: &Blobs, descriptor: &Descriptor) -> ImageError {
    let hint = if descriptor
        .media_type
        .starts_with("application/vnd.docker.distribution.manifest.v1")
    {
        ": Docker's first schema, which no registry takes any more; `docker pull` and `docker save` make a newer one of it"
    } else {
        ""
    };
    ImageError::damaged(
        format!("{}: {}", blobs.place(), descriptor.digest),
        format!("it is no image but {}{hint}", descriptor.media_type),
    )
}

/// Build tools put attestations among the images of an index, with a platform that is none.
fn is_image(descriptor: &Descriptor) -> bool {
    let known = |platform: &Platform| platform.architecture != "unknown";
    let refers = descriptor
        .annotations
        .contains_key("vnd.docker.reference.type")
        || descriptor.others.contains_key("artifactType");
    descriptor.is_manifest() && !refers && descriptor.platform.as_ref().is_none_or(known)
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
