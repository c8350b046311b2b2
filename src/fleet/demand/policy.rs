//! From slots to workers: the limits and reserves that Flink's options name.

use std::collections::BTreeMap;
use std::time::Duration;

/// How many workers so many slots make, and when one too many goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemandPolicy {
    /// The profile whose workers come and go; the others have fixed numbers.
    pub profile: String,
    /// The slots of each of its workers (`taskmanager.numberOfTaskSlots`); at least one.
    pub slots: u32,
    /// How many of them are kept whatever jobs want (`mesos.initial-tasks`).
    pub minimum: usize,
    /// The workers of the other profiles, which are always kept.
    pub others: BTreeMap<String, FixedWorkers>,
    /// How many slots are kept in all (`slotmanager.number-of-slots.min`).
    pub least_slots: u32,
    /// How many slots there may be in all (`slotmanager.number-of-slots.max`).
    pub most_slots: Option<u32>,
    /// How many workers are kept beyond what jobs want (`slotmanager.redundant-taskmanager-num`).
    pub redundant: usize,
    /// How long all slots of a worker are free before it goes
    /// (`resourcemanager.taskmanager-timeout`).
    pub idle: Duration,
}

/// Workers of which a fixed number is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedWorkers {
    /// How many.
    pub workers: usize,
    /// The slots of each.
    pub slots: u32,
}

/// How many workers are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// So many.
    pub workers: usize,
    /// How many it would be if the number of slots were not limited.
    pub unlimited: usize,
}

impl DemandPolicy {
    /// How many workers of the profile so many slots make. The slots of the other profiles count
    /// first: they are there anyway.
    pub fn wanted(&self, slots: u32) -> Wanted {
        let missing = u64::from(slots).saturating_sub(self.other_slots());
        let kept = u64::from(self.least_slots).saturating_sub(self.other_slots());
        let unlimited = self
            .workers_of(missing)
            .saturating_add(self.redundant)
            .max(self.workers_of(kept))
            .max(self.minimum);
        Wanted {
            workers: unlimited.min(self.most()),
            unlimited,
        }
    }

    /// How many workers of the profile there may be.
    pub fn most(&self) -> usize {
        let Some(most) = self.most_slots else {
            return usize::MAX;
        };
        let left = u64::from(most).saturating_sub(self.other_slots());
        usize::try_from(left / self.each()).unwrap_or(usize::MAX)
    }

    /// The slots of all workers of other profiles.
    pub fn other_slots(&self) -> u64 {
        let slots = |fixed: &FixedWorkers| fixed.workers as u64 * u64::from(fixed.slots);
        self.others.values().map(slots).sum()
    }

    fn each(&self) -> u64 {
        u64::from(self.slots.max(1))
    }

    fn workers_of(&self, slots: u64) -> usize {
        usize::try_from(slots.div_ceil(self.each())).unwrap_or(usize::MAX)
    }
}
