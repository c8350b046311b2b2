//! A definition as it is written: every field may be missing, unknown ones are errors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::text::{ImagePath, Mode, Owner, Port, Span, StopSignal, VariableName};
use crate::image::Reference;
use flugs_base::Sha256Digest;

/// One file of a definition.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawDefinition {
    /// The version of this format.
    pub(super) schema: Option<Schema>,
    /// Files whose content comes before this one's.
    pub(super) include: Vec<PathBuf>,
    pub(super) name: Option<Reference>,
    pub(super) base: Option<RawBase>,
    pub(super) java: Option<RawJava>,
    pub(super) flink: Option<RawFlink>,
    pub(super) flugs: Option<RawFlugs>,
    pub(super) files: Vec<RawFile>,
    pub(super) user: Option<RawUser>,
    pub(super) environment: BTreeMap<VariableName, String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) ports: Vec<Port>,
    pub(super) healthcheck: Option<RawHealthcheck>,
    pub(super) stop_signal: Option<StopSignal>,
    pub(super) volumes: Vec<ImagePath>,
    pub(super) workdir: Option<ImagePath>,
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) command: Option<Vec<String>>,
}

/// The version of the definition's format: 1 is the only one there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub(super) struct Schema;

impl TryFrom<u32> for Schema {
    type Error = String;

    fn try_from(version: u32) -> Result<Self, String> {
        if version == 1 {
            return Ok(Self);
        }
        Err(format!(
            "schema {version} is not known: this flugs reads schema 1"
        ))
    }
}

/// What the image stands on. Exactly one of the ways.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    try_from = "RawBaseFields"
)]
pub(super) struct RawBase {
    pub(super) way: RawWay,
    pub(super) digest: Option<Sha256Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RawWay {
    Rootfs(PathBuf),
    Oci(PathBuf),
    Archive(PathBuf),
    Engine(String),
    Packages {
        packages: Vec<String>,
        suite: String,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RawBaseFields {
    rootfs: Option<PathBuf>,
    oci: Option<PathBuf>,
    archive: Option<PathBuf>,
    engine: Option<String>,
    packages: Option<Vec<String>>,
    suite: Option<String>,
    digest: Option<Prefixed>,
}

/// A digest with `sha256:` before it, as image tools write them.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Prefixed(Sha256Digest);

impl TryFrom<String> for Prefixed {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.strip_prefix("sha256:")
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| {
                format!("\"{text}\" is not a digest: expected sha256: and 64 hexadecimal digits")
            })
    }
}

impl TryFrom<RawBaseFields> for RawBase {
    type Error = String;

    fn try_from(fields: RawBaseFields) -> Result<Self, String> {
        let suite = fields.suite;
        let packages = fields.packages.map(|packages| RawWay::Packages {
            packages,
            suite: suite.clone().unwrap_or_else(|| "bookworm".to_owned()),
        });
        if suite.is_some() && packages.is_none() {
            return Err("base: suite goes with packages".to_owned());
        }
        let mut ways = [
            fields.rootfs.map(RawWay::Rootfs),
            fields.oci.map(RawWay::Oci),
            fields.archive.map(RawWay::Archive),
            fields.engine.map(RawWay::Engine),
            packages,
        ]
        .into_iter()
        .flatten();
        match (ways.next(), ways.next()) {
            (Some(way), None) => Ok(Self {
                way,
                digest: fields.digest.map(|digest| digest.0),
            }),
            _ => Err("base: name exactly one of rootfs, oci, archive, engine, packages".to_owned()),
        }
    }
}

/// The Java runtime: the base's, or a directory to put into the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawJava {
    pub(super) home: Option<ImagePath>,
    pub(super) copy: Option<PathBuf>,
}

/// Flink: baked in, or fetched when a container starts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawFlink {
    pub(super) baked: Option<bool>,
    pub(super) trained: Option<bool>,
    pub(super) home: Option<ImagePath>,
    #[serde(default)]
    pub(super) writable: Option<Vec<String>>,
}

/// The flugs binary.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawFlugs {
    pub(super) path: ImagePath,
}

/// A file, link or directory that the definition adds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    try_from = "RawFileFields"
)]
pub(super) struct RawFile {
    pub(super) path: ImagePath,
    pub(super) what: RawWhat,
    pub(super) mode: Option<Mode>,
    pub(super) owner: Option<Owner>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RawWhat {
    Source(PathBuf),
    Content(String),
    Link(String),
    Directory,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawFileFields {
    path: ImagePath,
    source: Option<PathBuf>,
    content: Option<String>,
    link: Option<String>,
    directory: Option<bool>,
    mode: Option<Mode>,
    owner: Option<Owner>,
}

impl TryFrom<RawFileFields> for RawFile {
    type Error = String;

    fn try_from(fields: RawFileFields) -> Result<Self, String> {
        let directory = fields
            .directory
            .filter(|yes| *yes)
            .map(|_| RawWhat::Directory);
        let mut whats = [
            fields.source.map(RawWhat::Source),
            fields.content.map(RawWhat::Content),
            fields.link.map(RawWhat::Link),
            directory,
        ]
        .into_iter()
        .flatten();
        match (whats.next(), whats.next()) {
            (Some(RawWhat::Link(_)), None) if fields.mode.is_some() => {
                Err(format!("{}: a link has no mode", fields.path))
            }
            (Some(what), None) => Ok(Self {
                path: fields.path,
                what,
                mode: fields.mode,
                owner: fields.owner,
            }),
            _ => Err(format!(
                "{}: name exactly one of source, content, link, directory: true",
                fields.path
            )),
        }
    }
}

/// The user that a container runs as.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawUser {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: ImagePath,
}

/// How an engine asks whether a container is well.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawHealthcheck {
    pub(super) command: Vec<String>,
    pub(super) interval: Option<Span>,
    pub(super) timeout: Option<Span>,
    pub(super) start_period: Option<Span>,
    pub(super) retries: Option<u32>,
}

impl RawDefinition {
    /// Makes the paths of this machine relative to the definition's own directory.
    pub(super) fn below(mut self, directory: &Path) -> Self {
        let place = |path: &mut PathBuf| *path = directory.join(&*path);
        self.include.iter_mut().for_each(place);
        if let Some(base) = &mut self.base
            && let RawWay::Rootfs(path) | RawWay::Oci(path) | RawWay::Archive(path) = &mut base.way
        {
            place(path);
        }
        if let Some(copy) = self.java.as_mut().and_then(|java| java.copy.as_mut()) {
            place(copy);
        }
        for file in &mut self.files {
            if let RawWhat::Source(path) = &mut file.what {
                place(path);
            }
        }
        self
    }

    /// This definition over one that it includes: single values are replaced, maps are merged by
    /// key, and lists of ports, volumes and files are added to (a file at the same path replaces).
    pub(super) fn over(self, below: Self) -> Self {
        let mut files = below.files;
        files.retain(|file| self.files.iter().all(|own| own.path != file.path));
        files.extend(self.files);
        Self {
            schema: self.schema.or(below.schema),
            include: Vec::new(),
            name: self.name.or(below.name),
            base: self.base.or(below.base),
            java: self.java.or(below.java),
            flink: match (self.flink, below.flink) {
                (Some(own), Some(below)) => Some(RawFlink {
                    baked: own.baked.or(below.baked),
                    trained: own.trained.or(below.trained),
                    home: own.home.or(below.home),
                    writable: own.writable.or(below.writable),
                }),
                (own, below) => own.or(below),
            },
            flugs: self.flugs.or(below.flugs),
            files,
            user: self.user.or(below.user),
            environment: merged(below.environment, self.environment),
            labels: merged(below.labels, self.labels),
            ports: [below.ports, self.ports].concat(),
            healthcheck: self.healthcheck.or(below.healthcheck),
            stop_signal: self.stop_signal.or(below.stop_signal),
            volumes: [below.volumes, self.volumes].concat(),
            workdir: self.workdir.or(below.workdir),
            entrypoint: self.entrypoint.or(below.entrypoint),
            command: self.command.or(below.command),
        }
    }
}

fn merged<K: Ord>(mut below: BTreeMap<K, String>, own: BTreeMap<K, String>) -> BTreeMap<K, String> {
    below.extend(own);
    below
}
