//! Whether the ZooKeeper of a highly available JobManager has the node that its quorum ends with.

use std::time::Duration;

use crate::artifact::Resolver;
use crate::conf::Configuration;
use crate::mesos::master_address::MasterAddress;
use crate::mesos::resolve::HostResolver;
use crate::mesos::zookeeper::{Access, Availability, ZooKeeper};

use super::AppMasterError;
use super::cluster_id::is_highly_available;

const QUORUM: &str = "high-availability.zookeeper.quorum";

/// Refuses a quorum whose chroot the servers say they lack. Servers that do not answer are no
/// reason: they may later.
pub(super) async fn check(configuration: &Configuration) -> Result<(), AppMasterError> {
    let quorum = configuration.get(QUORUM).unwrap_or_default().trim();
    if !is_highly_available(configuration) || !quorum.contains('/') {
        return Ok(());
    }
    // What is no quorum, or one that ends with `/`, has no chroot to look for.
    let Ok(MasterAddress::ZooKeeper { servers, path, .. }) =
        MasterAddress::parse(&format!("zk://{}", quorum.trim_end_matches('/')))
    else {
        return Ok(());
    };
    let shown: Vec<String> = servers.iter().map(ToString::to_string).collect();
    let zookeeper = ZooKeeper {
        servers,
        // Whether a node is there is no secret to anybody.
        credentials: None,
        access: Access::Open,
        resolver: HostResolver::new(Resolver::default()),
        session_timeout: Duration::from_secs(4),
        availability: Availability::default(),
    };
    if zookeeper.lacks(&path).await {
        return Err(AppMasterError::ChrootMissing {
            chroot: path,
            servers: shown.join(","),
        });
    }
    Ok(())
}
