//! The documents of an image: opencontainers/image-spec 1.1, and the fields that Docker adds to
//! the configuration (moby/docker-image-spec).
//!
//! Own types and not the `oci-spec` crate's: its configuration has no `Healthcheck`, and what a
//! base says that we do not know has to survive. Fields are written in one order, maps sorted,
//! so that the same image is the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Architecture;
use crate::spec::Sha256Digest;

/// The media type of an image manifest.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an image index.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of an image configuration.
pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media types that Docker gave the same documents before.
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The annotation of an index entry that holds its tag.
pub(super) const REFERENCE_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation of an index entry that holds its full name, which containerd reads.
pub(super) const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// A digest as documents of images write it: `sha256:` and 64 digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlobDigest(pub Sha256Digest);

impl fmt::Display for BlobDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.0)
    }
}

impl fmt::Debug for BlobDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl From<BlobDigest> for String {
    fn from(digest: BlobDigest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for BlobDigest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.strip_prefix("sha256:")
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| format!("\"{text}\" is not a digest of the form sha256:HEX"))
    }
}

/// What names a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: String,
    /// Its digest.
    pub digest: BlobDigest,
    /// Its length.
    pub size: u64,
    /// What machine an image is for, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What else is said about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// The descriptor of bytes in memory.
    pub(super) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Sha256Digest::of(bytes), bytes.len() as u64)
    }

    /// The descriptor of a blob.
    pub(super) fn new(media_type: &str, digest: Sha256Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: BlobDigest(digest),
            size,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Whether it names an index of several images.
    pub(super) fn is_index(&self) -> bool {
        self.media_type == INDEX || self.media_type == DOCKER_INDEX
    }

    /// Whether it names an image.
    pub(super) fn is_manifest(&self) -> bool {
        self.media_type == MANIFEST || self.media_type == DOCKER_MANIFEST
    }
}

/// What machine an image is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// The processor, in the names of GOARCH.
    pub architecture: String,
    /// The operating system: `linux`.
    pub os: String,
    /// The processor's variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl From<Architecture> for Platform {
    fn from(architecture: Architecture) -> Self {
        Self {
            architecture: architecture.name().to_owned(),
            os: "linux".to_owned(),
            variant: None,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)
    }
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// [`MANIFEST`].
    #[serde(default = "manifest_type")]
    pub media_type: String,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

fn manifest_type() -> String {
    MANIFEST.to_owned()
}

/// Several images, one for each platform or name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    /// 2.
    pub schema_version: u32,
    /// [`INDEX`].
    #[serde(default = "index_type")]
    pub media_type: String,
    /// The images, or further indexes.
    pub manifests: Vec<Descriptor>,
}

fn index_type() -> String {
    INDEX.to_owned()
}

impl Index {
    /// An index of these.
    pub(super) fn of(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: index_type(),
            manifests,
        }
    }
}

/// What an image says about itself and how it is run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ImageConfig {
    /// When it was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The processor.
    pub architecture: String,
    /// The operating system.
    pub os: String,
    /// How it is run.
    #[serde(default)]
    pub config: RunConfig,
    /// Its layers.
    pub rootfs: Rootfs,
    /// How each layer came to be.
    #[serde(default, deserialize_with = "null_as_default")]
    pub history: Vec<History>,
}

/// How an image is run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    /// User, or user and group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Ports that are listened on.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", with = "names")]
    pub exposed_ports: BTreeSet<String>,
    /// Environment, `NAME=value`.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub env: Vec<String>,
    /// The program.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub entrypoint: Vec<String>,
    /// Its arguments.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub cmd: Vec<String>,
    /// Docker's question whether a container is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    /// Directories with data of a container's own.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", with = "names")]
    pub volumes: BTreeSet<String>,
    /// Where a container starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Labels.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub labels: BTreeMap<String, String>,
    /// The signal that asks a container to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
}

/// Docker's question whether a container is well; times in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthConfig {
    /// `CMD` and a program with its arguments.
    #[serde(deserialize_with = "null_as_default")]
    pub test: Vec<String>,
    /// Between two questions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    /// How long an answer may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// How long a start may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<u64>,
    /// So many bad answers in a row count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// The layers of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rootfs {
    /// `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The digests of the layers' tars, the lowest first.
    pub diff_ids: Vec<BlobDigest>,
}

/// How a layer came to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct History {
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Whether there is no layer for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// Sets of names, which these documents write as maps to `{}`.
mod names {
    use std::collections::{BTreeMap, BTreeSet};

    use serde::{Deserialize as _, Deserializer, Serializer};
    use serde_json::{Map, Value};

    pub(super) fn serialize<S: Serializer>(
        names: &BTreeSet<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(names.iter().map(|name| (name, Map::new())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeSet<String>, D::Error> {
        let map = Option::<BTreeMap<String, Value>>::deserialize(deserializer)?;
        Ok(map.unwrap_or_default().into_keys().collect())
    }
}

/// Docker writes `null` for what is empty.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A document's bytes. Structs of strings, numbers and maps have no way to fail to be written.
pub(super) fn to_json(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_writes_with_nulls_is_read() {
        let config: ImageConfig = serde_json::from_str(
            r#"{"architecture":"amd64","os":"linux","config":{"Env":null,"Entrypoint":null,"Labels":null,
               "Healthcheck":{"Test":["NONE"]},"Hostname":"x"},"rootfs":{"type":"layers","diff_ids":[]},"history":null}"#,
        )
        .unwrap();
        assert_eq!(config.config.healthcheck.unwrap().test, ["NONE"]);
        assert!(config.history.is_empty());
    }
}
