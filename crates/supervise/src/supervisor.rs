//! One supervision from its preparation to its report.
//!
//! Owns the order of things: what is prepared before the first start, and what is finished before
//! the exit. Decides nothing about the program; waiting is [`super::wait`]'s.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::getpid;

use super::Signal;
use super::cause::{self, Cause, LastWords, ProgramLog, ReadCause};
use super::clock::{Clock as _, KernelClock, Moment};
use super::conductor::{Conductor, Happening};
use super::error::SuperviseError;
use super::footprint::forget_start;
use super::handover::{every_held, hold_signals, parent_at_start};
use super::health::{Condition, Health, StatusServer, listen_in_container};
use super::kernel::Kernel;
use super::logs::{Outputs, say_plainly};
use super::machine::Machine;
use super::parent::ParentWatch;
use super::peer::PeerWatch;
use super::prepare::set_limits;
use super::privileges::give_up;
use super::readiness::Readiness;
use super::report::{ExitReport, Phase, Reason, ReportFile};
use super::summary::Evidence;
use super::supervision::{LogPolicy, Supervision};
use super::sys::{self, SignalSet};
use super::terminal::{Suspension, Terminal};
use super::verdict::{Note, Verdict};

/// How a supervision ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What the process exits with.
    pub exit_code: u8,
    /// The report, as it was written if a place for it was given.
    pub report: ExitReport,
}

/// Hands the report to whom [`Supervision::report_to`] names. Must give up within a second or two:
/// the supervisor's end waits for it.
pub type Deliver = fn(&str, &ExitReport);

/// What others do for a supervisor, which knows neither programs nor networks.
#[derive(Debug, Clone, Copy)]
pub struct Hooks {
    /// Reads what the program said of its end.
    pub read_cause: ReadCause,
    /// Delivers the report.
    pub deliver: Deliver,
}

/// Runs the program of `supervision` until it is over for good, and reports.
///
/// Blocks the calling thread, which must be the process's only one.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the process's last act: nothing is left to own the document"
)]
pub fn run(supervision: Supervision, hooks: Hooks) -> Result<Outcome, SuperviseError> {
    hold_signals()?;
    let evidence = Evidence::new();
    let prepared = Supervisor::prepare(&supervision, &evidence, hooks);
    let ended = prepared.and_then(Supervisor::run);
    if let Err(error) = &ended {
        report_failure(&supervision, &evidence, error, hooks.deliver);
    }
    ended
}

/// Reports a failure of the supervisor's own.
fn report_failure(
    supervision: &Supervision,
    evidence: &Evidence,
    error: &SuperviseError,
    deliver: Deliver,
) {
    let name = supervision.display_name();
    let mut report = ExitReport::of_failure(&name, Phase::Start, error, evidence.began);
    report.phases.clone_from(&supervision.phases);
    if matches!(
        error,
        SuperviseError::Start { .. } | SuperviseError::Directory { .. }
    ) {
        report.reason = Reason::StartFailed;
    }
    let written = supervision.report.as_ref().map(|path| report.write(path));
    if let Some(Err(problem)) = written {
        say_plainly(&problem.to_string(), supervision.time_stamps);
    }
    if let Some(whom) = &supervision.report_to {
        deliver(whom, &report);
    }
}

pub(super) struct Supervisor<'a> {
    pub(super) supervision: &'a Supervision,
    evidence: &'a Evidence,
    pub(super) held: SignalSet,
    pub(super) signals: OwnedFd,
    pub(super) own_pid: i32,
    pub(super) parent: ParentWatch,
    pub(super) terminal: Terminal,
    pub(super) conductor: Conductor<Kernel, KernelClock>,
    pub(super) outputs: Outputs,
    pub(super) health: Option<Health>,
    pub(super) readiness: Option<Readiness>,
    pub(super) peer: Option<PeerWatch>,
    /// When files that the program writes to by itself are looked at again.
    pub(super) next_look: Moment,
    pub(super) status: Option<StatusServer>,
    report_file: Option<ReportFile>,
    start_error: Option<SuperviseError>,
    pub(super) reap_pending: bool,
    hooks: Hooks,
    /// The program's own log as the current run found it.
    program_log: Option<ProgramLog>,
    /// Why the run before failed.
    last_cause: Option<Cause>,
}

impl<'a> Supervisor<'a> {
    fn prepare(
        supervision: &'a Supervision,
        evidence: &'a Evidence,
        hooks: Hooks,
    ) -> Result<Self, SuperviseError> {
        let call = |call| move |error| SuperviseError::Signals { call, error };
        sys::reset_disposition(Signal::CHLD).map_err(call("signal"))?;
        let held = every_held();
        let signals = sys::signal_fd(held).map_err(call("signalfd4"))?;
        let own_pid = getpid().as_raw();
        if own_pid != 1 {
            become_subreaper()?;
        }
        let parent = if supervision.follow_parent {
            ParentWatch::new(parent_at_start())
        } else {
            ParentWatch::Nothing
        };
        // The streams are opened as who we are; everything after that as who we become.
        let name = supervision.display_name();
        let signs = supervision.signs.as_ref();
        let mut outputs = Outputs::new(&supervision.logs, &name, signs)?
            .with_time_stamps(supervision.time_stamps);
        set_limits(&supervision.limits)?;
        let user = give_up(&supervision.privileges)?;
        outputs.open_files(&supervision.logs)?;
        let terminal = Terminal::new(supervision.foreground)?;
        let mut kernel = Kernel::new(supervision.clone(), user, terminal);
        kernel.streams = outputs.program_ends()?;
        // Whose health is checked answers for its container as well.
        let inside = supervision.health.as_ref().and(listen_in_container());
        let status = StatusServer::open(supervision.status.as_ref(), inside)?;
        let report_file = reserve(supervision, &mut outputs);
        Ok(Self {
            supervision,
            evidence,
            held,
            signals,
            own_pid,
            parent,
            terminal,
            conductor: Conductor::new(
                machine(supervision).taking_keys(terminal.is_lent()),
                kernel,
                KernelClock,
            ),
            outputs,
            health: supervision.health.as_ref().map(Health::new),
            readiness: signs.map(Readiness::new),
            peer: supervision.peer.as_ref().map(PeerWatch::new),
            next_look: Moment::default(),
            status,
            report_file,
            start_error: None,
            reap_pending: false,
            hooks,
            program_log: supervision.program_log.as_deref().map(ProgramLog::at_start),
            last_cause: None,
        })
    }

    fn run(mut self) -> Result<Outcome, SuperviseError> {
        self.take_signals()?; // A stop that was asked for during the launch.
        if matches!(self.parent, ParentWatch::Gone) {
            self.conductor.parent_gone();
        }
        self.conductor.begin();
        forget_start();
        loop {
            if let Some(verdict) = self.attend() {
                return self.finish(verdict);
            }
            self.wait()?;
        }
    }

    /// Deals with what the conductor has to say. A verdict ends the loop.
    fn attend(&mut self) -> Option<Verdict> {
        let now = self.conductor.clock.now();
        let mut finished = None;
        for happening in self.conductor.happenings() {
            match happening {
                Happening::Started(leader) => {
                    let log = self.supervision.program_log.as_deref();
                    // Before its first words: a JVM takes longer to log than this does.
                    self.program_log = log.map(ProgramLog::at_start);
                    if let Some(health) = &mut self.health {
                        health.started(leader, now);
                    }
                    if let Some(peer) = &mut self.peer {
                        peer.started(now);
                    }
                    if let Some(readiness) = &mut self.readiness {
                        readiness.started(now, self.conductor.clock.wall());
                    }
                }
                Happening::Ended(leader) => {
                    self.terminal.take_back_from(leader);
                    self.outputs.end_dump(now, self.conductor.clock.wall());
                }
                Happening::Stopped(leader, by) => {
                    if self.terminal.suspended(leader, by) == Some(Suspension::Waits) {
                        self.say(&format!(
                            "is stopped by {by}: it wants a terminal that others have"
                        ));
                    }
                }
                Happening::DumpAsked => {
                    if let Some(path) = self.dump_path() {
                        self.outputs.begin_dump(&path);
                    }
                }
                Happening::Note(note) => self.tell(&note),
                Happening::StartFailed(error) => self.start_error = Some(error),
                Happening::ReportEarly(verdict) => {
                    let report = self.report(verdict);
                    if let Some(file) = &mut self.report_file
                        && file.can_be_replaced()
                    {
                        // If it fails, the report at the end tells.
                        let _ = file.write(&report);
                    }
                }
                Happening::Finished(verdict) => finished = Some(verdict),
            }
        }
        if !self.conductor.machine.is_up() {
            self.health.iter_mut().for_each(Health::ended);
            self.readiness.iter_mut().for_each(Readiness::ended);
            self.peer.iter_mut().for_each(PeerWatch::ended);
        }
        // What was told may have ended the whole.
        finished.or_else(|| self.conductor.finished())
    }

    /// Tells what happened, and why. A run that failed just as the one before it, both soon after
    /// their start, is the last.
    fn tell(&mut self, note: &Note) {
        let Note::Restarting { last, .. } = note else {
            return self.say(&note.to_string());
        };
        let cause = self.cause(*last);
        let likeness = |cause: &Option<Cause>| cause.as_ref().and_then(|one| one.likeness.clone());
        if likeness(&cause).is_some() && likeness(&cause) == likeness(&self.last_cause) {
            self.conductor.failed_alike();
        }
        if self.conductor.machine.is_stopping() {
            return; // It is the verdict's to say.
        }
        match &cause {
            Some(cause) => self.say(&format!("{note}; the reason: {}", cause.text)),
            None => self.say(&note.to_string()),
        }
        self.last_cause = cause;
    }

    /// What the program said of its end.
    fn cause(&mut self, verdict: Verdict) -> Option<Cause> {
        if !cause::is_its_own(verdict) {
            return None;
        }
        let (now, wall) = (self.conductor.clock.now(), self.conductor.clock.wall());
        self.outputs.take_in(now, wall);
        let (stderr, stdout) = self.outputs.last_words();
        let log = self.program_log.as_ref().map(ProgramLog::last_words);
        let log = log.unwrap_or_default();
        (self.hooks.read_cause)(&LastWords {
            stderr,
            stdout,
            log,
        })
    }

    /// The program is over for good.
    fn finish(mut self, verdict: Verdict) -> Result<Outcome, SuperviseError> {
        let now = self.conductor.clock.now();
        let wall = self.conductor.clock.wall();
        if verdict == Verdict::StartFailed
            && let Some(error) = self.start_error.take()
        {
            self.outputs.flush_all();
            self.report_file = None; // The failure's own report takes its place.
            return Err(error);
        }
        // The report first: a reader that is slow to the end must not cost it. Where it can be said
        // but once, it is said after everything else.
        let file = self.report_file.as_ref();
        let early = file.is_some_and(ReportFile::can_be_replaced);
        self.outputs.take_in(now, wall);
        let mut report = self.report(verdict);
        if early {
            self.write(&report);
        }
        // While the container and its network are still there.
        if let Some(whom) = &self.supervision.report_to {
            (self.hooks.deliver)(whom, &report);
        }
        self.outputs.drain(now, wall);
        let last = self.report(verdict);
        if !early
            || (last.output_bytes_dropped, &last.last_error_lines)
                != (report.output_bytes_dropped, &report.last_error_lines)
        {
            self.write(&last);
            report = last;
        }
        let extraordinary = !verdict.is_ordinary() || report.reason == Reason::OomKilled;
        if self.supervision.report.is_some() || extraordinary {
            self.outputs.say(&report.message);
        }
        self.outputs.flush_all();
        Ok(Outcome {
            exit_code: verdict.code(),
            report,
        })
    }

    fn write(&mut self, report: &ExitReport) {
        let written = self.report_file.as_mut().map(|file| file.write(report));
        if let Some(Err(problem)) = written {
            self.outputs.say(&problem.to_string());
        }
    }

    fn report(&mut self, verdict: Verdict) -> ExitReport {
        let tally = self.conductor.tally();
        let restarts = self.conductor.machine.restarts();
        let (errors, output) = self.outputs.last_lines();
        let cause = self.cause(verdict);
        let mut report = self
            .evidence
            .report(self.supervision, verdict, &tally, restarts, cause);
        report.out_of_memory.jvm_error = errors
            .iter()
            .chain(&output)
            .find(|line| line.contains("java.lang.OutOfMemoryError"))
            .cloned();
        report.crash_files.thread_dumps = self.outputs.dumps().to_vec();
        report.output_bytes_dropped = self.outputs.dropped();
        report.last_error_lines = errors;
        report
    }

    /// Where the next thread dump is kept: beside the report, or beside the logs.
    fn dump_path(&self) -> Option<PathBuf> {
        let beside_report = self.supervision.report.as_deref().and_then(Path::parent);
        let beside_logs = match &self.supervision.logs {
            LogPolicy::Files(files) => Some(files.directory.as_path()),
            _ => None,
        };
        let number = self.conductor.machine.restarts() + 1;
        let directory = beside_report.or(beside_logs)?;
        Some(directory.join(format!("thread-dump-{number}.txt")))
    }

    /// Says one sentence about the program.
    pub(super) fn say(&mut self, sentence: &str) {
        let name = self.supervision.display_name();
        self.outputs.say(&format!("{name} {sentence}"));
    }

    /// What `/healthz` and `/readyz` say.
    pub(super) fn condition(&self) -> Condition {
        let machine = &self.conductor.machine;
        let answers = self.health.as_ref().is_none_or(Health::is_ready);
        let no_line_says_otherwise = self.readiness.as_ref().is_none_or(Readiness::is_ready);
        let of_lines = self.readiness.as_ref().and_then(Readiness::complaint);
        let of_checks = || self.health.as_ref().map(Health::complaint);
        Condition {
            name: self.supervision.display_name(),
            healthy: machine.is_up(),
            ready: machine.is_up() && answers && no_line_says_otherwise,
            pid: machine.leader(),
            restarts: machine.restarts(),
            complaint: of_lines.or_else(of_checks).unwrap_or_default(),
        }
    }
}

fn machine(supervision: &Supervision) -> Machine {
    let dump = supervision.health.as_ref().map(|health| health.dump);
    Machine::new(
        supervision.stop.clone(),
        supervision.restart,
        dump.unwrap_or(Duration::ZERO),
        sys::is_terminal(0),
    )
}

fn become_subreaper() -> Result<(), SuperviseError> {
    nix::sys::prctl::set_child_subreaper(true).map_err(|errno| SuperviseError::Call {
        call: "prctl(PR_SET_CHILD_SUBREAPER)",
        error: errno.into(),
    })
}

/// Takes room for the report. A report that cannot be written must not keep the program from
/// running.
fn reserve(supervision: &Supervision, outputs: &mut Outputs) -> Option<ReportFile> {
    let path = supervision.report.as_ref()?;
    match ReportFile::reserve(path) {
        Ok(file) => Some(file),
        Err(problem) => {
            outputs.say(&problem.to_string());
            None
        }
    }
}
