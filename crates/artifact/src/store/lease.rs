//! What running launches hold, so that eviction leaves it alone.
//!
//! A lease is a file that lists digests and is locked (`flock`) through a descriptor that its
//! holder keeps open, also across an `exec`. The kernel drops the lock with the last process that
//! has the descriptor, so a crash leaves no lease behind that counts, and no process ids are
//! compared, which mean nothing between the containers that share a store.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::{Store, StoreError, read_directory};
use flugs_base::Sha256Digest;

/// Keeps objects from eviction for as long as it lives.
#[derive(Debug)]
pub struct Lease {
    file: File,
    path: PathBuf,
}

impl Store {
    /// Holds these objects, present or yet to come, until the lease is dropped or the process
    /// ends.
    pub fn lease(&self, digests: &[Sha256Digest]) -> Result<Lease, StoreError> {
        let directory = self.root.join("leases");
        let failed = |source| StoreError::Write {
            path: directory.clone(),
            source,
        };
        let (file, path) = tempfile::Builder::new()
            .prefix("new-")
            .tempfile_in(&directory)
            .and_then(|temporary| Ok(temporary.keep()?))
            .map_err(failed)?;
        let mut lease = Lease { file, path };
        let lines: String = digests.iter().fold(String::new(), |lines, digest| {
            lines + &digest.to_string() + "\n"
        });
        lease
            .file
            .lock()
            .and_then(|()| lease.file.write_all(lines.as_bytes()))
            .map_err(failed)?;
        // An eviction that has read the leases already must be over before this one counts:
        // what is found in the store from now on stays there.
        let _between_evictions = self.eviction_lock(File::lock_shared)?;
        // Only a file with its final name is read, so eviction never sees half a list.
        let complete = lease.path.with_extension("lease");
        fs::rename(&lease.path, &complete).map_err(failed)?;
        lease.path = complete;
        Ok(lease)
    }

    /// The digests that live leases hold; files of dead ones are removed.
    pub(super) fn leased(&self) -> Result<BTreeSet<Sha256Digest>, StoreError> {
        let mut held = BTreeSet::new();
        for path in read_directory(&self.root.join("leases"))? {
            if path
                .extension()
                .is_some_and(|extension| extension == "lease")
                && is_held(&path)
            {
                let text = fs::read_to_string(&path).unwrap_or_default();
                held.extend(
                    text.lines()
                        .filter_map(|line| line.parse::<Sha256Digest>().ok()),
                );
            }
        }
        Ok(held)
    }
}

fn is_held(path: &Path) -> bool {
    let Ok(file) = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
    else {
        return false;
    };
    match file.try_lock() {
        // A lock that cannot be tried (a file system without locks) is taken as held: keeping
        // too much is the safe mistake.
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => true,
        Ok(()) => {
            let _ = fs::remove_file(path);
            false
        }
    }
}

impl Lease {
    /// Gives the lease to whoever holds the descriptor: it counts until that is closed for good.
    /// The file is removed by the next eviction after that.
    pub fn into_descriptor(self) -> Result<OwnedFd, StoreError> {
        // The copy shares the lock. This one must not be dropped, which would remove the file.
        let descriptor = self.file.try_clone().map_err(|source| StoreError::Write {
            path: self.path.clone(),
            source,
        })?;
        std::mem::forget(self);
        Ok(descriptor.into())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
