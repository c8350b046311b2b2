//! Why a cluster could not be started or kept up.

use std::path::PathBuf;
use std::time::Duration;

use crate::provider::ProviderError;
use crate::provider::mesos::options::MesosOptionsError;
use crate::provider::mesos::scheduling::SchedulingError;
use crate::store::{PlaceError, StoreError};
use flugs_artifact as artifact;
use flugs_base::{ExitCode, Failure, PathError};
use flugs_flink::rest::{RestError, RestTlsError};
use flugs_java_keystore::CertificateProblem;
use flugs_launch::overlay::OverlayError;
use flugs_launch::{LaunchError, PortError};
use flugs_mesos::connection::{ConnectionError, CredentialsError, TlsTrustError};
use flugs_model::{Role, WorkerId};

/// Why a cluster could not be started or kept up.
#[derive(Debug, thiserror::Error)]
pub enum AppMasterError {
    /// A launch of this cluster could not be resolved.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A port cannot be had.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The cluster's state cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An overlay cannot be made.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// The artifact store failed.
    #[error(transparent)]
    ArtifactStore(#[from] artifact::StoreError),
    /// The artifact server failed.
    #[error(transparent)]
    ArtifactServer(#[from] artifact::server::ServerError),
    /// The artifact server's certificate could not be made.
    #[error(transparent)]
    Tls(#[from] artifact::server::TlsError),
    /// A worker could not be started.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The JobManager's address is unusable.
    #[error(transparent)]
    Rest(#[from] RestError),
    /// The artifact server's token could not be made.
    #[error(transparent)]
    Token(#[from] artifact::token::TokenError),
    /// Signals could not be taken over.
    #[error("cannot listen for signals")]
    Signals {
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start a thread: the limits of processes or of memory are reached")]
    NoThread {
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The thread that adds files to the artifact store has ended before its work.
    #[error("the files for the workers were not added to the artifact store: a bug of flugs")]
    Unpublished,
    /// A file of the cluster could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Nobody names the cluster, and its directory has been that of another one.
    #[error(
        "the cluster in {directory} has run with high-availability.cluster-id={id}, and now names none: to go on with what it has left there, give it -D high-availability.cluster-id={id}; to begin anew, another id or another directory. Flink's own, /default, is every cluster's of this ZooKeeper that names none"
    )]
    ClusterId {
        /// The directory.
        directory: PathBuf,
        /// The id that it has run with.
        id: String,
    },
    /// No free port was to be had.
    #[error("cannot get a free port of localhost")]
    NoFreePort {
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The cluster did not become ready in time.
    #[error("the cluster was not ready after {} s: {serving} of {wanted} members serve; {}; the logs are in {logs}", timeout.as_secs(), why.as_deref().unwrap_or("a slow machine may need a longer --timeout"))]
    NotReady {
        /// How long was waited.
        timeout: Duration,
        /// How many members serve.
        serving: usize,
        /// How many were wanted.
        wanted: usize,
        /// Where to look.
        logs: PathBuf,
        /// How the member that ended last did; absent if none has: they are slow.
        why: Option<String>,
    },
    /// The Java runtime cannot archive classes.
    #[error("Java {found} cannot archive the classes of an application: use Java 13 or newer")]
    CannotArchive {
        /// Its version.
        found: u32,
    },
    /// The Java runtime has no archive of its own classes and cannot be given one.
    #[error(
        "this Java has no archive of its own classes ({base}), on which all others are built, and none could be made: {said}; run `{java} -Xshare:dump` as somebody who may write there", base = base.display(), java = java.display()
    )]
    NoBaseArchive {
        /// Where it would be.
        base: PathBuf,
        /// The launcher.
        java: PathBuf,
        /// What the JVM said.
        said: String,
    },
    /// A JVM could not be trained.
    #[error("no class-data archive was made: {what}\n{last_words}")]
    Untrained {
        /// What went wrong.
        what: String,
        /// What the process said last.
        last_words: String,
    },
    /// A member's launcher refused its input.
    #[error("{id} could not be launched (exit code {code}):\n{last_words}")]
    Refused {
        /// The member.
        id: WorkerId,
        /// Its launcher's exit code.
        code: u8,
        /// What it said.
        last_words: String,
    },
    /// More workers failed than `mesos.maximum-failed-tasks` allows.
    #[error(
        "gave up: {failed} workers have failed, and mesos.maximum-failed-tasks allows {allowed}{last}"
    )]
    TooManyFailed {
        /// How many.
        failed: usize,
        /// How many are allowed.
        allowed: usize,
        /// How the last ones ended, or nothing.
        last: String,
    },
    /// Options of Mesos are wrong.
    #[error(transparent)]
    MesosOptions(#[from] MesosOptionsError),
    /// Masters that speak TLS cannot be told from others.
    #[error(
        "masters cannot be spoken to over TLS; flugs.mesos.master.ca names a PEM file with the authorities to trust"
    )]
    MasterAuthorities {
        /// What is wrong.
        source: TlsTrustError,
    },
    /// No connection to a Mesos master can be made.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The credentials for the Mesos master are unusable.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Flink's REST interface cannot be spoken to over TLS.
    #[error(transparent)]
    RestTls(#[from] RestTlsError),
    /// The artifact server's certificate and key cannot be used.
    #[error("{option} cannot be followed")]
    ArtifactIdentity {
        /// The option that names them.
        option: &'static str,
        /// What is wrong.
        source: artifact::server::TlsError,
    },
    /// Agents would refuse the artifact server's certificate.
    #[error(
        "Mesos' agents would not accept the artifact server's certificate ({option}): {problem}; flugs.mesos.artifactserver.certificate-file and .key-file name another one, flugs.mesos.artifactserver.advertised-url another address"
    )]
    ArtifactCertificate {
        /// The option that names it.
        option: &'static str,
        /// Why they would refuse it.
        problem: CertificateProblem,
    },
    /// Secrets would travel in the clear.
    #[error("these are secrets, and the artifact server would send them without encryption: {}; have it speak TLS (flugs.mesos.artifactserver.certificate-file and .key-file, or security.ssl.rest.enabled), or accept it with flugs.mesos.artifactserver.secrets-in-the-clear", secrets.join(", "))]
    SecretsInTheClear {
        /// Files and options, by name.
        secrets: Vec<String>,
    },
    /// An archive has no Java runtime in it.
    #[error(
        "the archive {path} has no bin/java in it: flugs.mesos.tasks.java-archive names an archive of a Java runtime"
    )]
    NoJavaInArchive {
        /// The archive.
        path: PathBuf,
    },
    /// An archive cannot be read.
    #[error("flugs.mesos.tasks.java-archive names no archive that can be read")]
    JavaArchive {
        /// What is wrong with it.
        source: artifact::UnpackError,
    },
    /// An artifact cannot be placed.
    #[error(transparent)]
    Path(#[from] PathError),
    /// An address is no URL.
    #[error("\"{address}\" is not a URL")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        source: url::ParseError,
    },
    /// The state's place in ZooKeeper is impossible.
    #[error("the scheduler's state cannot be kept in ZooKeeper (high-availability.zookeeper.*)")]
    Place(#[from] PlaceError),
    /// A file that an option names cannot be read.
    #[error("{key} names {path}, which cannot be read")]
    Read {
        /// The option.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Workers cannot be scheduled any further.
    #[error(transparent)]
    Scheduling(#[from] SchedulingError),
    /// Another scheduler has taken the framework over.
    #[error(
        "another application master has taken the Mesos framework over; this one has left everything to it"
    )]
    Superseded,
    /// Another application master of this cluster leads it, by the line in ZooKeeper that both
    /// stand in.
    #[error("another application master leads the cluster now; this one has left everything to it")]
    Overtaken,
    /// The master refuses the framework.
    #[error("the Mesos master refuses the framework: {message}")]
    FrameworkRefused {
        /// What it says.
        message: String,
    },
    /// The master has removed the framework.
    #[error("the Mesos master has removed the framework {framework}, which had these tasks: {}; make sure that they are gone, then start with --forget-framework", tasks.join(", "))]
    FrameworkRemoved {
        /// The framework.
        framework: String,
        /// Its tasks.
        tasks: Vec<String>,
    },
    /// The teardown was not waited for.
    #[error("left before the Mesos master confirmed the end of the framework {}: its workers may still run, until its failover timeout is over", framework.as_deref().unwrap_or("(which has no id yet)"))]
    NotTornDown {
        /// The framework.
        framework: Option<String>,
    },
    /// The HTTP interface cannot listen.
    #[error(
        "the HTTP interface cannot listen on {address}: choose another address with --api (port 0 takes any free one)"
    )]
    Api {
        /// The address.
        address: std::net::SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Two members of a role in a row failed in the same way at their start.
    #[error(
        "gave up: {role} processes failed twice in the same way at their start, and starting another would not help: {reason}\nthe logs are in {logs}"
    )]
    Hopeless {
        /// The role.
        role: Role,
        /// Why both failed.
        reason: String,
        /// Where to look.
        logs: PathBuf,
    },
    /// The members of a role failed too often.
    #[error(
        "gave up: {role} processes failed {failures} times, which is more than the restart policy allows; the last said:\n{last_words}\nthe logs are in {logs}"
    )]
    Exhausted {
        /// The role.
        role: Role,
        /// How often.
        failures: usize,
        /// What the last one said.
        last_words: String,
        /// Where to look.
        logs: PathBuf,
    },
}

impl Failure for AppMasterError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Launch(error) => error.exit_code(),
            Self::Port(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
            Self::Overlay(error) => error.exit_code(),
            Self::ArtifactStore(error) => error.exit_code(),
            Self::ArtifactServer(error) => error.exit_code(),
            Self::Provider(error) => error.exit_code(),
            Self::Tls(error) | Self::ArtifactIdentity { source: error, .. } => error.exit_code(),
            Self::RestTls(error) => error.exit_code(),
            Self::Token(error) => error.exit_code(),
            Self::Write { source, .. } => ExitCode::of_io(source),
            Self::NoFreePort { .. } => ExitCode::PortInUse,
            Self::Rest(_) | Self::Signals { .. } | Self::NoThread { .. } | Self::Unpublished => {
                ExitCode::Internal
            }
            Self::CannotArchive { .. } => ExitCode::JavaTooOld,
            Self::NoBaseArchive { .. } => ExitCode::NotWritable,
            Self::Untrained { .. } | Self::NotReady { .. } => ExitCode::NotReady,
            Self::Refused { code, .. } => {
                let same = |known: &&ExitCode| known.code() == *code;
                ExitCode::ALL
                    .iter()
                    .find(same)
                    .copied()
                    .unwrap_or(ExitCode::ChildStart)
            }
            Self::Exhausted { .. } | Self::Hopeless { .. } => ExitCode::RestartsExhausted,
            Self::TooManyFailed { .. } => ExitCode::TooManyFailed,
            Self::Scheduling(error) => error.exit_code(),
            Self::MesosOptions(error) => error.exit_code(),
            Self::Connection(error) => error.exit_code(),
            Self::Credentials(error) => error.exit_code(),
            Self::JavaArchive { source } => source.exit_code(),
            Self::Superseded | Self::Overtaken => ExitCode::FrameworkSuperseded,
            Self::FrameworkRefused { .. } => ExitCode::FrameworkRefused,
            Self::FrameworkRemoved { .. } => ExitCode::FrameworkRemoved,
            Self::NotTornDown { .. } => ExitCode::FrameworkLeft,
            Self::Api { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                ExitCode::PortInUse
            }
            Self::Api { .. }
            | Self::MasterAuthorities { .. }
            | Self::Read { .. }
            | Self::Place(_)
            | Self::ClusterId { .. }
            | Self::SecretsInTheClear { .. }
            | Self::ArtifactCertificate { .. }
            | Self::NoJavaInArchive { .. }
            | Self::Path(_)
            | Self::Address { .. } => ExitCode::Configuration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_is_late_is_slow_only_if_no_member_has_died() {
        let late = |why: Option<&str>| {
            AppMasterError::NotReady {
                timeout: Duration::from_secs(180),
                serving: 1,
                wanted: 3,
                logs: "dir/sandboxes".into(),
                why: why.map(str::to_owned),
            }
            .to_string()
        };
        insta::assert_snapshot!(late(None), @"the cluster was not ready after 180 s: 1 of 3 members serve; a slow machine may need a longer --timeout; the logs are in dir/sandboxes");
        insta::assert_snapshot!(late(Some("taskmanager-2 ended by itself with code 1")), @"the cluster was not ready after 180 s: 1 of 3 members serve; taskmanager-2 ended by itself with code 1; the logs are in dir/sandboxes");
    }
}
