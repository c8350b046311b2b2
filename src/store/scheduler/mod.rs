//! What the Mesos scheduler has to know again after a crash: its framework's id and its tasks.
//!
//! Owns where a [`Snapshot`] is kept and that a change is there when `apply` says so. Never
//! decides anything from it, and never overwrites what it cannot read.

use std::path::Path;
use std::time::Duration;

use super::StoreError;
use flugs_mesos::scheduler::{Change, Snapshot};
use flugs_net::zookeeper::ZooKeeper;

mod document;
mod journal;
mod nodes;
mod place;
mod restore;
mod transaction;

#[cfg(test)]
mod testing;

pub use document::{SCHEDULER_VERSION, probe};
pub use journal::SchedulerJournal;
pub use nodes::SchedulerNodes;
pub use place::{PlaceError, ZooKeeperPlace};

/// Where the scheduler's state is.
#[derive(Debug)]
pub enum SchedulerStore {
    /// In a directory of this machine.
    File(SchedulerJournal),
    /// In ZooKeeper.
    ZooKeeper(Box<SchedulerNodes>),
}

impl SchedulerStore {
    /// The store in the directory `mesos` of this one. Fails if another process uses it.
    pub fn in_directory(directory: &Path) -> Result<Self, StoreError> {
        SchedulerJournal::open(directory).map(Self::File)
    }

    /// What a store in the directory `mesos` of this one has, without taking it from anybody and
    /// without writing; absent: there is none.
    pub fn look_in_directory(directory: &Path) -> Result<Option<Snapshot>, StoreError> {
        journal::look(directory)
    }

    /// The store under this node of ZooKeeper. `patience` is how long ZooKeeper may be away before
    /// a call fails; it may be made again then.
    pub fn in_zookeeper(zookeeper: ZooKeeper, path: &str, patience: Duration) -> Self {
        Self::ZooKeeper(Box::new(SchedulerNodes::new(zookeeper, path, patience)))
    }

    /// Everything that is known; nothing, if there never was a scheduler here. From then on the
    /// store is this process's: no older writer's changes get into it.
    pub async fn load(&mut self) -> Result<Snapshot, StoreError> {
        match self {
            Self::File(journal) => journal.load().await,
            Self::ZooKeeper(nodes) => nodes.load().await,
        }
    }

    /// Writes changes after all those before them. They are in the store, and survive whatever
    /// happens, when this returns `Ok`. After an error any number of the first of them may be in
    /// the store, and the same call may be made again. Has to be waited for before the next one.
    pub async fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        match self {
            Self::File(journal) => journal.apply(changes).await,
            Self::ZooKeeper(nodes) => nodes.apply(changes).await,
        }
    }
}
