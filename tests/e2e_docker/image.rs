//! What an image says of itself.

use std::process::Command;

use serde_json::Value;

use super::docker_images::{docker, docker_ok, flink_home, images, text};

fn inspect(image: &str) -> Value {
    let json = docker_ok(&["image", "inspect", image]);
    serde_json::from_str::<Value>(&json).unwrap()[0].clone()
}

#[test]
fn the_two_images_are_one_set_of_layers_and_say_what_they_are() {
    let images = images("2.3.0");
    let (appmaster, worker) = (inspect(&images.appmaster), inspect(&images.worker));
    assert_eq!(appmaster["RootFS"]["Layers"], worker["RootFS"]["Layers"]);
    assert_eq!(worker["RootFS"]["Layers"].as_array().unwrap().len(), 3);
    for image in [&appmaster, &worker] {
        let config = &image["Config"];
        assert_eq!(config["User"], "9999:9999");
        assert_eq!(config["StopSignal"], "SIGTERM");
        assert_eq!(config["WorkingDir"], "/opt/flink");
        let health: Vec<&str> = config["Healthcheck"]["Test"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        assert_eq!(health, ["CMD", "/usr/local/bin/flugs", "health", "--ready"]);
        let labels = &config["Labels"];
        assert_eq!(labels["org.opencontainers.image.version"], "0.0.1");
        assert_eq!(labels["org.opencontainers.image.licenses"], "Apache-2.0");
        assert!(config["Entrypoint"][0] == "/usr/local/bin/flugs");
    }
    let ports = |image: &Value| {
        let ports = image["Config"]["ExposedPorts"].as_object().unwrap();
        ports.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(ports(&appmaster), ["6123/tcp", "6124/tcp", "8081/tcp"]);
    assert_eq!(ports(&worker), ["6121/tcp", "6122/tcp"]);
}

#[test]
fn the_engine_builds_from_a_streamed_context_and_a_failed_build_shows_its_log() {
    images("1.20.5");
    let base = docker_ok(&[
        "images",
        "--format",
        "{{.Repository}}:{{.Tag}}",
        "flugs-e2e-base",
    ]);
    let base = base.lines().next().unwrap();
    let name = format!("flugs-e2e-streamed:{}", std::process::id());
    let build = |base: &str| {
        Command::new(env!("CARGO_BIN_EXE_flugs"))
            .args([
                "image",
                "build",
                "--engine",
                "worker",
                "--no-training",
                "--base",
                base,
            ])
            .args(["--name", &name, "--flink-home"])
            .arg(flink_home("1.20.5"))
            .output()
            .unwrap()
    };
    let done = build(base);
    assert!(done.status.success(), "{}", text(&done));
    let help = docker(&["run", "--rm", &name, "help"]);
    assert!(text(&help).contains("standalone-job"), "{}", text(&help));
    assert_eq!(inspect(&name)["Config"]["User"], "9999:9999");
    docker_ok(&["rmi", &name]);

    let failed = build("scratch");
    assert_eq!(failed.status.code(), Some(97), "{}", text(&failed));
    assert!(text(&failed).contains("Step 1/"), "{}", text(&failed));
}
