//! What a task runs in: containerizer, image, network, volumes.

use serde_json::Value;

use super::message::{message, open_enum};
use super::{Label, Labels, Secret};

open_enum! {
    /// `ContainerInfo.Type`: the containerizer.
    ContainerType {
        /// The agent's own.
        Mesos = "MESOS",
        /// The Docker engine of the agent's host.
        Docker = "DOCKER",
    }
}

open_enum! {
    /// `ContainerInfo.DockerInfo.Network`.
    DockerNetwork {
        /// The host's.
        Host = "HOST",
        /// The engine's bridge.
        Bridge = "BRIDGE",
        /// None.
        None = "NONE",
        /// The one that the only entry of `network_infos` names.
        User = "USER",
    }
}

message! {
    /// `ContainerInfo.DockerInfo.PortMapping`; the host's port has to be among the task's `ports`.
    PortMapping {
        /// The port on the host.
        #[serde(deserialize_with = "super::tolerant::integer")]
        required host_port: u32,
        /// The port in the container.
        #[serde(deserialize_with = "super::tolerant::integer")]
        required container_port: u32,
        /// `tcp` or `udp`.
        optional protocol: String,
    }
}

message! {
    /// `Parameter`: an option of `docker run`.
    Parameter {
        /// The option, without its dashes.
        required key: String,
        /// Its value.
        required value: String,
    }
}

message! {
    /// `ContainerInfo.DockerInfo`.
    DockerInfo {
        /// The image's name.
        required image: String,
        /// The network; absent: `HOST`.
        optional network: DockerNetwork,
        /// Ports of a `BRIDGE` or `USER` network.
        repeated port_mappings: PortMapping,
        /// All of the host's devices.
        optional privileged: bool,
        /// Further options.
        repeated parameters: Parameter,
        /// Pull the image even if it is there.
        optional force_pull_image: bool,
    }
}

message! {
    /// `Image.Docker`.
    DockerImage {
        /// The image's name.
        required name: String,
        /// A Docker `config.json` with the registry's credentials.
        optional config: Secret,
    }
}

message! {
    /// `Image`.
    Image {
        /// `DOCKER` or `APPC`.
        #[serde(rename = "type")]
        required kind: String,
        /// A Docker image.
        optional docker: DockerImage,
        /// Use what the agent has; absent: yes.
        optional cached: bool,
    }
}

message! {
    /// `ContainerInfo.MesosInfo`.
    MesosInfo {
        /// The image; absent: the host's file system.
        optional image: Image,
    }
}

open_enum! {
    /// `Volume.Mode`.
    VolumeMode {
        /// Read and write.
        ReadWrite = "RW",
        /// Read only.
        ReadOnly = "RO",
    }
}

message! {
    /// `Volume.Source.SandboxPath`.
    SandboxPath {
        /// `SELF` or `PARENT`.
        #[serde(rename = "type")]
        optional kind: String,
        /// The path below it.
        required path: String,
    }
}

message! {
    /// `Volume.Source`. The Docker containerizer knows `DOCKER_VOLUME` and ignores the others.
    VolumeSource {
        /// Which one: `DOCKER_VOLUME`, `SANDBOX_PATH`, `SECRET`, `HOST_PATH`.
        #[serde(rename = "type")]
        optional kind: String,
        /// A volume driver's.
        optional docker_volume: Value,
        /// A path of a sandbox.
        optional sandbox_path: SandboxPath,
        /// A secret as a file.
        optional secret: Secret,
        /// A path of the host, with its mount propagation.
        optional host_path: Value,
    }
}

message! {
    /// `Volume`.
    Volume {
        /// Where it is in the container.
        required container_path: String,
        /// Whether it can be written.
        required mode: VolumeMode,
        /// Where it is on the host; relative: in the sandbox.
        optional host_path: String,
        /// Any other source.
        optional source: VolumeSource,
    }
}

message! {
    /// `NetworkInfo.IPAddress`.
    IpAddress {
        /// `IPv4` or `IPv6`.
        optional protocol: String,
        /// The address.
        optional ip_address: String,
    }
}

message! {
    /// `NetworkInfo`.
    NetworkInfo {
        /// The addresses that are asked for, or that the container has.
        repeated ip_addresses: IpAddress,
        /// The network's name.
        optional name: String,
        /// The groups of hosts that may reach it.
        repeated groups: String,
        /// Labels, read by the network's plugin.
        optional labels: Labels,
        /// Ports that the Mesos containerizer forwards.
        repeated port_mappings: PortMapping,
    }
}

message! {
    /// `RLimitInfo.RLimit`.
    ResourceLimit {
        /// E.g. `RLMT_NOFILE`.
        #[serde(rename = "type")]
        required kind: String,
        /// The hard limit.
        #[serde(deserialize_with = "super::tolerant::optional_integer")]
        optional hard: u64,
        /// The soft limit.
        #[serde(deserialize_with = "super::tolerant::optional_integer")]
        optional soft: u64,
    }
}

message! {
    /// `RLimitInfo`.
    ResourceLimits {
        /// The limits.
        repeated rlimits: ResourceLimit,
    }
}

message! {
    /// `ContainerInfo`.
    ContainerInfo {
        /// The containerizer.
        #[serde(rename = "type")]
        required kind: ContainerType,
        /// Volumes.
        repeated volumes: Volume,
        /// Host name in the container; refused on the host's network.
        optional hostname: String,
        /// Docker's part.
        optional docker: DockerInfo,
        /// The Mesos containerizer's part.
        optional mesos: MesosInfo,
        /// Networks to join.
        repeated network_infos: NetworkInfo,
        /// Limits of `setrlimit(2)`.
        optional rlimit_info: ResourceLimits,
    }
}

impl Label {
    /// A label with a value.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: Some(value.into()),
        }
    }
}
