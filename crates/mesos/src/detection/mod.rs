//! Who leads the masters.
//!
//! Owns how the leader is found and that a new one is noticed: a list of masters, ZooKeeper's
//! nodes, a file that holds either. Never speaks to a master.

use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::master_address::MasterAddress;
use super::version::MasterVersion;
use flugs_net::HostPort;
use flugs_net::HostResolver;
use flugs_net::zookeeper::{Access, Availability, ZooKeeper};

mod election;
mod file;
mod zookeeper;

pub use election::probe as probe_election;

/// A master that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Master {
    /// Where it answers.
    pub at: HostPort,
    /// Its numeric address, for when its host name cannot be resolved here.
    pub address: Option<IpAddr>,
    /// Its version, if it has told it.
    pub version: Option<MasterVersion>,
}

/// What is known of the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detected {
    /// Nothing yet.
    Pending,
    /// Nobody leads, or nobody can be asked; why, for people.
    Nobody(String),
    /// This one was elected.
    Leader(Master),
    /// One of these leads, or knows who does. At least one.
    AnyOf(Vec<Master>),
}

impl Detected {
    /// Whom to ask, in order.
    pub fn masters(&self) -> &[Master] {
        match self {
            Self::Pending | Self::Nobody(_) => &[],
            Self::Leader(master) => std::slice::from_ref(master),
            Self::AnyOf(masters) => masters,
        }
    }
}

/// What a search needs beside the address.
#[derive(Debug, Clone)]
pub struct Ways {
    /// What resolves the names of ZooKeeper's servers.
    pub resolver: HostResolver,
    /// The session timeout with ZooKeeper.
    pub session_timeout: Duration,
    /// Whether ZooKeeper can be reached, if masters are found there.
    pub zookeeper: Availability,
}

/// Looks for the leader until it is dropped.
#[derive(Debug)]
pub struct Detector {
    detected: watch::Receiver<Detected>,
    task: Option<JoinHandle<()>>,
}

impl Drop for Detector {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Detector {
    /// Begins to look. Has to be called within a tokio runtime.
    pub fn start(address: &MasterAddress, ways: &Ways) -> Self {
        let (sender, detected) = watch::channel(Detected::Pending);
        let task = match address {
            MasterAddress::File(path) => Some(tokio::spawn(file::watch(
                path.clone(),
                ways.clone(),
                sender,
            ))),
            other => begin(other, ways, sender),
        };
        Self { detected, task }
    }

    /// What is known, and when it changes.
    pub fn watch(&self) -> watch::Receiver<Detected> {
        self.detected.clone()
    }
}

/// Tells what an address other than a file says, now and for as long as the task runs that is
/// given back, if there is anything to wait for.
fn begin(
    address: &MasterAddress,
    ways: &Ways,
    detected: watch::Sender<Detected>,
) -> Option<JoinHandle<()>> {
    match address {
        MasterAddress::Masters(masters) => {
            let one = |at: &HostPort| Master {
                at: at.clone(),
                address: None,
                version: None,
            };
            let masters = masters.iter().map(one).collect();
            detected.send_replace(Detected::AnyOf(masters));
            None
        }
        MasterAddress::ZooKeeper {
            servers,
            path,
            credentials,
        } => {
            let zookeeper = ZooKeeper {
                servers: servers.clone(),
                credentials: credentials.clone(),
                // Nothing is made.
                access: Access::Open,
                resolver: ways.resolver.clone(),
                session_timeout: ways.session_timeout,
                availability: ways.zookeeper.clone(),
            };
            detected.send_replace(Detected::Pending);
            let watching = zookeeper::watch(zookeeper, path.clone(), detected);
            Some(tokio::spawn(watching))
        }
        // A file in a file is refused where it is read.
        MasterAddress::File(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl reqwest::dns::Resolve for Nowhere {
        fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
            Box::pin(async { Err("no such host".into()) })
        }
    }

    fn detector(address: &str) -> watch::Receiver<Detected> {
        let address = MasterAddress::parse(address).unwrap();
        let ways = Ways {
            resolver: HostResolver::new(Nowhere),
            session_timeout: Duration::from_secs(1),
            zookeeper: Availability::default(),
        };
        let detector = Box::leak(Box::new(Detector::start(&address, &ways)));
        detector.watch()
    }

    fn shown(detected: &Detected) -> String {
        match detected {
            Detected::Nobody(why) => why.clone(),
            other => {
                let masters = other.masters().iter();
                masters
                    .map(|one| one.at.to_string())
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        }
    }

    #[tokio::test]
    async fn a_list_is_known_at_once() {
        let detected = detector("m1:5050,m2:5051");
        assert_eq!(shown(&detected.borrow()), "m1:5050 m2:5051");
    }

    #[tokio::test]
    async fn servers_of_zookeeper_that_have_no_address_are_told() {
        let mut detected = detector("zk://u:hidden@z1:2181/mesos");
        let known = detected
            .wait_for(|now| matches!(now, Detected::Nobody(_)))
            .await
            .unwrap();
        assert_eq!(shown(&known), "zk://z1:2181/mesos: no such host");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_read_again_when_its_content_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("masters");
        let mut detected = detector(&format!("file://{}", path.display()));
        let mut next = async |expected: &str| {
            let reached = detected.wait_for(|now| shown(now).ends_with(expected));
            let reached = tokio::time::timeout(Duration::from_secs(30), reached).await;
            assert!(reached.is_ok(), "{expected}");
        };
        next("No such file or directory (os error 2)").await;
        std::fs::write(&path, "m1:5050\n").unwrap();
        next("m1:5050").await;
        std::fs::write(&path, "m2,m3").unwrap();
        next("m2:5050 m3:5050").await;
        std::fs::write(&path, "file:///etc/other").unwrap();
        next("names a file again; expected masters").await;
        std::fs::write(&path, "zk://z1:2181/mesos").unwrap();
        next("zk://z1:2181/mesos: no such host").await;
        std::fs::write(&path, "m4").unwrap();
        next("m4:5050").await;
    }
}
