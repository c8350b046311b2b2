//! What a worker's task is: the `TaskInfo` that Mesos is given, and the launch manifest behind it.
//!
//! Owns both as data: the same terms and the same launch give the same documents. Never opens a
//! file or a connection; what has to be served is put into an [`Outbox`].
//!
//! # How a task comes by what it may have
//!
//! A `TaskInfo` is no place for a secret: the master shows parts of it to everybody, the agent
//! shows the rest, the fetcher writes its URIs into the sandbox, and Docker's command line is in
//! the host's process list. So the cluster's token never leaves the application master. Instead:
//!
//! - The agent's own fetcher, which every containerizer of every release since 1.0 has, brings two
//!   files into the sandbox: flugs, and the launch manifest of this one task.
//! - Their URLs hold capabilities ([`flugs_artifact::Token::capability`]), each for one object.
//!   The manifest's URL is in the command, which the master does not show, but which an agent
//!   shows to those who may see its state, and the sandbox to those who may read it. These can
//!   read the manifest in the sandbox as well, so the URL gives them nothing that they have not;
//!   and the application master withdraws the manifest once the task runs, so that the URL is
//!   worth nothing to whoever finds it in a log.
//! - The manifest names every artifact by a capability of its own. A worker can therefore have
//!   what it was given, and nothing else: not another task's manifest, not what is added later.
//! - The manifest names, too, where the launcher hands its exit report in: by a capability for this
//!   one task's, so that nobody speaks for another's.
//! - `flugs launch` is told the manifest's file and its digest. No token, no URL and no setting is
//!   in an argument or a variable.
//!
//! Secrets of Mesos would do for the Mesos containerizer from 1.2 on, but Docker's makes them empty,
//! and a secret given by value is in the agent's checkpoints. They are used for what a person
//! keeps there (`flugs.mesos.tasks.secrets.*`).

mod command;
mod docker;
mod manifest;
mod mesos;
mod outbox;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flugs_artifact::Token;
use flugs_artifact::server::ObjectUrls;
use flugs_base::{RelativePath, Sha256Digest};
use flugs_flink_conf::Configuration;
use flugs_flink_conf::options::OptionTable;
use flugs_mesos::scheduler::{Describe, Launch};
use flugs_mesos::wire::{
    CommandInfo, DiscoveryInfo, DiscoveryPort, DiscoveryPorts, Environment, HealthCheck,
    HealthCheckType, KillPolicy, Label, Labels, Nanoseconds, TaskInfo, Uri, Variable,
};
use flugs_model::{Artifact, LaunchManifest};

use super::options::{ContainerizerOption, MesosOptions, ShipFlink};

pub use outbox::{Outbox, TaskDocument};

/// The name of the manifest in the sandbox.
const MANIFEST: &str = "launch-manifest.json";
/// The name of flugs in the sandbox.
const BINARY: &str = "flugs";
/// The name of the socket in the sandbox on which the launcher says how the worker is.
const STATUS: &str = "flugs.sock";

/// What the tasks of a cluster have in common.
#[derive(Debug, Clone)]
pub struct TaskTerms {
    /// What the configuration says.
    pub options: MesosOptions,
    /// Names the objects of the artifact server.
    pub urls: ObjectUrls,
    /// The artifact server's token.
    pub token: Token,
    /// Where the Java runtime is in the sandbox, if one travels ([`JAVA`]).
    pub java_home: Option<RelativePath>,
    /// A worker's configuration, as it is on the application master.
    pub configuration: Configuration,
    /// The options of its Flink.
    pub table: &'static OptionTable,
    /// What the overlays set: a shipped file's place in the sandbox has to win over the place
    /// that the user named.
    pub overlay_properties: BTreeMap<String, String>,
    /// Variables that the overlays set.
    pub environment: BTreeMap<String, String>,
    /// Where workers find the JobManager.
    pub job_manager: JobManagerAddress,
}

/// Where workers find the JobManager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobManagerAddress {
    /// The name of its host.
    pub host: String,
    /// Its RPC port.
    pub rpc_port: u16,
    /// Its REST port.
    pub rest_port: u16,
}

/// Where a Java runtime that travels goes, below the sandbox.
pub const JAVA: &str = "java";

/// Whether tasks need the files of Flink.
pub fn ships_flink(options: &MesosOptions) -> bool {
    options.tasks.ship_flink == ShipFlink::Always
}

/// Describes tasks. Cheap enough to be asked for thousands at once.
#[derive(Debug)]
pub struct TaskDescriber {
    terms: TaskTerms,
    /// The flugs that tasks run.
    program: Sha256Digest,
    /// What the manifests of all tasks have in common.
    common: LaunchManifest,
    place: Place,
    outbox: Outbox,
}

/// Where things are for the process of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// The sandbox; absent: the working directory, and nothing is known of its path.
    sandbox: Option<PathBuf>,
    /// flugs.
    binary: PathBuf,
}

impl Place {
    fn of(options: &MesosOptions) -> Self {
        let tasks = &options.tasks;
        let sandbox = tasks
            .container
            .image
            .as_ref()
            .map(|_| tasks.sandbox.clone());
        let fetched = match &sandbox {
            Some(sandbox) => sandbox.join(BINARY),
            // With its directory, or it would be looked for on the path.
            None => Path::new(".").join(BINARY),
        };
        Self {
            binary: tasks.binary.clone().unwrap_or(fetched),
            sandbox,
        }
    }

    /// A file of the sandbox.
    fn file(&self, name: &str) -> String {
        match &self.sandbox {
            Some(sandbox) => sandbox.join(name).display().to_string(),
            None => name.to_owned(),
        }
    }
}

impl TaskDescriber {
    /// A describer, and the outbox into which it puts what has to be served before a task is
    /// launched. In the artifact store are `program`, the flugs that tasks run, and `artifacts`,
    /// the files of every overlay that a worker needs: those of Flink itself are among them only
    /// if [`ships_flink`].
    pub fn new(
        terms: TaskTerms,
        program: Sha256Digest,
        mut artifacts: Vec<Artifact>,
    ) -> (Self, Outbox) {
        for artifact in &mut artifacts {
            artifact.urls = vec![terms.urls.granting(&artifact.sha256, &terms.token)];
        }
        let outbox = Outbox::default();
        let describer = Self {
            common: manifest::common(&terms, artifacts),
            program,
            place: Place::of(&terms.options),
            terms,
            outbox: outbox.clone(),
        };
        (describer, outbox)
    }

    /// What the launcher is told.
    fn arguments(&self, digest: &Sha256Digest) -> Vec<String> {
        let tasks = &self.terms.options.tasks;
        let mut words = vec!["launch".to_owned(), "taskmanager".to_owned()];
        let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
        option("--manifest", self.place.file(MANIFEST));
        option("--sha256", digest.to_string());
        if tasks.ship_flink == ShipFlink::Never {
            option("--flink-home", tasks.flink_home.display().to_string());
        }
        if let Some(cache) = &tasks.cache {
            option("--cache", cache.display().to_string());
        }
        if tasks.health_check {
            option("--status", self.place.file(STATUS));
        }
        if let Some(user) = docker::becomes(tasks) {
            option("--user", user.to_owned());
        }
        words
    }

    /// What the agent fetches into the sandbox.
    fn uris(&self, digest: &Sha256Digest) -> Vec<Uri> {
        let terms = &self.terms;
        let own = |digest, name: &str| Uri {
            value: terms.urls.granting_unpinned(digest, &terms.token),
            extract: Some(false),
            output_file: Some(name.to_owned()),
            ..Uri::default()
        };
        let mut uris = Vec::new();
        if terms.options.tasks.binary.is_none() {
            uris.push(Uri {
                executable: Some(true),
                // It is the same for every task, and its URL changes when it does.
                cache: Some(true),
                ..own(&self.program, BINARY)
            });
        }
        uris.push(Uri {
            cache: Some(false),
            ..own(digest, MANIFEST)
        });
        uris.extend(docker::pull_config(&terms.options.tasks));
        let further = terms.options.tasks.uris.iter();
        // Flink's integration left it to Mesos: archives are extracted, nothing is cached.
        uris.extend(further.map(|value| Uri {
            value: value.clone(),
            ..Uri::default()
        }));
        uris
    }

    fn environment(&self, launch: &Launch<'_>) -> Environment {
        let variable = |name: &str, value: String| Variable {
            name: name.to_owned(),
            value: Some(value),
            ..Variable::default()
        };
        let mut variables = vec![
            // As Flink's integration named them (LaunchableMesosWorker).
            variable("TASK_NAME", launch.task.value.clone()),
            variable("FRAMEWORK_NAME", self.terms.options.framework.name.clone()),
            // As Marathon does, since neither containerizer says it.
            variable("TASK_ID", launch.task.value.clone()),
            variable("HOST", launch.hostname.to_owned()),
        ];
        let numbers: Vec<String> = launch
            .ports
            .iter()
            .map(|(_, port)| port.to_string())
            .collect();
        if !numbers.is_empty() {
            variables.push(variable("PORTS", numbers.join(",")));
        }
        let named = numbers.into_iter().enumerate();
        variables.extend(named.map(|(index, port)| variable(&format!("PORT{index}"), port)));
        variables.extend(mesos::secret_variables(&self.terms.options.tasks));
        Environment { variables }
    }

    fn labels(&self, launch: &Launch<'_>) -> Labels {
        let own = [
            Label::new("flugs.worker", launch.worker.as_str()),
            Label::new("flugs.profile", launch.profile),
        ];
        let further = self.terms.options.tasks.labels.iter();
        let further = further.map(|(key, value)| Label::new(key, value));
        Labels {
            labels: own.into_iter().chain(further).collect(),
        }
    }

    fn discovery(&self, launch: &Launch<'_>) -> DiscoveryInfo {
        let options = &self.terms.options.tasks.discovery;
        let port = |(name, number): &(String, u16)| DiscoveryPort {
            number: u32::from(*number),
            name: Some(name.clone()),
            protocol: Some("tcp".to_owned()),
            ..DiscoveryPort::default()
        };
        let ports: Vec<DiscoveryPort> = launch.ports.iter().map(port).collect();
        DiscoveryInfo {
            visibility: options.visibility.clone(),
            name: Some(options.name.clone()),
            ports: (!ports.is_empty()).then_some(DiscoveryPorts { ports }),
            ..DiscoveryInfo::default()
        }
    }

    /// The launcher is asked how its worker is. What does not answer is killed: a launcher that
    /// hangs would neither stop its worker nor say that it ended.
    fn health_check(&self) -> Option<HealthCheck> {
        let options = &self.terms.options;
        if !options.tasks.health_check {
            return None;
        }
        let status = self.place.file(STATUS);
        let words = ["health", "--status", &status].map(str::to_owned);
        let command = match options.tasks.container.containerizer {
            ContainerizerOption::Docker => docker::health_command(&self.place, words),
            ContainerizerOption::Mesos => mesos::command(&self.place, words.into()),
        };
        Some(HealthCheck {
            kind: Some(HealthCheckType::Command),
            command: Some(command),
            delay_seconds: Some(5.0),
            interval_seconds: Some(10.0),
            timeout_seconds: Some(20.0),
            consecutive_failures: Some(3),
            // Nobody answers while files are fetched; who takes too long for that is replaced
            // when Flink does not know the worker in time.
            grace_period_seconds: Some(options.starts.registration_timeout.as_secs_f64() + 60.0),
            ..HealthCheck::default()
        })
    }

    fn kill_policy(&self) -> KillPolicy {
        let grace = self.terms.options.scheduling.grace.as_nanos();
        KillPolicy {
            grace_period: Some(Nanoseconds {
                nanoseconds: i64::try_from(grace).unwrap_or(i64::MAX),
            }),
        }
    }
}

impl Describe for TaskDescriber {
    fn describe(&self, launch: Launch<'_>) -> TaskInfo {
        let manifest = manifest::of_task(&self.common, &self.terms, &launch);
        let bytes = manifest.to_json();
        let digest = Sha256Digest::of(&bytes);
        let tasks = &self.terms.options.tasks;
        let command = command::command(tasks, &self.place, self.arguments(&digest));
        let command = CommandInfo {
            uris: self.uris(&digest),
            environment: Some(self.environment(&launch)),
            user: tasks.user.clone(),
            ..command
        };
        let container = match tasks.container.containerizer {
            ContainerizerOption::Docker => Some(docker::container(tasks, &self.place, &launch)),
            ContainerizerOption::Mesos => mesos::container(tasks, &launch),
        };
        self.outbox.put(TaskDocument {
            task: launch.task.clone(),
            digest,
            is_secret: manifest::holds_secret(&manifest),
            bytes,
        });
        TaskInfo {
            name: launch.task.value.clone(),
            command: Some(command),
            container,
            health_check: self.health_check(),
            kill_policy: Some(self.kill_policy()),
            labels: Some(self.labels(&launch)),
            discovery: Some(self.discovery(&launch)),
            ..TaskInfo::default()
        }
    }
}

#[cfg(test)]
mod tests;
