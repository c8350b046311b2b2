//! What an image says of itself.

use serde_json::Value;

use super::docker_images::{docker_ok, images};

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
