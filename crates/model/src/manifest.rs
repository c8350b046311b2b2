//! The launch manifest: one JSON document that says everything a launch needs.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use flugs_base::{ExitCode, Failure};

use super::{Artifact, ArtifactError, Resources, Role, WorkerId};

/// Everything one launch needs. Served by the artifact server, named to the launcher by its URL,
/// its SHA-256 and the place of the token; holds no secret itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LaunchManifest {
    /// The manifest format's version.
    pub version: ManifestVersion,
    /// What to launch.
    pub role: Role,
    /// The launched process's name in its cluster.
    pub worker_id: WorkerId,
    /// The files to fetch, verify and place below the sandbox.
    #[serde(default)]
    pub artifacts: Vec<Artifact>,
    /// Flink options that hold where nothing else is set (the lowest configuration layer).
    #[serde(default)]
    pub default_properties: BTreeMap<String, String>,
    /// Flink options of this launch (the "manifest" configuration layer).
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// Flink options that the cluster decides and a user must not (the "forced" layer): ports,
    /// addresses, the resource id. One that is empty is taken out of every layer.
    #[serde(default)]
    pub forced_properties: BTreeMap<String, String>,
    /// Environment variables of the JVM.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Arguments for Flink's entry point, after those that flugs adds.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// What the launch may use.
    #[serde(default)]
    pub resources: Resources,
    /// Seconds between the request to stop and SIGKILL, if the cluster has an opinion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_grace_seconds: Option<f64>,
    /// Where the exit report is handed in before the process ends (PUT); the URL is the permission
    /// to do so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_report_url: Option<String>,
}

/// `MAJOR.MINOR`. A launcher reads any manifest of its own major version or an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManifestVersion {
    /// Changes when an older launcher would misread the document.
    pub major: u32,
    /// Changes when something was added that an older launcher refuses as unknown.
    pub minor: u32,
}

impl ManifestVersion {
    /// The version this program writes.
    pub const CURRENT: Self = Self { major: 1, minor: 1 };
}

/// Why a document is not a usable manifest. Each is a different thing to mend.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not JSON, or a value has the wrong type.
    #[error("the launch manifest {source_name} is not readable: {reason}")]
    Malformed {
        /// The URL or file it came from.
        source_name: String,
        /// What the parser says, with line and column.
        reason: String,
    },
    /// A field is not known.
    #[error(
        "the launch manifest {source_name} has an unknown field: {reason}; it may be from a newer flugs, or misspelt"
    )]
    UnknownField {
        /// The URL or file it came from.
        source_name: String,
        /// Which field, and which are known.
        reason: String,
    },
    /// It is from a newer major version.
    #[error("the launch manifest {source_name} has version {found}, this flugs reads {}.x and older: use the flugs that wrote it, or a newer one", ManifestVersion::CURRENT.major)]
    TooNew {
        /// The URL or file it came from.
        source_name: String,
        /// Its version.
        found: ManifestVersion,
    },
    /// An artifact in it is impossible.
    #[error("the launch manifest {source_name} cannot be followed: {reason}")]
    Artifact {
        /// The URL or file it came from.
        source_name: String,
        /// What is wrong.
        reason: ArtifactError,
    },
}

impl LaunchManifest {
    /// Reads a manifest. `source_name` (URL or path) is for messages.
    ///
    /// The version is looked at first, so that a document from a newer major version is refused
    /// as such and not for the fields that it added.
    pub fn parse(json: &[u8], source_name: &str) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: ManifestVersion,
        }
        let malformed = |error: &serde_json::Error| ManifestError::Malformed {
            source_name: source_name.to_owned(),
            reason: error.to_string(),
        };
        let found = serde_json::from_slice::<Versioned>(json)
            .map_err(|e| malformed(&e))?
            .version;
        if found.major > ManifestVersion::CURRENT.major {
            return Err(ManifestError::TooNew {
                source_name: source_name.to_owned(),
                found,
            });
        }
        let manifest: Self = serde_json::from_slice(json).map_err(|error| {
            let reason = error.to_string();
            if reason.starts_with("unknown field") {
                ManifestError::UnknownField {
                    source_name: source_name.to_owned(),
                    reason,
                }
            } else {
                malformed(&error)
            }
        })?;
        manifest
            .validate()
            .map_err(|reason| ManifestError::Artifact {
                source_name: source_name.to_owned(),
                reason,
            })?;
        Ok(manifest)
    }

    /// The document's bytes: the same for equal manifests, so that equal launches share one
    /// digest.
    pub fn to_json(&self) -> Vec<u8> {
        // Serialising to memory a tree of strings and numbers has no way to fail; an empty
        // document would be refused by every reader.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    fn validate(&self) -> Result<(), ArtifactError> {
        let mut claimed: BTreeMap<&str, &Artifact> = BTreeMap::new();
        for artifact in &self.artifacts {
            artifact.validate()?;
            if let Some(first) = claimed.insert(artifact.dest.as_str(), artifact) {
                return Err(ArtifactError::Collision {
                    first: first.name.clone(),
                    second: artifact.name.clone(),
                    dest: artifact.dest.clone(),
                });
            }
        }
        Ok(())
    }
}

impl fmt::Display for ManifestVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl Serialize for ManifestVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ManifestVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let refuse = || serde::de::Error::custom(format!("\"{text}\" is not MAJOR.MINOR"));
        let (major, minor) = text.split_once('.').ok_or_else(refuse)?;
        Ok(Self {
            major: major.parse().map_err(|_| refuse())?,
            minor: minor.parse().map_err(|_| refuse())?,
        })
    }
}

impl Failure for ManifestError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Malformed { .. } | Self::Artifact { .. } => ExitCode::ManifestMalformed,
            Self::UnknownField { .. } => ExitCode::ManifestUnknownField,
            Self::TooNew { .. } => ExitCode::ManifestTooNew,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"{"version":"1.0","role":"taskmanager","workerId":"taskmanager-1"}"#;

    fn parse(json: &str) -> Result<LaunchManifest, ManifestError> {
        LaunchManifest::parse(json.as_bytes(), "manifest.json")
    }

    #[test]
    fn a_minimal_manifest_reads_back_from_what_it_writes() {
        let manifest = parse(MINIMAL).unwrap();
        let again = LaunchManifest::parse(&manifest.to_json(), "again").unwrap();
        assert_eq!(again, manifest);
    }

    #[test]
    fn unknown_field_is_refused_by_name() {
        let json = MINIMAL.replace("\"role\"", "\"rolle\":1,\"role\"");
        let error = parse(&json).unwrap_err();
        assert!(
            matches!(&error, ManifestError::UnknownField { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("rolle"), "{error}");
    }

    #[test]
    fn newer_major_version_is_refused_before_its_new_fields_are() {
        let json = MINIMAL
            .replace("1.0", "2.0")
            .replace("\"role\"", "\"new\":1,\"role\"");
        let error = parse(&json).unwrap_err();
        assert!(matches!(error, ManifestError::TooNew { found, .. } if found.major == 2));
    }

    #[test]
    fn wrong_type_and_bad_json_are_malformed() {
        for json in [
            "",
            "[]",
            "{\"version\":1}",
            &MINIMAL.replace("\"taskmanager\"", "7"),
        ] {
            assert!(
                matches!(parse(json), Err(ManifestError::Malformed { .. })),
                "{json}"
            );
        }
    }

    #[test]
    fn two_artifacts_for_one_place_are_refused() {
        let digest = "0".repeat(64);
        let artifact = |name: &str| {
            format!(r#"{{"name":"{name}","urls":["x"],"sha256":"{digest}","size":1,"dest":"a/b"}}"#)
        };
        let json = MINIMAL.replace(
            "\"role\"",
            &format!(
                "\"artifacts\":[{},{}],\"role\"",
                artifact("one"),
                artifact("two")
            ),
        );
        let error = parse(&json).unwrap_err();
        let ManifestError::Artifact {
            reason: ArtifactError::Collision { first, second, .. },
            ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((first.as_str(), second.as_str()), ("one", "two"));
    }
}
