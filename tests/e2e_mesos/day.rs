//! A day of those who run the agents and the masters, on a cluster whose jobs count exactly once all
//! the time. What they plan is no failure, restarts jobs no more often than workers are moved, and
//! leaves as many workers as there is room for.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use mesos_double::Options;
use serde_json::json;

use super::scene::{OUTPUTS, Scene, overview};

/// Long enough that nobody moves by chance, and within the lead of maintenance.
const AHEAD: Duration = Duration::from_secs(240);

/// The role, for which a quota can be set.
const ROLE: &str = "flink";

/// A cluster at work, and who looks at it.
struct Day {
    scene: Scene,
    watched: Watched,
    /// How often jobs may have been restarted by now.
    moved: usize,
}

impl Day {
    fn begin() -> Self {
        let options = Options {
            ports: vec![0, 0],
            ..Scene::agents(3)
        };
        let settings = [format!("mesos.resourcemanager.framework.role={ROLE}")];
        let mut scene = Scene::new("1.20.5", options, &settings);
        let mut command = scene.appmaster();
        scene.start(&mut command);
        scene.wait_until_whole();
        // Both workers work, each for a job of its own.
        for output in OUTPUTS {
            scene.submit_by_rest_to(output);
        }
        scene.wait_until_counting();
        let watched = Watched::begin(scene.rest_port());
        Self {
            scene,
            watched,
            moved: 0,
        }
    }

    /// Something that is planned, while never fewer workers than `room` are registered; it gives how
    /// many workers it moved.
    fn step(&mut self, what: &str, room: usize, doing: impl FnOnce(&mut Scene) -> usize) {
        self.watched.room.store(room, Ordering::SeqCst);
        self.moved += doing(&mut self.scene);
        self.scene.wait_until_whole();
        self.watched.room.store(2, Ordering::SeqCst);
        self.scene.wait_until_counting();
        self.scene.counted_exactly();
        let status = self.scene.status();
        assert_eq!(status["failures"]["total"], 0, "{what}: {status}");
        let restarts = self.scene.restarts();
        assert!(
            restarts <= self.moved,
            "{what}: {restarts} restarts for {} moves\n{}",
            self.moved,
            self.scene.log()
        );
        let missed = self.watched.missed.lock().unwrap().clone();
        assert!(
            missed.is_empty(),
            "{what}: {missed:?}\n{}",
            self.scene.log()
        );
    }

    fn end(mut self) {
        self.watched.stop();
        let metrics = self.scene.metrics();
        let failed = metrics.lines().filter(|line| {
            line.starts_with("flugs_worker_failures_total") && !line.ends_with(" 0")
        });
        assert_eq!(failed.collect::<Vec<_>>(), Vec::<&str>::new());
        assert!(self.scene.end("INT").success());
        self.scene.counted_exactly();
        self.scene.nothing_is_left();
    }
}

/// Looks at how many workers are registered with the JobManager, all the time.
struct Watched {
    /// How many there is room for.
    room: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    /// When there were fewer: how many.
    missed: Arc<Mutex<Vec<(Instant, usize)>>>,
    thread: Option<JoinHandle<()>>,
}

impl Watched {
    fn begin(rest_port: u16) -> Self {
        let (room, over) = (
            Arc::new(AtomicUsize::new(2)),
            Arc::new(AtomicBool::new(false)),
        );
        let missed = Arc::new(Mutex::new(Vec::new()));
        let thread = std::thread::spawn({
            let (room, over, missed) = (Arc::clone(&room), Arc::clone(&over), Arc::clone(&missed));
            move || {
                while !over.load(Ordering::SeqCst) {
                    if let Some(registered) = overview(rest_port)
                        && registered < room.load(Ordering::SeqCst)
                    {
                        missed.lock().unwrap().push((Instant::now(), registered));
                    }
                    sleep(Duration::from_millis(200));
                }
            }
        });
        Self {
            room,
            over,
            missed,
            thread: Some(thread),
        }
    }

    fn stop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

/// The workers on an agent.
fn on(scene: &Scene, agent: usize) -> BTreeSet<String> {
    let tasks = scene.tasks().into_iter();
    tasks.filter(|task| scene.agent_of(task) == agent).collect()
}

/// Waits until none of these is left.
fn gone(scene: &mut Scene, what: &str, workers: &BTreeSet<String>) {
    scene.wait_until(what, |scene| scene.tasks().is_disjoint(workers));
}

/// The machine of an agent is maintained: planned, left in order, down, up again.
fn maintained(scene: &mut Scene, agent: usize) -> usize {
    let there = on(scene, agent);
    scene.plan_maintenance(agent, AHEAD);
    gone(scene, "the agent is left", &there);
    let machines = json!([{"hostname": format!("127.0.0.{}", agent + 1), "ip": "127.0.0.1"}]);
    let operate = |kind: &str, key: &str| {
        scene.operate(&json!({"type": kind, key: {"machines": machines}}));
    };
    operate("START_MAINTENANCE", "start_maintenance");
    sleep(Duration::from_millis(500));
    operate("STOP_MAINTENANCE", "stop_maintenance");
    scene.double.return_agent(agent);
    there.len()
}

/// Each master leads in turn while the others are started anew.
fn masters_restarted(scene: &mut Scene) -> usize {
    let before = scene.tasks();
    for leader in [1, 0] {
        scene.double.elect(Some(leader));
        scene.wait_until("the new leader knows the tasks", |scene| {
            scene.tasks() == before && scene.status()["mesos"]["phase"] == "subscribed"
        });
    }
    assert_eq!(scene.registered(), before, "the same workers");
    0
}

/// The network splits the master from all agents, but not workers from the JobManager.
fn split_from_master(scene: &mut Scene) -> usize {
    let before = scene.tasks();
    let told = scene.log().matches("does not answer").count();
    for agent in 0..scene.double.agents() {
        scene.double.lose_agent(agent);
    }
    scene.wait_until("the agents are missed", |scene| {
        scene.log().matches("does not answer").count() > told
    });
    // Longer than who does not serve would be waited for.
    sleep(Duration::from_secs(4));
    for agent in 0..scene.double.agents() {
        scene.double.return_agent(agent);
    }
    scene.wait_until("the tasks are known again", |scene| scene.tasks() == before);
    assert_eq!(scene.registered(), before, "the same workers");
    0
}

/// The master loses its registry; agents find it by and by.
fn registry_lost(scene: &mut Scene) -> usize {
    let before = scene.tasks();
    for agent in 0..scene.double.agents() {
        scene.double.cut_agent(agent);
    }
    scene.double.lose_registry();
    scene.wait_until("it is subscribed again", |scene| {
        scene.status()["mesos"]["phase"] == "subscribed"
    });
    sleep(Duration::from_secs(4));
    for agent in 0..scene.double.agents() {
        scene.double.return_agent(agent);
        sleep(Duration::from_millis(500));
    }
    scene.wait_until("the tasks are known again", |scene| scene.tasks() == before);
    assert_eq!(scene.registered(), before, "the same workers");
    0
}

/// An agent is drained: Mesos kills its tasks at once.
fn drained(scene: &mut Scene) -> usize {
    let agent = scene.agent_of(&scene.busy());
    let there = on(scene, agent);
    let id = json!({"agent_id": {"value": scene.agent_id(agent)}});
    scene.operate(&json!({"type": "DRAIN_AGENT", "drain_agent": id}));
    gone(scene, "the drained are gone", &there);
    scene.wait_until_whole();
    scene.operate(&json!({"type": "REACTIVATE_AGENT", "reactivate_agent": id}));
    there.len()
}

/// The quota is lowered below what runs: nothing that runs ends.
fn quota_lowered(scene: &mut Scene) -> usize {
    let before = scene.tasks();
    let limits = |limits| {
        json!({"type": "UPDATE_QUOTA", "update_quota": {
            "force": true, "quota_configs": [{"role": ROLE, "limits": limits}],
        }})
    };
    scene.operate(&limits(json!({"cpus": {"value": 0.5}})));
    sleep(Duration::from_secs(4));
    assert_eq!(scene.tasks(), before);
    assert_eq!(scene.registered(), before, "the same workers");
    scene.operate(&limits(json!({})));
    0
}

/// A part of an agent is set aside for others, then for the cluster's own role, then for nobody again.
fn reservation_changed(scene: &mut Scene) -> usize {
    let before = scene.tasks();
    let agent = scene.agent_of(&scene.busy());
    let order = |kind: &str, role: &str| {
        let message = json!({"agent_id": {"value": scene.agent_id(agent)}, "resources": [{
            "name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5},
            "reservations": [{"type": "DYNAMIC", "role": role}],
        }]});
        scene.operate(&json!({"type": kind, kind.to_lowercase(): message}));
        sleep(Duration::from_secs(2));
        assert_eq!(scene.tasks(), before);
    };
    for role in ["other", ROLE] {
        order("RESERVE_RESOURCES", role);
        order("UNRESERVE_RESOURCES", role);
    }
    order("RESERVE_RESOURCES", ROLE);
    assert_eq!(scene.registered(), before, "the same workers");
    0
}

/// An agent is cut off, marked gone, and comes back as another one.
fn replaced(scene: &mut Scene) -> usize {
    let agent = scene.agent_of(&scene.busy());
    let there = on(scene, agent);
    let id = scene.agent_id(agent);
    scene.double.lose_agent(agent);
    scene.operate(&json!({
        "type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": id}},
    }));
    scene.double.return_agent(agent);
    scene.double.return_agent(agent);
    gone(scene, "the old tasks are gone", &there);
    scene.wait_until("it is another agent", |scene| scene.agent_id(agent) != id);
    there.len()
}

/// An agent's process is started without what it had written down: its tasks go on for a while, and
/// Mesos knows nothing of them.
fn agent_started_without_its_past(scene: &mut Scene) -> usize {
    let before = scene.registered();
    let agent = scene.agent_of(&scene.busy());
    let (there, id) = (on(scene, agent), scene.agent_id(agent));
    scene.double.replace_agent(agent);
    scene.wait_until("it is another agent", |scene| scene.agent_id(agent) != id);
    // Longer than who does not serve would be waited for.
    sleep(Duration::from_secs(4));
    assert_eq!(scene.registered(), before, "the same workers");
    scene.double.end_orphans(agent);
    scene.wait_until("others work in their place", |scene| {
        let registered = scene.registered();
        registered.len() == 2 && registered.is_disjoint(&there)
    });
    there.len()
}

/// What does not need other workers to be started.
fn nobody_moves(day: &mut Day) {
    day.step("rolling restart of masters", 2, masters_restarted);
    day.step("a network between master and agents", 2, split_from_master);
    day.step("a lost registry", 2, registry_lost);
    day.step("a reservation that changes", 2, reservation_changed);
}

#[test]
fn a_short_day_of_operators_costs_the_job_no_more_than_moved_workers() {
    let mut day = Day::begin();
    let agent = day.scene.agent_of(&day.scene.busy());
    day.step("maintenance of a busy agent", 2, |scene| {
        maintained(scene, agent)
    });
    nobody_moves(&mut day);
    day.end();
}

#[test]
fn nightly_a_day_of_operators_costs_the_job_no_more_than_moved_workers() {
    let mut day = Day::begin();
    for agent in 0..day.scene.double.agents() {
        day.step("rolling maintenance", 2, |scene| maintained(scene, agent));
    }
    nobody_moves(&mut day);
    day.step("a quota that is lowered", 2, quota_lowered);
    // Mesos kills first: until others are there, there is room for none but those of other agents.
    day.step("a drained agent", 0, drained);
    day.step("a replaced agent", 0, replaced);
    day.step(
        "an agent without its past",
        0,
        agent_started_without_its_past,
    );
    for agent in 0..day.scene.double.agents() {
        day.step("rolling maintenance once more", 2, |scene| {
            maintained(scene, agent)
        });
    }
    day.end();
}
