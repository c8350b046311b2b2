//! Why an image's root could not be made or entered.

use std::io;
use std::path::PathBuf;

use flugs_base::{ExitCode, Failure};

/// The steps that can fail before the image's own flugs runs, and how it can be ended.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// What is to be done cannot be read.
    #[error("cannot read {}: `flugs image build` writes it, and calls this command", path.display())]
    Order {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// A namespace cannot be had.
    #[error(
        "no namespace of {what} can be had: build as root (a container needs --privileged), or let users have \
         them (user.max_user_namespaces, kernel.unprivileged_userns_clone, \
         kernel.apparmor_restrict_unprivileged_userns)"
    )]
    Namespace {
        /// What of.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A layer cannot be unpacked.
    #[error("cannot unpack the layer {layer}")]
    Unpack {
        /// Its digest.
        layer: String,
        /// The entry, and what the kernel said.
        source: io::Error,
    },
    /// Something of the root cannot be put in its place.
    #[error("cannot prepare the image's root: {what}")]
    Root {
        /// What.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The image has a link where a directory must be.
    #[error("the image's /{name} is not a directory: nothing can be mounted there")]
    NotADirectory {
        /// Its name.
        name: &'static str,
    },
    /// The loopback interface stays down.
    #[error("the loopback interface cannot be set up")]
    Loopback {
        /// What the kernel said.
        source: io::Error,
    },
    /// The image's user cannot be assumed.
    #[error("cannot become user {user}, group {group} of the image")]
    User {
        /// The user's number.
        user: u32,
        /// The group's.
        group: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program cannot be started.
    #[error("cannot start {program}")]
    Start {
        /// Which.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A process was ended by a signal that the overseer did not send.
    #[error("{step} was ended by {signal}; is there too little memory?")]
    Killed {
        /// What it did.
        step: &'static str,
        /// By which.
        signal: &'static str,
    },
    /// Somebody asked to stop.
    #[error("stopped by {by}; nothing is left of the training")]
    Stopped {
        /// A signal's name, or the build's end.
        by: &'static str,
    },
    /// Signals or children cannot be waited for.
    #[error("cannot wait for the training")]
    Wait {
        /// What the kernel said.
        source: io::Error,
    },
    /// The image's root cannot be removed.
    #[error("cannot remove {}", path.display())]
    Remove {
        /// Where it is.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Failure for TrainingError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::ImageTraining
    }
}
