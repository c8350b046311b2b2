//! Putting an object where a launch needs it, without a copy where that is possible.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{Store, StoreError, StoredObject};
use flugs_base::Sha256Digest;

/// How an object came to be at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// It was there: the same inode.
    Present,
    /// A hard link to the object.
    Linked,
    /// A copy (a reflink where the file system has them).
    Copied,
}

impl Store {
    /// Puts the object at `dest`, in one step: `dest` is the old file or the new one, never half
    /// of one. What stood there before is replaced; the directory must exist.
    ///
    /// A mode without write bits that is the object's own (0444) gets a hard link: no bytes
    /// move, and the file cannot be written to by accident. Any other mode, another file system,
    /// or a kernel that forbids the link gets a copy.
    pub fn place(
        &self,
        digest: &Sha256Digest,
        dest: &Path,
        mode: u32,
    ) -> Result<Placement, StoreError> {
        let object = self.get(digest).ok_or_else(|| StoreError::Missing {
            digest: *digest,
            root: self.root.to_path_buf(),
        })?;
        place(&object, dest, mode).map_err(|source| StoreError::Place {
            digest: *digest,
            dest: dest.to_owned(),
            source,
        })
    }

    /// Whether `dest` is this very object: the same inode with the mode that is wanted.
    pub fn is_placed(object: &StoredObject, dest: &Path, mode: u32) -> bool {
        let (Ok(there), Ok(here)) = (fs::symlink_metadata(dest), fs::metadata(&object.path)) else {
            return false;
        };
        same_inode(&there, &here) && there.mode() & 0o7777 == mode
    }
}

fn place(object: &StoredObject, dest: &Path, mode: u32) -> io::Result<Placement> {
    if Store::is_placed(object, dest, mode) {
        return Ok(Placement::Present);
    }
    let beside = beside(dest)?;
    let linkable = fs::metadata(&object.path)?.mode() & 0o7777 == mode;
    let placed = if linkable && fs::hard_link(&object.path, &beside).is_ok() {
        Ok(Placement::Linked)
    } else {
        copy(&object.path, &beside, mode).map(|()| Placement::Copied)
    };
    let placed = placed.and_then(|placement| {
        fs::rename(&beside, dest)?;
        Ok(placement)
    });
    if placed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    placed
}

fn copy(object: &Path, beside: &Path, mode: u32) -> io::Result<()> {
    let source = File::open(object)?;
    let target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(beside)?;
    io::copy(&mut &source, &mut &target)?;
    target.set_permissions(Permissions::from_mode(mode))?;
    target.set_modified(source.metadata()?.modified()?)
}

fn same_inode(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    one.dev() == other.dev() && one.ino() == other.ino()
}

/// A name beside `dest` that nothing else uses.
fn beside(dest: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(dest.with_file_name(format!(".place-{:016x}", u64::from_ne_bytes(random))))
}
