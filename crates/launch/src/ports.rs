//! The ports that a configuration asks for: reads Flink's port options and finds out, before a
//! JVM is started, whether they can be had.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;

use flugs_flink_conf as conf;
use flugs_model::Role;

/// Ports as Flink's options write them (`NetUtils.getPortRangeFromString`): `8081`,
/// `8081-8090`, or several of either with commas between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRange(Vec<RangeInclusive<u16>>);

/// Why a port option cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The value is not a port range.
    #[error(
        "{key} is \"{value}\": expected a port, a range like 50100-50200, or several with commas between"
    )]
    Malformed {
        /// The option.
        key: String,
        /// Its value.
        value: String,
    },
    /// Every port the option allows is taken.
    #[error(
        "port {value} of {address}, asked for by {key}, is already in use: free it, or set {key} to another port (0 takes any free one)"
    )]
    InUse {
        /// The option.
        key: String,
        /// Its value.
        value: String,
        /// The address that was to be bound.
        address: IpAddr,
    },
    /// Fewer ports than processes that need one each.
    #[error(
        "{key} is \"{value}\": {free} of these ports can be had at {address}, and {wanted} {role} processes on one machine need one each: free some, name more (a range like 50100-50200), or leave the choice to Flink with 0"
    )]
    TooFew {
        /// The option.
        key: String,
        /// Its value.
        value: String,
        /// The address that was to be bound.
        address: IpAddr,
        /// How many can be bound now.
        free: usize,
        /// How many are needed.
        wanted: usize,
        /// Of what.
        role: Role,
    },
    /// The address is not one of this machine's, or binding it is forbidden.
    #[error("port {value} of {address}, asked for by {key}, cannot be bound: {reason}")]
    NotBindable {
        /// The option.
        key: String,
        /// Its value.
        value: String,
        /// The address that was to be bound.
        address: IpAddr,
        /// What the kernel said.
        reason: String,
    },
}

/// One option that asks for ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortOption {
    /// The options that name the port, the first that is set counts.
    pub keys: &'static [&'static str],
    /// The option that names the address to bind.
    pub bind_address: &'static str,
    /// What Flink binds when none is set, if that is one fixed port.
    pub default: Option<&'static str>,
}

/// `jobmanager.rpc.port` (JobManagerOptions).
const JOB_MANAGER_RPC: PortOption = PortOption {
    keys: &["jobmanager.rpc.bind-port", "jobmanager.rpc.port"],
    bind_address: "jobmanager.bind-host",
    default: Some("6123"),
};
/// `high-availability.jobmanager.port` (`HighAvailabilityOptions`), which a JobManager that is highly
/// available binds instead: whoever wants it asks for the leader.
const LEADER_RPC: PortOption = PortOption {
    keys: &[
        "jobmanager.rpc.bind-port",
        "high-availability.jobmanager.port",
    ],
    bind_address: "jobmanager.bind-host",
    default: None,
};
/// `rest.port` and `rest.bind-port` (RestOptions).
pub const REST: PortOption = PortOption {
    keys: &["rest.bind-port", "rest.port"],
    bind_address: "rest.bind-address",
    default: Some("8081"),
};
/// `blob.server.port` (BlobServerOptions).
pub const BLOB_SERVER: PortOption = PortOption {
    keys: &["blob.server.port"],
    bind_address: "jobmanager.bind-host",
    default: None,
};
/// `taskmanager.rpc.port` (TaskManagerOptions).
const TASK_MANAGER_RPC: PortOption = PortOption {
    keys: &["taskmanager.rpc.bind-port", "taskmanager.rpc.port"],
    bind_address: "taskmanager.bind-host",
    default: None,
};
/// `taskmanager.data.port` (NettyShuffleEnvironmentOptions).
const TASK_MANAGER_DATA: PortOption = PortOption {
    keys: &["taskmanager.data.bind-port", "taskmanager.data.port"],
    bind_address: "taskmanager.bind-host",
    default: None,
};
/// `historyserver.web.port` (HistoryServerOptions).
const HISTORY_SERVER: PortOption = PortOption {
    keys: &["historyserver.web.port"],
    bind_address: "historyserver.web.address",
    default: Some("8082"),
};

/// The option by which a JobManager of this configuration asks for the port that workers speak to.
pub fn job_manager_rpc<'a>(lookup: &dyn Fn(&str) -> Option<&'a str>) -> PortOption {
    if conf::is_highly_available(lookup) {
        LEADER_RPC
    } else {
        JOB_MANAGER_RPC
    }
}

/// The options by which a role asks for ports.
fn options_of<'a>(role: Role, lookup: &dyn Fn(&str) -> Option<&'a str>) -> Vec<PortOption> {
    match role {
        Role::JobManager | Role::StandaloneJob => {
            vec![job_manager_rpc(lookup), REST, BLOB_SERVER]
        }
        Role::TaskManager => vec![TASK_MANAGER_RPC, TASK_MANAGER_DATA],
        Role::HistoryServer => vec![HISTORY_SERVER],
    }
}

/// Checks that every port a role will bind can be had, those that Flink takes by default
/// included. `lookup` gives configured values.
pub fn check<'a>(role: Role, lookup: &dyn Fn(&str) -> Option<&'a str>) -> Result<(), PortError> {
    options_of(role, lookup).iter().try_for_each(|option| {
        let set = option.keys.iter().any(|key| lookup(key).is_some());
        let default_key = option.keys.last().copied();
        let with_default = |key: &str| match lookup(key) {
            None if !set && default_key == Some(key) => option.default,
            value => value,
        };
        option.pick(&with_default).map(drop)
    })
}

/// Every port option of a role whose value is no port range, whether its ports could be had or not.
pub fn malformed<'a>(role: Role, lookup: &dyn Fn(&str) -> Option<&'a str>) -> Vec<PortError> {
    let options = options_of(role, lookup);
    options
        .iter()
        .filter_map(|option| option.range(lookup)?.err())
        .collect()
}

/// Checks that so many processes of a role find a port each on one machine. `lookup` gives
/// configured values; what is not set or 0 is left to Flink.
pub fn check_for_each<'a>(
    role: Role,
    wanted: usize,
    lookup: &dyn Fn(&str) -> Option<&'a str>,
) -> Result<(), PortError> {
    options_of(role, lookup)
        .iter()
        .try_for_each(|option| option.check_for_each(role, wanted, lookup))
}

impl PortOption {
    fn check_for_each<'a>(
        &self,
        role: Role,
        wanted: usize,
        lookup: &dyn Fn(&str) -> Option<&'a str>,
    ) -> Result<(), PortError> {
        // One that is taken, wrong or cannot be bound is told as itself.
        self.pick(lookup)?;
        let (Some((key, value)), Some(range)) = (self.set(lookup), self.range(lookup)) else {
            return Ok(());
        };
        let address = bind_address(lookup(self.bind_address));
        let free = range?.free(address, wanted);
        if free >= wanted {
            return Ok(());
        }
        Err(PortError::TooFew {
            key: key.to_owned(),
            value: value.to_owned(),
            address,
            free,
            wanted,
            role,
        })
    }

    /// The key that is set, and its value.
    fn set<'a>(&self, lookup: &dyn Fn(&str) -> Option<&'a str>) -> Option<(&'static str, &'a str)> {
        let mut keys = self.keys.iter();
        keys.find_map(|key| lookup(key).map(|value| (*key, value)))
    }

    /// The ports that the option allows, if it is set.
    fn range<'a>(
        &self,
        lookup: &dyn Fn(&str) -> Option<&'a str>,
    ) -> Option<Result<PortRange, PortError>> {
        let (key, value) = self.set(lookup)?;
        Some(PortRange::parse(value).ok_or_else(|| PortError::Malformed {
            key: key.to_owned(),
            value: value.to_owned(),
        }))
    }

    /// A port that the option allows and that is free now, or `None` if the option is not set or
    /// leaves the choice to Flink (0).
    pub fn pick<'a>(
        &self,
        lookup: &dyn Fn(&str) -> Option<&'a str>,
    ) -> Result<Option<u16>, PortError> {
        let (Some((key, value)), Some(range)) = (self.set(lookup), self.range(lookup)) else {
            return Ok(None);
        };
        let address = bind_address(lookup(self.bind_address));
        range?
            .first_free(address)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::AddrInUse => PortError::InUse {
                    key: key.to_owned(),
                    value: value.to_owned(),
                    address,
                },
                _ => PortError::NotBindable {
                    key: key.to_owned(),
                    value: value.to_owned(),
                    address,
                    reason: error.to_string(),
                },
            })
    }
}

impl PortRange {
    /// Reads an option's value.
    pub fn parse(text: &str) -> Option<Self> {
        let range = |part: &str| {
            let part = part.trim();
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some(first..=last)
        };
        text.split(',')
            .map(range)
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }

    /// How many ports can be bound now, counted up to `wanted`.
    fn free(&self, address: IpAddr, wanted: usize) -> usize {
        let ports: BTreeSet<u16> = self.0.iter().cloned().flatten().collect();
        if ports.contains(&0) {
            return wanted;
        }
        let free = |port: &u16| TcpListener::bind(SocketAddr::new(address, *port)).is_ok();
        ports.into_iter().filter(free).take(wanted).count()
    }

    /// The first port that can be bound now; `None` if the range holds 0, which always can.
    fn first_free(&self, address: IpAddr) -> std::io::Result<Option<u16>> {
        let mut refusal = std::io::Error::from(std::io::ErrorKind::AddrInUse);
        for port in self.0.iter().cloned().flatten() {
            if port == 0 {
                return Ok(None);
            }
            match TcpListener::bind(SocketAddr::new(address, port)) {
                Ok(_) => return Ok(Some(port)),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }
}

/// A port of `address` that is free now.
pub fn free_port(address: IpAddr) -> std::io::Result<u16> {
    Ok(TcpListener::bind(SocketAddr::new(address, 0))?
        .local_addr()?
        .port())
}

/// The address that an option's value binds. A host name is not resolved: binding every address
/// is the stricter test.
pub fn bind_address(value: Option<&str>) -> IpAddr {
    match value {
        Some("localhost") => Ipv4Addr::LOCALHOST.into(),
        Some(text) => text.parse().unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
        None => Ipv4Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_options_read_as_flink_reads_them() {
        assert_eq!(PortRange::parse("8081"), Some(PortRange(vec![8081..=8081])));
        let several = PortRange(vec![1..=2, 7..=7]);
        assert_eq!(PortRange::parse(" 1-2, 7"), Some(several));
        for text in ["", "x", "70000", "2-1", "1,,2", "-1"] {
            assert_eq!(PortRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn processes_on_one_machine_need_a_port_each() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let first = taken.local_addr().unwrap().port();
        let check = |value: &str, wanted| {
            let lookup = |key: &str| match key {
                "taskmanager.rpc.port" => Some(value),
                "taskmanager.bind-host" => Some("127.0.0.1"),
                _ => None,
            };
            check_for_each(Role::TaskManager, wanted, &lookup)
        };
        assert_eq!(check("0", 3), Ok(()));
        let free = free_port(Ipv4Addr::LOCALHOST.into()).unwrap().to_string();
        assert_eq!(check(&free, 1), Ok(()));
        let refused = check(&format!("{free},{free},{first}"), 2).unwrap_err();
        let expected = format!(
            "taskmanager.rpc.port is \"{free},{free},{first}\": 1 of these ports can be had at \
             127.0.0.1, and 2 taskmanager processes on one machine need one each: free some, name \
             more (a range like 50100-50200), or leave the choice to Flink with 0"
        );
        assert_eq!(refused.to_string(), expected);
        let taken = check(&first.to_string(), 2).unwrap_err();
        assert!(matches!(taken, PortError::InUse { .. }), "{taken}");
    }

    #[test]
    fn a_port_in_use_names_the_key_that_asked_for_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let lookup = |key: &str| match key {
            "rest.port" => Some(port.as_str()),
            "rest.bind-address" => Some("localhost"),
            // Whatever this machine has at Flink's own.
            "jobmanager.rpc.port" => Some("0"),
            _ => None,
        };
        let error = check(Role::JobManager, &lookup).unwrap_err();
        assert!(
            matches!(&error, PortError::InUse { key, .. } if key == "rest.port"),
            "{error}"
        );
        assert_eq!(check(Role::TaskManager, &lookup), Ok(()));
    }

    #[test]
    fn a_highly_available_jobmanager_is_spoken_to_at_another_port() {
        let zookeeper = |key: &str| (key == "high-availability").then_some("zookeeper");
        assert_eq!(job_manager_rpc(&|_| None), JOB_MANAGER_RPC);
        assert_eq!(job_manager_rpc(&zookeeper), LEADER_RPC);
        assert_eq!(LEADER_RPC.pick(&zookeeper), Ok(None), "Flink takes any");
    }

    #[test]
    fn a_range_is_usable_while_one_of_its_ports_is_free() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let free = free_port(Ipv4Addr::LOCALHOST.into()).unwrap();
        let range = format!("{},{free}", taken.local_addr().unwrap().port());
        let lookup = |key: &str| match key {
            "rest.bind-port" => Some(range.as_str()),
            "rest.bind-address" => Some("127.0.0.1"),
            _ => None,
        };
        assert_eq!(REST.pick(&lookup), Ok(Some(free)));
    }
}
