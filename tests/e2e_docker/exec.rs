//! What `docker exec`, a second entry point and a restart find in a running container.

use super::docker_images::{docker, docker_ok, text};
use super::scene::Scene;

const PROPERTIES: &str = "FLINK_PROPERTIES=rest.port: 8099\nparallelism.default: 4\n\
                          jobmanager.memory.process.size: 900m\n\
                          taskmanager.memory.process.size: 1000m";

/// Waits until `flink list` in the container reaches the JobManager there, by no other word than
/// what the container's variables say.
#[track_caller]
fn lists_no_jobs(scene: &Scene, name: &str) {
    scene.wait_until("flink list answers", || {
        let output = docker(&["exec", &scene.full(name), "flink", "list"]);
        text(&output).contains("No running jobs")
    });
}

fn sorted(lines: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn clients_and_second_entry_points_in_a_container_see_what_its_variables_set() {
    let scene = Scene::new("2.3.0");
    let images = scene.images.clone();
    let properties = ["--env", PROPERTIES];
    scene.start("jm", &properties, &images.appmaster, &["jobmanager"]);
    // Below another entry point, and beside one.
    let nested = ["bash", "-c", "/docker-entrypoint.sh taskmanager"];
    let options = [&properties[..], &["--env", "JOB_MANAGER_RPC_ADDRESS=jm"]].concat();
    scene.start("nested", &options, &images.worker, &nested);
    let second = "exec /docker-entrypoint.sh taskmanager -D taskmanager.numberOfTaskSlots=2";
    docker_ok(&[
        "exec",
        "--detach",
        &scene.full("nested"),
        "sh",
        "-c",
        second,
    ]);
    scene.wait_for_workers_at("jm", 8099, 2);
    let run = scene.exec("nested", &["ls", "/run/flugs"]);
    for directory in ["taskmanager", "taskmanager-2"] {
        assert!(run.lines().any(|line| line == directory), "{run}");
    }
    lists_no_jobs(&scene, "jm");

    // A restart finds the same input, and what somebody added meanwhile.
    let show = ["cat", "/opt/flink/conf/config.yaml"];
    let before = scene.exec("jm", &show);
    let add = "echo 'own.key: 1' >> conf/config.yaml";
    scene.exec("jm", &["sh", "-c", add]);
    docker_ok(&["restart", "--time", "20", &scene.full("jm")]);
    lists_no_jobs(&scene, "jm");
    // What a start adds at the end goes and comes again, behind what was added meanwhile.
    let after = scene.exec("jm", &show);
    assert_eq!(sorted(&after), sorted(&format!("{before}\nown.key: 1")));
    assert_eq!(scene.stop("jm"), "0", "{}", scene.end_of_logs("jm"));

    // A root that nobody can write to, and a user that nobody knows.
    let closed = [
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--user",
        "1000680000:4711",
    ];
    let options = [&properties[..], &closed].concat();
    scene.start("closed", &options, &images.appmaster, &["jobmanager"]);
    lists_no_jobs(&scene, "closed");
}

#[test]
fn a_second_application_master_in_a_container_is_told_or_has_everything_of_its_own() {
    let scene = Scene::new("2.3.0");
    let image = scene.images.appmaster.clone();
    // One that finds no Mesos is well all the same.
    let call = |more: &[&str]| -> Vec<String> {
        let words = [
            "appmaster",
            "-Dmesos.master=127.0.0.1:1",
            "-Djobmanager.memory.process.size=800m",
        ];
        words
            .iter()
            .chain(more)
            .map(|&word| word.to_owned())
            .collect()
    };
    let first = call(&[]);
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    let options = [
        "--health-interval",
        "1s",
        "--env",
        "FLUGS_STATUS=/run/flugs/status.sock",
    ];
    scene.start("am", &options, &image, &first);
    let is_healthy = || scene.inspect("am", "{{.State.Health.Status}}") == "healthy";
    scene.wait_until("the first one is well", is_healthy);

    // In the same place: the framework's identity and the JobManager's sandbox are there.
    let beside = |more: &[&str]| {
        let call = call(more);
        let full = scene.full("am");
        let entry = [
            "exec",
            &full,
            "timeout",
            "--signal=INT",
            "25",
            "/docker-entrypoint.sh",
        ];
        let words: Vec<&str> = entry
            .into_iter()
            .chain(call.iter().map(String::as_str))
            .collect();
        docker(&words)
    };
    let second = beside(&[]);
    let said = text(&second);
    assert_eq!(second.status.code(), Some(73), "{said}");
    assert!(
        said.contains("already runs in /run/flugs/cluster"),
        "{said}"
    );
    assert!(said.contains("choose another directory"), "{said}");

    // The ports of the first one are taken, which is said before a JVM starts.
    let third = beside(&["--dir", "/tmp/other"]);
    let said = text(&third);
    assert!(!third.status.success(), "{said}");
    assert!(said.contains("6123") || said.contains("8081"), "{said}");

    // With all of that chosen it runs beside the first one, until its time is up.
    let chosen = [
        "--dir",
        "/tmp/another",
        "-Djobmanager.rpc.port=7123",
        "-Dblob.server.port=7124",
        "-Drest.port=9081",
    ];
    let fourth = beside(&chosen);
    let said = text(&fourth);
    let report = scene.exec("am", &["ls", "/tmp/another", "/run/flugs"]);
    assert!(said.contains("started"), "{said}{report}");
    scene.wait_until("the first one is as it was", is_healthy);
    let health = ["exec", &scene.full("am"), "flugs", "health", "--ready"];
    let health = docker(&health);
    assert!(health.status.success(), "{}", text(&health));
    assert_eq!(scene.inspect("am", "{{.RestartCount}}"), "0");
}
