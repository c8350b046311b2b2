//! What the supervisor does about each event: a pure machine of (event, clock) to actions.
//!
//! Owns the life of one program: started, asked to stop, killed, its left-over processes ended,
//! started again or reported. Never makes a system call and never reads a clock.

use std::time::Duration;

use super::Signal;
use super::backoff::{History, Retry};
use super::cause::START_OF_A_RUN;
use super::clock::Moment;
use super::end::Ended;
use super::supervision::{ExitOnStop, RestartPolicy, RestartWhen, StopPolicy};
use super::verdict::{Note, Verdict};

/// After SIGKILL, the killing is repeated this often: a fork may have raced the first round.
const KILL_AGAIN: Duration = Duration::from_millis(50);

/// What a program has to end in order when another run is to take its place: it has nothing to save.
const RENEWAL_GRACE: Duration = Duration::from_secs(2);

/// A process that is still there this long after SIGKILL is stuck in the kernel.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// What the shell around the machine has to do, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Start the program; answer with [`Machine::started`] or [`Machine::start_failed`].
    Start,
    /// Signal the program's process group.
    SignalGroup(i32, Signal),
    /// Signal the program's first process only.
    SignalLeader(i32, Signal),
    /// Signal every other process in the PID namespace, or below this process.
    SignalOthers(Signal),
    /// SIGKILL was sent: write the report as it stands, in case the engine is quicker.
    ReportEarly(Verdict),
    /// Tell people.
    Note(Note),
    /// Nothing is left to do: report this and exit.
    Finish(Verdict),
}

/// Why the current run is being ended, when it is not the program's own doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Requested(Signal),
    ParentGone,
    Unhealthy,
    /// Another run is to take its place, whatever the restart policy says.
    Renewal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not started yet.
    Ready,
    /// Running, as far as we know.
    Up,
    /// Unhealthy: writing its thread dump.
    Dumping { until: Moment },
    /// Asked to end, or (after the leader's end) its left-over processes were.
    Asked { kill_at: Moment },
    /// SIGKILL was sent.
    Killed {
        again_at: Moment,
        give_up_at: Moment,
    },
    /// Between two runs.
    Waiting { until: Moment },
    /// Finished.
    Over,
}

/// The first process of a run.
#[derive(Debug, Clone, Copy)]
struct Run {
    leader: i32,
    since: Moment,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Machine {
    stop: StopPolicy,
    restart: RestartPolicy,
    dump: Duration,
    interactive: bool,
    takes_keys: bool,
    stage: Stage,
    cause: Option<Cause>,
    interrupts: u32,
    run: Option<Run>,
    ended: Option<Ended>,
    others_asked: bool,
    history: History,
    /// Runs in a row that ended soon after their start.
    brief: u32,
}

impl Machine {
    /// A machine for a program that has not been started. `interactive`: a person at a terminal
    /// may press Ctrl-C twice. `dump`: how long a thread dump may take; zero asks for none.
    pub(super) fn new(
        stop: StopPolicy,
        restart: RestartPolicy,
        dump: Duration,
        interactive: bool,
    ) -> Self {
        Self {
            stop,
            restart,
            dump,
            interactive,
            takes_keys: false,
            stage: Stage::Ready,
            cause: None,
            interrupts: 0,
            run: None,
            ended: None,
            others_asked: false,
            history: History::default(),
            brief: 0,
        }
    }

    /// The same, where what is typed goes to the program: Ctrl-C included.
    pub(super) const fn taking_keys(mut self, takes_keys: bool) -> Self {
        self.takes_keys = takes_keys;
        self
    }

    /// The program's first process, while it is alive.
    pub(super) fn leader(&self) -> Option<i32> {
        self.run
            .filter(|_| self.ended.is_none())
            .map(|run| run.leader)
    }
    /// Whether the program is running and nobody has asked it to end.
    pub(super) fn is_up(&self) -> bool {
        self.stage == Stage::Up && self.ended.is_none()
    }

    /// Whether the whole is being ended, and not just this run.
    pub(super) fn is_stopping(&self) -> bool {
        matches!(self.cause, Some(Cause::Requested(_) | Cause::ParentGone))
            || self.stage == Stage::Over
    }

    /// How often the program was started again.
    pub(super) const fn restarts(&self) -> u32 {
        self.history.total()
    }

    /// When [`Machine::tick`] is due next, if ever.
    pub(super) const fn deadline(&self) -> Option<Moment> {
        match self.stage {
            Stage::Ready | Stage::Up | Stage::Over => None,
            Stage::Dumping { until } | Stage::Waiting { until } => Some(until),
            Stage::Asked { kill_at } => Some(kill_at),
            Stage::Killed { again_at, .. } => Some(again_at),
        }
    }

    /// Everything is prepared.
    pub(super) fn begin(&self) -> Vec<Action> {
        match self.stage {
            Stage::Ready => vec![Action::Start],
            _ => Vec::new(),
        }
    }

    /// The program was started.
    pub(super) fn started(&mut self, leader: i32, now: Moment) {
        self.run = Some(Run { leader, since: now });
        self.ended = None;
        self.others_asked = false;
        self.stage = Stage::Up;
    }

    /// The program could not be started. The first time that is final: it will not be there the
    /// next time either. Later it counts as a failed run.
    pub(super) fn start_failed(&mut self, now: Moment, chance: f64) -> Vec<Action> {
        self.run = None;
        self.ended = None;
        if self.history.total() == 0 {
            return self.finish(Verdict::StartFailed);
        }
        self.again(Verdict::StartFailed, Duration::ZERO, now, chance)
    }

    /// A signal came that a supervisor passes on.
    pub(super) fn signal(&mut self, signal: Signal, now: Moment) -> Vec<Action> {
        if signal != Signal::TERM && signal != Signal::INT {
            let forward = |leader| Action::SignalGroup(leader, signal);
            return self.leader().map(forward).into_iter().collect();
        }
        if signal == Signal::INT {
            self.interrupts = self.interrupts.saturating_add(1);
            if self.interactive && self.interrupts > 1 && self.is_stopping() {
                return self.kill(now);
            }
        }
        self.end(Cause::Requested(signal), signal, now)
    }

    /// The process that started the supervisor ended.
    pub(super) fn parent_gone(&mut self, now: Moment) -> Vec<Action> {
        if self.is_stopping() {
            return Vec::new();
        }
        let mut actions = vec![Action::Note(Note::ParentGone)];
        actions.extend(self.end(Cause::ParentGone, Signal::TERM, now));
        actions
    }

    /// The program failed its health check too often.
    pub(super) fn unhealthy(&mut self, now: Moment) -> Vec<Action> {
        let Some(leader) = self.leader().filter(|_| self.stage == Stage::Up) else {
            return Vec::new();
        };
        self.cause = Some(Cause::Unhealthy);
        if self.dump.is_zero() {
            return self.ask(leader, Signal::TERM, now);
        }
        self.stage = Stage::Dumping {
            until: now + self.dump,
        };
        vec![Action::SignalLeader(leader, Signal::QUIT)]
    }

    /// What the program does is worth nothing any more: another run takes its place at once. That is
    /// no failure, and counts as none.
    pub(super) fn renew(&mut self, now: Moment) -> Vec<Action> {
        let Some(leader) = self.leader().filter(|_| self.stage == Stage::Up) else {
            return Vec::new();
        };
        self.cause = Some(Cause::Renewal);
        let kill_at = now + RENEWAL_GRACE.min(self.stop.grace);
        self.stage = Stage::Asked { kill_at };
        vec![Action::SignalGroup(leader, self.wording(Signal::TERM))]
    }

    /// The program's first process ended. [`Machine::reaped`] must follow.
    pub(super) fn leader_ended(&mut self, ended: Ended) {
        self.ended = Some(ended);
    }

    /// Everything that had ended was reaped; `left` says whether children remain.
    pub(super) fn reaped(&mut self, left: bool, now: Moment, chance: f64) -> Vec<Action> {
        if self.ended.is_none() {
            return Vec::new();
        }
        if !left {
            return self.settle(now, chance);
        }
        match self.stage {
            Stage::Up | Stage::Dumping { .. } => {
                self.stage = Stage::Asked {
                    kill_at: now + self.stop.grace,
                };
                self.ask_others()
            }
            Stage::Asked { .. } => self.ask_others(),
            Stage::Killed { .. } => vec![Action::SignalOthers(Signal::KILL)],
            Stage::Ready | Stage::Waiting { .. } | Stage::Over => Vec::new(),
        }
    }

    /// The last two runs failed in the same way, soon after their start: so would another.
    pub(super) fn failed_alike(&mut self, ended: Option<Ended>) -> Vec<Action> {
        match self.stage {
            Stage::Waiting { .. } if self.brief > 1 => {
                self.history.take_back();
                self.finish(Verdict::FailedAlike { ended })
            }
            _ => Vec::new(),
        }
    }

    /// The time may have come for something; early calls do no harm.
    pub(super) fn tick(&mut self, now: Moment, chance: f64) -> Vec<Action> {
        if self.deadline().is_none_or(|due| now < due) {
            return Vec::new();
        }
        match self.stage {
            Stage::Dumping { .. } => match self.leader() {
                Some(leader) => self.ask(leader, Signal::TERM, now),
                None => Vec::new(),
            },
            Stage::Asked { .. } => self.kill(now),
            Stage::Killed { give_up_at, .. } if now < give_up_at => {
                self.stage = Stage::Killed {
                    again_at: now + KILL_AGAIN,
                    give_up_at,
                };
                vec![Action::SignalOthers(Signal::KILL)]
            }
            Stage::Killed { .. } => {
                let mut actions = vec![Action::Note(Note::Stuck)];
                self.restart.when = RestartWhen::Never;
                actions.extend(self.settle(now, chance));
                actions
            }
            Stage::Waiting { .. } => vec![Action::Start],
            Stage::Ready | Stage::Up | Stage::Over => Vec::new(),
        }
    }

    /// Ends the whole, whatever the current run is doing.
    fn end(&mut self, cause: Cause, signal: Signal, now: Moment) -> Vec<Action> {
        let first = !self.is_stopping();
        match self.stage {
            Stage::Over => return Vec::new(),
            Stage::Ready => return self.finish(Verdict::StoppedBeforeStart),
            Stage::Waiting { .. } => {
                let verdict = match cause {
                    Cause::ParentGone => Verdict::ParentGone { ended: None },
                    _ => self.stopped(signal, None),
                };
                return self.finish(verdict);
            }
            _ => {}
        }
        if first {
            self.cause = Some(cause);
        }
        let Some(leader) = self.leader() else {
            return Vec::new(); // Its left-over processes are being ended already.
        };
        match self.stage {
            Stage::Asked { kill_at } => {
                if first {
                    let kill_at = kill_at.min(now + self.stop.grace);
                    self.stage = Stage::Asked { kill_at };
                }
                vec![Action::SignalGroup(leader, self.wording(signal))]
            }
            Stage::Killed { .. } => Vec::new(),
            _ => self.ask(leader, signal, now),
        }
    }

    fn ask(&mut self, leader: i32, signal: Signal, now: Moment) -> Vec<Action> {
        self.stage = Stage::Asked {
            kill_at: now + self.stop.grace,
        };
        vec![Action::SignalGroup(leader, self.wording(signal))]
    }

    /// How the request to stop is put to the program.
    fn wording(&self, signal: Signal) -> Signal {
        self.stop.signal.unwrap_or(signal)
    }

    fn ask_others(&mut self) -> Vec<Action> {
        if std::mem::replace(&mut self.others_asked, true) {
            return Vec::new();
        }
        vec![Action::SignalOthers(Signal::TERM)]
    }

    fn kill(&mut self, now: Moment) -> Vec<Action> {
        if matches!(self.stage, Stage::Killed { .. } | Stage::Over) {
            return Vec::new();
        }
        self.stage = Stage::Killed {
            again_at: now + KILL_AGAIN,
            give_up_at: now + KILL_PATIENCE,
        };
        let mut actions = Vec::new();
        if let Some(leader) = self.leader() {
            actions.push(Action::SignalGroup(leader, Signal::KILL));
        }
        actions.push(Action::SignalOthers(Signal::KILL));
        actions.push(Action::Note(Note::Killed {
            leader: self.ended.is_none(),
            grace: self.stop.grace,
        }));
        if self.is_stopping() {
            let ended = self.ended.unwrap_or(Ended::Signaled {
                signal: Signal::KILL,
                core: false,
            });
            actions.push(Action::ReportEarly(self.verdict(ended)));
        }
        actions
    }

    /// The run is over and nothing of it is left.
    fn settle(&mut self, now: Moment, chance: f64) -> Vec<Action> {
        let killed = Ended::Signaled {
            signal: Signal::KILL,
            core: false,
        };
        let ended = self.ended.take().unwrap_or(killed);
        let uptime = self
            .run
            .take()
            .map_or(Duration::ZERO, |run| now.since(run.since));
        self.brief = if uptime < START_OF_A_RUN {
            self.brief.saturating_add(1)
        } else {
            0
        };
        if self.cause == Some(Cause::Renewal) {
            self.cause = None;
            self.brief = 0;
            self.stage = Stage::Waiting { until: now };
            return Vec::new();
        }
        let verdict = self.verdict(ended);
        let cause = self.cause;
        if cause == Some(Cause::Unhealthy) {
            self.cause = None;
        }
        let failed = cause == Some(Cause::Unhealthy) || ended != Ended::Exited(0);
        let restart = match self.restart.when {
            _ if self.is_stopping() => false,
            // A person wanted it to end.
            _ if self.takes_keys && ended.is_by_key() => false,
            RestartWhen::Never => false,
            RestartWhen::OnFailure => failed,
            RestartWhen::Always => true,
        };
        if restart {
            self.again(verdict, uptime, now, chance)
        } else {
            self.finish(verdict)
        }
    }

    fn again(&mut self, last: Verdict, uptime: Duration, now: Moment, chance: f64) -> Vec<Action> {
        match self.history.retry(&self.restart, uptime, now, chance) {
            Retry::After(wait) => {
                self.stage = Stage::Waiting { until: now + wait };
                vec![Action::Note(Note::Restarting {
                    last,
                    wait,
                    restart: self.history.total(),
                })]
            }
            Retry::GiveUp => self.finish(Verdict::RestartsExhausted {
                ended: last.ended(),
                ceiling: self.restart.ceiling,
                window: self.restart.window,
            }),
        }
    }

    fn verdict(&self, ended: Ended) -> Verdict {
        match self.cause {
            Some(Cause::Requested(signal)) => self.stopped(signal, Some(ended)),
            Some(Cause::ParentGone) => Verdict::ParentGone { ended: Some(ended) },
            Some(Cause::Unhealthy) => Verdict::Unhealthy { ended },
            Some(Cause::Renewal) | None => Verdict::Ended(ended),
        }
    }

    /// The verdict on a requested stop; `ended` is `None` between two runs.
    fn stopped(&self, signal: Signal, ended: Option<Ended>) -> Verdict {
        let clean =
            ended.is_none_or(|end| end.answers(signal) || end.answers(self.wording(signal)));
        let own = ended.map_or(0, Ended::code);
        let code = match self.stop.exit_code_on_stop {
            ExitOnStop::Code(code) if clean => code,
            ExitOnStop::Code(_) | ExitOnStop::Child => own,
        };
        Verdict::Stopped {
            signal,
            ended,
            clean,
            code,
        }
    }

    fn finish(&mut self, verdict: Verdict) -> Vec<Action> {
        self.stage = Stage::Over;
        vec![Action::Finish(verdict)]
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
