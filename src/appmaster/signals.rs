//! The signals by which a person or a manager stops a cluster.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::AppMasterError;

/// What follows a signal so closely is its echo and no second wish: timeout(1) and some managers
/// signal a process, and then the group that it is in.
const ECHO: Duration = Duration::from_millis(300);

/// SIGINT (Ctrl-C), SIGTERM and SIGHUP, from the moment this is made.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    last: Option<Instant>,
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
            last: None,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> StopRequest {
        loop {
            let request = tokio::select! {
                _ = self.interrupt.recv() => StopRequest::Interrupt,
                _ = self.terminate.recv() => StopRequest::Terminate,
                _ = self.hang_up.recv() => StopRequest::Terminate,
            };
            let now = Instant::now();
            let before = self.last.replace(now);
            if before.is_none_or(|before| now - before >= ECHO) {
                return request;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::raise;
    use tokio::time::{sleep, timeout};

    #[tokio::test]
    async fn the_same_signal_to_the_process_and_its_group_is_one_wish() {
        // Nothing else of this process may take the signal, so it is one that no test ends with.
        let mut signals = StopSignals::listen().unwrap();
        raise(nix::sys::signal::Signal::SIGHUP).unwrap();
        assert_eq!(signals.next().await, StopRequest::Terminate);
        raise(nix::sys::signal::Signal::SIGHUP).unwrap();
        let soon = timeout(ECHO / 3, signals.next()).await;
        assert!(soon.is_err(), "{soon:?}");
        sleep(ECHO).await;
        raise(nix::sys::signal::Signal::SIGHUP).unwrap();
        assert_eq!(signals.next().await, StopRequest::Terminate);
    }
}
