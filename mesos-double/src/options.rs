//! What a double is started with.

use crate::clock::Time;
use crate::faults::Faults;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A double: its masters, its agents and its time.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address that masters listen on and are known by.
    pub host: String,
    /// One master for each port; 0 takes a free one. The first is the leader.
    pub ports: Vec<u16>,
    /// In the order in which they register.
    pub agents: Vec<AgentOptions>,
    /// Whose time goes on.
    pub time: Time,
    /// Where sandboxes are made. Unset: a directory below the system's temporary one.
    pub work_dir: Option<PathBuf>,
    /// Principals and their secrets; empty: nobody is asked.
    pub credentials: BTreeMap<String, String>,
    /// `--zk`: `zk://host:port,…/path` where masters stand for election, the leader first.
    pub zookeeper: Option<String>,
    /// `--roles`: the only roles that may subscribe; unset: all.
    pub roles: Option<Vec<String>>,
    /// `--allocation_interval`.
    pub allocation_interval: Duration,
    /// Between two HEARTBEATs, as SUBSCRIBED tells it.
    pub heartbeat_interval: Duration,
    /// `--agent_ping_timeout` times `--max_agent_ping_timeouts`: silence that makes an agent unreachable.
    pub agent_timeout: Duration,
    /// `--agent_reregister_timeout` after a master's failover.
    pub agent_reregister_timeout: Duration,
    /// How long agents take to find a new leader.
    pub agent_reregister_delay: Duration,
    /// `--offer_timeout`; unset: an offer stands for ever.
    pub offer_timeout: Option<Duration>,
    /// The version that `/version` and `master_info` tell. Older ones behave as such: no
    /// `master_info` before 1.1, no TASK_STARTING and no TASK_GONE in a reconciliation before 1.5,
    /// `\/` in JSON before 1.7.
    pub version: String,
    /// What goes wrong from the start.
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            ports: vec![0],
            agents: vec![AgentOptions::default()],
            time: Time::Real,
            work_dir: None,
            credentials: BTreeMap::new(),
            zookeeper: None,
            roles: None,
            allocation_interval: Duration::from_secs(1),
            heartbeat_interval: Duration::from_secs(15),
            agent_timeout: Duration::from_secs(75),
            agent_reregister_timeout: Duration::from_secs(600),
            agent_reregister_delay: Duration::from_millis(300),
            offer_timeout: None,
            version: "1.12.0".to_owned(),
            faults: Faults::default(),
        }
    }
}

impl Options {
    /// Whether the version is older than this one.
    pub(crate) fn is_before(&self, major: u32, minor: u32) -> bool {
        let mut parts = self
            .version
            .split('.')
            .map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < (major, minor)
    }
}

/// How tasks of an agent are run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Executors {
    /// As processes and as containers of the local Docker engine.
    #[default]
    Real,
    /// Not at all: a task is STARTING and RUNNING at once, and ends when it is killed or told to.
    Pretended,
}

/// One agent.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// `--hostname`, told in offers.
    pub hostname: String,
    /// `--ip`; unset: the masters' host.
    pub address: Option<String>,
    /// The network namespace, by its name, that tasks of the Mesos containerizer are in. The fetcher
    /// and health checks stay on the host.
    pub network_namespace: Option<String>,
    /// `--resources`.
    pub resources: String,
    /// `--attributes`: `rack:r1;cores:8;slots:[1-4]`.
    pub attributes: String,
    /// `--domain`: region and zone.
    pub domain: Option<(String, String)>,
    /// What becomes of its tasks.
    pub executors: Executors,
    /// The memory limit of the Mesos containerizer by a cgroup (v1), where the machine has one.
    pub limit_memory: bool,
    /// `--executor_registration_timeout`: fetching and pulling included.
    pub executor_registration_timeout: Duration,
    /// The authorities (PEM) that the fetcher checks servers by, in place of the machine's: as if the
    /// host's own store held these.
    pub fetcher_authorities: Option<PathBuf>,
    /// `--docker_registry` as a directory of `<name>:<tag>.tar`, for images of the Mesos containerizer.
    pub image_directory: PathBuf,
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self {
            hostname: "127.0.0.1".to_owned(),
            address: None,
            network_namespace: None,
            resources: "ports:[31000-31500];cpus:4;mem:4096;disk:10000".to_owned(),
            attributes: String::new(),
            domain: None,
            executors: Executors::Real,
            limit_memory: false,
            executor_registration_timeout: Duration::from_secs(60),
            fetcher_authorities: None,
            image_directory: PathBuf::from("/var/lib/mesos/images"),
        }
    }
}
