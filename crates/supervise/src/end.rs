//! How a process ended, as `wait` tells it.

use super::Signal;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself, with this code.
    Exited(u8),
    /// By a signal.
    Signaled {
        /// Which.
        signal: Signal,
        /// Whether the kernel wrote a core.
        core: bool,
    },
}

impl Ended {
    /// The code a shell would report: the exit code, or 128 + signal.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Signaled { signal, .. } => signal.exit_code(),
        }
    }

    /// Whether it looks like the answer to Ctrl-C or Ctrl-\ at a terminal.
    pub(super) fn is_by_key(self) -> bool {
        [Signal::INT, Signal::QUIT]
            .map(Signal::exit_code)
            .contains(&self.code())
    }

    /// Whether this is an orderly answer to `signal`: success, death of that signal, or its
    /// 128 + n as an exit code (a JVM whose shutdown hooks ran).
    pub(super) fn answers(self, signal: Signal) -> bool {
        self == Self::Exited(0) || self.code() == signal.exit_code()
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(formatter, "exit code {code}"),
            Self::Signaled {
                signal,
                core: false,
            } => write!(formatter, "{signal}"),
            Self::Signaled { signal, core: true } => write!(formatter, "{signal} (core dumped)"),
        }
    }
}
