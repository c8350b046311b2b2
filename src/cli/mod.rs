//! The command line: one file a command; turns arguments into calls and prints results.
//!
//! Never holds domain logic. Every error that reaches a person leaves through [`run`].

mod appmaster;
mod artifact;
mod artifact_fetch;
mod bundle;
mod conf;
mod detach;
mod down;
mod entrypoint;
mod fetching;
mod flink_home;
mod health;
mod hint;
mod image;
mod ineffective;
mod install;
mod launch;
mod left;
mod memory;
mod number;
mod output;
mod printable;
mod serve;
mod status;
mod supervise;
mod supervision;
mod table;
mod train;
mod up;
mod why;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode as ProcessExit;

use clap::{Parser, Subcommand};

use crate::store::{ClusterState, FileStore};
use flugs_base::{ExitCode, Failure};

/// Runs Apache Flink at once: on one machine, on Docker, on Apache Mesos.
#[derive(Debug, Parser)]
#[command(name = "flugs", version = VERSION, arg_required_else_help = true)]
#[command(after_help = "Examples:
  flugs up --flink-version 2.3.0
  FLINK_HOME=/opt/flink flugs launch jobmanager
  FLINK_HOME=/opt/flink flugs appmaster -D mesos.master=zk://zk1:2181/mesos

`flugs COMMAND --help` has examples of each.")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// Version and commit, as `flugs --version` prints them.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("FLUGS_COMMIT"), ")");

#[derive(Debug, Subcommand)]
enum Command {
    Up(Box<up::Args>),
    Appmaster(Box<appmaster::Args>),
    Why(why::Args),
    Artifact(Box<artifact::Args>),
    Serve(Box<serve::Args>),
    Conf(Box<conf::Args>),
    Status(status::Args),
    Down(down::Args),
    Launch(Box<launch::Args>),
    Entrypoint(entrypoint::Args),
    Install(install::Args),
    Health(health::Args),
    Image(Box<image::Args>),
    Bundle(Box<bundle::Args>),
    Supervise(Box<supervise::Args>),
    Memory(memory::Args),
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

impl Ending {
    /// Tells people, and gives the exit code.
    fn tell(self) -> ProcessExit {
        output::error(&self.message);
        ProcessExit::from(self.code.code())
    }
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
    output::close(command())
}

fn command() -> ProcessExit {
    if let Some(ended) = supervise::before_parsing() {
        return ended.unwrap_or_else(Ending::tell);
    }
    // The one TLS provider of the program. Fails only if it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Some((name, words)) = entrypoint::called() {
        return entrypoint::behave_as(name, &words).unwrap_or_else(Ending::tell);
    }
    let command_line = match ineffective::parse::<CommandLine>(std::env::args_os(), &[]) {
        Ok(command_line) => command_line,
        Err(error) => return output::usage(&error),
    };
    match dispatch(&command_line.command) {
        Ok(exit) => exit,
        Err(ending) => ending.tell(),
    }
}

fn dispatch(command: &Command) -> Result<ProcessExit, Ending> {
    match command {
        Command::Up(args) => up::run(args),
        Command::Appmaster(args) => appmaster::run(args),
        Command::Why(args) => why::run(args),
        Command::Artifact(args) => artifact::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Conf(args) => conf::run(args),
        Command::Status(args) => status::run(args),
        Command::Down(args) => down::run(args),
        Command::Launch(args) => launch::run(args),
        Command::Entrypoint(args) => entrypoint::run(args),
        Command::Install(args) => install::run(args),
        Command::Health(args) => health::run(args),
        Command::Image(args) => image::run(args),
        Command::Bundle(args) => bundle::run(args),
        Command::Supervise(args) => supervise::run(args),
        Command::Memory(args) => memory::run(args),
    }
}

/// The state of the cluster in `directory`, or the error that there is none.
fn load_cluster(directory: &Path) -> Result<ClusterState, Ending> {
    FileStore::new(directory).load()?.ok_or_else(|| Ending {
        code: ExitCode::NoCluster,
        message: format!(
            "there is no cluster in {}: start one there with `flugs up` or, on Mesos, `flugs appmaster`; or name another directory with --dir",
            directory.display()
        ),
    })
}

/// A path that means the same in whichever directory it is used.
fn absolute(path: &Path) -> Result<PathBuf, Ending> {
    std::path::absolute(path).map_err(|source| Ending {
        code: ExitCode::InputOutput,
        message: format!("cannot tell where {} is: {source}", path.display()),
    })
}

/// The file that this program was started from.
fn own_program() -> Result<PathBuf, Ending> {
    std::env::current_exe().map_err(|source| Ending {
        code: ExitCode::Internal,
        message: format!("cannot tell which program this is: {source}; is /proc mounted?"),
    })
}

/// The environment as text. Variables that are not UTF-8 cannot be configuration.
fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// A path in the environment; an empty one counts as unset.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// The file with registries' passwords: as given, else where podman and skopeo look for it.
fn registry_auth(given: Option<&PathBuf>) -> Option<PathBuf> {
    given.cloned().or_else(|| variable("REGISTRY_AUTH_FILE"))
}

/// A runtime on this thread alone: what a child notices of its parent's end can be bound to the
/// thread that started it.
fn runtime() -> Result<tokio::runtime::Runtime, Ending> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Ending {
            code: ExitCode::Internal,
            message: format!("cannot start the event loop: {source}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }

    /// Every command that people see, with its whole name.
    fn commands() -> Vec<(String, clap::Command)> {
        let mut root = CommandLine::command();
        root.build();
        let mut found = Vec::new();
        let mut pending = vec![root];
        while let Some(command) = pending.pop() {
            let below = command.get_subcommands();
            let seen = |one: &&clap::Command| !one.is_hide_set() && one.get_name() != "help";
            pending.extend(below.filter(seen).cloned());
            let name = command.get_bin_name().unwrap_or("flugs").to_owned();
            found.push((name, command));
        }
        found
    }

    #[test]
    fn the_help_of_every_command_has_examples_of_it() {
        let all = commands();
        assert!(all.len() > 25, "{}", all.len());
        for (name, mut command) in all {
            let help = command.render_long_help().to_string();
            let (_, examples) = help.split_once("\nExamples:\n").unwrap_or_default();
            // An image's entry point, and what Dockerfiles run, are written as JSON.
            let words = name.replace(' ', "\", \"");
            assert!(
                examples.contains(&name) || examples.contains(&words),
                "{name}: {help}"
            );
        }
    }

    /// Numbers that are none, or that nothing can be.
    const IMPOSSIBLE: [&str; 7] = [
        "99999999999999999999999",
        "1e400",
        "-1",
        "nan",
        "0x10",
        "1 000",
        "\u{661}",
    ];

    #[test]
    fn a_number_that_cannot_be_is_wrong_usage_whichever_option_it_is_for() {
        let mut tried = 0;
        for (name, command) in commands() {
            for argument in command.get_arguments() {
                let names = argument.get_value_names().unwrap_or_default();
                let value_name = names.first().map_or("", |name| name.as_str());
                let numeric = ["N", "SECONDS", "COUNT", "MIB", "BYTES", "LIMIT", "CODE"];
                let Some(long) = argument
                    .get_long()
                    .filter(|_| numeric.contains(&value_name))
                else {
                    continue;
                };
                for number in IMPOSSIBLE {
                    tried += 1;
                    let option = format!("--{long}={number}");
                    let words = name.split(' ').chain([option.as_str()]);
                    let error = CommandLine::command()
                        .try_get_matches_from(words)
                        .unwrap_err();
                    let kind = error.kind();
                    assert!(
                        matches!(kind, ErrorKind::ValueValidation | ErrorKind::InvalidValue),
                        "{name} {option}: {error}"
                    );
                }
            }
        }
        assert!(tried > 200, "{tried}");
    }
}
