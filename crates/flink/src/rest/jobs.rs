//! What the REST API says of jobs, as far as it tells how many slots they want.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{RestClient, RestError};

/// One entry of `GET /jobs/overview`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct JobSummary {
    /// Its id.
    pub jid: String,
    /// Its name.
    pub name: String,
    /// How far it is.
    pub state: JobState,
    /// Its scheduler, where Flink tells it (from 2.1 on).
    #[serde(default, rename = "schedulerType")]
    pub scheduler: Option<String>,
    /// For how many milliseconds it has been there.
    #[serde(default)]
    pub duration: i64,
    /// Its tasks by state.
    #[serde(default)]
    pub tasks: TaskTotals,
}

/// How many tasks a job has, and how many of them have not begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TaskTotals {
    /// All that are known.
    pub total: u32,
    /// Those that do not even wait for slots.
    pub created: u32,
}

/// A job that is being made has its vertices, and their tasks wait for slots, within this time; a
/// large state to begin from may take longer.
const MAKING_MILLISECONDS: i64 = 2000;

impl JobSummary {
    /// Whether the job has just come, and its details would say nothing yet. They had better not
    /// be asked for: Flink gives the same answer again for `web.refresh-interval`, 3 s by default.
    pub fn is_being_made(&self) -> bool {
        // The adaptive scheduler waits for slots in CREATED, and makes vertices when it has some.
        let waits = self.state == JobState::Created && self.tasks.total == 0;
        self.duration < MAKING_MILLISECONDS && self.tasks.created == self.tasks.total && !waits
    }
}

/// Flink's `JobStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum JobState {
    /// Its scheduler is being made: it has no vertices yet.
    Initializing,
    /// It has not begun.
    Created,
    /// It runs, or some of it waits for slots.
    Running,
    /// It is about to have failed.
    Failing,
    /// It has failed for good.
    Failed,
    /// It is about to be cancelled.
    Cancelling,
    /// It was cancelled.
    Canceled,
    /// It is done.
    Finished,
    /// It has failed and begins again.
    Restarting,
    /// This JobManager has let go of it.
    Suspended,
    /// It looks for its tasks.
    Reconciling,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

impl JobState {
    /// Whether the job wants nothing any more.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Failed | Self::Canceled | Self::Finished | Self::Suspended
        )
    }

    /// As Flink writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "INITIALIZING",
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Failing => "FAILING",
            Self::Failed => "FAILED",
            Self::Cancelling => "CANCELLING",
            Self::Canceled => "CANCELED",
            Self::Finished => "FINISHED",
            Self::Restarting => "RESTARTING",
            Self::Suspended => "SUSPENDED",
            Self::Reconciling => "RECONCILING",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// `GET /jobs/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JobDetails {
    /// How far it is.
    pub state: JobState,
    /// `STREAMING` or `BATCH`, where Flink tells it (from 1.20 on).
    #[serde(default)]
    pub job_type: Option<String>,
    /// Its vertices, as far as they are known.
    pub vertices: Vec<JobVertex>,
    /// Operators that have no vertex yet, where Flink tells them (from 2.0 on).
    #[serde(default)]
    pub pending_operators: i64,
}

/// A vertex of a job: an operator, or a chain of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobVertex {
    /// Its id.
    pub id: String,
    /// Vertices of one group share slots. Flink tells it from 1.18 on.
    #[serde(default)]
    pub slot_sharing_group_id: Option<String>,
    /// How many tasks it has; -1 if that is not decided.
    pub parallelism: i64,
    /// Its tasks by state.
    pub tasks: TaskCounts,
}

/// How many tasks of a vertex are in each of Flink's `ExecutionState`s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "UPPERCASE")]
pub struct TaskCounts {
    /// They wait for slots.
    pub scheduled: u32,
    /// They are on their way to their slots.
    pub deploying: u32,
    /// They restore their state.
    pub initializing: u32,
    /// They run.
    pub running: u32,
    /// They are being cancelled.
    pub canceling: u32,
    /// They are looked for.
    pub reconciling: u32,
    /// They are done.
    pub finished: u32,
}

impl TaskCounts {
    /// Those that have a slot or wait for one.
    pub const fn active(&self) -> u32 {
        self.scheduled
            + self.deploying
            + self.initializing
            + self.running
            + self.canceling
            + self.reconciling
    }
}

/// `GET /jobs/<id>/resource-requirements`, by vertex.
pub type ResourceRequirements = BTreeMap<String, VertexRequirements>;

/// What is declared for a vertex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct VertexRequirements {
    /// How many tasks it should have.
    pub parallelism: ParallelismBounds,
}

/// Between how few and how many tasks a vertex may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParallelismBounds {
    /// With fewer the job does not run.
    pub lower_bound: u32,
    /// More are of no use.
    pub upper_bound: u32,
}

impl RestClient {
    /// `GET /jobs/overview`: all jobs that the JobManager remembers, those that have ended too.
    pub async fn jobs(&self) -> Result<Vec<JobSummary>, RestError> {
        #[derive(Deserialize)]
        struct Answer {
            jobs: Vec<JobSummary>,
        }
        Ok(self.get::<Answer>("/jobs/overview").await?.jobs)
    }

    /// `GET /jobs/<id>`.
    pub async fn job(&self, id: &str) -> Result<JobDetails, RestError> {
        self.get(&format!("/jobs/{id}")).await
    }

    /// `GET /jobs/<id>/resource-requirements`. Only the adaptive scheduler of Flink 1.18 and later
    /// has any; the others answer with an error and write a stack trace into their log.
    pub async fn resource_requirements(&self, id: &str) -> Result<ResourceRequirements, RestError> {
        self.get(&format!("/jobs/{id}/resource-requirements")).await
    }
}
