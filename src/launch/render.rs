//! Writes what a resolved launch needs on disk, and turns it into a supervision.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::conf::{self, ConfSource};
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
    let dialect = launch.home.version().configuration_files().rendered();
    let release = launch.home.conf();
    let source = Some(ConfSource {
        directory: &launch.conf_source,
        release: Some(&release),
        taking: launch.conf_taking,
    });
    let target = &launch.layout.conf;
    conf::prepare_directory(
        source,
        target,
        &launch.configuration,
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
