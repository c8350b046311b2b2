//! Adding what travels to the artifact store, while the JobManager starts.
//!
//! Owns the thread that does it. Nothing is launched before all of it is there, and the files were
//! found readable before anything was started.

use std::fs::File;
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot};

use super::super::{AppMasterError, Progress, distribution};
use super::event::{MesosEvent, NotifyMesos};
use crate::provider::mesos::task::JAVA;
use flugs_artifact::{Store, StoreError};
use flugs_base::{RelativePath, Sha256Digest};
use flugs_launch::overlay::Overlay;
use flugs_model::{Artifact, ArtifactKind};

/// What is to be added.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) overlays: Vec<Overlay>,
    /// The flugs that tasks run.
    pub(super) program: PathBuf,
    /// An archive with a Java runtime.
    pub(super) java: Option<PathBuf>,
}

/// What was added.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) program: Sha256Digest,
    pub(super) artifacts: Vec<Artifact>,
}

/// Files on their way into the store.
#[derive(Debug)]
pub(super) struct Publication {
    progress: mpsc::UnboundedReceiver<Progress>,
    done: oneshot::Receiver<Result<Published, AppMasterError>>,
}

impl Publication {
    /// Begins to add everything. A file that cannot be read is told at once.
    pub(super) fn begin(load: Load, store: &Store) -> Result<Self, AppMasterError> {
        let files = load.overlays.iter().flat_map(|overlay| &overlay.files);
        for file in files {
            readable(&file.source)?;
        }
        readable(&load.program)?;
        let (told, progress) = mpsc::unbounded_channel();
        let (finish, done) = oneshot::channel();
        let store = store.clone();
        let work = move || {
            // Whoever waited may be gone: that is no matter.
            let _ = finish.send(publish(&load, &store, |progress| {
                let _ = told.send(progress);
            }));
        };
        std::thread::Builder::new()
            .name("publication".to_owned())
            .spawn(work)
            .map_err(|source| AppMasterError::NoThread { source })?;
        Ok(Self { progress, done })
    }

    /// Waits until all is there.
    pub(super) async fn whole(
        mut self,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<Published, AppMasterError> {
        while let Some(progress) = self.progress.recv().await {
            notify(&MesosEvent::Publishing(progress));
        }
        // Its sender ends only with the thread, after the answer.
        self.done.await.unwrap_or(Err(AppMasterError::Unpublished))
    }
}

fn readable(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Read {
        path: path.to_owned(),
        source,
    };
    File::open(path).map(drop).map_err(failed)
}

fn publish(
    load: &Load,
    store: &Store,
    mut progress: impl FnMut(Progress),
) -> Result<Published, AppMasterError> {
    let mut artifacts = distribution::publish(&load.overlays, store, &mut progress)?;
    if let Some(archive) = &load.java {
        let dest: RelativePath = JAVA.to_owned().try_into()?;
        let stored = store.add_file(archive)?;
        artifacts.push(Artifact {
            kind: ArtifactKind::Archive,
            ..distribution::artifact(JAVA.to_owned(), &stored, dest, 0o755)
        });
    }
    Ok(Published {
        program: store.add_file(&load.program)?.digest,
        artifacts,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use flugs_launch::overlay::OverlayFile;

    fn load(directory: &Path, files: &[&str]) -> Load {
        let file = |name: &&str| OverlayFile {
            source: directory.join(name),
            dest: format!("flink/{name}").try_into().unwrap(),
            mode: 0o644,
            secret: false,
        };
        Load {
            overlays: vec![Overlay {
                name: "test",
                files: files.iter().map(file).collect(),
                ..Overlay::default()
            }],
            program: directory.join("program"),
            java: Some(directory.join("java.tar")),
        }
    }

    #[tokio::test]
    async fn what_travels_is_in_the_store_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a", "b", "program", "java.tar"] {
            fs::write(directory.path().join(name), name).unwrap();
        }
        let store = Store::open(&directory.path().join("store")).unwrap();
        let publication = Publication::begin(load(directory.path(), &["a", "b"]), &store).unwrap();
        let mut told = 0;
        let published = publication.whole(&mut |_| told += 1).await.unwrap();
        assert_eq!(told, 2);
        let names: Vec<&str> = published
            .artifacts
            .iter()
            .map(|artifact| artifact.dest.as_str())
            .collect();
        assert_eq!(names, ["flink/a", "flink/b", "java"]);
        assert_eq!(published.program, Sha256Digest::of(b"program"));
        assert_eq!(store.list().unwrap().len(), 4);
    }

    /// Bad input is told before anything is started.
    #[test]
    fn a_file_that_cannot_be_read_is_told_at_the_beginning() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("program"), "").unwrap();
        let store = Store::open(&directory.path().join("store")).unwrap();
        let error = Publication::begin(load(directory.path(), &["gone"]), &store).unwrap_err();
        assert!(error.to_string().ends_with("/gone"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_goes_meanwhile_is_told_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a", "program"] {
            fs::write(directory.path().join(name), name).unwrap();
        }
        let store = Store::open(&directory.path().join("store")).unwrap();
        // The archive of Java was looked into before, and is gone now.
        let publication = Publication::begin(load(directory.path(), &["a"]), &store).unwrap();
        let error = publication.whole(&mut |_| {}).await.unwrap_err();
        assert!(error.to_string().ends_with("/java.tar"), "{error}");
    }
}
