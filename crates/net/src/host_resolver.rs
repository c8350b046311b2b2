//! Host names to addresses, by whatever the caller resolves names with.
//!
//! Owns the border: a statically linked C library cannot be asked, and this room brings no
//! resolver of its own.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::HostPort;

/// Resolves host names. Cheap to clone.
#[derive(Clone)]
pub struct HostResolver(Arc<dyn reqwest::dns::Resolve>);

impl fmt::Debug for HostResolver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HostResolver")
    }
}

impl HostResolver {
    /// A resolver that asks this one for what is no numeric address.
    pub fn new(resolver: impl reqwest::dns::Resolve + 'static) -> Self {
        Self(Arc::new(resolver))
    }

    /// The addresses of a master or of another server, at least one; or why there are none.
    pub async fn lookup(&self, server: &HostPort) -> Result<Vec<SocketAddr>, String> {
        let HostPort { host, port } = server;
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, *port)]);
        }
        let name = host
            .parse()
            .map_err(|_| format!("\"{host}\" is no host name"))?;
        let found = self
            .0
            .resolve(name)
            .await
            .map_err(|error| error.to_string());
        let found: Vec<_> = found?
            .map(|address| SocketAddr::new(address.ip(), *port))
            .collect();
        if found.is_empty() {
            return Err(format!("the host name \"{host}\" has no address"));
        }
        Ok(found)
    }
}
