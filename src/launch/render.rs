//! Writes what a resolved launch needs on disk, and turns it into a supervision.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::conf;
use crate::supervise::{StopPolicy, Supervision};

use super::{LaunchError, ResolvedLaunch};

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

/// Writes the configuration directory: the log settings as they were found, and the one
/// configuration file that this Flink version reads.
pub fn render(launch: &ResolvedLaunch) -> Result<(), LaunchError> {
    copy_log_settings(&launch.conf_source, &launch.layout.conf)?;
    if let Some(plugins) = &launch.plugins {
        plugins.make()?;
    }
    let dialect = launch.home.version().configuration_files().rendered();
    conf::write(&launch.configuration, dialect, &launch.layout.conf)?;
    Ok(())
}

/// Everything in the source directory but the configuration file, which is rendered anew.
fn copy_log_settings(from: &Path, to: &Path) -> Result<(), LaunchError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| LaunchError::Sandbox { path, source }
    };
    for entry in fs::read_dir(from).map_err(failed(from))?.flatten() {
        let name = entry.file_name();
        let rendered = [conf::Dialect::Flat, conf::Dialect::Nested]
            .iter()
            .any(|dialect| name == *dialect.file_name());
        if rendered || !entry.path().is_file() {
            continue;
        }
        let target = to.join(&name);
        let bytes = fs::read(entry.path()).map_err(failed(&entry.path()))?;
        conf::write_file(&target, &bytes, 0o644)?;
    }
    Ok(())
}

/// How the launch's process is to be supervised.
pub fn supervision(launch: &ResolvedLaunch, grace: Duration, follow_parent: bool) -> Supervision {
    let command = &launch.command;
    Supervision {
        name: launch.worker_id.to_string(),
        arguments: command.arguments.clone(),
        environment: command
            .environment
            .clone()
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        directory: Some(launch.layout.root.clone()),
        stop: StopPolicy {
            grace,
            ..StopPolicy::default()
        },
        report: Some(launch.layout.exit_report.clone()),
        follow_parent,
        ..Supervision::of(&command.program)
    }
}
