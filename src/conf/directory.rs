//! The `conf` directory of one launch: a writable copy of what may be read-only, with the
//! rendered configuration in it. The source is only ever read.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use super::configuration::Configuration;
use super::dialect::Dialect;
use super::error::ConfError;
use super::logging::{ConsoleLayout, LOG4J_CONSOLE, LOGBACK, LOGBACK_CONSOLE, log4j_console};
use super::render::render;
use super::write::{write, write_file};

/// How deep below the source directories are copied.
const MAXIMUM_DEPTH: usize = 8;
/// The largest file that is copied: a `conf` directory holds settings, not data.
const LARGEST_FILE: u64 = 64 << 20;

/// Fills `target` with what a launch reads: every file of `source` but its configuration files,
/// the console settings of log4j and logback (its own, or new ones), and the rendered
/// configuration. Works from a source that is read-only, owned by somebody else, or made of
/// symbolic links as Kubernetes mounts them; without a source, only what flugs itself writes is
/// there.
///
/// # Errors
/// What rendering fails with, before anything is written; [`ConfError::Read`] and
/// [`ConfError::Write`] with the path. A file that cannot be read is an error, never left out.
pub fn prepare_directory(
    source: Option<&Path>,
    target: &Path,
    configuration: &Configuration,
    dialect: Dialect,
    layout: ConsoleLayout,
) -> Result<(), ConfError> {
    render(configuration, dialect)?;
    create(target)?;
    if let Some(source) = source {
        copy(source, target, MAXIMUM_DEPTH)?;
    }
    let log4j = target.join(LOG4J_CONSOLE);
    let existing = match source {
        Some(source) => read_optional(&source.join(LOG4J_CONSOLE))?,
        None => None,
    };
    let existing = match existing {
        Some(text) => Some(text),
        None => read_optional(&log4j)?,
    };
    let text = log4j_console(existing.as_deref(), layout);
    write_file(&log4j, text.as_bytes(), 0o644)?;
    if !target.join(LOGBACK_CONSOLE).exists() {
        write_file(&target.join(LOGBACK_CONSOLE), LOGBACK.as_bytes(), 0o644)?;
    }
    write(configuration, dialect, target)
}

/// Copies the files of a directory and of those below it. What starts with `..` belongs to a
/// Kubernetes mount, not to Flink; the configuration files are rendered anew.
fn copy(source: &Path, target: &Path, depth: usize) -> Result<(), ConfError> {
    let read = |path: &Path, source: io::Error| ConfError::Read {
        path: path.to_owned(),
        source,
    };
    for entry in fs::read_dir(source).map_err(|error| read(source, error))? {
        let entry = entry.map_err(|error| read(source, error))?;
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
        let metadata = fs::metadata(&from).map_err(|error| read(&from, error))?;
        if metadata.is_dir() && depth > 0 {
            create(&to)?;
            copy(&from, &to, depth - 1)?;
        } else if metadata.is_file() {
            if metadata.len() > LARGEST_FILE {
                let error = io::Error::from(io::ErrorKind::FileTooLarge);
                return Err(read(&from, error));
            }
            let bytes = fs::read(&from).map_err(|error| read(&from, error))?;
            let mode = metadata.permissions().mode() & 0o777 | 0o600;
            write_file(&to, &bytes, mode)?;
        }
    }
    Ok(())
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

fn read_optional(path: &Path) -> Result<Option<String>, ConfError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::conf::configuration::{Layer, Origin};

    fn configuration(key: &str) -> Configuration {
        let mut configuration = Configuration::new();
        configuration.set(key, "1", Origin::of(Layer::Manifest));
        configuration
    }

    fn prepare(source: Option<&Path>, target: &Path) -> Result<(), ConfError> {
        let layout = ConsoleLayout::AsConfigured;
        prepare_directory(source, target, &configuration("a"), Dialect::Nested, layout)
    }

    #[test]
    fn a_read_only_conf_is_copied_and_its_settings_take_effect() {
        let home = tempfile::tempdir().unwrap();
        let (source, target) = (home.path().join("conf"), home.path().join("run/conf"));
        fs::create_dir(&source).unwrap();
        for (name, text) in [("config.yaml", "old: 1\n"), ("flink-conf.yaml", "old: 1\n")] {
            fs::write(source.join(name), text).unwrap();
        }
        fs::write(source.join("log4j-console.properties"), "mine = 1\n").unwrap();
        for name in ["config.yaml", "log4j-console.properties"] {
            fs::set_permissions(source.join(name), fs::Permissions::from_mode(0o444)).unwrap();
        }
        fs::set_permissions(&source, fs::Permissions::from_mode(0o555)).unwrap();
        prepare(Some(&source), &target).unwrap();
        let read = |directory: &Path, name: &str| fs::read_to_string(directory.join(name)).unwrap();
        assert_eq!(read(&target, "config.yaml"), "a: 1\n");
        assert!(!target.join("flink-conf.yaml").exists());
        assert_eq!(read(&target, "log4j-console.properties"), "mine = 1\n");
        assert!(target.join("logback-console.xml").exists());
        assert_eq!(read(&source, "config.yaml"), "old: 1\n");
        fs::set_permissions(&source, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_kubernetes_mount_of_symbolic_links_is_copied_as_files() {
        let home = tempfile::tempdir().unwrap();
        let source = home.path();
        fs::create_dir(source.join("..2026")).unwrap();
        fs::write(source.join("..2026/zoo.cfg"), "x").unwrap();
        symlink("..2026", source.join("..data")).unwrap();
        symlink("..data/zoo.cfg", source.join("zoo.cfg")).unwrap();
        let target = tempfile::tempdir().unwrap();
        prepare(Some(source), target.path()).unwrap();
        let copied = fs::symlink_metadata(target.path().join("zoo.cfg")).unwrap();
        assert!(copied.is_file());
        assert!(!target.path().join("..2026").exists());
    }

    #[test]
    fn a_second_preparation_in_the_same_place_gives_the_same() {
        let target = tempfile::tempdir().unwrap();
        prepare(None, target.path()).unwrap();
        prepare(None, target.path()).unwrap();
        let mut names: Vec<String> = fs::read_dir(target.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "config.yaml",
                "log4j-console.properties",
                "logback-console.xml"
            ]
        );
    }

    #[test]
    fn what_cannot_be_rendered_touches_nothing() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("conf");
        let layout = ConsoleLayout::AsConfigured;
        let unrepresentable = configuration("a#b");
        let result = prepare_directory(None, &target, &unrepresentable, Dialect::Flat, layout);
        assert!(matches!(result, Err(ConfError::NotRepresentable { .. })));
        assert!(!target.exists());
    }

    #[test]
    fn a_dangling_link_in_the_source_is_an_error_and_not_left_out() {
        let source = tempfile::tempdir().unwrap();
        symlink("nowhere", source.path().join("krb5.conf")).unwrap();
        let target = tempfile::tempdir().unwrap();
        let error = prepare(Some(source.path()), target.path()).unwrap_err();
        assert!(error.to_string().contains("krb5.conf"));
    }
}
