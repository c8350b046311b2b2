//! An application master without high availability is killed and started again: its workers are there
//! for the new one long before Flink's own heartbeats would have told them.

use super::scene::{Scene, kill};

/// Longer than any step of a scene is waited for: no heartbeat tells a worker of the loss.
const NO_HEARTBEAT_TELLS: &str = "heartbeat.timeout=3600000";

#[track_caller]
fn workers_find_a_new_jobmanager(version: &str) {
    let mut scene = Scene::new(version, Scene::agents(2), &[NO_HEARTBEAT_TELLS.to_owned()]);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until_whole();
    scene.submit_by_rest();
    scene.wait_until_counting();
    let (framework, before) = (scene.framework(), scene.tasks());

    scene.kill_master();
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until("all workers are registered", |scene| {
        scene.registered() == before
    });
    assert_eq!(scene.tasks(), before, "for Mesos nothing has happened");
    assert_eq!(scene.status()["failures"]["total"], 0);
    assert_eq!(scene.framework(), framework);

    assert!(scene.end("INT").success());
    scene.nothing_is_left();
}

/// Only the JobManager dies, right after its workers have registered; nothing of its job runs on beside
/// the next one's.
#[track_caller]
fn workers_find_a_jobmanager_that_died_alone(version: &str) {
    let mut scene = Scene::new(version, Scene::agents(2), &[NO_HEARTBEAT_TELLS.to_owned()]);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until_whole();
    let before = scene.registered();
    kill(scene.jvm("cluster/sandboxes/jobmanager"), "KILL");
    scene.wait_until("the loss is seen", |scene| {
        scene.status()["phase"] != "ready"
    });
    scene.wait_until_whole();
    assert_eq!(scene.registered(), before);
    scene.submit_by_rest();
    scene.wait_until_counting();
    assert!(scene.end("INT").success());
    scene.nothing_is_left();
}

#[test]
fn workers_are_registered_again_after_the_jobmanager_alone_was_killed() {
    workers_find_a_jobmanager_that_died_alone("1.20.5");
}

#[test]
fn nightly_workers_of_1_13_6_are_registered_again_after_the_jobmanager_alone_was_killed() {
    workers_find_a_jobmanager_that_died_alone("1.13.6");
}

#[test]
fn workers_of_1_20_5_are_registered_soon_after_a_kill_without_high_availability() {
    workers_find_a_new_jobmanager("1.20.5");
}

#[test]
fn nightly_workers_of_1_13_6_are_registered_soon_after_a_kill_without_high_availability() {
    workers_find_a_new_jobmanager("1.13.6");
}

#[test]
fn nightly_workers_of_2_3_0_are_registered_soon_after_a_kill_without_high_availability() {
    workers_find_a_new_jobmanager("2.3.0");
}
