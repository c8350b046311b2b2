//! The launch manifests of tasks: served from before a task is launched until it runs.
//!
//! Owns that none is served for longer, whatever becomes of this process: which ones are served
//! is written down in a file for each task, before the manifest is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::provider::mesos::scheduling::Publish;
use crate::provider::mesos::task::Outbox;
use flugs_artifact::{Store, StoreError};
use flugs_base::Sha256Digest;
use flugs_mesos::scheduler::Snapshot;
use flugs_mesos::wire::{TaskId, TaskState};

/// The manifests of tasks that may still fetch them.
#[derive(Debug)]
pub struct Documents {
    store: Store,
    outbox: Outbox,
    /// Where it is written down: a file for each task, with the manifest's digest in it.
    ledger: PathBuf,
    served: BTreeMap<TaskId, Sha256Digest>,
}

impl Documents {
    /// Goes on where an earlier process of this directory ended: what the tasks of the snapshot
    /// may still fetch stays, all else goes.
    pub(super) fn new(store: Store, outbox: Outbox, directory: &Path, snapshot: &Snapshot) -> Self {
        let mut documents = Self {
            store,
            outbox,
            ledger: directory.join("manifests"),
            served: BTreeMap::new(),
        };
        for (task, digest) in documents.written_down() {
            let needed = may_fetch(snapshot, &task);
            documents.served.insert(task.clone(), digest);
            if !needed {
                documents.withdraw(&task);
            }
        }
        documents
    }

    /// What an earlier process has served.
    fn written_down(&self) -> Vec<(TaskId, Sha256Digest)> {
        let entries = fs::read_dir(&self.ledger).into_iter().flatten().flatten();
        let read = |path: PathBuf| {
            let digest = fs::read_to_string(&path).ok()?.trim().parse().ok()?;
            Some((TaskId::new(path.file_name()?.to_str()?), digest))
        };
        entries.filter_map(|entry| read(entry.path())).collect()
    }

    fn write_down(&self, task: &TaskId, digest: &Sha256Digest) -> Result<(), StoreError> {
        let path = self.ledger.join(&task.value);
        fs::create_dir_all(&self.ledger)
            .and_then(|()| fs::write(&path, digest.to_string()))
            .map_err(|source| StoreError::Write { path, source })
    }
}

impl Publish for Documents {
    fn publish(&mut self) -> Result<(), StoreError> {
        for document in self.outbox.take() {
            self.write_down(&document.task, &document.digest)?;
            if document.is_secret {
                self.store.add_secret_bytes(&document.bytes)?;
            } else {
                self.store.add_bytes(&document.bytes)?;
            }
            self.served.insert(document.task, document.digest);
        }
        Ok(())
    }

    fn withdraw(&mut self, task: &TaskId) {
        if let Some(digest) = self.served.remove(task)
            // One that cannot be removed stays written down, for the next process.
            && self.store.withdraw(&digest).is_ok()
        {
            let _ = fs::remove_file(self.ledger.join(&task.value));
        }
    }
}

/// Whether a task that is recorded like this may not have its manifest yet.
fn may_fetch(snapshot: &Snapshot, task: &TaskId) -> bool {
    let Some(record) = snapshot.tasks.get(&task.value) else {
        return false;
    };
    // An agent that does not answer may be fetching all the same.
    matches!(
        record.state,
        None | Some(TaskState::Staging | TaskState::Starting | TaskState::Unreachable)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::mesos::task::TaskDocument;
    use flugs_mesos::constraint::Host;
    use flugs_mesos::scheduler::{Change, Goal, TaskRecord};
    use flugs_mesos::wire::AgentId;
    use flugs_model::{Role, WorkerId};

    fn document(number: u64) -> TaskDocument {
        let bytes = format!("manifest {number}").into_bytes();
        TaskDocument {
            task: task(number),
            digest: Sha256Digest::of(&bytes),
            is_secret: number.is_multiple_of(2),
            bytes,
        }
    }

    fn task(number: u64) -> TaskId {
        TaskId::new(format!("taskmanager-{number}-{number}"))
    }

    fn snapshot(tasks: &[(u64, Option<TaskState>)]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (number, state) in tasks {
            snapshot.apply(&Change::Task(Box::new(TaskRecord {
                task: task(*number),
                serial: *number,
                worker: WorkerId::of(Role::TaskManager, Some(*number)),
                profile: "default".to_owned(),
                agent: AgentId::new("S1"),
                host: Host::default().into(),
                ports: Vec::new(),
                goal: Goal::Run,
                state: state.clone(),
            })));
        }
        snapshot
    }

    fn open(directory: &Path, snapshot: &Snapshot) -> (Documents, Outbox) {
        let store = Store::open(&directory.join("artifacts")).unwrap();
        let outbox = Outbox::default();
        let documents = Documents::new(store, outbox.clone(), directory, snapshot);
        (documents, outbox)
    }

    fn served(documents: &Documents) -> Vec<u64> {
        let there = |number: &u64| documents.store.look(&document(*number).digest).is_some();
        (1..=5).filter(there).collect()
    }

    #[test]
    fn what_a_task_was_fetching_when_its_master_died_is_withdrawn_once_it_is_known_to_have_it() {
        let directory = tempfile::tempdir().unwrap();
        let (mut first, outbox) = open(directory.path(), &Snapshot::default());
        for number in 1..=5 {
            outbox.put(document(number));
        }
        first.publish().unwrap();
        first.withdraw(&task(5));
        assert_eq!(served(&first), [1, 2, 3, 4]);
        drop(first);

        let known = snapshot(&[
            (1, None),
            (2, Some(TaskState::Running)),
            (3, Some(TaskState::Staging)),
        ]);
        let (mut second, _) = open(directory.path(), &known);
        assert_eq!(served(&second), [1, 3], "4 is over, 2 runs");
        second.withdraw(&task(3));
        assert_eq!(served(&second), [1]);
        drop(second);
        let (third, _) = open(directory.path(), &Snapshot::default());
        assert!(served(&third).is_empty());
        let ledger = directory.path().join("manifests");
        assert_eq!(fs::read_dir(ledger).unwrap().count(), 0);
    }

    #[test]
    fn a_manifest_that_was_written_down_and_never_added_is_no_trouble() {
        let directory = tempfile::tempdir().unwrap();
        let (first, _) = open(directory.path(), &Snapshot::default());
        first.write_down(&task(1), &document(1).digest).unwrap();
        fs::write(directory.path().join("manifests/torn"), "abc").unwrap();
        let (second, _) = open(directory.path(), &snapshot(&[(1, None)]));
        assert_eq!(second.served.len(), 1);
        let (third, _) = open(directory.path(), &Snapshot::default());
        assert!(third.served.is_empty());
    }
}
