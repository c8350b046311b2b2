//! Who has had nothing to do, and for how long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flugs_model::WorkerId;

use super::{Release, SeenWorker, Stage};

/// Since when workers are idle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Idle {
    since: BTreeMap<WorkerId, Duration>,
    /// Those who go if they are still idle, and still not needed, when they are looked at again.
    candidates: BTreeSet<WorkerId>,
}

impl Idle {
    /// Takes in who is idle now: registered, with all slots free.
    pub(super) fn see(&mut self, workers: &[SeenWorker], now: Duration) {
        let idle = |worker: &&SeenWorker| match worker.stage {
            Stage::Registered { slots, free } => slots > 0 && free >= slots,
            Stage::Waiting | Stage::Starting => false,
        };
        let idle = workers.iter().filter(idle);
        self.since = idle
            .map(|worker| {
                let since = self.since.get(&worker.id).copied().unwrap_or(now);
                (worker.id.clone(), since)
            })
            .collect();
    }

    /// Those of `workers` who go: idle for so long, no more of a profile than can be spared, and
    /// found so twice. Between the first look and the kill a job may have come.
    pub(super) fn release(
        &mut self,
        workers: &[SeenWorker],
        mut room: Room<'_>,
        patience: Duration,
        now: Duration,
    ) -> Vec<Release> {
        let idle = |worker| Some((worker, self.since(worker)?));
        let mut idle: Vec<(&SeenWorker, Duration)> = workers.iter().filter_map(idle).collect();
        idle.retain(|(_, since)| now >= *since + patience);
        // Who has been idle for longest goes first; of those who came at once, the youngest.
        idle.reverse();
        idle.sort_by_key(|(_, since)| *since);
        let mut candidates = BTreeSet::new();
        let mut releases = Vec::new();
        for (worker, since) in idle {
            if !room.take(worker) {
                continue;
            }
            if self.candidates.contains(&worker.id) {
                releases.push(Release::Idle {
                    id: worker.id.clone(),
                    since: now.saturating_sub(since),
                });
            } else {
                candidates.insert(worker.id.clone());
            }
        }
        self.candidates = candidates;
        releases
    }

    fn since(&self, worker: &SeenWorker) -> Option<Duration> {
        self.since.get(&worker.id).copied()
    }

    pub(super) fn forget_candidates(&mut self) {
        self.candidates.clear();
    }

    pub(super) fn has_candidates(&self) -> bool {
        !self.candidates.is_empty()
    }
}

/// How many may go.
#[derive(Debug)]
pub(super) struct Room<'a> {
    /// Workers, by profile.
    pub(super) workers: BTreeMap<&'a str, usize>,
    /// Slots, of all profiles together.
    pub(super) slots: u32,
}

impl Room<'_> {
    /// Whether this one may go, too.
    fn take(&mut self, worker: &SeenWorker) -> bool {
        let Stage::Registered { slots, .. } = worker.stage else {
            return false;
        };
        let workers = self.workers.get_mut(worker.profile.as_str());
        let (Some(workers), Some(left)) = (workers, self.slots.checked_sub(slots)) else {
            return false;
        };
        let Some(fewer) = workers.checked_sub(1) else {
            return false;
        };
        (*workers, self.slots) = (fewer, left);
        true
    }
}
