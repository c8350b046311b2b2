//! The `conf` directory of one launch: a writable stand-in for what may be read-only, with the
//! rendered configuration in it. The source is only ever read.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use super::configuration::Configuration;
use super::dialect::Dialect;
use super::error::ConfError;
use super::logging::{ConsoleLayout, LOG4J_CONSOLE, LOGBACK, LOGBACK_CONSOLE, log4j_console};
use super::parsed::{Warning, WarningKind};
use super::render::render;
use super::write::{Existing, write};

/// How deep below the source directories are copied; deeper ones are linked.
const MAXIMUM_DEPTH: usize = 8;
/// The largest file that is copied. What is larger is data, not settings, and is linked.
const LARGEST_COPY: u64 = 8 << 20;

/// The directory that a `conf` directory is made from.
#[derive(Debug, Clone, Copy)]
pub struct ConfSource<'a> {
    /// The directory.
    pub directory: &'a Path,
    /// The release's own `conf`: its log settings hold where `directory` has none.
    pub release: Option<&'a Path>,
    /// How its files get into the new one.
    pub taking: Taking,
}

/// How files get from one `conf` directory into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    /// As copies: what a launch reads stays as it was when the launch began.
    Copies,
    /// As links: what is changed in the source later (log levels, which log4j looks at again)
    /// takes effect, as it does in the official image.
    Links,
}

/// Fills `target` with what a launch reads: every file of the source but its configuration files,
/// the console settings of log4j and logback (the source's own, else the release's, else new
/// ones), and the rendered configuration. Works from a source that is read-only, owned by somebody
/// else, or made of symbolic links as Kubernetes mounts them; without a source, only what flugs
/// itself writes is there.
///
/// What cannot be copied (a dangling link, a socket, a file of somebody else or one that is large)
/// is linked: it is there as far as it is in the source, and only what needs it can miss it.
///
/// `existing` says what becomes of links, devices and mounts that stand in `target` already. A link
/// to what is taken is an earlier preparation's, and is replaced in any case: what is written must not
/// end in the source.
///
/// # Errors
/// What rendering fails with, before anything is written; [`ConfError::Read`] if the source cannot
/// be listed; [`ConfError::Write`] with the path.
pub fn prepare_directory(
    source: Option<ConfSource<'_>>,
    target: &Path,
    configuration: &Configuration,
    dialect: Dialect,
    layout: ConsoleLayout,
    existing: Existing,
) -> Result<(), ConfError> {
    render(configuration, dialect)?;
    create(target)?;
    let filling = Filling {
        taking: source.map_or(Taking::Copies, |source| source.taking),
        existing,
    };
    if let Some(source) = source {
        let entries = fs::read_dir(source.directory).map_err(|error| ConfError::Read {
            path: source.directory.to_owned(),
            source: error,
        })?;
        filling.take(entries, target, MAXIMUM_DEPTH)?;
        filling.remove_own_link(
            &source.directory.join(dialect.file_name()),
            &target.join(dialect.file_name()),
        )?;
    }
    filling.prepare_logging(source, target, layout)?;
    write(configuration, dialect, target, existing)
}

/// How a directory is filled.
#[derive(Debug, Clone, Copy)]
struct Filling {
    taking: Taking,
    existing: Existing,
}

/// What to say of a directory without settings for the console's log, if it has none.
pub fn missing_log_settings(directory: &Path) -> Option<Warning> {
    let found = [LOG4J_CONSOLE, LOGBACK_CONSOLE]
        .iter()
        .any(|name| is_readable(&directory.join(name)));
    (!found).then(|| Warning {
        source: directory.display().to_string(),
        line: None,
        kind: WarningKind::NoLogSettings {
            expected: LOG4J_CONSOLE,
        },
    })
}

impl Filling {
    fn prepare_logging(
        self,
        source: Option<ConfSource<'_>>,
        target: &Path,
        layout: ConsoleLayout,
    ) -> Result<(), ConfError> {
        let log4j = target.join(LOG4J_CONSOLE);
        let own = source.map(|source| source.directory.join(LOG4J_CONSOLE));
        let existing = own.as_deref().and_then(read_settings);
        match &own {
            Some(own)
                if self.taking == Taking::Links
                    && existing.is_some()
                    && layout == ConsoleLayout::AsConfigured =>
            {
                self.link(own, &log4j)?;
            }
            _ => {
                let of_release = || read_settings(&source?.release?.join(LOG4J_CONSOLE));
                let existing = existing
                    .or_else(of_release)
                    .or_else(|| read_settings(&log4j));
                let text = log4j_console(existing.as_deref(), layout);
                if let Some(own) = &own {
                    self.remove_own_link(own, &log4j)?;
                }
                self.existing.put(&log4j, text.as_bytes(), 0o644)?;
            }
        }
        let logback = target.join(LOGBACK_CONSOLE);
        if !is_readable(&logback) {
            self.existing.put(&logback, LOGBACK.as_bytes(), 0o644)?;
        }
        Ok(())
    }

    /// Takes the files of a directory and of those below it. What starts with `..` belongs to a
    /// Kubernetes mount, not to Flink; the configuration files are rendered anew.
    fn take(self, entries: fs::ReadDir, target: &Path, depth: usize) -> Result<(), ConfError> {
        for entry in entries.flatten() {
            let (name, from) = (entry.file_name(), entry.path());
            let rendered = [
                Dialect::Flat.file_name(),
                Dialect::Nested.file_name(),
                LOG4J_CONSOLE,
            ];
            let is_rendered = depth == MAXIMUM_DEPTH && rendered.iter().any(|one| name == *one);
            if is_rendered || name.as_encoded_bytes().starts_with(b"..") {
                continue;
            }
            let to = target.join(&name);
            if self.taking == Taking::Links {
                self.link(&from, &to)?;
            } else if let Some(entries) = (depth > 0).then(|| listing(&from)).flatten() {
                self.remove_own_link(&from, &to)?;
                create(&to)?;
                self.take(entries, &to, depth - 1)?;
            } else if let Some((bytes, mode)) = settings(&from) {
                self.remove_own_link(&from, &to)?;
                self.existing.put(&to, &bytes, mode | 0o600)?;
            } else {
                self.link(&from, &to)?;
            }
        }
        Ok(())
    }

    /// Puts a link to `from` at `to`.
    fn link(self, from: &Path, to: &Path) -> Result<(), ConfError> {
        let failed = |source| ConfError::Write {
            path: to.to_owned(),
            source,
        };
        let from = std::path::absolute(from).map_err(failed)?;
        if fs::read_link(to).is_ok_and(|target| target == from) {
            return Ok(());
        }
        match fs::symlink_metadata(to) {
            // A link cannot be written into what is there.
            Ok(there)
                if self.existing == Existing::WrittenTo
                    && !there.is_file()
                    && !there.is_symlink() =>
            {
                return Err(failed(io::ErrorKind::AlreadyExists.into()));
            }
            Ok(there) if there.is_dir() => fs::remove_dir_all(to).map_err(failed)?,
            Ok(_) => fs::remove_file(to).map_err(failed)?,
            Err(_) => {}
        }
        symlink(from, to).map_err(failed)
    }

    /// Takes a link away that must not be written through: any, in a launch's own directory; in
    /// one that somebody named, one that leads to what is taken.
    fn remove_own_link(self, from: &Path, to: &Path) -> Result<(), ConfError> {
        if fs::read_link(to).is_err() {
            return Ok(());
        }
        let leads_back = || match (from.canonicalize(), to.canonicalize()) {
            (Ok(from), Ok(to)) => from == to,
            _ => false,
        };
        if self.existing == Existing::WrittenTo && !leads_back() {
            return Ok(());
        }
        fs::remove_file(to).map_err(|source| ConfError::Write {
            path: to.to_owned(),
            source,
        })
    }
}

/// The entries of a directory that can be listed.
fn listing(path: &Path) -> Option<fs::ReadDir> {
    fs::metadata(path).ok().filter(fs::Metadata::is_dir)?;
    fs::read_dir(path).ok()
}

/// The bytes and the mode of a file that can be copied.
fn settings(path: &Path) -> Option<(Vec<u8>, u32)> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > LARGEST_COPY {
        return None;
    }
    Some((fs::read(path).ok()?, metadata.permissions().mode() & 0o777))
}

/// A file with log settings, if it can be read.
fn read_settings(path: &Path) -> Option<String> {
    let (bytes, _) = settings(path)?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_readable(path: &Path) -> bool {
    // Asked first: opening a pipe would wait for its writer.
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) && fs::File::open(path).is_ok()
}

fn create(directory: &Path) -> Result<(), ConfError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)
        .map_err(|source| ConfError::Write {
            path: directory.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests;
