use super::*;
use flugs_supervise::Phase;

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
            TaskState::Lost,
            Reason::AgentRemoved,
            "Agent 127.0.0.1 removed: a new agent registered at the same address",
        ),
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
        agent-replaced: another agent was started in the place of its own: Agent 127.0.0.1 removed: a new agent registered at the same address
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
