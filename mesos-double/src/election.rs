//! The masters' nodes in ZooKeeper: who stands for election, and who was first.
//!
//! The leader is whoever has the smallest number; a master that loses its lead goes and comes back
//! behind the others, as a real one's process does.

use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use zookeeper_client::{Acls, Client, CreateMode, Error};

/// Masters that stand, the leader first, each with what its node tells.
pub(crate) type Standing = Vec<(usize, Value)>;

/// A ZooKeeper and the path of the masters' group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    servers: String,
    path: String,
}

impl Place {
    /// Reads `host:port[,host:port…]/path`, with or without `zk://`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (servers, path) = text.trim_start_matches("zk://").split_once('/')?;
        (!servers.is_empty() && !path.is_empty()).then(|| Self {
            servers: servers.to_owned(),
            path: format!("/{}", path.trim_end_matches('/')),
        })
    }
}

/// Keeps the nodes as they are asked for.
#[derive(Debug)]
pub(crate) struct Election {
    wanted: mpsc::UnboundedSender<Standing>,
    keeper: JoinHandle<()>,
}

/// A master's nodes, and its number.
struct Candidate {
    path: String,
    replica: String,
    number: i64,
    told: Value,
}

impl Election {
    /// Connects and makes the group's node.
    pub(crate) async fn enter(place: &Place) -> Result<Self, Error> {
        let client = Client::connect(&place.servers).await?;
        let persistent = CreateMode::Persistent.with_acls(Acls::anyone_all());
        client
            .mkdir(&format!("{}/log_replicas", place.path), &persistent)
            .await?;
        let (wanted, mut lists) = mpsc::unbounded_channel();
        let path = place.path.clone();
        let keeper = tokio::spawn(async move {
            let mut candidates = BTreeMap::new();
            while let Some(standing) = lists.recv().await {
                // A session that is lost takes the nodes with it: nobody leads any more.
                if arrange(&client, &path, &mut candidates, standing)
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        Ok(Self { wanted, keeper })
    }

    pub(crate) fn stand(&self, standing: Standing) {
        // Without a session nothing is kept.
        let _ = self.wanted.send(standing);
    }
}

impl Drop for Election {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Takes away who does not stand and who stands too early, then adds who is missing, in order.
async fn arrange(
    client: &Client,
    path: &str,
    candidates: &mut BTreeMap<usize, Candidate>,
    standing: Standing,
) -> Result<(), Error> {
    let mut last = -1;
    let mut keeps = Vec::new();
    for (node, told) in &standing {
        let keep = candidates
            .get(node)
            .is_some_and(|own| own.number > last && own.told == *told);
        // Who has to be made anew comes behind everybody: so do all after it.
        last = match candidates.get(node).filter(|_| keep) {
            Some(own) => own.number,
            None => i64::MAX,
        };
        if keep {
            keeps.push(*node);
        }
    }
    let gone: Vec<usize> = candidates
        .keys()
        .filter(|node| !keeps.contains(node))
        .copied()
        .collect();
    for node in gone {
        if let Some(own) = candidates.remove(&node) {
            for path in [own.path, own.replica] {
                match client.delete(&path, None).await {
                    Ok(()) | Err(Error::NoNode) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    for (node, told) in standing {
        if let Entry::Vacant(free) = candidates.entry(node) {
            free.insert(register(client, path, told).await?);
        }
    }
    Ok(())
}

async fn register(client: &Client, path: &str, told: Value) -> Result<Candidate, Error> {
    let ephemeral = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
    let prefix = format!("{path}/json.info_");
    let (_, sequence) = client
        .create(&prefix, told.to_string().as_bytes(), &ephemeral)
        .await?;
    let pid = told.get("pid").and_then(Value::as_str).unwrap_or_default();
    let replicas = format!("{path}/log_replicas/");
    let replica = format!("log-replica(1)@{}", pid.trim_start_matches("master@"));
    let (_, replica) = client
        .create(&replicas, replica.as_bytes(), &ephemeral)
        .await?;
    Ok(Candidate {
        path: format!("{prefix}{sequence}"),
        replica: format!("{replicas}{replica}"),
        number: sequence.into_i64(),
        told,
    })
}
