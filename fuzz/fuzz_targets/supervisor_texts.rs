//! What the supervisor reads of the kernel, of Mesos, of people and of its program: control groups, a
//! grace period, a signal's name, a line of output. The parts of the input are separated by zero bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use flugs_supervise::{
    Complaint, Meaning, Sign, Signal, Signs, Weight, container_limits_below, default_grace,
};

/// A root file system of a few files, made anew for this process.
static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    // In memory: an input is a dozen files.
    let shared = Path::new("/dev/shm");
    let base = if shared.is_dir() {
        shared.to_owned()
    } else {
        std::env::temp_dir()
    };
    let root = base.join(format!("flugs-fuzz-{}", std::process::id()));
    fs::create_dir_all(root.join("proc/self")).expect("a directory");
    for group in ["cgroup", "cgroup/docker/a"] {
        fs::create_dir_all(root.join("sys/fs").join(group)).expect("a directory");
    }
    root
});

pub(crate) fn run(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == 0).map(crate::text);
    let mut next = || parts.next().unwrap_or_default();
    control_groups([next(), next(), next()]);
    grace(next());
    signal(next());
    line([next(), next(), next(), next()]);
}

fn control_groups([groups, mounts, value]: [&str; 3]) {
    let root: &Path = &ROOT;
    let write = |file: &str, text| fs::write(root.join(file), text).expect("a file");
    write("proc/self/cgroup", groups);
    write("proc/self/mountinfo", mounts);
    for file in [
        "memory.max",
        "memory.limit_in_bytes",
        "memory.stat",
        "cpu.max",
        "cpuset.cpus",
    ] {
        write(&format!("sys/fs/cgroup/docker/a/{file}"), value);
    }
    let limits = container_limits_below(root);
    if let Some(bytes) = limits.memory_bytes {
        assert!(limits.memory_group.is_some() && bytes < 1 << 62);
    }
    assert!(
        limits
            .cpus
            .is_none_or(|cpus| cpus > 0.0 && cpus.is_finite())
    );
}

fn grace(text: &str) {
    let variable =
        |name: &str| (name == "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD").then(|| text.to_owned());
    let longest = Duration::from_secs(u64::MAX);
    assert!(default_grace(None, variable) <= longest);
}

fn signal(text: &str) {
    if let Ok(signal) = text.parse::<Signal>() {
        assert_eq!(signal.to_string().parse(), Ok(signal));
    }
}

/// A rule's two texts, its complaint, and the line.
fn line([first, second, text, line]: [&str; 4]) {
    let complaint = Complaint::new(Weight::Reason, text);
    let sign = Sign {
        has: vec![first.to_owned(), second.to_owned()],
        means: Meaning::Trouble(complaint),
    };
    let signs = Signs {
        at_start: None,
        rules: vec![sign],
    };
    let read = signs.reader().meaning_of(line.as_bytes());
    let first_at = line.find(first);
    let behind = first_at.and_then(|at| line.get(at + first.len()..));
    assert_eq!(
        read.is_some(),
        behind.is_some_and(|rest| rest.contains(second))
    );
}
