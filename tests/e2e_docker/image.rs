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

/// What docs/images.md says of owners: of directories of Flink's home, of those that flugs adds to,
/// and of the files in them.
#[test]
fn what_the_dockerfiles_add_belongs_to_whom_it_should() {
    let image = images("2.3.0").worker;
    let find = |words: &str| {
        let command = ["run", "--rm", "--entrypoint", "find", &image];
        let words: Vec<&str> = words.split(' ').collect();
        docker_ok(&[command.as_slice(), &words].concat())
    };
    let others = find("/opt/flink -type d ( -not -user 9999 -o -not -group 0 -o -not -perm 0775 )");
    assert_eq!(others, "", "directories of Flink's home");
    let files = find(
        "/opt/flink -type f -not -path */class-data/* -not -name mesos-* ( -not -user 9999 -o -not -group 0 -o -not -perm -0664 )",
    );
    assert_eq!(files, "", "files of Flink's home");
    let stat = [
        "run",
        "--rm",
        "--entrypoint",
        "stat",
        &image,
        "-c",
        "%a %u:%g %n",
    ];
    let places = [
        "/opt",
        "/etc",
        "/usr/local",
        "/usr/local/bin",
        "/run",
        "/run/flugs",
        "/tmp",
        "/etc/passwd",
    ];
    assert_eq!(
        docker_ok(&[stat.as_slice(), &places].concat()),
        "755 0:0 /opt\n755 0:0 /etc\n755 0:0 /usr/local\n755 0:0 /usr/local/bin\n755 0:0 /run\n\
         1777 0:0 /run/flugs\n1777 0:0 /tmp\n644 0:0 /etc/passwd"
    );
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
