//! A session cluster of containers: any user, a read-only root, limits, a job, a clean end.

use super::docker_images::docker_ok;
use super::scene::Scene;

/// The one value of the rendered configuration of a running TaskManager.
fn rendered(scene: &Scene, name: &str, directory: &str, key: &str) -> String {
    let path = format!("{directory}/taskmanager/conf/config.yaml");
    let text = scene.exec(name, &["cat", &path]);
    let parsed = flugs_flink_conf::parse_nested(&text, &path).unwrap();
    let found = parsed.settings.iter().find(|one| one.key == key);
    found
        .unwrap_or_else(|| panic!("no {key} in {text}"))
        .value
        .clone()
}

/// PID 1 is flugs, below it is the JVM, and nothing is between them.
#[track_caller]
fn runs_nothing_but_flugs_and_java(scene: &Scene, name: &str, user: &str) {
    let processes = docker_ok(&["top", &scene.full(name), "-o", "pid,uid,args"]);
    let processes: Vec<(&str, &str)> = processes
        .lines()
        .skip(1)
        .map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let user = words.next().unwrap();
            (user, words.next().unwrap().rsplit('/').next().unwrap())
        })
        .collect();
    assert_eq!(processes, [(user, "flugs"), (user, "java")], "{name}");
}

/// The JVM has mapped what was trained when the image was built; full JIT stays on.
#[track_caller]
fn uses_the_archive_of_its_image(scene: &Scene, name: &str, role: &str) {
    let pid = scene.exec(name, &["cat", "/proc/1/task/1/children"]);
    let maps = scene.exec(name, &["cat", &format!("/proc/{}/maps", pid.trim())]);
    let archive = format!("/opt/flink/class-data/{role}-");
    assert!(maps.contains(&archive), "{name} does not use {archive}");
    let command = scene.exec(name, &["cat", &format!("/proc/{}/cmdline", pid.trim())]);
    assert!(!command.contains("TieredStopAtLevel"), "{command}");
}

fn a_session_runs_a_job_under_any_user_and_stops_cleanly(version: &str) {
    let scene = Scene::new(version);
    let images = scene.images.clone();
    let options = ["--user", "9999", "--memory", "1100m"];
    scene.start("jm", &options, &images.appmaster, &["jobmanager"]);
    // The official image's variables; a root that nobody can write to, and nothing but a /tmp.
    let read_only = [
        "--user",
        "9999",
        "--read-only",
        "--tmpfs",
        "/tmp:exec",
        "--memory",
        "1300m",
        "--env",
        "JOB_MANAGER_RPC_ADDRESS=jm",
        "--env",
        "TASK_MANAGER_NUMBER_OF_TASK_SLOTS=2",
    ];
    scene.start("tm1", &read_only, &images.worker, &["taskmanager"]);
    // A user that no file knows, as OpenShift has them, without any capability.
    let random = [
        "--user",
        "1000680000:4711",
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        // No native code can be mapped there.
        "--tmpfs",
        "/tmp",
        "--env",
        "FLINK_PROPERTIES=jobmanager.rpc.address: jm\ntaskmanager.memory.process.size: 1200m",
    ];
    let words = ["taskmanager", "-D", "taskmanager.numberOfTaskSlots=1"];
    scene.start("tm2", &random, &images.worker, &words);
    scene.wait_for_workers("jm", 2);

    scene.job_jar();
    scene.make_open_file("counts");
    // State in RocksDB, whose native library each worker unpacks and maps.
    let run = [
        "flink",
        "run",
        "--detached",
        "-Dstate.backend.type=rocksdb",
        "/shared/job.jar",
        "--parallelism",
        "3",
        "--count",
        "60",
        "--output",
        "/shared/counts",
    ];
    scene.exec("jm", &run);
    scene.wait_until("the job has counted", || scene.lines("counts") == 60);

    // Whoever can map no code anywhere is told so, and how it can be.
    let unhelpful = ["--read-only", "--tmpfs", "/tmp"];
    scene.start("tm3", &unhelpful, &images.worker, &["taskmanager"]);
    scene.wait_until("the remedy is said", || {
        scene.end_of_logs("tm3").contains("--tmpfs /tmp:exec")
    });
    for name in ["tm1", "tm2"] {
        assert!(!scene.end_of_logs(name).contains("native code"), "{name}");
    }

    // The limit became the process's size where nobody chose one, and not where somebody did.
    let size = "taskmanager.memory.process.size";
    assert_eq!(rendered(&scene, "tm1", "/tmp/flugs", size), "1363148800b");
    assert_eq!(rendered(&scene, "tm2", "/run/flugs", size), "1200m");
    for (name, user) in [("tm1", "9999"), ("tm2", "1000680000")] {
        runs_nothing_but_flugs_and_java(&scene, name, user);
    }
    for (name, role) in [
        ("jm", "jobmanager"),
        ("tm1", "taskmanager"),
        ("tm2", "taskmanager"),
    ] {
        uses_the_archive_of_its_image(&scene, name, role);
    }
    scene.wait_until("every container is healthy", || {
        ["jm", "tm1", "tm2"]
            .iter()
            .all(|name| scene.inspect(name, "{{.State.Health.Status}}") == "healthy")
    });
    for name in ["tm1", "tm2", "jm"] {
        assert_eq!(scene.stop(name), "0", "{name}: {}", scene.end_of_logs(name));
        assert_eq!(scene.inspect(name, "{{.State.OOMKilled}}"), "false");
    }
}

#[test]
fn flink_1_20_5_runs_a_session_job_under_any_user_and_stops_cleanly() {
    a_session_runs_a_job_under_any_user_and_stops_cleanly("1.20.5");
}

#[test]
fn flink_2_3_0_runs_a_session_job_under_any_user_and_stops_cleanly() {
    a_session_runs_a_job_under_any_user_and_stops_cleanly("2.3.0");
}
