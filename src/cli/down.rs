//! `flugs down`: stops a cluster.

use std::path::PathBuf;
use std::process::ExitCode as ProcessExit;
use std::time::Duration;

use crate::appmaster::{TornDown, tear_down};
use crate::spec::ExitCode;

use super::left::LeftOnMesos;
use super::{Ending, number, output};

/// Stop the cluster in a directory; its logs stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs down
  flugs down --dir /var/lib/flugs/orders --patience 60

Stopping a cluster that is stopped already is no error. Workers on Mesos are ended by their
application master: where that is gone and they may run on, the exit code is 121.")]
pub(super) struct Args {
    /// The cluster's directory.
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DIRECTORY)]
    dir: PathBuf,
    /// Seconds after which whatever still runs is killed.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = number::seconds)]
    patience: Duration,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let directory = super::absolute(&args.dir)?;
    let state = super::load_cluster(&directory)?;
    let done = super::runtime()?.block_on(tear_down(&directory, state, args.patience))?;
    // The scheduler forgets a framework only when the master has confirmed its end.
    let state = super::load_cluster(&directory)?;
    if let Some(left) = LeftOnMesos::by(&state, &directory)? {
        return Err(Ending {
            code: ExitCode::FrameworkLeft,
            message: left.text(&args.dir),
        });
    }
    output::note(match done {
        TornDown::Stopped => "flugs: stopped",
        TornDown::AlreadyStopped => "flugs: it was stopped already",
        TornDown::CleanedUp => "flugs: its process was gone; nothing of the cluster runs any more",
    });
    Ok(ProcessExit::SUCCESS)
}
