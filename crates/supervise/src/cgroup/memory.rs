//! The memory group's counters: peak use, hits of the limit, kernel kills.

use std::fs;
use std::path::PathBuf;

use super::hierarchy::{Group, Version};
use super::limits::keyed;

/// Counters at one moment. v1 counts from the group's creation, and so does v2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct MemoryCounters {
    /// Processes that the kernel killed for want of memory.
    pub(in super::super) kills: u64,
    /// Allocations that ran into the limit.
    pub(in super::super) limit_hits: u64,
}

/// The memory group, watched from the supervisor's start.
#[derive(Debug)]
pub(in super::super) struct MemoryWatch {
    group: Group,
    first: MemoryCounters,
}

impl MemoryWatch {
    /// Begins to watch `group`.
    pub(in super::super) fn new(group: Group) -> Self {
        let first = read(&group);
        Self { group, first }
    }

    /// What was counted since the beginning.
    pub(in super::super) fn since_start(&self) -> MemoryCounters {
        let now = read(&self.group);
        MemoryCounters {
            kills: now.kills.saturating_sub(self.first.kills),
            limit_hits: now.limit_hits.saturating_sub(self.first.limit_hits),
        }
    }

    /// The most memory that the group ever used, in bytes.
    pub(in super::super) fn peak(&self) -> Option<u64> {
        let file = match self.group.version {
            Version::V1 => "memory.max_usage_in_bytes",
            Version::V2 => "memory.peak", // Since Linux 5.19.
        };
        let text = fs::read_to_string(self.group.directory.join(file)).ok()?;
        text.trim().parse().ok()
    }

    /// The file that tells of kernel kills.
    pub(in super::super) fn source(&self) -> PathBuf {
        self.group.directory.join(match self.group.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        })
    }
}

fn read(group: &Group) -> MemoryCounters {
    let file = |name: &str| group.directory.join(name);
    match group.version {
        Version::V1 => MemoryCounters {
            kills: keyed(&file("memory.oom_control"), "oom_kill").unwrap_or(0),
            limit_hits: fs::read_to_string(file("memory.failcnt"))
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(0),
        },
        Version::V2 => MemoryCounters {
            kills: keyed(&file("memory.events"), "oom_kill").unwrap_or(0),
            limit_hits: keyed(&file("memory.events"), "max").unwrap_or(0),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(version: Version, files: &[(&str, &str)]) -> (tempfile::TempDir, MemoryWatch) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let group = Group {
            version,
            mount: directory.path().to_owned(),
            directory: directory.path().to_owned(),
        };
        (directory, MemoryWatch::new(group))
    }

    #[test]
    fn v1_counts_kills_and_limit_hits_from_the_start() {
        let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        let (directory, watch) = watch(
            Version::V1,
            &[
                ("memory.oom_control", control),
                ("memory.failcnt", "10\n"),
                ("memory.max_usage_in_bytes", "4096\n"),
            ],
        );
        let control = control.replace("oom_kill 3", "oom_kill 5");
        fs::write(directory.path().join("memory.oom_control"), control).unwrap();
        fs::write(directory.path().join("memory.failcnt"), "17\n").unwrap();
        let expected = MemoryCounters {
            kills: 2,
            limit_hits: 7,
        };
        assert_eq!(watch.since_start(), expected);
        assert_eq!(watch.peak(), Some(4096));
        assert!(watch.source().ends_with("memory.oom_control"));
    }

    #[test]
    fn v2_counts_kills_and_limit_hits_from_the_start() {
        let events = "low 0\nhigh 0\nmax 2\noom 1\noom_kill 1\noom_group_kill 0\n";
        let (directory, watch) = watch(Version::V2, &[("memory.events", events)]);
        let events = events
            .replace("max 2", "max 9")
            .replace("oom_kill 1", "oom_kill 2");
        fs::write(directory.path().join("memory.events"), events).unwrap();
        let expected = MemoryCounters {
            kills: 1,
            limit_hits: 7,
        };
        assert_eq!(watch.since_start(), expected);
        assert_eq!(watch.peak(), None);
    }
}
