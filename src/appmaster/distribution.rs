//! Turns overlays into artifacts: adds every file to the store and writes down where it goes.

use std::path::Path;

use crate::artifact::{Store, StoreError, StoredObject};
use crate::overlay::Overlay;
use crate::spec::{Artifact, ArtifactKind, RelativePath};

/// How far adding files to the store has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Files added so far.
    pub files: usize,
    /// Files in all.
    pub total: usize,
}

/// Adds the overlays' files to the store. Later overlays win where two claim one destination, as
/// in Flink's own order of overlays.
pub(super) fn publish(
    overlays: &[Overlay],
    store: &Store,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Artifact>, StoreError> {
    let total = overlays.iter().map(|overlay| overlay.files.len()).sum();
    let mut artifacts: Vec<Artifact> = Vec::with_capacity(total);
    for file in overlays.iter().flat_map(|overlay| &overlay.files) {
        let stored = if file.secret {
            store.add_secret_file(&file.source)?
        } else {
            store.add_file(&file.source)?
        };
        let name = file.dest.as_str().to_owned();
        let artifact = artifact(name, &stored, file.dest.clone(), file.mode);
        match artifacts
            .iter_mut()
            .find(|earlier| earlier.dest == artifact.dest)
        {
            Some(earlier) => *earlier = artifact,
            None => artifacts.push(artifact),
        }
        progress(Progress {
            files: artifacts.len(),
            total,
        });
    }
    Ok(artifacts)
}

/// An object of the store as a file of launches. Its URL is relative to any document of the
/// artifact server's.
pub(super) fn artifact(
    name: String,
    stored: &StoredObject,
    dest: RelativePath,
    mode: u32,
) -> Artifact {
    Artifact {
        name,
        urls: vec![format!("/sha256/{}", stored.digest)],
        sha256: stored.digest,
        size: stored.size,
        dest,
        kind: ArtifactKind::File,
        mode,
        cache: !stored.secret,
    }
}

/// Where a cluster keeps its artifacts, below its directory.
pub(super) fn store_directory(cluster: &Path) -> std::path::PathBuf {
    cluster.join("artifacts")
}
