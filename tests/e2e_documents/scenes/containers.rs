//! Images by `docker build`, containers by `docker run` and by `flugs up --on docker`.

use crate::docker_images::{docker, docker_ok, flink_home, images, text};
use crate::known::{Scene, of, one};
use crate::pages::Block;
use crate::place::{Place, wait_until};

/// The names that the blocks give to things of the engine, and those of this test run.
struct Engine {
    mark: String,
}

impl Engine {
    fn new() -> Self {
        Self {
            mark: format!("flugs-documents-{}", std::process::id()),
        }
    }

    fn name(&self, of: &str) -> String {
        format!("{}-{of}", self.mark)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let network = format!("network={}", self.name("network"));
        let found = docker(&["ps", "--all", "--quiet", "--filter", &network]);
        for container in String::from_utf8_lossy(&found.stdout).lines() {
            docker(&["rm", "--force", "--volumes", container]);
        }
        docker(&["network", "rm", &self.name("network")]);
        for image in ["worker", "appmaster"] {
            docker(&["rmi", "--force", &self.name(image)]);
        }
    }
}

fn health(container: &str) -> String {
    docker_ok(&["inspect", "--format", "{{.State.Health.Status}}", container])
}

/// The containers of the network, once they are as many.
fn containers(engine: &Engine) -> Vec<String> {
    let network = format!("network={}", engine.name("network"));
    let found = docker_ok(&["ps", "--quiet", "--filter", &network]);
    found.lines().map(str::to_owned).collect()
}

#[test]
fn the_documented_docker_lines_build_images_and_make_a_cluster() {
    // The base that the tests have; the documents' one is a registry's.
    images("2.3.0");
    let names = "{{.Repository}}:{{.Tag}}";
    let base = docker_ok(&["images", "--format", names, "flugs-e2e-base"]);
    let base = base.lines().next().unwrap();
    let engine = Engine::new();
    let (worker, appmaster) = (engine.name("worker"), engine.name("appmaster"));
    let network = engine.name("network");
    let build = format!("docker build --quiet --build-arg BASE={base}");
    let home = flink_home("2.3.0").canonicalize().unwrap();
    let place = Place::new(&[
        (
            "target/*/release/flugs",
            concat!("'", env!("CARGO_BIN_EXE_flugs"), "'"),
        ),
        ("/opt/flink-2.3.0", home.to_str().unwrap()),
        ("docker build", &build),
        ("flugs-worker", &worker),
        ("flugs-appmaster", &appmaster),
        ("network create flink", &format!("network create {network}")),
        ("--network flink", &format!("--network {network}")),
        ("-p 8081:8081", "-p 8081"),
        // The engine keeps containers' names apart, and networks their aliases.
        ("--name jm", "--network-alias jm"),
        (
            "docker run",
            "docker run --health-interval=1s --health-start-period=0s",
        ),
    ]);
    place.run_block(&one(Scene::Containers, "docs/docker.md", "mkdir context"));
    for page in ["docs/docker.md", "README.md"] {
        let start = if page == "README.md" {
            "docker build"
        } else {
            "docker network"
        };
        place.run_block(&one(Scene::Containers, page, start));
        let started = containers(&engine);
        assert_eq!(started.len(), 2, "{page}: a JobManager and a worker");
        wait_until(&format!("{page}: both containers are healthy"), || {
            started
                .iter()
                .all(|container| health(container) == "healthy")
        });
        for container in &started {
            let log = text(&docker(&["logs", container]));
            assert!(!log.contains("non-local recipient"), "{page}: {log}");
            docker_ok(&["rm", "--force", "--volumes", container]);
        }
        docker_ok(&["network", "rm", &network]);
    }
    assert_eq!(of(Scene::Containers).len(), 3);
    place.used_every_name();
}

#[test]
fn a_cluster_of_containers_comes_up_by_one_command_and_goes_with_it() {
    let images = images("2.3.0");
    let home = flink_home("2.3.0");
    let up = format!(
        "exec flugs up --appmaster-image {} --worker-image {} --on docker",
        images.appmaster, images.worker
    );
    for block in of(Scene::ContainersUp) {
        let place = Place::new(&[
            ("flugs up --on docker", &up),
            ("/opt/flink", home.to_str().unwrap()),
        ]);
        comes_up_and_goes(&place, &block);
        place.used_every_name();
    }
    assert_eq!(of(Scene::ContainersUp).len(), 2);
}

fn comes_up_and_goes(place: &Place, block: &Block) {
    let mut up = place.start(block);
    up.wait_until("every member is registered", |_| {
        place.succeeds("flugs status --json > status.json")
            && std::fs::read_to_string(place.path("status.json"))
                .unwrap()
                .matches("\"registered\"")
                .count()
                >= 3
    });
    up.stop();
}
