//! What ended a task, told from its last status: whose fault it was, and in plain words.
//!
//! Mesos tells most ends by a state and a sentence; the sentences are those of its agents and
//! executors from 1.0 to 1.12.

use std::fmt;

use serde::{Deserialize, Serialize};

use flugs_base::ExitCode;
use flugs_mesos::scheduler::{Ending, Planned};
use flugs_mesos::wire::{Reason, TaskState};
use flugs_supervise::{ExitReport, Reason as Cause};

/// What ended a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// It was never launched, or its offer was stale: it is launched again without further ado.
    NeverLaunched,
    /// The agent could not get the image.
    ImagePull,
    /// A file could not be fetched: by the agent, or by the launcher.
    Fetch,
    /// Fetching, pulling and starting took longer than the agent allows.
    StartTimeout,
    /// The agent could not start it for another reason.
    Start,
    /// The launcher refused what it was given, or its machine.
    Launcher,
    /// It used more memory than it may.
    OutOfMemory,
    /// It used more of something else than it may.
    OverLimit,
    /// The master refuses the task as it is.
    Refused,
    /// Its agent is gone, or does not answer.
    AgentLost,
    /// Somebody else killed it.
    Killed,
    /// It failed its health check, and was killed for it.
    Unhealthy,
    /// Its process ended by itself.
    Exited,
    /// It did not register with the JobManager in time.
    NotRegistered,
    /// An operator empties its agent.
    Drained,
    /// An operator takes its machine down for maintenance.
    MachineDown,
    /// Another agent was started in the place of its own.
    AgentReplaced,
    /// An operator says that its agent is gone for good.
    MarkedGone,
    /// Its agent took the resources back that it had lent.
    Preempted,
}

/// How a task failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskFailure {
    /// What ended it.
    pub kind: FailureKind,
    /// The exit code of its process, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// What its launcher says, if that has handed in its exit report, else what Mesos says.
    pub message: String,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [Self; 19] = [
        Self::NeverLaunched,
        Self::ImagePull,
        Self::Fetch,
        Self::StartTimeout,
        Self::Start,
        Self::Launcher,
        Self::OutOfMemory,
        Self::OverLimit,
        Self::Refused,
        Self::AgentLost,
        Self::Killed,
        Self::Unhealthy,
        Self::Exited,
        Self::NotRegistered,
        Self::Drained,
        Self::MachineDown,
        Self::AgentReplaced,
        Self::MarkedGone,
        Self::Preempted,
    ];

    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NeverLaunched => "never-launched",
            Self::ImagePull => "image-pull",
            Self::Fetch => "fetch",
            Self::StartTimeout => "start-timeout",
            Self::Start => "start",
            Self::Launcher => "launcher",
            Self::OutOfMemory => "out-of-memory",
            Self::OverLimit => "over-limit",
            Self::Refused => "refused",
            Self::AgentLost => "agent-lost",
            Self::Killed => "killed",
            Self::Unhealthy => "unhealthy",
            Self::Exited => "exited",
            Self::NotRegistered => "not-registered",
            Self::Drained => "drained",
            Self::MachineDown => "machine-down",
            Self::AgentReplaced => "agent-replaced",
            Self::MarkedGone => "marked-gone",
            Self::Preempted => "preempted",
        }
    }

    /// Whether its place was lost and not the task.
    pub const fn is_blameless(self) -> bool {
        matches!(self, Self::NeverLaunched | Self::AgentLost)
    }

    /// Whether somebody ended it whose business that is: no failure at all.
    pub const fn is_planned(self) -> bool {
        matches!(
            self,
            Self::Drained
                | Self::MachineDown
                | Self::AgentReplaced
                | Self::MarkedGone
                | Self::Preempted
        )
    }

    const fn words(self) -> &'static str {
        match self {
            Self::NeverLaunched => "the launch did not happen",
            Self::ImagePull => "the agent could not get the image",
            Self::Fetch => "a file could not be fetched",
            Self::StartTimeout => {
                "fetching, pulling and starting took longer than the agent allows"
            }
            Self::Start => "the agent could not start it",
            Self::Launcher => "the launcher refused",
            Self::OutOfMemory => "it used more memory than it may",
            Self::OverLimit => "it used more than it may",
            Self::Refused => "the master refuses the task",
            Self::AgentLost => "its agent is lost",
            Self::Killed => "it was killed",
            Self::Unhealthy => "it failed its health check and was killed",
            Self::Exited => "its process ended",
            Self::NotRegistered => "it did not register in time",
            Self::Drained => "its agent is being drained",
            Self::MachineDown => "its machine is taken down for maintenance",
            Self::AgentReplaced => "another agent was started in the place of its own",
            Self::MarkedGone => "an operator has marked its agent as gone",
            Self::Preempted => "its agent took its resources back",
        }
    }
}

impl TaskFailure {
    /// What the last status of a task says, and the exit report of its launcher, where there is
    /// one: it was nearer.
    pub fn of(ending: &Ending, report: Option<&ExitReport>) -> Self {
        let message = ending.message.clone().unwrap_or_default();
        let exit_code = exit_code(&message);
        let of_mesos = Self {
            kind: kind(ending, &message, exit_code),
            exit_code,
            message: shortened(&message),
        };
        match report {
            Some(report) if of_mesos.may_be_reported() => of_mesos.reported(report),
            _ => of_mesos,
        }
    }

    /// Whether a launcher ran that may know more than Mesos: what Mesos itself did to the container
    /// it does not know.
    pub fn may_be_reported(&self) -> bool {
        match self.kind {
            FailureKind::Exited | FailureKind::Killed | FailureKind::Unhealthy => true,
            // Its own exit code says that it was the launcher, and not the agent.
            FailureKind::Fetch | FailureKind::Launcher => self.exit_code.is_some(),
            _ => false,
        }
    }

    /// The same end as the launcher tells it. One that was only told to stop does not know why.
    fn reported(self, report: &ExitReport) -> Self {
        let code = report.exit_code;
        let kind = match report.reason {
            Cause::OomKilled => FailureKind::OutOfMemory,
            Cause::Unhealthy => FailureKind::Unhealthy,
            Cause::LaunchFailed | Cause::StartFailed => {
                of_launcher(code).unwrap_or(FailureKind::Launcher)
            }
            Cause::Exited | Cause::Signaled | Cause::RestartsExhausted => FailureKind::Exited,
            Cause::Stopped
            | Cause::StopFailed
            | Cause::Killed
            | Cause::StoppedBeforeStart
            | Cause::ParentGone => return self,
        };
        Self {
            kind,
            exit_code: Some(code),
            message: shortened(&report.message),
        }
    }

    /// A worker that nobody hears of any more.
    pub fn lost(message: String) -> Self {
        Self {
            kind: FailureKind::AgentLost,
            exit_code: None,
            message,
        }
    }

    /// A worker that did not register in time.
    pub fn not_registered(message: String) -> Self {
        Self {
            kind: FailureKind::NotRegistered,
            exit_code: None,
            message,
        }
    }
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind.words())?;
        let named = self
            .exit_code
            .filter(|_| matches!(self.kind, FailureKind::Fetch | FailureKind::Launcher))
            .and_then(launcher_code);
        if let Some(code) = named {
            write!(formatter, " ({code:?}, see docs/exit-codes.md)")?;
        }
        if !self.message.is_empty() {
            write!(formatter, ": {}", self.message)?;
        }
        Ok(())
    }
}

fn kind(ending: &Ending, message: &str, exit_code: Option<u8>) -> FailureKind {
    use FailureKind as Kind;
    let Some(state) = &ending.state else {
        return Kind::NeverLaunched;
    };
    let ended_by_check = ending.healthy == Some(false) && !ending.wanted;
    if let Some(planned) = ending.planned() {
        return match planned {
            Planned::Drained => Kind::Drained,
            Planned::MachineDown => Kind::MachineDown,
            Planned::Replaced => Kind::AgentReplaced,
            Planned::MarkedGone => Kind::MarkedGone,
            Planned::Preempted => Kind::Preempted,
        };
    }
    match ending.reason {
        Some(Reason::InvalidOffers) => return Kind::NeverLaunched,
        Some(Reason::ContainerLimitationMemory) => return Kind::OutOfMemory,
        Some(Reason::ContainerLimitation | Reason::ContainerLimitationDisk) => {
            return Kind::OverLimit;
        }
        Some(Reason::ExecutorRegistrationTimeout) => return Kind::StartTimeout,
        Some(Reason::ContainerLaunchFailed) => return launch_failure(message),
        Some(Reason::TaskInvalid | Reason::TaskUnauthorized) => return Kind::Refused,
        _ => {}
    }
    match state {
        TaskState::Failed | TaskState::Finished => {
            exit_code.and_then(of_launcher).unwrap_or(Kind::Exited)
        }
        TaskState::Error => Kind::Refused,
        // The executor kills what has failed its check too often, and says nothing else about it.
        TaskState::Killed if ended_by_check => Kind::Unhealthy,
        TaskState::Killed | TaskState::Killing => Kind::Killed,
        _ => Kind::AgentLost,
    }
}

/// What the launcher's own exit code stands for, if it is one.
fn of_launcher(code: u8) -> Option<FailureKind> {
    Some(match launcher_code(code)? {
        ExitCode::ArtifactUnreachable
        | ExitCode::ArtifactRefused
        | ExitCode::ArtifactDigest
        | ExitCode::ManifestDigest
        | ExitCode::RegistryUnreachable
        | ExitCode::RegistryRefused => FailureKind::Fetch,
        _ => FailureKind::Launcher,
    })
}

/// Why a container could not be launched: the agent says it in words alone
/// (`REASON_CONTAINER_LAUNCH_FAILED` stands for fetching and pulling as well).
fn launch_failure(message: &str) -> FailureKind {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    // `mesos-fetcher` of both containerizers.
    if says(&["Failed to fetch all URIs", "Failed to fetch"]) && !says(&["manifest", "image"]) {
        return FailureKind::Fetch;
    }
    // `docker pull`, `docker inspect`; the provisioner's puller and local archives.
    let image = [
        " pull ",
        "Failed to pull",
        "archive for image",
        "image",
        "Unexpected HTTP response",
        "Failed to provision",
    ];
    if says(&image) {
        return FailureKind::ImagePull;
    }
    FailureKind::Start
}

/// `Command exited with status 3` (command executor), `Container exited with status 137` (Docker
/// executor).
fn exit_code(message: &str) -> Option<u8> {
    let (_, after) = message.split_once(" exited with status ")?;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    let executor = message.starts_with("Command ") || message.starts_with("Container ");
    digits.parse().ok().filter(|_| executor)
}

/// The launcher's own exit code of that number. The JVM's codes pass through it; the two do not
/// overlap, save by a job's own wish.
fn launcher_code(code: u8) -> Option<ExitCode> {
    let known = |one: &&ExitCode| one.code() == code && **one != ExitCode::Usage;
    ExitCode::ALL.iter().find(known).copied()
}

/// The first line of a message: what follows are statistics, or a program's whole output.
fn shortened(message: &str) -> String {
    const MOST: usize = 400;
    let line = message.lines().next().unwrap_or_default().trim();
    // Whoever wrote it, it is shown on terminals.
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let cut = line.chars().nth(MOST).map(|_| '…');
    line.chars().take(MOST).map(plain).chain(cut).collect()
}

#[cfg(test)]
mod tests;
