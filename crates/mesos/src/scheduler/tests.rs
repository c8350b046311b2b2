//! Single rules of the scheduler, one by one.

use super::*;
use crate::matching::Profile;
use crate::resources::{Demand, Thousandths};
use crate::wire::{
    Base64Bytes, ErrorEvent, Event, Failure, FrameworkInfo, Offer, OfferId, Offers, Reason,
    Rescind, Resource, Scalar, Source, Subscribed, TaskInfo, TaskState, TaskStatus, Update,
};

mod maintenance;

struct Plain;

impl Describe for Plain {
    fn describe(&self, launch: Launch<'_>) -> TaskInfo {
        TaskInfo {
            name: launch.worker.to_string(),
            ..TaskInfo::default()
        }
    }
}

struct Bench {
    scheduler: Scheduler<Plain>,
    now: Duration,
    /// Whether the store confirms at once.
    stores: bool,
    log: Vec<String>,
    ticket: u64,
}

fn settings() -> Settings {
    let mut demand = Demand::default();
    demand.scalars.insert("cpus".into(), Thousandths::whole(1));
    let profile = Profile {
        demand,
        ..Profile::default()
    };
    let framework = FrameworkInfo {
        name: "f".into(),
        ..FrameworkInfo::default()
    };
    Settings::new(framework, BTreeMap::from([("p".to_owned(), profile)]))
}

fn worker(number: u32) -> WorkerId {
    format!("w-{number}").parse().unwrap()
}

fn offer(id: &str, cpus: f64) -> Offer {
    Offer {
        id: OfferId::new(id),
        agent_id: AgentId::new("S0"),
        hostname: "h".into(),
        resources: vec![Resource {
            name: "cpus".into(),
            scalar: Some(Scalar { value: cpus }),
            ..Resource::default()
        }],
        ..Offer::default()
    }
}

impl Bench {
    fn new() -> Self {
        Self::recovered(&Snapshot::default())
    }

    fn recovered(snapshot: &Snapshot) -> Self {
        Self {
            scheduler: Scheduler::new(settings(), Plain, snapshot, Duration::ZERO),
            now: Duration::ZERO,
            stores: true,
            log: Vec::new(),
            ticket: 0,
        }
    }

    fn tell(&mut self, input: Input) {
        let actions = self.scheduler.step(self.now, input);
        let mut stored = None;
        for action in actions {
            let line = match action {
                Action::Store { ticket, changes } => {
                    stored = Some(ticket);
                    self.ticket = ticket;
                    let one = |change: &Change| match change {
                        Change::Framework(id) => {
                            format!("framework {:?}", id.as_ref().map(|id| &id.value))
                        }
                        Change::Task(record) => {
                            let state = record.state.as_ref().map(ToString::to_string);
                            let state = state.as_deref().unwrap_or("new");
                            format!("{} {:?} {state}", record.task, record.goal)
                        }
                        Change::Forget(task) => format!("forget {task}"),
                    };
                    let changes: Vec<String> = changes.iter().map(one).collect();
                    format!("store {ticket}: {}", changes.join(", "))
                }
                Action::Connect { generation, call } => {
                    let id = call.framework_id.map(|id| id.value);
                    format!("connect {generation} as {id:?}")
                }
                Action::Send { call, .. } => match call.body {
                    CallBody::Kill(kill) => {
                        let at_once = kill.kill_policy.is_some();
                        format!(
                            "KILL {}{}",
                            kill.task_id,
                            if at_once { " at once" } else { "" }
                        )
                    }
                    CallBody::Reconcile(reconcile) => {
                        format!("RECONCILE {}", reconcile.tasks.len())
                    }
                    CallBody::Decline(decline) => {
                        let seconds = decline.filters.and_then(|one| one.refuse_seconds);
                        let long = settings().refuse.as_secs_f64();
                        let short = seconds.is_some_and(|seconds| seconds < long);
                        format!("DECLINE{}", if short { " for a moment" } else { "" })
                    }
                    CallBody::DeclineInverseOffers(answer) => {
                        let again = answer.filters.and_then(|one| one.refuse_seconds);
                        format!("DECLINE_INVERSE_OFFERS, again in {} s", again.unwrap())
                    }
                    body => body.name().to_owned(),
                },
                Action::Close => "close".to_owned(),
                Action::Report(Report::FrameworkRemoved { .. }) => "operator is asked".to_owned(),
                Action::Report(Report::Ended { worker, .. }) => format!("{worker} ended"),
                Action::Report(
                    Report::Launched { .. } | Report::State { .. } | Report::Subscribed(_),
                ) => {
                    continue;
                }
                Action::Report(report) => format!("{report:?}"),
            };
            self.log.push(line);
        }
        if let Some(ticket) = stored.filter(|_| self.stores) {
            self.tell(Input::Stored(ticket));
        }
    }

    fn event(&mut self, event: Event) {
        let generation = self.scheduler.generation;
        self.tell(Input::Event {
            generation,
            event: Box::new(event),
        });
    }

    fn subscribe(&mut self) {
        self.tell(Input::Tick);
        self.event(Event::Subscribed(Box::new(Subscribed {
            framework_id: FrameworkId::new("F"),
            ..Subscribed::default()
        })));
    }

    fn want(&mut self, number: u32) {
        self.tell(Input::Want {
            worker: worker(number),
            profile: "p".into(),
        });
    }

    fn offer(&mut self, id: &str, cpus: f64) {
        self.event(Event::Offers(Offers {
            offers: vec![offer(id, cpus)],
        }));
    }

    fn update(
        &mut self,
        task: &str,
        state: TaskState,
        uuid: Option<usize>,
        reason: Option<Reason>,
    ) {
        self.event(Event::Update(Box::new(Update {
            status: TaskStatus {
                task_id: TaskId::new(task),
                state,
                reason,
                source: Some(if uuid.is_some() {
                    Source::Executor
                } else {
                    Source::Master
                }),
                agent_id: Some(AgentId::new("S0")),
                uuid: uuid.map(|length| Base64Bytes(vec![1; length])),
                ..TaskStatus::default()
            },
        })));
    }

    /// As the master says it, with its words.
    fn update_saying(&mut self, task: &str, state: TaskState, reason: Reason, message: &str) {
        self.event(Event::Update(Box::new(Update {
            status: TaskStatus {
                task_id: TaskId::new(task),
                state,
                reason: Some(reason),
                source: Some(Source::Master),
                agent_id: Some(AgentId::new("S0")),
                message: Some(message.to_owned()),
                ..TaskStatus::default()
            },
        })));
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(next) = self.scheduler.next_tick().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.tell(Input::Tick);
        }
        self.now = end;
    }

    fn error(&mut self, message: &str) {
        let message = message.to_owned();
        self.event(Event::Error(ErrorEvent { message }));
    }

    /// A worker that runs; what led there is not in the log.
    fn running() -> Self {
        let mut bench = Self::new();
        bench.subscribe();
        bench.want(1);
        bench.offer("O1", 4.0);
        bench.update("w-1-1", TaskState::Running, Some(16), None);
        bench.log.clear();
        bench
    }

    fn log(&mut self) -> String {
        std::mem::take(&mut self.log).join("\n")
    }
}

#[test]
fn a_launch_waits_for_the_store_and_an_acknowledgement_does_as_well() {
    let mut bench = Bench::new();
    bench.subscribe();
    bench.want(1);
    bench.stores = false;
    bench.offer("O1", 4.0);
    bench.offer("O2", 4.0);
    insta::assert_snapshot!(bench.log(), @r#"
    connect 1 as None
    store 1: framework Some("F")
    RECONCILE 0
    SUPPRESS
    REVIVE
    store 2: w-1-1 Run new
    DECLINE
    "#);
    bench.tell(Input::Stored(bench.ticket));
    bench.update("w-1-1", TaskState::Running, Some(16), None);
    insta::assert_snapshot!(bench.log(), @r"
    ACCEPT
    SUPPRESS
    store 3: w-1-1 Run TASK_RUNNING
    ");
    bench.tell(Input::Stored(bench.ticket));
    insta::assert_snapshot!(bench.log(), @"ACKNOWLEDGE");
}

#[test]
fn every_duplicate_is_acknowledged_and_what_has_no_uuid_never_is() {
    let mut bench = Bench::running();
    bench.update("w-1-1", TaskState::Running, Some(16), None);
    bench.update(
        "w-1-1",
        TaskState::Running,
        None,
        Some(Reason::Reconciliation),
    );
    bench.update("w-1-1", TaskState::Running, Some(15), None);
    bench.update("gone-before", TaskState::Failed, Some(16), None);
    insta::assert_snapshot!(bench.log(), @r"
    ACKNOWLEDGE
    ACKNOWLEDGE
    ");
}

#[test]
fn a_stray_task_is_killed_until_it_ends() {
    let mut bench = Bench::running();
    bench.update(
        "stray",
        TaskState::Running,
        None,
        Some(Reason::Reconciliation),
    );
    bench.pass(40);
    bench.update("stray", TaskState::Killed, Some(16), None);
    bench.pass(60);
    insta::assert_snapshot!(bench.log(), @r#"
    Stray(TaskId { value: "stray" })
    KILL stray
    KILL stray
    KillOverdue(TaskId { value: "stray" })
    KILL stray at once
    ACKNOWLEDGE
    "#);
}

#[test]
fn a_release_is_stored_before_it_kills_and_the_third_kill_has_no_grace() {
    let mut bench = Bench::running();
    bench.stores = false;
    bench.tell(Input::Release(worker(1)));
    insta::assert_snapshot!(bench.log(), @"store 4: w-1-1 End TASK_RUNNING");
    bench.stores = true;
    bench.tell(Input::Stored(bench.ticket));
    bench.pass(35);
    bench.update("w-1-1", TaskState::Killed, Some(16), None);
    bench.pass(60);
    insta::assert_snapshot!(bench.log(), @r#"
    KILL w-1-1
    KILL w-1-1
    KillOverdue(TaskId { value: "w-1-1" })
    KILL w-1-1 at once
    store 5: forget w-1-1
    w-1 ended
    ACKNOWLEDGE
    "#);
}

#[test]
fn reconciliation_repeats_until_it_is_answered_and_comes_back_periodically() {
    let mut bench = Bench::running();
    bench.tell(Input::Disconnected(1));
    bench.pass(2);
    bench.subscribe();
    bench.pass(10);
    bench.update(
        "w-1-1",
        TaskState::Running,
        None,
        Some(Reason::Reconciliation),
    );
    bench.pass(15 * 60);
    insta::assert_snapshot!(bench.log(), @r#"
    connect 2 as Some("F")
    RECONCILE 0
    RECONCILE 1
    SUPPRESS
    RECONCILE 1
    RECONCILE 1
    RECONCILE 1
    RECONCILE 0
    RECONCILE 1
    RECONCILE 1
    RECONCILE 1
    RECONCILE 1
    "#);
}

#[test]
fn an_unreachable_task_is_called_lost_after_a_while_and_goes_on_when_it_returns() {
    let mut bench = Bench::running();
    bench.update(
        "w-1-1",
        TaskState::Unreachable,
        None,
        Some(Reason::AgentRemoved),
    );
    bench.pass(15);
    bench.offer("O2", 4.0);
    bench.update(
        "w-1-1",
        TaskState::Running,
        None,
        Some(Reason::AgentReregistered),
    );
    bench.pass(60);
    let log = bench.log();
    assert!(log.contains("Lost { worker: WorkerId(\"w-1\")"), "{log}");
    assert!(!log.contains("KILL") && !log.contains("ACCEPT"), "{log}");
    assert!(log.contains("w-1-1 Run TASK_RUNNING"), "{log}");
}

#[test]
fn task_unknown_says_nothing_about_a_worker_that_serves() {
    for state in [TaskState::Unknown, TaskState::Unreachable] {
        let mut bench = Bench::running();
        bench.tell(Input::Serves(worker(1)));
        bench.update("w-1-1", state.clone(), None, Some(Reason::Reconciliation));
        // An hour, over and over asked.
        for _ in 0..60 {
            bench.pass(60);
            bench.update("w-1-1", state.clone(), None, Some(Reason::Reconciliation));
        }
        let log = bench.log();
        for word in ["Lost", "KILL", "forget", "ended"] {
            assert!(!log.contains(word), "{state:?}: {log}");
        }
        bench.tell(Input::Absent(worker(1)));
        assert!(bench.log().contains("Lost"), "{state:?}");
    }
}

#[test]
fn a_task_that_nobody_knows_any_more_is_forgotten_after_a_quarter_of_an_hour() {
    let mut bench = Bench::running();
    let unknown = |bench: &mut Bench| {
        let reason = Some(Reason::Reconciliation);
        bench.update("w-1-1", TaskState::Unknown, None, reason);
    };
    unknown(&mut bench);
    bench.pass(899);
    unknown(&mut bench);
    let log = bench.log();
    assert!(log.contains("Lost") && !log.contains("forget"), "{log}");
    bench.pass(1);
    // It is asked about again by itself.
    assert!(bench.log().contains("RECONCILE 1"));
    unknown(&mut bench);
    assert!(bench.log().contains("forget w-1-1"));
}

#[test]
fn what_runs_on_a_machine_that_is_taken_down_is_over_once_it_does_not_serve() {
    let down = "Agent h removed: Operator initiated 'Machine DOWN'";
    let mut bench = Bench::running();
    bench.tell(Input::Serves(worker(1)));
    bench.update_saying("w-1-1", TaskState::Lost, Reason::AgentRemoved, down);
    let reason = Some(Reason::Reconciliation);
    bench.update("w-1-1", TaskState::Unknown, None, reason);
    bench.pass(2);
    assert!(!bench.log().contains("ended"));
    bench.tell(Input::Absent(worker(1)));
    let log = bench.log();
    assert!(log.contains("w-1 ended"), "{log}");
    assert!(!log.contains("Lost"), "{log}");
}

#[test]
fn planned_ends_are_held_against_nobody() {
    for (state, reason) in [
        (TaskState::Killed, Reason::AgentDraining),
        (TaskState::GoneByOperator, Reason::AgentRemovedByOperator),
        (TaskState::GoneByOperator, Reason::AgentDraining),
        (TaskState::Gone, Reason::ContainerPreempted),
    ] {
        let mut bench = Bench::running();
        bench.update("w-1-1", state, Some(16), Some(reason.clone()));
        assert_eq!(bench.scheduler.avoided_agents(), 0, "{reason:?}");
        let entry = &bench.scheduler.workers[&worker(1)];
        assert_eq!(entry.failures, 0, "{reason:?}");
        // It waits for an offer at once.
        assert_eq!(bench.scheduler.waiting().count(), 1, "{reason:?}");
    }
}

#[test]
fn lost_and_then_running_before_the_patience_ends_is_the_same_task() {
    let mut bench = Bench::running();
    bench.update("w-1-1", TaskState::Lost, None, Some(Reason::AgentRemoved));
    bench.update(
        "w-1-1",
        TaskState::Running,
        None,
        Some(Reason::AgentReregistered),
    );
    bench.pass(60);
    insta::assert_snapshot!(bench.log(), @r"
    store 4: w-1-1 Run TASK_UNREACHABLE
    RECONCILE 1
    store 5: w-1-1 Run TASK_RUNNING
    ");
}

#[test]
fn a_question_that_overtakes_its_launch_does_not_end_it() {
    let mut bench = Bench::new();
    bench.subscribe();
    bench.want(1);
    bench.offer("O1", 4.0);
    bench.log.clear();
    bench.update(
        "w-1-1",
        TaskState::Unknown,
        None,
        Some(Reason::Reconciliation),
    );
    insta::assert_snapshot!(bench.log(), @"");
    bench.pass(31);
    bench.update("w-1-1", TaskState::Gone, None, Some(Reason::Reconciliation));
    insta::assert_snapshot!(bench.log(), @r"
    RECONCILE 1
    RECONCILE 1
    store 3: forget w-1-1
    w-1 ended
    REVIVE
    ");
}

#[test]
fn a_rescinded_offer_takes_its_launch_back_while_the_store_is_slow() {
    let mut bench = Bench::new();
    bench.subscribe();
    bench.want(1);
    bench.stores = false;
    bench.offer("O1", 4.0);
    bench.log.clear();
    bench.event(Event::Rescind(Rescind {
        offer_id: OfferId::new("O1"),
    }));
    bench.tell(Input::Stored(bench.ticket));
    insta::assert_snapshot!(bench.log(), @r"
    store 3: forget w-1-1
    w-1 ended
    SUPPRESS
    REVIVE
    ");
    assert_eq!(bench.scheduler.waiting().count(), 1);
}

#[test]
fn what_is_not_wanted_is_suppressed_and_filters_are_cleared_for_those_they_did_not_mean() {
    let mut bench = Bench::new();
    bench.subscribe();
    bench.want(1);
    bench.offer("O1", 0.5);
    let refusal = bench.scheduler.refusals("p").next().unwrap();
    insta::assert_snapshot!(refusal.reasons[0], @"cpus: 1 wanted, 0.5 offered");
    bench.pass(60);
    bench.want(2);
    bench.offer("O2", 2.0);
    insta::assert_snapshot!(bench.log(), @r#"
    connect 1 as None
    store 1: framework Some("F")
    RECONCILE 0
    SUPPRESS
    REVIVE
    DECLINE
    REVIVE
    store 2: w-1-1 Run new, w-2-2 Run new
    ACCEPT
    SUPPRESS
    "#);
}

/// It came first, and what was left of the agent was refused for two minutes: whoever came to wait
/// while the store was slow waited for that long.
#[test]
fn a_revive_does_not_overtake_the_launch_whose_filter_it_is_to_clear() {
    let mut bench = Bench::new();
    bench.subscribe();
    bench.want(1);
    bench.stores = false;
    bench.offer("O1", 4.0);
    bench.log.clear();
    bench.want(2);
    bench.tell(Input::Stored(bench.ticket));
    insta::assert_snapshot!(bench.log(), @r"
    ACCEPT
    SUPPRESS
    REVIVE
    ");
}

#[test]
fn a_removed_framework_gets_a_new_id_only_if_nothing_can_be_running() {
    let empty = Snapshot {
        framework: Some(FrameworkId::new("F")),
        ..Snapshot::default()
    };
    let mut bench = Bench::recovered(&empty);
    bench.tell(Input::Tick);
    bench.error("Framework has been removed");
    insta::assert_snapshot!(bench.log(), @r#"
    connect 1 as Some("F")
    store 1: framework None
    connect 2 as None
    "#);

    let mut bench = Bench::running();
    bench.tell(Input::Disconnected(1));
    bench.pass(2);
    bench.error("Framework has been removed");
    bench.pass(3600);
    insta::assert_snapshot!(bench.log(), @r#"
    connect 2 as Some("F")
    operator is asked
    "#);
    bench.tell(Input::ForgetFramework);
    bench.tell(Input::Tick);
    insta::assert_snapshot!(bench.log(), @r"
    store 4: forget w-1-1, framework None
    w-1 ended
    connect 3 as None
    ");
}

#[test]
fn a_scheduler_that_was_replaced_or_is_refused_says_so_and_rests() {
    let mut bench = Bench::running();
    bench.error("Framework failed over");
    bench.pass(3600);
    insta::assert_snapshot!(bench.log(), @"Superseded");
    let mut bench = Bench::new();
    bench.tell(Input::Tick);
    bench.error("Not authorized to use role 'x'");
    bench.pass(3600);
    insta::assert_snapshot!(bench.log(), @r#"
    connect 1 as None
    Refused("Not authorized to use role 'x'")
    "#);
}

#[test]
fn wrong_credentials_end_a_framework_that_never_was_and_no_other() {
    let rejected = |generation| Input::Rejected {
        generation,
        reason: "401".to_owned(),
    };
    let mut bench = Bench::new();
    bench.tell(Input::Tick);
    bench.tell(rejected(1));
    bench.pass(3600);
    insta::assert_snapshot!(bench.log(), @r#"
    connect 1 as None
    Refused("401")
    "#);
    // Its workers run, and the master may have been told the wrong thing.
    let mut bench = Bench::running();
    bench.tell(Input::Disconnected(1));
    bench.pass(2);
    bench.tell(rejected(2));
    bench.pass(3);
    insta::assert_snapshot!(bench.log(), @r#"
    connect 2 as Some("F")
    connect 3 as Some("F")
    "#);
}

#[test]
fn the_late_error_of_an_older_stream_is_no_end() {
    let mut bench = Bench::running();
    bench.tell(Input::Disconnected(1));
    bench.pass(2);
    let message = "Framework failed over".to_owned();
    let event = Box::new(Event::Error(ErrorEvent { message }));
    bench.tell(Input::Event {
        generation: 1,
        event,
    });
    insta::assert_snapshot!(bench.log(), @r#"connect 2 as Some("F")"#);
}

#[test]
fn a_failover_leaves_tasks_and_a_teardown_leaves_nothing() {
    let mut bench = Bench::running();
    bench.tell(Input::Stop(Stop::Failover));
    insta::assert_snapshot!(bench.log(), @r"
    close
    Stopped
    ");
    let mut bench = Bench::running();
    bench.tell(Input::Stop(Stop::Teardown));
    bench.tell(Input::TornDown(1));
    insta::assert_snapshot!(bench.log(), @r"
    TEARDOWN
    store 4: forget w-1-1, framework None
    w-1 ended
    close
    Stopped
    ");
}

#[test]
fn a_teardown_that_was_cut_off_is_said_again_and_a_removed_framework_is_its_success() {
    let mut bench = Bench::running();
    bench.tell(Input::Stop(Stop::Teardown));
    bench.tell(Input::Disconnected(1));
    bench.pass(2);
    bench.error("Framework has been removed");
    insta::assert_snapshot!(bench.log(), @r#"
    TEARDOWN
    connect 2 as Some("F")
    store 4: forget w-1-1, framework None
    w-1 ended
    close
    Stopped
    "#);
}

#[test]
fn failures_back_off_by_worker_and_by_agent() {
    let mut bench = Bench::running();
    for number in 1..4 {
        bench.update(&format!("w-1-{number}"), TaskState::Failed, Some(16), None);
        assert_eq!(bench.scheduler.waiting().count(), 0, "{number}");
        assert!(bench.scheduler.avoided.contains_key(&AgentId::new("S0")));
        bench.pass(20);
        assert_eq!(bench.scheduler.waiting().count(), 1, "{number}");
        bench.offer("O", 4.0);
    }
    bench.update("w-1-4", TaskState::Failed, Some(16), None);
    let wait = bench
        .scheduler
        .next_tick()
        .unwrap()
        .saturating_sub(bench.now);
    assert!((8..=10).contains(&wait.as_secs()), "{wait:?}");
}

#[test]
fn the_end_of_a_worker_that_served_is_not_its_agents_fault() {
    let mut bench = Bench::running();
    bench.tell(Input::Serves(worker(1)));
    bench.update("w-1-1", TaskState::Failed, Some(16), None);
    assert!(bench.scheduler.avoided.is_empty());
    // What comes after it has to serve anew.
    bench.pass(20);
    bench.offer("O", 4.0);
    bench.update("w-1-2", TaskState::Failed, Some(16), None);
    assert!(!bench.scheduler.avoided.is_empty());
}

#[test]
fn offers_of_an_agent_that_is_left_alone_for_a_moment_are_declined_for_a_moment() {
    let mut bench = Bench::running();
    bench.tell(Input::Want {
        worker: worker(2),
        profile: "p".to_owned(),
    });
    bench.update("w-1-1", TaskState::Failed, Some(16), None);
    bench.log();
    bench.offer("O", 4.0);
    insta::assert_snapshot!(bench.log(), @"DECLINE for a moment");
}

#[test]
fn a_lost_agent_is_asked_about_though_no_update_comes() {
    let mut bench = Bench::running();
    let agent = |id: &str| {
        Event::Failure(Failure {
            agent_id: Some(AgentId::new(id)),
            ..Failure::default()
        })
    };
    bench.event(agent("S7"));
    insta::assert_snapshot!(bench.log(), @"");
    bench.event(agent("S0"));
    insta::assert_snapshot!(bench.log(), @"RECONCILE 1");
}

#[test]
fn what_waits_for_the_store_when_the_connection_breaks_is_not_sent_on_the_next() {
    let mut bench = Bench::new();
    bench.subscribe();
    bench.stores = false;
    bench.want(1);
    bench.offer("O1", 4.0);
    bench.tell(Input::Disconnected(1));
    bench.stores = true;
    bench.tell(Input::Stored(bench.ticket));
    bench.pass(2);
    bench.log.clear();
    bench.subscribe();
    bench.pass(60);
    let log = bench.log();
    assert!(!log.contains("ACCEPT"), "{log}");
    bench.offer("O2", 4.0);
    assert!(bench.log().contains("ACCEPT"));
}

#[test]
fn a_successor_waits_for_an_unreachable_task_as_its_predecessor_did() {
    let mut bench = Bench::running();
    bench.update(
        "w-1-1",
        TaskState::Unreachable,
        None,
        Some(Reason::AgentRemoved),
    );
    let mut snapshot = Snapshot {
        framework: Some(FrameworkId::new("F")),
        ..Snapshot::default()
    };
    let entry = &bench.scheduler.tasks[&TaskId::new("w-1-1")];
    snapshot.apply(&Change::Task(Box::new(entry.record.clone().unwrap())));
    let mut bench = Bench::recovered(&snapshot);
    bench.subscribe();
    bench.log.clear();
    bench.pass(9);
    assert!(!bench.log().contains("Lost"));
    bench.pass(1);
    assert!(bench.log().contains("Lost"));
}

#[test]
fn recovered_tasks_go_on_and_those_that_were_to_end_are_killed() {
    let mut bench = Bench::running();
    let mut snapshot = Snapshot {
        framework: Some(FrameworkId::new("F")),
        ..Snapshot::default()
    };
    let record = bench.scheduler.tasks[&TaskId::new("w-1-1")]
        .record
        .clone()
        .unwrap();
    let doomed = TaskRecord {
        task: TaskId::new("w-2-2"),
        serial: 2,
        worker: worker(2),
        goal: Goal::End,
        ..record.clone()
    };
    for record in [record, doomed] {
        snapshot.apply(&Change::Task(Box::new(record)));
    }
    let text = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), snapshot);
    bench = Bench::recovered(&snapshot);
    bench.subscribe();
    bench.want(3);
    bench.offer("O9", 4.0);
    assert!(bench.scheduler.tasks.contains_key(&TaskId::new("w-3-3")));
    insta::assert_snapshot!(bench.log(), @r#"
    connect 1 as Some("F")
    RECONCILE 0
    KILL w-2-2
    RECONCILE 2
    SUPPRESS
    REVIVE
    store 1: w-3-3 Run new
    ACCEPT
    SUPPRESS
    "#);
}
