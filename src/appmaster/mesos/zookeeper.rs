//! What the application master says of ZooKeeper: that it is away, since when, and what goes on
//! without it.
//!
//! Owns the words and when they are said. Never speaks to ZooKeeper: its sessions tell.

use std::fmt;
use std::time::Duration;

use futures_util::future::select_all;
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::registration::until;
use super::memory::{Coordination, PATIENCE};
use super::report::{ZooKeeperPurpose, ZooKeeperReport};
use flugs_mesos::master_address::MasterAddress;
use flugs_net::zookeeper::{Availability, Reach, shown};

/// How long it may be away before it is worth a line: a server that is started anew, one after the
/// other, is no outage.
const WORTH_A_LINE: Duration = Duration::from_secs(2);

/// What is worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZooKeeperEvent {
    /// It cannot be reached.
    Away {
        /// Its servers and the node.
        place: String,
        /// Why.
        reason: String,
        /// What goes on, and what does not.
        meanwhile: String,
    },
    /// It is reached again.
    Back {
        /// Its servers and the node.
        place: String,
        /// For how many seconds it was not.
        seconds: u64,
    },
}

impl fmt::Display for ZooKeeperEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away {
                place,
                reason,
                meanwhile,
            } => write!(
                formatter,
                "no contact with ZooKeeper ({place}): {reason}. Meanwhile {meanwhile}"
            ),
            Self::Back { place, seconds } => write!(
                formatter,
                "ZooKeeper ({place}) is reached again, after {seconds} s"
            ),
        }
    }
}

/// The ensembles that a cluster uses, or one for each use of it.
#[derive(Debug, Default)]
pub(super) struct ZooKeeperContacts {
    contacts: Vec<Contact>,
}

#[derive(Debug)]
struct Contact {
    purpose: ZooKeeperPurpose,
    /// The servers and the node, for people.
    place: String,
    reach: watch::Receiver<Reach>,
    /// The outage that was told of: since when it has lasted.
    told: Option<Instant>,
}

impl ZooKeeperContacts {
    /// Those for the cluster's state, if it is there, and for finding the master, if it is found
    /// so; `detection` is what the search keeps up to date.
    pub(super) fn of(
        coordination: Option<&Coordination>,
        master: &MasterAddress,
        detection: &Availability,
    ) -> Self {
        let mut contacts = Self::default();
        if let Some(coordination) = coordination {
            contacts.add(
                ZooKeeperPurpose::State,
                coordination.place().display().to_string(),
                coordination.availability(),
            );
        }
        let place = match master {
            MasterAddress::Masters(_) => return contacts,
            MasterAddress::ZooKeeper { servers, path, .. } => shown(servers, path),
            // What it holds may change.
            MasterAddress::File(path) => path.display().to_string(),
        };
        contacts.add(ZooKeeperPurpose::MasterDetection, place, detection);
        contacts
    }

    fn add(&mut self, purpose: ZooKeeperPurpose, place: String, availability: &Availability) {
        self.contacts.push(Contact {
            purpose,
            place,
            reach: availability.watch(),
            told: None,
        });
    }

    /// Waits for the next thing that is worth a line; may be dropped at any time.
    pub(super) async fn event(&mut self) -> ZooKeeperEvent {
        loop {
            let now = Instant::now();
            if let Some(event) = self.contacts.iter_mut().find_map(|one| one.news(now)) {
                return event;
            }
            if self.contacts.is_empty() {
                std::future::pending::<()>().await;
            }
            let due = self.contacts.iter().filter_map(Contact::due).min();
            let changes = self.contacts.iter_mut();
            let changes = changes.map(|one| Box::pin(one.changed()));
            tokio::select! {
                _ = select_all(changes) => {}
                () = until(due) => {}
            }
        }
    }

    /// What is known of each, for documents. What was never asked for is left out.
    pub(super) fn reports(&self) -> Vec<ZooKeeperReport> {
        self.contacts.iter().filter_map(Contact::report).collect()
    }
}

impl Contact {
    async fn changed(&mut self) {
        if self.reach.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn news(&mut self, now: Instant) -> Option<ZooKeeperEvent> {
        let place = self.place.clone();
        match &*self.reach.borrow_and_update() {
            Reach::Away { since, reason }
                if self.told.is_none() && now >= *since + WORTH_A_LINE =>
            {
                self.told = Some(*since);
                Some(ZooKeeperEvent::Away {
                    place,
                    reason: reason.clone(),
                    meanwhile: meanwhile(self.purpose),
                })
            }
            Reach::Reached { since } => self.told.take().map(|away| ZooKeeperEvent::Back {
                place,
                seconds: since.saturating_duration_since(away).as_secs(),
            }),
            Reach::Away { .. } | Reach::Unknown => None,
        }
    }

    /// When an outage is worth a line, if it was not told of yet.
    fn due(&self) -> Option<Instant> {
        match &*self.reach.borrow() {
            Reach::Away { since, .. } if self.told.is_none() => Some(*since + WORTH_A_LINE),
            _ => None,
        }
    }

    fn report(&self) -> Option<ZooKeeperReport> {
        let (since, reason) = match &*self.reach.borrow() {
            Reach::Unknown => return None,
            Reach::Reached { since } => (*since, None),
            Reach::Away { since, reason } => (*since, Some(reason.clone())),
        };
        Some(ZooKeeperReport {
            purpose: self.purpose,
            place: self.place.clone(),
            reachable: reason.is_none(),
            seconds: since.elapsed().as_secs(),
            meanwhile: reason.is_some().then(|| meanwhile(self.purpose)),
            reason,
        })
    }
}

/// What goes on and what does not while it is away.
fn meanwhile(purpose: ZooKeeperPurpose) -> String {
    match purpose {
        ZooKeeperPurpose::State => format!(
            "running workers and the contact with the Mesos master stay; no worker is launched or \
             replaced, no other application master takes over, and one that has to write gives up \
             after {} s and leaves its workers to a successor. Flink's JobManager leads by ZooKeeper \
             as well: its jobs stop, and go on from their last checkpoint when it is back",
            PATIENCE.as_secs()
        ),
        ZooKeeperPurpose::MasterDetection => {
            "the Mesos master that was found last is kept; one that \
             is elected meanwhile is found when ZooKeeper is back"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contacts() -> (ZooKeeperContacts, watch::Sender<Reach>) {
        let (reach, receiver) = watch::channel(Reach::Unknown);
        let contacts = ZooKeeperContacts {
            contacts: vec![Contact {
                purpose: ZooKeeperPurpose::MasterDetection,
                place: "zk://z1:2181/mesos".to_owned(),
                reach: receiver,
                told: None,
            }],
        };
        (contacts, reach)
    }

    fn away() -> Reach {
        Reach::Away {
            since: Instant::now(),
            reason: "the connection was lost".to_owned(),
        }
    }

    fn reached() -> Reach {
        Reach::Reached {
            since: Instant::now(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_told_once_with_what_goes_on_and_its_end_with_its_length() {
        let (mut contacts, reach) = contacts();
        assert_eq!(contacts.reports(), []);
        reach.send_replace(away());
        let text = contacts.event().await.to_string();
        insta::assert_snapshot!(text, @"no contact with ZooKeeper (zk://z1:2181/mesos): the connection was lost. Meanwhile the Mesos master that was found last is kept; one that is elected meanwhile is found when ZooKeeper is back");
        // Another reason is no other outage.
        let again = tokio::time::timeout(Duration::from_secs(60), contacts.event()).await;
        assert!(again.is_err());
        let [report] = &contacts.reports()[..] else {
            panic!("one ensemble")
        };
        assert!(!report.reachable);
        assert_eq!(report.seconds, 62);
        reach.send_replace(reached());
        let text = contacts.event().await.to_string();
        assert_eq!(
            text,
            "ZooKeeper (zk://z1:2181/mesos) is reached again, after 62 s"
        );
        let [report] = &contacts.reports()[..] else {
            panic!("one ensemble")
        };
        assert!(report.reachable);
        assert_eq!((report.meanwhile.as_ref(), report.seconds), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_started_anew_is_no_outage() {
        let (mut contacts, reach) = contacts();
        reach.send_replace(reached());
        reach.send_replace(away());
        let soon = WORTH_A_LINE.saturating_sub(Duration::from_millis(1));
        let told = tokio::time::timeout(soon, contacts.event()).await;
        assert!(told.is_err());
        reach.send_replace(reached());
        let told = tokio::time::timeout(Duration::from_secs(60), contacts.event()).await;
        assert!(told.is_err());
    }
}
