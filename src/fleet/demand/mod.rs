//! Workers on demand: how many of them jobs want, and which idle ones may go.
//!
//! Owns both decisions, as Flink's own resource managers for Mesos, YARN and Kubernetes took them.
//! Pure: what jobs say, what workers do and the time come in, a number and names come out. What
//! is wanted is launched by [`super::plan`], whoever asked for it.

mod idle;
mod needs;
mod policy;

use std::collections::BTreeMap;
use std::time::Duration;

use flugs_model::WorkerId;

pub use needs::JobNeeds;
pub use policy::{DemandPolicy, FixedWorkers, Wanted};

use idle::{Idle, Room};

/// How long a smaller number has to hold before a worker that was not launched yet is withdrawn,
/// and how long all slots have to be taken before a job of unsure needs gets another worker.
const SETTLE: Duration = Duration::from_secs(3);

/// What there is to be seen at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The jobs that have not ended.
    pub jobs: Vec<JobNeeds>,
    /// The workers that are not on their way out, oldest first.
    pub workers: Vec<SeenWorker>,
}

/// A worker as it is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenWorker {
    /// Which.
    pub id: WorkerId,
    /// Its profile.
    pub profile: String,
    /// How far it is.
    pub stage: Stage,
}

/// How far a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It waits for an offer: nothing was launched.
    Waiting,
    /// It was launched, and Flink does not know it at the moment.
    Starting,
    /// Flink knows it.
    Registered {
        /// Its slots.
        slots: u32,
        /// Those that no job has.
        free: u32,
    },
}

/// Why a worker goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// It was not launched yet, and is not wanted any more.
    Withdraw(WorkerId),
    /// It had nothing to do.
    Idle {
        /// Which.
        id: WorkerId,
        /// For how long.
        since: Duration,
    },
}

impl Release {
    /// Whom it is about.
    pub const fn id(&self) -> &WorkerId {
        match self {
            Self::Withdraw(id) | Self::Idle { id, .. } => id,
        }
    }
}

/// What was last found out, for people as well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The jobs that have not ended.
    pub jobs: Vec<JobNeeds>,
    /// The slots that they want together.
    pub required: u32,
    /// The slots with which all of them can run.
    pub least: u32,
    /// The slots that are taken.
    pub used: u32,
    /// How many workers that makes.
    pub wanted: Wanted,
    /// Some job's needs are not known yet: until they are, nobody goes.
    pub held: bool,
}

/// The demand for workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    policy: DemandPolicy,
    findings: Findings,
    idle: Idle,
    /// Since when workers wait that are not wanted.
    surplus: Option<Duration>,
    /// Since when a job of unsure needs waits although everybody is there.
    starved: Option<Duration>,
    /// The slots that such a job was found to take.
    grown: u32,
}

impl Demand {
    /// A demand of which nothing has been seen yet.
    pub fn new(policy: DemandPolicy) -> Self {
        let wanted = policy.wanted(0);
        Self {
            policy,
            findings: Findings {
                wanted,
                ..Findings::default()
            },
            idle: Idle::default(),
            surplus: None,
            starved: None,
            grown: 0,
        }
    }

    /// What it goes by.
    pub const fn policy(&self) -> &DemandPolicy {
        &self.policy
    }

    /// What was last found out.
    pub const fn findings(&self) -> &Findings {
        &self.findings
    }

    /// How many workers of a profile are wanted; none of one that nobody names any more.
    pub fn wanted(&self, profile: &str) -> usize {
        if profile == self.policy.profile {
            return self.findings.wanted.workers;
        }
        let fixed = self.policy.others.get(profile);
        fixed.map_or(0, |fixed| fixed.workers)
    }

    /// How many workers are wanted, all profiles together.
    pub fn total(&self) -> usize {
        let fixed = self.policy.others.values().map(|fixed| fixed.workers);
        fixed.sum::<usize>() + self.findings.wanted.workers
    }

    /// How many workers there should be, given how many there are of each profile. One that is
    /// there and not wanted stays until [`Demand::see`] names it.
    pub fn desired(&self, present: &BTreeMap<&str, usize>) -> usize {
        let surplus =
            |(profile, present): (&&str, &usize)| present.saturating_sub(self.wanted(profile));
        self.total() + present.iter().map(surplus).sum::<usize>()
    }

    /// Takes in what is to be seen, and names those who may go now.
    pub fn see(&mut self, sight: &Sight, now: Duration) -> Vec<Release> {
        let sum = |of: fn(&JobNeeds) -> u32| sight.jobs.iter().map(of).fold(0, u32::saturating_add);
        let required = sum(|job| job.slots);
        let used = used(sight);
        let held = sight.jobs.iter().any(|job| !job.known);
        self.grow(sight, required, now);
        let mut wanted = self.policy.wanted(required.max(used).max(self.grown));
        if held {
            let before = self.findings.wanted;
            wanted.workers = wanted.workers.max(before.workers);
            wanted.unlimited = wanted.unlimited.max(before.unlimited);
        }
        self.findings = Findings {
            jobs: sight.jobs.clone(),
            required,
            least: sum(|job| job.least),
            used,
            wanted,
            held,
        };
        self.idle.see(&sight.workers, now);
        if held {
            self.surplus = None;
            self.idle.forget_candidates();
            return Vec::new();
        }
        let mut releases = self.withdraw(sight, now);
        releases.extend(self.release_idle(sight, now));
        releases
    }

    /// Flink could not be asked. Who is idle has to be seen to be so for the whole time.
    pub fn see_nothing(&mut self) {
        self.idle = Idle::default();
        self.surplus = None;
        self.starved = None;
    }

    /// Whether somebody goes if the next look finds the same: it should be soon.
    pub fn is_urgent(&self) -> bool {
        self.idle.has_candidates()
    }

    /// Flink before 1.18 does not tell which vertices share slots, so a job may want more than the
    /// widest of them. If all slots are taken, everybody is there, and it waits still, it does.
    fn grow(&mut self, sight: &Sight, required: u32, now: Duration) {
        let unsure = |job: &JobNeeds| job.unsure;
        let Some(most) = sight.jobs.iter().filter_map(unsure).max() else {
            self.starved = None;
            // What it took is remembered until a job gives it back: one that restarts will want as
            // many at once, and does not say so while it restarts.
            if sight.jobs.iter().all(|job| job.known) {
                self.grown = self.grown.min(used(sight));
            }
            return;
        };
        let all = sum_slots(sight, |slots, _| slots);
        let free = sum_slots(sight, |_, free| free);
        let wanted = self.findings.wanted.workers;
        let there = self.ours(sight, |stage| matches!(stage, Stage::Registered { .. }));
        let everybody = there >= wanted && self.ours(sight, |_| true) == there;
        if free > 0 || all < required || !everybody {
            self.starved = None;
            return;
        }
        let since = *self.starved.get_or_insert(now);
        if now >= since + SETTLE {
            let most = most.saturating_add(required);
            self.grown = all.saturating_add(1).min(most).max(self.grown);
            self.starved = None;
        }
    }

    fn ours(&self, sight: &Sight, stage: impl Fn(&Stage) -> bool) -> usize {
        let ours = |worker: &&SeenWorker| worker.profile == self.policy.profile;
        let ours = sight.workers.iter().filter(ours);
        ours.filter(|worker| stage(&worker.stage)).count()
    }

    /// Those that wait for an offer and are not wanted any more, youngest first.
    fn withdraw(&mut self, sight: &Sight, now: Duration) -> Vec<Release> {
        let mut left: BTreeMap<&str, usize> = BTreeMap::new();
        for worker in &sight.workers {
            *left.entry(&worker.profile).or_default() += 1;
        }
        let mut releases = Vec::new();
        for worker in sight.workers.iter().rev() {
            let Some(left) = left.get_mut(worker.profile.as_str()) else {
                continue;
            };
            if worker.stage == Stage::Waiting && *left > self.wanted(&worker.profile) {
                *left -= 1;
                releases.push(Release::Withdraw(worker.id.clone()));
            }
        }
        if releases.is_empty() {
            self.surplus = None;
            return releases;
        }
        let since = *self.surplus.get_or_insert(now);
        if now < since + SETTLE {
            releases.clear();
        }
        releases
    }

    /// Those that have been idle for long enough, as long as enough stay that are registered.
    fn release_idle(&mut self, sight: &Sight, now: Duration) -> Vec<Release> {
        let mut workers: BTreeMap<&str, usize> = BTreeMap::new();
        for worker in &sight.workers {
            if matches!(worker.stage, Stage::Registered { .. }) {
                *workers.entry(&worker.profile).or_default() += 1;
            }
        }
        for (profile, many) in &mut workers {
            *many = many.saturating_sub(self.wanted(profile));
        }
        let needed = self.findings.required.max(self.findings.used);
        let slots = sum_slots(sight, |slots, _| slots).saturating_sub(needed.max(self.grown));
        let room = Room { workers, slots };
        self.idle
            .release(&sight.workers, room, self.policy.idle, now)
    }
}

fn used(sight: &Sight) -> u32 {
    sum_slots(sight, u32::saturating_sub)
}

fn sum_slots(sight: &Sight, of: impl Fn(u32, u32) -> u32) -> u32 {
    let slots = sight.workers.iter().map(|worker| match worker.stage {
        Stage::Registered { slots, free } => of(slots, free),
        Stage::Waiting | Stage::Starting => 0,
    });
    slots.fold(0, u32::saturating_add)
}

#[cfg(test)]
mod tests;
