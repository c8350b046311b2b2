//! The images: the application master is a container, and so is each worker, by the Docker
//! containerizer.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use super::docker_images::{docker, docker_ok, images};
use super::scene::Scene;

/// An application master's container, removed when the test ends.
struct Container(String);

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.0]);
    }
}

/// A cluster of containers on this machine's network.
fn cluster_of_containers(version: &str) -> (Scene, Container) {
    let images = images(version);
    let scene = Scene::new(version, Scene::agents(1), &[]);
    let place = scene.directory.path().display().to_string();
    let settings = [
        // The image's own user is none of the agents'.
        "mesos.resourcemanager.framework.user=root".to_owned(),
        "mesos.resourcemanager.tasks.container.type=docker".to_owned(),
        format!(
            "mesos.resourcemanager.tasks.container.image.name={}",
            images.worker
        ),
        format!("mesos.resourcemanager.tasks.container.volumes={place}:{place}:RW"),
    ];
    let scene = scene.with(&settings);
    let name = format!(
        "flugs-e2e-am-{}-{}",
        std::process::id(),
        version.replace('.', "-")
    );
    let _ = docker(&["rm", "--force", &name]);
    (scene, Container(name))
}

fn run(scene: &mut Scene, container: &Container, image: &str) {
    let place = scene.directory.path().display().to_string();
    let mut command = Command::new("docker");
    command.args(["run", "--name", &container.0, "--network", "host"]);
    command.args(["--volume", &format!("{place}:{place}"), image, "appmaster"]);
    command.args(["--dir", &format!("{place}/cluster")]);
    for option in scene.options() {
        command.args(["-D", &option]);
    }
    scene.start(&mut command);
}

/// The containers of tasks that run: the Docker containerizer names them so.
fn task_containers(image: &str) -> BTreeSet<String> {
    let of_image = format!("ancestor={image}");
    let names = docker_ok(&["ps", "--filter", &of_image, "--format", "{{.Names}}"]);
    let ours = names.lines().filter(|name| name.starts_with("mesos-"));
    ours.map(str::to_owned).collect()
}

#[test]
fn containers_of_1_20_5_compute_and_a_killed_one_is_replaced() {
    let (mut scene, container) = cluster_of_containers("1.20.5");
    let images = images("1.20.5");
    run(&mut scene, &container, &images.appmaster);
    scene.wait_until_whole();
    scene.submit();
    scene.wait_until_counting();

    what_ended_a_worker_is_told_by_its_launcher(&mut scene, &images.worker);

    // Nothing that everybody with access to the engine sees is secret.
    let token = docker_ok(&[
        "exec",
        &container.0,
        "cat",
        &scene.path("cluster/token").display().to_string(),
    ]);
    let workers = task_containers(&images.worker);
    assert_eq!(workers.len(), 2, "{workers:?}");
    for worker in &workers {
        assert!(!docker_ok(&["inspect", worker]).contains(token.trim()));
        docker_ok(&["kill", worker]);
    }
    scene.wait_until("both are replaced", |_| {
        let now = task_containers(&images.worker);
        now.len() == 2 && now.is_disjoint(&workers)
    });
    scene.wait_until_whole();
    scene.wait_until_counting();
    scene.counted_exactly();

    docker_ok(&["kill", "--signal", "INT", &container.0]);
    assert!(scene.ended().success());
    scene.wait_until("no container is left", |_| {
        task_containers(&images.worker).is_empty()
    });
    assert_eq!(scene.tasks(), BTreeSet::new());
}

/// One worker's JVM is killed for want of memory, and another one's crashes. Mesos says of both no
/// more than an exit code, and their sandboxes may be gone.
fn what_ended_a_worker_is_told_by_its_launcher(scene: &mut Scene, image: &str) {
    let first = |names: BTreeSet<String>| names.into_iter().next().unwrap();
    // The kernel takes the JVM and not the one that takes its memory away.
    let starve = "for one in /proc/[0-9]*; do \
                      grep -qs java $one/comm && echo 1000 > $one/oom_score_adj; \
                  done; head -c 2G /dev/zero | tail > /dev/null";
    let crash = "for one in /proc/[0-9]*; do \
                     grep -qs java $one/comm && kill -ABRT ${one#/proc/}; \
                 done";
    for (does, kind, words) in [
        (
            starve,
            "out-of-memory",
            "because the container reached its memory limit of ",
        ),
        (crash, "exited", "ABRT"),
    ] {
        let worker = first(task_containers(image));
        docker(&["exec", "--user", "root", &worker, "sh", "-c", does]);
        scene.wait_until("its end is told", |scene| {
            scene.status()["failures"]["recent"][0]["kind"] == kind
        });
        let status = scene.status();
        let told = &status["failures"]["recent"][0]["text"];
        assert!(told.as_str().unwrap().contains(words), "{status}");
        let why = scene.why();
        let why = String::from_utf8_lossy(&why.stdout);
        assert!(why.contains(words), "{why}");
        assert!(scene.log().contains(words), "{}", scene.log());
        let counted = format!("flugs_worker_failures_total{{reason=\"{kind}\"}} 1");
        assert!(scene.metrics().contains(&counted), "{}", scene.metrics());
        scene.wait_until_whole();
    }
    scene.wait_until_counting();
    scene.counted_exactly();
}

#[test]
fn containers_of_2_3_0_compute_though_their_image_is_slow_to_come_and_end_when_a_client_says_so() {
    let (mut scene, container) = cluster_of_containers("2.3.0");
    let images = images("2.3.0");
    scene
        .double
        .set_faults(|faults| faults.pull_delay = Duration::from_secs(5));
    run(&mut scene, &container, &images.appmaster);
    scene.wait_until_whole();
    // One start each, however long it took.
    assert_eq!(scene.status()["failures"]["total"], 0);
    // The image's own check finds whom to ask, though the sandbox is Mesos's.
    let mut containers = task_containers(&images.worker);
    assert_eq!(containers.len(), 2, "{containers:?}");
    containers.insert(container.0.clone());
    scene.wait_until("the engine finds all of them healthy", |_| {
        let format = "{{.State.Health.Status}}";
        let is_healthy =
            |name: &String| docker_ok(&["inspect", "--format", format, name]) == "healthy";
        containers.iter().all(is_healthy)
    });
    scene.submit_by_rest();
    scene.wait_until_counting();
    scene.counted_exactly();

    assert!(scene.shut_down().success());
    scene.wait_until("no container is left", |_| {
        task_containers(&images.worker).is_empty()
    });
}
