//! What ended a task, told from its last status: whose fault it was, and in plain words.
//!
//! Mesos tells most ends by a state and a sentence; the sentences are those of its agents and
//! executors from 1.0 to 1.12.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mesos::scheduler::{Ending, Planned};
use crate::mesos::wire::{Reason, TaskState};
use crate::spec::ExitCode;
use crate::supervise::{ExitReport, Reason as Cause};

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
    pub const ALL: [Self; 18] = [
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
            Self::Drained | Self::MachineDown | Self::MarkedGone | Self::Preempted
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
mod tests {
    use super::*;
    use crate::supervise::Phase;

    fn ending(state: TaskState, reason: Option<Reason>, message: &str) -> Ending {
        Ending {
            state: Some(state),
            reason,
            message: Some(message.to_owned()),
            healthy: None,
            wanted: false,
        }
    }

    fn failure(state: TaskState, reason: Option<Reason>, message: &str) -> TaskFailure {
        TaskFailure::of(&ending(state, reason, message), None)
    }

    fn launch(message: &str) -> FailureKind {
        failure(
            TaskState::Failed,
            Some(Reason::ContainerLaunchFailed),
            message,
        )
        .kind
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_told_from_a_file_that_cannot_be_fetched() {
        let pull = "Failed to launch container: Failed to run 'docker -H \
                    unix:///var/run/docker.sock pull nosuch.invalid/x:y': exited with status 1; \
                    stderr='Error response from daemon: no such host'";
        let archive = "Failed to launch container: Failed to find archive for image 'absent:1' \
                       at '/var/lib/mesos/images/absent:1.tar'";
        let fetch = "Failed to launch container: Failed to fetch all URIs for container \
                     'a1bdb301-f114-49ec-9d9a-5aab529d80dd': exited with status 1";
        let older = "Failed to fetch all URIs for container 'x' with exit status: 256";
        assert_eq!(launch(pull), FailureKind::ImagePull);
        assert_eq!(launch(archive), FailureKind::ImagePull);
        assert_eq!(launch(fetch), FailureKind::Fetch);
        assert_eq!(launch(older), FailureKind::Fetch);
        assert_eq!(
            launch("Failed to create docker run options: x"),
            FailureKind::Start
        );
    }

    #[test]
    fn the_launchers_exit_codes_tell_a_fetch_that_failed_from_a_process_that_did() {
        let code = |message| {
            let failure = failure(TaskState::Failed, None, message);
            (failure.kind, failure.exit_code)
        };
        assert_eq!(
            code("Command exited with status 84"),
            (FailureKind::Fetch, Some(84))
        );
        assert_eq!(
            code("Container exited with status 66"),
            (FailureKind::Launcher, Some(66))
        );
        assert_eq!(
            code("Command exited with status 1"),
            (FailureKind::Exited, Some(1))
        );
        assert_eq!(
            code("Container exited with status 137"),
            (FailureKind::Exited, Some(137))
        );
        assert_eq!(
            code("Command terminated with signal Segmentation fault"),
            (FailureKind::Exited, None)
        );
    }

    #[test]
    fn stale_offers_and_lost_agents_are_nobodys_fault() {
        let stale = "Task launched with invalid offers: Offer O41 is no longer valid";
        let stale = failure(TaskState::Lost, Some(Reason::InvalidOffers), stale);
        let gone = failure(TaskState::Gone, None, "");
        let removed = failure(TaskState::Lost, Some(Reason::AgentRemoved), "");
        assert_eq!(stale.kind, FailureKind::NeverLaunched);
        assert_eq!(gone.kind, FailureKind::AgentLost);
        for one in [stale, gone, removed] {
            assert!(one.kind.is_blameless(), "{one:?}");
        }
        let killed = failure(
            TaskState::Killed,
            None,
            "Command terminated with signal Killed",
        );
        assert!(!killed.kind.is_blameless());
    }

    #[test]
    fn what_operators_and_agents_end_is_no_failure_and_told_as_what_it_is() {
        let down = "Agent 127.0.0.1 removed: Operator initiated 'Machine DOWN'";
        let gone = "Agent has been marked gone";
        let all = [
            (
                TaskState::Killed,
                Reason::AgentDraining,
                "Command terminated with signal Terminated",
            ),
            (TaskState::GoneByOperator, Reason::AgentDraining, ""),
            (TaskState::Lost, Reason::AgentRemoved, down),
            (
                TaskState::GoneByOperator,
                Reason::AgentRemovedByOperator,
                gone,
            ),
            (
                TaskState::GoneByOperator,
                Reason::Reconciliation,
                "Reconciliation: Task is gone",
            ),
            (TaskState::Lost, Reason::AgentRemovedByOperator, gone),
            (
                TaskState::Gone,
                Reason::ContainerPreempted,
                "Container preempted by QoS correction",
            ),
            (TaskState::Lost, Reason::ContainerPreempted, ""),
        ];
        let mut text = Vec::new();
        for (state, reason, message) in all {
            let end = failure(state, Some(reason), message);
            assert!(end.kind.is_planned() && !end.kind.is_blameless(), "{end:?}");
            text.push(format!("{}: {end}", end.kind.name()));
        }
        insta::assert_snapshot!(text.join("\n"), @"
        drained: its agent is being drained: Command terminated with signal Terminated
        drained: its agent is being drained
        machine-down: its machine is taken down for maintenance: Agent 127.0.0.1 removed: Operator initiated 'Machine DOWN'
        marked-gone: an operator has marked its agent as gone: Agent has been marked gone
        marked-gone: an operator has marked its agent as gone: Reconciliation: Task is gone
        marked-gone: an operator has marked its agent as gone: Agent has been marked gone
        preempted: its agent took its resources back: Container preempted by QoS correction
        preempted: its agent took its resources back
        ");
        let unplanned = failure(
            TaskState::Lost,
            Some(Reason::AgentRemoved),
            "health check timed out",
        );
        assert!(!unplanned.kind.is_planned());
    }

    #[test]
    fn failures_in_words() {
        let memory = "Memory limit exceeded: Requested: 80MB Maximum Used: 80MB\n\nMEMORY STATISTICS: \ncache 8192";
        let all = [
            failure(
                TaskState::Failed,
                Some(Reason::ContainerLimitationMemory),
                memory,
            ),
            failure(TaskState::Failed, None, "Command exited with status 84"),
            failure(
                TaskState::Error,
                Some(Reason::TaskInvalid),
                "Task uses no resources",
            ),
            failure(TaskState::Unreachable, None, ""),
        ];
        let text: Vec<String> = all.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(text.join("\n"), @"
        it used more memory than it may: Memory limit exceeded: Requested: 80MB Maximum Used: 80MB
        a file could not be fetched (ArtifactUnreachable, see docs/exit-codes.md): Command exited with status 84
        the master refuses the task: Task uses no resources
        its agent is lost
        ");
    }

    fn report(reason: Cause, code: u8, message: &str) -> ExitReport {
        let began = std::time::SystemTime::UNIX_EPOCH;
        let mut report = ExitReport::new("taskmanager-1", Phase::Run, reason, began);
        report.exit_code = code;
        message.clone_into(&mut report.message);
        report
    }

    #[test]
    fn the_launchers_report_decides_what_an_exit_code_leaves_open() {
        let docker = ending(TaskState::Failed, None, "Container exited with status 137");
        let killed = "taskmanager-1 died of SIGKILL: the kernel killed it because the container \
                      reached its memory limit of 1048576000 bytes";
        let lines = [
            report(Cause::OomKilled, 137, killed),
            report(
                Cause::Signaled,
                134,
                "taskmanager-1 died of SIGABRT (core dumped)",
            ),
            report(
                Cause::Unhealthy,
                97,
                "taskmanager-1 failed its health check and was stopped",
            ),
            report(
                Cause::LaunchFailed,
                84,
                "cannot fetch \"flink-dist\": no URL could be reached",
            ),
            report(Cause::LaunchFailed, 66, "there is no Java"),
            // It knows no more than that it was told to stop.
            report(Cause::Stopped, 0, "taskmanager-1 stopped on SIGTERM"),
        ]
        .map(|report| {
            let failure = TaskFailure::of(&docker, Some(&report));
            format!("{}: {failure}", failure.kind.name())
        });
        insta::assert_snapshot!(lines.join("\n"), @r#"
        out-of-memory: it used more memory than it may: taskmanager-1 died of SIGKILL: the kernel killed it because the container reached its memory limit of 1048576000 bytes
        exited: its process ended: taskmanager-1 died of SIGABRT (core dumped)
        unhealthy: it failed its health check and was killed: taskmanager-1 failed its health check and was stopped
        fetch: a file could not be fetched (ArtifactUnreachable, see docs/exit-codes.md): cannot fetch "flink-dist": no URL could be reached
        launcher: the launcher refused (JavaMissing, see docs/exit-codes.md): there is no Java
        exited: its process ended: Container exited with status 137
        "#);
        let cut = format!("a\u{1b}[2J{}\nsecond line", "x".repeat(1000));
        let long = TaskFailure::of(&docker, Some(&report(Cause::Exited, 1, &cut)));
        assert!(!long.message.contains(char::is_control), "{long}");
        assert_eq!(long.message.chars().count(), 401);
    }

    #[test]
    fn what_mesos_did_itself_is_not_the_launchers_to_tell() {
        let stray = report(Cause::Exited, 1, "taskmanager-1 ended with exit code 1");
        for (state, reason, kind) in [
            (
                TaskState::Failed,
                Reason::ContainerLimitationMemory,
                FailureKind::OutOfMemory,
            ),
            (
                TaskState::Killed,
                Reason::AgentDraining,
                FailureKind::Drained,
            ),
            (
                TaskState::Lost,
                Reason::InvalidOffers,
                FailureKind::NeverLaunched,
            ),
            (
                TaskState::Failed,
                Reason::ContainerLaunchFailed,
                FailureKind::Start,
            ),
        ] {
            let ending = ending(state, Some(reason), "");
            assert_eq!(TaskFailure::of(&ending, Some(&stray)).kind, kind);
        }
    }

    /// As recorded of both containerizers: the state is that of any kill.
    #[test]
    fn a_kill_by_failed_health_checks_is_named_as_such() {
        let words = [
            "Command terminated with signal Terminated",
            "Container exited with status 137",
        ];
        for words in words {
            let killed = Ending {
                healthy: Some(false),
                ..ending(TaskState::Killed, None, words)
            };
            let stopped = report(Cause::Stopped, 0, "taskmanager-1 stopped on SIGTERM");
            for report in [None, Some(&stopped)] {
                let failure = TaskFailure::of(&killed, report);
                assert_eq!(failure.kind, FailureKind::Unhealthy);
                assert_eq!(
                    failure.to_string(),
                    format!("it failed its health check and was killed: {words}")
                );
            }
            let asked = Ending {
                wanted: true,
                ..killed
            };
            assert_eq!(TaskFailure::of(&asked, None).kind, FailureKind::Killed);
        }
    }
}
