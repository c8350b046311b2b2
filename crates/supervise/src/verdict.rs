//! What a supervision came to, in a form that reports and messages are made from.

use std::fmt;
use std::time::Duration;

use super::Signal;
use super::end::Ended;
use super::report::Reason;
use flugs_base::ExitCode;

/// How it all ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The program ended by itself, and that was that.
    Ended(Ended),
    /// It was stopped on request.
    Stopped {
        /// The signal that asked.
        signal: Signal,
        /// How the program ended; `None`: it was between two runs.
        ended: Option<Ended>,
        /// Whether the program ended of its own accord.
        clean: bool,
        /// What to exit with.
        code: u8,
    },
    /// Stopping was asked for before the program was started.
    StoppedBeforeStart,
    /// The program could not be started.
    StartFailed,
    /// It failed its health check and is not to be restarted.
    Unhealthy {
        /// How the program ended then.
        ended: Ended,
    },
    /// The restart policy gave up.
    RestartsExhausted {
        /// The last run's end; `None`: it could not be started.
        ended: Option<Ended>,
        /// How many restarts are allowed …
        ceiling: u32,
        /// … within this span.
        window: Duration,
    },
    /// The program ended twice in a row soon after its start and for the same reason.
    FailedAlike {
        /// The last run's end.
        ended: Option<Ended>,
    },
    /// The process that started the supervisor ended.
    ParentGone {
        /// How the program ended then; `None`: it was between two runs.
        ended: Option<Ended>,
    },
}

impl Verdict {
    /// What the supervisor exits with.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Ended(ended) => ended.code(),
            Self::Stopped { code, .. } => code,
            Self::StoppedBeforeStart => ExitCode::StoppedBeforeStart.code(),
            Self::StartFailed => ExitCode::ChildStart.code(),
            Self::Unhealthy { .. } => ExitCode::Unhealthy.code(),
            Self::RestartsExhausted { .. } | Self::FailedAlike { .. } => {
                ExitCode::RestartsExhausted.code()
            }
            Self::ParentGone { .. } => ExitCode::ParentGone.code(),
        }
    }

    /// How the program itself ended, if it ran.
    pub(super) const fn ended(self) -> Option<Ended> {
        match self {
            Self::Ended(ended) | Self::Unhealthy { ended } => Some(ended),
            Self::Stopped { ended, .. }
            | Self::RestartsExhausted { ended, .. }
            | Self::FailedAlike { ended }
            | Self::ParentGone { ended } => ended,
            Self::StoppedBeforeStart | Self::StartFailed => None,
        }
    }

    /// The report's word for it.
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::Ended(Ended::Exited(_)) => Reason::Exited,
            Self::Ended(Ended::Signaled { .. }) => Reason::Signaled,
            Self::Stopped { clean: true, .. } => Reason::Stopped,
            Self::Stopped {
                ended: Some(Ended::Signaled { signal, .. }),
                ..
            } if signal.number() == Signal::KILL.number() => Reason::Killed,
            Self::Stopped { .. } => Reason::StopFailed,
            Self::StoppedBeforeStart => Reason::StoppedBeforeStart,
            Self::StartFailed => Reason::StartFailed,
            Self::Unhealthy { .. } => Reason::Unhealthy,
            Self::RestartsExhausted { .. } | Self::FailedAlike { .. } => Reason::RestartsExhausted,
            Self::ParentGone { .. } => Reason::ParentGone,
        }
    }

    /// Whether the program did just what a program does: no word is needed.
    pub(super) const fn is_ordinary(self) -> bool {
        matches!(
            self,
            Self::Ended(_) | Self::Stopped { clean: true, .. } | Self::StartFailed
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(ended @ Ended::Exited(_)) => write!(formatter, "ended with {ended}"),
            Self::Ended(ended) => write!(formatter, "died of {ended}"),
            Self::Stopped {
                signal,
                ended: None,
                ..
            } => write!(formatter, "stopped on {signal} while waiting to restart"),
            Self::Stopped {
                signal,
                ended: Some(ended),
                clean: true,
                ..
            } => write!(formatter, "stopped on {signal}, with {ended}"),
            Self::Stopped {
                signal,
                ended: Some(ended),
                ..
            } => write!(
                formatter,
                "was asked to stop with {signal} and ended with {ended}"
            ),
            Self::StoppedBeforeStart => {
                formatter.write_str("was not started: a stop was asked for before that")
            }
            Self::StartFailed => formatter.write_str("could not be started"),
            Self::Unhealthy { ended } => write!(
                formatter,
                "failed its health check and was stopped, with {ended}"
            ),
            Self::RestartsExhausted {
                ended,
                ceiling,
                window,
            } => {
                write!(
                    formatter,
                    "gave up after {ceiling} restarts within {} s; the last run ",
                    window.as_secs_f64()
                )?;
                match ended {
                    Some(ended) => write!(formatter, "ended with {ended}"),
                    None => formatter.write_str("could not be started"),
                }
            }
            Self::FailedAlike { ended } => {
                formatter.write_str(
                    "gave up: it failed twice in the same way soon after its start, and starting it \
                     again would not help",
                )?;
                match ended {
                    Some(ended) => write!(formatter, "; the last run ended with {ended}"),
                    None => Ok(()),
                }
            }
            Self::ParentGone { ended: Some(ended) } => write!(
                formatter,
                "was stopped because the parent process ended; it ended with {ended}"
            ),
            Self::ParentGone { ended: None } => {
                formatter.write_str("is not started again because the parent process ended")
            }
        }
    }
}

/// Something on the way that people should know.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Note {
    /// SIGKILL was sent.
    Killed {
        /// To the program itself, and not only to what it left behind.
        leader: bool,
        /// The grace period that had passed (or was cut short by a second Ctrl-C).
        grace: Duration,
    },
    /// Even SIGKILL did not end everything.
    Stuck,
    /// The program will be started again.
    Restarting {
        /// How its last run went.
        last: Verdict,
        /// After this wait.
        wait: Duration,
        /// The number of this restart, from 1.
        restart: u32,
    },
    /// The process that started the supervisor ended.
    ParentGone,
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed {
                leader: true,
                grace,
            } => write!(
                formatter,
                "did not end in time (grace period {} s): sent SIGKILL",
                grace.as_secs_f64()
            ),
            Self::Killed {
                leader: false,
                grace,
            } => write!(
                formatter,
                "left processes behind that did not end in time (grace period {} s): sent SIGKILL",
                grace.as_secs_f64()
            ),
            Self::Stuck => formatter.write_str("is stuck in the kernel: SIGKILL did not end it"),
            Self::Restarting {
                last,
                wait,
                restart,
            } => write!(
                formatter,
                "{last}; restart {restart} in {:.1} s",
                wait.as_secs_f64()
            ),
            Self::ParentGone => {
                formatter.write_str("is being stopped because the parent process ended")
            }
        }
    }
}
