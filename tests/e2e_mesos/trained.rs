//! Class-data archives of clusters on Mesos.

use std::fs;
use std::process::Command;

use super::scene::Scene;

/// An archive is good for one class path, and each sandbox is in another place.
#[test]
fn workers_that_flink_travels_to_map_the_archive_that_was_made_once_for_all_sandboxes() {
    let mut scene = Scene::new("2.3.0", Scene::agents(2), &[]);
    let archives = scene.path("archives");
    let trained = Command::new(env!("CARGO_BIN_EXE_flugs"))
        .args(["artifact", "train", "--travelling", "--flink-home"])
        .arg(scene.home())
        .arg("--output")
        .arg(&archives)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&trained.stderr);
    assert!(trained.status.success(), "{said}");
    assert_eq!(fs::read_dir(&archives).unwrap().count(), 3);

    let mut command = scene.appmaster();
    command.env("FLUGS_CLASS_DATA", &archives);
    scene.start(&mut command);
    scene.wait_until_whole();
    let maps = |pid: i32| fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    for task in scene.tasks() {
        let maps = maps(scene.jvm(&task));
        assert!(maps.contains("/flink/class-data/taskmanager-"), "{maps}");
    }
    let maps = maps(scene.jvm("sandboxes/jobmanager"));
    assert!(maps.contains("/archives/jobmanager-"), "{maps}");
    assert!(scene.end("INT").success());
    scene.nothing_is_left();
}
