//! What the engine is told of a worker: the container as data.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, Mount, MountType, NetworkingConfig,
    PortBinding,
};

use super::{DockerTerms, Label};
use flugs_model::{Role, WorkerSpec};

/// Where the supervisor answers questions about health, in the container's own file system.
const STATUS: &str = "/tmp/flugs.sock";

/// Where a container finds its sandbox and the artifact cache: below no directory that an image may
/// have as well. At their own paths they would be below the image's `/root`, say, which keeps
/// everybody else out, or below a home that the image has for somebody.
pub(super) const SANDBOX: &str = "/flugs/sandbox";
pub(super) const CACHE: &str = "/flugs/cache";

/// The binary in the images.
const BINARY: &str = "/usr/local/bin/flugs";

/// The name of a worker's container.
pub(super) fn name(terms: &DockerTerms, worker: &WorkerSpec) -> String {
    format!("flugs-{}-{}", terms.cluster, worker.id)
}

/// A worker's container.
///
/// It may write to its sandbox and to `/tmp` alone, has no capability and gains none, and is
/// found by its worker's name on the cluster's network. A JobManager's REST port is published on
/// the loopback address of the host, so that clients there reach it.
pub(super) fn body(
    terms: &DockerTerms,
    worker: &WorkerSpec,
    arguments: Vec<String>,
) -> ContainerCreateBody {
    let port = format!("{}/tcp", terms.rest_port);
    let is_job_manager = worker.role.is_job_manager();
    let published = PortBinding {
        host_ip: Some("127.0.0.1".to_owned()),
        host_port: Some(terms.rest_port.to_string()),
    };
    let bytes = worker.resources.memory_bytes;
    let memory = bytes.and_then(|bytes| i64::try_from(bytes).ok());
    let (user, group) = terms.user.inside;
    let endpoint = EndpointSettings {
        aliases: Some(vec![worker.id.to_string()]),
        ..EndpointSettings::default()
    };
    ContainerCreateBody {
        hostname: Some(worker.id.to_string()),
        image: Some(terms.image(worker.role).to_owned()),
        entrypoint: Some(vec![BINARY.to_owned()]),
        cmd: Some(arguments),
        user: Some(format!("{user}:{group}")),
        working_dir: Some(SANDBOX.to_owned()),
        env: Some(vec![format!("FLUGS_STATUS={STATUS}")]),
        labels: Some(labels(terms, worker)),
        exposed_ports: is_job_manager.then(|| vec![port.clone()]),
        host_config: Some(HostConfig {
            mounts: Some(vec![
                mount(&worker.sandbox, SANDBOX),
                mount(&worker.cache, CACHE),
            ]),
            network_mode: Some(terms.network()),
            port_bindings: is_job_manager.then(|| HashMap::from([(port, Some(vec![published]))])),
            memory,
            // No swap beside it: a JVM that swaps is as good as dead.
            memory_swap: memory,
            nano_cpus: worker.resources.cpus.map(nano_cpus),
            readonly_rootfs: Some(true),
            // Native libraries are unpacked there and mapped, which engines forbid by default.
            tmpfs: Some(HashMap::from([("/tmp".to_owned(), "exec".to_owned())])),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            ..HostConfig::default()
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(terms.network(), endpoint)])),
        }),
        ..ContainerCreateBody::default()
    }
}

/// A directory of this machine in the container. Unlike with `-v`, one that the engine does not find
/// is an error, and not a new, empty directory of root's.
fn mount(directory: &Path, place: &str) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(directory.display().to_string()),
        target: Some(place.to_owned()),
        ..Mount::default()
    }
}

fn labels(terms: &DockerTerms, worker: &WorkerSpec) -> HashMap<String, String> {
    let pair = |label: Label, value: &str| (label.key().to_owned(), value.to_owned());
    HashMap::from([
        pair(Label::Cluster, &terms.cluster),
        pair(Label::Worker, worker.id.as_str()),
        pair(Label::Directory, &terms.directory.display().to_string()),
    ])
}

/// Cores in the engine's unit.
fn nano_cpus(cpus: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a number of cores is far below 2^63 billionths"
    )]
    let nano = (cpus * 1e9).round() as i64;
    nano
}

impl DockerTerms {
    /// The image of a role.
    fn image(&self, role: Role) -> &str {
        if role.is_job_manager() {
            &self.appmaster_image
        } else {
            &self.worker_image
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{terms, worker};
    use super::*;

    #[test]
    fn a_workers_container_snapshot() {
        let mut worker = worker(Path::new("/cluster"));
        worker.resources.memory_bytes = Some(1_811_939_328);
        worker.resources.cpus = Some(1.5);
        let body = body(&terms(), &worker, vec!["launch".into()]);
        // The engine's maps have no order; JSON objects of `serde_json` are sorted.
        let sorted = serde_json::to_value(&body).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&sorted).unwrap());
    }

    #[test]
    fn only_a_jobmanager_is_published_and_only_on_the_loopback_address() {
        let mut worker = worker(Path::new("/cluster"));
        worker.role = Role::JobManager;
        let host = body(&terms(), &worker, Vec::new()).host_config.unwrap();
        let bindings = host.port_bindings.unwrap();
        let binding = bindings["40002/tcp"].as_ref().unwrap()[0].clone();
        assert_eq!(binding.host_ip.as_deref(), Some("127.0.0.1"));
        assert_eq!(binding.host_port.as_deref(), Some("40002"));
    }

    #[test]
    fn the_token_is_in_no_part_of_the_container() {
        let body = body(&terms(), &worker(Path::new("/cluster")), Vec::new());
        let json = serde_json::to_string(&body).unwrap();
        assert!(!json.contains("token"), "{json}");
    }
}
