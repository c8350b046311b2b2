//! What a Flink configuration says about running on Mesos.
//!
//! Owns the meaning of every `mesos.*` and `flugs.mesos.*` option: its type and default are in
//! the table of [`flugs_flink_conf::options::OptionTable::own`], what it does is in `docs/mesos.md`.
//! Everything that is wrong is reported at once, each with its key. Pure: no file is opened here.

mod flink;
mod framework;
mod ports;
mod problem;
mod profiles;
mod reader;
mod scaling;
mod tasks;
pub mod text;
mod unknown;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use flugs_base::is_wildcard;
use flugs_flink::FlinkVersion;
use flugs_flink::rest::is_rest_encrypted;
use flugs_flink_conf::Configuration;
use flugs_mesos::master_address::MasterAddress;
use flugs_mesos::matching::Profile;
use flugs_mesos::scheduler::Settings;
use flugs_mesos::wire::FrameworkInfo;

pub use flink::StartOptions;
pub use framework::{FrameworkOptions, FrameworkPlace, FrameworkSecret, SecretText};
pub use ports::{NetworkMode, NetworkOptions, PortOptions};
pub use problem::{MesosOptionProblem, MesosOptionReason, MesosOptionsError};
pub use profiles::{DEFAULT_PROFILE, WorkerProfile};
pub use scaling::ScalingOptions;
pub use tasks::{
    ContainerOptions, ContainerizerOption, DiscoveryOptions, PullConfig, SecretName, ShipFlink,
    TaskOptions,
};
pub use text::VolumeOption;
pub use unknown::doubts;

use reader::Reader;

/// The options that name the artifact server's certificate chain, and its key.
pub const CERTIFICATE_FILES: [&str; 2] = [
    "flugs.mesos.artifactserver.certificate-file",
    "flugs.mesos.artifactserver.key-file",
];

/// Everything that the configuration says about running on Mesos.
#[derive(Debug, Clone, PartialEq)]
pub struct MesosOptions {
    /// Where the leading master is asked for.
    pub master: MasterAddress,
    /// Whether masters are asked over TLS.
    pub master_tls: bool,
    /// The file of the authorities (PEM) that masters' certificates are checked against; absent:
    /// the system's.
    pub master_authorities: Option<PathBuf>,
    /// What the framework tells of itself.
    pub framework: FrameworkOptions,
    /// The artifact server.
    pub artifact_server: ArtifactServerOptions,
    /// How offers and tasks are dealt with.
    pub scheduling: SchedulingOptions,
    /// What every task has in common.
    pub tasks: TaskOptions,
    /// The kinds of workers, by name; one of them is [`DEFAULT_PROFILE`].
    pub workers: BTreeMap<String, WorkerProfile>,
    /// How the number of workers is found.
    pub scaling: ScalingOptions,
    /// So many failed workers end the cluster; absent: any number may fail.
    pub maximum_failed_tasks: Option<u32>,
    /// How long a start may take, and how many may fail.
    pub starts: StartOptions,
    /// The node of ZooKeeper that the scheduler's state is kept under, below the cluster's.
    pub workers_path: String,
}

/// The artifact server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactServerOptions {
    /// Its port; 0: any.
    pub port: u16,
    /// The address it listens on.
    pub bind_address: String,
    /// The URL under which agents reach it, where that is another.
    pub advertised_url: Option<String>,
    /// Whether it speaks TLS: if it is given a certificate, or Flink's REST interface has one.
    pub tls: bool,
    /// The files (PEM) of its certificate chain and of its key; absent: those of Flink's REST
    /// interface.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Whether secrets may leave it without TLS.
    pub secrets_in_the_clear: bool,
}

/// How offers and tasks are dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchedulingOptions {
    /// How long what is declined is not offered again.
    pub refuse: Duration,
    /// How long a launch may go without an update before it is asked for.
    pub launch_timeout: Duration,
    /// How long a task has to end by itself.
    pub grace: Duration,
    /// How long an unreachable task may come back before its worker gets another one.
    pub unreachable_patience: Duration,
    /// How long before an agent's maintenance it is left.
    pub maintenance_lead: Duration,
    /// How often everything is reconciled.
    pub reconcile_interval: Duration,
}

impl MesosOptions {
    /// Puts `host`, the name under which this machine is found, in place of every wildcard address
    /// that would be told to others.
    pub fn advertise(&mut self, host: &str) {
        let urls = [
            &mut self.artifact_server.advertised_url,
            &mut self.framework.webui_url,
        ];
        for text in urls.into_iter().flatten() {
            if let Some(url) = reachable(text, host) {
                *text = url;
            }
        }
        let hosts = [&mut self.framework.hostname, &mut self.tasks.hostname];
        for one in hosts {
            one.take_if(|host| is_wildcard(host));
        }
    }

    /// Reads the options from a worker's settled configuration. `environment` gives variables.
    pub fn read(
        configuration: &Configuration,
        version: &FlinkVersion,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, MesosOptionsError> {
        let reader = Reader::new(configuration);
        let options = Self::read_all(&reader, version, environment);
        let problems = reader.into_problems();
        match options {
            Some(options) if problems.is_empty() => Ok(options),
            _ => Err(MesosOptionsError { problems }),
        }
    }

    fn read_all(
        reader: &Reader<'_>,
        version: &FlinkVersion,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let master = master(reader);
        let tasks = tasks::read(reader);
        let workers = profiles::read(reader, &tasks, version, environment);
        let scaling = scaling::read(reader, &workers, version);
        let framework = framework::read(reader, &workers);
        let maximum = reader.whole("mesos.maximum-failed-tasks", -1, "-1 (any number) or more");
        // They have no effect here, and are read so that a wrong value is told all the same.
        reader.duration("mesos.resourcemanager.unused-offer-expiration");
        reader.text("mesos.resourcemanager.tasks.taskmanager-cmd");
        flink::check_high_availability(reader);
        unknown::refuse(reader);
        let options = |master| Self {
            master,
            master_tls: reader.flag("flugs.mesos.master.tls"),
            master_authorities: reader.path("flugs.mesos.master.ca"),
            framework,
            artifact_server: artifact_server(reader),
            scheduling: scheduling(reader),
            tasks,
            workers,
            scaling,
            maximum_failed_tasks: u32::try_from(maximum).ok(),
            starts: flink::starts(reader),
            workers_path: workers_path(reader),
        };
        // Everything is read, whether there is a master or not, so that all problems are told.
        let complete = master.is_some();
        let options = options(master.unwrap_or(MasterAddress::Masters(Vec::new())));
        complete.then_some(options)
    }

    /// What the framework tells a master of itself.
    pub fn framework(&self, place: &FrameworkPlace) -> FrameworkInfo {
        framework::info(self, place)
    }

    /// What workers of each kind want of an agent.
    pub fn profiles(&self) -> BTreeMap<String, Profile> {
        let profile = |(name, worker): (&String, &WorkerProfile)| {
            let network = &self.tasks.network;
            let ports = self.tasks.ports.demand(network, &worker.properties);
            (name.clone(), worker.profile(ports))
        };
        self.workers.iter().map(profile).collect()
    }

    /// What the scheduler goes by. `seed` makes its waits differ from other schedulers'.
    pub fn scheduler_settings(&self, place: &FrameworkPlace, seed: u64) -> Settings {
        let scheduling = &self.scheduling;
        Settings {
            refuse: scheduling.refuse,
            launch_timeout: scheduling.launch_timeout,
            grace: scheduling.grace,
            unreachable_patience: scheduling.unreachable_patience,
            maintenance_lead: scheduling.maintenance_lead,
            reconcile_interval: scheduling.reconcile_interval,
            seed,
            ..Settings::new(self.framework(place), self.profiles())
        }
    }
}

fn master(reader: &Reader<'_>) -> Option<MasterAddress> {
    let key = "mesos.master";
    if reader.set(key).is_none() {
        let expected = "host:port, zk://host:port/path or file:///path";
        reader.refuse(key, MesosOptionReason::Missing { expected });
    }
    reader.parsed(key, MasterAddress::parse)
}

/// The files of the artifact server's certificate and key, of which one is nothing without the
/// other, and both are nothing to a server that is not to speak TLS.
fn certificate(reader: &Reader<'_>) -> Option<(PathBuf, PathBuf)> {
    let [certificate, key] = CERTIFICATE_FILES;
    let pair = match (reader.path(certificate), reader.path(key)) {
        (None, None) => return None,
        (Some(chain), Some(private)) => Some((chain, private)),
        (Some(_), None) => {
            reader.contradict(certificate, format!("{key} is needed as well"));
            None
        }
        (None, Some(_)) => {
            reader.contradict(key, format!("{certificate} is needed as well"));
            None
        }
    };
    let switch = "mesos.resourcemanager.artifactserver.ssl.enabled";
    if reader.flag_if_set(switch) == Some(false) {
        reader.contradict(certificate, format!("{switch} turns TLS off"));
    }
    pair
}

/// The URL with `host` for its own, if that is the wildcard address.
fn reachable(text: &str, host: &str) -> Option<String> {
    let mut url = url::Url::parse(text).ok()?;
    url.host_str().filter(|own| is_wildcard(own))?;
    let bracketed = match host.parse() {
        Ok(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        _ => host.to_owned(),
    };
    url.set_host(Some(&bracketed)).ok()?;
    // As it was written: an empty path comes from the parser.
    let whole = url.to_string();
    let ends_alike = text.ends_with('/');
    Some(match whole.strip_suffix('/') {
        Some(short) if !ends_alike => short.to_owned(),
        _ => whole,
    })
}

fn artifact_server(reader: &Reader<'_>) -> ArtifactServerOptions {
    let wanted = reader.flag("mesos.resourcemanager.artifactserver.ssl.enabled");
    let certificate = certificate(reader);
    let rest = is_rest_encrypted(&|key| reader.configuration().get(key));
    let url = "flugs.mesos.artifactserver.advertised-url";
    let advertised_url = reader.text(url);
    if let Some(text) = &advertised_url {
        let parsed = url::Url::parse(text).ok();
        let usable = parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https"));
        if !usable || text.contains(['?', '#']) {
            reader.refuse(
                url,
                MesosOptionReason::Range {
                    found: text.clone(),
                    expected: "an http or https URL without query",
                },
            );
        }
    }
    let address = "flugs.mesos.artifactserver.bind-address";
    let bind_address = reader.text(address).unwrap_or_default();
    if bind_address.parse::<std::net::IpAddr>().is_err() {
        reader.refuse(
            address,
            MesosOptionReason::Range {
                found: bind_address.clone(),
                expected: "a numeric address",
            },
        );
    }
    ArtifactServerOptions {
        port: reader.port("mesos.resourcemanager.artifactserver.port"),
        bind_address,
        advertised_url,
        tls: wanted && (rest || certificate.is_some()),
        certificate,
        secrets_in_the_clear: reader.flag("flugs.mesos.artifactserver.secrets-in-the-clear"),
    }
}

fn scheduling(reader: &Reader<'_>) -> SchedulingOptions {
    let refuse = "mesos.resourcemanager.declined-offer-refuse-duration";
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    SchedulingOptions {
        // More than a year overflowed in masters before 1.5.
        refuse: reader.duration(refuse).min(year),
        launch_timeout: reader.duration("flugs.mesos.launch-timeout"),
        grace: reader.duration("flugs.mesos.grace"),
        maintenance_lead: reader.duration("flugs.mesos.maintenance-lead"),
        unreachable_patience: reader.duration("flugs.mesos.unreachable-patience"),
        reconcile_interval: reader.duration("flugs.mesos.reconcile-interval"),
    }
}

fn workers_path(reader: &Reader<'_>) -> String {
    let key = "high-availability.zookeeper.path.mesos-workers";
    let path = reader.text(key).unwrap_or_default();
    let parts = path.trim_matches('/');
    if parts.is_empty() || parts.split('/').any(|part| matches!(part, "" | "." | "..")) {
        let expected = "a path of ZooKeeper such as /mesos-workers";
        reader.refuse(
            key,
            MesosOptionReason::Range {
                found: path.clone(),
                expected,
            },
        );
    }
    format!("/{parts}")
}

#[cfg(test)]
mod tests;
