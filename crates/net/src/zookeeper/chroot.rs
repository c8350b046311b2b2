//! The node that a quorum's connection string ends with (`host:2181/chroot`): everything that a client
//! does is below it, and no client makes it.

use std::time::Duration;

use tokio::time::timeout;

use super::ZooKeeper;

/// How long it is asked for. One that does not answer by then may answer later.
const PATIENCE: Duration = Duration::from_secs(5);

impl ZooKeeper {
    /// Whether the servers say that there is no such node. Servers that say nothing, for whatever
    /// reason, do not say so.
    pub async fn lacks(&self, node: &str) -> bool {
        let asked = async {
            // A session of its own, whose end is nobody's news.
            let client = self.open_session().await.ok()?;
            client.check_stat(node).await.ok()
        };
        matches!(timeout(PATIENCE, asked).await, Ok(Some(None)))
    }
}
