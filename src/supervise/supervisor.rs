//! The supervising loop: waits for signals and deadlines and lets the conductor act.
//!
//! Owns the order of things: what is prepared before the first start, and what is finished before
//! the exit. Decides nothing about the program.

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use nix::unistd::getpid;

use super::Signal;
use super::clock::{Clock as _, KernelClock};
use super::conductor::{Conductor, Happening};
use super::error::SuperviseError;
use super::handover::{every_held, hold_signals, parent_at_start};
use super::kernel::Kernel;
use super::machine::Machine;
use super::parent::ParentWatch;
use super::prepare::set_limits;
use super::privileges::give_up;
use super::report::{ExitReport, Phase, Reason, ReportFile};
use super::summary::Evidence;
use super::supervision::Supervision;
use super::sys;
use super::verdict::Verdict;
use crate::spec::Failure as _;

/// How a supervision ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What the process exits with.
    pub exit_code: u8,
    /// The report, as it was written if a place for it was given.
    pub report: ExitReport,
}

/// Runs the program of `supervision` until it is over for good, and reports.
///
/// Blocks the calling thread, which must be the process's only one.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the process's last act: nothing is left to own the document"
)]
pub fn run(supervision: Supervision) -> Result<Outcome, SuperviseError> {
    hold_signals()?;
    let evidence = Evidence::new();
    let mut file = reserve(&supervision);
    let prepared = Supervisor::prepare(&supervision);
    let ended = prepared.and_then(|supervisor| supervisor.run(&evidence, file.as_mut()));
    let (outcome, error) = match ended {
        Ok(finished) => finished,
        Err(error) => (failed(&supervision, &evidence, &error), Some(error)),
    };
    if let Some(file) = &mut file
        && let Err(problem) = file.write(&outcome.report)
    {
        say(&problem.to_string());
    }
    error.map_or(Ok(outcome), Err)
}

/// Takes room for the report. A report that cannot be written must not keep the program from
/// running.
fn reserve(supervision: &Supervision) -> Option<ReportFile> {
    let path = supervision.report.as_ref()?;
    match ReportFile::reserve(path) {
        Ok(file) => Some(file),
        Err(problem) => {
            say(&problem.to_string());
            None
        }
    }
}

/// The report on a failure of the supervisor's own.
fn failed(supervision: &Supervision, evidence: &Evidence, error: &SuperviseError) -> Outcome {
    let name = supervision.display_name();
    let mut report = ExitReport::of_failure(&name, Phase::Start, error, evidence.began);
    report.phases.clone_from(&supervision.phases);
    if matches!(
        error,
        SuperviseError::Start { .. } | SuperviseError::Directory { .. }
    ) {
        report.reason = Reason::StartFailed;
    }
    Outcome {
        exit_code: error.exit_code().code(),
        report,
    }
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "flugs: {text}");
}

struct Supervisor<'a> {
    supervision: &'a Supervision,
    signals: OwnedFd,
    own_pid: i32,
    parent: ParentWatch,
    conductor: Conductor<Kernel, KernelClock>,
    start_error: Option<SuperviseError>,
    reap_pending: bool,
}

/// What woke the loop.
#[derive(Debug, Clone, Copy)]
enum Source {
    Signals,
    Parent,
}

impl<'a> Supervisor<'a> {
    fn prepare(supervision: &'a Supervision) -> Result<Self, SuperviseError> {
        let call = |call| move |error| SuperviseError::Signals { call, error };
        sys::reset_disposition(Signal::CHLD).map_err(call("signal"))?;
        let signals = sys::signal_fd(every_held()).map_err(call("signalfd4"))?;
        let own_pid = getpid().as_raw();
        if own_pid != 1 {
            nix::sys::prctl::set_child_subreaper(true).map_err(|errno| SuperviseError::Call {
                call: "prctl(PR_SET_CHILD_SUBREAPER)",
                error: errno.into(),
            })?;
        }
        let parent = if supervision.follow_parent {
            ParentWatch::new(parent_at_start())
        } else {
            ParentWatch::Nothing
        };
        set_limits(&supervision.limits)?;
        let machine = Machine::new(
            supervision.stop.clone(),
            supervision.restart.clone(),
            supervision
                .health
                .as_ref()
                .map_or(std::time::Duration::ZERO, |health| health.dump),
            sys::is_terminal(0),
        );
        let user = give_up(&supervision.privileges)?;
        let kernel = Kernel::new(supervision.clone(), user);
        Ok(Self {
            supervision,
            signals,
            own_pid,
            parent,
            conductor: Conductor::new(machine, kernel, KernelClock),
            start_error: None,
            reap_pending: false,
        })
    }

    fn run(
        mut self,
        evidence: &Evidence,
        mut file: Option<&mut ReportFile>,
    ) -> Result<(Outcome, Option<SuperviseError>), SuperviseError> {
        self.take_signals()?; // A stop that was asked for during the launch.
        if matches!(self.parent, ParentWatch::Gone) {
            self.conductor.parent_gone();
        }
        self.conductor.begin();
        loop {
            if let Some(verdict) = self.attend(evidence, file.as_deref_mut()) {
                let report = self.report(evidence, verdict);
                let outcome = Outcome {
                    exit_code: verdict.code(),
                    report,
                };
                if self.supervision.report.is_some() || !verdict.is_ordinary() {
                    say(&outcome.report.message);
                }
                return match self.start_error {
                    Some(error) if verdict == Verdict::StartFailed => Err(error),
                    _ => Ok((outcome, None)),
                };
            }
            self.wait()?;
            self.conductor.tick();
        }
    }

    /// Deals with what the conductor has to say. A verdict ends the loop.
    fn attend(
        &mut self,
        evidence: &Evidence,
        mut file: Option<&mut ReportFile>,
    ) -> Option<Verdict> {
        let mut finished = None;
        for happening in self.conductor.happenings() {
            match happening {
                Happening::Started | Happening::Ended | Happening::DumpAsked => {}
                Happening::Note(note) => {
                    say(&format!("{} {note}", self.supervision.display_name()));
                }
                Happening::StartFailed(error) => self.start_error = Some(error),
                Happening::ReportEarly(verdict) => {
                    let report = self.report(evidence, verdict);
                    if let Some(file) = file.as_deref_mut() {
                        let _ = file.write(&report);
                    }
                }
                Happening::Finished(verdict) => finished = Some(verdict),
            }
        }
        finished
    }

    fn report(&self, evidence: &Evidence, verdict: Verdict) -> ExitReport {
        let tally = self.conductor.tally();
        evidence.report(
            self.supervision,
            verdict,
            &tally,
            self.conductor.machine.restarts(),
        )
    }

    /// Waits for the next event, and for no longer than until the next deadline.
    fn wait(&mut self) -> Result<(), SuperviseError> {
        let mut sources = vec![Source::Signals];
        let mut polled = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if let ParentWatch::Watching(fd) = &self.parent {
            sources.push(Source::Parent);
            polled.push(PollFd::new(fd.as_fd(), PollFlags::POLLIN));
        }
        match ppoll(&mut polled, self.timeout(), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => {
                return Err(SuperviseError::Call {
                    call: "ppoll",
                    error: errno.into(),
                });
            }
        }
        let ready = polled
            .iter()
            .zip(sources)
            .filter(|(fd, _)| fd.any().unwrap_or(false))
            .map(|(_, source)| source)
            .collect::<Vec<_>>();
        for source in ready {
            match source {
                Source::Signals => self.take_signals()?,
                Source::Parent => {
                    self.parent = ParentWatch::Gone;
                    self.conductor.parent_gone();
                }
            }
        }
        if self.reap_pending {
            self.reap_pending = self.conductor.reap();
        }
        Ok(())
    }

    fn timeout(&self) -> Option<TimeSpec> {
        if self.reap_pending {
            return Some(TimeSpec::from_duration(std::time::Duration::ZERO));
        }
        let now = self.conductor.clock.now();
        let due = self.conductor.deadline()?;
        Some(TimeSpec::from_duration(due.since(now)))
    }

    /// Takes every waiting signal, passes on what is to be passed on, and reaps.
    fn take_signals(&mut self) -> Result<(), SuperviseError> {
        let received =
            sys::receive(&self.signals, self.own_pid).map_err(|error| SuperviseError::Signals {
                call: "read(signalfd)",
                error,
            })?;
        for one in received {
            if one.signal == Signal::CHLD {
                self.reap_pending = true;
            } else if !one.from_self {
                self.conductor.signal(one.signal);
            }
        }
        Ok(())
    }
}
