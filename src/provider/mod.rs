//! Where workers run, behind one small interface.
//!
//! Owns starting, stopping and watching. Never decides how many workers there are, nor when one
//! is replaced: that is [`crate::fleet`]'s.

pub mod docker;
pub mod mesos;
pub mod process;

mod chosen;

pub use chosen::ChosenProvider;

use std::path::PathBuf;
use std::time::Duration;

use flugs_base::{ExitCode, Failure};
use flugs_model::{ProcessIdentity, WorkerId, WorkerSpec};

/// Something that happened to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerEvent {
    /// Its launcher ended.
    Exited {
        /// The worker.
        id: WorkerId,
        /// The exit code, 128 + signal for a death by signal.
        code: u8,
    },
}

/// A place where workers can be started.
pub trait Provider {
    /// Starts a worker. It is written to the store before this is called.
    fn launch(
        &mut self,
        worker: &WorkerSpec,
    ) -> impl Future<Output = Result<ProcessIdentity, ProviderError>>;

    /// Asks a worker to stop, and makes it stop once the grace period is over. A worker that is
    /// not there is not an error: it ended meanwhile.
    fn stop(&mut self, id: &WorkerId, grace: Duration);

    /// Makes a worker stop at once.
    fn kill(&mut self, id: &WorkerId);

    /// Waits for the next event.
    fn event(&mut self) -> impl Future<Output = WorkerEvent>;

    /// Leaves nothing of the cluster behind, once every worker has ended.
    fn close(&mut self) -> impl Future<Output = ()> {
        std::future::ready(())
    }
}

/// Why a worker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The worker's directory could not be prepared.
    #[error("cannot prepare the sandbox {path} of {id}")]
    Sandbox {
        /// The worker.
        id: WorkerId,
        /// The file or directory.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The launcher could not be started.
    #[error("cannot start the launcher of {id}")]
    Start {
        /// The worker.
        id: WorkerId,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The engine that runs containers failed, or is not there.
    #[error("cannot {action}: {reason}; is the Docker engine running, and may this user use it?")]
    Engine {
        /// What was being done.
        action: &'static str,
        /// What the engine, or the way to it, said.
        reason: String,
    },
    /// The engine refused a container.
    #[error("the Docker engine does not {action} the container of {id}, whose sandbox is {}: {reason}", .sandbox.display())]
    Container {
        /// What it was asked to do: `create` or `start`.
        action: &'static str,
        /// The worker.
        id: WorkerId,
        /// Its sandbox, which is mounted into the container.
        sandbox: PathBuf,
        /// What the engine said.
        reason: String,
    },
    /// The engine does not have the image.
    #[error(
        "the Docker engine has no image {image}: build it (docker build -f Dockerfile.worker, or Dockerfile.appmaster), load it, or name another"
    )]
    NoImage {
        /// The image.
        image: String,
    },
    /// The engine runs as an ordinary user.
    #[error(
        "the Docker engine is rootless: its networks are in a namespace of their own, where containers do not reach the artifact server of this machine. Use an engine of root's (DOCKER_HOST), or no containers (--on process)"
    )]
    Rootless,
    /// The engine remaps users, and does not say to whom.
    #[error(
        "the Docker engine remaps the users of its containers (userns-remap), and its directory \"{root}\" does not end in the user and group (UID.GID) that are root there: it cannot be told whose their files have to be. Use another engine (DOCKER_HOST), or no containers (--on process)"
    )]
    UnknownUsers {
        /// The engine's directory.
        root: String,
    },
    /// The engine remaps users, and files cannot be given to them.
    #[error(
        "the Docker engine remaps the users of its containers (userns-remap; their root is user {root} here), and only root can give files to them: run `flugs up` as root, use an engine without userns-remap (DOCKER_HOST), or no containers (--on process)"
    )]
    OthersFiles {
        /// The user that is root in containers.
        root: u32,
    },
    /// The provider's own set-up failed.
    #[error("cannot watch child processes")]
    Watch {
        /// What the kernel said.
        source: std::io::Error,
    },
}

impl Failure for ProviderError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Sandbox { source, .. } => ExitCode::of_io(source),
            Self::Start { .. } => ExitCode::ChildStart,
            Self::Engine { .. }
            | Self::Container { .. }
            | Self::Rootless
            | Self::UnknownUsers { .. }
            | Self::OthersFiles { .. } => ExitCode::Engine,
            Self::NoImage { .. } => ExitCode::ImageMissing,
            Self::Watch { .. } => ExitCode::Internal,
        }
    }
}
