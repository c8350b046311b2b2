//! The node that the quorum of a highly available JobManager ends with (`host:2181/chroot`). No client of
//! ZooKeeper makes it, and Flink's own message does not name it: so it is looked for before the start.

use std::pin::Pin;

use flugs_flink_conf::{Configuration, keeps_state_in_zookeeper};
use flugs_model::Role;

use super::LaunchError;

const QUORUM: &str = "high-availability.zookeeper.quorum";

/// The port of a server that names none (ZooKeeper's `ConnectStringParser`).
const PORT: &str = "2181";

/// A quorum with a node that everything is below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// The servers, each `host:port`, with commas between.
    pub servers: String,
    /// The node, which begins with a slash.
    pub chroot: String,
}

/// Whether the servers of a quorum say that its node is not there. Takes a bounded time; servers that do
/// not answer have not said so.
pub type AskChroot = for<'a> fn(&'a Quorum) -> Pin<Box<dyn Future<Output = bool> + 'a>>;

impl Quorum {
    /// The quorum that a role's process will lead by, if it is one with a node.
    pub fn of(role: Role, configuration: &Configuration) -> Option<Self> {
        if !matches!(role, Role::JobManager | Role::StandaloneJob)
            || !keeps_state_in_zookeeper(configuration)
        {
            return None;
        }
        let quorum = configuration.get(QUORUM)?.trim();
        let (servers, chroot) = quorum.split_at_checked(quorum.find('/')?)?;
        let servers: Vec<String> = servers
            .split(',')
            .map(str::trim)
            .filter(|server| !server.is_empty())
            .map(with_port)
            .collect();
        let chroot = chroot.trim_end_matches('/');
        (!servers.is_empty() && !chroot.is_empty()).then(|| Self {
            servers: servers.join(","),
            chroot: chroot.to_owned(),
        })
    }

    /// What is said if the node is not there.
    pub fn missing(self) -> LaunchError {
        let Self { servers, chroot } = self;
        LaunchError::ChrootMissing { chroot, servers }
    }
}

fn with_port(server: &str) -> String {
    // The colons of an IPv6 address stand in brackets.
    let behind = server.rsplit_once(']').map_or(server, |(_, behind)| behind);
    if behind.contains(':') {
        server.to_owned()
    } else {
        format!("{server}:{PORT}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_flink_conf::{Layer, Origin};

    fn quorum(role: Role, settings: &[(&str, &str)]) -> Option<String> {
        let mut configuration = Configuration::new();
        for (key, value) in settings {
            configuration.set(*key, *value, Origin::of(Layer::CommandLine));
        }
        let found = Quorum::of(role, &configuration)?;
        Some(format!("{} {}", found.servers, found.chroot))
    }

    #[test]
    fn a_quorum_is_read_as_zookeepers_own_client_reads_it() {
        for (text, expected) in [
            ("zk1:2181/flink", Some("zk1:2181 /flink")),
            (
                "zk1, zk2:2182 ,[::1]/a/b",
                Some("zk1:2181,zk2:2182,[::1]:2181 /a/b"),
            ),
            // Behind each server, as for other clients, it is a node with a strange name.
            ("zk1:2181/x,zk2:2181/x", Some("zk1:2181 /x,zk2:2181/x")),
            ("zk1:2181", None),
            ("zk1:2181/", None),
            ("/flink", None),
        ] {
            let found = quorum(
                Role::JobManager,
                &[("high-availability", "ZooKeeper"), (QUORUM, text)],
            );
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn only_a_jobmanager_that_leads_by_zookeeper_has_one() {
        let set = [("high-availability.type", "zookeeper"), (QUORUM, "a/b")];
        assert!(quorum(Role::StandaloneJob, &set).is_some());
        assert_eq!(quorum(Role::TaskManager, &set), None);
        assert_eq!(quorum(Role::JobManager, &set[1..]), None);
    }
}
