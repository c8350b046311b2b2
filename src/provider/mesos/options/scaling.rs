//! Whether the number of workers follows what jobs want, and how.
//!
//! The keys are those that Flink's own resource managers have, and mean what they meant there.

use std::collections::BTreeMap;
use std::time::Duration;

use flugs_flink::FlinkVersion;
use flugs_flink_conf::options::parse_duration;

use super::MesosOptionReason;
use super::profiles::{DEFAULT_PROFILE, WorkerProfile};
use super::reader::{MOST_WORKERS, Reader};

const SCALING: &str = "flugs.mesos.scaling";
const IDLE: &str = "resourcemanager.taskmanager-timeout";
const OLDER_IDLE: &str = "slotmanager.taskmanager-timeout";
const LEAST: &str = "slotmanager.number-of-slots.min";
const MOST: &str = "slotmanager.number-of-slots.max";
const REDUNDANT: &str = "slotmanager.redundant-taskmanager-num";

/// How the number of workers is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalingOptions {
    /// Whether it follows what jobs want; else it is fixed.
    pub on_demand: bool,
    /// How long a worker has nothing to do before it goes.
    pub idle: Duration,
    /// How many slots are kept in all.
    pub least_slots: u32,
    /// How many slots there may be in all; absent: any number.
    pub most_slots: Option<u32>,
    /// How many workers are kept beyond what jobs want.
    pub redundant: u32,
    /// Jobs use whatever is there (`scheduler-mode: reactive`).
    pub reactive: bool,
    /// Jobs declare what they want (`jobmanager.scheduler: adaptive`, from Flink 1.18 on). From
    /// 2.1 on each job tells its scheduler itself.
    pub adaptive: bool,
}

pub(super) fn read(
    reader: &Reader<'_>,
    workers: &BTreeMap<String, WorkerProfile>,
    version: &FlinkVersion,
) -> ScalingOptions {
    let is = |key: &str, word: &str| {
        let value = reader.configuration().get(key);
        value.is_some_and(|value| value.trim().eq_ignore_ascii_case(word))
    };
    let most_slots = slots(reader, MOST, i64::from(i32::MAX));
    let scaling = ScalingOptions {
        on_demand: !reader
            .text(SCALING)
            .is_some_and(|word| word.eq_ignore_ascii_case("fixed")),
        idle: idle(reader),
        least_slots: slots(reader, LEAST, 0),
        // Flink's default: no limit.
        most_slots: (most_slots < i32::MAX.unsigned_abs()).then_some(most_slots),
        redundant: slots(reader, REDUNDANT, 0),
        reactive: is("scheduler-mode", "reactive"),
        adaptive: is("jobmanager.scheduler", "adaptive")
            && (version.major(), version.minor()) >= (1, 18),
    };
    if scaling.on_demand {
        check_most(reader, &scaling, workers);
        check(reader, &scaling, workers);
    }
    scaling
}

fn idle(reader: &Reader<'_>) -> Duration {
    let set = |key: &&str| reader.configuration().get(key);
    let Some(key) = [IDLE, OLDER_IDLE]
        .into_iter()
        .find(|key| set(key).is_some())
    else {
        return Duration::from_secs(30);
    };
    set(&key).and_then(parse_duration).unwrap_or_else(|| {
        reader.refuse_type(key, "a duration such as 30 s or 5 min");
        Duration::ZERO
    })
}

fn slots(reader: &Reader<'_>, key: &str, default: i64) -> u32 {
    let Some(text) = reader.configuration().get(key) else {
        return u32::try_from(default).unwrap_or(u32::MAX);
    };
    let number = text.trim().parse::<i32>().ok();
    let number = number.and_then(|number| u32::try_from(number).ok());
    number.unwrap_or_else(|| {
        let (found, expected) = (text.to_owned(), "a whole number from 0 to 2147483647");
        reader.refuse(key, MesosOptionReason::Range { found, expected });
        0
    })
}

/// What is always kept has to fit into a number of workers that can be.
fn check_most(
    reader: &Reader<'_>,
    scaling: &ScalingOptions,
    workers: &BTreeMap<String, WorkerProfile>,
) {
    let each = workers
        .get(DEFAULT_PROFILE)
        .map_or(1, |worker| worker.slots.max(1));
    let needed = scaling.least_slots.div_ceil(each);
    if needed > MOST_WORKERS {
        let problem = format!(
            "{} slots need {needed} workers, and there can be {MOST_WORKERS}",
            scaling.least_slots
        );
        reader.contradict(LEAST, problem);
    }
    if scaling.redundant > MOST_WORKERS {
        let found = scaling.redundant.to_string();
        let expected = "a number from 0 to 100000";
        reader.refuse(REDUNDANT, MesosOptionReason::Range { found, expected });
    }
}

/// Limits that contradict what is always kept would have either of them ignored.
fn check(reader: &Reader<'_>, scaling: &ScalingOptions, workers: &BTreeMap<String, WorkerProfile>) {
    let Some(most) = scaling.most_slots else {
        return;
    };
    let slots = |worker: &WorkerProfile| u64::from(worker.slots) * u64::from(worker.workers);
    let kept: u64 = workers.values().map(slots).sum();
    if kept > u64::from(most) {
        let problem = format!(
            "{most} slots are fewer than the {kept} of the workers that are always kept \
             (mesos.initial-tasks and the profiles' workers)"
        );
        reader.contradict(MOST, problem);
    }
    if scaling.least_slots > most {
        let problem = format!("it is more than the {most} slots that {MOST} allows");
        reader.contradict(LEAST, problem);
    }
    let each = workers
        .get(DEFAULT_PROFILE)
        .map_or(1, |worker| worker.slots);
    if kept == 0 && each > most {
        let problem = format!(
            "{most} slots are fewer than the {each} of a single worker (taskmanager.numberOfTaskSlots)"
        );
        reader.contradict(MOST, problem);
    }
}
