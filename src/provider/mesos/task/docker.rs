//! The Docker containerizer's part of a task.

use crate::provider::mesos::options::{
    ContainerizerOption, NetworkMode, PullConfig, TaskOptions, VolumeOption,
};
use flugs_mesos::scheduler::Launch;
use flugs_mesos::wire::{
    CommandInfo, ContainerInfo, ContainerType, DockerInfo, DockerNetwork, NetworkInfo, Parameter,
    PortMapping, Uri, Volume, VolumeMode,
};

use super::Place;

/// The arguments of the entry point, which is flugs: here the first one is no `argv[0]`.
pub(super) fn command(words: Vec<String>) -> CommandInfo {
    CommandInfo {
        shell: Some(false),
        arguments: words,
        ..CommandInfo::default()
    }
}

/// A health check's command. Agents run it as `docker exec CONTAINER VALUE ARGUMENTS…`, put
/// together with blanks and given to a shell: nothing in it may need quotes.
pub(super) fn health_command(place: &Place, words: [String; 3]) -> CommandInfo {
    CommandInfo {
        shell: Some(false),
        value: Some(place.binary.display().to_string()),
        arguments: words.into(),
        ..CommandInfo::default()
    }
}

/// The user that the launcher becomes, if it is not to stay who it is.
///
/// The sandbox is its owner's alone (mode 0750), who is some user of the agent's host, and the
/// image's user is another. So the container is started as root, which can hand the sandbox over.
/// Who sets the user by a parameter has seen to that.
pub(super) fn becomes(tasks: &TaskOptions) -> Option<&str> {
    let container = &tasks.container;
    let docker = container.containerizer == ContainerizerOption::Docker;
    let user = container.user.as_str();
    (docker && !sets_user(tasks) && !matches!(user, "root" | "0")).then_some(user)
}

fn sets_user(tasks: &TaskOptions) -> bool {
    let mut keys = tasks
        .container
        .parameters
        .iter()
        .map(|(key, _)| key.as_str());
    keys.any(|key| matches!(key, "user" | "u"))
}

/// The credentials for the image's registry: an archive is extracted into the sandbox, which is
/// the home directory of `docker pull`.
pub(super) fn pull_config(tasks: &TaskOptions) -> Option<Uri> {
    match &tasks.container.pull_config {
        Some(PullConfig::Uri(uri)) => Some(Uri {
            value: uri.clone(),
            extract: Some(true),
            ..Uri::default()
        }),
        Some(PullConfig::Secret(_)) | None => None,
    }
}

pub(super) fn container(tasks: &TaskOptions, place: &Place, launch: &Launch<'_>) -> ContainerInfo {
    let network = match tasks.network.mode {
        NetworkMode::Host => DockerNetwork::Host,
        NetworkMode::Bridge => DockerNetwork::Bridge,
        NetworkMode::User => DockerNetwork::User,
    };
    ContainerInfo {
        kind: ContainerType::Docker,
        volumes: volumes(tasks),
        docker: Some(DockerInfo {
            image: tasks.container.image.clone().unwrap_or_default(),
            network: Some(network),
            port_mappings: port_mappings(tasks, launch),
            parameters: parameters(tasks, place),
            force_pull_image: tasks.container.force_pull.then_some(true),
            ..DockerInfo::default()
        }),
        network_infos: network_infos(tasks, Vec::new()),
        ..ContainerInfo::default()
    }
}

fn parameters(tasks: &TaskOptions, place: &Place) -> Vec<Parameter> {
    let parameter = |key: &str, value: &str| Parameter {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let mut own = Vec::new();
    // A line for the shell has the shell as its entry point.
    if tasks.bootstrap.is_none() {
        own.push(parameter("entrypoint", &place.binary.display().to_string()));
    }
    if !sets_user(tasks) {
        own.push(parameter("user", "0:0"));
    }
    let further = tasks.container.parameters.iter();
    own.extend(further.map(|(key, value)| parameter(key, value)));
    own
}

/// The directories of the host that a container sees; the artifact cache among them.
pub(super) fn volumes(tasks: &TaskOptions) -> Vec<Volume> {
    let volume = |one: &VolumeOption| Volume {
        container_path: one.container_path.clone(),
        host_path: one.host_path.clone(),
        mode: one.mode.clone(),
        ..Volume::default()
    };
    let mut volumes: Vec<Volume> = tasks.container.volumes.iter().map(volume).collect();
    if let (Some(cache), Some(_)) = (&tasks.cache, &tasks.container.image) {
        let path = cache.display().to_string();
        volumes.push(Volume {
            container_path: path.clone(),
            host_path: Some(path),
            mode: VolumeMode::ReadWrite,
            ..Volume::default()
        });
    }
    volumes
}

/// The ports of the host that lead to the container's.
pub(super) fn port_mappings(tasks: &TaskOptions, launch: &Launch<'_>) -> Vec<PortMapping> {
    if tasks.network.mode == NetworkMode::Host || !tasks.network.published {
        return Vec::new();
    }
    let own = &tasks.ports.fixed_in_container;
    let mapping = |(key, port): &(String, u16)| PortMapping {
        host_port: u32::from(*port),
        container_port: u32::from(own.get(key).copied().unwrap_or(*port)),
        protocol: Some("tcp".to_owned()),
    };
    launch.ports.iter().map(mapping).collect()
}

/// The network that has a name.
pub(super) fn network_infos(
    tasks: &TaskOptions,
    port_mappings: Vec<PortMapping>,
) -> Vec<NetworkInfo> {
    let name = tasks.network.name.clone();
    let info = |name| NetworkInfo {
        name: Some(name),
        port_mappings,
        ..NetworkInfo::default()
    };
    name.map(info).into_iter().collect()
}
