use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::*;
use flugs_mesos::matching::Profile;
use flugs_mesos::scheduler::Launch;
use flugs_mesos::wire::{CallBody, FrameworkInfo, TaskInfo};

/// What happened, in its order.
type Diary = Arc<Mutex<Vec<String>>>;

fn write(diary: &Diary, line: impl Into<String>) {
    diary.lock().unwrap().push(line.into());
}

fn read(diary: &Diary) -> Vec<String> {
    std::mem::take(&mut diary.lock().unwrap())
}

struct Wire {
    diary: Diary,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl Link for Wire {
    fn connect(&mut self, generation: u64, _: Call) {
        write(&self.diary, format!("connect {generation}"));
    }

    fn send(&mut self, generation: u64, call: Call) {
        let word = match call.body {
            CallBody::Accept(_) => "accept",
            CallBody::Teardown => "teardown",
            CallBody::Decline(_) => "decline",
            _ => return,
        };
        write(&self.diary, format!("{word} {generation}"));
    }

    fn close(&mut self) {
        write(&self.diary, "close");
    }

    async fn next(&mut self) -> Heard {
        match self.heard.recv().await {
            Some(heard) => heard,
            None => pending().await,
        }
    }
}

/// Remembers when it is let.
struct Slow {
    diary: Diary,
    gate: Arc<Notify>,
    fails: bool,
}

impl Memory for Slow {
    async fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.gate.notified().await;
        write(&self.diary, format!("stored {}", changes.len()));
        if self.fails {
            return Err(StoreError::NotWritable {
                path: "/full".into(),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        Ok(())
    }
}

struct Press(Diary);

impl Publish for Press {
    fn publish(&mut self) -> Result<(), flugs_artifact::StoreError> {
        write(&self.0, "published");
        Ok(())
    }

    fn withdraw(&mut self, task: &TaskId) {
        write(&self.0, format!("withdrawn {}", task.value));
    }
}

struct Anything;

impl Describe for Anything {
    fn describe(&self, _: Launch<'_>) -> TaskInfo {
        TaskInfo::default()
    }
}

struct Scene {
    scheduling: Scheduling<Anything, Wire, Press>,
    say: mpsc::UnboundedSender<Heard>,
    gate: Arc<Notify>,
    diary: Diary,
}

impl Scene {
    fn new(fails: bool) -> Self {
        let diary = Diary::default();
        let gate = Arc::new(Notify::new());
        let (say, heard) = mpsc::unbounded_channel();
        let profiles = [("worker".to_owned(), Profile::default())].into();
        let scheduling = Scheduling::new(
            Settings::new(FrameworkInfo::default(), profiles),
            Anything,
            &Snapshot::default(),
            Wire {
                diary: diary.clone(),
                heard,
            },
            Press(diary.clone()),
            Slow {
                diary: diary.clone(),
                gate: gate.clone(),
                fails,
            },
        );
        Self {
            scheduling,
            say,
            gate,
            diary,
        }
    }

    fn hear(&self, generation: u64, json: &str) {
        let event = Box::new(serde_json::from_str(json).unwrap());
        self.say.send(Heard::Event { generation, event }).unwrap();
    }

    /// Lets the scheduler work until nothing more happens within a moment.
    async fn settle(&mut self) -> Vec<News> {
        let mut all = Vec::new();
        let moment = Duration::from_millis(100);
        while let Ok(news) = tokio::time::timeout(moment, self.scheduling.next()).await {
            all.push(news.unwrap());
        }
        all
    }

    fn offer(&self) {
        self.hear(
            1,
            r#"{"type":"OFFERS","offers":{"offers":[{"id":{"value":"O1"},
                "framework_id":{"value":"F"},"agent_id":{"value":"S1"},"hostname":"h",
                "resources":[]}]}}"#,
        );
    }

    async fn subscribed() -> Self {
        let mut scene = Self::new(false);
        scene.settle().await;
        scene.hear(
            1,
            r#"{"type":"SUBSCRIBED","subscribed":{"framework_id":{"value":"F"}}}"#,
        );
        scene.gate.notify_one();
        scene.settle().await;
        scene
    }
}

#[tokio::test(start_paused = true)]
async fn an_offer_is_accepted_after_the_store_has_it_and_the_manifest_is_out() {
    let mut scene = Scene::subscribed().await;
    let worker = "taskmanager-1".parse().unwrap();
    let profile = "worker".to_owned();
    scene
        .scheduling
        .tell(Input::Want { worker, profile })
        .unwrap();
    scene.settle().await;
    read(&scene.diary);
    scene.offer();
    let launched = scene.settle().await;
    assert!(
        matches!(launched[..], [News::Report(Report::Launched { .. })]),
        "{launched:?}"
    );
    assert_eq!(read(&scene.diary), ["published"]);
    scene.gate.notify_one();
    scene.settle().await;
    assert_eq!(read(&scene.diary), ["stored 1", "published", "accept 1"]);
    assert_eq!(scene.scheduling.contact().offers, 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_ends_scheduling_and_launches_nothing() {
    let mut scene = Scene::new(true);
    scene.settle().await;
    scene.hear(
        1,
        r#"{"type":"SUBSCRIBED","subscribed":{"framework_id":{"value":"F"}}}"#,
    );
    assert!(matches!(
        scene.scheduling.next().await,
        Ok(News::Report(Report::Subscribed(_)))
    ));
    scene.gate.notify_one();
    let error = scene.scheduling.next().await.unwrap_err();
    assert!(matches!(error, SchedulingError::Store(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_told_with_its_reason_and_made_again() {
    let mut scene = Scene::subscribed().await;
    let reason = "the master is gone".to_owned();
    let gone = Heard::Disconnected {
        refused: false,
        generation: 1,
        reason: reason.clone(),
    };
    scene.say.send(gone).unwrap();
    let mut told = scene.settle().await;
    assert_eq!(told.remove(0), News::Disconnected(reason.clone()));
    assert_eq!(
        scene.scheduling.contact().phase,
        ContactPhase::Disconnected(reason)
    );
    tokio::time::advance(Duration::from_secs(20)).await;
    read(&scene.diary);
    scene.settle().await;
    assert!(read(&scene.diary).contains(&"connect 2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn teardown_is_said_and_done_when_the_store_knows() {
    let mut scene = Scene::subscribed().await;
    read(&scene.diary);
    let stop = Input::Stop(flugs_mesos::scheduler::Stop::Teardown);
    scene.scheduling.tell(stop).unwrap();
    scene.settle().await;
    scene.say.send(Heard::TornDown { generation: 1 }).unwrap();
    assert_eq!(scene.settle().await, []);
    scene.gate.notify_one();
    assert_eq!(scene.settle().await, [News::Report(Report::Stopped)]);
    let diary = read(&scene.diary);
    let order: Vec<&str> = diary
        .iter()
        .map(String::as_str)
        .filter(|line| *line != "published")
        .collect();
    assert_eq!(order, ["teardown 1", "stored 1", "close"]);
}
