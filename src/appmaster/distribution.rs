//! Turns overlays into artifacts: adds every file to the store and writes down where it goes.

use std::collections::HashMap;
use std::path::Path;

use flugs_artifact::{Store, StoreError, StoredObject};
use flugs_base::RelativePath;
use flugs_launch::overlay::{Overlay, OverlayFile};
use flugs_model::{Artifact, ArtifactKind};

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
    let files = winning(overlays);
    let total = files.len();
    let mut artifacts: Vec<Artifact> = Vec::with_capacity(total);
    for file in files {
        let stored = if file.secret {
            store.add_secret_file(&file.source)?
        } else {
            store.add_file(&file.source)?
        };
        let name = file.dest.as_str().to_owned();
        artifacts.push(artifact(name, &stored, file.dest.clone(), file.mode));
        progress(Progress {
            files: artifacts.len(),
            total,
        });
    }
    Ok(artifacts)
}

/// Every destination's file: of several the last, in the place of the first.
fn winning(overlays: &[Overlay]) -> Vec<&OverlayFile> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut files: Vec<&OverlayFile> = Vec::new();
    for file in overlays.iter().flat_map(|overlay| &overlay.files) {
        let place = *places.entry(file.dest.as_str()).or_insert(files.len());
        match files.get_mut(place) {
            Some(earlier) => *earlier = file,
            None => files.push(file),
        }
    }
    files
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_replaced_file_keeps_its_place_is_not_stored_and_progress_reaches_its_total() {
        let directory = tempfile::tempdir().unwrap();
        let file = |source: &str, dest: &str| {
            let path = directory.path().join(source);
            fs::write(&path, source).unwrap();
            OverlayFile {
                source: path,
                dest: dest.to_owned().try_into().unwrap(),
                mode: 0o644,
                secret: false,
            }
        };
        let overlay = |files| Overlay {
            name: "test",
            files,
            ..Overlay::default()
        };
        let overlays = [
            overlay(vec![file("old", "a"), file("b", "b")]),
            overlay(vec![file("new", "a"), file("c", "c")]),
        ];
        let store = Store::open(&directory.path().join("store")).unwrap();
        let mut told = Vec::new();
        let artifacts = publish(&overlays, &store, &mut |progress| {
            told.push((progress.files, progress.total));
        })
        .unwrap();
        let dests: Vec<&str> = artifacts.iter().map(|one| one.dest.as_str()).collect();
        assert_eq!(dests, ["a", "b", "c"]);
        assert_eq!(told, [(1, 3), (2, 3), (3, 3)]);
        assert_eq!(store.list().unwrap().len(), 3);
        assert_eq!(artifacts[0].size, 3);
    }
}
