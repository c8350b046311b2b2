//! What all tasks have in common: containerizer, image, files, names.

use std::path::PathBuf;

use flugs_mesos::wire::Visibility;

use super::MesosOptionReason;
use super::ports::{self, NetworkMode, NetworkOptions, PortOptions};
use super::reader::Reader;
use super::text::{self, VolumeOption};

/// Which containerizer runs the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerizerOption {
    /// The agent's own, with or without an image.
    Mesos,
    /// The Docker engine of the agent's host.
    Docker,
}

/// Whether Flink travels to the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShipFlink {
    /// It does.
    Always,
    /// The image, or the host, has it.
    Never,
}

/// The name of a secret that Mesos knows, and the key within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretName {
    /// Its name.
    pub name: String,
    /// The key.
    pub key: Option<String>,
}

/// Where the credentials for the image's registry are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullConfig {
    /// An archive with `.docker/config.json`, or that file, which the agent fetches (Docker).
    Uri(String),
    /// A secret that Mesos knows (Mesos containerizer).
    Secret(SecretName),
}

/// The container of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerOptions {
    /// Who makes it.
    pub containerizer: ContainerizerOption,
    /// The image; the Docker containerizer needs one.
    pub image: Option<String>,
    /// Directories of the host.
    pub volumes: Vec<VolumeOption>,
    /// Further options of `docker run`.
    pub parameters: Vec<(String, String)>,
    /// Pull the image even if it is there.
    pub force_pull: bool,
    /// Credentials for the image's registry.
    pub pull_config: Option<PullConfig>,
    /// The user that the launcher becomes in a container of Docker's.
    pub user: String,
}

/// What name services publish of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveryOptions {
    /// The service's name.
    pub name: String,
    /// Who may see it.
    pub visibility: Visibility,
}

/// What all tasks have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskOptions {
    /// The container.
    pub container: ContainerOptions,
    /// The network.
    pub network: NetworkOptions,
    /// The ports.
    pub ports: PortOptions,
    /// Further files that the agent fetches.
    pub uris: Vec<String>,
    /// The name under which a worker is reached; `_TASK_` stands for the task's id.
    pub hostname: Option<String>,
    /// A command of the shell that goes before the launcher.
    pub bootstrap: Option<String>,
    /// The user that tasks run as, on the agent's host.
    pub user: Option<String>,
    /// Labels.
    pub labels: Vec<(String, String)>,
    /// What name services publish.
    pub discovery: DiscoveryOptions,
    /// Whether Mesos asks the launcher for its health.
    pub health_check: bool,
    /// Whether a worker's JVM is started anew when its JobManager has died and no other one takes
    /// its jobs over.
    pub renewal: bool,
    /// Whether Flink travels.
    pub ship_flink: ShipFlink,
    /// Where Flink is if it does not travel.
    pub flink_home: PathBuf,
    /// Where flugs is if it does not travel.
    pub binary: Option<PathBuf>,
    /// The sandbox, as a container with an image sees it.
    pub sandbox: PathBuf,
    /// An archive with a Java runtime, which travels.
    pub java_archive: Option<PathBuf>,
    /// A directory of the agent's host in which artifacts are kept for the next task.
    pub cache: Option<PathBuf>,
    /// Variables whose values are secrets that Mesos knows (Mesos containerizer).
    pub secret_variables: Vec<(String, SecretName)>,
    /// Files that are secrets that Mesos knows (Mesos containerizer).
    pub secret_files: Vec<(String, SecretName)>,
}

pub(super) fn read(reader: &Reader<'_>) -> TaskOptions {
    let of_flink = |name: &str| format!("mesos.resourcemanager.tasks.{name}");
    let own = |name: &str| format!("flugs.mesos.tasks.{name}");
    let container = container(reader);
    let tasks = TaskOptions {
        network: ports::network(reader),
        ports: ports::ports(reader),
        uris: reader
            .parsed(&of_flink("uris"), text::uris)
            .unwrap_or_default(),
        hostname: hostname(reader, &of_flink("hostname")),
        bootstrap: reader.text(&of_flink("bootstrap-cmd")),
        user: reader.text(&of_flink("user")),
        labels: reader.map(&of_flink("labels")),
        discovery: DiscoveryOptions {
            name: reader.text(&own("discovery.name")).unwrap_or_default(),
            visibility: visibility(reader, &own("discovery.visibility")),
        },
        health_check: reader.flag(&own("health-check")),
        renewal: reader.flag(&own("renewal")),
        ship_flink: ship_flink(reader, &own("ship-flink"), container.image.is_some()),
        flink_home: absolute(reader, &own("flink-home")).unwrap_or_default(),
        binary: absolute(reader, &own("binary")),
        sandbox: absolute(reader, &own("sandbox")).unwrap_or_default(),
        java_archive: reader.path(&own("java-archive")),
        cache: absolute(reader, &own("cache-directory")),
        secret_variables: secrets(reader, &own("secrets.environment")),
        secret_files: secrets(reader, &own("secrets.files")),
        container,
    };
    check_containerizer(reader, &tasks);
    tasks
}

fn container(reader: &Reader<'_>) -> ContainerOptions {
    let key = |name: &str| format!("mesos.resourcemanager.tasks.container.{name}");
    let kind = reader.text(&key("type")).unwrap_or_default();
    let containerizer = if kind.eq_ignore_ascii_case("docker") {
        ContainerizerOption::Docker
    } else {
        ContainerizerOption::Mesos
    };
    let pull = "flugs.mesos.tasks.container.pull-config";
    ContainerOptions {
        containerizer,
        image: reader.text(&key("image.name")),
        volumes: reader
            .parsed(&key("volumes"), text::volumes)
            .unwrap_or_default(),
        parameters: reader
            .parsed(&key("docker.parameters"), text::parameters)
            .unwrap_or_default(),
        force_pull: reader.flag(&key("docker.force-pull-image")),
        pull_config: reader.text(pull).map(|text| pull_config(&text)),
        user: reader
            .text("flugs.mesos.tasks.container.user")
            .unwrap_or_default(),
    }
}

fn pull_config(text: &str) -> PullConfig {
    match text.strip_prefix("secret:") {
        Some(name) => PullConfig::Secret(secret_name(name)),
        None => PullConfig::Uri(text.to_owned()),
    }
}

fn secret_name(text: &str) -> SecretName {
    let (name, key) = match text.split_once('#') {
        Some((name, key)) => (name, Some(key.to_owned())),
        None => (text, None),
    };
    let name = name.to_owned();
    SecretName { name, key }
}

fn secrets(reader: &Reader<'_>, key: &str) -> Vec<(String, SecretName)> {
    let pairs = reader.parsed(key, |text| {
        text::pairs(text, "NAME=secret or NAME=secret#key")
    });
    let pairs = pairs.unwrap_or_default().into_iter();
    pairs
        .map(|(name, secret)| (name, secret_name(&secret)))
        .collect()
}

/// The name becomes part of addresses, so it has to be one once the task's id is in it.
fn hostname(reader: &Reader<'_>, key: &str) -> Option<String> {
    let pattern = reader.text(key)?;
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if !pattern.chars().all(is_letter) {
        let found = pattern.clone();
        let expected = "a host name, in which _TASK_ stands for the task's id";
        reader.refuse(key, MesosOptionReason::Range { found, expected });
    }
    Some(pattern)
}

fn visibility(reader: &Reader<'_>, key: &str) -> Visibility {
    match reader.text(key).unwrap_or_default().to_uppercase().as_str() {
        "CLUSTER" => Visibility::Cluster,
        "EXTERNAL" => Visibility::External,
        _ => Visibility::Framework,
    }
}

fn ship_flink(reader: &Reader<'_>, key: &str, has_image: bool) -> ShipFlink {
    match reader.text(key).unwrap_or_default().to_lowercase().as_str() {
        "always" => ShipFlink::Always,
        "never" => ShipFlink::Never,
        _ if has_image => ShipFlink::Never,
        _ => ShipFlink::Always,
    }
}

fn absolute(reader: &Reader<'_>, key: &str) -> Option<PathBuf> {
    let path = reader.path(key)?;
    // These end in the health check's command, which some agents hand to a shell.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    let text = path.display().to_string();
    if !path.is_absolute() || !text.chars().all(is_plain) {
        let expected = "an absolute path of letters, digits and / . _ - + @";
        reader.refuse(
            key,
            MesosOptionReason::Range {
                found: text,
                expected,
            },
        );
    }
    Some(path)
}

/// What one of the containerizers cannot do. It would be ignored in silence, or be empty.
fn check_containerizer(reader: &Reader<'_>, tasks: &TaskOptions) {
    let kind = "mesos.resourcemanager.tasks.container.type";
    let image = "mesos.resourcemanager.tasks.container.image.name";
    let pull = "flugs.mesos.tasks.container.pull-config";
    let container = &tasks.container;
    match container.containerizer {
        ContainerizerOption::Docker => {
            if container.image.is_none() {
                reader.contradict(kind, format!("docker needs an image; set {image}"));
            }
            for (key, is_set) in [
                (
                    "flugs.mesos.tasks.secrets.environment",
                    !tasks.secret_variables.is_empty(),
                ),
                (
                    "flugs.mesos.tasks.secrets.files",
                    !tasks.secret_files.is_empty(),
                ),
            ] {
                if is_set {
                    let problem = "the Docker containerizer ignores secrets of Mesos; use the Mesos containerizer";
                    reader.contradict(key, problem);
                }
            }
            if matches!(container.pull_config, Some(PullConfig::Secret(_))) {
                reader.contradict(
                    pull,
                    "the Docker containerizer knows no secret; name a URI that agents can fetch",
                );
            }
            if container
                .parameters
                .iter()
                .any(|(key, _)| matches!(key.as_str(), "name" | "entrypoint"))
            {
                let key = "mesos.resourcemanager.tasks.container.docker.parameters";
                reader.contradict(
                    key,
                    "name is Mesos' and entrypoint is flugs'; neither may be set",
                );
            }
        }
        ContainerizerOption::Mesos => {
            if tasks.network.mode == NetworkMode::Bridge {
                let key = "flugs.mesos.tasks.network.mode";
                reader.contradict(
                    key,
                    "the Mesos containerizer has no bridge; name a CNI network with mode user",
                );
            }
            if matches!(container.pull_config, Some(PullConfig::Uri(_))) {
                reader.contradict(
                    pull,
                    "the Mesos containerizer takes a secret; write secret:NAME or secret:NAME#KEY",
                );
            }
        }
    }
    if container.pull_config.is_some() && container.image.is_none() {
        reader.contradict(pull, format!("there is no image to pull; set {image}"));
    }
}
