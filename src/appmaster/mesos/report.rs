//! What the application master tells of itself: the documents of its HTTP interface.
//!
//! Owns their form, which scripts read: fields are added, never taken away. Holds no secret.

use serde::{Deserialize, Serialize};

use crate::provider::mesos::failure::FailureKind;
use crate::store::{ClusterPhase, Contender};
use flugs_model::MemberState;

/// `GET /api/v1/state`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateReport {
    /// What the cluster is doing.
    pub phase: ClusterPhase,
    /// Who leads, if this application master stands by; all else is about this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<Contender>,
    /// The Flink version.
    pub flink_version: String,
    /// The JobManager's REST address and web page.
    pub web_url: String,
    /// Seconds since the application master started.
    pub seconds: u64,
    /// The contact with the Mesos master.
    pub mesos: ContactReport,
    /// ZooKeeper, once for each use of it.
    #[serde(default)]
    pub zookeeper: Vec<ZooKeeperReport>,
    /// The JobManager.
    pub job_manager: JobManagerReport,
    /// How many workers are wanted.
    pub wanted: usize,
    /// How many are registered with the JobManager.
    pub registered: usize,
    /// How many workers jobs want; absent if their number is fixed.
    #[serde(default)]
    pub demand: Option<DemandReport>,
    /// The workers, those on their way out included.
    pub workers: Vec<WorkerReport>,
    /// How workers have failed.
    pub failures: FailuresReport,
    /// The agents that go into maintenance, as far as that concerns this cluster.
    #[serde(default)]
    pub maintenance: Vec<MaintenanceReport>,
}

/// `GET /healthz` and `GET /readyz`, as every supervisor of flugs answers them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthReport {
    /// What answers.
    pub name: String,
    /// It runs.
    pub healthy: bool,
    /// Its JobManager serves, or it stands by for another one.
    pub ready: bool,
    /// Why it is not ready.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub complaint: String,
}

impl HealthReport {
    /// An application master that runs, and what keeps it from being ready.
    pub(super) fn of(complaint: Option<&str>) -> Self {
        Self {
            name: "appmaster".to_owned(),
            healthy: true,
            ready: complaint.is_none(),
            complaint: complaint.unwrap_or_default().to_owned(),
        }
    }
}

/// The contact with the Mesos master.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactReport {
    /// How far it is.
    pub phase: ContactPhaseReport,
    /// For how many seconds.
    pub seconds: u64,
    /// The framework's id, once it has one.
    pub framework: Option<String>,
    /// Why there is no contact.
    pub reason: Option<String>,
    /// How many offers came since the framework subscribed.
    pub offers: u64,
    /// How many seconds ago the last of them came.
    pub last_offer_seconds: Option<u64>,
}

/// How far the contact with the Mesos master is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContactPhaseReport {
    /// It is being made.
    Connecting,
    /// The master has accepted the framework.
    Subscribed,
    /// It was lost, or could not be made; it is tried again.
    Disconnected,
}

/// What ZooKeeper is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZooKeeperPurpose {
    /// The framework's id and its tasks are kept there, and application masters elect their leader.
    State,
    /// The leading Mesos master is found there.
    MasterDetection,
}

impl ZooKeeperPurpose {
    /// Its name in documents and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::MasterDetection => "master-detection",
        }
    }
}

/// The contact with ZooKeeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZooKeeperReport {
    /// What for.
    pub purpose: ZooKeeperPurpose,
    /// Its servers and the node.
    pub place: String,
    /// Whether a session with it is connected.
    pub reachable: bool,
    /// For how many seconds that has been so.
    pub seconds: u64,
    /// Why it cannot be reached.
    pub reason: Option<String>,
    /// What goes on without it, and what does not.
    pub meanwhile: Option<String>,
}

/// The JobManager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobManagerReport {
    /// How far it is; absent while it is not running.
    pub state: Option<MemberState>,
    /// Its launcher's process.
    pub pid: Option<i32>,
    /// How often it has ended by itself.
    pub failures: usize,
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerReport {
    /// Its name.
    pub id: String,
    /// Its profile; absent for one that is on its way out.
    pub profile: Option<String>,
    /// How far it is.
    pub state: MemberState,
    /// For how many seconds it has waited, or has had its task.
    pub seconds: Option<u64>,
    /// Its task; also the resource id that Flink knows it by.
    pub task: Option<String>,
    /// The task's state, as the master told it last.
    pub task_state: Option<String>,
    /// Its agent.
    pub agent: Option<String>,
    /// The agent's host name.
    pub hostname: Option<String>,
    /// Its ports, by what they are for.
    pub ports: Vec<(String, u16)>,
    /// Its slots, once it is registered.
    pub slots: Option<u32>,
}

/// How many workers jobs want, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemandReport {
    /// The slots that jobs want together.
    pub required_slots: u32,
    /// The slots with which all of them can run.
    pub least_slots: u32,
    /// The slots that are taken.
    pub used_slots: u32,
    /// The profile whose workers come and go.
    pub profile: String,
    /// The slots of each of its workers.
    pub slots_per_worker: u32,
    /// How many of its workers are wanted.
    pub workers: usize,
    /// How many are kept whatever jobs want.
    pub minimum: usize,
    /// How many are kept beyond what jobs want.
    pub redundant: usize,
    /// What stands in the way of more.
    pub limit: Option<SlotLimitReport>,
    /// Some job's needs are not known at the moment: nobody goes until they are.
    pub held: bool,
    /// The jobs that have not ended.
    pub jobs: Vec<JobDemandReport>,
}

/// A limit that is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotLimitReport {
    /// The option that sets it.
    pub option: String,
    /// How many slots it allows.
    pub slots: u32,
    /// How many workers of the profile there would be without it.
    pub workers_without: usize,
}

/// What one job needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobDemandReport {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How far it is, as Flink writes it.
    pub state: String,
    /// How many slots it wants.
    pub slots: u32,
    /// With how many it can run.
    pub least: u32,
    /// Whether that is all there is to say; if not, it may want more in a moment.
    pub known: bool,
}

/// How workers have failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailuresReport {
    /// How many have ended without being asked to.
    pub total: usize,
    /// How many may, if that is limited.
    pub allowed: Option<usize>,
    /// The last ones, newest first.
    pub recent: Vec<RecentFailure>,
    /// The last workers that did not fail but were ended by those who run the agents, newest first.
    #[serde(default)]
    pub planned: Vec<RecentFailure>,
}

/// One failed worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecentFailure {
    /// How many seconds ago.
    pub seconds_ago: u64,
    /// The worker.
    pub worker: String,
    /// Its task.
    pub task: String,
    /// The agent's host name.
    pub hostname: String,
    /// The agent.
    #[serde(default)]
    pub agent: String,
    /// What ended it.
    pub kind: FailureKind,
    /// In words.
    pub text: String,
}

impl RecentFailure {
    /// The same for two ends that are alike, whatever their tasks, machines and numbers are.
    pub(super) fn likeness(&self) -> (FailureKind, String) {
        let mut text = String::new();
        for word in self.text.split_inclusive(' ') {
            let name = word.trim_matches(|c: char| !c.is_alphanumeric());
            if name == self.task || name == self.worker || name == self.hostname {
                text.push('#');
            } else if name.starts_with(|c: char| c.is_ascii_digit()) {
                // Times, sizes and process ids. What a process exited with is another matter.
                let is_code = text.ends_with("status ") || text.ends_with("code ");
                text.push_str(if is_code { word } else { "# " });
            } else {
                text.push_str(word);
            }
        }
        (self.kind, text)
    }
}

/// `GET /api/v1/why`: why nothing is launched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhyReport {
    /// Who leads, if this application master stands by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<Contender>,
    /// How many workers are wanted.
    pub wanted: usize,
    /// How many are registered with the JobManager.
    pub registered: usize,
    /// How many workers jobs want; absent if their number is fixed.
    #[serde(default)]
    pub demand: Option<DemandReport>,
    /// How many have a task and are not registered, and are not lost.
    pub starting: usize,
    /// The workers that are lost.
    #[serde(default)]
    pub lost: Vec<LostWorker>,
    /// The agents that go into maintenance, as far as that concerns this cluster.
    #[serde(default)]
    pub maintenance: Vec<MaintenanceReport>,
    /// The contact with the Mesos master.
    pub mesos: ContactReport,
    /// ZooKeeper, once for each use of it.
    #[serde(default)]
    pub zookeeper: Vec<ZooKeeperReport>,
    /// Starting pauses, because too many starts have failed.
    pub paused: Option<PauseReport>,
    /// The workers that wait for an offer, by profile.
    pub waiting: Vec<WaitingReport>,
    /// How workers have failed.
    pub failures: FailuresReport,
}

/// A worker that served, and of which nobody hears any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LostWorker {
    /// Its name.
    pub id: String,
    /// Its task.
    pub task: String,
    /// The agent's host name.
    pub hostname: String,
    /// For how many seconds.
    pub seconds: u64,
    /// The task's state, as the master told it last.
    pub task_state: Option<String>,
}

/// An agent that goes into maintenance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceReport {
    /// The agent.
    pub agent: String,
    /// Its host name.
    pub hostname: String,
    /// In how many seconds; 0: it has begun.
    pub begins_in_seconds: u64,
    /// How long it lasts, if that is known.
    pub lasts_seconds: Option<u64>,
    /// Whether the workers that are there are being moved off.
    pub leaving: bool,
    /// The tasks that are there still.
    pub tasks: Vec<String>,
}

/// A pause of starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseReport {
    /// How many starts have failed within the last minute.
    pub failed: usize,
    /// For how many seconds more.
    pub seconds: u64,
    /// How many workers are missing because of it.
    pub missing: usize,
}

/// The workers of one profile that wait for an offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingReport {
    /// The profile.
    pub profile: String,
    /// What each of them wants of an agent, in words.
    pub wants: String,
    /// The workers.
    pub workers: Vec<WaitingWorker>,
    /// Why the last offer of each agent was not used for them.
    pub refusals: Vec<RefusalReport>,
    /// An agent that had room for one of them before, and is offered less of now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<HeldBackReport>,
}

/// An agent that is offered less of than before, though the framework's own tasks do not hold more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldBackReport {
    /// The agent.
    pub agent: String,
    /// Its host name.
    pub hostname: String,
    /// The resource.
    pub resource: String,
    /// How much of it the framework could have, with what its own tasks there hold.
    pub before: f64,
    /// How much it can have now.
    pub now: f64,
    /// The framework's role.
    pub role: String,
}

/// A worker that waits for an offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingWorker {
    /// Its name.
    pub id: String,
    /// For how many seconds.
    pub seconds: u64,
    /// Why it waits again, if it had a task before.
    pub again: Option<String>,
}

/// Why the last offer of an agent was not used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusalReport {
    /// The agent.
    pub agent: String,
    /// Its host name.
    pub hostname: String,
    /// Everything that spoke against it.
    pub reasons: Vec<String>,
}
