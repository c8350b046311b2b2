//! Between the machine and the system: hands events to the machine and carries out its actions.
//!
//! Generic over the system and the clock, so that orders of signals, reaping and timers are
//! tested without processes.

use std::time::SystemTime;

use super::Signal;
use super::clock::{Clock, Moment};
use super::end::Ended;
use super::error::SuperviseError;
use super::machine::{Action, Machine};
use super::sys::Reaped;
use super::verdict::{Note, Verdict};

/// At most this many ends are taken at one go, so that signals are seen during a storm.
const REAPED_AT_ONCE: u32 = 4096;

/// What the conductor needs of the system.
pub(super) trait Sys {
    /// Starts the program.
    fn start(&mut self) -> Result<i32, SuperviseError>;
    /// Signals the process group that `leader` leads, or `leader` alone if it left it.
    fn signal_group(&mut self, leader: i32, signal: Signal);
    /// Signals one process.
    fn signal_leader(&mut self, leader: i32, signal: Signal);
    /// Signals every other process of the namespace, or every process below this one.
    fn signal_others(&mut self, signal: Signal);
    /// Reaps one ended child.
    fn reap(&mut self) -> Reaped;
    /// A random number in `[0, 1)`.
    fn chance(&mut self) -> f64;
}

/// What the loop around has to know or do.
#[derive(Debug)]
pub(super) enum Happening {
    /// A run of the program began.
    Started(i32),
    /// A run of the program ended: of this first process.
    Ended(i32),
    /// The program's first process was stopped by this signal.
    Stopped(i32, Signal),
    /// The program is asked for a thread dump.
    DumpAsked,
    /// Tell people.
    Note(Note),
    /// The program could not be started.
    StartFailed(SuperviseError),
    /// Write the report as it stands.
    ReportEarly(Verdict),
    /// It is over.
    Finished(Verdict),
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Conductor<S, C> {
    pub(super) machine: Machine,
    pub(super) sys: S,
    pub(super) clock: C,
    happenings: Vec<Happening>,
    tally: Tally,
}

/// What the report will say about the runs so far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    /// When the program was first started.
    pub(super) first_start: Option<SystemTime>,
    /// How the program's latest run ended.
    pub(super) last_end: Option<Ended>,
    /// Processes reaped that were not the program itself.
    pub(super) orphans: u64,
}

impl<S: Sys, C: Clock> Conductor<S, C> {
    pub(super) fn new(machine: Machine, sys: S, clock: C) -> Self {
        Self {
            machine,
            sys,
            clock,
            happenings: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// What happened since the last call.
    pub(super) fn happenings(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.happenings)
    }

    /// The verdict, if it came since the last call.
    pub(super) fn finished(&mut self) -> Option<Verdict> {
        let happenings = self.happenings();
        happenings
            .into_iter()
            .find_map(|happening| match happening {
                Happening::Finished(verdict) => Some(verdict),
                _ => None,
            })
    }

    pub(super) const fn tally(&self) -> Tally {
        self.tally
    }

    /// When [`Conductor::tick`] is due.
    pub(super) const fn deadline(&self) -> Option<Moment> {
        self.machine.deadline()
    }

    pub(super) fn begin(&mut self) {
        let actions = self.machine.begin();
        self.carry_out(actions);
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        let actions = self.machine.signal(signal, self.clock.now());
        self.carry_out(actions);
    }

    pub(super) fn parent_gone(&mut self) {
        let actions = self.machine.parent_gone(self.clock.now());
        self.carry_out(actions);
    }
    pub(super) fn unhealthy(&mut self) {
        let actions = self.machine.unhealthy(self.clock.now());
        self.carry_out(actions);
    }

    pub(super) fn renew(&mut self) {
        let actions = self.machine.renew(self.clock.now());
        self.carry_out(actions);
    }

    pub(super) fn failed_alike(&mut self) {
        let actions = self.machine.failed_alike(self.tally.last_end);
        self.carry_out(actions);
    }

    pub(super) fn tick(&mut self) {
        let chance = self.sys.chance();
        let actions = self.machine.tick(self.clock.now(), chance);
        self.carry_out(actions);
    }

    /// Reaps every child that has ended. True if there may be more that have.
    pub(super) fn reap(&mut self) -> bool {
        for _ in 0..REAPED_AT_ONCE {
            match self.sys.reap() {
                Reaped::Ended { pid, how } => self.note_end(pid, how),
                Reaped::Stopped { pid, by } if self.machine.leader() == Some(pid) => {
                    self.happenings.push(Happening::Stopped(pid, by));
                }
                Reaped::Stopped { .. } => {}
                Reaped::NoneReady => {
                    self.reaped(true);
                    return false;
                }
                Reaped::NoChildren => {
                    self.reaped(false);
                    return false;
                }
            }
        }
        true
    }

    fn note_end(&mut self, pid: i32, how: Ended) {
        if self.machine.leader() == Some(pid) {
            self.tally.last_end = Some(how);
            self.machine.leader_ended(how);
            self.happenings.push(Happening::Ended(pid));
        } else {
            self.tally.orphans = self.tally.orphans.saturating_add(1);
        }
    }

    fn reaped(&mut self, left: bool) {
        let chance = self.sys.chance();
        let actions = self.machine.reaped(left, self.clock.now(), chance);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start => self.start(),
                Action::SignalGroup(leader, signal) => self.sys.signal_group(leader, signal),
                Action::SignalLeader(leader, signal) => {
                    // Said first, so that whoever keeps the dump is ready for it.
                    self.happenings.push(Happening::DumpAsked);
                    self.sys.signal_leader(leader, signal);
                }
                Action::SignalOthers(signal) => self.sys.signal_others(signal),
                Action::ReportEarly(verdict) => {
                    self.happenings.push(Happening::ReportEarly(verdict));
                }
                Action::Note(note) => self.happenings.push(Happening::Note(note)),
                Action::Finish(verdict) => self.happenings.push(Happening::Finished(verdict)),
            }
        }
    }

    fn start(&mut self) {
        match self.sys.start() {
            Ok(leader) => {
                let wall = self.clock.wall();
                self.tally.first_start.get_or_insert(wall);
                self.machine.started(leader, self.clock.now());
                self.happenings.push(Happening::Started(leader));
            }
            Err(error) => {
                self.happenings.push(Happening::StartFailed(error));
                let chance = self.sys.chance();
                let actions = self.machine.start_failed(self.clock.now(), chance);
                self.carry_out(actions);
            }
        }
    }
}

#[cfg(test)]
#[path = "conductor_tests.rs"]
mod tests;
