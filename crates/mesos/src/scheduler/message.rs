//! What the scheduler is told, and what it asks for.

use std::collections::BTreeMap;
use std::time::Duration;

use super::record::Change;
use crate::matching::Profile;
use crate::wire::{
    AgentId, Call, Event, FrameworkId, FrameworkInfo, Reason, TaskId, TaskInfo, TaskState,
};
use flugs_model::WorkerId;

/// What the scheduler goes by.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The framework; its id is the scheduler's affair.
    pub framework: FrameworkInfo,
    /// Kinds of workers, by name.
    pub profiles: BTreeMap<String, Profile>,
    /// How long what is declined is not offered again.
    pub refuse: Duration,
    /// How often filters are cleared at most, when somebody new waits.
    pub revive_interval: Duration,
    /// How long a launch may go without an update before it is asked for.
    pub launch_timeout: Duration,
    /// How long a task has to end by itself, as its kill policy says.
    pub grace: Duration,
    /// How long an unreachable task may come back before it is called lost.
    pub unreachable_patience: Duration,
    /// How long a master may say that it does not know a task before the task is forgotten: longer
    /// than agents take to find a master that has lost its registry.
    pub unknown_patience: Duration,
    /// How long before an agent's maintenance nothing is started on it any more, and what is there
    /// is to be moved off.
    pub maintenance_lead: Duration,
    /// How often all tasks are reconciled when nothing else gives reason to.
    pub reconcile_interval: Duration,
    /// The shortest and the longest wait after a worker failed, or an agent.
    pub back_off: (Duration, Duration),
    /// Makes waits differ from those of other schedulers.
    pub seed: u64,
}

impl Settings {
    /// The defaults for a framework.
    pub fn new(framework: FrameworkInfo, profiles: BTreeMap<String, Profile>) -> Self {
        Self {
            framework,
            profiles,
            refuse: Duration::from_secs(120),
            revive_interval: Duration::from_secs(5),
            launch_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(5),
            unreachable_patience: Duration::from_secs(10),
            unknown_patience: Duration::from_secs(15 * 60),
            maintenance_lead: Duration::from_secs(5 * 60),
            reconcile_interval: Duration::from_secs(15 * 60),
            back_off: (Duration::from_secs(1), Duration::from_secs(300)),
            seed: 0,
        }
    }
}

/// A task that is about to be launched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Launch<'a> {
    /// Its id.
    pub task: &'a TaskId,
    /// The worker that it is.
    pub worker: &'a WorkerId,
    /// The worker's profile.
    pub profile: &'a str,
    /// The agent's host name.
    pub hostname: &'a str,
    /// Its ports.
    pub ports: &'a [(String, u16)],
}

/// Says what a task runs. Ids and resources are filled in by the scheduler.
pub trait Describe {
    /// The task, as far as it depends on what is launched.
    fn describe(&self, launch: Launch<'_>) -> TaskInfo;
}

/// How the scheduler ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The framework ends, and all its tasks.
    Teardown,
    /// Tasks stay, for another scheduler to take over.
    Failover,
}

/// What the scheduler is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A worker is wanted, until it is released.
    Want {
        /// Its name.
        worker: WorkerId,
        /// Its profile; one of the settings'.
        profile: String,
    },
    /// A worker is not wanted any more.
    Release(WorkerId),
    /// A worker does what it was launched for: if it ends now, its agent is not to blame. Until
    /// [`Input::Absent`] it is alive, whatever the master says.
    Serves(WorkerId),
    /// A worker that served is not to be seen any more by those whom it serves.
    Absent(WorkerId),
    /// The time since the epoch, which maintenance is planned in.
    WallClock(Duration),
    /// Everything up to this ticket is safe in the store.
    Stored(u64),
    /// The stream of this generation says something.
    Event {
        /// The generation.
        generation: u64,
        /// What it says.
        event: Box<Event>,
    },
    /// The connection of this generation failed, ended, was silent for too long, or the master
    /// refused a call with 400 or 403.
    Disconnected(u64),
    /// The master did not let the framework subscribe, and will not until somebody changes
    /// something: its credentials, say.
    Rejected {
        /// The generation of the connection.
        generation: u64,
        /// The master's words.
        reason: String,
    },
    /// The master took the TEARDOWN of this generation.
    TornDown(u64),
    /// The operator says that a framework id that the master refuses is to be forgotten, with all
    /// tasks that it had.
    ForgetFramework,
    /// The scheduler has to end.
    Stop(Stop),
    /// Time has passed.
    Tick,
}

/// What the scheduler asks for, to be done in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Write these changes, all or none, after those of earlier tickets; then say
    /// [`Input::Stored`].
    Store {
        /// The ticket.
        ticket: u64,
        /// The changes.
        changes: Vec<Change>,
    },
    /// Connect to the leading master and subscribe; whatever older connection there is ends.
    Connect {
        /// The generation of the connection.
        generation: u64,
        /// The SUBSCRIBE.
        call: Box<Call>,
    },
    /// Send a call, in order with the others of its generation.
    Send {
        /// The generation it belongs to; void on any other.
        generation: u64,
        /// The call.
        call: Box<Call>,
    },
    /// Close the connection.
    Close,
    /// Something that others want to know.
    Report(Report),
}

/// Why a task is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// Its last state; absent: it was never launched, or is given up.
    pub state: Option<TaskState>,
    /// Why.
    pub reason: Option<Reason>,
    /// For people.
    pub message: Option<String>,
    /// What its health check said last, if it has one.
    pub healthy: Option<bool>,
    /// Whether it was wanted to end.
    pub wanted: bool,
}

/// What the master says of the tasks of a machine that an operator takes down: the only sign of
/// it, for the state and the reason are those of an agent that does not answer.
const MACHINE_DOWN: &str = "Operator initiated 'Machine DOWN'";

/// What it says of the tasks of an agent at whose address another one registers: one that was
/// started without what the first had written down (`Master::_registerSlave`, master.cpp).
const REPLACED: &str = "a new agent registered at the same address";

/// Who ended a task, if that was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planned {
    /// An operator empties the agent.
    Drained,
    /// An operator takes the machine down, for maintenance.
    MachineDown,
    /// Another agent was started in the place of this one. The task may go on for a while.
    Replaced,
    /// An operator says that the agent is gone for good.
    MarkedGone,
    /// The agent took resources back that it had lent.
    Preempted,
}

impl Planned {
    /// Whether an end was planned, and by whom.
    pub fn of(
        state: Option<&TaskState>,
        reason: Option<&Reason>,
        message: Option<&str>,
    ) -> Option<Self> {
        match (state, reason) {
            (_, Some(Reason::AgentDraining)) => Some(Self::Drained),
            (_, Some(Reason::ContainerPreempted)) => Some(Self::Preempted),
            (Some(TaskState::GoneByOperator), _) | (_, Some(Reason::AgentRemovedByOperator)) => {
                Some(Self::MarkedGone)
            }
            (Some(TaskState::Lost), Some(Reason::AgentRemoved)) => match message? {
                message if message.contains(MACHINE_DOWN) => Some(Self::MachineDown),
                message if message.contains(REPLACED) => Some(Self::Replaced),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Ending {
    /// Whether it was planned, and by whom.
    pub fn planned(&self) -> Option<Planned> {
        Planned::of(
            self.state.as_ref(),
            self.reason.as_ref(),
            self.message.as_deref(),
        )
    }
}

/// What others want to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// The master accepted the framework.
    Subscribed(FrameworkId),
    /// A worker is being launched.
    Launched {
        /// The worker.
        worker: WorkerId,
        /// Its task.
        task: TaskId,
        /// Its agent.
        agent: AgentId,
        /// The agent's host name.
        hostname: String,
        /// Its ports.
        ports: Vec<(String, u16)>,
    },
    /// A worker's task changed its state.
    State {
        /// The worker.
        worker: WorkerId,
        /// Its task.
        task: TaskId,
        /// The state.
        state: TaskState,
    },
    /// A worker's task is over.
    Ended {
        /// The worker.
        worker: WorkerId,
        /// Its task.
        task: TaskId,
        /// Why.
        ending: Ending,
    },
    /// An unreachable task has been away for too long, and does not serve. It is neither ended
    /// nor forgotten: it may come back, and whether another worker takes its place is not the
    /// scheduler's to say.
    Lost {
        /// The worker.
        worker: WorkerId,
        /// The task.
        task: TaskId,
    },
    /// It is time to leave an agent that goes into maintenance, or it is not any more.
    Maintenance {
        /// The agent.
        agent: AgentId,
        /// Whether it is.
        leaves: bool,
    },
    /// A task that nobody knows runs, and is killed.
    Stray(TaskId),
    /// A task does not end; from now on it is killed without grace.
    KillOverdue(TaskId),
    /// The master has removed the framework while these tasks were running: the operator is asked.
    FrameworkRemoved {
        /// The framework.
        framework: FrameworkId,
        /// Its tasks.
        tasks: Vec<TaskId>,
    },
    /// Another scheduler has taken the framework over. Nothing further is done.
    Superseded,
    /// The master refuses the framework. Nothing further is done.
    Refused(String),
    /// The stop that was asked for is done.
    Stopped,
}
