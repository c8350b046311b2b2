//! Which nodes of ZooKeeper the scheduler's state is in.
//!
//! Owns how the path is put together from Flink's options. Pure.

use flugs_mesos::master_address::{MasterAddress, MasterAddressError};
use flugs_net::HostPort;

/// A quorum of ZooKeeper, and the node that everything is under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZooKeeperPlace {
    /// The servers.
    pub servers: Vec<HostPort>,
    /// The node, with its leading `/`.
    pub path: String,
    /// The node of the Flink cluster, which it is below.
    pub cluster: String,
}

/// What makes a path that ZooKeeper does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The quorum is no list of servers.
    #[error(transparent)]
    Quorum(#[from] MasterAddressError),
    /// An option about ZooKeeper has a value that means nothing.
    #[error("{key}: {expected} expected, found \"{value}\"")]
    Value {
        /// The option.
        key: &'static str,
        /// What it is set to.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Nodes are to belong to their creator, who has no name.
    #[error(
        "high-availability.zookeeper.client.acl: creator needs high-availability.zookeeper.client.authorization.digest with user:password; flugs has no other scheme, and no SASL"
    )]
    NobodyCreates,
    /// A part of the path cannot be a node's name.
    #[error("\"{part}\" in the path {path} cannot be a node of ZooKeeper")]
    Part {
        /// The part.
        part: String,
        /// The whole path.
        path: String,
    },
}

impl ZooKeeperPlace {
    /// Puts the path together as Flink does: `high-availability.zookeeper.quorum` (which may end
    /// with a path of its own, as in Curator), then `high-availability.zookeeper.path.root`,
    /// `high-availability.cluster-id` and `high-availability.zookeeper.path.mesos-workers`, with
    /// slashes between them wherever they were written.
    pub fn new(
        quorum: &str,
        root: &str,
        cluster_id: &str,
        workers: &str,
    ) -> Result<Self, PlaceError> {
        let address = MasterAddress::parse(&format!(
            "zk://{}/{root}/{cluster_id}/{workers}/-",
            quorum.trim().trim_end_matches('/')
        ))?;
        let MasterAddress::ZooKeeper { servers, path, .. } = address else {
            return Err(MasterAddressError::Path.into());
        };
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        // Without the mark that kept the path from being empty.
        let parts = parts.split_last().map_or(&[][..], |(_, parts)| parts);
        let path = format!("/{}", parts.join("/"));
        let strange = |part: &&&str| {
            let reserved = path.starts_with("/zookeeper") && **part == "zookeeper";
            matches!(**part, "." | "..") || part.contains(char::is_control) || reserved
        };
        if let Some(part) = parts.iter().find(strange) {
            let part = (*part).to_owned();
            return Err(PlaceError::Part { part, path });
        }
        if parts.is_empty() {
            return Err(MasterAddressError::Path.into());
        }
        let own = workers.split('/').filter(|part| !part.is_empty());
        let of_cluster = parts.len().saturating_sub(own.count());
        let of_cluster = parts.get(..of_cluster).unwrap_or_default();
        let cluster = format!("/{}", of_cluster.join("/"));
        Ok(Self {
            servers,
            path,
            cluster,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(quorum: &str, root: &str, cluster: &str, workers: &str) -> String {
        match ZooKeeperPlace::new(quorum, root, cluster, workers) {
            Ok(place) => {
                let servers: Vec<String> = place.servers.iter().map(ToString::to_string).collect();
                format!("{} {}", servers.join(","), place.path)
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_path_is_put_together_as_flink_does() {
        assert_eq!(
            shown("z1:2181,z2", "/flink", "/default", "/mesos-workers"),
            "z1:2181,z2:2181 /flink/default/mesos-workers"
        );
        assert_eq!(
            shown(" z1 ", "flink/", "my-cluster", "mesos-workers/"),
            "z1:2181 /flink/my-cluster/mesos-workers"
        );
        assert_eq!(shown("z1/base/", "/", "a/b", "w"), "z1:2181 /base/a/b/w");
        let place = ZooKeeperPlace::new("z1/base", "flink", "/a/b/", "/w/of/mesos").unwrap();
        assert_eq!(place.path, "/base/flink/a/b/w/of/mesos");
        assert_eq!(place.cluster, "/base/flink/a/b");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        assert_eq!(
            shown("z1", "/flink", "..", "w"),
            "\"..\" in the path /flink/../w cannot be a node of ZooKeeper"
        );
        assert!(shown("z1", "/", "/", "/").contains("names no node"));
        assert!(shown("", "/flink", "c", "w").contains("is not host:port"));
        assert!(shown("z1", "/zookeeper", "c", "w").contains("cannot be a node"));
    }
}
