//! What is in an image.

use serde::Serialize;

use crate::image::build::open_all;
use crate::image::content::{Content, Image};
use crate::image::oci::{BlobDigest, RunConfig};
use crate::image::plan::history_of;
use crate::image::{ImageError, Reference, SourceName, training};

/// An image for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspected {
    /// Its name, where it has one.
    pub name: Option<Reference>,
    /// The digest of its manifest.
    pub digest: BlobDigest,
    /// The digest of its configuration: what engines call its ID.
    pub id: BlobDigest,
    /// For what machine, e.g. `linux/amd64`.
    pub platform: String,
    /// When it was made.
    pub created: Option<String>,
    /// The bytes of its layers as they travel.
    pub size: u64,
    /// Its layers, the lowest first.
    pub layers: Vec<InspectedLayer>,
    /// The layer with the class-data archives of a trained JVM, if there is one.
    pub class_data: Option<BlobDigest>,
    /// How it is run.
    pub config: RunConfig,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectedLayer {
    /// Its digest.
    pub digest: BlobDigest,
    /// Its length as it travels.
    pub size: u64,
    /// What sort of layer it is.
    pub media_type: String,
    /// The digest of the tar in it.
    pub diff_id: BlobDigest,
    /// How it came to be.
    pub created_by: Option<String>,
}

/// Every image that is there.
pub async fn inspect(name: &SourceName) -> Result<Vec<Inspected>, ImageError> {
    let (_source, contents) = open_all(name).await?;
    let images = |content: &Content| -> Vec<Inspected> {
        let one = |image| inspected(content.reference.clone(), image);
        content.images.iter().map(one).collect()
    };
    Ok(contents.iter().flat_map(images).collect())
}

fn inspected(name: Option<Reference>, image: &Image) -> Inspected {
    let mut told = image.config.history.iter().filter(|one| !one.empty_layer);
    let layers: Vec<InspectedLayer> = image
        .layers()
        .map(|layer| InspectedLayer {
            digest: layer.descriptor.digest,
            size: layer.descriptor.size,
            media_type: layer.descriptor.media_type,
            diff_id: layer.diff_id,
            created_by: told.next().and_then(|one| one.created_by.clone()),
        })
        .collect();
    Inspected {
        name,
        digest: image.descriptor.digest,
        id: image.manifest.config.digest,
        platform: image.platform().to_string(),
        created: image.config.created.clone(),
        size: layers.iter().map(|layer| layer.size).sum(),
        class_data: layers
            .iter()
            .find(|layer| is_class_data(layer))
            .map(|layer| layer.digest),
        layers,
        config: image.config.config.clone(),
    }
}

/// Whether a layer is of a training: of `flugs image build`, or of a Dockerfile's step.
fn is_class_data(layer: &InspectedLayer) -> bool {
    let told = layer.created_by.as_deref().unwrap_or_default();
    let step = told.contains("flugs artifact train ") && !told.contains("FLUGS_TRAIN=no");
    step || told == history_of(training::LAYER)
}
