//! Making a bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use super::BundleError;
use super::manifest::{BundledFile, BundledImage, FileKind};
use super::materials::Materials;
use super::opened::Opened;
use super::sbom::{Bundled, What};
use super::signature::SigningKey;
use crate::image::base;
use crate::image::blobs::{Blobs, Region};
use crate::image::build::open_all;
use crate::image::content::Content;
use crate::image::definition::Owner;
use crate::image::layer::{self, Compression, Tree};
use crate::image::source::Source;
use crate::image::{Epoch, SourceName};
use flugs_base::Sha256Digest;
use flugs_base::destination::refuse_terminal;

/// What goes into a bundle.
#[derive(Debug)]
pub struct BundleInputs {
    /// What it is called.
    pub name: String,
    /// Where its images are; all images of a place.
    pub images: Vec<SourceName>,
    /// Flink homes, which are packed, or distributions' archives.
    pub flinks: Vec<PathBuf>,
    /// User jars.
    pub jars: Vec<PathBuf>,
    /// Configuration: files, or directories of them.
    pub configuration: Vec<PathBuf>,
    /// The key that signs.
    pub key: Option<SigningKey>,
    /// The bundle that this one builds on.
    pub earlier: Option<Opened>,
    /// The time that it carries.
    pub epoch: Epoch,
    /// With how many threads Flink homes are packed.
    pub threads: NonZeroUsize,
}

/// A bundle that was made.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedBundle {
    /// The digest of its manifest.
    pub manifest: Sha256Digest,
    /// Its length.
    pub size: u64,
    /// Blobs in it.
    pub blobs: usize,
    /// Blobs that the earlier bundle has.
    pub blobs_earlier: usize,
    /// Whether it is signed.
    pub signed: bool,
}

/// What has been gathered so far.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) images: Vec<BundledImage>,
    pub(super) files: Vec<BundledFile>,
    pub(super) blobs: BTreeMap<Sha256Digest, (Region, u64)>,
    pub(super) bill: Vec<Bundled>,
    /// What blobs are regions of, for as long as they are read.
    sources: Vec<Source>,
    packed: Vec<tempfile::NamedTempFile>,
}

/// Makes a bundle and writes it to `target`, whole or not at all.
pub async fn create(inputs: &BundleInputs, target: &Path) -> Result<CreatedBundle, BundleError> {
    refuse_terminal(target).map_err(|error| BundleError::write(target, error))?;
    let mut gathered = Gathered::default();
    for place in &inputs.images {
        gathered.add_images(place).await?;
    }
    for flink in &inputs.flinks {
        gathered.add_flink(flink, inputs)?;
    }
    for jar in &inputs.jars {
        let name = name_of(jar)?;
        gathered.add_file(
            FileKind::Jar,
            &format!("jars/{name}"),
            jar,
            Materials::default(),
        )?;
    }
    for path in &inputs.configuration {
        gathered.add_configuration(path)?;
    }
    gathered
        .files
        .sort_by(|one, other| one.path.cmp(&other.path));
    gathered
        .images
        .sort_by(|one, other| one.name.cmp(&other.name));
    gathered
        .bill
        .sort_by(|one, other| one.name.cmp(&other.name));
    gathered.refuse_doubles()?;
    super::write::write(inputs, &gathered, target)
}

impl Gathered {
    async fn add_images(&mut self, place: &SourceName) -> Result<(), BundleError> {
        let (source, contents) = open_all(place).await?;
        for content in &contents {
            self.add_image(&source.blobs, content, place)?;
        }
        self.sources.push(source);
        Ok(())
    }

    fn add_image(
        &mut self,
        blobs: &Blobs,
        content: &Content,
        place: &SourceName,
    ) -> Result<(), BundleError> {
        let name = content
            .reference
            .clone()
            .ok_or_else(|| BundleError::Unfit {
                what: place.to_string(),
                reason: format!("its image {} has no name", content.root.digest),
            })?;
        let mut materials = Materials::default();
        let mut looked_at = BTreeSet::new();
        for image in &content.images {
            for layer in image.layers() {
                let region = blobs.region(&layer.descriptor)?;
                if looked_at.insert(layer.diff_id) {
                    base::open(&region)
                        .and_then(|tar| materials.add_tar(tar))
                        .map_err(|error| BundleError::read(&region.path, error))?;
                }
            }
        }
        for descriptor in content.blobs() {
            let region = match content.document(&descriptor) {
                Some(bytes) => self.keep(bytes)?,
                None => blobs.region(&descriptor)?,
            };
            self.blobs
                .insert(descriptor.digest.0, (region, descriptor.size));
        }
        let mut root = content.root.clone();
        root.annotations.clear();
        root.platform = None;
        self.bill.push(Bundled {
            what: What::Image,
            name: name.to_string(),
            sha256: root.digest.0,
            materials,
        });
        self.images.push(BundledImage { name, root });
        Ok(())
    }

    /// Keeps bytes that are in no file of their own.
    fn keep(&mut self, bytes: &[u8]) -> Result<Region, BundleError> {
        let mut file = temporary()?;
        file.write_all(bytes)
            .map_err(|error| BundleError::write(file.path(), error))?;
        let region = Region {
            path: file.path().to_owned(),
            offset: 0,
            size: bytes.len() as u64,
        };
        self.packed.push(file);
        Ok(region)
    }

    fn add_flink(&mut self, path: &Path, inputs: &BundleInputs) -> Result<(), BundleError> {
        let name = name_of(path)?;
        let (file, name) = if path.is_dir() {
            let packed = pack(path, &name, inputs)?;
            let at = packed.path().to_owned();
            self.packed.push(packed);
            let name = if name.starts_with("flink") {
                name
            } else {
                format!("flink-{name}")
            };
            (at, format!("{name}.tar.gz"))
        } else {
            (path.to_owned(), name)
        };
        let region = Region::whole(&file).map_err(|error| BundleError::read(&file, error))?;
        let mut materials = Materials::default();
        base::open(&region)
            .and_then(|tar| materials.add_tar(tar))
            .map_err(|error| BundleError::Unfit {
                what: path.display().to_string(),
                reason: format!("it is neither a directory nor a tar, plain or compressed with gzip or zstd: {error}"),
            })?;
        self.add_file(FileKind::Flink, &format!("flink/{name}"), &file, materials)
    }

    fn add_configuration(&mut self, path: &Path) -> Result<(), BundleError> {
        let name = name_of(path)?;
        let mut tree = Tree::default();
        tree.put_source(&format!("conf/{name}"), path, Owner::default())?;
        let entries: Vec<_> = tree
            .entries()
            .map(|(at, entry)| (at.to_owned(), entry.node.clone()))
            .collect();
        for (at, node) in entries {
            match node {
                layer::Node::File(source) => {
                    self.add_file(FileKind::Configuration, &at, &source, Materials::default())?;
                }
                layer::Node::Link(_) => {
                    return Err(BundleError::Unfit {
                        what: at,
                        reason: "it is a link, and a bundle holds files: name what it leads to"
                            .to_owned(),
                    });
                }
                layer::Node::Directory | layer::Node::Bytes(_) => {}
            }
        }
        Ok(())
    }

    fn add_file(
        &mut self,
        kind: FileKind,
        path: &str,
        source: &Path,
        materials: Materials,
    ) -> Result<(), BundleError> {
        let region = Region::whole(source).map_err(|error| BundleError::read(source, error))?;
        let mut content = layer::Hashed::new(
            region
                .open()
                .map_err(|error| BundleError::read(source, error))?,
        );
        io::copy(&mut content, &mut io::sink())
            .map_err(|error| BundleError::read(source, error))?;
        let (_, (sha256, size)) = content.finish();
        let path = path.parse().map_err(|error| BundleError::Unfit {
            what: source.display().to_string(),
            reason: format!("{error}"),
        })?;
        self.blobs.insert(sha256, (region, size));
        self.bill.push(Bundled {
            what: What::File(kind),
            name: format!("{path}"),
            sha256,
            materials,
        });
        self.files.push(BundledFile { kind, path, sha256 });
        Ok(())
    }

    /// Two things under one name would take each other's place when they are loaded.
    fn refuse_doubles(&self) -> Result<(), BundleError> {
        let mut names = BTreeSet::new();
        let files = self.files.iter().map(|file| file.path.to_string());
        let images = self
            .images
            .iter()
            .map(|image| format!("the image {}", image.name));
        for name in files.chain(images) {
            if !names.insert(name.clone()) {
                return Err(BundleError::Unfit {
                    what: name,
                    reason: "there are two of that name".to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn temporary() -> Result<tempfile::NamedTempFile, BundleError> {
    tempfile::NamedTempFile::new().map_err(|error| BundleError::write(&std::env::temp_dir(), error))
}

/// A Flink home as an archive, the same bytes whoever packs it.
fn pack(
    home: &Path,
    name: &str,
    inputs: &BundleInputs,
) -> Result<tempfile::NamedTempFile, BundleError> {
    let top = if name.starts_with("flink") {
        name.to_owned()
    } else {
        format!("flink-{name}")
    };
    let mut tree = Tree::default();
    tree.put_source(&top, home, Owner::default())?;
    tree.empty(&format!("{top}/log"));
    let file = temporary()?;
    layer::stream(file.as_file(), Compression::Gzip, inputs.threads, |to| {
        layer::tar(&tree, inputs.epoch, to)
    })
    .map_err(|error| BundleError::write(file.path(), error))?;
    Ok(file)
}

fn name_of(path: &Path) -> Result<String, BundleError> {
    let absolute = std::path::absolute(path).map_err(|error| BundleError::read(path, error))?;
    let name = absolute.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| BundleError::Unfit {
        what: path.display().to_string(),
        reason: "it has no name of UTF-8".to_owned(),
    })
}
