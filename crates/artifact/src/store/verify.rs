//! Rehashing what the store holds.

use std::fs::{self, File};

use super::{Store, StoreError, StoredObject, copy};
use flugs_base::Sha256Digest;

/// What a rehash of one object found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// The bytes have the digest that the object is named by.
    Sound,
    /// They do not; the object has been removed, so that it is fetched again.
    Damaged {
        /// The digest that they have.
        found: Sha256Digest,
    },
}

impl Store {
    /// Rehashes an object. A damaged one (a failing disk, a write through a hard link by root)
    /// is removed.
    pub fn verify(&self, object: &StoredObject) -> Result<Verified, StoreError> {
        let unreadable = |source| StoreError::Read {
            path: object.path.clone(),
            source,
        };
        let file = File::open(&object.path).map_err(unreadable)?;
        let (found, _) = copy::hash_file(&file).map_err(unreadable)?;
        if found == object.digest {
            return Ok(Verified::Sound);
        }
        fs::remove_file(&object.path).map_err(|source| StoreError::Write {
            path: object.path.clone(),
            source,
        })?;
        Ok(Verified::Damaged { found })
    }
}
