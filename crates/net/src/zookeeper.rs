//! Sessions with ZooKeeper: which servers, under which names, as whom.
//!
//! Owns how a session comes about. Never knows what the nodes mean.

mod availability;
mod chroot;
mod credentials;

use std::time::Duration;

use tokio::time::timeout;
use zookeeper_client::{Acls, Client, Error};

use crate::{HostPort, HostResolver};

pub use availability::{Availability, Reach};
pub use credentials::ZooKeeperCredentials;

/// Servers of ZooKeeper, and how to be with them.
#[derive(Debug, Clone)]
pub struct ZooKeeper {
    /// The servers of one ensemble; at least one.
    pub servers: Vec<HostPort>,
    /// Who to be (scheme `digest`).
    pub credentials: Option<ZooKeeperCredentials>,
    /// Who may use the nodes that are made.
    pub access: Access,
    /// What resolves the servers' names.
    pub resolver: HostResolver,
    /// How long the ensemble keeps a session whose client is silent. It has its own bounds.
    pub session_timeout: Duration,
    /// Whether they can be reached; kept up to date by every session.
    pub availability: Availability,
}

/// Who may use nodes that are made, those above them included (Flink's
/// `high-availability.zookeeper.client.acl`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody who reaches the servers.
    Open,
    /// Whoever made them, by the credentials that were shown.
    Creator,
}

/// Why an operation failed, as far as it matters what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No server answers, or none that has a quorum; it may later. What was asked for may have
    /// been done.
    Away(String),
    /// The ensemble refuses; asking again does not help.
    Refused(String),
}

impl Trouble {
    /// What an error means. Errors that say something about a node are the caller's.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::NoAuth | Error::AuthFailed | Error::InvalidAcl | Error::QuotaExceeded => {
                Self::Refused(error.to_string())
            }
            other => Self::Away(other.to_string()),
        }
    }

    /// For people.
    pub fn text(&self) -> &str {
        match self {
            Self::Away(text) | Self::Refused(text) => text,
        }
    }
}

impl ZooKeeper {
    /// A new session. Names are resolved anew for each.
    pub async fn connect(&self) -> Result<Client, Trouble> {
        let connected = self.open_session().await;
        match &connected {
            Ok(client) => self.availability.follow(client),
            Err(Trouble::Away(reason)) => self.availability.away(reason),
            Err(Trouble::Refused(_)) => {}
        }
        connected
    }

    async fn open_session(&self) -> Result<Client, Trouble> {
        let mut addresses = Vec::new();
        let mut unresolved = String::new();
        for server in &self.servers {
            match self.resolver.lookup(server).await {
                Ok(found) => addresses.extend(found.iter().map(ToString::to_string)),
                Err(reason) => unresolved = reason,
            }
        }
        if addresses.is_empty() {
            return Err(Trouble::Away(unresolved));
        }
        let mut connector = Client::connector()
            .with_session_timeout(self.session_timeout)
            .with_connection_timeout(self.session_timeout / 3);
        if let Some(ZooKeeperCredentials { user, password }) = &self.credentials {
            connector = connector.with_auth("digest", format!("{user}:{password}").as_bytes());
        }
        let cluster = addresses.join(",");
        let limit = self.session_timeout;
        match timeout(limit, connector.connect(&cluster)).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(Trouble::of(&error)),
            Err(_) => Err(Trouble::Away(format!("no session within {limit:?}"))),
        }
    }

    /// The same for the client.
    pub fn acls(&self) -> Acls<'static> {
        match self.access {
            Access::Open => Acls::anyone_all(),
            Access::Creator => Acls::creator_all(),
        }
    }

    /// The servers, for people.
    pub fn shown(&self, path: &str) -> String {
        shown(&self.servers, path)
    }
}

/// Servers and a node, for people.
pub fn shown(servers: &[HostPort], path: &str) -> String {
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    format!("zk://{}{path}", servers.join(","))
}
