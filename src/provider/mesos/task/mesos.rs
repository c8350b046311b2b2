//! The Mesos containerizer's part of a task.

use crate::provider::mesos::options::{ContainerizerOption, PullConfig, SecretName, TaskOptions};
use flugs_mesos::scheduler::Launch;
use flugs_mesos::wire::{
    CommandInfo, ContainerInfo, ContainerType, DockerImage, Image, MesosInfo, Secret,
    SecretReference, SecretType, Variable, VariableType, Volume, VolumeMode, VolumeSource,
};

use super::{BINARY, Place, docker};

/// A command without a shell: here the first argument is `argv[0]`.
pub(super) fn command(place: &Place, words: Vec<String>) -> CommandInfo {
    let arguments = [BINARY.to_owned()].into_iter().chain(words);
    CommandInfo {
        shell: Some(false),
        value: Some(place.binary.display().to_string()),
        arguments: arguments.collect(),
        ..CommandInfo::default()
    }
}

/// The container, if the task is to see anything but its host.
pub(super) fn container(tasks: &TaskOptions, launch: &Launch<'_>) -> Option<ContainerInfo> {
    let mut volumes = docker::volumes(tasks);
    volumes.extend(tasks.secret_files.iter().map(secret_file));
    let image = tasks.container.image.as_ref();
    let network_infos = docker::network_infos(tasks, docker::port_mappings(tasks, launch));
    if volumes.is_empty() && image.is_none() && network_infos.is_empty() {
        return None;
    }
    Some(ContainerInfo {
        kind: ContainerType::Mesos,
        volumes,
        mesos: image.map(|name| MesosInfo {
            image: Some(docker_image(tasks, name)),
        }),
        network_infos,
        ..ContainerInfo::default()
    })
}

fn docker_image(tasks: &TaskOptions, name: &str) -> Image {
    let config = match &tasks.container.pull_config {
        Some(PullConfig::Secret(name)) => Some(secret(name)),
        Some(PullConfig::Uri(_)) | None => None,
    };
    Image {
        kind: "DOCKER".to_owned(),
        docker: Some(DockerImage {
            name: name.to_owned(),
            config,
        }),
        cached: tasks.container.force_pull.then_some(false),
    }
}

fn secret(name: &SecretName) -> Secret {
    Secret {
        kind: Some(SecretType::Reference),
        reference: Some(SecretReference {
            name: name.name.clone(),
            key: name.key.clone(),
        }),
        value: None,
    }
}

fn secret_file((path, name): &(String, SecretName)) -> Volume {
    Volume {
        container_path: path.clone(),
        mode: VolumeMode::ReadOnly,
        source: Some(VolumeSource {
            kind: Some("SECRET".to_owned()),
            secret: Some(secret(name)),
            ..VolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Variables whose values only the agent knows.
pub(super) fn secret_variables(tasks: &TaskOptions) -> impl Iterator<Item = Variable> + '_ {
    let resolved = tasks.container.containerizer == ContainerizerOption::Mesos;
    let variables = tasks.secret_variables.iter().filter(move |_| resolved);
    variables.map(|(name, source)| Variable {
        name: name.clone(),
        kind: Some(VariableType::Secret),
        value: None,
        secret: Some(secret(source)),
    })
}
