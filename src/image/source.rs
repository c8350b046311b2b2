//! Images that are there already: an OCI layout, an archive, the local engine's.
//!
//! Reads layouts and archives; never writes to them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::blobs::{Blobs, Region};
use super::content::Content;
use super::layer::Compression;
use super::oci::{
    self, BlobDigest, CONTAINERD_NAME, Descriptor, ImageConfig, Index, Manifest, REFERENCE_NAME,
};
use super::{Architecture, ImageError, Reference};
use crate::spec::Sha256Digest;

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceName {
    /// An OCI layout's directory, and a tag if it holds several images.
    Oci(PathBuf, Option<String>),
    /// An archive: Docker's, an OCI layout in a tar, or both in one.
    Archive(PathBuf),
    /// A name that the local Docker engine knows.
    Docker(String),
}

/// Text that says nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no place of an image: expected oci:DIR[:TAG], archive:FILE or docker:NAME")]
pub struct SourceNameError(String);

impl std::str::FromStr for SourceName {
    type Err = SourceNameError;

    fn from_str(text: &str) -> Result<Self, SourceNameError> {
        if let Some(rest) = text.strip_prefix("oci:") {
            return Ok(oci_place(rest));
        }
        if let Some(rest) = text.strip_prefix("archive:") {
            return Ok(Self::Archive(rest.into()));
        }
        if let Some(rest) = text.strip_prefix("docker:") {
            return Ok(Self::Docker(rest.to_owned()));
        }
        match std::fs::metadata(text) {
            Ok(found) if found.is_dir() => Ok(Self::Oci(text.into(), None)),
            Ok(found) if found.is_file() => Ok(Self::Archive(text.into())),
            _ => Err(SourceNameError(text.to_owned())),
        }
    }
}

/// A directory, and behind a colon a tag. A directory that has such a name itself wins.
pub(super) fn oci_place(text: &str) -> SourceName {
    match text.rsplit_once(':') {
        Some((directory, tag)) if !tag.contains('/') && !Path::new(text).exists() => {
            SourceName::Oci(directory.into(), Some(tag.to_owned()))
        }
        _ => SourceName::Oci(text.into(), None),
    }
}

impl std::fmt::Display for SourceName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Oci(path, None) => write!(formatter, "oci:{}", path.display()),
            Self::Oci(path, Some(tag)) => write!(formatter, "oci:{}:{tag}", path.display()),
            Self::Archive(path) => write!(formatter, "archive:{}", path.display()),
            Self::Docker(name) => write!(formatter, "docker:{name}"),
        }
    }
}

/// An opened layout or archive.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) blobs: Blobs,
    pub(super) entries: Vec<Descriptor>,
    /// What the engine sent, for as long as it is read.
    _temporary: Option<tempfile::TempPath>,
}

impl Source {
    pub(super) fn layout(path: &Path) -> Result<Self, ImageError> {
        let index = path.join("index.json");
        let bytes = std::fs::read(&index).map_err(|error| ImageError::read(&index, error))?;
        let index: Index = serde_json::from_slice(&bytes)
            .map_err(|error| ImageError::damaged(index.display(), error))?;
        Ok(Self {
            blobs: Blobs::Layout(path.to_owned()),
            entries: index.manifests,
            _temporary: None,
        })
    }

    pub(super) fn archive(path: &Path) -> Result<Self, ImageError> {
        let members = members(path)?;
        let entries;
        let mut made = BTreeMap::new();
        let mut regions = BTreeMap::new();
        for (name, region) in &members {
            if let Some(digest) = name
                .strip_prefix("blobs/sha256/")
                .and_then(|name| name.parse().ok())
            {
                regions.insert(digest, region.clone());
            }
        }
        if let Some(region) = members.get("index.json") {
            let index: Index = document(path, "index.json", region)?;
            entries = index.manifests;
        } else if let Some(region) = members.get("manifest.json") {
            let listed: Vec<DockerImage> = document(path, "manifest.json", region)?;
            entries = listed
                .iter()
                .map(|image| docker_image(path, image, &members, &mut regions, &mut made))
                .collect::<Result<_, _>>()?;
        } else {
            return Err(ImageError::damaged(
                path.display(),
                "neither index.json nor manifest.json is in it: it is no archive of images",
            ));
        }
        let path = path.to_owned();
        Ok(Self {
            blobs: Blobs::Archive {
                path,
                regions,
                made,
            },
            entries,
            _temporary: None,
        })
    }

    /// The archive that an engine sent, which goes away with this.
    pub(super) fn temporary_archive(path: tempfile::TempPath) -> Result<Self, ImageError> {
        Ok(Self {
            _temporary: None,
            ..Self::archive(&path)?
        }
        .keeping(path))
    }

    fn keeping(self, path: tempfile::TempPath) -> Self {
        Self {
            _temporary: Some(path),
            ..self
        }
    }

    /// The one image, or the one of that tag or name.
    pub(super) fn content(&self, tag: Option<&str>) -> Result<Content, ImageError> {
        let mut fitting = self.entries.iter().filter(|entry| match tag {
            None => true,
            Some(tag) => names(entry).any(|name| name == tag || name.ends_with(&format!(":{tag}"))),
        });
        match (fitting.next(), fitting.next()) {
            (Some(entry), None) => Content::read(&self.blobs, entry, reference(entry)),
            (first, _) => Err(ImageError::NoImage {
                place: self.blobs.place(),
                wanted: match (tag, first) {
                    (Some(tag), _) => format!("named {tag}"),
                    (None, Some(_)) => "of its own: name one by its tag".to_owned(),
                    (None, None) => "at all".to_owned(),
                },
                found: self.listed(),
            }),
        }
    }

    /// Every image.
    pub(super) fn contents(&self) -> Result<Vec<Content>, ImageError> {
        let read = |entry| Content::read(&self.blobs, entry, reference(entry));
        self.entries.iter().map(read).collect()
    }

    fn listed(&self) -> String {
        let name = |entry: &Descriptor| {
            let name = names(entry).next().map(str::to_owned);
            name.unwrap_or_else(|| entry.digest.to_string())
        };
        let all: Vec<_> = self.entries.iter().map(name).collect();
        if all.is_empty() {
            "none".to_owned()
        } else {
            all.join(", ")
        }
    }
}

fn names(entry: &Descriptor) -> impl Iterator<Item = &str> {
    let annotation = |name: &str| entry.annotations.get(name).map(String::as_str);
    [annotation(CONTAINERD_NAME), annotation(REFERENCE_NAME)]
        .into_iter()
        .flatten()
}

/// The name of an image of a layout. A bare tag is no name.
fn reference(entry: &Descriptor) -> Option<Reference> {
    let whole = entry.annotations.get(CONTAINERD_NAME);
    let name = whole.or_else(|| {
        entry
            .annotations
            .get(REFERENCE_NAME)
            .filter(|name| name.contains([':', '/']))
    })?;
    // containerd's names are complete; what people type leaves Docker's registry out.
    let name = name
        .strip_prefix("docker.io/library/")
        .or_else(|| name.strip_prefix("docker.io/"))
        .unwrap_or(name);
    name.parse().ok()
}

/// One element of Docker's `manifest.json` (moby/docker-image-spec, v1.2).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Whether a tar is an archive of images and no root file system: by what is in it.
pub(super) fn is_archive(path: &Path) -> Result<bool, ImageError> {
    let unreadable = |error| ImageError::read(path, error);
    let mut archive = tar::Archive::new(File::open(path).map_err(unreadable)?);
    for entry in archive.entries_with_seek().map_err(unreadable)? {
        // What is compressed has no entries that could be read, and is a root file system.
        let Ok(entry) = entry else {
            return Ok(false);
        };
        let name = normal(Path::new(&*String::from_utf8_lossy(&entry.path_bytes())));
        if name == "manifest.json" || name == "oci-layout" {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where the members of an archive are. Links among them count as what they lead to.
fn members(path: &Path) -> Result<BTreeMap<String, Region>, ImageError> {
    let unreadable = |error| ImageError::read(path, error);
    let file = File::open(path).map_err(unreadable)?;
    let mut archive = tar::Archive::new(file);
    let mut members = BTreeMap::new();
    let mut links = Vec::new();
    for entry in archive.entries_with_seek().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = normal(Path::new(&*String::from_utf8_lossy(&entry.path_bytes())));
        match entry.header().entry_type() {
            tar::EntryType::Regular => {
                let region = Region {
                    path: path.to_owned(),
                    offset: entry.raw_file_position(),
                    size: entry.size(),
                };
                members.insert(name, region);
            }
            kind @ (tar::EntryType::Symlink | tar::EntryType::Link) => {
                let target = entry.link_name_bytes().unwrap_or_default();
                let target = PathBuf::from(&*String::from_utf8_lossy(&target));
                let base = Path::new(&name).parent().unwrap_or(Path::new(""));
                let target = if kind.is_symlink() {
                    base.join(target)
                } else {
                    target
                };
                links.push((name, normal(&target)));
            }
            _ => {}
        }
    }
    for (name, target) in links {
        if let Some(region) = members.get(&target).cloned() {
            members.insert(name, region);
        }
    }
    Ok(members)
}

/// The path without `.` and with `..` resolved by name.
fn normal(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.extend(part.to_str()),
            Component::ParentDir => drop(parts.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts.join("/")
}

fn document<T: serde::de::DeserializeOwned>(
    path: &Path,
    name: &str,
    region: &Region,
) -> Result<T, ImageError> {
    let bytes = bytes(region)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| ImageError::damaged(format!("{}: {name}", path.display()), error))
}

fn bytes(region: &Region) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    region
        .open()
        .and_then(|file| file.take(8 << 20).read_to_end(&mut bytes))
        .map_err(|error| ImageError::read(&region.path, error))?;
    Ok(bytes)
}

/// Gives an image of Docker's archive the manifest that it does not have. Its layers are plain
/// tars, so their digests are the diffIDs.
fn docker_image(
    path: &Path,
    image: &DockerImage,
    members: &BTreeMap<String, Region>,
    regions: &mut BTreeMap<Sha256Digest, Region>,
    made: &mut BTreeMap<Sha256Digest, Vec<u8>>,
) -> Result<Descriptor, ImageError> {
    let member = |name: &str| {
        members.get(&normal(Path::new(name))).ok_or_else(|| {
            ImageError::damaged(
                path.display(),
                format!("manifest.json names {name}, which is not in it"),
            )
        })
    };
    let config_bytes = bytes(member(&image.config)?)?;
    let config: ImageConfig = serde_json::from_slice(&config_bytes).map_err(|error| {
        ImageError::damaged(format!("{}: {}", path.display(), image.config), error)
    })?;
    if config.rootfs.diff_ids.len() != image.layers.len() {
        return Err(ImageError::damaged(
            path.display(),
            format!(
                "{} layers, and the configuration has {}",
                image.layers.len(),
                config.rootfs.diff_ids.len()
            ),
        ));
    }
    let mut layers = Vec::new();
    for (name, BlobDigest(diff_id)) in image.layers.iter().zip(&config.rootfs.diff_ids) {
        let region = member(name)?;
        layers.push(Descriptor::new(
            Compression::None.media_type(),
            *diff_id,
            region.size,
        ));
        regions.insert(*diff_id, region.clone());
    }
    let config_descriptor = Descriptor::of(oci::CONFIG, &config_bytes);
    made.insert(config_descriptor.digest.0, config_bytes);
    let manifest = oci::to_json(&Manifest {
        schema_version: 2,
        media_type: oci::MANIFEST.to_owned(),
        config: config_descriptor,
        layers,
    });
    let mut descriptor = Descriptor::of(oci::MANIFEST, &manifest);
    made.insert(descriptor.digest.0, manifest);
    if let Some(tag) = image.repo_tags.iter().flatten().next() {
        descriptor
            .annotations
            .insert(CONTAINERD_NAME.to_owned(), tag.clone());
    }
    Ok(descriptor)
}

/// The image of a platform among all that a source has.
pub(super) fn for_platform(
    content: &Content,
    architecture: Option<Architecture>,
    place: &str,
) -> Result<super::content::Image, ImageError> {
    match (architecture, content.images.as_slice()) {
        (None, [only]) => Ok(only.clone()),
        (architecture, _) => content
            .image(architecture.unwrap_or(Architecture::own()), place)
            .cloned(),
    }
}
