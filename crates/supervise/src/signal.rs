//! Signals by number and by name, and which of them a supervisor keeps to itself.
//!
//! Owns the names (as `kill -l` prints them, real-time signals included) and the forwarding rule.
//! Never sends or receives one: that is [`super::sys`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A Linux signal, 1 to 64. The kernel's real-time signals start at 32; glibc keeps 32 and 33
/// for itself and calls 34 `RTMIN`, and so does this type's text form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(u8);

/// A text that names no signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{found}\" is no signal: give a name (TERM, SIGQUIT, RTMIN+3) or a number from 1 to 64")]
pub struct SignalError {
    /// The text that was given.
    pub found: String,
}

/// The signals below the real-time ones, x86 and ARM numbering.
const NAMES: [(u8, &str); 31] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (4, "ILL"),
    (5, "TRAP"),
    (6, "ABRT"),
    (7, "BUS"),
    (8, "FPE"),
    (9, "KILL"),
    (10, "USR1"),
    (11, "SEGV"),
    (12, "USR2"),
    (13, "PIPE"),
    (14, "ALRM"),
    (15, "TERM"),
    (16, "STKFLT"),
    (17, "CHLD"),
    (18, "CONT"),
    (19, "STOP"),
    (20, "TSTP"),
    (21, "TTIN"),
    (22, "TTOU"),
    (23, "URG"),
    (24, "XCPU"),
    (25, "XFSZ"),
    (26, "VTALRM"),
    (27, "PROF"),
    (28, "WINCH"),
    (29, "IO"),
    (30, "PWR"),
    (31, "SYS"),
];

const LAST: u8 = 64;
const RTMIN: u8 = 34;

/// ILL, TRAP, ABRT, BUS, FPE, SEGV: what a program brings upon itself.
const CRASHES: [u8; 6] = [4, 5, 6, 7, 8, 11];

impl Signal {
    /// Whether a program that dies of it has brought it upon itself.
    pub(super) fn is_of_a_crash(self) -> bool {
        CRASHES.contains(&self.0)
    }

    /// Terminal gone, or "read your configuration again".
    pub const HUP: Self = Self(1);
    /// Ctrl-C.
    pub const INT: Self = Self(2);
    /// Ctrl-\; a JVM answers with a thread dump.
    pub const QUIT: Self = Self(3);
    /// Cannot be caught.
    pub const KILL: Self = Self(9);
    /// Writing to a pipe nobody reads.
    pub const PIPE: Self = Self(13);
    /// The polite request to end.
    pub const TERM: Self = Self(15);
    /// A child changed state.
    pub const CHLD: Self = Self(17);
    /// Go on after a stop.
    pub const CONT: Self = Self(18);
    /// Ctrl-Z.
    pub const TSTP: Self = Self(20);
    /// Reading from a terminal that another process group has.
    pub const TTIN: Self = Self(21);
    /// The same for writing, where the terminal is set so.
    pub const TTOU: Self = Self(22);

    /// The signal of this number, if there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        if number >= 1 && number <= LAST {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number, as `kill` takes it.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// What a shell reports for a process that died of this signal: 128 + number.
    pub const fn exit_code(self) -> u8 {
        128 + self.0
    }

    /// Every signal that a supervisor passes on to its child.
    ///
    /// Kept are SIGCHLD (the reaper's), the faults (they are about the supervisor itself), the
    /// stops of job control (stopping the supervisor must not be undone), and the two that
    /// nobody can catch.
    pub fn forwarded() -> impl Iterator<Item = Self> {
        (1..=LAST).map(Self).filter(|signal| signal.is_forwarded())
    }

    /// Whether this is one of [`Signal::forwarded`].
    pub const fn is_forwarded(self) -> bool {
        !matches!(self.0, 4..=9 | 11 | 17 | 19..=22 | 31)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => write!(formatter, "SIG{name}"),
            None if self.0 == RTMIN => formatter.write_str("SIGRTMIN"),
            None if self.0 > RTMIN => write!(formatter, "SIGRTMIN+{}", self.0 - RTMIN),
            None => write!(formatter, "{}", self.0),
        }
    }
}

impl FromStr for Signal {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Self, SignalError> {
        let refuse = || SignalError {
            found: text.to_owned(),
        };
        if let Ok(number) = text.parse::<u8>() {
            return Self::from_number(number).ok_or_else(refuse);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some((number, _)) = NAMES.iter().find(|(_, known)| *known == name) {
            return Ok(Self(*number));
        }
        realtime(name).ok_or_else(refuse)
    }
}

/// `RTMIN`, `RTMIN+n`, `RTMAX`, `RTMAX-n`.
fn realtime(name: &str) -> Option<Signal> {
    let number = if let Some(rest) = name.strip_prefix("RTMIN") {
        RTMIN.checked_add(offset(rest, '+')?)?
    } else {
        LAST.checked_sub(offset(name.strip_prefix("RTMAX")?, '-')?)?
    };
    (RTMIN..=LAST).contains(&number).then_some(Signal(number))
}

fn offset(rest: &str, sign: char) -> Option<u8> {
    if rest.is_empty() {
        return Some(0);
    }
    rest.strip_prefix(sign)?.parse().ok()
}

impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_reads_back_from_its_own_name_and_its_number() {
        for number in 1..=64 {
            let signal = Signal::from_number(number).unwrap();
            assert_eq!(signal.to_string().parse(), Ok(signal), "{signal}");
            assert_eq!(number.to_string().parse(), Ok(signal));
        }
    }

    #[test]
    fn names_are_read_as_kill_takes_them() {
        for (text, number) in [
            ("term", 15),
            ("SIGTERM", 15),
            ("RTMIN", 34),
            ("RTMIN+3", 37),
            ("SIGRTMAX-1", 63),
            ("RTMAX", 64),
        ] {
            assert_eq!(text.parse::<Signal>().unwrap().number(), number, "{text}");
        }
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in [
            "",
            "0",
            "65",
            "-1",
            "SIG",
            "RTMIN+31",
            "RTMAX-31",
            "RTMIN3",
            "TERMINATE",
        ] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_child_faults_stops_and_the_uncatchable_are_kept() {
        let kept: Vec<String> = (1..=64)
            .filter_map(Signal::from_number)
            .filter(|signal| !signal.is_forwarded())
            .map(|signal| signal.to_string())
            .collect();
        assert_eq!(
            kept.join(" "),
            "SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGSEGV SIGCHLD SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGSYS"
        );
    }
}
