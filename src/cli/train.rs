//! `flugs artifact train`: class-data archives for a Flink home.

use std::path::{Path, PathBuf};
use std::process::ExitCode as ProcessExit;
use std::time::Duration;

use crate::appmaster::Training;
use flugs_flink::{JavaRuntime, class_data_directories};
use flugs_launch::{LaunchError, RuntimeAnswers};

use super::{Ending, flink_home, number, output};

/// Train the JVM on a Flink home: start a JobManager and a TaskManager, and keep the classes that
/// they loaded in archives that later starts map instead of loading them.
///
/// An archive is good for one JVM and one class path; its name is a digest of both. A launch uses
/// the one that fits (`flugs launch --check` says which), and none if none does. Where nothing has
/// changed, nothing is done.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs artifact train --flink-home /opt/flink
  flugs artifact train --flink-home /opt/flink --output /opt/flink/class-data
  flugs artifact train --flink-home /opt/flink --travelling

With FLUGS_TRAIN=no in the environment nothing is done: a build argument for Dockerfiles.")]
pub(super) struct Args {
    #[command(flatten)]
    flink: flink_home::Args,
    /// Where the archives go [default: flugs/class-data in the user's cache directory; launches
    /// look there and in class-data of the home].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Seconds within which the TaskManager must have found the JobManager.
    #[arg(long, value_name = "SECONDS", default_value = "180", value_parser = number::some_seconds)]
    timeout: Duration,
    /// Make an archive for workers that Flink travels to as well (Mesos without an image). The
    /// application master sends it along; agents with the same Java use it.
    #[arg(long)]
    travelling: bool,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    if std::env::var("FLUGS_TRAIN").is_ok_and(|value| value == "no") {
        output::note("flugs: not training: FLUGS_TRAIN is no");
        return Ok(ProcessExit::SUCCESS);
    }
    let flink_home = super::absolute(&args.flink.resolve()?)?;
    let java_home = std::env::var_os("JAVA_HOME");
    let path = std::env::var_os("PATH");
    let answers = RuntimeAnswers::of(&|name| std::env::var(name).ok());
    let ask = |launcher: &Path| answers.properties(launcher);
    let java = JavaRuntime::find(None, java_home.as_deref(), path.as_deref(), &ask);
    let variable = |name: &str| {
        let value = std::env::var(name).ok();
        value.filter(|value| !value.is_empty() && value != "off")
    };
    let usual = class_data_directories(&flink_home, &variable).unwrap_or_default();
    let chosen = args.output.clone().or_else(|| usual.last().cloned());
    let directory = chosen.unwrap_or_else(|| flink_home.join("class-data"));
    let training = Training {
        output: super::absolute(&directory)?,
        flink_home,
        timeout: args.timeout,
        program: super::own_program()?,
        java: java.map_err(LaunchError::from)?,
        travelling: args.travelling,
    };
    let trained = super::runtime()?.block_on(training.run())?;
    if let Some(base) = &trained.base {
        output::note(&format!(
            "flugs: this Java had no archive of its own classes, on which all others are built: made {}",
            base.display()
        ));
    }
    for archive in trained.archives {
        let there = if archive.was_there {
            ", there already"
        } else {
            ""
        };
        output::line(&format!(
            "{}  {} bytes{there}",
            archive.path.display(),
            archive.bytes
        ));
    }
    Ok(ProcessExit::SUCCESS)
}
