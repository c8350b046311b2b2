//! The signals by which a person or a manager stops a cluster.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::AppMasterError;

/// SIGINT (Ctrl-C), SIGTERM and SIGHUP, from the moment this is made.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

/// What a stop signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopRequest {
    /// A person at the terminal; a second one means "hurry".
    Interrupt,
    /// A manager; a repetition means nothing.
    Terminate,
}

impl StopSignals {
    /// Takes the signals over from their default, which is to end the process at once.
    pub fn listen() -> Result<Self, AppMasterError> {
        let open = |kind| signal(kind).map_err(|source| AppMasterError::Signals { source });
        Ok(Self {
            interrupt: open(SignalKind::interrupt())?,
            terminate: open(SignalKind::terminate())?,
            hang_up: open(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> StopRequest {
        tokio::select! {
            _ = self.interrupt.recv() => StopRequest::Interrupt,
            _ = self.terminate.recv() => StopRequest::Terminate,
            _ = self.hang_up.recv() => StopRequest::Terminate,
        }
    }
}
