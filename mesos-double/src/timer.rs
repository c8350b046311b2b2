//! What is due when. A timer that has lost its sense is not removed: it finds nothing to do.

use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// What to do when the time has come.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Due {
    /// The allocator's batch.
    Allocate,
    Heartbeat {
        framework: String,
        stream: String,
    },
    /// A status update that was not acknowledged.
    Retry {
        agent: usize,
        framework: String,
        task: String,
        serial: u64,
    },
    /// A framework that did not come back.
    FailoverTimeout {
        framework: String,
        epoch: u64,
    },
    /// An agent that did not answer.
    AgentTimeout {
        agent: usize,
        id: String,
        epoch: u64,
    },
    /// An agent that looks for the leader.
    Reregister {
        agent: usize,
        term: u64,
    },
    /// Agents that did not come back after a master's failover.
    RecoveredAgentsTimeout {
        term: u64,
    },
    OfferTimeout {
        offer: String,
    },
    /// An event that is held back on purpose.
    Late {
        framework: String,
        event: Box<Value>,
    },
}

#[derive(Debug)]
struct Entry {
    at: Duration,
    serial: u64,
    due: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The earliest is the greatest, and of two the one that was set first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.serial).cmp(&(self.at, self.serial))
    }
}

/// All timers of a cluster.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Entry>,
    serial: u64,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Duration, due: Due) {
        self.serial += 1;
        self.heap.push(Entry {
            at,
            serial: self.serial,
            due,
        });
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// The first that is due by `now`.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<Due> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.due)
    }
}
