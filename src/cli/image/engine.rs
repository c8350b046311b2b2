//! `flugs image build --engine ROLE`: the Dockerfiles' way, with a Docker engine.

use std::process::ExitCode as ProcessExit;

use super::build::Args;
use crate::cli::{Ending, output, own_program, runtime, variable};
use crate::image::{EngineBuild, ImageError, ImageRole};

/// Which of the Dockerfiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum EngineRole {
    /// Dockerfile.appmaster.
    Appmaster,
    /// Dockerfile.worker.
    Worker,
}

pub(super) fn run(args: &Args, role: EngineRole) -> Result<ProcessExit, Ending> {
    let build = engine_build(args, role)?;
    let epoch = super::epoch()?;
    let progress = output::Progress::new("sending the build context");
    let ended = runtime()?.block_on(build.run(epoch, &mut |step| progress.update(step)));
    progress.finish();
    ended?;
    output::line(&build.name);
    Ok(ProcessExit::SUCCESS)
}

fn engine_build(args: &Args, role: EngineRole) -> Result<EngineBuild, Ending> {
    let role = match role {
        EngineRole::Appmaster => ImageRole::Appmaster,
        EngineRole::Worker => ImageRole::Worker,
    };
    let flink = args.flink_home.clone().or_else(|| variable("FLINK_HOME"));
    let flink = flink.ok_or_else(|| ImageError::Needed {
        what: "a Flink home".to_owned(),
        hint: "name one, or a release tarball, with --flink-home or FLINK_HOME".to_owned(),
    })?;
    let base = args.bases.first().map(|base| {
        let name = base.value.strip_prefix("docker:");
        name.unwrap_or(&base.value).to_owned()
    });
    let binary = match args.binaries.first() {
        Some(binary) => binary.value.clone().into(),
        None => own_program()?,
    };
    let name = args.name.as_ref().map(ToString::to_string);
    Ok(EngineBuild {
        role,
        base,
        flink,
        binary,
        name: name.unwrap_or_else(|| format!("flugs-{}", role.as_str())),
        train: !args.no_training,
    })
}
