//! Why a launch could not be prepared.

use std::path::PathBuf;

use flugs_artifact::token::TokenError;
use flugs_artifact::{FetchError, StoreError};
use flugs_base::{ExitCode, Failure};
use flugs_flink::memory::MemoryError;
use flugs_flink::{CommandError, CompatibilityError, FlinkHomeError, JavaError};
use flugs_flink_conf::ConfError;
use flugs_model::{ManifestError, PropertyError, Role, RoleError};
use flugs_supervise::SuperviseError;

use super::{LimitTooSmall, PortError};

/// Why a launch could not be prepared. Each room's own error keeps its own exit code.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The Flink home is unusable.
    #[error(transparent)]
    FlinkHome(#[from] FlinkHomeError),
    /// There is no usable Java.
    #[error(transparent)]
    Java(#[from] JavaError),
    /// The configuration is unusable.
    #[error(transparent)]
    Configuration(#[from] ConfError),
    /// The memory settings are impossible.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The container's limit, which is the process's size, is too small for Flink.
    #[error(transparent)]
    LimitTooSmall(#[from] Box<LimitTooSmall>),
    /// The JVM's command line cannot be made.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The combination is known to be hopeless.
    #[error(transparent)]
    Compatibility(#[from] CompatibilityError),
    /// The role is unknown.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// A property is malformed.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// A port cannot be had.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The manifest is unusable.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest could not be fetched.
    #[error("the launch manifest cannot be had")]
    FetchManifest(#[source] FetchError),
    /// An artifact could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The supervisor could not take over.
    #[error(transparent)]
    Supervise(#[from] SuperviseError),
    /// The artifact server's token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The artifact cache cannot be used.
    #[error(transparent)]
    Cache(#[from] StoreError),
    /// The event loop could not be started.
    #[error("cannot start the event loop")]
    Runtime {
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A plugin that is asked for is not there.
    #[error("ENABLE_BUILT_IN_PLUGINS names \"{jar}\", but there is no such jar in {opt}")]
    Plugin {
        /// What is asked for.
        jar: String,
        /// Where it was looked for.
        opt: PathBuf,
    },
    /// The process that the launch was to follow has ended.
    #[error("the process that started this launch is gone; stopped before there was a JVM")]
    ParentGone,
    /// Clients of ZooKeeper work below a node that nobody makes.
    #[error(
        "high-availability.zookeeper.quorum ends with {chroot}, which {servers} does not have, and Flink does not make it: make it (`zkCli.sh -server {servers} create {chroot}`, the nodes above it first), or take it off the quorum (high-availability.zookeeper.path.root is made when it is missing)"
    )]
    ChrootMissing {
        /// The node.
        chroot: String,
        /// The servers.
        servers: String,
    },
    /// Neither a manifest nor a Flink home was named.
    #[error(
        "nothing to launch: name a launch manifest with --manifest and --sha256, or a Flink home with --flink-home or FLINK_HOME"
    )]
    NothingToLaunch,
    /// The manifest's location is neither a URL that can be fetched nor a file's name.
    #[error(
        "\"{location}\" is no place for a launch manifest: expected an http, https or file URL, or a file"
    )]
    ManifestLocation {
        /// What was given.
        location: String,
    },
    /// The manifest is for another role.
    #[error("the launch manifest is for role {found}, but {asked} was asked for")]
    OtherRole {
        /// The role on the command line.
        asked: Role,
        /// The role in the manifest.
        found: Role,
    },
    /// The manifest ships no Flink and no Flink home is named.
    #[error(
        "the launch manifest ships no Flink distribution, and FLINK_HOME is not set: which Flink should run?"
    )]
    NoFlink,
    /// The sandbox cannot be written to.
    #[error(
        "the directory {path} is not writable: name another with --dir, or mend its permissions"
    )]
    Sandbox {
        /// The directory or file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
}

impl Failure for LaunchError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::FlinkHome(error) => error.exit_code(),
            Self::Java(error) => error.exit_code(),
            Self::Configuration(error) => error.exit_code(),
            Self::Memory(error) => error.exit_code(),
            Self::LimitTooSmall(error) => error.source.exit_code(),
            Self::Command(error) => error.exit_code(),
            Self::Compatibility(error) => error.exit_code(),
            Self::Role(error) => error.exit_code(),
            Self::Property(error) => error.exit_code(),
            Self::Port(error) => error.exit_code(),
            Self::Manifest(error) => error.exit_code(),
            Self::FetchManifest(error) => match error.exit_code() {
                ExitCode::ArtifactDigest => ExitCode::ManifestDigest,
                other => other,
            },
            Self::Fetch(error) => error.exit_code(),
            Self::Supervise(error) => error.exit_code(),
            Self::NothingToLaunch | Self::ManifestLocation { .. } => ExitCode::Usage,
            Self::Token(error) => error.exit_code(),
            Self::Cache(error) => error.exit_code(),
            Self::Runtime { .. } => ExitCode::Internal,
            Self::Plugin { .. } => ExitCode::Configuration,
            Self::ParentGone => ExitCode::ParentGone,
            Self::ChrootMissing { .. } => ExitCode::ChrootMissing,
            Self::OtherRole { .. } => ExitCode::ManifestMalformed,
            Self::NoFlink => ExitCode::FlinkHomeMissing,
            Self::Sandbox { source, .. } => match ExitCode::of_io(source) {
                ExitCode::NoSpace => ExitCode::NoSpace,
                _ => ExitCode::NotWritable,
            },
        }
    }
}

impl Failure for PortError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Malformed { .. } => ExitCode::Configuration,
            Self::InUse { .. } | Self::TooFew { .. } | Self::NotBindable { .. } => {
                ExitCode::PortInUse
            }
        }
    }
}
