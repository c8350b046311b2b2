//! How an application master ends when it cannot go on: each with a code of its own. The workers
//! only seem to run.

use std::process::{Child, Command};
use std::time::Duration;

use mesos_double::{Executors, Options};

use super::scene::{Scene, has_its_time, kill, text};

const VERSION: &str = "2.3.0";

fn pretended(settings: &[String]) -> Scene {
    Scene::new(VERSION, pretending(), settings)
}

fn pretending() -> Options {
    let mut options = Scene::agents(1);
    for agent in &mut options.agents {
        agent.executors = Executors::Pretended;
    }
    options
}

/// An application master that ends by itself, with this code and these words.
#[track_caller]
fn ends_with(scene: &mut Scene, code: i32, words: &str) {
    let mut command = scene.appmaster();
    scene.start(&mut command);
    let ended = scene.ended();
    assert_eq!(ended.code(), Some(code), "{}", scene.log());
    assert!(scene.log().contains(words), "{words}: {}", scene.log());
}

/// Another application master beside the scene's, which ends with the test.
struct Successor(Child);

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Another application master, which has the framework.
#[track_caller]
fn succeeded(scene: &mut Scene) {
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until("the successor is subscribed", |scene| {
        scene.status()["mesos"]["phase"] == "subscribed"
    });
}

#[test]
fn one_that_has_never_reached_a_master_ends_on_the_first_ctrl_c() {
    let mut scene = pretended(&["mesos.master=zk://127.0.0.1:5/mesos".to_owned()]);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until("it misses the master", |scene| {
        scene.log().contains("no contact with the Mesos master")
    });
    kill(scene.master(), "INT");
    assert!(scene.ended().success(), "{}", scene.log());
    assert_eq!(scene.status()["phase"], "stopped");
}

#[test]
fn too_many_failed_workers_end_the_framework_with_115() {
    let mut scene = pretended(&["mesos.maximum-failed-tasks=1".to_owned()]);
    scene
        .double
        .set_faults(|faults| faults.failed_launches = 100);
    ends_with(&mut scene, 115, "mesos.maximum-failed-tasks allows 1");
    scene.nothing_is_left();
}

#[test]
fn a_framework_that_the_master_refuses_ends_with_117_and_its_words() {
    let options = Options {
        roles: Some(vec!["somebody".to_owned()]),
        ..pretending()
    };
    let role = "mesos.resourcemanager.framework.role=flink".to_owned();
    let mut scene = Scene::new(VERSION, options, &[role]);
    ends_with(&mut scene, 117, "are not present in the master's --roles");
    scene.nothing_is_left();
}

/// Whoever starts it is told, and nothing loops. A cluster that has workers goes on with them
/// until somebody mends its credentials.
#[test]
fn wrong_credentials_are_117_at_the_start_and_no_end_for_a_cluster_with_workers() {
    let options = Options {
        credentials: [("flink".to_owned(), "right".to_owned())].into(),
        ..pretending()
    };
    let secret = Scene::new(VERSION, options, &[]);
    let file = secret.path("secret");
    let settings = [
        "mesos.resourcemanager.framework.principal=flink".to_owned(),
        format!("flugs.mesos.framework.secret-file={}", file.display()),
    ];
    let mut scene = secret.with(&settings);
    std::fs::write(&file, "wrong").unwrap();
    let words = "refuses the principal \"flink\": check its credentials";
    ends_with(&mut scene, 117, words);
    assert!(!scene.log().contains("wrong"), "{}", scene.log());
    assert!(scene.nobody_subscribed());

    std::fs::write(&file, "right").unwrap();
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until("both workers run", |scene| scene.tasks().len() == 2);
    let before = scene.tasks();
    assert!(scene.end("TERM").success());
    std::fs::write(&file, "wrong").unwrap();
    let told = scene.log().matches(words).count();
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until("the refusal is told", |scene| {
        scene.log().matches(words).count() > told
    });
    assert_eq!(scene.tasks(), before);
    kill(scene.master(), "INT");
    scene.wait_until("the end is begun", |scene| {
        scene.status()["phase"] == "stopping"
    });
    // A second signal within 300 ms would be the first one's echo.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(scene.end("INT").code(), Some(121), "{}", scene.log());

    std::fs::write(&file, "right").unwrap();
    succeeded(&mut scene);
    assert_eq!(scene.tasks(), before);
    assert!(scene.end("INT").success());
    scene.nothing_is_left();
}

/// The master is away, so that nobody confirms the framework's end: the second signal does not wait
/// for it. What runs is still there, and still known.
#[test]
fn a_second_signal_ends_it_with_121_and_a_successor_has_the_workers() {
    let mut scene = pretended(&[]);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until("both workers run", |scene| scene.tasks().len() == 2);
    let (framework, before) = (scene.framework(), scene.tasks());
    scene.double.stop_master(0);
    kill(scene.master(), "INT");
    scene.wait_until("the end is begun", |scene| {
        scene.status()["phase"] == "stopping"
    });
    // However long it takes: one signal waits for the master.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(scene.status()["phase"], "stopping");
    assert_eq!(scene.end("INT").code(), Some(121), "{}", scene.log());
    let words = format!("framework {framework}");
    assert!(scene.log().contains(&words), "{}", scene.log());

    scene.master_returns();
    scene.wait_until("the agents are back", |scene| scene.tasks() == before);
    succeeded(&mut scene);
    assert_eq!(scene.framework(), framework);
    assert_eq!(scene.tasks(), before);
    assert!(scene.end("INT").success());
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
    let mut successor = Successor(scene.successor(&to).spawn().unwrap());
    let ended = scene.ended();
    assert_eq!(ended.code(), Some(116), "{}", scene.log());
    assert_eq!(scene.tasks(), before);
    kill(i32::try_from(successor.0.id()).unwrap(), "INT");
    assert!(successor.0.wait().unwrap().success());
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

    ends_with(&mut scene, 118, "--forget-framework");
    // What cannot work is advised neither by this one nor by what looks at it later.
    assert!(!scene.last_log().contains("successor"), "{}", scene.log());
    let status = text(&scene.flugs("status").output().unwrap());
    let removed = format!("has removed the framework {framework}");
    assert!(
        status.contains(&removed) && status.contains("--forget-framework"),
        "{status}"
    );
    assert!(!status.contains("takes them over"), "{status}");
    assert_eq!(scene.flugs("down").status().unwrap().code(), Some(118));

    let mut command = scene.appmaster();
    scene.start(command.arg("--forget-framework"));
    scene.wait_until("both workers run", |scene| scene.tasks().len() == 2);
    assert_ne!(scene.framework(), framework);
    assert!(scene.end("INT").success());
    scene.nothing_is_left();
    // A normal end has nothing to be told but itself.
    let log = scene.last_log();
    for needless in ["no contact", "successor", "was asked to stop"] {
        assert!(!log.contains(needless), "{needless}: {log}");
    }
    let status = text(&scene.flugs("status").output().unwrap());
    assert!(!status.contains("has removed"), "{status}");
}

/// Also where it ends before anything is started, and with an error of many lines.
#[test]
fn every_line_of_an_application_master_that_is_refused_says_when_it_was_written() {
    let mut scene = pretended(&["flugs.mesos.no-such-option=1".to_owned()]);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    assert!(!scene.ended().success());
    let log = scene.last_log();
    assert!(log.contains("flugs.mesos.no-such-option"), "{log}");
    assert!(log.lines().all(has_its_time), "{log}");
}

/// Whoever leaves before anything was started has nothing to leave to anybody.
#[test]
fn nothing_is_left_to_a_successor_where_there_is_nothing() {
    let mut scene = pretended(&["mesos.initial-tasks=0".to_owned()]);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until("it is subscribed", |scene| {
        scene.status()["mesos"]["phase"] == "subscribed"
    });
    assert!(scene.end("TERM").success());
    let log = scene.last_log();
    assert!(
        !log.contains("successor") && !log.contains("no contact"),
        "{log}"
    );
    assert!(log.contains("flugs: stopping"), "{log}");
}
