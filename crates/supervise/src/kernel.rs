//! The conductor's system, as the kernel provides it.

use std::os::fd::OwnedFd;

use nix::unistd::getpid;

use super::Signal;
use super::conductor::Sys;
use super::descendants::descendants;
use super::error::SuperviseError;
use super::start::start;
use super::supervision::Supervision;
use super::sys::{self, Reaped};
use super::terminal::Terminal;

/// Real processes and real signals.
#[derive(Debug)]
pub(super) struct Kernel {
    supervision: Supervision,
    user: Vec<(&'static str, String)>,
    is_init: bool,
    terminal: Terminal,
    dice: u64,
    /// What the program's streams are to be, for the next start.
    pub(super) streams: Streams,
}

/// The program's output streams; `None` is the supervisor's own.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

impl Kernel {
    /// `user` holds the variables that come with a change of user.
    pub(super) fn new(
        supervision: Supervision,
        user: Vec<(&'static str, String)>,
        terminal: Terminal,
    ) -> Self {
        Self {
            supervision,
            user,
            is_init: getpid().as_raw() == 1,
            terminal,
            dice: getrandom::u64().unwrap_or_default(),
            streams: Streams::default(),
        }
    }
}

impl Sys for Kernel {
    fn start(&mut self) -> Result<i32, SuperviseError> {
        let copy = |fd: &Option<OwnedFd>| {
            let copied = fd.as_ref().map(OwnedFd::try_clone).transpose();
            copied.map_err(|error| SuperviseError::Call {
                call: "fcntl(F_DUPFD_CLOEXEC)",
                error,
            })
        };
        let stdout = copy(&self.streams.stdout)?;
        let stderr = copy(&self.streams.stderr)?;
        let takes_terminal = self.terminal.is_to_hand_over();
        start(
            &self.supervision,
            &self.user,
            stdout,
            stderr,
            takes_terminal,
        )
    }

    fn signal_group(&mut self, leader: i32, signal: Signal) {
        // A leader that moved to another group leaves an empty one behind.
        if sys::kill(-leader, signal).is_err() {
            let _ = sys::kill(leader, signal);
        }
    }

    fn signal_leader(&mut self, leader: i32, signal: Signal) {
        let _ = sys::kill(leader, signal);
    }

    fn signal_others(&mut self, signal: Signal) {
        if self.is_init {
            let _ = sys::kill(-1, signal); // Everyone in the namespace but this process.
            return;
        }
        for pid in descendants(getpid().as_raw()) {
            let _ = sys::kill(pid, signal);
        }
    }

    fn reap(&mut self) -> Reaped {
        // No error is left that could pass: nothing to wait for is an answer, not an error.
        sys::reap().unwrap_or(Reaped::NoneReady)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): asked on every wake-up, so no system call.
    fn chance(&mut self) -> f64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let drawn = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default();
        f64::from(drawn) / (f64::from(u32::MAX) + 1.0)
    }
}
