//! What the Docker containerizer asks of `docker run`: the task as words of a command line.

use super::environment::{Secrets, of_command};
use crate::call::{objects, text, texts};
use crate::executor::Launch;
use crate::resources::{Quantity, Resources};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Where a container finds its sandbox.
pub(super) const SANDBOX: &str = "/mnt/mesos/sandbox";

const SHARES_PER_CPU: i64 = 1024;
const LEAST_SHARES: i64 = 2;
const LEAST_MEMORY_MIB: i64 = 32;
/// Microseconds.
const CPU_PERIOD: f64 = 100_000.0;
const LEAST_QUOTA: f64 = 1000.0;

/// The name of a task's container.
pub(super) fn container_name(launch: &Launch) -> String {
    format!("mesos-{}", launch.container)
}

/// `run` and what follows it. The error is what follows `Failed to create docker run options: `.
pub(super) fn run_arguments(launch: &Launch, sandbox: &Path) -> Result<Vec<String>, String> {
    let empty = Map::new();
    let container = launch.part("container").unwrap_or(&empty);
    let docker = container
        .get("docker")
        .and_then(Value::as_object)
        .ok_or("No docker info found in container info")?;
    let resources = Resources::read(&launch.task, "resources");
    let mut arguments = vec!["run".to_owned()];
    if docker.get("privileged").and_then(Value::as_bool) == Some(true) {
        arguments.push("--privileged".to_owned());
    }
    push_limits(&mut arguments, launch, &resources);
    for (name, value) in environment(launch) {
        push(&mut arguments, "-e", format!("{name}={value}"));
    }
    push_volumes(&mut arguments, container, docker, sandbox)?;
    let network = network(container, docker)?;
    let mappings = port_mappings(docker, &network, &resources)?;
    let (network, parameters) = parameters(docker, network);
    push(&mut arguments, "--net", network);
    if let Some(hostname) = text(container, "hostname") {
        push(&mut arguments, "--hostname", hostname.to_owned());
    }
    for mapping in mappings {
        push(&mut arguments, "-p", mapping);
    }
    let command = launch.part("command").unwrap_or(&empty);
    let shell = command
        .get("shell")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    if shell {
        push(&mut arguments, "--entrypoint", "/bin/sh".to_owned());
    }
    push(&mut arguments, "--name", container_name(launch));
    arguments.extend(parameters);
    arguments.push(text(docker, "image").unwrap_or_default().to_owned());
    let value = text(command, "value").map(str::to_owned);
    if shell {
        let value = value.ok_or("Shell specified but no command value provided")?;
        push(&mut arguments, "-c", value);
    } else {
        arguments.extend(value);
        arguments.extend(texts(command, "arguments"));
    }
    Ok(arguments)
}

fn push(arguments: &mut Vec<String>, option: &str, value: String) {
    arguments.push(option.to_owned());
    arguments.push(value);
}

fn push_limits(arguments: &mut Vec<String>, launch: &Launch, resources: &Resources) {
    let limit = |name: &str| launch.part("limits")?.get(name)?.get("value").cloned();
    if resources.has("cpus") {
        let shares = resources.thousandths("cpus") * SHARES_PER_CPU / 1000;
        push(
            arguments,
            "--cpu-shares",
            shares.max(LEAST_SHARES).to_string(),
        );
    }
    if let Some(cpus) = limit("cpus").and_then(|limit| limit.as_f64()) {
        let quota = (CPU_PERIOD * cpus).max(LEAST_QUOTA);
        push(arguments, "--cpu-quota", format!("{quota:.0}"));
    }
    let mib = |mib: i64| (mib.max(LEAST_MEMORY_MIB) * 1024 * 1024).to_string();
    let request = resources
        .has("mem")
        .then(|| resources.thousandths("mem") / 1000);
    match (limit("mem"), request) {
        (Some(limit), request) => {
            if let Some(request) = request {
                push(arguments, "--memory-reservation", mib(request));
            }
            // Infinity is a text: no limit at all.
            if let Some(limit) = limit.as_f64() {
                #[expect(clippy::cast_possible_truncation, reason = "whole MiB, as the agent")]
                push(arguments, "--memory", mib(limit as i64));
            }
        }
        (None, Some(request)) => push(arguments, "--memory", mib(request)),
        (None, None) => {}
    }
}

/// Sorted by name; what the agent sets cannot be set by the framework.
fn environment(launch: &Launch) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> =
        of_command(launch, Secrets::Empty).into_iter().collect();
    variables.insert("MESOS_SANDBOX".to_owned(), SANDBOX.to_owned());
    variables.insert("MESOS_CONTAINER_NAME".to_owned(), container_name(launch));
    variables.insert("MESOS_ALLOCATION_ROLE".to_owned(), launch.role.clone());
    variables
}

fn push_volumes(
    arguments: &mut Vec<String>,
    container: &Map<String, Value>,
    docker: &Map<String, Value>,
    sandbox: &Path,
) -> Result<(), String> {
    let mut driver: Option<String> = None;
    for volume in objects(container, "volumes") {
        let inner = text(volume, "container_path").unwrap_or_default();
        let target = if inner.starts_with('/') {
            inner.to_owned()
        } else {
            format!("{SANDBOX}/{inner}")
        };
        let mode = text(volume, "mode").unwrap_or("RW").to_lowercase();
        let source = if let Some(host) = text(volume, "host_path") {
            if !host.starts_with('/') && !inner.starts_with('/') {
                return Err(format!(
                    "Both host_path '{host}' and container_path '{inner}' of a volume are relative"
                ));
            }
            if host.starts_with('/') || docker.contains_key("volume_driver") {
                host.to_owned()
            } else {
                sandbox.join(host).display().to_string()
            }
        } else if let Some(source) = volume.get("source").and_then(Value::as_object) {
            // Every other kind of source is ignored, and nobody is told.
            let Some(named) = source
                .get("docker_volume")
                .and_then(Value::as_object)
                .filter(|_| text(source, "type") == Some("DOCKER_VOLUME"))
            else {
                continue;
            };
            if let Some(own) = text(named, "driver") {
                if driver.as_deref().is_some_and(|driver| driver != own) {
                    return Err("Only one volume driver is supported".to_owned());
                }
                driver = Some(own.to_owned());
            }
            text(named, "name").unwrap_or_default().to_owned()
        } else {
            return Err("Host path or volume source is required".to_owned());
        };
        push(arguments, "-v", format!("{source}:{target}:{mode}"));
    }
    push(arguments, "-v", format!("{}:{SANDBOX}", sandbox.display()));
    if let Some(own) = text(docker, "volume_driver") {
        if driver.as_deref().is_some_and(|driver| driver != own) {
            return Err("Only one volume driver per task is supported".to_owned());
        }
        driver = Some(own.to_owned());
    }
    if let Some(driver) = driver {
        arguments.push(format!("--volume-driver={driver}"));
    }
    Ok(())
}

fn network(container: &Map<String, Value>, docker: &Map<String, Value>) -> Result<String, String> {
    let network = match text(docker, "network").unwrap_or("HOST") {
        "USER" => {
            let infos: Vec<&Map<String, Value>> = objects(container, "network_infos").collect();
            match infos.as_slice() {
                [] => return Err("No network info found in container info".to_owned()),
                [one] => text(one, "name")
                    .ok_or("No network name found in network info")?
                    .to_owned(),
                _ => {
                    return Err("Only a single network can be defined in Docker run".to_owned());
                }
            }
        }
        other => other.to_lowercase(),
    };
    if network == "host" && container.contains_key("hostname") {
        return Err("Unable to set hostname with host network mode".to_owned());
    }
    Ok(network)
}

fn port_mappings(
    docker: &Map<String, Value>,
    network: &str,
    resources: &Resources,
) -> Result<Vec<String>, String> {
    let mappings: Vec<&Map<String, Value>> = objects(docker, "port_mappings").collect();
    if mappings.is_empty() {
        return Ok(Vec::new());
    }
    if matches!(network, "host" | "none") {
        return Err(
            "Port mappings are only supported for bridge and user-defined networks".to_owned(),
        );
    }
    if !resources.has("ports") {
        return Err("Port mappings require port resources".to_owned());
    }
    mappings
        .into_iter()
        .map(|mapping| {
            let port = |field: &str| mapping.get(field).and_then(Value::as_u64).unwrap_or(0);
            let host = port("host_port");
            let wanted = Quantity::ranges([(host, host)]);
            let own = |resource: &crate::resources::Resource| {
                resource.name == "ports" && resource.quantity.contains(&wanted)
            };
            if !resources.iter().any(own) {
                return Err(format!("Port [{host}] not included in resources"));
            }
            let protocol = text(mapping, "protocol")
                .map(|protocol| format!("/{}", protocol.to_lowercase()))
                .unwrap_or_default();
            Ok(format!("{host}:{}{protocol}", port("container_port")))
        })
        .collect()
}

/// `--key=value` for each; the first that names a network changes that instead.
fn parameters(docker: &Map<String, Value>, network: String) -> (String, Vec<String>) {
    let mut named = None;
    let mut options = Vec::new();
    for parameter in objects(docker, "parameters") {
        let key = text(parameter, "key").unwrap_or_default();
        let value = text(parameter, "value").unwrap_or_default();
        if named.is_none() && matches!(key, "net" | "network") {
            named = Some(value.to_owned());
        } else {
            options.push(format!("--{key}={value}"));
        }
    }
    (named.unwrap_or(network), options)
}

#[cfg(test)]
#[path = "docker_arguments/tests.rs"]
mod tests;
