//! Where the blobs of images are: each a region of a file, named by its digest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Take};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ImageError;
use super::layer::Hashed;
use super::oci::Descriptor;
use flugs_artifact::Store;
use flugs_base::Sha256Digest;

/// A document (manifest, configuration, index) longer than this is none. The distribution
/// specification lets registries refuse manifests above 4 MiB.
const LONGEST_DOCUMENT: u64 = 8 << 20;

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Region {
    pub(super) path: PathBuf,
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl Region {
    pub(super) fn whole(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            offset: 0,
            size: std::fs::metadata(path)?.len(),
        })
    }

    pub(super) fn open(&self) -> io::Result<Take<File>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(file.take(self.size))
    }
}

/// A set of blobs.
#[derive(Debug, Clone)]
pub(super) enum Blobs {
    /// The cache.
    Store(Store),
    /// An OCI layout's directory.
    Layout(PathBuf),
    /// Regions of one archive.
    Archive {
        /// The archive.
        path: PathBuf,
        /// The blobs in it.
        regions: BTreeMap<Sha256Digest, Region>,
        /// Blobs that are not in it as such: documents made of others.
        made: BTreeMap<Sha256Digest, Vec<u8>>,
    },
}

impl Blobs {
    /// What messages call it.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Store(store) => store.root().display().to_string(),
            Self::Layout(path) | Self::Archive { path, .. } => path.display().to_string(),
        }
    }

    /// Where a blob is, if it is here.
    pub(super) fn find(&self, digest: &Sha256Digest) -> Option<Region> {
        match self {
            Self::Store(store) => store.get(digest).map(|object| Region {
                path: object.path,
                offset: 0,
                size: object.size,
            }),
            Self::Layout(path) => {
                let path = path.join("blobs").join("sha256").join(digest.to_string());
                Region::whole(&path).ok()
            }
            Self::Archive { regions, .. } => regions.get(digest).cloned(),
        }
    }

    /// Whether a blob is here, as such or made.
    pub(super) fn has(&self, digest: &Sha256Digest) -> bool {
        let is_made = matches!(self, Self::Archive { made, .. } if made.contains_key(digest));
        is_made || self.find(digest).is_some()
    }

    /// Where a blob is. Its length is that of the descriptor; its bytes are not looked at.
    pub(super) fn region(&self, wanted: &Descriptor) -> Result<Region, ImageError> {
        let region = self.find(&wanted.digest.0).ok_or_else(|| {
            let place = self.place();
            let digest = wanted.digest.0;
            match wanted.urls().as_slice() {
                [] => ImageError::Lacks {
                    place,
                    digest,
                    what: wanted.media_type.clone(),
                },
                urls => ImageError::Elsewhere {
                    place,
                    digest,
                    urls: urls.join(" or "),
                },
            }
        })?;
        if region.size == wanted.size {
            return Ok(region);
        }
        Err(ImageError::damaged(
            format!("{}: {}", self.place(), wanted.digest),
            format!(
                "it is {} bytes long, and should be {}",
                region.size, wanted.size
            ),
        ))
    }

    /// A document's bytes, verified.
    pub(super) fn document(&self, wanted: &Descriptor) -> Result<Vec<u8>, ImageError> {
        if let Self::Archive { made, .. } = self
            && let Some(bytes) = made.get(&wanted.digest.0)
        {
            return Ok(bytes.clone());
        }
        let region = self.region(wanted)?;
        if region.size > LONGEST_DOCUMENT {
            return Err(ImageError::damaged(
                format!("{}: {}", self.place(), wanted.digest),
                format!("{} bytes are too many for a document", region.size),
            ));
        }
        let mut bytes = Vec::new();
        region
            .open()
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|error| ImageError::read(&region.path, error))?;
        self.check(wanted, Sha256Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// Reads a blob to its end and compares its digest.
    pub(super) fn verify(&self, wanted: &Descriptor) -> Result<(), ImageError> {
        let region = self.region(wanted)?;
        let hash = || {
            let mut content = Hashed::new(region.open()?);
            io::copy(&mut content, &mut io::sink())?;
            Ok(content.finish().1.0)
        };
        let found = hash().map_err(|error| ImageError::read(&region.path, error))?;
        self.check(wanted, found)
    }

    pub(super) fn check(&self, wanted: &Descriptor, found: Sha256Digest) -> Result<(), ImageError> {
        if found == wanted.digest.0 {
            return Ok(());
        }
        Err(ImageError::damaged(
            format!("{}: {}", self.place(), wanted.digest),
            format!("its bytes have sha256:{found}"),
        ))
    }
}
