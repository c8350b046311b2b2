//! Whether ZooKeeper can be reached, as the sessions see it that were made with it.
//!
//! Owns what is known of that between operations: a session notices an outage by itself, long
//! before something has to be read or written. Never asks a server anything.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;
use zookeeper_client::{Client, SessionState, StateWatcher};

/// What is known of the servers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reach {
    /// No session was asked for yet.
    #[default]
    Unknown,
    /// A session is connected.
    Reached {
        /// Since when.
        since: Instant,
    },
    /// No server answers, or none that has a quorum.
    Away {
        /// Since when.
        since: Instant,
        /// Why, for people.
        reason: String,
    },
}

/// Whether the servers can be reached. Clones are of one and the same.
#[derive(Debug, Clone)]
pub struct Availability {
    reach: Arc<watch::Sender<Reach>>,
}

impl Default for Availability {
    fn default() -> Self {
        let (reach, _) = watch::channel(Reach::default());
        Self {
            reach: Arc::new(reach),
        }
    }
}

impl Availability {
    /// What is known, and when it changes.
    pub fn watch(&self) -> watch::Receiver<Reach> {
        self.reach.subscribe()
    }

    /// Follows a new session to its end. Has to be called within a tokio runtime.
    pub(super) fn follow(&self, client: &Client) {
        let watcher = client.state_watcher();
        self.take(client.state());
        let availability = self.clone();
        tokio::spawn(async move { availability.follow_states(watcher).await });
    }

    /// No session could be made; why.
    pub(super) fn away(&self, reason: &str) {
        self.reach.send_if_modified(|reach| match reach {
            // How long it has been away counts from the first failure.
            Reach::Away { reason: known, .. } if known == reason => false,
            Reach::Away { reason: known, .. } => {
                reason.clone_into(known);
                true
            }
            Reach::Unknown | Reach::Reached { .. } => {
                *reach = Reach::Away {
                    since: Instant::now(),
                    reason: reason.to_owned(),
                };
                true
            }
        });
    }

    async fn follow_states(&self, mut watcher: StateWatcher) {
        loop {
            let state = watcher.changed().await;
            self.take(state);
            if state.is_terminated() {
                return;
            }
        }
    }

    fn take(&self, state: SessionState) {
        match state {
            SessionState::SyncConnected | SessionState::ConnectedReadOnly => self.reached(),
            SessionState::Disconnected => self.away("the connection was lost"),
            SessionState::Expired => self.away("the session has expired"),
            // Its owner has closed it, or is told of the refusal.
            SessionState::Closed | SessionState::AuthFailed => {}
        }
    }

    fn reached(&self) {
        self.reach.send_if_modified(|reach| {
            let news = !matches!(reach, Reach::Reached { .. });
            if news {
                *reach = Reach::Reached {
                    since: Instant::now(),
                };
            }
            news
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_begins_with_its_first_sign_and_ends_with_the_first_session_that_is_back() {
        let availability = Availability::default();
        let watch = availability.watch();
        assert_eq!(*watch.borrow(), Reach::Unknown);
        availability.take(SessionState::SyncConnected);
        let begun = Instant::now();
        availability.take(SessionState::Disconnected);
        tokio::time::advance(Duration::from_secs(7)).await;
        availability.take(SessionState::Expired);
        availability.away("no session within 5s");
        assert_eq!(
            *watch.borrow(),
            Reach::Away {
                since: begun,
                reason: "no session within 5s".to_owned()
            }
        );
        availability.take(SessionState::SyncConnected);
        assert_eq!(
            *watch.borrow(),
            Reach::Reached {
                since: Instant::now()
            }
        );
        // Of two sessions, the end of one says nothing about the servers.
        availability.take(SessionState::Closed);
        assert!(matches!(*watch.borrow(), Reach::Reached { .. }));
    }
}
