//! Durable cluster state: what must be known again after a crash.
//!
//! Owns the state's form, its versions and where it is kept. Never decides anything from it.
//! A state that cannot be read (damaged, or from a newer flugs) is refused and left as it was:
//! overwriting it could orphan running workers.

mod election;
mod error;
mod file;
mod leadership;
mod scheduler;
mod state;

pub use election::{Contender, Election, Leave, Standing, stand_for_election};
pub use error::StoreError;
pub use file::{DirectoryLock, FileStore};
pub use scheduler::{
    PlaceError, SCHEDULER_VERSION, SchedulerJournal, SchedulerNodes, SchedulerStore,
    ZooKeeperPlace, probe as probe_journal,
};
pub use state::{ApplicationMaster, ClusterPhase, ClusterState, MemberRecord, STATE_VERSION};
