//! The content-addressed store: a directory of objects, each named by its SHA-256.
//!
//! Owns the layout, publication and placement of objects. An object is visible only when it is
//! whole and, unless all can be made again, on disk; it is never written to again. The same directory serves the artifact
//! server and, mounted into several workers of one host, is their shared cache. Never talks to
//! the network.
//!
//! ```text
//! sha256/ab/abcdef…   objects, mode 0444
//! secret/ab/abcdef…   objects that only the owner may read, mode 0400
//! tmp/                files on their way in, and partial downloads
//! known/              which digest a file elsewhere had when it was last added
//! leases/             what running launches hold (see `lease`)
//! boot                in which of the machine's lives it was filled (see `boot`)
//! ```

mod add;
mod boot;
mod copy;
mod error;
mod evict;
mod known;
mod lease;
mod place;
mod verify;

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flugs_base::Sha256Digest;

pub(super) use copy::{copy_hashed, hash_file};
pub use error::StoreError;
pub use evict::{Evicted, Eviction};
pub use lease::Lease;
pub use place::Placement;
pub use verify::Verified;

/// A content-addressed directory. Cheap to clone; safe to use from several processes at once.
#[derive(Debug, Clone)]
pub struct Store {
    root: Arc<Path>,
    /// Whether an object is on disk before it can be seen (else see `boot`).
    synchronised: bool,
}

/// One object of a [`Store`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// The object's file. Never write to it.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Its name.
    pub digest: Sha256Digest,
    /// Whether it was added as a secret: readable by the owner alone, and served over TLS only.
    pub secret: bool,
}

/// Who may read an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Anybody who may read the directory.
    Public,
    /// The owner alone.
    Secret,
}

impl Visibility {
    const ALL: [Self; 2] = [Self::Secret, Self::Public];

    const fn directory(self) -> &'static str {
        match self {
            Self::Public => "sha256",
            Self::Secret => "secret",
        }
    }

    const fn file_mode(self) -> u32 {
        match self {
            Self::Public => 0o444,
            Self::Secret => 0o400,
        }
    }

    const fn directory_mode(self) -> u32 {
        match self {
            Self::Public => 0o755,
            Self::Secret => 0o700,
        }
    }
}

impl Store {
    /// Opens the store in this directory, which is made if it is not there.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let store = Self {
            root: root.into(),
            synchronised: true,
        };
        make_directory(root, 0o755)?;
        for visibility in Visibility::ALL {
            make_directory(
                &root.join(visibility.directory()),
                visibility.directory_mode(),
            )?;
        }
        for private in ["tmp", "known", "leases"] {
            make_directory(&root.join(private), 0o700)?;
        }
        Ok(store)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The object of this name, if it is here. Counts as a use of it.
    pub fn get(&self, digest: &Sha256Digest) -> Option<StoredObject> {
        let object = self.look(digest)?;
        evict::mark_used(&object.path);
        Some(object)
    }

    /// The object of this name, if it is here, without counting as a use.
    pub fn look(&self, digest: &Sha256Digest) -> Option<StoredObject> {
        Visibility::ALL
            .into_iter()
            .find_map(|visibility| self.look_in(digest, visibility))
    }

    fn look_in(&self, digest: &Sha256Digest, visibility: Visibility) -> Option<StoredObject> {
        let path = self.object_path(digest, visibility);
        let metadata = fs::symlink_metadata(&path).ok()?;
        metadata.is_file().then_some(StoredObject {
            path,
            size: metadata.len(),
            digest: *digest,
            secret: visibility == Visibility::Secret,
        })
    }

    /// Every object, ordered by digest.
    pub fn list(&self) -> Result<Vec<StoredObject>, StoreError> {
        let mut objects = Vec::new();
        for visibility in Visibility::ALL {
            let top = self.root.join(visibility.directory());
            for shelf in read_directory(&top)? {
                for path in read_directory(&shelf)? {
                    let name = path.file_name().and_then(|name| name.to_str());
                    let digest = name.and_then(|name| name.parse::<Sha256Digest>().ok());
                    objects.extend(digest.and_then(|digest| self.look(&digest)));
                }
            }
        }
        objects.sort_by_key(|object| object.digest);
        objects.dedup_by_key(|object| object.digest);
        Ok(objects)
    }

    /// Where partial downloads and files on their way in are kept: the same file system as the
    /// objects, so that publication is a rename.
    pub fn temporary_directory(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn object_path(&self, digest: &Sha256Digest, visibility: Visibility) -> PathBuf {
        let name = digest.to_string();
        let prefix = name.get(..2).unwrap_or_default();
        self.root
            .join(visibility.directory())
            .join(prefix)
            .join(&name)
    }
}

fn make_directory(path: &Path, mode: u32) -> Result<(), StoreError> {
    let failed = |source| StoreError::Open {
        path: path.to_owned(),
        source,
    };
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(failed)?;
    // The umask may have taken bits that readers of a shared cache need.
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)
}

fn read_directory(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = |source| StoreError::Read {
        path: path.to_owned(),
        source,
    };
    fs::read_dir(path)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
        .collect()
}

#[cfg(test)]
mod tests;
