//! Sessions of flugs itself with a test's ZooKeeper server.

use std::time::Duration;

use flugs_net::HostResolver;
use flugs_net::zookeeper::ZooKeeperCredentials;
use flugs_net::zookeeper::{Access, Availability, ZooKeeper};

use super::server::Server;

/// Resolves nothing: the servers are named by their address.
struct Nobody;

impl reqwest::dns::Resolve for Nobody {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async { Err("there is no DNS in tests".into()) })
    }
}

pub(crate) fn resolver() -> HostResolver {
    HostResolver::new(Nobody)
}

impl Server {
    pub(crate) fn as_user(&self, user: Option<&str>) -> ZooKeeper {
        ZooKeeper {
            servers: vec![self.address()],
            credentials: user.map(|user| ZooKeeperCredentials {
                user: user.into(),
                password: "p@ss/word".into(),
            }),
            access: if user.is_some() {
                Access::Creator
            } else {
                Access::Open
            },
            resolver: resolver(),
            session_timeout: Duration::from_secs(4),
            availability: Availability::default(),
        }
    }

    pub(crate) fn anybody(&self) -> ZooKeeper {
        self.as_user(None)
    }
}
