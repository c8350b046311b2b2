//! `flugs install`: what the Dockerfiles run.

use std::path::PathBuf;
use std::process::ExitCode as ProcessExit;

use super::{Ending, output};
use crate::install::{FetchedFlink, FlinkSource, InstallError, Installation, obtain};

/// Fill a directory with what an image adds to its base: Flink, flugs, the user flink.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  In a Dockerfile, whose last stage copies /image to /:
    RUN [\"/in/flugs\", \"install\", \"--flink\", \"/in\", \"--root\", \"/image\"]

The Flink is a home, or the one release tarball in that directory; or the tarball that FLINK_URL
names, which must have the digest FLINK_SHA256. Its configuration is opened to other containers:
localhost becomes 0.0.0.0 in the bind addresses, as in the official image.")]
pub(super) struct Args {
    /// A Flink home, or the directory of a release tarball.
    #[arg(long, value_name = "DIR")]
    flink: PathBuf,
    /// The directory to fill.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// The root of the base, whose users stay.
    #[arg(long, value_name = "DIR", default_value = "/")]
    base: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let variable = |name: &str| std::env::var(name).ok();
    let fetched = FetchedFlink::of(
        variable("FLINK_URL").as_deref(),
        variable("FLINK_SHA256").as_deref(),
    )?;
    let source = FlinkSource {
        directory: args.flink.clone(),
        fetched,
    };
    let scratch = tempfile::tempdir().map_err(|source| InstallError::Write {
        path: std::env::temp_dir(),
        source,
    })?;
    let flink = super::runtime()?.block_on(obtain(&source, scratch.path()))?;
    let binary = super::own_program()?;
    let installation = Installation {
        flink: &flink,
        binary: &binary,
        base: &args.base,
    };
    installation.fill(&args.root)?;
    output::line(&args.root.display().to_string());
    Ok(ProcessExit::SUCCESS)
}
