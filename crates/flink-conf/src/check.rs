//! What is wrong with a configuration before anything starts: keys that nobody reads, values of
//! the wrong type, ports that clash, addresses that no other host can reach.

use super::beside_file::is_for_flugs_alone;
use super::configuration::{Configuration, Origin};
use super::dialect::Dialect;
use super::high_availability::is_highly_available;
use super::options::{Lookup, OptionTable};
use super::render::unrepresentable;

/// One thing that `check` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The key.
    pub key: String,
    /// Where its value comes from.
    pub origin: Origin,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with one setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No option of this Flink is called so.
    #[error("no option of Flink {line} has this name{}", hint(*.nearest))]
    UnknownKey {
        /// The release line whose options were searched.
        line: &'static str,
        /// The option that is spelled most like it.
        nearest: Option<&'static str>,
    },
    /// Flugs has no option that is called so; one that was misspelled would count as not set.
    #[error("flugs has no such option{}", hint(*.nearest))]
    NoSuchOption {
        /// The option that is spelled most like it.
        nearest: Option<&'static str>,
    },
    /// The value is not of the option's type. (It is not repeated: it may be a secret.)
    #[error("the value is not {expected}")]
    WrongType {
        /// What it should be.
        expected: String,
    },
    /// Another key of the same process has the same port.
    #[error("port {port} is also that of \"{other}\" in the same process")]
    PortClash {
        /// The port.
        port: u16,
        /// The other key.
        other: &'static str,
    },
    /// The address is only good on this machine.
    #[error("\"{address}\" is only reachable from the same machine")]
    Loopback {
        /// The address.
        address: String,
    },
    /// The file of this Flink cannot hold the setting; a launch gives it to the JVM as an argument.
    #[error(
        "{file} cannot hold it ({reason}): only what flugs launches gets it, Flink's clients do not"
    )]
    BesideFile {
        /// The file.
        file: &'static str,
        /// Why not.
        reason: &'static str,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |key| format!("; did you mean \"{key}\"?"))
}

impl Problem {
    /// Whether Flink, or the cluster, is sure to fail. The others are worth a look.
    pub const fn is_error(&self) -> bool {
        match self {
            Self::WrongType { .. } | Self::PortClash { .. } | Self::NoSuchOption { .. } => true,
            Self::UnknownKey { .. } | Self::Loopback { .. } | Self::BesideFile { .. } => false,
        }
    }
}

/// The ports that one process opens. A bind port stands in for its advertised one.
const PORTS: [&[&[&str]]; 2] = [
    &[
        &["jobmanager.rpc.bind-port", "jobmanager.rpc.port"],
        &["rest.bind-port", "rest.port"],
        &["blob.server.port"],
    ],
    &[
        &["taskmanager.rpc.bind-port", "taskmanager.rpc.port"],
        &["taskmanager.data.bind-port", "taskmanager.data.port"],
        &["taskmanager.collect-sink.port"],
    ],
];

/// The port that a JobManager binds instead of its first one where it is highly available.
const LEADER: &[&str] = &[
    "jobmanager.rpc.bind-port",
    "high-availability.jobmanager.port",
];

/// Keys whose value other hosts connect to, or that say where to listen for them.
const ADDRESSES: [&str; 7] = [
    "jobmanager.bind-host",
    "jobmanager.rpc.address",
    "rest.address",
    "rest.bind-address",
    "taskmanager.bind-host",
    "taskmanager.host",
    "historyserver.web.address",
];

/// Everything that is wrong, sorted by key.
pub fn check(
    configuration: &Configuration,
    table: &'static OptionTable,
    dialect: Dialect,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |key: &str, problem: Problem| {
        if let Some(setting) = configuration.setting(key) {
            findings.push(Finding {
                key: key.to_owned(),
                origin: setting.origin.clone(),
                problem,
            });
        }
    };
    for (key, setting) in configuration.iter() {
        if let Some(problem) = check_setting(key, &setting.value, table) {
            find(key, problem);
        }
    }
    for (key, problem) in port_clashes(configuration) {
        find(key, problem);
    }
    for key in ADDRESSES {
        if let Some(address) = configuration.get(key).filter(|value| is_loopback(value)) {
            let address = address.to_owned();
            find(key, Problem::Loopback { address });
        }
    }
    for problem in unrepresentable(configuration, dialect) {
        let (file, reason) = (dialect.file_name(), problem.reason);
        if !is_for_flugs_alone(&problem.key) {
            find(&problem.key, Problem::BesideFile { file, reason });
        }
    }
    findings.sort_by(|a, b| a.key.cmp(&b.key));
    findings
}

fn check_setting(key: &str, value: &str, table: &'static OptionTable) -> Option<Problem> {
    let all = table.with_own();
    let found = all
        .iter()
        .map(|table| (table.lookup(key), table))
        .find(|(lookup, _)| *lookup != Lookup::Unknown);
    match found {
        Some((Lookup::Current(option) | Lookup::Alias(option), table)) => {
            let (value_type, rules) = (&option.value_type, table.rules);
            let is_own = std::ptr::eq(*table, OptionTable::own());
            // White space around the value of an option of flugs counts for nothing.
            let value = if is_own { value.trim() } else { value };
            if is_own && value.is_empty() {
                return None;
            }
            (!value_type.accepts(value, rules)).then(|| Problem::WrongType {
                expected: value_type.expected(),
            })
        }
        Some(_) => None,
        None if key.starts_with("flugs.mesos.") => Some(Problem::NoSuchOption {
            nearest: OptionTable::own().nearest(key),
        }),
        None => Some(Problem::UnknownKey {
            line: table.line,
            nearest: all.iter().find_map(|table| table.nearest(key)),
        }),
    }
}

fn port_clashes(configuration: &Configuration) -> Vec<(&'static str, Problem)> {
    let port_of = |keys: &[&'static str]| -> Option<(&'static str, u16)> {
        let key = *keys.iter().find(|key| configuration.contains(key))?;
        let port = configuration.get(key)?.trim().parse().ok()?;
        (port != 0).then_some((key, port))
    };
    let mut clashes = Vec::new();
    let leads = is_highly_available(&|key| configuration.get(key));
    for process in PORTS {
        let instead = |keys: &'static [&'static str]| match keys {
            ["jobmanager.rpc.bind-port", ..] if leads => LEADER,
            keys => keys,
        };
        let options = process.iter().map(|keys| instead(keys));
        let ports: Vec<(&str, u16)> = options.filter_map(port_of).collect();
        for (index, (key, port)) in ports.iter().enumerate() {
            let earlier = ports.iter().take(index).find(|(_, other)| other == port);
            if let Some((other, _)) = earlier {
                clashes.push((*key, Problem::PortClash { port: *port, other }));
            }
        }
    }
    clashes
}

fn is_loopback(address: &str) -> bool {
    let address = address.trim();
    address.eq_ignore_ascii_case("localhost")
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Layer;

    fn findings(settings: &[(&str, &str)], line: (u32, u32)) -> String {
        let mut configuration = Configuration::new();
        for (key, value) in settings {
            configuration.set(*key, *value, Origin::of(Layer::ConfDirectory));
        }
        let table = OptionTable::for_line(line.0, line.1);
        let dialect = if line.0 == 1 {
            Dialect::Flat
        } else {
            Dialect::Nested
        };
        let findings = check(&configuration, table, dialect);
        let lines = findings.iter().map(|f| format!("{}: {}", f.key, f.problem));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_kind_of_problem_is_found_and_no_value_of_a_secret_is_shown() {
        let found = findings(
            &[
                ("taskmanager.numberOfTaskSlot", "4"),
                ("no.such.thing", "1"),
                ("flugs.mesos.grcae", "5 s"),
                ("taskmanager.numberOfTaskSlots", "four"),
                ("taskmanager.memory.process.size", "1.5g"),
                ("akka.ask.timeout", "10 s"),
                ("rest.port", "6123"),
                ("jobmanager.rpc.port", "6123"),
                ("jobmanager.rpc.address", "127.0.0.1"),
                ("s3.secret-key", "hunter#2"),
                ("metrics.reporter.prom.port", "9249"),
            ],
            (1, 13),
        );
        insta::assert_snapshot!(found, @r##"
flugs.mesos.grcae: flugs has no such option; did you mean "flugs.mesos.grace"?
jobmanager.rpc.address: "127.0.0.1" is only reachable from the same machine
no.such.thing: no option of Flink 1.13 has this name
rest.port: port 6123 is also that of "jobmanager.rpc.port" in the same process
s3.secret-key: flink-conf.yaml cannot hold it (Flink cuts the line at "#"): only what flugs launches gets it, Flink's clients do not
taskmanager.memory.process.size: the value is not a memory size such as 512m or 1728 mb
taskmanager.numberOfTaskSlot: no option of Flink 1.13 has this name; did you mean "taskmanager.numberOfTaskSlots"?
taskmanager.numberOfTaskSlots: the value is not a whole number
"##);
        assert!(!found.contains("hunter"));
    }

    #[test]
    fn a_highly_available_jobmanager_has_its_own_port_and_not_the_usual_one() {
        let ports = |mode, port| {
            findings(
                &[
                    ("high-availability.type", mode),
                    ("high-availability.jobmanager.port", "6123"),
                    ("jobmanager.rpc.port", "6123"),
                    ("rest.port", port),
                ],
                (1, 20),
            )
        };
        assert_eq!(ports("zookeeper", "8081"), "");
        assert_eq!(ports("NONE", "8081"), "");
        assert!(ports("org.example.Factory", "6123").contains("high-availability.jobmanager.port"));
    }

    #[test]
    fn the_shipped_settings_are_sound_but_for_their_loopback_addresses() {
        let found = findings(
            &[
                ("jobmanager.rpc.address", "jm"),
                ("jobmanager.rpc.port", "6123"),
                ("jobmanager.memory.process.size", "1600m"),
                ("taskmanager.bind-host", "0.0.0.0"),
                ("parallelism.default", "1"),
                ("jobmanager.execution.failover-strategy", "region"),
                ("env.java.opts.all", "-Dx=y"),
                ("rest.bind-port", "8081-8090"),
                ("cluster.registration.error-delay", "500"),
            ],
            (2, 3),
        );
        assert_eq!(found, "");
    }
}
