//! `ContainerInfo`: its volumes and what the Docker containerizer needs.

use crate::call::{objects, text};
use serde_json::{Map, Value};

/// The first fault of a container.
pub(crate) fn validate(container: &Map<String, Value>) -> Result<(), String> {
    for volume in objects(container, "volumes") {
        validate_volume(volume).map_err(|reason| format!("Invalid volume: {reason}"))?;
    }
    if text(container, "type") != Some("DOCKER") {
        return Ok(());
    }
    let Some(docker) = container.get("docker").and_then(Value::as_object) else {
        return Err("DockerInfo 'docker' is not set for DOCKER typed ContainerInfo".to_owned());
    };
    if objects(docker, "parameters").any(|parameter| text(parameter, "key") == Some("name")) {
        return Err("Parameter in DockerInfo must not be 'name'".to_owned());
    }
    Ok(())
}

fn validate_volume(volume: &Map<String, Value>) -> Result<(), String> {
    let sources = ["host_path", "image", "source"];
    if sources
        .iter()
        .filter(|field| volume.contains_key(**field))
        .count()
        != 1
    {
        return Err("Only one of them should be set: 'host_path', 'image' and 'source'".to_owned());
    }
    let Some(source) = volume.get("source").and_then(Value::as_object) else {
        return Ok(());
    };
    let kind = text(source, "type").unwrap_or("UNKNOWN");
    let (field, name) = match kind {
        "DOCKER_VOLUME" => ("docker_volume", kind),
        "HOST_PATH" => ("host_path", kind),
        "SANDBOX_PATH" => ("sandbox_path", kind),
        "SECRET" => ("secret", kind),
        "CSI_VOLUME" => ("csi_volume", "CSI"),
        _ => return Err("'source.type' is unknown".to_owned()),
    };
    if !source.contains_key(field) {
        return Err(format!("'source.{field}' is not set for {name} volume"));
    }
    if kind == "CSI_VOLUME"
        && source
            .get(field)
            .is_none_or(|volume| volume.get("static_provisioning").is_none())
    {
        return Err("'source.csi_volume.static_provisioning' is not set for CSI volume".to_owned());
    }
    Ok(())
}
