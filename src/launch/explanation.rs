//! The resolved launch as `--check` shows it: everything that was decided, secrets redacted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::conf::{is_sensitive, redacted};
use crate::spec::{Artifact, Role, WorkerId};

use super::{HostFacts, LaunchRequest, ResolvedLaunch};

/// One document that says what a launch would do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What would be launched.
    pub role: Role,
    /// Its name in its cluster.
    pub worker_id: WorkerId,
    /// The Flink version and where it is.
    pub flink: Located,
    /// The Java version and where it is.
    pub java: Located,
    /// The launch's directory.
    pub sandbox: PathBuf,
    /// The container's limits, as far as they are known.
    pub limits: Limits,
    /// The artifacts of the manifest.
    pub artifacts: Vec<ArtifactLine>,
    /// Every configuration value that would be rendered.
    pub configuration: Vec<ConfigurationLine>,
    /// Variables that would be set for the JVM.
    pub environment: BTreeMap<String, String>,
    /// The command: program, then arguments.
    pub command: Vec<String>,
    /// What was noticed.
    pub warnings: Vec<String>,
}

/// Something with a version and a place.
#[derive(Debug, Clone, Serialize)]
pub struct Located {
    /// The version.
    pub version: String,
    /// The place.
    pub home: PathBuf,
}

/// Limits of the container.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// CPU cores.
    pub cpus: Option<f64>,
}

/// One artifact.
#[derive(Debug, Clone, Serialize)]
pub struct ArtifactLine {
    /// Where it goes.
    pub dest: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: String,
}

/// One configuration value.
#[derive(Debug, Clone, Serialize)]
pub struct ConfigurationLine {
    /// The option's key.
    pub key: String,
    /// Its value, redacted if the key names a secret.
    pub value: String,
    /// The layer it comes from, with file and line where there are some.
    pub origin: String,
}

impl Explanation {
    /// Explains a resolved launch.
    pub fn of(launch: &ResolvedLaunch, request: &LaunchRequest) -> Self {
        let secrets = secret_values(launch);
        let artifacts = request
            .manifest
            .iter()
            .flat_map(|manifest| &manifest.artifacts);
        Self {
            role: launch.role,
            worker_id: launch.worker_id.clone(),
            flink: Located {
                version: launch.home.version().to_string(),
                home: launch.home.root().to_owned(),
            },
            java: Located {
                version: launch.java.feature_version.to_string(),
                home: launch.java.home.clone(),
            },
            sandbox: launch.layout.root.clone(),
            limits: limits(&request.host),
            artifacts: artifacts.map(artifact_line).collect(),
            configuration: launch
                .configuration
                .iter()
                .map(|(key, setting)| ConfigurationLine {
                    key: key.to_owned(),
                    value: redacted(key, &setting.value).to_owned(),
                    origin: setting.origin.to_string(),
                })
                .collect(),
            environment: launch
                .command
                .environment
                .iter()
                .map(|(name, value)| (name.clone(), hide(redacted(name, value), &secrets)))
                .collect(),
            command: std::iter::once(launch.command.program.display().to_string())
                .chain(
                    launch
                        .command
                        .arguments
                        .iter()
                        .map(|word| hide(word, &secrets)),
                )
                .collect(),
            warnings: launch.warnings.iter().map(ToString::to_string).collect(),
        }
    }
}

fn limits(host: &HostFacts) -> Limits {
    Limits {
        memory_bytes: host.memory_limit,
        cpus: host.cpu_limit,
    }
}

fn artifact_line(artifact: &Artifact) -> ArtifactLine {
    ArtifactLine {
        dest: artifact.dest.to_string(),
        size: artifact.size,
        sha256: artifact.sha256.to_string(),
    }
}

/// The secrets of the configuration, longest first. Short ones are left out: replacing every
/// `a` of a command line would hide the command and give the secret away.
fn secret_values(launch: &ResolvedLaunch) -> Vec<String> {
    let secret = |(key, setting): (&str, &crate::conf::Setting)| {
        (is_sensitive(key) && setting.value.len() >= 4).then(|| setting.value.clone())
    };
    let mut values: Vec<String> = launch.configuration.iter().filter_map(secret).collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values
}

/// A word of the command or environment with every known secret in it redacted.
fn hide(word: &str, secrets: &[String]) -> String {
    secrets.iter().fold(word.to_owned(), |word, secret| {
        word.replace(secret.as_str(), crate::conf::REDACTED)
    })
}
