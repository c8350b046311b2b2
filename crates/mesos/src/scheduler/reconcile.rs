//! Reconciliation: asking until every task is answered for.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::wire::TaskId;

/// The first wait for answers, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Who was asked about and not answered for. A master is silent about agents that it expects
/// back, so silence is asked again.
#[derive(Debug, Clone, Default)]
pub(super) struct Reconciliation {
    outstanding: BTreeSet<TaskId>,
    next: Duration,
    wait: Duration,
    periodic: Duration,
}

impl Reconciliation {
    /// Begins anew with these tasks.
    pub(super) fn begin(&mut self, tasks: BTreeSet<TaskId>, now: Duration, interval: Duration) {
        self.outstanding = tasks;
        self.wait = WAITS.0;
        self.next = now;
        self.periodic = now + interval;
    }

    /// Asks about one more task, at once.
    pub(super) fn add(&mut self, task: TaskId, now: Duration) {
        self.outstanding.insert(task);
        self.wait = WAITS.0;
        self.next = now;
    }

    /// Something was heard of a task.
    pub(super) fn answered(&mut self, task: &TaskId) {
        self.outstanding.remove(task);
    }

    /// Whether it is time to begin anew.
    pub(super) fn is_periodic_due(&self, now: Duration) -> bool {
        self.periodic <= now
    }

    /// The tasks to ask about now.
    pub(super) fn due(&mut self, now: Duration) -> Option<Vec<TaskId>> {
        if self.outstanding.is_empty() || self.next > now {
            return None;
        }
        self.next = now + self.wait;
        self.wait = (self.wait * 2).min(WAITS.1);
        Some(self.outstanding.iter().cloned().collect())
    }

    /// When it is time again.
    pub(super) fn next(&self) -> Duration {
        if self.outstanding.is_empty() {
            self.periodic
        } else {
            self.next.min(self.periodic)
        }
    }
}
