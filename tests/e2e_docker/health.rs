//! The image's `HEALTHCHECK`, for whatever the image can run.

use std::fs;
use std::path::Path;

use super::docker_images::{docker, text};
use super::scene::Scene;

/// What the engine says of a container's health.
fn health(scene: &Scene, name: &str) -> String {
    scene.inspect(name, "{{.State.Health.Status}}")
}

/// The image's health check, by hand: its exit code, and what it says.
fn check(scene: &Scene, name: &str) -> (Option<i32>, String) {
    let words = ["exec", &scene.full(name), "/usr/local/bin/flugs"];
    let output = docker(&[&words[..], &["health", "--ready"]].concat());
    (output.status.code(), text(&output))
}

/// Checks come once a second, so that nobody waits for the image's ten.
const OFTEN: [&str; 2] = ["--health-interval", "1s"];

#[test]
fn whatever_the_image_runs_and_as_whom_its_health_check_says_how_that_is() {
    let scene = Scene::new("2.3.0");
    let image = scene.images.appmaster.clone();
    let start = |name: &str, options: &[&str], command: &[&str]| {
        scene.start(name, &[&OFTEN, options].concat(), &image, command);
    };
    let flugs = ["--entrypoint", "/usr/local/bin/flugs"];
    // Without a check of their own.
    start("shell", &[], &["bash", "-c", "sleep 600"]);
    start("none", &["--entrypoint", "sleep"], &["600"]);
    let plain = ["supervise", "--", "sleep", "600"];
    start("supervise", &flugs, &plain);
    // With one that fails, below an engine's own init.
    let failing = [
        "supervise",
        "--health-tcp",
        "127.0.0.1:1",
        "--health-failures",
        "1000",
    ];
    let failing = [&failing[..], &["--", "sleep", "600"]].concat();
    start("failing", &[&flugs[..], &["--init"]].concat(), &failing);
    for name in ["shell", "none", "supervise"] {
        scene.wait_until(name, || health(&scene, name) == "healthy");
        let (code, said) = check(&scene, name);
        assert_eq!(code, Some(0), "{name}: {said}");
        assert!(said.contains("nothing in this container"), "{said}");
    }
    // It is not ready before the first answer, either.
    scene.wait_until("the first answer", || {
        let (code, said) = check(&scene, "failing");
        assert_eq!(code, Some(1), "{said}");
        said.contains("127.0.0.1:1")
    });
}

#[test]
fn the_health_check_of_flinks_roles_asks_the_launch_that_the_container_is_for() {
    let scene = Scene::new("2.3.0");
    let image = scene.images.appmaster.clone();
    let start = |name: &str, options: &[&str], command: &[&str]| {
        scene.start(name, &[&OFTEN, options].concat(), &image, command);
    };
    let small = "-Djobmanager.memory.process.size=800m";
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/keystore");
    fs::copy(
        stores.join("modern.p12"),
        scene.directory.path().join("rest.p12"),
    )
    .unwrap();
    // Below a shell, bound to the container's own name, on another port, over TLS.
    let script = "exec /docker-entrypoint.sh jobmanager -Djobmanager.memory.process.size=800m \
                  -Drest.bind-address=below -Drest.port=9091 -Dsecurity.ssl.rest.enabled=true \
                  -Dsecurity.ssl.rest.keystore=/shared/rest.p12 \
                  -Dsecurity.ssl.rest.truststore=/shared/rest.p12 \
                  -Dsecurity.ssl.rest.keystore-password=store-secret \
                  -Dsecurity.ssl.rest.key-password=store-secret \
                  -Dsecurity.ssl.rest.truststore-password=store-secret";
    start("below", &[], &["bash", "-c", script]);
    // An application master, which finds no Mesos, as somebody whom no file knows.
    let any = ["--user", "4711:0", "--read-only", "--tmpfs", "/tmp:exec"];
    let appmaster = ["appmaster", "-Dmesos.master=127.0.0.1:1", small];
    start("am", &any, &appmaster);
    // A worker as Mesos' Docker containerizer starts it: root becomes the user of the image, the
    // sandbox is elsewhere.
    let worker = [
        "--user",
        "0:0",
        "--network-alias",
        "w",
        "--entrypoint",
        "/usr/local/bin/flugs",
    ];
    let launch = [
        "launch",
        "taskmanager",
        "--user",
        "flink",
        "--dir",
        "/mnt/mesos/sandbox",
        "--status",
        "/mnt/mesos/sandbox/flugs.sock",
        "-Djobmanager.rpc.address=below",
        "-Dtaskmanager.memory.process.size=1g",
    ];
    start("worker", &worker, &launch);
    for name in ["below", "am", "worker"] {
        scene.wait_until(name, || health(&scene, name) == "healthy");
    }
    let (code, said) = check(&scene, "below");
    assert!(said.contains("\"name\":\"jobmanager\""), "{said}");
    assert_eq!(code, Some(0));
    // What others are told is where they find it, though the image binds every address.
    let cluster = "/tmp/flugs/cluster";
    // No worker is registered, which `status` tells by its exit code as well.
    let words = [
        "exec",
        &scene.full("am"),
        "flugs",
        "status",
        "--json",
        "--dir",
        cluster,
    ];
    let status = text(&docker(&words));
    assert!(status.contains("http://am:8081"), "{status}");
    let client = scene.exec(
        "am",
        &["cat", &format!("{cluster}/client-conf/config.yaml")],
    );
    let parsed = flugs_flink_conf::parse_nested(&client, "config.yaml").unwrap();
    for key in ["rest.address", "jobmanager.rpc.address"] {
        let found = parsed.settings.iter().find(|one| one.key == key).unwrap();
        assert_eq!(found.value, "am", "{key}");
    }
    let (code, said) = check(&scene, "am");
    assert!(said.contains("\"name\":\"appmaster\""), "{said}");
    assert_eq!(code, Some(0));
}

#[test]
fn a_history_server_a_standalone_job_and_its_worker_are_healthy() {
    let scene = Scene::new("2.3.0");
    let image = scene.images.appmaster.clone();
    let jar = format!("{}:/opt/flink/usrlib/job.jar:ro", scene.job_jar().display());
    let start = |name: &str, options: &[&str], command: &[&str]| {
        scene.start(name, &[&OFTEN, options].concat(), &image, command);
    };
    let archives = "-Dhistoryserver.archive.fs.dir=file:///shared";
    start("history", &[], &["history-server", archives]);
    let job = [
        "standalone-job",
        "--job-classname",
        "StreamingJob",
        "-Djobmanager.memory.process.size=800m",
        "--count",
        "1000000",
        "--rate",
        "10",
    ];
    start("job", &["--volume", &jar], &job);
    // With a limit and a root that nobody writes to, as anybody.
    let closed = [
        "--read-only",
        "--tmpfs",
        "/tmp:exec",
        "--user",
        "4711:0",
        "--memory",
        "1g",
        "--env",
        "JOB_MANAGER_RPC_ADDRESS=job",
        "--volume",
        &jar,
    ];
    start("tm", &closed, &["taskmanager"]);
    for (name, role) in [
        ("history", "history-server"),
        ("job", "standalone-job"),
        ("tm", "taskmanager"),
    ] {
        scene.wait_until(name, || health(&scene, name) == "healthy");
        let (code, said) = check(&scene, name);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(role), "{said}");
    }
    // What ends at once leaves no question of its health.
    scene.start("help", &OFTEN, &image, &["help"]);
    assert_eq!(
        scene.exit_code("help"),
        "0",
        "{}",
        scene.end_of_logs("help")
    );
}
