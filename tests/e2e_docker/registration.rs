//! Workers and JobManagers that do not find each other say so, and are not healthy.

use super::docker_images::{docker, text};
use super::scene::Scene;

/// The engine asks at once, and takes the first bad answer for what it is.
const STRICT: [&str; 6] = [
    "--health-interval=1s",
    "--health-start-period=0s",
    "--health-retries=1",
    "--memory",
    "1200m",
    "--env",
];

fn start(scene: &Scene, name: &str, variable: &str, command: &[&str]) {
    let options = [&STRICT[..], &[variable]].concat();
    scene.start_nameless(name, &options, &scene.images.worker, command);
}

/// What flugs itself said of readiness.
fn said(scene: &Scene, name: &str) -> Vec<String> {
    let log = text(&docker(&["logs", &scene.full(name)]));
    let of_readiness = |line: &&str| line.starts_with("flugs: ") && line.contains(" ready");
    log.lines()
        .filter(of_readiness)
        .map(str::to_owned)
        .collect()
}

/// Waits for the one line, and gives what it says behind the time.
fn complaint(scene: &Scene, name: &str) -> String {
    let health = || scene.inspect(name, "{{.State.Health.Status}}");
    scene.wait_until(&format!("{name} complains"), || {
        !said(scene, name).is_empty() && health() == "unhealthy"
    });
    let lines = said(scene, name);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (_, since) = lines[0].split_once("is not ready: since ").unwrap();
    since.split_once(" it ").unwrap().1.to_owned()
}

#[test]
fn who_does_not_find_its_cluster_says_why_in_one_line_and_is_unhealthy_until_it_does() {
    let scene = Scene::new("1.20.5");
    start(&scene, "jm", "A=b", &["jobmanager"]);
    let own = scene.inspect("jm", "{{.Config.Hostname}}");
    let worker = ["taskmanager"];
    start(&scene, "tm1", "JOB_MANAGER_RPC_ADDRESS=jm", &worker);
    start(
        &scene,
        "tm2",
        "JOB_MANAGER_RPC_ADDRESS=nobody.invalid",
        &worker,
    );
    // This one is only early.
    start(&scene, "tm3", "JOB_MANAGER_RPC_ADDRESS=late", &worker);

    let dropping = complaint(&scene, "jm");
    assert!(
        dropping.starts_with(&format!(
            "is called {own}:6123, and is spoken to as jm:6123, "
        )),
        "{dropping}"
    );
    let dropped = complaint(&scene, "tm1");
    let expected = "cannot register at the ResourceManager at jm:6123: that address can be reached";
    assert!(dropped.starts_with(expected), "{dropped}");
    assert_eq!(
        complaint(&scene, "tm2"),
        "cannot register at the ResourceManager at nobody.invalid:6123: its host name cannot be resolved"
    );

    assert_eq!(said(&scene, "tm3").len(), 1);
    scene.start(
        "late",
        &["--memory", "1200m"],
        &scene.images.appmaster,
        &["jobmanager"],
    );
    scene.wait_for_workers("late", 1);
    scene.wait_until("the early worker is healthy", || {
        scene.inspect("tm3", "{{.State.Health.Status}}") == "healthy"
    });
    let again = said(&scene, "tm3");
    assert!(again[1].contains("is ready again, after "), "{again:?}");
    assert_eq!(again.len(), 2, "{again:?}");
}
