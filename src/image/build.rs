//! The build: a definition and its inputs become an image in the cache. No daemon, no network
//! (but for a base that has to be made of packages).

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::base::{self, Base, BaseRecipe, Making};
use super::cache::{Cache, Key};
use super::content::{Content, Document, Image, Layer};
use super::definition::{BaseInput, BaseWay, Definition};
use super::layer::{self, Compression, Node, Tree};
use super::oci::{self, Descriptor, Index, Manifest, Platform};
use super::plan::{self, Parts, Plan, PlannedLayer};
use super::source::{self, Source, SourceName};
use super::training::{self, Subject};
use super::{Architecture, Epoch, ImageError, Reference, sink};

/// What a build is given beside the definition.
#[derive(Debug, Clone)]
pub struct BuildInputs {
    /// The base of each platform, in place of the definition's; that of `None` goes for all.
    pub bases: BTreeMap<Option<Architecture>, BaseInput>,
    /// The Flink home.
    pub flink_home: Option<PathBuf>,
    /// The flugs binary of each platform.
    pub binaries: BTreeMap<Architecture, PathBuf>,
    /// Files for `usrlib`.
    pub user_files: Vec<PathBuf>,
    /// For which machines.
    pub architectures: Vec<Architecture>,
    /// The name, in place of the definition's.
    pub name: Option<Reference>,
    /// How layers are compressed.
    pub compression: Compression,
    /// With how many threads.
    pub threads: NonZeroUsize,
    /// The time that everything carries.
    pub epoch: Epoch,
    /// This machine's flugs, if it is to train the image's JVM.
    pub trainer: Option<PathBuf>,
}

/// An image that was built, in the cache.
#[derive(Debug, Clone)]
pub struct BuiltImage {
    pub(super) content: Content,
    pub(super) cache: Cache,
    /// The layers of all platforms, as they came to be.
    pub layers: Vec<BuiltLayer>,
}

/// How a layer came to be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BuiltLayer {
    /// For which machine.
    pub architecture: Architecture,
    /// What it holds.
    pub name: String,
    /// Its digest.
    pub digest: oci::BlobDigest,
    /// Its length as it travels.
    pub size: u64,
    /// Whether it was there already.
    pub cached: bool,
}

impl BuiltImage {
    /// The name it was built under.
    pub fn name(&self) -> Option<&Reference> {
        self.content.reference.as_ref()
    }

    /// The digest of the manifest, or of the index of several.
    pub fn digest(&self) -> oci::BlobDigest {
        self.content.root.digest
    }

    /// The digest of the configuration of each platform's image: what engines call its ID.
    pub fn ids(&self) -> Vec<oci::BlobDigest> {
        let id = |image: &Image| image.manifest.config.digest;
        self.content.images.iter().map(id).collect()
    }

    /// Hands the image over, and says what is worth a remark.
    pub async fn send(&self, to: &sink::Sink) -> Result<Vec<sink::Remark>, ImageError> {
        to.take(&self.content, &self.cache.blobs()).await
    }
}

/// Builds an image in the cache's directory.
pub async fn build(
    definition: &Definition,
    inputs: &BuildInputs,
    cache: &std::path::Path,
) -> Result<BuiltImage, ImageError> {
    training::check(definition, inputs)?;
    let cache = Cache::open(cache)?;
    let mut layers = Vec::new();
    let mut images = Vec::new();
    for architecture in &inputs.architectures {
        images.push(build_one(definition, inputs, *architecture, &cache, &mut layers).await?);
    }
    let (root, indexes) = match images.as_slice() {
        [only] => (
            Descriptor {
                platform: None,
                ..only.descriptor.clone()
            },
            Vec::new(),
        ),
        several => {
            let index = oci::to_json(&Index::of(
                several
                    .iter()
                    .map(|image| image.descriptor.clone())
                    .collect(),
            ));
            cache.store().add_bytes(&index)?;
            let root = Descriptor::of(oci::INDEX, &index);
            let document = Document {
                descriptor: root.clone(),
                bytes: index,
            };
            (root, vec![document])
        }
    };
    let reference = Some(
        inputs
            .name
            .clone()
            .unwrap_or_else(|| definition.name.clone()),
    );
    Ok(BuiltImage {
        content: Content {
            reference,
            root,
            indexes,
            images,
            attached: Vec::new(),
            absent: Vec::new(),
        },
        cache,
        layers,
    })
}

async fn build_one(
    definition: &Definition,
    inputs: &BuildInputs,
    architecture: Architecture,
    cache: &Cache,
    report: &mut Vec<BuiltLayer>,
) -> Result<Image, ImageError> {
    let binary = inputs
        .binaries
        .get(&architecture)
        .ok_or_else(|| ImageError::Needed {
            what: format!("a flugs binary for linux/{architecture}"),
            hint: format!("name one with --binary {architecture}=FILE"),
        })?;
    if base::architecture_of(binary)? != Some(architecture) {
        return Err(ImageError::Unfit {
            path: binary.clone(),
            reason: format!("it is no program for linux/{architecture}"),
        });
    }
    let base = find_base(definition, inputs, architecture, cache).await?;
    let java_home = plan::java_home(definition, &base.facts, architecture)?;
    let parts = Parts {
        flink_home: inputs.flink_home.as_deref(),
        binary,
        user_files: &inputs.user_files,
        architecture,
    };
    let mut config = plan::config(
        definition,
        &base.config,
        &java_home,
        architecture,
        inputs.epoch,
    );
    let plan = plan::layers(definition, &base.facts, parts)?;
    let own = own_layers(cache, inputs, definition, &base, &config.config, &plan).await?;
    let of_base = base.layers.iter().map(|layer| ("base", layer, true));
    let of_own = own
        .iter()
        .map(|(name, (layer, cached))| (*name, layer, *cached));
    report.extend(
        of_base
            .chain(of_own)
            .map(|(name, layer, cached)| BuiltLayer {
                architecture,
                name: name.to_owned(),
                digest: layer.descriptor.digest,
                size: layer.descriptor.size,
                cached,
            }),
    );
    let below: Vec<_> = base.layers.iter().map(|layer| layer.diff_id).collect();
    plan::add_layers(
        &mut config,
        &below,
        own.iter().map(|(name, (layer, _))| (*name, layer.diff_id)),
        inputs.epoch,
    );
    let layers = base
        .layers
        .into_iter()
        .chain(own.into_iter().map(|(_, (layer, _))| layer));
    assemble(
        cache,
        config,
        layers.map(|layer| layer.descriptor).collect(),
        architecture,
    )
}

/// A layer, and whether it was in the cache.
type Made = (Layer, bool);

/// The layers over the base. The JVM is trained on all but the user's own files, so that another
/// jar of the user's does not mean another training.
async fn own_layers(
    cache: &Cache,
    inputs: &BuildInputs,
    definition: &Definition,
    base: &Base,
    run: &oci::RunConfig,
    plan: &Plan,
) -> Result<Vec<(&'static str, Made)>, ImageError> {
    let (last, first) = plan
        .layers
        .iter()
        .partition::<Vec<_>, _>(|planned| planned.name == plan::USER_FILES);
    let mut own = Vec::new();
    for planned in first {
        own.push((planned.name, make(cache, planned, inputs)?));
    }
    if let Some(trainer) = &inputs.trainer {
        let below = own.iter().map(|(_, (layer, _))| layer);
        let subject = Subject {
            definition,
            run,
            ground: &plan.ground,
            layers: &base.layers.iter().chain(below).collect::<Vec<_>>(),
        };
        let trained = training::layer(cache, inputs, trainer, subject).await?;
        own.push((training::LAYER, trained));
    }
    for planned in last {
        own.push((planned.name, make(cache, planned, inputs)?));
    }
    Ok(own)
}

/// Writes configuration and manifest.
fn assemble(
    cache: &Cache,
    config: oci::ImageConfig,
    layers: Vec<Descriptor>,
    architecture: Architecture,
) -> Result<Image, ImageError> {
    let config_bytes = oci::to_json(&config);
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(oci::MANIFEST.to_owned()),
        config: Descriptor::of(oci::CONFIG, &config_bytes),
        layers: layers.into_iter().map(Descriptor::in_oci_terms).collect(),
    };
    let manifest_bytes = oci::to_json(&manifest);
    cache.store().add_bytes(&config_bytes)?;
    cache.store().add_bytes(&manifest_bytes)?;
    let mut descriptor = Descriptor::of(oci::MANIFEST, &manifest_bytes);
    descriptor.platform = Some(Platform::from(architecture));
    Ok(Image {
        descriptor,
        manifest_bytes,
        manifest,
        config_bytes,
        config,
    })
}

fn make(cache: &Cache, planned: &PlannedLayer, inputs: &BuildInputs) -> Result<Made, ImageError> {
    let key = key(cache, &planned.tree, inputs)?;
    if let Some(layer) = cache.layer(&key) {
        return Ok((layer, true));
    }
    let layer = cache.make_layer(&key, inputs.compression, inputs.threads, |to| {
        layer::tar(&planned.tree, inputs.epoch, to)
    })?;
    Ok((layer, false))
}

/// Everything that a layer's bytes depend on.
fn key(
    cache: &Cache,
    tree: &Tree,
    inputs: &BuildInputs,
) -> Result<flugs_base::Sha256Digest, ImageError> {
    let mut key = Key::of("tree 1")
        .with(inputs.compression.recipe())
        .with(inputs.epoch.seconds().to_le_bytes());
    for (path, entry) in tree.entries() {
        key = key
            .with(path)
            .with(entry.permissions.mode.to_le_bytes())
            .with(entry.permissions.owner.user.to_le_bytes())
            .with(entry.permissions.owner.group.to_le_bytes());
        key = match &entry.node {
            Node::Directory => key.with("directory"),
            Node::Link(target) => key.with("link").with(target),
            Node::Bytes(bytes) => key
                .with("file")
                .with(flugs_base::Sha256Digest::of(bytes).as_bytes()),
            Node::File(path) => key
                .with("file")
                .with(cache.store().digest_of(path)?.0.as_bytes()),
        };
    }
    Ok(key.finish())
}

async fn find_base(
    definition: &Definition,
    inputs: &BuildInputs,
    architecture: Architecture,
    cache: &Cache,
) -> Result<Base, ImageError> {
    let given = inputs
        .bases
        .get(&Some(architecture))
        .or_else(|| inputs.bases.get(&None));
    let input = given
        .or(definition.base.as_ref())
        .ok_or_else(|| ImageError::Needed {
            what: format!("a base for linux/{architecture}"),
            hint: "name one with --base; `flugs image base` makes one".to_owned(),
        })?;
    let making = Making {
        compression: inputs.compression,
        threads: inputs.threads,
    };
    let name = match &input.way {
        BaseWay::Rootfs(path) => return base::rootfs(cache, path, input.digest, making),
        BaseWay::Packages { packages, suite } => {
            let recipe = BaseRecipe {
                suite: suite.clone(),
                packages: packages.clone(),
                sources: Vec::new(),
                architecture,
                epoch: inputs.epoch,
            };
            return base::rootfs(cache, &made_base(cache, &recipe)?, input.digest, making);
        }
        BaseWay::Oci(path) => source::oci_place(&path.display().to_string()),
        BaseWay::Archive(path) => SourceName::Archive(path.clone()),
        BaseWay::Engine(name) => SourceName::Docker(name.clone()),
    };
    let (source, content) = open(&name).await?;
    base::demand(&name.to_string(), input.digest, content.root.digest.0)?;
    let image = content.image(architecture, &name.to_string())?;
    base::image(cache, &source.blobs, image, making)
}

/// A base that was made before, or is made now.
fn made_base(cache: &Cache, recipe: &BaseRecipe) -> Result<PathBuf, ImageError> {
    let key = recipe
        .parts()
        .into_iter()
        .fold(Key::of("packages 2"), Key::with)
        .finish();
    let path = cache.place("bases", &key);
    if !path.exists() {
        recipe.make(&path)?;
    }
    Ok(path)
}

/// Opens the place of an image, and reads the one image that is meant.
pub(super) async fn open(name: &SourceName) -> Result<(Source, Content), ImageError> {
    let (source, tag) = opened(name).await?;
    let content = source.content(tag)?;
    Ok((source, content))
}

/// Opens a place of images, and reads all that are meant.
pub(super) async fn open_all(name: &SourceName) -> Result<(Source, Vec<Content>), ImageError> {
    let (source, tag) = opened(name).await?;
    let contents = match tag {
        Some(_) => vec![source.content(tag)?],
        None => source.contents()?,
    };
    Ok((source, contents))
}

async fn opened(name: &SourceName) -> Result<(Source, Option<&str>), ImageError> {
    Ok(match name {
        SourceName::Oci(path, tag) => (Source::layout(path)?, tag.as_deref()),
        SourceName::Archive(path) => (Source::archive(path)?, None),
        SourceName::Docker(name) => (sink::engine::export(name).await?, None),
    })
}
