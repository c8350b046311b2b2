//! Processes that belong together: by descent, group and session, as the command executor finds
//! them, and by what only a container's own have in their environment.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;

/// One line of `/proc/<pid>/stat`.
#[derive(Clone, Copy, Debug)]
struct Process {
    pid: i32,
    parent: i32,
    group: i32,
    session: i32,
}

/// Stops all of a tree, sends each the signal, lets them go on: nobody can fork out of the way.
pub(super) fn signal_tree(root: u32, signal: Signal) {
    let Ok(root) = i32::try_from(root) else {
        return;
    };
    let tree = tree(root);
    for signal in [Signal::SIGSTOP, signal, Signal::SIGCONT] {
        for pid in &tree {
            // Who is gone needs no signal.
            let _ = kill(Pid::from_raw(*pid), signal);
        }
    }
}

/// Kills what is left of a container: every process that has `mark` in its environment.
pub(super) fn kill_marked(mark: &str) {
    for process in processes() {
        let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        let is_marked = environment
            .windows(mark.len())
            .any(|window| window == mark.as_bytes());
        if is_marked {
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
        }
    }
}

/// The root, its descendants, and who shares a group or session that one of these leads.
fn tree(root: i32) -> BTreeSet<i32> {
    let all = processes();
    let mut tree = BTreeSet::from([root]);
    loop {
        let before = tree.len();
        for process in &all {
            let related = [process.parent, process.group, process.session];
            if related.iter().any(|pid| tree.contains(pid)) {
                tree.insert(process.pid);
            }
        }
        if tree.len() == before {
            return tree;
        }
    }
}

fn processes() -> Vec<Process> {
    let Ok(directory) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    directory
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name may hold spaces and parentheses; what follows the last one does not.
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(1);
            let mut next = || fields.next()?.parse().ok();
            Some(Process {
                pid,
                parent: next()?,
                group: next()?,
                session: next()?,
            })
        })
        .collect()
}
