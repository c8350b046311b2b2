//! Memory and CPU limits: the tightest of the group and of every group around it.

use std::path::Path;

use super::hierarchy::{Group, Memberships, Version, read_pseudo_file};

/// v1 writes "no limit" as the largest number of whole pages below 2⁶³.
const V1_UNLIMITED: u64 = 1 << 62;

/// What the container may use. `None` is "as much as the host has".
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ContainerLimits {
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// CPUs: a quota's share, or the size of a CPU set if that is smaller.
    pub cpus: Option<f64>,
    /// The group that accounts for memory.
    pub memory_group: Option<Group>,
    /// The group that accounts for CPU time.
    pub cpu_group: Option<Group>,
}

/// The limits of the container that this process is in.
pub fn container_limits() -> ContainerLimits {
    container_limits_below(Path::new("/"))
}

/// As [`container_limits`], with `/proc` and `/sys` looked for below `root`.
pub fn container_limits_below(root: &Path) -> ContainerLimits {
    let memberships = Memberships::read(root);
    let group = |controller| memberships.as_ref()?.group(controller);
    let (memory_group, cpu_group) = (group("memory"), group("cpu"));
    let quota = cpu_group.as_ref().and_then(cpu_quota);
    let set = group("cpuset").and_then(|group| cpu_set(root, &group));
    ContainerLimits {
        memory_bytes: memory_group.as_ref().and_then(memory),
        cpus: match (quota, set) {
            (Some(quota), Some(set)) => Some(quota.min(set)),
            (one, other) => one.or(other),
        },
        memory_group,
        cpu_group,
    }
}

fn memory(group: &Group) -> Option<u64> {
    let file = match group.version {
        Version::V1 => "memory.limit_in_bytes",
        Version::V2 => "memory.max",
    };
    let own = group
        .with_ancestors()
        .filter_map(|directory| number(&directory.join(file)))
        .filter(|limit| *limit < V1_UNLIMITED)
        .min();
    // v1 also says what the groups outside of the mounted part allow.
    let hierarchical = keyed(
        &group.directory.join("memory.stat"),
        "hierarchical_memory_limit",
    )
    .filter(|limit| *limit < V1_UNLIMITED);
    match (own, hierarchical) {
        (Some(own), Some(outer)) => Some(own.min(outer)),
        (one, other) => one.or(other),
    }
}

fn cpu_quota(group: &Group) -> Option<f64> {
    group
        .with_ancestors()
        .filter_map(|directory| match group.version {
            Version::V1 => v1_quota(directory),
            Version::V2 => v2_quota(directory),
        })
        .reduce(f64::min)
}

fn v1_quota(directory: &Path) -> Option<f64> {
    let quota = number(&directory.join("cpu.cfs_quota_us"))?; // −1, "no quota", is no u64.
    share(quota, number(&directory.join("cpu.cfs_period_us"))?)
}

fn v2_quota(directory: &Path) -> Option<f64> {
    let text = read_pseudo_file(&directory.join("cpu.max"))?;
    let (quota, period) = text.trim().split_once(' ')?;
    share(quota.parse().ok()?, period.parse().ok()?)
}

fn share(quota: u64, period: u64) -> Option<f64> {
    let quota = f64::from(u32::try_from(quota).ok()?);
    let period = f64::from(u32::try_from(period).ok()?);
    (period > 0.0 && quota > 0.0).then(|| quota / period)
}

/// The size of the group's CPU set, if it leaves out any of the host's CPUs.
fn cpu_set(root: &Path, group: &Group) -> Option<f64> {
    let file = match group.version {
        Version::V1 => "cpuset.effective_cpus",
        Version::V2 => "cpuset.cpus.effective",
    };
    let set = length(&read_pseudo_file(&group.directory.join(file))?)?;
    let online = read_pseudo_file(&root.join("sys/devices/system/cpu/online"))?;
    (set < length(&online)?).then(|| f64::from(set))
}

/// The length of a list such as `0-3,8`; `None` for an empty or unreadable one.
fn length(ranges: &str) -> Option<u32> {
    let mut total = 0_u32;
    for range in ranges.trim().split(',') {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
        total = total.checked_add(to.checked_sub(from)?.checked_add(1)?)?;
    }
    Some(total)
}

fn number(path: &Path) -> Option<u64> {
    read_pseudo_file(path)?.trim().parse().ok()
}

/// The number after `key` in a file of `key number` lines.
pub(super) fn keyed(path: &Path, key: &str) -> Option<u64> {
    let text = read_pseudo_file(path)?;
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == key).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
