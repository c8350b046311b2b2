//! The tasks and workers that the scheduler knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::record::{Goal, TaskRecord};
use crate::constraint::{Constraint, Placed};
use crate::matching::Profile;
use crate::wire::{AgentId, TaskId, TaskState, TaskStatus};
use flugs_model::WorkerId;

/// How far a task is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    /// Its ACCEPT waits for the store.
    Queued,
    /// Its ACCEPT may have reached the master.
    Sent,
    /// The master has told its state.
    Live(TaskState),
    /// Its agent does not answer, or the master does not know it, since then.
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
    /// It was called lost since it has been unreachable.
    pub(super) lost: bool,
    /// The last word about it, where its machine was taken down: it is over unless it serves.
    pub(super) down: Option<Box<TaskStatus>>,
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
    /// Its current task does what it was launched for, or once did.
    pub(super) serves: bool,
    /// It does not do so now, as far as anybody can see.
    pub(super) absent: bool,
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

    /// Takes out workers that were placed: nobody is placed before those who wait longer, so they
    /// are the first of their queues.
    pub(super) fn take_first(&mut self, placed: &BTreeSet<&WorkerId>) {
        for queue in self.ready.values_mut() {
            while queue.front().is_some_and(|first| placed.contains(first)) {
                queue.pop_front();
            }
        }
        self.ready.retain(|_, queue| !queue.is_empty());
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
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Places(BTreeMap<String, Placed>);

impl Places {
    pub(super) fn groups(&self) -> &BTreeMap<String, Placed> {
        &self.0
    }

    /// A task runs, or is about to.
    pub(super) fn take(&mut self, profiles: &BTreeMap<String, Profile>, record: &TaskRecord) {
        if let Some(constraints) = constraints(profiles, record) {
            let group: &mut Placed = self.0.entry(record.profile.clone()).or_default();
            group.add(&record.host, constraints);
        }
    }

    /// A task that ran is to end, or is over.
    pub(super) fn free(&mut self, profiles: &BTreeMap<String, Profile>, record: &TaskRecord) {
        if let Some(constraints) = constraints(profiles, record)
            && let Some(group) = self.0.get_mut(&record.profile)
        {
            group.remove(&record.host, constraints);
            if group.is_empty() {
                self.0.remove(&record.profile);
            }
        }
    }
}

/// What a task's profile looks at; absent: nothing.
fn constraints<'a>(
    profiles: &'a BTreeMap<String, Profile>,
    record: &TaskRecord,
) -> Option<impl Iterator<Item = &'a Constraint>> {
    let profile = profiles.get(&record.profile)?;
    let constrained = !profile.hard.is_empty() || !profile.soft.is_empty();
    constrained.then(|| profile.hard.iter().chain(&profile.soft))
}
