//! How an application master ends when it cannot go on: each with a code of its own. The workers
//! only seem to run.

use std::process::Command;
use std::time::Duration;

use mesos_double::{Executors, Options};

use super::scene::{Scene, text};

const VERSION: &str = "2.3.0";

fn pretended(settings: &[String]) -> Scene {
    let mut options = Scene::agents(1);
    for agent in &mut options.agents {
        agent.executors = Executors::Pretended;
    }
    Scene::new(VERSION, Options { ..options }, settings)
}

#[test]
fn too_many_failed_workers_end_the_framework_with_115() {
    let mut scene = pretended(&["mesos.maximum-failed-tasks=1".to_owned()]);
    scene
        .double
        .set_faults(|faults| faults.failed_launches = 100);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    let ended = scene.ended();
    assert_eq!(ended.code(), Some(115), "{}", scene.log());
    assert!(
        scene.log().contains("mesos.maximum-failed-tasks allows 1"),
        "{}",
        scene.log()
    );
    scene.nothing_is_left();
}

#[test]
fn a_successor_ends_its_predecessor_with_116_and_keeps_the_workers() {
    let mut scene = pretended(&[]);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until("both workers run", |scene| scene.tasks().len() == 2);
    let before = scene.tasks();
    // The same state, as if its directory were shared by two machines.
    let (from, to) = (scene.path("cluster/mesos"), scene.path("successor"));
    std::fs::create_dir(&to).unwrap();
    let copied = Command::new("cp")
        .arg("-a")
        .args([&from, &to])
        .output()
        .unwrap();
    assert!(copied.status.success(), "{}", text(&copied));
    let mut successor = scene.successor(&to).spawn().unwrap();
    let ended = scene.ended();
    assert_eq!(ended.code(), Some(116), "{}", scene.log());
    assert_eq!(scene.tasks(), before);
    super::scene::kill(i32::try_from(successor.id()).unwrap(), "INT");
    assert!(successor.wait().unwrap().success());
    scene.nothing_is_left();
}

/// The framework was away for too long. Java's integration ended in a loop here; the operator
/// says that what ran may be forgotten, and then it is.
#[test]
fn a_framework_that_the_master_removed_is_118_until_it_may_be_forgotten() {
    let mut scene = pretended(&["mesos.failover-timeout=1".to_owned()]);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until("both workers run", |scene| scene.tasks().len() == 2);
    let framework = scene.framework();
    assert!(scene.end("TERM").success());
    scene.wait_until("the master removes the framework", |scene| {
        scene.tasks().is_empty()
    });
    std::thread::sleep(Duration::from_millis(100));

    let mut command = scene.appmaster();
    scene.start(&mut command);
    assert_eq!(scene.ended().code(), Some(118), "{}", scene.log());
    assert!(
        scene.log().contains("--forget-framework"),
        "{}",
        scene.log()
    );

    let mut command = scene.appmaster();
    scene.start(command.arg("--forget-framework"));
    scene.wait_until("both workers run", |scene| scene.tasks().len() == 2);
    assert_ne!(scene.framework(), framework);
    assert!(scene.end("INT").success());
    scene.nothing_is_left();
}
