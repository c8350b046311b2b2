//! `flugs conf`: look at a Flink configuration, check it, render it, move it to the new file.

mod check;
mod diff;
mod explain;
mod migrate;
mod refusals;
mod render;
mod sources;

use std::process::ExitCode as ProcessExit;

use clap::Subcommand;

use super::{Ending, output, table};
use sources::Sources;

/// Explain, check, compare and render Flink configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs conf check --flink-home /opt/flink
  flugs conf diff /opt/flink-1.18/conf /opt/flink-2.3/conf
  flugs conf explain --flink-home /opt/flink taskmanager.memory.process.size
  flugs conf migrate /opt/flink/conf
  flugs conf render --flink-version 2.3.0 -D rest.port=8082")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Diff(diff::Args),
    Explain(explain::Args),
    Migrate(migrate::Args),
    Render(render::Args),
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    match &args.command {
        Command::Check(args) => check::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Migrate(args) => migrate::run(args),
        Command::Render(args) => render::run(args),
    }
}

fn warn(warnings: &[flugs_flink_conf::Warning]) {
    for warning in warnings {
        output::note(&format!("flugs: warning: {warning}"));
    }
}
