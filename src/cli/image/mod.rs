//! `flugs image`: bases, builds, and looking at images.

mod base;
mod build;
mod diff;
mod engine;
mod inspect;
mod training;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode as ProcessExit;

use clap::Subcommand;

use super::Ending;
use crate::image::{Epoch, ImageError};

/// Where builds keep what they made, unless told otherwise.
const DEFAULT_CACHE: &str = ".flugs/images";

/// Build images without any daemon, and look at them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs image base --output base.tar
  flugs image build images/worker.yaml --base base.tar --flink-home /opt/flink --output oci:worker
  flugs image build images/appmaster.yaml --flink-home /opt/flink --output docker
  flugs image build --engine worker --base eclipse-temurin:17-jre-jammy --flink-home /opt/flink
  flugs image inspect oci:worker
  flugs image diff old.tar new.tar
  flugs image verify archive:worker.tar")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(Box<build::Args>),
    Base(Box<base::Args>),
    Inspect(inspect::Args),
    Diff(diff::Args),
    Verify(verify::Args),
    #[command(flatten)]
    Training(training::Step),
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    match &args.command {
        Command::Build(args) => build::run(args),
        Command::Base(args) => base::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Training(step) => training::run(step),
    }
}

/// Where builds keep what they made.
#[derive(Debug, clap::Args)]
struct CacheArgs {
    /// The directory that keeps layers for the next build.
    #[arg(long = "cache", value_name = "DIR", default_value = DEFAULT_CACHE)]
    directory: PathBuf,
}

fn epoch() -> Result<Epoch, ImageError> {
    let variable = std::env::var_os("SOURCE_DATE_EPOCH");
    let text = variable.map(|value| value.to_string_lossy().into_owned());
    Epoch::resolve(text.as_deref())
}

/// Bytes as people read them.
fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}
