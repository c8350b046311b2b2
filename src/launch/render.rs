//! Writes what a resolved launch needs on disk, and turns it into a supervision.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::conf::{self, ConfSource, for_file};
use crate::supervise::Supervision;

use super::{LaunchError, ResolvedLaunch, SettledLaunch};

/// Makes the sandbox's directories.
pub fn make_directories(sandbox: &Path) -> Result<(), LaunchError> {
    let layout = super::SandboxLayout::of(sandbox);
    for directory in [&layout.root, &layout.conf, &layout.log, &layout.tmp] {
        fs::create_dir_all(directory).map_err(|source| LaunchError::Sandbox {
            path: directory.clone(),
            source,
        })?;
    }
    Ok(())
}

/// Writes the configuration directory (what is found in the source, console logging, and the one
/// configuration file that this Flink version reads) and the plugins that are asked for.
pub fn render(launch: &SettledLaunch) -> Result<(), LaunchError> {
    if let Some(plugins) = &launch.plugins {
        plugins.make()?;
    }
    render_configuration(launch, &launch.layout.conf)
}

/// Writes the file with the command's arguments, if there is one: for its owner's eyes only.
pub(super) fn write_argument_file(launch: &ResolvedLaunch) -> Result<(), LaunchError> {
    if let Some(file) = &launch.argument_file {
        conf::write_file(&file.path, file.text.as_bytes(), 0o600)?;
    }
    Ok(())
}

/// Finds out whether [`render`] would succeed, in a directory that is gone afterwards.
pub(super) fn try_render(launch: &SettledLaunch) -> Result<(), LaunchError> {
    let parent = &launch.layout.tmp;
    let directory = tempfile::tempdir_in(parent).map_err(|source| LaunchError::Sandbox {
        path: parent.clone(),
        source,
    })?;
    render_configuration(launch, directory.path())
}

fn render_configuration(launch: &SettledLaunch, target: &Path) -> Result<(), LaunchError> {
    let dialect = launch.dialect();
    let release = launch.home.conf();
    let source = ConfSource {
        directory: &launch.conf_source,
        release: Some(&release),
        taking: launch.conf_taking,
    };
    conf::prepare_directory(
        Some(source),
        target,
        &for_file(&launch.configuration, dialect),
        dialect,
        launch.log_layout,
    )?;
    Ok(())
}

/// Fills in what is to be supervised; `terms` says how.
pub fn supervision(launch: &ResolvedLaunch, terms: Supervision) -> Supervision {
    let command = &launch.command;
    Supervision {
        name: launch.worker_id.to_string(),
        arguments: command.arguments.clone(),
        environment: command
            .environment
            .clone()
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        directory: Some(
            launch
                .directory
                .clone()
                .unwrap_or_else(|| launch.settled.layout.root.clone()),
        ),
        program_log: Some(command.log_files.log()),
        report: Some(launch.settled.layout.exit_report.clone()),
        program: command.program.clone(),
        ..terms
    }
}
