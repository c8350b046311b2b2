use std::fs;

use super::*;
use proptest::prelude::*;

/// A root directory with the given files.
fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n";
const MIB: u64 = 1024 * 1024;

fn limits(files: &[(&str, &str)]) -> (Option<u64>, Option<f64>) {
    let root = root(files);
    let found = container_limits_below(root.path());
    (found.memory_bytes, found.cpus)
}

#[test]
fn v2_private_namespace_reads_the_mounts_own_top() {
    let found = limits(&[
        ("proc/self/cgroup", "0::/\n"),
        ("proc/self/mountinfo", V2_MOUNT),
        ("sys/fs/cgroup/memory.max", "1073741824\n"),
        ("sys/fs/cgroup/cpu.max", "150000 100000\n"),
    ]);
    assert_eq!(found, (Some(1024 * MIB), Some(1.5)));
}

#[test]
fn v2_nested_groups_the_tightest_ancestor_decides() {
    let found = limits(&[
        ("proc/self/cgroup", "0::/pod/container\n"),
        ("proc/self/mountinfo", V2_MOUNT),
        ("sys/fs/cgroup/pod/memory.max", "104857600\n"),
        ("sys/fs/cgroup/pod/cpu.max", "50000 100000\n"),
        ("sys/fs/cgroup/pod/container/memory.max", "max\n"),
        ("sys/fs/cgroup/pod/container/cpu.max", "max 100000\n"),
    ]);
    assert_eq!(found, (Some(100 * MIB), Some(0.5)));
}

#[test]
fn v2_without_limits_is_none_and_never_the_hosts_total() {
    let found = limits(&[
        ("proc/self/cgroup", "0::/x\n"),
        ("proc/self/mountinfo", V2_MOUNT),
        ("proc/meminfo", "MemTotal: 1048576 kB\n"),
        ("sys/devices/system/cpu/online", "0-3\n"),
        ("sys/fs/cgroup/x/memory.max", "max\n"),
        ("sys/fs/cgroup/x/cpu.max", "max 100000\n"),
        ("sys/fs/cgroup/x/cpuset.cpus.effective", "0-3\n"),
    ]);
    assert_eq!(found, (None, None));
}

/// Docker on v1: `/proc/self/cgroup` shows the host's path, the mount shows only our part of it.
#[test]
fn v1_docker_bind_mounted_group_is_found_although_its_path_is_the_hosts() {
    let mounts = "40 30 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                  41 30 0:32 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n";
    let found = limits(&[
        (
            "proc/self/cgroup",
            "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n",
        ),
        ("proc/self/mountinfo", mounts),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "200000\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
    ]);
    assert_eq!(found, (Some(256 * MIB), Some(2.0)));
}

#[test]
fn v1_unlimited_is_none() {
    let mounts = "40 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                  41 30 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
    let found = limits(&[
        ("proc/self/cgroup", "5:memory:/\n4:cpu:/\n"),
        ("proc/self/mountinfo", mounts),
        (
            "sys/fs/cgroup/memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        ),
        (
            "sys/fs/cgroup/memory/memory.stat",
            "hierarchical_memory_limit 9223372036854771712\n",
        ),
        ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
        ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
    ]);
    assert_eq!(found, (None, None));
}

#[test]
fn v1_hierarchical_limit_tells_of_groups_outside_the_mount() {
    let mounts = "40 30 0:31 /a/b /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    let found = limits(&[
        ("proc/self/cgroup", "5:memory:/a/b\n"),
        ("proc/self/mountinfo", mounts),
        (
            "sys/fs/cgroup/memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        ),
        (
            "sys/fs/cgroup/memory/memory.stat",
            "cache 0\nhierarchical_memory_limit 1048576\n",
        ),
    ]);
    assert_eq!(found, (Some(MIB), None));
}

/// systemd's hybrid mode: controllers on v1, and a unified hierarchy that has none of them.
#[test]
fn hybrid_the_v1_controllers_count_and_the_empty_unified_hierarchy_does_not() {
    let mounts = "30 23 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                  40 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    let root = root(&[
        (
            "proc/self/cgroup",
            "5:memory:/task\n1:name=systemd:/x\n0::/y\n",
        ),
        ("proc/self/mountinfo", mounts),
        (
            "sys/fs/cgroup/memory/task/memory.limit_in_bytes",
            "4194304\n",
        ),
    ]);
    let found = container_limits_below(root.path());
    assert_eq!(found.memory_bytes, Some(4 * MIB));
    let group = found.memory_group.unwrap();
    assert_eq!(group.version, Version::V1);
    assert!(group.directory.ends_with("memory/task"), "{group:?}");
    assert_eq!(found.cpu_group.unwrap().version, Version::V2);
}

#[test]
fn a_cpu_set_smaller_than_the_host_or_the_quota_counts() {
    let files = |set: &'static str, quota: &'static str| {
        limits(&[
            ("proc/self/cgroup", "0::/\n"),
            ("proc/self/mountinfo", V2_MOUNT),
            ("sys/devices/system/cpu/online", "0-7\n"),
            ("sys/fs/cgroup/cpuset.cpus.effective", set),
            ("sys/fs/cgroup/cpu.max", quota),
        ])
        .1
    };
    assert_eq!(files("0-1,4\n", "max 100000\n"), Some(3.0));
    assert_eq!(files("0-1,4\n", "400000 100000\n"), Some(3.0));
    assert_eq!(files("0-1,4\n", "50000 100000\n"), Some(0.5));
    assert_eq!(files("0-7\n", "max 100000\n"), None);
}

#[test]
fn without_control_groups_there_are_no_limits() {
    assert_eq!(limits(&[]), (None, None));
    assert_eq!(
        limits(&[
            ("proc/self/cgroup", "\n::\n0\n"),
            ("proc/self/mountinfo", "x - y\n")
        ]),
        (None, None)
    );
}

proptest! {
    #[test]
    fn cpu_lists_count_what_they_name(ranges in prop::collection::vec((0_u32..500, 0_u32..20), 1..8)) {
        let texts: Vec<String> = ranges.iter().map(|(first, more)| match more {
            0 => first.to_string(),
            more => format!("{first}-{}", first + more),
        }).collect();
        let expected: u32 = ranges.iter().map(|(_, more)| more + 1).sum();
        prop_assert_eq!(length(&texts.join(",")), Some(expected));
    }

    #[test]
    fn any_text_for_a_cpu_list_is_read_or_refused(text in "[-0-9, \n]{0,30}") {
        let _ = length(&text);
    }
}
