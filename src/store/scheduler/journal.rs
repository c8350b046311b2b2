//! The scheduler's state in a directory of this machine: `mesos/scheduler.journal`.
//!
//! A line with everything, then a line for each step. Owns that a step is there as a whole or not
//! at all, and that the file does not grow without bound.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::super::{DirectoryLock, StoreError};
use super::document::{self, SCHEDULER_VERSION, Unreadable};
use flugs_mesos::scheduler::{Change, Snapshot};

/// A journal is not written anew while it is shorter than this, whatever it holds.
const SHORT: u64 = 1024 * 1024;

/// The journal's name.
const FILE: &str = "scheduler.journal";

/// The file store.
#[derive(Debug)]
pub struct SchedulerJournal {
    journal: Arc<Mutex<Journal>>,
}

#[derive(Debug)]
struct Journal {
    path: PathBuf,
    _lock: DirectoryLock,
    snapshot: Snapshot,
    /// Where steps are appended; absent: the file has to be read, or written anew, before.
    file: Option<File>,
    /// Whether the file was read.
    loaded: bool,
    /// The lengths of the first line and of the whole.
    base: u64,
    length: u64,
}

/// Reads the journal below this directory, whoever writes it.
pub(super) fn look(directory: &Path) -> Result<Option<Snapshot>, StoreError> {
    let path = directory.join("mesos").join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let action = "read";
            return Err(StoreError::InputOutput {
                action,
                path,
                source,
            });
        }
    };
    let read = document::read_journal(&text).map_err(|reason| unreadable(&path, reason))?;
    Ok(Some(read.snapshot))
}

fn unreadable(path: &Path, reason: Unreadable) -> StoreError {
    let path = path.to_owned();
    match reason {
        Unreadable::Version(found) => StoreError::Version {
            path,
            found,
            expected: SCHEDULER_VERSION,
        },
        Unreadable::Damaged(reason) => StoreError::Damaged { path, reason },
    }
}

impl SchedulerJournal {
    /// Takes the directory `mesos` below this one, or says who has it.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let own = directory.join("mesos");
        let lock = DirectoryLock::take(&own).map_err(|error| match error {
            // What is to be stopped is known by the outer one.
            StoreError::InUse { holder, .. } => StoreError::InUse {
                path: directory.to_owned(),
                holder,
            },
            other => other,
        })?;
        let journal = Journal {
            path: own.join(FILE),
            _lock: lock,
            snapshot: Snapshot::default(),
            file: None,
            loaded: false,
            base: 0,
            length: 0,
        };
        Ok(Self {
            journal: Arc::new(Mutex::new(journal)),
        })
    }

    pub(super) async fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.run(|journal| {
            journal.load()?;
            Ok(journal.snapshot.clone())
        })
        .await
    }

    pub(super) async fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let changes = changes.to_vec();
        self.run(move |journal| journal.apply(&changes)).await
    }

    /// Does the work where waiting for the disk holds nobody up.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Journal) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let journal = Arc::clone(&self.journal);
        let path = journal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .path
            .clone();
        let work = move || work(&mut journal.lock().unwrap_or_else(PoisonError::into_inner));
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| {
            Err(StoreError::InputOutput {
                action: "write",
                path,
                source: io::Error::other(error),
            })
        })
    }
}

impl Journal {
    fn load(&mut self) -> Result<(), StoreError> {
        self.file = None;
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.snapshot = Snapshot::default();
                self.loaded = true;
                return self.rewrite();
            }
            Err(source) => return Err(self.failed("read", source)),
        };
        let read =
            document::read_journal(&text).map_err(|reason| unreadable(&self.path, reason))?;
        self.snapshot = read.snapshot;
        self.loaded = true;
        if !read.whole {
            return self.rewrite();
        }
        let file = OpenOptions::new().append(true).open(&self.path);
        self.file = Some(file.map_err(|source| self.failed("write", source))?);
        self.base = read.base as u64;
        self.length = text.len() as u64;
        Ok(())
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        if !self.loaded {
            self.load()?;
        }
        let Some(mut file) = self.file.take() else {
            // The last attempt failed half-way: what it left is replaced.
            return self.replace(changes);
        };
        let step = document::step_line(changes)
            .map_err(io::Error::other)
            .and_then(|line| {
                file.write_all(&line)?;
                file.sync_data()?;
                Ok(line.len() as u64)
            });
        self.length += step.map_err(|source| self.failed("write", source))?;
        self.file = Some(file);
        for change in changes {
            self.snapshot.apply(change);
        }
        if self.length > SHORT.max(self.base.saturating_mul(4)) && self.rewrite().is_err() {
            // The step is safe where it is. The file is opened and tried again with the next one.
            self.base = self.length;
            self.file = OpenOptions::new().append(true).open(&self.path).ok();
        }
        Ok(())
    }

    fn replace(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let before = self.snapshot.clone();
        for change in changes {
            self.snapshot.apply(change);
        }
        self.rewrite().inspect_err(|_| self.snapshot = before)
    }

    /// Writes the journal anew: readers see the old one or the new one, never a part.
    fn rewrite(&mut self) -> Result<(), StoreError> {
        let directory = self.path.parent().unwrap_or(Path::new(".")).to_owned();
        let write = || {
            let line = document::base_line(&self.snapshot)?;
            let mut file = tempfile::Builder::new()
                .prefix("scheduler.")
                .append(true)
                .tempfile_in(&directory)?;
            file.write_all(&line)?;
            file.as_file().sync_all()?;
            let file = file.persist(&self.path).map_err(|error| error.error)?;
            // The name is safe when the directory is.
            File::open(&directory)?.sync_all()?;
            Ok((file, line.len() as u64))
        };
        self.file = None;
        let (file, length) = write().map_err(|source| self.failed("write", source))?;
        self.file = Some(file);
        self.base = length;
        self.length = length;
        Ok(())
    }

    fn failed(&self, action: &'static str, source: io::Error) -> StoreError {
        StoreError::InputOutput {
            action,
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
