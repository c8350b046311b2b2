//! What an image is made of, as people write it down: a YAML file for each image, and what
//! several of them share in files that they include.
//!
//! Owns the format and its checks; a definition that was read is complete and sound in itself.
//! Never looks at the inputs that it names.

mod error;
mod raw;
mod read;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Reference;
use flugs_base::Sha256Digest;
use raw::{RawDefinition, RawWay, RawWhat};

pub use error::DefinitionError;
pub use text::{ImagePath, Mode, Owner, Port, Span, StopSignal, VariableName};

/// An image, completely described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// What the image is called.
    pub name: Reference,
    /// What it stands on; `None` if the one who builds it has to say.
    pub base: Option<BaseInput>,
    /// The Java runtime.
    pub java: Java,
    /// Flink.
    pub flink: Flink,
    /// Where the flugs binary goes.
    pub binary: ImagePath,
    /// What else is added, in the order of writing.
    pub files: Vec<AddedFile>,
    /// Who a container runs as.
    pub user: User,
    /// Environment variables. `${architecture}` stands for the platform's name.
    pub environment: BTreeMap<VariableName, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Ports that are listened on.
    pub ports: BTreeSet<Port>,
    /// How an engine asks whether a container is well.
    pub healthcheck: Option<Healthcheck>,
    /// The signal that asks a container to stop.
    pub stop_signal: Option<StopSignal>,
    /// Directories that hold data of a container's own.
    pub volumes: BTreeSet<ImagePath>,
    /// Where a container starts.
    pub workdir: Option<ImagePath>,
    /// The program that is run, and its first arguments.
    pub entrypoint: Vec<String>,
    /// The arguments unless others are given.
    pub command: Vec<String>,
}

/// What an image stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseInput {
    /// Where it is.
    pub way: BaseWay,
    /// The digest it must have: of the root file system's file, or of the image's manifest.
    pub digest: Option<Sha256Digest>,
}

/// The ways to name a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseWay {
    /// A tar of a root file system, perhaps compressed.
    Rootfs(PathBuf),
    /// An OCI layout; a tag may follow the directory behind a colon.
    Oci(PathBuf),
    /// An archive as `docker save` writes it.
    Archive(PathBuf),
    /// An image of the local Docker engine.
    Engine(String),
    /// Debian packages of a suite, from which a root file system is made.
    Packages {
        /// What is installed beside the essential packages.
        packages: Vec<String>,
        /// The suite, e.g. `bookworm`.
        suite: String,
    },
}

impl BaseWay {
    /// A file as a base: an archive of images if it is one, else a root file system.
    pub fn of_file(path: &Path) -> Result<Self, super::ImageError> {
        let path = path.to_owned();
        Ok(if super::source::is_archive(&path)? {
            Self::Archive(path)
        } else {
            Self::Rootfs(path)
        })
    }
}

/// The Java runtime of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Java {
    /// Where it is in the image; looked for in the base unless given. `${architecture}` stands
    /// for the platform's name.
    pub home: Option<ImagePath>,
    /// A directory of this machine to put there.
    pub copy: Option<PathBuf>,
}

/// Flink in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flink {
    /// Whether it is part of the image; else it is fetched when a container starts.
    pub baked: bool,
    /// Whether the JVM is trained on it: whether the image has class-data archives.
    pub trained: bool,
    /// Where it is.
    pub home: ImagePath,
    /// Directories below it that any user of group 0 may write to.
    pub writable: Vec<String>,
}

/// A file, link or directory that a definition adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedFile {
    /// Where it goes.
    pub path: ImagePath,
    /// What it is.
    pub what: Added,
    /// Its permission bits: 0755 for directories and executable sources, else 0644, unless given.
    pub mode: Option<Mode>,
    /// Its owner: 0:0 unless given; of a directory that is there already, the one it has.
    pub owner: Option<Owner>,
}

/// What is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// A file or directory of this machine.
    Source(PathBuf),
    /// A file with this text.
    Content(String),
    /// A symbolic link to this target.
    Link(String),
    /// An empty directory.
    Directory,
}

/// Who a container runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name, and the group's.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The home directory.
    pub home: ImagePath,
}

/// How an engine asks whether a container is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthcheck {
    /// The program and its arguments; no shell.
    pub command: Vec<String>,
    /// Between two questions.
    pub interval: Option<Span>,
    /// How long an answer may take.
    pub timeout: Option<Span>,
    /// How long a start may take before bad answers count.
    pub start_period: Option<Span>,
    /// So many bad answers in a row make a container unhealthy.
    pub retries: Option<u32>,
}

impl Definition {
    /// Reads a definition and what it includes.
    pub fn read(path: &Path) -> Result<Self, DefinitionError> {
        complete(read::file(path)?, path)
    }

    /// Reads a definition from text, which must include nothing. `path` is for messages, and
    /// inputs are relative to its directory.
    pub fn parse(content: &str, path: &Path) -> Result<Self, DefinitionError> {
        let directory = path.parent().unwrap_or(Path::new("."));
        complete(read::text(content, path)?.below(directory), path)
    }
}

/// Demands what every image needs, and fills in what has a default.
fn complete(raw: RawDefinition, path: &Path) -> Result<Definition, DefinitionError> {
    let missing = |field, hint| DefinitionError::Missing {
        path: path.to_owned(),
        field,
        hint,
    };
    raw.schema
        .ok_or_else(|| missing("schema", "write `schema: 1`"))?;
    let entrypoint = raw.entrypoint.filter(|words| !words.is_empty());
    let flink = raw
        .flink
        .ok_or_else(|| missing("flink", "write `flink: {baked: true, home: /opt/flink}`"))?;
    let user = raw.user.ok_or_else(|| {
        missing(
            "user",
            "write `user: {name: flink, uid: 9999, gid: 9999, home: /opt/flink}`",
        )
    })?;
    Ok(Definition {
        name: raw
            .name
            .ok_or_else(|| missing("name", "write `name: NAME:TAG`"))?,
        base: raw.base.map(|base| BaseInput {
            way: way(base.way),
            digest: base.digest,
        }),
        java: raw.java.map_or_else(Java::default, |java| Java {
            home: java.home,
            copy: java.copy,
        }),
        flink: Flink {
            baked: flink.baked.unwrap_or(true),
            trained: flink.trained.unwrap_or(false),
            home: flink
                .home
                .ok_or_else(|| missing("flink: home", "write where Flink is, e.g. /opt/flink"))?,
            writable: flink.writable.unwrap_or_default(),
        },
        binary: raw
            .flugs
            .ok_or_else(|| missing("flugs", "write `flugs: {path: /opt/flugs/bin/flugs}`"))?
            .path,
        files: raw.files.into_iter().map(added).collect(),
        user: User {
            name: user.name,
            uid: user.uid,
            gid: user.gid,
            home: user.home,
        },
        environment: raw.environment,
        labels: raw.labels,
        ports: raw.ports.into_iter().collect(),
        healthcheck: raw.healthcheck.map(|check| Healthcheck {
            command: check.command,
            interval: check.interval,
            timeout: check.timeout,
            start_period: check.start_period,
            retries: check.retries,
        }),
        stop_signal: raw.stop_signal,
        volumes: raw.volumes.into_iter().collect(),
        workdir: raw.workdir,
        entrypoint: entrypoint
            .ok_or_else(|| missing("entrypoint", "write the program that a container runs"))?,
        command: raw.command.unwrap_or_default(),
    })
}

fn way(way: RawWay) -> BaseWay {
    match way {
        RawWay::Rootfs(path) => BaseWay::Rootfs(path),
        RawWay::Oci(path) => BaseWay::Oci(path),
        RawWay::Archive(path) => BaseWay::Archive(path),
        RawWay::Engine(name) => BaseWay::Engine(name),
        RawWay::Packages { packages, suite } => BaseWay::Packages { packages, suite },
    }
}

fn added(file: raw::RawFile) -> AddedFile {
    AddedFile {
        path: file.path,
        what: match file.what {
            RawWhat::Source(path) => Added::Source(path),
            RawWhat::Content(text) => Added::Content(text),
            RawWhat::Link(target) => Added::Link(target),
            RawWhat::Directory => Added::Directory,
        },
        mode: file.mode,
        owner: file.owner,
    }
}

#[cfg(test)]
mod tests;
