//! Asks ZooKeeper whether it has the node that a quorum ends with.

use std::pin::Pin;
use std::time::Duration;

use crate::artifact::Resolver;
use crate::conf::Configuration;
use crate::launch::Quorum;
use crate::mesos::master_address::MasterAddress;
use crate::mesos::resolve::HostResolver;
use crate::mesos::zookeeper::{Access, Availability, ZooKeeper};
use crate::spec::Role;

use super::AppMasterError;

/// Refuses a JobManager's quorum whose node the servers say they lack. Servers that do not answer are no
/// reason: they may later.
pub(super) async fn check(configuration: &Configuration) -> Result<(), AppMasterError> {
    match Quorum::of(Role::JobManager, configuration) {
        Some(quorum) if lacks(&quorum).await => Err(quorum.missing().into()),
        _ => Ok(()),
    }
}

/// For a launch: [`crate::launch::AskChroot`].
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
