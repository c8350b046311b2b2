//! Publication: bytes become an object whole, on disk and verified, or not at all.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::copy::copy_hashed;
use super::{Store, StoreError, StoredObject, Visibility, known, make_directory};
use flugs_base::Sha256Digest;
use flugs_model::artifact_time;

impl Store {
    /// Adds a file. If the same path was added before and neither its size, times nor inode have
    /// changed since, this costs a stat and no read.
    pub fn add_file(&self, path: &Path) -> Result<StoredObject, StoreError> {
        self.add_file_as(path, Visibility::Public)
    }

    /// Adds bytes that are in memory.
    pub fn add_bytes(&self, bytes: &[u8]) -> Result<StoredObject, StoreError> {
        self.add_bytes_as(bytes, Visibility::Public)
    }

    /// Adds a file that only the owner may read.
    pub fn add_secret_file(&self, path: &Path) -> Result<StoredObject, StoreError> {
        self.add_file_as(path, Visibility::Secret)
    }

    /// Adds bytes that only the owner may read.
    pub fn add_secret_bytes(&self, bytes: &[u8]) -> Result<StoredObject, StoreError> {
        self.add_bytes_as(bytes, Visibility::Secret)
    }

    /// The digest and length of a file elsewhere, which is not added. Like adding it again, this
    /// costs a stat and no read for as long as the file stays as it is.
    pub fn digest_of(&self, path: &Path) -> Result<(Sha256Digest, u64), StoreError> {
        let source = Source::open(self, path)?;
        if let Some(digest) = source.entry.recall(&source.state) {
            return Ok((digest, source.length));
        }
        let (digest, length) =
            super::hash_file(&source.file).map_err(|error| unreadable(path, error))?;
        source.remember(&digest)?;
        Ok((digest, length))
    }

    /// Makes an object of a file that the caller made with [`Store::temporary`], wrote and hashed
    /// meanwhile.
    pub fn publish(
        &self,
        temporary: NamedTempFile,
        digest: &Sha256Digest,
    ) -> Result<StoredObject, StoreError> {
        self.publish_as(temporary, digest, Visibility::Public)
    }

    fn add_file_as(&self, path: &Path, as_: Visibility) -> Result<StoredObject, StoreError> {
        let source = Source::open(self, path)?;
        if let Some(digest) = source.entry.recall(&source.state)
            && let Some(object) = self.look_in(&digest, as_)
        {
            super::evict::mark_used(&object.path);
            return Ok(object);
        }
        let temporary = self.temporary()?;
        let (digest, _) = copy_hashed(&source.file, temporary.as_file())
            .map_err(|source| self.unwritable(temporary.path(), source))?;
        let object = self.publish_as(temporary, &digest, as_)?;
        source.remember(&digest)?;
        Ok(object)
    }

    fn add_bytes_as(&self, bytes: &[u8], as_: Visibility) -> Result<StoredObject, StoreError> {
        let digest = Sha256Digest::of(bytes);
        if let Some(object) = self.look_in(&digest, as_) {
            super::evict::mark_used(&object.path);
            return Ok(object);
        }
        let mut temporary = self.temporary()?;
        temporary
            .write_all(bytes)
            .map_err(|source| self.unwritable(temporary.path(), source))?;
        self.publish_as(temporary, &digest, as_)
    }

    /// Makes an object of a file in [`Store::temporary_directory`] whose bytes the caller has
    /// verified. The file is gone afterwards, whether an equal object was there already or not.
    pub(crate) fn publish_verified(
        &self,
        file: &File,
        path: &Path,
        digest: &Sha256Digest,
    ) -> Result<StoredObject, StoreError> {
        self.make_visible(file, path, digest, Visibility::Public)
            .and_then(|()| self.published(digest, Visibility::Public))
    }

    fn publish_as(
        &self,
        temporary: NamedTempFile,
        digest: &Sha256Digest,
        as_: Visibility,
    ) -> Result<StoredObject, StoreError> {
        let (file, path) = temporary.into_parts();
        self.make_visible(&file, &path, digest, as_)?;
        // The name is gone; there is nothing left for the guard to remove.
        let _ = path.keep();
        self.published(digest, as_)
    }

    /// Mode, then fsync, then rename, then fsync of the directory: after a crash the object is
    /// whole or absent. A refillable store does without.
    fn make_visible(
        &self,
        file: &File,
        path: &Path,
        digest: &Sha256Digest,
        as_: Visibility,
    ) -> Result<(), StoreError> {
        if self.look_in(digest, as_).is_some() {
            // Replacing it would give it another inode than those placed by link.
            return fs::remove_file(path).map_err(|source| self.unwritable(path, source));
        }
        let target = self.object_path(digest, as_);
        let directory = target.parent().unwrap_or(&self.root).to_owned();
        make_directory(&directory, as_.directory_mode())?;
        let failed = |source| self.unwritable(&target, source);
        file.set_permissions(Permissions::from_mode(as_.file_mode()))
            .and_then(|()| self.synchronise(file))
            .and_then(|()| fs::rename(path, &target))
            // Not earlier: what is old and unfinished is taken for abandoned.
            .and_then(|()| file.set_modified(artifact_time()))
            .and_then(|()| self.synchronise(&File::open(&directory)?))
            .map_err(failed)
    }

    fn synchronise(&self, file: &File) -> std::io::Result<()> {
        if self.synchronised {
            return file.sync_all();
        }
        Ok(())
    }

    fn published(
        &self,
        digest: &Sha256Digest,
        as_: Visibility,
    ) -> Result<StoredObject, StoreError> {
        self.look_in(digest, as_)
            .ok_or_else(|| StoreError::Missing {
                digest: *digest,
                root: self.root.to_path_buf(),
            })
    }

    /// An empty file on its way to become an object; it goes away unless it is published.
    pub fn temporary(&self) -> Result<NamedTempFile, StoreError> {
        let directory: PathBuf = self.temporary_directory();
        tempfile::Builder::new()
            .prefix("add-")
            .tempfile_in(&directory)
            .map_err(|source| self.unwritable(&directory, source))
    }

    fn unwritable(&self, path: &Path, source: std::io::Error) -> StoreError {
        debug_assert!(path.starts_with(&self.root), "{}", path.display());
        StoreError::Write {
            path: path.to_owned(),
            source,
        }
    }
}

/// A file elsewhere whose digest may be known from an earlier time.
struct Source<'a> {
    path: &'a Path,
    file: File,
    length: u64,
    state: known::FileState,
    entry: known::Entry,
}

impl<'a> Source<'a> {
    fn open(store: &Store, path: &'a Path) -> Result<Self, StoreError> {
        let failed = |error| unreadable(path, error);
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(StoreError::NotAFile {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            path,
            file,
            length: metadata.len(),
            state: known::FileState::of(&metadata),
            entry: known::Entry::locate(&store.root, path).map_err(failed)?,
        })
    }

    /// Keeps the digest for the next time, unless the file changed while it was read.
    fn remember(&self, digest: &Sha256Digest) -> Result<(), StoreError> {
        let after = self.file.metadata();
        let after = after.map_err(|error| unreadable(self.path, error))?;
        if known::FileState::of(&after) == self.state {
            self.entry.remember(&self.state, digest);
        }
        Ok(())
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Read {
        path: path.to_owned(),
        source,
    }
}
