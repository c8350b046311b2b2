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
use super::layer::Compression;
use flugs_base::Sha256Digest;

/// The media type of an image manifest.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an image index.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of an image configuration.
pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media types that Docker gave the same documents before.
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The media type of Docker's configuration.
pub(super) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// What begins the media types of layers that must not be passed on.
const OCI_FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
const DOCKER_FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";

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
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Fields that mean nothing here, and must not get lost where a descriptor is passed on.
    #[serde(flatten)]
    pub(super) others: Others,
}

/// Fields of a document that are passed on as they are.
pub(super) type Others = BTreeMap<String, serde_json::Value>;

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
            others: Others::new(),
        }
    }

    /// Whether it names an index of several images.
    pub(super) fn is_index(&self) -> bool {
        self.media_type == INDEX || self.media_type == DOCKER_INDEX
    }

    /// Whether it names a manifest: an image's, or one of something else.
    pub(super) fn is_manifest(&self) -> bool {
        self.media_type == MANIFEST || self.media_type == DOCKER_MANIFEST
    }

    /// Where the bytes of a layer are that images may not carry.
    pub(super) fn urls(&self) -> Vec<&str> {
        let urls = self.others.get("urls").and_then(|urls| urls.as_array());
        urls.into_iter()
            .flatten()
            .filter_map(|url| url.as_str())
            .collect()
    }

    /// How a layer is compressed, by its media type (opencontainers/image-spec, "Media Types",
    /// and Docker's names of the same); `None` if it is no layer of files.
    pub(super) fn layer_compression(&self) -> Option<Compression> {
        let kind = self
            .media_type
            .strip_prefix("application/vnd.oci.image.layer.v1.tar")
            .or_else(|| self.media_type.strip_prefix(OCI_FOREIGN))
            .or_else(|| {
                self.media_type
                    .strip_prefix("application/vnd.docker.image.rootfs.diff.tar")
            })
            .or_else(|| self.media_type.strip_prefix(DOCKER_FOREIGN))?;
        match kind {
            "" => Some(Compression::None),
            "+gzip" | ".gzip" => Some(Compression::Gzip),
            "+zstd" | ".zstd" => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// A base's layer under the media type of the OCI; Docker's names say the same.
    pub(super) fn in_oci_terms(self) -> Self {
        let Some(compression) = self.layer_compression() else {
            return self;
        };
        let is_foreign = [OCI_FOREIGN, DOCKER_FOREIGN]
            .iter()
            .any(|prefix| self.media_type.starts_with(prefix));
        let media_type = compression.media_type();
        let mut layer = Self::new(media_type, self.digest.0, self.size);
        if is_foreign {
            layer.media_type = media_type.replace(".layer.v1", ".layer.nondistributable.v1");
            layer.others = self.others;
        }
        layer
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
    /// Fields that mean nothing here.
    #[serde(flatten)]
    pub(super) others: Others,
}

impl From<Architecture> for Platform {
    fn from(architecture: Architecture) -> Self {
        Self {
            architecture: architecture.name().to_owned(),
            os: "linux".to_owned(),
            variant: None,
            others: Others::new(),
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
    #[serde(default)]
    pub media_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub layers: Vec<Descriptor>,
}

/// Several images, one for each platform or name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    /// 2.
    pub schema_version: u32,
    /// [`INDEX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The images, or further indexes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub manifests: Vec<Descriptor>,
    /// Fields that mean nothing here.
    #[serde(flatten)]
    pub(super) others: Others,
}

impl Index {
    /// An index of these.
    pub(super) fn of(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(INDEX.to_owned()),
            manifests,
            others: Others::new(),
        }
    }
}

/// What an image says about itself and how it is run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ImageConfig {
    /// When it was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The processor; some tools leave it out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub architecture: String,
    /// The operating system; some tools leave it out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub os: String,
    /// How it is run.
    #[serde(default, deserialize_with = "null_as_default")]
    pub config: RunConfig,
    /// Its layers.
    #[serde(default, deserialize_with = "null_as_default")]
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
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "words")]
    pub entrypoint: Vec<String>,
    /// Its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "words")]
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
    #[serde(rename = "type", default, deserialize_with = "null_as_default")]
    pub kind: String,
    /// The digests of the layers' tars, the lowest first.
    #[serde(default, deserialize_with = "null_as_default")]
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
    #[serde(
        default,
        skip_serializing_if = "std::ops::Not::not",
        deserialize_with = "null_as_default"
    )]
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

/// A list of words, which Docker once wrote as one text if it was one.
fn words<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        One(String),
        All(Vec<String>),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => Vec::new(),
        Some(Words::One(word)) => vec![word],
        Some(Words::All(words)) => words,
    })
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
               "Cmd":"sh","Volumes":null,"ExposedPorts":null,"User":null,"WorkingDir":null,
               "Healthcheck":{"Test":["NONE"],"Interval":null},"Hostname":"x"},
               "rootfs":{"type":"layers","diff_ids":null},"history":null}"#,
        )
        .unwrap();
        assert_eq!(config.config.healthcheck.unwrap().test, ["NONE"]);
        assert_eq!(config.config.cmd, ["sh"]);
        assert!(config.history.is_empty());
        let config: ImageConfig = serde_json::from_str(
            r#"{"config":null,"rootfs":null,"history":[{"empty_layer":null}]}"#,
        )
        .unwrap();
        assert_eq!(config.config, RunConfig::default());
        assert!(!config.history[0].empty_layer);
        let manifest: Manifest = serde_json::from_str(&format!(
            r#"{{"schemaVersion":2,"mediaType":null,"layers":null,"config":{{"mediaType":"{CONFIG}",
                "digest":"sha256:{}","size":2,"annotations":null}}}}"#,
            Sha256Digest::of(b"{}")
        ))
        .unwrap();
        assert!(manifest.layers.is_empty());
    }

    #[test]
    fn layers_have_many_names_and_those_that_must_not_travel_keep_their_place() {
        let layer = |media_type: &str| Descriptor::new(media_type, Sha256Digest::of(b""), 0);
        for (docker, oci) in [
            (
                "application/vnd.docker.image.rootfs.diff.tar",
                "application/vnd.oci.image.layer.v1.tar",
            ),
            (
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "application/vnd.oci.image.layer.v1.tar+gzip",
            ),
            (
                "application/vnd.docker.image.rootfs.diff.tar.zstd",
                "application/vnd.oci.image.layer.v1.tar+zstd",
            ),
            (
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            ),
            (
                "application/vnd.in-toto+json",
                "application/vnd.in-toto+json",
            ),
        ] {
            assert_eq!(layer(docker).in_oci_terms().media_type, oci);
        }
        let encrypted = layer("application/vnd.oci.image.layer.v1.tar+gzip+encrypted");
        assert_eq!(encrypted.layer_compression(), None);
    }

    #[test]
    fn fields_that_mean_nothing_here_are_passed_on() {
        let text = format!(
            r#"{{"mediaType":"{MANIFEST}","digest":"sha256:{}","size":1,"platform":{{"architecture":"amd64","os":"windows","os.version":"10"}},"artifactType":"x","urls":["http://a"]}}"#,
            Sha256Digest::of(b"")
        );
        let read: Descriptor = serde_json::from_str(&text).unwrap();
        assert_eq!(read.urls(), ["http://a"]);
        assert_eq!(String::from_utf8(to_json(&read)).unwrap(), text);
    }
}
