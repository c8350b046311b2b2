use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::scheduling::{Heard, Memory};
use super::*;
use crate::store::StoreError;
use flugs_mesos::constraint::Host;
use flugs_mesos::matching::Profile;
use flugs_mesos::scheduler::{Change, Launch, Settings};
use flugs_mesos::wire::{Call, CallBody, FrameworkInfo, TaskInfo};
use flugs_model::Role;
use flugs_supervise::{Phase, Reason};

/// The calls that launch and kill, as the master would get them.
type Calls = Arc<Mutex<Vec<String>>>;

struct Wire {
    calls: Calls,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl Link for Wire {
    fn connect(&mut self, _: u64, _: Call) {}

    fn send(&mut self, _: u64, call: Call) {
        let said = match call.body {
            CallBody::Accept(accept) => {
                let launches = accept.operations.into_iter().filter_map(|one| one.launch);
                let tasks = launches.flat_map(|launch| launch.task_infos);
                let names: Vec<String> = tasks.map(|task| task.task_id.value).collect();
                format!("launch {}", names.join(" "))
            }
            CallBody::Kill(kill) => format!("kill {}", kill.task_id.value),
            CallBody::Teardown => "teardown".to_owned(),
            _ => return,
        };
        self.calls.lock().unwrap().push(said);
    }

    fn close(&mut self) {}

    async fn next(&mut self) -> Heard {
        match self.heard.recv().await {
            Some(heard) => heard,
            None => pending().await,
        }
    }
}

/// Remembers at once.
struct Good;

impl Memory for Good {
    async fn apply(&mut self, _: &[Change]) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Anywhere;

impl Publish for Anywhere {
    fn publish(&mut self) -> Result<(), flugs_artifact::StoreError> {
        Ok(())
    }

    fn withdraw(&mut self, _: &TaskId) {}
}

struct Anything;

impl Describe for Anything {
    fn describe(&self, _: Launch<'_>) -> TaskInfo {
        TaskInfo::default()
    }
}

/// A framework that is subscribed.
struct Scene {
    workers: MesosWorkers<Anything, Wire, Anywhere>,
    say: mpsc::UnboundedSender<Heard>,
    calls: Calls,
    offers: usize,
}

impl Scene {
    async fn new() -> Self {
        Self::after(&Snapshot::default()).await
    }

    async fn after(snapshot: &Snapshot) -> Self {
        let (say, heard) = mpsc::unbounded_channel();
        let calls = Calls::default();
        let wire = Wire {
            calls: calls.clone(),
            heard,
        };
        let profiles = [("small".to_owned(), Profile::default())].into();
        let settings = Settings::new(FrameworkInfo::default(), profiles);
        let scheduling = Scheduling::new(settings, Anything, snapshot, wire, Anywhere, Good);
        let mut scene = Self {
            workers: MesosWorkers::new(scheduling, snapshot),
            say,
            calls,
            offers: 0,
        };
        scene.settle().await;
        scene.hear(r#"{"type":"SUBSCRIBED","subscribed":{"framework_id":{"value":"F"}}}"#);
        let framework = WorkersEvent::Subscribed(FrameworkId::new("F"));
        assert_eq!(scene.settle().await, [framework]);
        scene
    }

    fn hear(&self, json: &str) {
        let event = Box::new(serde_json::from_str(json).unwrap());
        let generation = 1;
        self.say.send(Heard::Event { generation, event }).unwrap();
    }

    /// What happens within a moment.
    async fn settle(&mut self) -> Vec<WorkersEvent> {
        let mut all = Vec::new();
        let moment = Duration::from_millis(10);
        while let Ok(event) = tokio::time::timeout(moment, self.workers.event()).await {
            all.push(event.unwrap());
        }
        all
    }

    async fn offer(&mut self) -> Vec<WorkersEvent> {
        self.offers += 1;
        self.hear(&format!(
            r#"{{"type":"OFFERS","offers":{{"offers":[{{"id":{{"value":"O{}"}},
                "framework_id":{{"value":"F"}},"agent_id":{{"value":"S1"}},"hostname":"h",
                "resources":[]}}]}}}}"#,
            self.offers
        ));
        self.settle().await
    }

    async fn update(&mut self, task: &str, state: &str, more: &str) -> Vec<WorkersEvent> {
        self.hear(&format!(
            r#"{{"type":"UPDATE","update":{{"status":{{"task_id":{{"value":"{task}"}},
                "agent_id":{{"value":"S1"}},"state":"{state}"{more}}}}}}}"#,
        ));
        self.settle().await
    }

    /// A worker that runs; the id of its task.
    async fn running(&mut self, number: u64) -> String {
        self.workers.launch(worker(number), "small").unwrap();
        self.offer().await;
        let task = self
            .workers
            .resource_id(&worker(number))
            .unwrap()
            .to_owned();
        self.update(&task, "TASK_RUNNING", "").await;
        self.said();
        task
    }

    fn said(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

fn worker(number: u64) -> WorkerId {
    WorkerId::of(Role::TaskManager, Some(number))
}

#[tokio::test(start_paused = true)]
async fn a_worker_waits_for_an_offer_and_is_known_to_flink_by_its_task() {
    let mut scene = Scene::new().await;
    scene.workers.launch(worker(1), "small").unwrap();
    assert_eq!(scene.settle().await, []);
    assert_eq!(scene.workers.resource_id(&worker(1)), None);
    assert_eq!(scene.offer().await, [WorkersEvent::Launched(worker(1))]);
    assert_eq!(scene.said(), ["launch taskmanager-1-1"]);
    let id = scene.workers.resource_id(&worker(1));
    assert_eq!(id, Some("taskmanager-1-1"));
    let told = scene.update("taskmanager-1-1", "TASK_RUNNING", "").await;
    assert_eq!(told, [WorkersEvent::State(worker(1))]);
    let task = scene.workers.workers()[&worker(1)].task.as_ref().unwrap();
    assert_eq!(
        (task.hostname.as_str(), &task.state),
        ("h", &Some(TaskState::Running))
    );
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_stops_at_once_and_no_offer_is_used_for_it() {
    let mut scene = Scene::new().await;
    scene.workers.launch(worker(1), "small").unwrap();
    scene.workers.stop(&worker(1)).unwrap();
    assert_eq!(scene.settle().await, [WorkersEvent::Stopped(worker(1))]);
    assert_eq!(scene.offer().await, []);
    assert_eq!(scene.said(), Vec::<String>::new());
    // One that is not wanted cannot stop again.
    scene.workers.stop(&worker(1)).unwrap();
    assert_eq!(scene.settle().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_runs_stops_when_its_task_has_ended() {
    let mut scene = Scene::new().await;
    let task = scene.running(1).await;
    scene.workers.stop(&worker(1)).unwrap();
    assert_eq!(scene.settle().await, []);
    assert_eq!(scene.said(), [format!("kill {task}")]);
    assert!(scene.workers.workers().is_empty());
    assert!(scene.workers.stopping().contains_key(&worker(1)));
    let told = scene.update(&task, "TASK_KILLED", "").await;
    assert_eq!(told, [WorkersEvent::Stopped(worker(1))]);
    assert!(scene.workers.stopping().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_did_not_happen_is_repeated_under_the_same_name_with_another_task() {
    let mut scene = Scene::new().await;
    scene.workers.launch(worker(1), "small").unwrap();
    scene.offer().await;
    let stale = r#","source":"SOURCE_MASTER","reason":"REASON_INVALID_OFFERS",
        "message":"Offer O1 is no longer valid""#;
    let told = scene.update("taskmanager-1-1", "TASK_LOST", stale).await;
    assert_eq!(told, [WorkersEvent::WaitsAgain(worker(1))]);
    let waiting = &scene.workers.workers()[&worker(1)];
    assert_eq!(waiting.task, None);
    let again = waiting.again.clone().unwrap();
    assert!(again.contains("Offer O1 is no longer valid"), "{again}");
    assert_eq!(scene.offer().await, [WorkersEvent::Launched(worker(1))]);
    let id = scene.workers.resource_id(&worker(1));
    assert_eq!(id, Some("taskmanager-1-2"));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_ended_by_itself_is_over_and_whether_there_is_another_is_not_said_here() {
    let mut scene = Scene::new().await;
    let task = scene.running(1).await;
    let oom = r#","source":"SOURCE_EXECUTOR","message":"Command exited with status 137""#;
    let told = scene.update(&task, "TASK_FAILED", oom).await;
    let [WorkersEvent::Failed(id, ended, failure)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!((id, ended.task.value.as_str()), (&worker(1), task.as_str()));
    assert!(failure.to_string().contains("137"), "{failure}");
    assert!(scene.workers.workers().is_empty());
    tokio::time::advance(Duration::from_secs(600)).await;
    scene.offer().await;
    assert_eq!(scene.said(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_an_earlier_task_is_not_said_of_the_worker() {
    let mut scene = Scene::new().await;
    let task = scene.running(1).await;
    let stray = scene.update("taskmanager-1-0", "TASK_RUNNING", "").await;
    let [WorkersEvent::Notice(text)] = stray.as_slice() else {
        panic!("{stray:?}");
    };
    assert_eq!(text, "the task taskmanager-1-0 is nobody's: it is killed");
    assert_eq!(scene.said(), ["kill taskmanager-1-0"]);
    scene.update("taskmanager-1-0", "TASK_FAILED", "").await;
    assert_eq!(scene.workers.resource_id(&worker(1)), Some(task.as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_neither_mesos_nor_flink_knows_is_lost_and_is_there_if_it_returns() {
    for state in ["TASK_UNREACHABLE", "TASK_UNKNOWN"] {
        let mut scene = Scene::new().await;
        let task = scene.running(1).await;
        scene.workers.serves(&worker(1)).unwrap();
        let told = scene.update(&task, state, "").await;
        assert_eq!(told, [WorkersEvent::State(worker(1))]);
        tokio::time::advance(Duration::from_secs(600)).await;
        // Flink knows it: it lives.
        assert_eq!(scene.settle().await, []);
        scene.workers.absent(&worker(1)).unwrap();
        assert_eq!(scene.settle().await, [WorkersEvent::Lost(worker(1))]);
        let known = &scene.workers.workers()[&worker(1)];
        assert_eq!(
            known
                .task
                .as_ref()
                .unwrap()
                .state
                .as_ref()
                .unwrap()
                .as_str(),
            state
        );
        scene.said();
        let told = scene.update(&task, "TASK_RUNNING", "").await;
        assert_eq!(told, [WorkersEvent::State(worker(1))]);
        assert_eq!(scene.said(), Vec::<String>::new());
        assert_eq!(scene.workers.resource_id(&worker(1)), Some(task.as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_drained_worker_is_over_and_told_as_drained() {
    let mut scene = Scene::new().await;
    let task = scene.running(1).await;
    let drained = r#","source":"SOURCE_EXECUTOR","reason":"REASON_AGENT_DRAINING""#;
    let told = scene.update(&task, "TASK_KILLED", drained).await;
    let [WorkersEvent::Failed(_, _, end)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(end.kind, FailureKind::Drained);
}

#[tokio::test(start_paused = true)]
async fn workers_of_an_earlier_scheduler_are_there_and_those_that_were_to_stop_are_stopping() {
    let mut snapshot = Snapshot::default();
    for (number, goal) in [(1, Goal::Run), (2, Goal::End)] {
        snapshot.apply(&Change::Task(Box::new(TaskRecord {
            task: TaskId::new(format!("taskmanager-{number}-{number}")),
            serial: number,
            worker: worker(number),
            profile: "small".to_owned(),
            agent: AgentId::new("S1"),
            host: Host::default().into(),
            ports: vec![("rpc".to_owned(), 31_000)],
            goal,
            state: Some(TaskState::Running),
        })));
    }
    snapshot.framework = Some(FrameworkId::new("F"));
    let mut scene = Scene::after(&snapshot).await;
    let known = &scene.workers.workers()[&worker(1)];
    assert_eq!(known.profile, "small");
    assert_eq!(
        known.task.as_ref().unwrap().ports,
        [("rpc".to_owned(), 31_000)]
    );
    assert_eq!(scene.workers.workers().len(), 1);
    assert!(scene.workers.stopping().contains_key(&worker(2)));
    assert_eq!(scene.said(), ["kill taskmanager-2-2"]);
    let told = scene.update("taskmanager-2-2", "TASK_KILLED", "").await;
    assert_eq!(told, [WorkersEvent::Stopped(worker(2))]);
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_once_nothing_of_the_framework_is_left() {
    let mut scene = Scene::new().await;
    scene.running(1).await;
    scene.workers.end(Stop::Teardown).unwrap();
    assert_eq!(scene.settle().await, []);
    assert_eq!(scene.said(), ["teardown"]);
    scene.say.send(Heard::TornDown { generation: 1 }).unwrap();
    let told = scene.settle().await;
    assert_eq!(told.last(), Some(&WorkersEvent::Ended), "{told:?}");
}

const KILLED: &str = r#","source":"SOURCE_EXECUTOR","message":"Container exited with status 137""#;

impl Scene {
    /// The same, with somebody who takes exit reports.
    async fn hearing() -> (Self, mpsc::Sender<TaskReport>) {
        let mut scene = Self::new().await;
        let (hand_in, handed_in) = mpsc::channel(8);
        scene.workers = scene.workers.hearing(handed_in);
        (scene, hand_in)
    }
}

fn out_of_memory(task: &str) -> TaskReport {
    let began = std::time::SystemTime::UNIX_EPOCH;
    let mut report = ExitReport::new("taskmanager-1", Phase::Run, Reason::OomKilled, began);
    report.message = "taskmanager-1 died of SIGKILL: the kernel killed it".to_owned();
    TaskReport {
        task: TaskId::new(task),
        report,
    }
}

#[track_caller]
fn failure(told: &[WorkersEvent]) -> &TaskFailure {
    match told {
        [WorkersEvent::Failed(_, _, failure)] => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_report_that_came_before_the_end_decides_what_is_told() {
    let (mut scene, hand_in) = Scene::hearing().await;
    let task = scene.running(1).await;
    hand_in.send(out_of_memory(&task)).await.unwrap();
    assert_eq!(scene.settle().await, []);
    let told = scene.update(&task, "TASK_FAILED", KILLED).await;
    assert_eq!(failure(&told).kind, FailureKind::OutOfMemory);
    insta::assert_snapshot!(failure(&told), @"it used more memory than it may: taskmanager-1 died of SIGKILL: the kernel killed it");
}

#[tokio::test(start_paused = true)]
async fn an_end_waits_a_moment_for_its_report_and_no_longer() {
    let (mut scene, hand_in) = Scene::hearing().await;
    let task = scene.running(1).await;
    assert_eq!(scene.update(&task, "TASK_FAILED", KILLED).await, []);
    hand_in.send(out_of_memory(&task)).await.unwrap();
    assert_eq!(
        failure(&scene.settle().await).kind,
        FailureKind::OutOfMemory
    );

    // Its agent is left alone for a moment.
    tokio::time::advance(Duration::from_secs(10)).await;
    let task = scene.running(2).await;
    assert_eq!(scene.update(&task, "TASK_FAILED", KILLED).await, []);
    tokio::time::advance(REPORT_PATIENCE).await;
    assert_eq!(failure(&scene.settle().await).kind, FailureKind::Exited);
    // It is over: nothing of it is told or launched again.
    hand_in.send(out_of_memory(&task)).await.unwrap();
    assert_eq!(scene.settle().await, []);
    scene.offer().await;
    assert_eq!(scene.said(), Vec::<String>::new());
    assert!(scene.workers.workers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_report_of_another_task_is_nobodys() {
    let (mut scene, hand_in) = Scene::hearing().await;
    let task = scene.running(1).await;
    // One of the same worker's name, from a time before.
    hand_in
        .send(out_of_memory("taskmanager-1-0"))
        .await
        .unwrap();
    scene.settle().await;
    scene.update(&task, "TASK_FAILED", KILLED).await;
    tokio::time::advance(REPORT_PATIENCE).await;
    assert_eq!(failure(&scene.settle().await).kind, FailureKind::Exited);
}

#[tokio::test(start_paused = true)]
async fn what_needs_no_report_is_told_at_once_and_who_is_stopped_meanwhile_has_stopped() {
    let (mut scene, _hand_in) = Scene::hearing().await;
    let task = scene.running(1).await;
    let drained = r#","source":"SOURCE_EXECUTOR","reason":"REASON_AGENT_DRAINING""#;
    let told = scene.update(&task, "TASK_KILLED", drained).await;
    assert_eq!(failure(&told).kind, FailureKind::Drained);

    let task = scene.running(2).await;
    assert_eq!(scene.update(&task, "TASK_FAILED", KILLED).await, []);
    scene.workers.stop(&worker(2)).unwrap();
    assert_eq!(scene.settle().await, [WorkersEvent::Stopped(worker(2))]);
    assert!(scene.workers.stopping().is_empty());
    tokio::time::advance(REPORT_PATIENCE).await;
    assert_eq!(scene.settle().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_its_health_check_had_killed_is_told_so() {
    let mut scene = Scene::new().await;
    let task = scene.running(1).await;
    let checked = format!(r#"{KILLED},"healthy":false"#);
    let told = scene.update(&task, "TASK_KILLED", &checked).await;
    assert_eq!(failure(&told).kind, FailureKind::Unhealthy);
}
