//! The resolved launch as `--check` shows it: everything that was decided, secrets redacted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use flugs_flink_conf::{REDACTED, Setting, is_sensitive, redacted};
use flugs_model::{Artifact, Role, WorkerId};

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
    /// The class-data archive that would be used, or why none.
    pub class_data: String,
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
            role: launch.settled.role,
            worker_id: launch.worker_id.clone(),
            flink: Located {
                version: launch.settled.home.version().to_string(),
                home: launch.settled.home.root().to_owned(),
            },
            java: Located {
                version: launch.java.feature_version.to_string(),
                home: launch.java.home.clone(),
            },
            sandbox: launch.settled.layout.root.clone(),
            class_data: launch.class_data.to_string(),
            limits: limits(&request.host),
            artifacts: artifacts.map(artifact_line).collect(),
            configuration: launch
                .settled
                .configuration
                .iter()
                .map(|(key, setting)| ConfigurationLine {
                    key: key.to_owned(),
                    value: hide(redacted(key, &setting.value), &secrets),
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
            warnings: launch
                .settled
                .warnings
                .iter()
                .map(ToString::to_string)
                .collect(),
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
    let secret = |(key, setting): (&str, &Setting)| {
        (is_sensitive(key) && setting.value.len() >= 4).then(|| setting.value.clone())
    };
    let mut values: Vec<String> = launch
        .settled
        .configuration
        .iter()
        .filter_map(secret)
        .collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values
}

/// A text with every known secret in it redacted, and what looks like one: the value of a system
/// property whose name is a sensitive one.
fn hide(text: &str, secrets: &[String]) -> String {
    let known = secrets.iter().fold(text.to_owned(), |text, secret| {
        text.replace(secret.as_str(), REDACTED)
    });
    let words = known
        .split_inclusive(' ')
        .map(|word| match word.split_once('=') {
            Some((name, value)) if name.starts_with("-D") && is_sensitive(name) => {
                let end = if value.ends_with(' ') { " " } else { "" };
                format!("{name}={REDACTED}{end}")
            }
            _ => word.to_owned(),
        });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_secrets_and_sensitive_system_properties_are_hidden_and_nothing_else() {
        let secrets = ["hunter22".to_owned()];
        for (text, shown) in [
            ("-Xmx1g", "-Xmx1g"),
            ("-Da=hunter22 -Db=c", "-Da=****** -Db=c"),
            (
                "-Dssl.password=x -Dlog.file=/y",
                "-Dssl.password=****** -Dlog.file=/y",
            ),
            ("password=x", "password=x"),
        ] {
            assert_eq!(hide(text, &secrets), shown);
        }
    }
}
