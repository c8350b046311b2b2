//! Why there is no connection, or none any more.

use std::time::Duration;

use crate::record_io::RecordError;
use crate::version::TooOld;

/// Why a connection could not be made, or ended. None of the texts has a secret in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disconnect {
    /// There is no way to the master: no such host, nobody listens, TLS fails.
    #[error("the master {master} cannot be reached: {reason}")]
    Unreachable {
        /// The master.
        master: String,
        /// Why.
        reason: String,
    },
    /// The master took too long.
    #[error("the master {master} did not {what} within {limit:?}")]
    Late {
        /// The master.
        master: String,
        /// What it did not do.
        what: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// Not even heartbeats came.
    #[error("the master {master} has been silent for {limit:?}, and heartbeats were due")]
    Silent {
        /// The master.
        master: String,
        /// How long nothing came.
        limit: Duration,
    },
    /// The stream came to its end.
    #[error("the master {master} ended the stream{}", if *within_record { " within an event" } else { "" })]
    Ended {
        /// The master.
        master: String,
        /// Whether an event was cut off.
        within_record: bool,
    },
    /// The connection broke.
    #[error("the connection to the master {master} broke {during}: {reason}")]
    Broken {
        /// The master.
        master: String,
        /// What was going on.
        during: &'static str,
        /// How it broke.
        reason: String,
    },
    /// What came is no stream of events.
    #[error("the stream of the master {master} cannot be read: {error}")]
    Garbled {
        /// The master.
        master: String,
        /// Why.
        error: RecordError,
    },
    /// The master does not lead, or does not yet (503, 404, 500).
    #[error("the master {master} is not ready ({status}): {message}")]
    NotReady {
        /// The master.
        master: String,
        /// Its status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// The master wants other credentials (401).
    #[error(
        "the master {master} refuses {}: check its credentials",
        principal.as_ref().map_or("a framework without credentials".to_owned(), |name| format!("the principal \"{name}\""))
    )]
    Unauthorized {
        /// The master.
        master: String,
        /// Who the framework said it is.
        principal: Option<String>,
    },
    /// The master refuses a call (400, 403 and the like).
    #[error("the master {master} refuses {call} ({status}): {message}")]
    Refused {
        /// The master.
        master: String,
        /// The call.
        call: &'static str,
        /// Its status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// The master sends to somebody else, and that leads nowhere.
    #[error("the master {master} redirects {problem}")]
    Redirected {
        /// The master.
        master: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The master cannot do what is configured.
    #[error("the master {master} cannot be used: {reason}")]
    TooOld {
        /// The master.
        master: String,
        /// Why.
        reason: TooOld,
    },
    /// Another master was elected.
    #[error("the master {leader} leads now, instead of {master}")]
    LeaderChanged {
        /// The master that led.
        master: String,
        /// The one that leads.
        leader: String,
    },
    /// A call cannot be written.
    #[error("the call {call} cannot be written: {reason}")]
    Unwritable {
        /// The call.
        call: &'static str,
        /// Why.
        reason: String,
    },
}

impl Disconnect {
    /// Whether the master will say the same until somebody changes something: it takes neither
    /// this framework nor these credentials, or cannot do what is configured.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Unauthorized { .. } | Self::TooOld { .. } => true,
            Self::Refused { call, .. } => *call == "SUBSCRIBE",
            _ => false,
        }
    }

    /// Whether the same may succeed a moment later, and the master has certainly not taken the
    /// subscription: only then is it asked again at once.
    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::NotReady { .. } | Self::Redirected { .. }
        )
    }
}
