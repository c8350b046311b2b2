//! Whom a TaskManager works for: the JobManager's process, where nobody takes its jobs over.
//!
//! A TaskManager learns from its heartbeats alone that its JobManager has died, and these are for
//! the JobManager to ask for: it waits out `heartbeat.timeout`, long after another JobManager serves
//! at the same address. Whoever launches it says whether what it does is worth nothing by then.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use flugs_flink_conf::Configuration;
use flugs_model::Role;
use flugs_net::Resolver;
use flugs_supervise::Peer;

/// The option that says so: the application master sets it for its workers.
const RENEWAL: &str = "flugs.mesos.tasks.renewal";

/// How long a name server may take. Without an address, Flink's own timeout has to do.
const PATIENCE: Duration = Duration::from_secs(5);

/// The JobManager that a process of this role and configuration is worth nothing without.
pub(super) fn peer(role: Role, configuration: &Configuration) -> Option<Peer> {
    let place = place(role, configuration)?;
    let (rpc, rest) = (resolve(&place.rpc_host)?, resolve(&place.rest_host)?);
    Some(Peer {
        address: SocketAddr::new(rpc, place.rpc_port),
        // The server for its web page keeps a connection on which nothing is asked; the one for
        // its workers closes those that do not speak.
        lifeline: SocketAddr::new(rest, place.rest_port),
    })
}

/// Where that JobManager is.
struct Place {
    rpc_host: String,
    rpc_port: u16,
    rest_host: String,
    rest_port: u16,
}

fn place(role: Role, configuration: &Configuration) -> Option<Place> {
    let is_on = configuration
        .get(RENEWAL)
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
    if role != Role::TaskManager || !is_on {
        return None;
    }
    let port = |key: &str, default| {
        let value = configuration.get(key).unwrap_or(default);
        value.trim().parse::<u16>().ok().filter(|port| *port != 0)
    };
    let bare = |host: &str| {
        let host = host.trim().trim_start_matches('[');
        host.trim_end_matches(']').to_owned()
    };
    let host = configuration.get("jobmanager.rpc.address")?;
    Some(Place {
        rpc_host: bare(host),
        rpc_port: port("jobmanager.rpc.port", "6123")?,
        rest_host: bare(configuration.get("rest.address").unwrap_or(host)),
        rest_port: port("rest.port", "8081")?,
    })
}

fn resolve(host: &str) -> Option<IpAddr> {
    if let Ok(address) = host.parse() {
        return Some(address);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let resolver = Resolver::default();
    let lookup = async { tokio::time::timeout(PATIENCE, resolver.lookup(host)).await };
    let found = runtime.block_on(lookup).ok()?.ok()?;
    found.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_flink_conf::{Layer, Origin};

    fn of(role: Role, settings: &[(&str, &str)]) -> Option<String> {
        let mut configuration = Configuration::new();
        for (key, value) in settings {
            configuration.set(*key, *value, Origin::of(Layer::Manifest));
        }
        peer(role, &configuration).map(|peer| format!("{} {}", peer.address, peer.lifeline))
    }

    #[test]
    fn a_worker_that_is_told_so_works_for_the_jobmanager_of_its_configuration() {
        let told = ("flugs.mesos.tasks.renewal", "true");
        let address = ("jobmanager.rpc.address", "192.0.2.7");
        let of_worker = |settings: &[(&str, &str)]| of(Role::TaskManager, settings);
        assert_eq!(of_worker(&[address]), None);
        assert_eq!(
            of_worker(&[("flugs.mesos.tasks.renewal", "false"), address]),
            None
        );
        assert_eq!(
            of_worker(&[told, address]).unwrap(),
            "192.0.2.7:6123 192.0.2.7:8081"
        );
        let ports = [("jobmanager.rpc.port", "7000"), ("rest.port", "7001")];
        let all = [told, address, ports[0], ports[1]];
        assert_eq!(of_worker(&all).unwrap(), "192.0.2.7:7000 192.0.2.7:7001");
        let named = ("jobmanager.rpc.address", "localhost");
        assert!(of_worker(&[told, named]).unwrap().ends_with(":8081"));
        assert_eq!(of(Role::JobManager, &[told, address]), None);
    }

    #[test]
    fn a_port_that_is_no_port_is_nobodys() {
        let told = ("flugs.mesos.tasks.renewal", "true");
        let address = ("jobmanager.rpc.address", "[::1]");
        let ports = |value| {
            of(
                Role::TaskManager,
                &[told, address, ("jobmanager.rpc.port", value)],
            )
        };
        assert_eq!(ports("6123").unwrap(), "[::1]:6123 [::1]:8081");
        assert_eq!(ports("many"), None);
        assert_eq!(ports("0"), None);
    }
}
