//! The leadership that a dead JobManager has left in ZooKeeper.
//!
//! Owns no node: these are Flink's own. A JobManager stands for election with an ephemeral node
//! (Curator's `LeaderLatch`), which outlives a killed process until its session ends; nobody else
//! can lead until then. Who knows that the process is gone need not wait for it.

use zookeeper_client::{Client, Error};

/// Where Flink's JobManagers stand for election, below the cluster's node: up to Flink 1.14 by
/// component, later all together (`high-availability.zookeeper.path.latch`, and `leader/latch`).
const LATCHES: [&str; 2] = ["leaderlatch", "leader"];

/// How deep below these latches are: `JOB/job_manager_lock/LATCH` is deepest.
const DEPTH: usize = 3;

/// What the name of a latch contains (`org.apache.curator.framework.recipes.leader.LeaderLatch`).
const LATCH: &str = "-latch-";

/// Removes the nodes by which JobManagers of this cluster stand for election. Only for whoever
/// knows that none of them is alive.
pub(super) async fn release(client: &Client, cluster: &str) -> Result<(), Error> {
    let below = |path: &str, name: &str| format!("{path}/{name}");
    let mut pending: Vec<(String, usize)> =
        LATCHES.map(|name| (below(cluster, name), DEPTH)).to_vec();
    while let Some((path, depth)) = pending.pop() {
        let names = match client.list_children(&path).await {
            Err(Error::NoNode) => continue,
            names => names?,
        };
        for name in names {
            let node = below(&path, &name);
            if !name.contains(LATCH) {
                if depth > 1 {
                    pending.push((node, depth - 1));
                }
                continue;
            }
            // What is not bound to a session is not what it looks like.
            let stat = client.check_stat(&node).await?;
            if stat.is_some_and(|stat| stat.ephemeral_owner != 0) {
                match client.delete(&node, None).await {
                    Ok(()) | Err(Error::NoNode) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(())
}
