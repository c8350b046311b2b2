//! Host names to addresses without the C library.
//!
//! A statically linked glibc resolves names through NSS modules that it would have to load at run
//! time and mostly cannot. So: numeric addresses, `localhost` (RFC 6761 §6.3), `/etc/hosts` as it
//! is now, then DNS as `/etc/resolv.conf` says.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use hickory_resolver::TokioResolver;
use tokio::sync::OnceCell;

/// Why a host name has no address.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResolveError {
    /// Neither the hosts file nor DNS knows it.
    #[error("the host name \"{host}\" has no address: {reason}")]
    NotFound {
        /// The name.
        host: String,
        /// What DNS said.
        reason: String,
    },
    /// The hosts file does not know it, and there is no DNS to ask.
    #[error(
        "the host name \"{host}\" is not in {hosts}, and DNS cannot be asked: {reason}",
        hosts = hosts.display()
    )]
    NoDns {
        /// The name.
        host: String,
        /// The hosts file.
        hosts: PathBuf,
        /// Why there is no DNS (mostly: no usable `/etc/resolv.conf`).
        reason: String,
    },
}

/// Resolves host names. Cheap to clone; clones share one DNS cache.
#[derive(Debug, Clone)]
pub struct Resolver {
    hosts: Arc<PathBuf>,
    dns: Arc<OnceCell<Result<TokioResolver, String>>>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self::with_hosts_file("/etc/hosts".into())
    }
}

impl Resolver {
    /// A resolver that reads another hosts file.
    pub fn with_hosts_file(hosts: PathBuf) -> Self {
        Self {
            hosts: Arc::new(hosts),
            dns: Arc::default(),
        }
    }

    /// The addresses of a host name or numeric address, at least one, in the order to try them.
    pub async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Ok(vec![address]);
        }
        // The file is read at each lookup: container engines rewrite it under running programs.
        let hosts = std::fs::read_to_string(self.hosts.as_path()).unwrap_or_default();
        let listed = addresses_in(&hosts, host);
        if !listed.is_empty() {
            return Ok(listed);
        }
        if is_localhost(host) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        self.ask_dns(host).await
    }

    /// The socket addresses of `host:port`.
    pub async fn lookup_socket(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let addresses = self.lookup(host).await?;
        let with_port = |address| SocketAddr::new(address, port);
        Ok(addresses.into_iter().map(with_port).collect())
    }

    async fn ask_dns(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let not_found = |reason: String| ResolveError::NotFound {
            host: host.to_owned(),
            reason,
        };
        let dns = self.dns.get_or_init(|| async { system_dns() }).await;
        let dns = dns.as_ref().map_err(|reason| ResolveError::NoDns {
            host: host.to_owned(),
            hosts: self.hosts.to_path_buf(),
            reason: reason.clone(),
        })?;
        let found = dns
            .lookup_ip(host)
            .await
            .map_err(|error| not_found(error.to_string()))?;
        let addresses: Vec<_> = found.iter().collect();
        if addresses.is_empty() {
            return Err(not_found("DNS answered with no address".to_owned()));
        }
        Ok(addresses)
    }
}

fn system_dns() -> Result<TokioResolver, String> {
    TokioResolver::builder_tokio()
        .and_then(hickory_resolver::ResolverBuilder::build)
        .map_err(|error| error.to_string())
}

/// The addresses that a hosts file (hosts(5)) gives a name, in the file's order.
fn addresses_in(hosts: &str, name: &str) -> Vec<IpAddr> {
    let name = name.trim_end_matches('.');
    hosts
        .lines()
        .filter_map(|line| {
            let mut words = line.split('#').next()?.split_ascii_whitespace();
            let address = words.next()?.parse().ok()?;
            words
                .any(|word| word.eq_ignore_ascii_case(name))
                .then_some(address)
        })
        .collect()
}

fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            // Port 0 stands for the one of the URL.
            let addresses = resolver
                .lookup_socket(name.as_str(), 0)
                .await
                .map_err(io::Error::other)?;
            let addresses: reqwest::dns::Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: &str = "127.0.0.1 localhost\n\
        10.1.2.3\tmaster.mesos  master # not this: other\n\
        fe80::1%eth0 zoned\n\
        fd00::1 MASTER\n";

    #[test]
    fn a_hosts_file_gives_every_address_of_a_name_in_order_whatever_its_case() {
        let expected: Vec<IpAddr> = vec!["10.1.2.3".parse().unwrap(), "fd00::1".parse().unwrap()];
        assert_eq!(addresses_in(HOSTS, "master"), expected);
        assert_eq!(addresses_in(HOSTS, "Master."), expected);
        assert_eq!(addresses_in(HOSTS, "other"), Vec::<IpAddr>::new());
    }

    #[tokio::test]
    async fn numbers_the_hosts_file_and_localhost_need_no_dns() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hosts");
        std::fs::write(&path, HOSTS).unwrap();
        let resolver = Resolver::with_hosts_file(path);
        let first = async |host: &str| resolver.lookup(host).await.unwrap()[0].to_string();
        assert_eq!(first("192.0.2.7").await, "192.0.2.7");
        assert_eq!(first("[::1]").await, "::1");
        assert_eq!(first("master.mesos").await, "10.1.2.3");
        assert_eq!(first("x.localhost").await, "127.0.0.1");
    }
}
