//! Memory and the container around the process.
//!
//! Flink never looks at the container's limit: 4 GiB of container still get 1728 MiB of Flink,
//! or 8 GiB of Flink are killed in it. Here the limit, a number that the supervisor read, is put
//! to use: as the process size where nothing is configured, as a warning where it disagrees.

use super::derive;
use super::options::{JOB_MANAGER, ProcessOptions, SizeOption, TASK_MANAGER};
use super::plan::{Breakdown, MemoryPlan};
use super::size::MemorySize;
use crate::FlinkVersion;
use flugs_model::{Property, Role};

/// The memory limit of the container (cgroup) that the process will run in.
pub type ContainerLimit = MemorySize;

/// The setting to add so that the process fills its container: `<role>.memory.process.size`
/// with the limit, if nothing configured says how much memory this role has.
///
/// A setting counts if the memory model would start from it: the process or the Flink size, all
/// of the fine-grained parts together, and the legacy heap keys and variables.
pub fn process_size_from_container(
    role: Role,
    limit: ContainerLimit,
    configuration: &dyn Fn(&str) -> Option<String>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<Property> {
    let options = options_of(role)?;
    let legacy = &options.legacy;
    let is_set = |option: &SizeOption| {
        configuration(option.key).is_some()
            || option
                .deprecated
                .is_some_and(|older| configuration(older).is_some())
    };
    let configured = is_set(&options.total_process)
        || is_set(&options.total_flink)
        || options.fine_grained.iter().all(is_set)
        || is_set(&legacy.heap)
        || configuration(legacy.heap_mebibytes).is_some()
        || environment(legacy.variable).is_some();
    if configured {
        return None;
    }
    Some(Property {
        key: options.total_process.key.to_owned(),
        value: format!("{}b", limit.bytes()),
    })
}

/// What a limit has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeastLimit {
    /// The smallest one that the memory model takes, in whole MiB.
    pub possible: ContainerLimit,
    /// The smallest one that leaves the heap that Flink recommends: with less, a JobManager's JVM
    /// may have a single MiB.
    pub sensible: ContainerLimit,
}

/// What the limit of a process of this role has to be, if `limit` is too small for what is
/// configured beside it. `None` if no limit would do: then the limit is not what is wrong.
pub fn least_limit(
    role: Role,
    version: &FlinkVersion,
    limit: ContainerLimit,
    configuration: &dyn Fn(&str) -> Option<String>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<LeastLimit> {
    let key = options_of(role)?.total_process.key;
    let plan = |mebibytes: u32| {
        let lookup = |asked: &str| {
            if asked == key {
                return Some(format!("{mebibytes}m"));
            }
            configuration(asked)
        };
        derive(role, version, &lookup, environment).ok()
    };
    let has_heap = |plan: MemoryPlan| match plan.breakdown {
        Breakdown::JobManager(parts) => parts.heap >= RECOMMENDED_HEAP,
        Breakdown::TaskManager(_) | Breakdown::Unset => true,
    };
    let from = u32::try_from(limit.bytes() >> 20).ok()?;
    let possible = least(from, &|size| plan(size).is_some())?;
    let sensible = least(possible - 1, &|size| plan(size).is_some_and(has_heap))?;
    Some(LeastLimit {
        possible: MemorySize::of_mebibytes(possible),
        sensible: MemorySize::of_mebibytes(sensible),
    })
}

/// The smallest number of MiB above `too_small` that suffices. Looked for upwards in small steps,
/// since a size can also be too large for its parts.
fn least(mut too_small: u32, suffices: &dyn Fn(u32) -> bool) -> Option<u32> {
    let mut enough = too_small.checked_add(1)?;
    while !suffices(enough) {
        too_small = enough;
        enough = too_small.checked_add((too_small / 64).max(32))?;
        if enough > MOST_MEBIBYTES {
            return None;
        }
    }
    while enough - too_small > 1 {
        let middle = too_small + (enough - too_small) / 2;
        if suffices(middle) {
            enough = middle;
        } else {
            too_small = middle;
        }
    }
    Some(enough)
}

/// `JobManagerOptions.MIN_JVM_HEAP_SIZE`: below, Flink only warns.
const RECOMMENDED_HEAP: MemorySize = MemorySize::of_mebibytes(128);

/// No machine has more.
const MOST_MEBIBYTES: u32 = 16 << 20;

/// A sentence about a process size that does not fit its container, or `None` if it fits.
///
/// It does not fit if it is larger, which ends in a kill by the kernel, or if it leaves more
/// than a tenth of the container unused.
pub fn container_disagreement(
    role: Role,
    process: MemorySize,
    limit: ContainerLimit,
) -> Option<String> {
    let key = options_of(role)?.total_process.key;
    if process > limit {
        let advice = format!("lower {key} or raise the limit");
        return Some(format!(
            "the process may use {process}, but its container is limited to {limit}, and the \
             kernel kills what exceeds it: {advice}"
        ));
    }
    let unused = limit.checked_sub(process)?;
    (unused.bytes() > limit.bytes() / 10).then(|| {
        format!(
            "the container is limited to {limit}, but the process uses at most {process}: \
             {unused} stay unused; raise {key}, or leave every memory option unset to fill the \
             container"
        )
    })
}

const fn options_of(role: Role) -> Option<&'static ProcessOptions> {
    match role {
        Role::TaskManager => Some(&TASK_MANAGER),
        Role::JobManager | Role::StandaloneJob => Some(&JOB_MANAGER),
        Role::HistoryServer => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: MemorySize = MemorySize::of_mebibytes(4096);

    fn automatic(role: Role, key: &str, variable: &str) -> Option<Property> {
        process_size_from_container(
            role,
            LIMIT,
            &|asked| (asked == key).then(|| "1g".to_owned()),
            &|asked| (asked == variable).then(|| "1g".to_owned()),
        )
    }

    #[test]
    fn the_process_fills_its_container_when_no_memory_is_configured() {
        let property = automatic(Role::TaskManager, "", "").unwrap();
        assert_eq!(property.key, "taskmanager.memory.process.size");
        assert_eq!(property.value, "4294967296b");
        let property = automatic(Role::StandaloneJob, "", "").unwrap();
        assert_eq!(property.key, "jobmanager.memory.process.size");
        assert_eq!(automatic(Role::HistoryServer, "", ""), None);
    }

    #[test]
    fn settings_that_decide_the_total_keep_the_container_out() {
        for key in [
            "taskmanager.memory.process.size",
            "taskmanager.memory.flink.size",
            "taskmanager.heap.size",
            "taskmanager.heap.mb",
        ] {
            assert_eq!(automatic(Role::TaskManager, key, ""), None, "{key}");
        }
        assert_eq!(automatic(Role::TaskManager, "", "FLINK_TM_HEAP"), None);
        assert_eq!(
            automatic(Role::JobManager, "jobmanager.memory.heap.size", ""),
            None
        );
    }

    #[test]
    fn settings_of_single_parts_and_of_the_other_role_leave_the_total_to_the_container() {
        for key in [
            "jobmanager.memory.heap.size",
            "taskmanager.memory.managed.size",
        ] {
            assert!(automatic(Role::TaskManager, key, "").is_some(), "{key}");
        }
    }

    #[test]
    fn the_least_limit_is_the_smallest_from_which_memory_can_be_derived() {
        let managed = ("taskmanager.memory.managed.size", "1g");
        for version in [(1, 13), (1, 20), (2, 3)] {
            let version = FlinkVersion::new(version.0, version.1, 0);
            for (role, limit, settings, least) in [
                (Role::TaskManager, 768, &[][..], Some((982, 982))),
                (Role::TaskManager, 64, &[], Some((982, 982))),
                (Role::TaskManager, 981, &[], Some((982, 982))),
                (Role::TaskManager, 1024, &[managed], Some((1871, 1871))),
                (Role::JobManager, 400, &[], Some((577, 704))),
                (Role::StandaloneJob, 64, &[], Some((577, 704))),
                (
                    Role::TaskManager,
                    900,
                    &[("taskmanager.cpu.cores", "0")],
                    None,
                ),
                (Role::HistoryServer, 64, &[], None),
            ] {
                let lookup = |asked: &str| {
                    let found = settings.iter().find(|(key, _)| *key == asked);
                    found.map(|(_, value)| (*value).to_owned())
                };
                let limit = MemorySize::of_mebibytes(limit);
                let found = least_limit(role, &version, limit, &lookup, &|_| None);
                let least = least.map(|(possible, sensible)| LeastLimit {
                    possible: MemorySize::of_mebibytes(possible),
                    sensible: MemorySize::of_mebibytes(sensible),
                });
                assert_eq!(found, least, "{role} of {version} in {limit}");
            }
        }
    }

    #[test]
    fn a_process_larger_than_its_container_or_far_smaller_is_worth_a_word() {
        let say = |mebibytes| {
            container_disagreement(
                Role::TaskManager,
                MemorySize::of_mebibytes(mebibytes),
                LIMIT,
            )
        };
        assert!(say(5000).unwrap().contains("kernel kills"));
        assert!(say(1728).unwrap().contains("unused"));
        assert_eq!(say(4096), None);
        assert_eq!(say(3900), None);
    }
}
