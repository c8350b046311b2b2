//! Telling, by a stat a file, what is already in place and right.
//!
//! Two proofs count: the file is the very inode of a cached object, or a stamp names its digest
//! together with the size and times it had when it was verified. Nothing is ever rehashed here.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::store::hash_file;
use flugs_base::Sha256Digest;
use flugs_model::{Artifact, ArtifactKind};

/// The file, at the top of a directory, that says what below it has been verified.
pub const STAMP_FILE: &str = ".flugs-verified.json";

/// What has been verified below a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamps {
    version: u32,
    files: BTreeMap<String, Stamp>,
}

/// One verified file, or the directory of one verified archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stamp {
    sha256: Sha256Digest,
    #[serde(default)]
    kind: ArtifactKind,
    size: u64,
    /// Seconds and nanoseconds.
    mtime: (i64, i64),
    /// Absent in what travels as an image layer, where inodes are given anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inode: Option<u64>,
}

const VERSION: u32 = 1;

impl Stamps {
    /// The stamps of a directory; none if there are none, or none that can be read.
    pub fn read(directory: &Path) -> Self {
        let read = fs::read(directory.join(STAMP_FILE)).ok();
        let stamps = read.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        stamps
            .filter(|stamps| stamps.version == VERSION)
            .unwrap_or_default()
    }

    /// Hashes every regular file below a directory that is about to become part of an image, and
    /// writes the stamps into it.
    pub fn bake(directory: &Path) -> io::Result<Self> {
        let mut stamps = Self::default();
        let mut pending = vec![directory.to_owned()];
        while let Some(path) = pending.pop() {
            for entry in fs::read_dir(&path)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    pending.push(entry.path());
                } else if kind.is_file() && entry.file_name() != STAMP_FILE {
                    let path = entry.path();
                    let relative = path.strip_prefix(directory).unwrap_or(&path);
                    let (sha256, _) = hash_file(&File::open(&path)?)?;
                    let mut stamp = Stamp::of(sha256, ArtifactKind::File, &entry.metadata()?);
                    // Layers keep whole seconds only.
                    stamp.mtime.1 = 0;
                    stamp.inode = None;
                    stamps.files.insert(relative.display().to_string(), stamp);
                }
            }
        }
        stamps.write(directory)?;
        Ok(stamps)
    }

    /// How many files and archives they are of.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Writes the stamps, in one step.
    pub(super) fn write(&mut self, directory: &Path) -> io::Result<()> {
        self.version = VERSION;
        let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
        temporary.write_all(&serde_json::to_vec(self)?)?;
        temporary
            .as_file()
            .set_permissions(fs::Permissions::from_mode(0o644))?;
        temporary.persist(directory.join(STAMP_FILE))?;
        Ok(())
    }

    /// Notes that an artifact has just been verified and placed.
    pub(super) fn note(&mut self, artifact: &Artifact, directory: &Path) -> io::Result<()> {
        let metadata = fs::symlink_metadata(artifact.dest.below(directory))?;
        let stamp = Stamp::of(artifact.sha256, artifact.kind, &metadata);
        self.files.insert(artifact.dest.to_string(), stamp);
        Ok(())
    }

    /// Whether the artifact is in place, as it was when it was verified, with the mode it needs.
    pub(super) fn vouch_for(&self, artifact: &Artifact, directory: &Path) -> bool {
        let Some(stamp) = self.files.get(artifact.dest.as_str()) else {
            return false;
        };
        let metadata = fs::symlink_metadata(artifact.dest.below(directory));
        metadata.is_ok_and(|metadata| {
            let mode_fits =
                artifact.kind == ArtifactKind::Archive || metadata.mode() & 0o7777 == artifact.mode;
            stamp.sha256 == artifact.sha256
                && stamp.kind == artifact.kind
                && mode_fits
                && stamp.fits(&metadata)
        })
    }

    /// A file below `directory` with this digest, as it was when it was verified.
    pub(super) fn find(&self, sha256: &Sha256Digest, directory: &Path) -> Option<PathBuf> {
        self.files
            .iter()
            .filter(|(_, stamp)| stamp.sha256 == *sha256 && stamp.kind == ArtifactKind::File)
            .map(|(name, stamp)| (directory.join(name), stamp))
            .find(|(path, stamp)| {
                fs::symlink_metadata(path)
                    .is_ok_and(|metadata| metadata.is_file() && stamp.fits(&metadata))
            })
            .map(|(path, _)| path)
    }
}

impl Stamp {
    fn of(sha256: Sha256Digest, kind: ArtifactKind, metadata: &Metadata) -> Self {
        Self {
            sha256,
            kind,
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            inode: Some(metadata.ino()),
        }
    }

    fn fits(&self, metadata: &Metadata) -> bool {
        let baked = self.inode.is_none();
        let same_kind = match self.kind {
            ArtifactKind::File => metadata.is_file(),
            ArtifactKind::Archive => metadata.is_dir(),
        };
        same_kind
            && (self.kind == ArtifactKind::Archive || self.size == metadata.size())
            && self.mtime.0 == metadata.mtime()
            && (baked || self.mtime.1 == metadata.mtime_nsec())
            && self.inode.is_none_or(|inode| inode == metadata.ino())
    }
}
