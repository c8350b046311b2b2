//! Tasks: what is launched, and what is said about it afterwards.

use std::collections::BTreeMap;

use super::message::{message, open_enum};
use super::tolerant::Base64Bytes;
use super::{
    AgentId, CommandInfo, ContainerId, ContainerInfo, DiscoveryInfo, ExecutorId, FrameworkId,
    HealthCheck, KillPolicy, Labels, Nanoseconds, NetworkInfo, Resource, Scalar, TaskId,
};

message! {
    /// `ExecutorInfo`: the default executor of a task group, or one of the framework's own.
    ExecutorInfo {
        /// `DEFAULT` or `CUSTOM`.
        #[serde(rename = "type")]
        optional kind: String,
        /// Its id.
        required executor_id: ExecutorId,
        /// The framework's id.
        optional framework_id: FrameworkId,
        /// What it runs.
        optional command: CommandInfo,
        /// What it runs in.
        optional container: ContainerInfo,
        /// What it uses itself.
        repeated resources: Resource,
    }
}

message! {
    /// `TaskInfo`.
    TaskInfo {
        /// What people see.
        required name: String,
        /// Its id.
        required task_id: TaskId,
        /// The agent of the offer.
        required agent_id: AgentId,
        /// What it takes of the offer.
        repeated resources: Resource,
        /// The executor, if it is not the agent's own.
        optional executor: ExecutorInfo,
        /// What it runs.
        optional command: CommandInfo,
        /// What it runs in.
        optional container: ContainerInfo,
        /// How it is checked.
        optional health_check: HealthCheck,
        /// How it is ended.
        optional kill_policy: KillPolicy,
        /// Bytes for the executor.
        optional data: Base64Bytes,
        /// Labels; seen by everybody.
        optional labels: Labels,
        /// What name services publish.
        optional discovery: DiscoveryInfo,
        /// How long it may run.
        optional max_completion_time: Nanoseconds,
        /// Limits above the resources, by name (agents from 1.10).
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        required limits: BTreeMap<String, Scalar>,
    }
}

message! {
    /// `TaskGroupInfo`.
    TaskGroupInfo {
        /// The tasks: all are started, or none.
        repeated tasks: TaskInfo,
    }
}

open_enum! {
    /// `TaskState`.
    TaskState {
        /// Accepted by the master, not yet known to the executor.
        Staging = "TASK_STAGING",
        /// Known to the executor (from 1.5).
        Starting = "TASK_STARTING",
        /// It runs.
        Running = "TASK_RUNNING",
        /// It is being killed (`TASK_KILLING_STATE`).
        Killing = "TASK_KILLING",
        /// It ended with exit code 0.
        Finished = "TASK_FINISHED",
        /// It ended otherwise, or could not be started.
        Failed = "TASK_FAILED",
        /// It was killed.
        Killed = "TASK_KILLED",
        /// The master refused it.
        Error = "TASK_ERROR",
        /// Nothing is known of it (without `PARTITION_AWARE`); it may come back.
        Lost = "TASK_LOST",
        /// It never ran.
        Dropped = "TASK_DROPPED",
        /// Its agent does not answer; it may come back.
        Unreachable = "TASK_UNREACHABLE",
        /// Its agent does not have it.
        Gone = "TASK_GONE",
        /// An operator says that its agent is gone for good.
        GoneByOperator = "TASK_GONE_BY_OPERATOR",
        /// The master knows neither it nor its agent.
        Unknown = "TASK_UNKNOWN",
    }
}

impl TaskState {
    /// Whether the task has ended, as far as the master can tell. `TASK_LOST` counts, though such
    /// a task may turn up again; `TASK_UNREACHABLE` and `TASK_UNKNOWN` do not.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::Finished
                | Self::Failed
                | Self::Killed
                | Self::Error
                | Self::Lost
                | Self::Dropped
                | Self::Gone
                | Self::GoneByOperator
        )
    }
}

open_enum! {
    /// `TaskStatus.Reason`, those that decide something here.
    Reason {
        /// A repeat, asked for by reconciliation.
        Reconciliation = "REASON_RECONCILIATION",
        /// A repeat, since the agent came back.
        AgentReregistered = "REASON_AGENT_REREGISTERED",
        /// The agent was removed: it does not answer.
        AgentRemoved = "REASON_AGENT_REMOVED",
        /// An operator removed the agent.
        AgentRemovedByOperator = "REASON_AGENT_REMOVED_BY_OPERATOR",
        /// The agent's connection to the master is down.
        AgentDisconnected = "REASON_AGENT_DISCONNECTED",
        /// The agent was restarted.
        AgentRestarted = "REASON_AGENT_RESTARTED",
        /// The agent does not know the task.
        AgentUnknown = "REASON_AGENT_UNKNOWN",
        /// The agent is being drained.
        AgentDraining = "REASON_AGENT_DRAINING",
        /// The agent took revocable resources back.
        ContainerPreempted = "REASON_CONTAINER_PREEMPTED",
        /// One of the offers of the ACCEPT was stale.
        InvalidOffers = "REASON_INVALID_OFFERS",
        /// The image or a file could not be had, or the container not be made.
        ContainerLaunchFailed = "REASON_CONTAINER_LAUNCH_FAILED",
        /// It used more memory than it had asked for.
        ContainerLimitationMemory = "REASON_CONTAINER_LIMITATION_MEMORY",
        /// It used more disk than it had asked for.
        ContainerLimitationDisk = "REASON_CONTAINER_LIMITATION_DISK",
        /// It used more of something than it had asked for.
        ContainerLimitation = "REASON_CONTAINER_LIMITATION",
        /// Fetching, pulling and starting together took too long.
        ExecutorRegistrationTimeout = "REASON_EXECUTOR_REGISTRATION_TIMEOUT",
        /// The executor ended.
        ExecutorTerminated = "REASON_EXECUTOR_TERMINATED",
        /// The master refuses the task as it is.
        TaskInvalid = "REASON_TASK_INVALID",
        /// The framework may not run the task.
        TaskUnauthorized = "REASON_TASK_UNAUTHORIZED",
        /// It was killed before it was started.
        TaskKilledDuringLaunch = "REASON_TASK_KILLED_DURING_LAUNCH",
        /// A repeat, with new health.
        TaskHealthCheckStatusUpdated = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED",
        /// A repeat, with a check's result.
        TaskCheckStatusUpdated = "REASON_TASK_CHECK_STATUS_UPDATED",
    }
}

open_enum! {
    /// `TaskStatus.Source`.
    Source {
        /// The master.
        Master = "SOURCE_MASTER",
        /// The agent.
        Agent = "SOURCE_AGENT",
        /// The executor.
        Executor = "SOURCE_EXECUTOR",
    }
}

message! {
    /// `ContainerStatus`.
    ContainerStatus {
        /// The container.
        optional container_id: ContainerId,
        /// Its addresses.
        repeated network_infos: NetworkInfo,
        /// The executor's process.
        #[serde(deserialize_with = "super::tolerant::optional_integer")]
        optional executor_pid: u32,
    }
}

message! {
    /// `TaskResourceLimitation`: what the task had too much of.
    TaskResourceLimitation {
        /// The resources.
        repeated resources: Resource,
    }
}

message! {
    /// `TaskStatus`.
    TaskStatus {
        /// The task.
        required task_id: TaskId,
        /// Its state.
        required state: TaskState,
        /// For people.
        optional message: String,
        /// Who says so.
        optional source: Source,
        /// Why; absent for most ends that the process itself chose.
        optional reason: Reason,
        /// The executor's bytes: for Docker, what `docker inspect` prints.
        optional data: Base64Bytes,
        /// The agent; always there if `uuid` is.
        optional agent_id: AgentId,
        /// The executor.
        optional executor_id: ExecutorId,
        /// Seconds since the epoch, by the clock of who says so.
        optional timestamp: f64,
        /// Sixteen bytes; an update that has it is repeated until it is acknowledged, and one
        /// that has not must not be.
        optional uuid: Base64Bytes,
        /// What the health check says.
        optional healthy: bool,
        /// Labels of the executor's.
        optional labels: Labels,
        /// The container.
        optional container_status: ContainerStatus,
        /// Since when the agent has not answered.
        optional unreachable_time: Nanoseconds,
        /// What the task had too much of.
        optional limitation: TaskResourceLimitation,
    }
}
