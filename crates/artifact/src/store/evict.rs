//! Keeping the store within a bound: least recently used first, never what a launch holds.
//!
//! The time of last use is the object's access time, set explicitly at each use, so that it is
//! right on `noatime` mounts too and leaves the modification time alone.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use super::{Store, StoreError, StoredObject, read_directory};
use flugs_base::Sha256Digest;

/// A partial download that nobody has written to for this long is abandoned.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// What to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eviction {
    /// The objects may take this many bytes together.
    pub max_bytes: u64,
}

/// What an eviction did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evicted {
    /// The objects that were removed.
    pub removed: Vec<StoredObject>,
    /// Bytes that remain.
    pub kept_bytes: u64,
    /// Bytes of those that running launches hold.
    pub held_bytes: u64,
}

/// An object as the choice of what to remove sees it.
#[derive(Debug, Clone)]
struct Candidate {
    object: StoredObject,
    used: (i64, i64),
    held: bool,
}

/// Sets the access time to now. A store that this user may only read stays as it is.
pub(super) fn mark_used(path: &Path) {
    let (now, keep) = (TimeSpec::UTIME_NOW, TimeSpec::UTIME_OMIT);
    let _ = utimensat(AT_FDCWD, path, &now, &keep, UtimensatFlags::NoFollowSymlink);
}

impl Store {
    /// Removes one object, if it is there: from now on nobody can have it who has not.
    pub fn withdraw(&self, digest: &Sha256Digest) -> Result<(), StoreError> {
        let Some(object) = self.look(digest) else {
            return Ok(());
        };
        match fs::remove_file(&object.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::Write {
                path: object.path,
                source: error,
            }),
            _ => Ok(()),
        }
    }

    /// Removes objects, least recently used first, until the rest fits; those that leases or links hold
    /// stay even if it does not. Abandoned partial downloads go too.
    pub fn evict(&self, eviction: Eviction) -> Result<Evicted, StoreError> {
        let _one_at_a_time = self.eviction_lock(File::lock)?;
        let leased = self.leased()?;
        let candidates = self
            .list()?
            .into_iter()
            .filter_map(|object| candidate(object, &leased))
            .collect();
        let (removed, mut report) = choose(candidates, eviction);
        for object in removed {
            match fs::remove_file(&object.path) {
                Ok(()) => report.removed.push(object),
                Err(source) => {
                    let path = object.path;
                    return Err(StoreError::Write { path, source });
                }
            }
        }
        self.remove_abandoned(SystemTime::now())?;
        Ok(report)
    }

    /// Locks out other evictions, or with `File::lock_shared` any eviction.
    pub(super) fn eviction_lock(
        &self,
        how: fn(&File) -> io::Result<()>,
    ) -> Result<File, StoreError> {
        let path = self.root.join("tmp").join("evict.lock");
        let lock = || {
            let file = File::create(&path)?;
            how(&file)?;
            Ok(file)
        };
        lock().map_err(|source| StoreError::Write {
            path: path.clone(),
            source,
        })
    }

    fn remove_abandoned(&self, now: SystemTime) -> Result<(), StoreError> {
        for path in read_directory(&self.temporary_directory())? {
            let age = fs::symlink_metadata(&path)
                .and_then(|metadata| metadata.modified())
                .map(|modified| now.duration_since(modified).unwrap_or_default());
            if path.file_name().is_some_and(|name| name != "evict.lock")
                && age.is_ok_and(|age| age > ABANDONED)
            {
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }
}

fn candidate(object: StoredObject, leased: &BTreeSet<Sha256Digest>) -> Option<Candidate> {
    let metadata = fs::symlink_metadata(&object.path).ok()?;
    Some(Candidate {
        used: (metadata.atime(), metadata.atime_nsec()),
        // A second link is a sandbox that uses the object: removing it would free nothing.
        held: leased.contains(&object.digest) || metadata.nlink() > 1,
        object,
    })
}

/// The choice itself: what to remove, and what that leaves.
fn choose(mut candidates: Vec<Candidate>, eviction: Eviction) -> (Vec<StoredObject>, Evicted) {
    let mut report = Evicted {
        kept_bytes: candidates.iter().map(|one| one.object.size).sum(),
        ..Evicted::default()
    };
    candidates.sort_by_key(|one| (one.used, one.object.digest));
    let mut removed = Vec::new();
    for one in candidates {
        if one.held {
            report.held_bytes += one.object.size;
        } else if report.kept_bytes > eviction.max_bytes {
            report.kept_bytes -= one.object.size;
            removed.push(one.object);
        }
    }
    (removed, report)
}
