//! Noticing that the process that started the supervisor has ended.
//!
//! By a descriptor on that process, and not by `PR_SET_PDEATHSIG`: that one fires when the
//! parent's *thread* ends, which is every day's work for a thread pool.

use std::os::fd::OwnedFd;

use nix::unistd::getppid;

use super::sys;

/// Watches the parent process.
#[derive(Debug)]
pub(super) enum ParentWatch {
    /// Readable when the parent has ended.
    Watching(OwnedFd),
    /// The parent has ended already.
    Gone,
    /// There is nothing to watch: this is PID 1 of a namespace, or the kernel has no pidfds.
    Nothing,
}

impl ParentWatch {
    /// Begins to watch the process that was the parent when the program began.
    pub(super) fn new(recorded: i32) -> Self {
        if recorded == 0 {
            return Self::Nothing;
        }
        if getppid().as_raw() != recorded {
            return Self::Gone;
        }
        let Ok(fd) = sys::open_pidfd(recorded) else {
            return Self::Nothing;
        };
        // If it ended just before, the number may be another process's by now.
        if getppid().as_raw() == recorded {
            Self::Watching(fd)
        } else {
            Self::Gone
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_that_is_no_longer_the_recorded_one_is_gone() {
        assert!(matches!(ParentWatch::new(i32::MAX), ParentWatch::Gone));
        assert!(matches!(ParentWatch::new(0), ParentWatch::Nothing));
        let parent = getppid().as_raw();
        assert!(matches!(
            ParentWatch::new(parent),
            ParentWatch::Watching(_) | ParentWatch::Nothing
        ));
    }
}
