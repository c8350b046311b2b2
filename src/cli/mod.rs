//! The command line: one file a command; turns arguments into calls and prints results.
//!
//! Never holds domain logic. Every error that reaches a person leaves through [`run`].

mod memory;
mod output;
mod status;
mod supervise;
mod table;

use std::path::Path;
use std::process::ExitCode as ProcessExit;

use clap::{Parser, Subcommand};

use crate::spec::{ExitCode, Failure};
use crate::store::{ClusterState, FileStore};

/// Runs Apache Flink at once: on one machine, on Docker, on Apache Mesos.
#[derive(Debug, Parser)]
#[command(name = "flugs", version = VERSION, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// Version and commit, as `flugs --version` prints them.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("FLUGS_COMMIT"), ")");

#[derive(Debug, Subcommand)]
enum Command {
    Memory(memory::Args),
    Status(status::Args),
    Supervise(Box<supervise::Args>),
}

/// Where `up` and its companions keep a cluster unless told otherwise: below the directory they
/// are called in.
const DEFAULT_DIRECTORY: &str = ".flugs/cluster";

/// An error on its way to a person: its exit code and its text, causes included.
#[derive(Debug)]
struct Ending {
    code: ExitCode,
    message: String,
}

impl<E: Failure> From<E> for Ending {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            message.push_str("\n  because: ");
            message.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self {
            code: error.exit_code(),
            message,
        }
    }
}

/// Parses the process's arguments, runs the command they name, and says what to exit with.
pub fn run() -> ProcessExit {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => return output::usage(&error),
    };
    match dispatch(&command_line.command) {
        Ok(exit) => exit,
        Err(ending) => {
            output::error(&ending.message);
            ProcessExit::from(ending.code.code())
        }
    }
}

fn dispatch(command: &Command) -> Result<ProcessExit, Ending> {
    match command {
        Command::Memory(args) => memory::run(args),
        Command::Status(args) => status::run(args),
        Command::Supervise(args) => supervise::run(args),
    }
}

/// The state of the cluster in `directory`, or the error that there is none.
fn load_cluster(directory: &Path) -> Result<ClusterState, Ending> {
    FileStore::new(directory).load()?.ok_or_else(|| Ending {
        code: ExitCode::NoCluster,
        message: format!(
            "there is no cluster in {}: start one with `flugs up --dir {0}`, or name another directory",
            directory.display()
        ),
    })
}
