//! The terminal that the supervisor was started on, and the program's turn at it.
//!
//! The program leads a process group of its own, and a terminal lets only one group read: so it is
//! handed over at each start, taken back at each end, and given up to the shell while the program
//! is stopped (Ctrl-Z). Only what is this supervisor's is handed over: from the background nothing
//! is taken.

use std::os::fd::BorrowedFd;

use nix::unistd::{Pid, getpgrp, getpid, getsid, tcgetpgrp, tcsetpgrp};

use super::Signal;
use super::error::SuperviseError;
use super::sys::{self, SignalSet};

/// See the module's text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terminal {
    /// Whether there is one that the program may have.
    lent: bool,
    /// Whether a shell is there that goes on when this process is stopped.
    has_shell: bool,
}

/// What is done about a program that its terminal has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspension {
    /// It goes on: nobody is there who could continue it.
    Refused,
    /// The supervisor was stopped as well, and goes on now that somebody has continued it.
    Shared,
    /// It stays stopped: it wants a terminal that others have.
    Waits,
}

impl Terminal {
    /// The terminal of standard input, if the program is to have it.
    pub(super) fn new(wanted: bool) -> Result<Self, SuperviseError> {
        let lent = wanted && sys::is_terminal(0);
        if lent {
            // Who has handed the terminal over would be stopped for taking it back, and for
            // writing to it where the terminal is set so.
            let set = SignalSet::of([Signal::TTOU]);
            let call = "rt_sigprocmask";
            sys::block(set).map_err(|error| SuperviseError::Signals { call, error })?;
        }
        Ok(Self {
            lent,
            has_shell: has_shell(),
        })
    }

    /// Whether the program is to have the terminal when it starts now.
    pub(super) fn is_to_hand_over(self) -> bool {
        self.lent && stdin().is_some_and(|terminal| tcgetpgrp(terminal) == Ok(getpgrp()))
    }

    /// Whether what is typed goes to the program, Ctrl-C included.
    pub(super) const fn is_lent(self) -> bool {
        self.lent
    }

    /// Hands it over to a program that is there already.
    pub(super) fn give_to(self, leader: i32) {
        if self.is_to_hand_over() {
            set(Pid::from_raw(leader));
        }
    }

    /// Takes back what this program had.
    pub(super) fn take_back_from(self, leader: i32) {
        let had = |terminal| tcgetpgrp(terminal) == Ok(Pid::from_raw(leader));
        if self.lent && stdin().is_some_and(had) {
            set(getpgrp());
        }
    }

    /// The program was stopped by this signal of the terminal's. Returns when it may go on.
    pub(super) fn suspended(self, leader: i32, by: Signal) -> Option<Suspension> {
        if !self.lent || ![Signal::TSTP, Signal::TTIN, Signal::TTOU].contains(&by) {
            return None;
        }
        if self.has_shell {
            // As if the terminal had stopped all of them, this process included: its shell waits
            // for that. What continues it is passed on to the program.
            let by = if by == Signal::TTIN { by } else { Signal::TSTP };
            let _ = sys::kill(0, by);
            return Some(Suspension::Shared);
        }
        if by != Signal::TSTP && !self.is_to_hand_over() {
            return Some(Suspension::Waits);
        }
        self.give_to(leader);
        let _ = sys::kill(-leader, Signal::CONT);
        Some(Suspension::Refused)
    }
}

/// Whether somebody outside of this process group controls it as a job. The group of a session's
/// leader has nobody, and neither has the first process of a container.
fn has_shell() -> bool {
    getpid().as_raw() != 1 && getsid(None).is_ok_and(|session| session != getpgrp())
}

fn stdin() -> Option<BorrowedFd<'static>> {
    sys::standard(0)
}

/// A terminal that is gone has no foreground.
fn set(group: Pid) {
    if let Some(terminal) = stdin() {
        let _ = tcsetpgrp(terminal, group);
    }
}
