//! Who leads the masters.
//!
//! Owns how the leader is found and that a new one is noticed: a list of masters, ZooKeeper's
//! nodes, a file that holds either. Never speaks to a master.

use std::net::IpAddr;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::master_address::{HostPort, MasterAddress};
use super::version::MasterVersion;

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
    pub fn start(address: &MasterAddress) -> Self {
        match address {
            MasterAddress::Masters(masters) => Self {
                detected: watch::channel(any_of(masters)).1,
                task: None,
            },
            MasterAddress::ZooKeeper { .. } | MasterAddress::File(_) => {
                let nobody = Detected::Nobody(String::new());
                Self {
                    detected: watch::channel(nobody).1,
                    task: None,
                }
            }
        }
    }

    /// What is known, and when it changes.
    pub fn watch(&self) -> watch::Receiver<Detected> {
        self.detected.clone()
    }
}

fn any_of(masters: &[HostPort]) -> Detected {
    let one = |at: &HostPort| Master {
        at: at.clone(),
        address: None,
        version: None,
    };
    Detected::AnyOf(masters.iter().map(one).collect())
}
