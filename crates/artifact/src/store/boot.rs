//! Stores of what can be made again: nobody waits until it is on disk.
//!
//! Writing hundreds of megabytes through to a disk takes seconds. Without it, a store is right
//! for as long as the machine runs, whatever becomes of processes. After the machine was started
//! anew, files in it may be cut off: such a store is emptied then. Owns the file `boot`, which
//! says in which of the machine's lives the store was filled.

use std::fs;
use std::io;
use std::path::Path;

use super::{Store, StoreError, Visibility};

/// A random number of the kernel's that is another one after each start of the machine
/// (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

impl Store {
    /// Opens a store of what can all be made again, for one process at a time: nothing is
    /// synchronised to disk, and what was there before the machine was started is removed.
    pub fn open_refillable(root: &Path) -> Result<Self, StoreError> {
        match fs::read_to_string(BOOT_ID) {
            Ok(boot) => Self::open_in_boot(root, boot.trim()),
            // Nobody could tell later, so everything is synchronised.
            Err(_) => Self::open(root),
        }
    }

    fn open_in_boot(root: &Path, boot: &str) -> Result<Self, StoreError> {
        let mark = root.join("boot");
        if fs::read_to_string(&mark).is_ok_and(|filled_in| filled_in == boot) {
            let store = Self::open(root)?;
            return Ok(store.refillable());
        }
        for visibility in Visibility::ALL {
            let path = root.join(visibility.directory());
            match fs::remove_dir_all(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::Write { path, source });
                }
                _ => {}
            }
        }
        let store = Self::open(root)?;
        let marked = fs::write(&mark, boot);
        marked.map_err(|source| StoreError::Write { path: mark, source })?;
        Ok(store.refillable())
    }

    fn refillable(self) -> Self {
        Self {
            synchronised: false,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_synchronised_is_kept_until_the_machine_was_started_anew() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("store");
        let first = Store::open_in_boot(&root, "one").unwrap();
        let object = first.add_bytes(b"bytes").unwrap();
        let secret = first.add_secret_bytes(b"secret").unwrap();
        let again = Store::open_in_boot(&root, "one").unwrap();
        assert!(again.look(&object.digest).is_some());
        let after = Store::open_in_boot(&root, "two").unwrap();
        assert!(after.look(&object.digest).is_none());
        assert!(after.look(&secret.digest).is_none());
        let object = after.add_bytes(b"bytes").unwrap();
        assert!(after.look(&object.digest).is_some());
    }

    #[test]
    fn a_file_that_was_added_before_the_machine_was_started_anew_is_added_again() {
        let directory = tempfile::tempdir().unwrap();
        let (root, file) = (
            directory.path().join("store"),
            directory.path().join("a.jar"),
        );
        fs::write(&file, "jar").unwrap();
        Store::open_in_boot(&root, "one")
            .unwrap()
            .add_file(&file)
            .unwrap();
        let store = Store::open_in_boot(&root, "two").unwrap();
        let object = store.add_file(&file).unwrap();
        assert_eq!(fs::read(object.path).unwrap(), b"jar");
    }

    #[test]
    fn a_store_whose_every_object_was_synchronised_is_not_trusted_as_a_refillable_one() {
        let directory = tempfile::tempdir().unwrap();
        let object = Store::open(directory.path())
            .unwrap()
            .add_bytes(b"bytes")
            .unwrap();
        let store = Store::open_in_boot(directory.path(), "one").unwrap();
        assert!(store.look(&object.digest).is_none());
    }
}
