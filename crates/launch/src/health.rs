//! How a launched process is asked whether it serves.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use flugs_model::Role;
use flugs_supervise::{HealthCheck, HealthPolicy};

use super::{REST, ResolvedLaunch, bind_address};

/// The check of a role, for those who ask the supervisor. It never leads to a stop: whether a
/// process that does not answer should end is for whoever runs the container to say.
pub(super) fn health(launch: &ResolvedLaunch) -> HealthPolicy {
    let lookup = |key: &str| launch.settled.configuration.get(key);
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    HealthPolicy {
        failures: u32::MAX,
        ..HealthPolicy::of(check(launch.settled.role, &lookup, &hosts))
    }
}

/// A JobManager answers over HTTP, or over TLS, where a connection has to do. A TaskManager's
/// ports are any that are free, so it is asked whether it is alive.
///
/// `hosts` is this machine's `/etc/hosts`.
fn check<'a>(role: Role, lookup: &dyn Fn(&str) -> Option<&'a str>, hosts: &str) -> HealthCheck {
    let is_on = |key: &str| lookup(key).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let (port, bind, path, is_encrypted) = match role {
        Role::JobManager | Role::StandaloneJob => (
            lookup("rest.bind-port")
                .or_else(|| lookup("rest.port"))
                .unwrap_or("8081"),
            lookup(REST.bind_address),
            "/overview",
            is_on("security.ssl.rest.enabled") || is_on("security.ssl.enabled"),
        ),
        Role::HistoryServer => (
            lookup("historyserver.web.port").unwrap_or("8082"),
            lookup("historyserver.web.address"),
            "/config",
            is_on("historyserver.web.ssl.enabled"),
        ),
        Role::TaskManager => return HealthCheck::Alive,
    };
    // Of a range nobody knows which port it became.
    let Some(port) = port.trim().parse().ok().filter(|port: &u16| *port != 0) else {
        return HealthCheck::Alive;
    };
    // What a name binds is not known without asking for it, and a supervisor asks nobody.
    let Some(bound) = local_address(bind, hosts) else {
        return HealthCheck::Alive;
    };
    let host = match bound {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        address => address,
    };
    let address = SocketAddr::new(host, port);
    if is_encrypted {
        HealthCheck::Tcp { address }
    } else {
        HealthCheck::Http {
            address,
            path: path.to_owned(),
        }
    }
}

/// The address that an option's value binds: a number, or a name that this machine's own file
/// knows, as it knows a container's.
fn local_address(value: Option<&str>, hosts: &str) -> Option<IpAddr> {
    let is_known = |name: &str| name == "localhost" || name.parse::<IpAddr>().is_ok();
    match value.filter(|name| !is_known(name)) {
        None => Some(bind_address(value)),
        Some(name) => hosts.lines().find_map(|line| {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let address = words.next()?.parse().ok()?;
            words.any(|word| word == name).then_some(address)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(role: Role, settings: &[(&str, &'static str)]) -> HealthCheck {
        let lookup = |key: &str| {
            let found = settings.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| *value)
        };
        check(
            role,
            &lookup,
            "127.0.0.1 localhost\n172.17.0.2 4f0e jm # this one\n",
        )
    }

    fn http(address: &str, path: &str) -> HealthCheck {
        HealthCheck::Http {
            address: address.parse().unwrap(),
            path: path.to_owned(),
        }
    }

    #[test]
    fn a_jobmanager_is_asked_where_it_serves() {
        assert_eq!(
            of(Role::JobManager, &[]),
            http("127.0.0.1:8081", "/overview")
        );
        let settings = [("rest.port", "9"), ("rest.bind-address", "10.0.0.1")];
        assert_eq!(
            of(Role::StandaloneJob, &settings),
            http("10.0.0.1:9", "/overview")
        );
        let encrypted = [("security.ssl.rest.enabled", "true")];
        let address = "127.0.0.1:8081".parse().unwrap();
        assert_eq!(
            of(Role::JobManager, &encrypted),
            HealthCheck::Tcp { address }
        );
    }

    #[test]
    fn a_name_that_is_bound_is_looked_up_in_this_machines_file_and_nowhere_else() {
        let named = [("rest.bind-address", "jm")];
        let expected = http("172.17.0.2:8081", "/overview");
        assert_eq!(of(Role::JobManager, &named), expected);
        for unknown in ["other", "this"] {
            let settings = [("rest.bind-address", unknown)];
            assert_eq!(of(Role::JobManager, &settings), HealthCheck::Alive);
        }
    }

    #[test]
    fn where_the_port_is_not_known_being_alive_has_to_do() {
        for value in ["0", "8081-8090", "x"] {
            let settings = [("rest.bind-port", value)];
            assert_eq!(of(Role::JobManager, &settings), HealthCheck::Alive);
        }
        assert_eq!(of(Role::TaskManager, &[]), HealthCheck::Alive);
    }
}
