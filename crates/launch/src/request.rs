//! What a launch is asked to do, and what is known of the machine it happens on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::ImageTerms;
use flugs_flink_conf::ConsoleLayout;
use flugs_model::{LaunchManifest, Property, Role, WorkerId};

/// A launch whose files are in place.
#[derive(Debug, Clone)]
pub struct LaunchRequest {
    /// What to launch.
    pub role: Role,
    /// Its name in its cluster.
    pub worker_id: WorkerId,
    /// The Flink home to run.
    pub flink_home: PathBuf,
    /// The one directory that the launch writes to.
    pub sandbox: PathBuf,
    /// The manifest, if the launch came with one.
    pub manifest: Option<LaunchManifest>,
    /// `-D` settings of the command line, in order.
    pub properties: Vec<Property>,
    /// Further arguments for Flink's entry point.
    pub arguments: Vec<String>,
    /// How the JVM's console log looks.
    pub log_layout: ConsoleLayout,
    /// The environment of the launcher.
    pub environment: BTreeMap<String, String>,
    /// The machine.
    pub host: HostFacts,
    /// What is different in an image, if the launch is an image's main process.
    pub image: Option<ImageTerms>,
}

/// What a launch needs to know of its machine, gathered once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostFacts {
    /// The host's name, for log file names.
    pub host_name: String,
    /// The memory limit of the container, in bytes.
    pub memory_limit: Option<u64>,
    /// The CPU limit of the container, in cores.
    pub cpu_limit: Option<f64>,
}

impl LaunchRequest {
    /// The memory limit of the launch in bytes: the manifest's, else the container's.
    pub fn memory_limit(&self) -> Option<u64> {
        let of_manifest = self
            .manifest
            .as_ref()
            .and_then(|one| one.resources.memory_bytes);
        of_manifest.or(self.host.memory_limit)
    }

    /// A variable of the launcher's environment; an empty one counts as unset, as in Flink's own
    /// scripts.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

impl HostFacts {
    /// Asks the kernel.
    pub fn gather() -> Self {
        let limits = flugs_supervise::container_limits();
        let host_name = nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok())
            .unwrap_or_else(|| "localhost".to_owned());
        Self {
            host_name,
            memory_limit: limits.memory_bytes,
            cpu_limit: limits.cpus,
        }
    }
}
