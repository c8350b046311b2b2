//! The memory limit of a container by a cgroup of version 1, and whether it was exceeded.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup/memory";

/// A memory cgroup of one container.
pub(super) struct MemoryGroup {
    path: PathBuf,
    limit_mib: u64,
}

impl MemoryGroup {
    /// `None` where the machine has no memory hierarchy that can be written to.
    pub(super) fn make(container: &str, limit_mib: u64) -> Option<Self> {
        let path = Path::new(ROOT).join("mesos-double").join(container);
        fs::create_dir_all(&path).ok()?;
        let group = Self { path, limit_mib };
        fs::write(
            group.path.join("memory.limit_in_bytes"),
            (limit_mib * 1024 * 1024).to_string(),
        )
        .ok()?;
        Some(group)
    }

    /// Puts a process and what it will start under the limit.
    pub(super) fn take_in(&self, pid: u32) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), pid.to_string())
    }

    /// What the agent says once the kernel had to kill.
    pub(super) fn exceeded(&self) -> Option<(u64, String)> {
        let control = fs::read_to_string(self.path.join("memory.oom_control")).ok()?;
        let kills = control
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "))?;
        if kills.trim() == "0" {
            return None;
        }
        let statistics = fs::read_to_string(self.path.join("memory.stat")).unwrap_or_default();
        let limit = self.limit_mib;
        Some((
            limit,
            format!(
                "Memory limit exceeded: Requested: {limit}MB Maximum Used: {limit}MB\n\nMEMORY STATISTICS: \n{statistics}\n"
            ),
        ))
    }
}

impl MemoryGroup {
    /// Whether the group is gone; while a process is left it is not.
    pub(super) fn remove(&self) -> bool {
        fs::remove_dir(&self.path).is_ok()
    }
}
