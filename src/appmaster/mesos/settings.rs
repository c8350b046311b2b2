//! What a person asks of an application master.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use flugs_flink_conf::ConsoleLayout;
use flugs_launch::{HostFacts, LaunchRequest};
use flugs_mesos::scheduler::Stop;
use flugs_model::{Property, Role, WorkerId};
use flugs_supervise::RestartPolicy;

use super::super::sandbox;

/// What a person asks of an application master; all else is in Flink's configuration.
#[derive(Debug, Clone)]
pub struct MesosClusterSettings {
    /// Where the application master keeps everything; absolute.
    pub directory: PathBuf,
    /// The Flink home to run.
    pub flink_home: PathBuf,
    /// A session ([`Role::JobManager`]), or one job ([`Role::StandaloneJob`]).
    pub role: Role,
    /// Arguments of the one job's entry point.
    pub arguments: Vec<String>,
    /// Flink options, in order.
    pub properties: Vec<Property>,
    /// Files that declare overlays of the user's own.
    pub overlays: Vec<PathBuf>,
    /// How long the JobManager has between the request to stop and SIGKILL.
    pub grace: Duration,
    /// When the JobManager is started again.
    pub restart: RestartPolicy,
    /// What becomes of the framework on SIGTERM.
    pub on_terminate: Stop,
    /// What becomes of it on SIGINT.
    pub on_interrupt: Stop,
    /// A framework that the master has removed may be forgotten, with all its tasks.
    pub forget_framework: bool,
    /// Where the HTTP interface listens.
    pub api: SocketAddr,
    /// The environment that the JobManager inherits.
    pub environment: BTreeMap<String, String>,
    /// The program that launches the JobManager: flugs itself.
    pub program: PathBuf,
}

impl MesosClusterSettings {
    /// The launch of a member of this role, as far as it can be settled here.
    pub(super) fn request(&self, role: Role) -> LaunchRequest {
        let worker_id = WorkerId::of(role, None);
        LaunchRequest {
            role,
            sandbox: sandbox::path(&self.directory, &worker_id),
            worker_id,
            flink_home: self.flink_home.clone(),
            manifest: None,
            properties: self.properties.clone(),
            arguments: Vec::new(),
            log_layout: ConsoleLayout::AsConfigured,
            environment: self.environment.clone(),
            host: HostFacts::gather(),
            image: None,
        }
    }

    /// A variable of the environment; an empty one counts as unset.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let value = self.environment.get(name);
        value.filter(|value| !value.is_empty()).cloned()
    }
}
