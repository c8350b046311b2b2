//! Images that are there already: an OCI layout, an archive, the local engine's.
//!
//! Reads layouts and archives; never writes to them.

mod archive;
mod docker;

use std::path::{Path, PathBuf};

use super::blobs::Blobs;
use super::content::Content;
use super::oci::{CONTAINERD_NAME, Descriptor, Index, REFERENCE_NAME};
use super::{Architecture, ImageError, Reference};

pub(super) use archive::is_archive;

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

/// A directory, and behind a colon a tag or a whole name. A directory that has such a name itself
/// wins.
pub(super) fn oci_place(text: &str) -> SourceName {
    let whole = SourceName::Oci(text.into(), None);
    if Path::new(text).exists() {
        return whole;
    }
    let mut splits = text
        .match_indices(':')
        .filter_map(|(at, _)| Some((text.get(..at)?, text.get(at + 1..)?)));
    let there = splits.find(|(directory, _)| Path::new(directory).is_dir());
    match there.or_else(|| text.rsplit_once(':')) {
        Some((directory, tag)) if there.is_some() || !tag.contains('/') => {
            SourceName::Oci(directory.into(), Some(tag.to_owned()))
        }
        _ => whole,
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
        if path.is_dir() && !index.exists() {
            return Err(no_layout(path));
        }
        let bytes = std::fs::read(&index).map_err(|error| ImageError::read(&index, error))?;
        let index: Index = serde_json::from_slice(&bytes)
            .map_err(|error| ImageError::damaged(index.display(), error))?;
        Ok(Self {
            blobs: Blobs::Layout(path.to_owned()),
            entries: index.manifests,
            _temporary: None,
        })
    }

    /// Opens an archive; one that is packed, or comes through a pipe, is unpacked beside it all
    /// first.
    pub(super) fn archive(path: &Path) -> Result<Self, ImageError> {
        let unpacked = archive::unpacked(path)?;
        let file = unpacked.as_deref().unwrap_or(path);
        let (blobs, entries) = archive::read(path, file)?;
        Ok(Self {
            blobs,
            entries,
            _temporary: unpacked,
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
            Some(tag) => names(entry).any(|name| is_named(name, tag)),
        });
        let first = fitting.next();
        // One image under several names is one image still.
        let other = fitting.find(|other| first.is_some_and(|first| first.digest != other.digest));
        match (first, other) {
            (Some(entry), None) => Content::read(&self.blobs, entry, reference(entry)),
            (first, _) => Err(ImageError::NoImage {
                place: self.blobs.place(),
                wanted: match (tag, first) {
                    (Some(tag), Some(_)) => format!("that alone is named {tag}"),
                    (Some(tag), None) => format!("named {tag}"),
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

/// A directory in which images are kept in another way, or not at all.
fn no_layout(path: &Path) -> ImageError {
    let reason = if path.join("version").exists() && path.join("manifest.json").exists() {
        "it is a directory of `skopeo copy … dir:`; copy it to a layout: `skopeo copy dir:… oci:…`"
    } else if path.join("manifest.json").exists() {
        "it is an archive of `docker save` that was unpacked: name the archive itself"
    } else {
        "it is no OCI layout: there is no index.json in it"
    };
    ImageError::damaged(path.display(), reason)
}

/// Whether a full name, or a tag alone, is meant by a tag or by a name with one.
fn is_named(name: &str, wanted: &str) -> bool {
    let ends_after = |border: char| {
        name.strip_suffix(wanted)
            .is_some_and(|rest| rest.ends_with(border))
    };
    name == wanted || ends_after(':') || (wanted.contains(':') && ends_after('/'))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layouts_image_is_named_by_its_tag_or_by_its_whole_name() {
        let directory = tempfile::tempdir().unwrap();
        let layout = directory.path().to_str().unwrap();
        for name in ["1", "flugs-worker:1", "registry.example:5000/a/b:1"] {
            assert_eq!(
                oci_place(&format!("{layout}:{name}")),
                SourceName::Oci(layout.into(), Some(name.to_owned()))
            );
        }
        assert_eq!(
            oci_place("gone:1"),
            SourceName::Oci("gone".into(), Some("1".into()))
        );
        let full = "docker.io/library/flugs-worker:1";
        assert!(is_named(full, "1") && is_named(full, "flugs-worker:1") && is_named(full, full));
        assert!(!is_named(full, "worker:1") && !is_named(full, "ker:1") && !is_named(full, "2"));
    }
}
