//! Asks ZooKeeper whether it has the node that a quorum ends with.

use std::pin::Pin;
use std::time::Duration;

use flugs_flink_conf::Configuration;
use flugs_launch::Quorum;
use flugs_mesos::master_address::MasterAddress;
use flugs_model::Role;
use flugs_net::HostResolver;
use flugs_net::Resolver;
use flugs_net::zookeeper::{Access, Availability, ZooKeeper};

use super::AppMasterError;

/// Refuses a JobManager's quorum whose node the servers say they lack. Servers that do not answer are no
/// reason: they may later.
pub(super) async fn check(configuration: &Configuration) -> Result<(), AppMasterError> {
    match Quorum::of(Role::JobManager, configuration) {
        Some(quorum) if lacks(&quorum).await => Err(quorum.missing().into()),
        _ => Ok(()),
    }
}

/// For a launch: [`flugs_launch::AskChroot`].
pub fn lacks_chroot(quorum: &Quorum) -> Pin<Box<dyn Future<Output = bool> + '_>> {
    Box::pin(lacks(quorum))
}

async fn lacks(quorum: &Quorum) -> bool {
    let Quorum { servers, chroot } = quorum;
    // What is no quorum is Flink's to refuse.
    let Ok(MasterAddress::ZooKeeper { servers, path, .. }) =
        MasterAddress::parse(&format!("zk://{servers}{chroot}"))
    else {
        return false;
    };
    let zookeeper = ZooKeeper {
        servers,
        // Whether a node is there is no secret to anybody.
        credentials: None,
        access: Access::Open,
        resolver: HostResolver::new(Resolver::default()),
        session_timeout: Duration::from_secs(4),
        availability: Availability::default(),
    };
    zookeeper.lacks(&path).await
}
