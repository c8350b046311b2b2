//! Writes what a resolved launch needs on disk, and turns it into a supervision.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use flugs_flink_conf::{self as conf, ConfError, ConfSource, for_file};
use flugs_supervise::Supervision;

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
    // One that is there already may be another user's.
    access(&layout.conf, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|errno| {
        LaunchError::Sandbox {
            path: layout.conf.clone(),
            source: errno.into(),
        }
    })
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

/// Finds out whether [`render`] and [`write_argument_file`] would succeed, in a directory that is gone
/// afterwards.
pub(super) fn try_render(resolved: &ResolvedLaunch) -> Result<(), LaunchError> {
    let launch = &resolved.settled;
    if let Some(plugins) = &launch.plugins {
        plugins.check()?;
    }
    let parent = &launch.layout.tmp;
    let directory = tempfile::tempdir_in(parent).map_err(|source| LaunchError::Sandbox {
        path: parent.clone(),
        source,
    })?;
    render_configuration(launch, directory.path())?;
    fits(directory.path(), &launch.layout.conf)?;
    match &resolved.argument_file {
        Some(file) => takes_file(&file.path),
        None => Ok(()),
    }
}

/// Whether what was rendered could take the place of what an earlier use has left: a file never takes a
/// directory's place, nor a directory a file's.
fn fits(rendered: &Path, place: &Path) -> Result<(), LaunchError> {
    let entries = fs::read_dir(rendered).into_iter().flatten().flatten();
    for entry in entries {
        let to = place.join(entry.file_name());
        let kind = entry.file_type().ok();
        if kind.is_some_and(|kind| kind.is_file()) {
            takes_file(&to)?;
        } else if kind.is_some_and(|kind| kind.is_dir()) {
            match fs::symlink_metadata(&to) {
                Ok(there) if there.is_dir() => fits(&entry.path(), &to)?,
                Ok(there) if there.is_file() => return Err(unwritable(&to, Errno::EEXIST)),
                _ => {}
            }
        }
    }
    Ok(())
}

fn takes_file(path: &Path) -> Result<(), LaunchError> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => Err(unwritable(path, Errno::EISDIR)),
        _ => Ok(()),
    }
}

fn unwritable(path: &Path, errno: Errno) -> LaunchError {
    ConfError::Write {
        path: path.to_owned(),
        source: errno.into(),
    }
    .into()
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
        conf::Existing::Replaced,
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
