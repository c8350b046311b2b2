//! The tasks and workers that the scheduler knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::record::{Goal, TaskRecord};
use crate::mesos::constraint::{Constraint, Placed};
use crate::mesos::matching::Profile;
use crate::mesos::wire::{AgentId, TaskId, TaskState};
use crate::spec::WorkerId;

/// How far a task is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    /// Its ACCEPT waits for the store.
    Queued,
    /// Its ACCEPT may have reached the master.
    Sent,
    /// The master has told its state.
    Live(TaskState),
    /// Its agent does not answer, since then.
    Unreachable(Duration),
}

/// A task.
#[derive(Debug, Clone)]
pub(super) struct Task {
    /// Its record; absent for one that nobody launched.
    pub(super) record: Option<TaskRecord>,
    pub(super) agent: Option<AgentId>,
    pub(super) goal: Goal,
    pub(super) phase: Phase,
    /// Since when it is in its phase.
    pub(super) since: Duration,
    /// How many KILLs were sent, on any connection.
    pub(super) kills: u32,
    /// When it has to be looked at.
    pub(super) wake: Duration,
}

/// A worker that is wanted.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    pub(super) profile: String,
    pub(super) current: Option<TaskId>,
    pub(super) failures: u32,
}

/// Who waits for an offer, and who rests after a failure.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    pub(super) ready: BTreeMap<String, VecDeque<WorkerId>>,
    resting: BTreeSet<(Duration, WorkerId)>,
    /// Somebody waits who did not when filters were set.
    pub(super) fresh: bool,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.ready.values().all(VecDeque::is_empty)
    }

    pub(super) fn add(&mut self, worker: WorkerId, profile: &str, at: Duration, now: Duration) {
        if at > now {
            self.resting.insert((at, worker));
        } else {
            let queue = self.ready.entry(profile.to_owned()).or_default();
            queue.push_back(worker);
            self.fresh = true;
        }
    }

    pub(super) fn rested(&mut self, now: Duration) -> Vec<WorkerId> {
        let mut rested = Vec::new();
        while self.resting.first().is_some_and(|(at, _)| *at <= now) {
            rested.extend(self.resting.pop_first().map(|(_, worker)| worker));
        }
        rested
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.resting.first().map(|(at, _)| *at)
    }

    pub(super) fn remove(&mut self, gone: &BTreeSet<WorkerId>) {
        for queue in self.ready.values_mut() {
            queue.retain(|worker| !gone.contains(worker));
        }
        self.ready.retain(|_, queue| !queue.is_empty());
        self.resting.retain(|(_, worker)| !gone.contains(worker));
    }
}

/// Where the workers of each profile run, as far as its constraints look at it. A task that is
/// to end does not count: its place is free soon.
pub(super) fn placed(
    profiles: &BTreeMap<String, Profile>,
    tasks: &BTreeMap<TaskId, Task>,
) -> BTreeMap<String, Placed> {
    let constrained = |profile: &&Profile| !profile.hard.is_empty() || !profile.soft.is_empty();
    let mut placed = BTreeMap::new();
    if !profiles.values().any(|profile| constrained(&profile)) {
        return placed;
    }
    let records = tasks.values().filter(|task| task.goal == Goal::Run);
    for record in records.filter_map(|task| task.record.as_ref()) {
        if let Some(profile) = profiles.get(&record.profile).filter(constrained) {
            let constraints: Vec<&Constraint> = profile.hard.iter().chain(&profile.soft).collect();
            let group: &mut Placed = placed.entry(record.profile.clone()).or_default();
            group.add(&record.host, constraints);
        }
    }
    placed
}
