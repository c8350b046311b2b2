//! The state of one cluster, as it is written down.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use flugs_model::{MemberState, ProcessIdentity, Role, WorkerId};

/// The version of the form below. A reader refuses any other.
pub const STATE_VERSION: u32 = 1;

/// Everything about an embedded cluster that outlives its processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClusterState {
    /// The form's version, [`STATE_VERSION`].
    pub version: u32,
    /// What the cluster is doing.
    pub phase: ClusterPhase,
    /// The process that runs the cluster.
    pub master: ProcessIdentity,
    /// The Flink version.
    pub flink_version: String,
    /// The Flink home that the distribution was taken from.
    pub flink_home: PathBuf,
    /// The JobManager's REST address and web page.
    pub web_url: String,
    /// How many TaskManagers are wanted.
    pub task_managers: usize,
    /// The highest number given to a TaskManager; never given twice.
    pub last_number: u64,
    /// The members, written before anything is started for them.
    pub members: Vec<MemberRecord>,
    /// The cluster's name with the container engine, if its members are containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<String>,
    /// Where the application master answers, if the workers are tasks of Mesos.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_master: Option<ApplicationMaster>,
    /// Where the scheduler remembers the tasks of Mesos, if not in this directory, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks_recorded_in: Option<String>,
    /// The framework that the Mesos master has removed while tasks of it were recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework_removed: Option<String>,
    /// What the next start of this cluster is to be given so that Flink resumes the jobs that have
    /// not ended, if it keeps them: `high-availability.cluster-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes_under: Option<String>,
}

/// Where an application master answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ApplicationMaster {
    /// Its HTTP interface.
    pub url: String,
    /// The file with the token that it wants to see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

/// What a cluster is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterPhase {
    /// Another application master leads the cluster; this one would take over.
    Standby,
    /// Not all that is wanted serves yet.
    Starting,
    /// All that is wanted serves.
    Ready,
    /// It is being stopped.
    Stopping,
    /// Nothing of it runs.
    Stopped,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MemberRecord {
    /// Its name; also Flink's `taskmanager.resource-id`.
    pub id: WorkerId,
    /// What it is.
    pub role: Role,
    /// How far it got.
    pub state: MemberState,
    /// Its launcher's process, once started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessIdentity>,
    /// Its directory.
    pub sandbox: PathBuf,
    /// Slots it offers, once registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
}
