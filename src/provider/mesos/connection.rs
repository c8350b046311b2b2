//! The real connection and the real store, as the scheduler's loop takes them.

use super::scheduling::{Heard, Link, Memory};
use crate::store::{SchedulerStore, StoreError};
use flugs_mesos::connection::{Connection, Notice, Told};
use flugs_mesos::scheduler::Change;
use flugs_mesos::wire::Call;

impl Link for Connection {
    fn connect(&mut self, generation: u64, subscribe: Call) {
        Self::connect(self, generation, subscribe);
    }

    fn send(&mut self, generation: u64, call: Call) {
        Self::send(self, generation, call);
    }

    fn close(&mut self) {
        Self::close(self);
    }

    async fn next(&mut self) -> Heard {
        match Self::next(self).await {
            Told::Event { generation, event } => Heard::Event { generation, event },
            Told::Disconnected { generation, reason } => Heard::Disconnected {
                generation,
                refused: reason.is_refusal(),
                reason: reason.to_string(),
            },
            Told::TornDown { generation } => Heard::TornDown { generation },
            Told::Leader { address, version } => Heard::Notice(match version {
                Some(version) => {
                    format!("the leading Mesos master is {address}, version {version}")
                }
                None => format!("the leading Mesos master is {address}"),
            }),
            Told::Notice(trouble @ (Notice::NoLeader(_) | Notice::Trouble(_))) => {
                Heard::Trouble(trouble.to_string())
            }
            Told::Notice(notice) => Heard::Notice(notice.to_string()),
        }
    }
}

impl Memory for SchedulerStore {
    async fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        Self::apply(self, changes).await
    }
}
