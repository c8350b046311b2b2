//! Who a session shows itself as.

use std::fmt;

/// Who may read ZooKeeper's nodes (scheme `digest`). Not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ZooKeeperCredentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for ZooKeeperCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("redacted")
    }
}
