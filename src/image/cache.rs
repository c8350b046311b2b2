//! What was built before, found by the digests of what it was built from.
//!
//! A content-addressed store with the layers, and beside it one small record for each recipe:
//! `layers/KEY` says which layer came of it. A lost record costs the work again and nothing else.

use std::fs;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::content::Layer;
use super::layer::{self, Compression};
use super::oci::{BlobDigest, Descriptor};
use super::{ImageError, blobs::Blobs};
use flugs_artifact::Store;
use flugs_base::Sha256Digest;

/// The cache of builds.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    store: Store,
    root: PathBuf,
}

/// The digest of everything that a result depends on.
#[derive(Debug, Clone, Default)]
pub(super) struct Key(Sha256);

impl Key {
    /// A key for results of this kind; the kind names its version.
    pub(super) fn of(kind: &str) -> Self {
        Self::default().with(kind)
    }

    /// The key with one more part. Lengths go first, so that no two lists of parts are alike.
    pub(super) fn with(mut self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    pub(super) fn finish(self) -> Sha256Digest {
        Sha256Digest::from_bytes(self.0.finalize().into())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    layer: Descriptor,
    diff_id: BlobDigest,
}

impl Cache {
    /// Opens the cache in a directory, which is made if need be.
    pub(super) fn open(root: &Path) -> Result<Self, ImageError> {
        let store = Store::open(root)?;
        for below in ["layers", "facts", "bases"] {
            let path = root.join(below);
            fs::create_dir_all(&path).map_err(|error| ImageError::write(&path, error))?;
        }
        Ok(Self {
            store,
            root: root.to_owned(),
        })
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn blobs(&self) -> Blobs {
        Blobs::Store(self.store.clone())
    }

    /// Where trainings have their directories: large, and gone with them.
    pub(super) fn trainings(&self) -> PathBuf {
        self.root.join("trainings")
    }

    /// A file of the cache's own that holds what came of a key.
    pub(super) fn place(&self, kind: &str, key: &Sha256Digest) -> PathBuf {
        self.root.join(kind).join(key.to_string())
    }

    /// The layer that came of this key, if it is still here.
    pub(super) fn layer(&self, key: &Sha256Digest) -> Option<Layer> {
        let record: Record = self.recall("layers", key)?;
        self.store.get(&record.layer.digest.0)?;
        Some(Layer {
            descriptor: record.layer,
            diff_id: record.diff_id,
        })
    }

    /// Makes a layer of what `produce` writes, and remembers which it is.
    pub(super) fn make_layer(
        &self,
        key: &Sha256Digest,
        compression: Compression,
        threads: NonZeroUsize,
        produce: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Layer, ImageError> {
        let temporary = self.store.temporary()?;
        let written = layer::stream(temporary.as_file(), compression, threads, produce)
            .map_err(|error| ImageError::write(temporary.path(), error))?;
        self.store.publish(temporary, &written.digest)?;
        let made = Layer {
            descriptor: Descriptor::new(compression.media_type(), written.digest, written.size),
            diff_id: BlobDigest(written.diff_id),
        };
        self.remember_layer(key, &made);
        Ok(made)
    }

    pub(super) fn remember_layer(&self, key: &Sha256Digest, layer: &Layer) {
        let record = Record {
            layer: layer.descriptor.clone(),
            diff_id: layer.diff_id,
        };
        self.remember("layers", key, &record);
    }

    pub(super) fn recall<T: serde::de::DeserializeOwned>(
        &self,
        kind: &str,
        key: &Sha256Digest,
    ) -> Option<T> {
        let bytes = fs::read(self.place(kind, key)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Remembers a result. A failure costs the work again next time, so it is not reported.
    pub(super) fn remember(&self, kind: &str, key: &Sha256Digest, result: &impl Serialize) {
        let path = self.place(kind, key);
        let write = || -> io::Result<()> {
            let mut temporary =
                tempfile::NamedTempFile::new_in(path.parent().unwrap_or(&self.root))?;
            temporary.write_all(&serde_json::to_vec(result)?)?;
            temporary.persist(&path)?;
            Ok(())
        };
        let _ = write();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_key_cannot_be_shifted_into_one_another() {
        let keys = [
            Key::of("a").with("bc"),
            Key::of("a").with("b").with("c"),
            Key::of("ab").with("c"),
        ];
        let keys: std::collections::BTreeSet<_> = keys.into_iter().map(Key::finish).collect();
        assert_eq!(keys.len(), 3);
    }

    #[test]
    fn a_layer_whose_blob_was_evicted_is_not_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let key = Key::of("test").finish();
        assert_eq!(cache.layer(&key), None);
        let made = cache
            .make_layer(&key, Compression::Gzip, NonZeroUsize::MIN, |to| {
                to.write_all(b"tar")
            })
            .unwrap();
        assert_eq!(cache.layer(&key).as_ref(), Some(&made));
        fs::remove_file(cache.store.get(&made.descriptor.digest.0).unwrap().path).unwrap();
        assert_eq!(cache.layer(&key), None);
    }
}
