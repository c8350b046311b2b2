//! Putting configuration on disk: whole or not at all, and secrets for their owner's eyes only.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::configuration::Configuration;
use super::dialect::Dialect;
use super::error::ConfError;
use super::render::render;
use super::sensitive::is_sensitive;
use flugs_base::destination::{self, is_shut};

/// The mode of a file that holds a secret.
const PRIVATE: u32 = 0o600;
/// The mode of a file that holds none.
const PUBLIC: u32 = 0o644;

/// What becomes of links, devices, pipes and mounts that stand where a file is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They are replaced: the directory is the launch's own.
    Replaced,
    /// They are written to: somebody has named the directory.
    WrittenTo,
}

impl Existing {
    /// Puts a file at `path`, with this mode.
    ///
    /// # Errors
    /// [`ConfError::Write`] with the path.
    pub(super) fn put(self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), ConfError> {
        match self {
            Self::Replaced => write_file(path, bytes, mode),
            Self::WrittenTo => {
                destination::write(path, bytes, mode).map_err(|source| ConfError::Write {
                    path: path.to_owned(),
                    source,
                })
            }
        }
    }
}

/// Renders a configuration into `directory`, under the name that Flink looks for. Nothing is
/// touched unless rendering succeeded. What replaces a file is renamed into its place. Its mode is
/// 0600 if any key is sensitive, else 0644.
///
/// # Errors
/// What [`render`] fails with, or [`ConfError::Write`].
pub fn write(
    configuration: &Configuration,
    dialect: Dialect,
    directory: &Path,
    existing: Existing,
) -> Result<(), ConfError> {
    let text = render(configuration, dialect)?;
    let secret = configuration.iter().any(|(key, _)| is_sensitive(key));
    let mode = if secret { PRIVATE } else { PUBLIC };
    let path = directory.join(dialect.file_name());
    existing.put(&path, text.as_bytes(), mode)
}

/// Writes one file atomically, with this mode.
///
/// # Errors
/// [`ConfError::Write`] with the path.
pub fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), ConfError> {
    replace(path, bytes, mode).map_err(|source| ConfError::Write {
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".flugs-")
        .permissions(std::fs::Permissions::from_mode(PRIVATE))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    // Set explicitly: the mode asked for at creation went through the umask.
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(mode))?;
    // Not synced: a launch renders anew each time, and would wait for the disk once a file. The
    // rename alone keeps readers from ever seeing a part.
    match file.persist(path) {
        Ok(_) => Ok(()),
        // A mount's place, as for one file of a container, cannot be replaced.
        Err(failed) if is_shut(&failed.error) && path.is_file() => std::fs::write(path, bytes),
        Err(failed) => Err(failed.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::{Layer, Origin};

    fn mode_of(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn put(
        configuration: &Configuration,
        dialect: Dialect,
        directory: &Path,
    ) -> Result<(), ConfError> {
        write(configuration, dialect, directory, Existing::Replaced)
    }

    #[test]
    fn a_file_with_a_secret_is_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let mut configuration = Configuration::new();
        configuration.set("a", "1", Origin::of(Layer::Manifest));
        put(&configuration, Dialect::Nested, directory.path()).unwrap();
        let path = directory.path().join("config.yaml");
        assert_eq!(mode_of(&path), 0o644);
        configuration.set("s3.secret-key", "x", Origin::of(Layer::Manifest));
        put(&configuration, Dialect::Nested, directory.path()).unwrap();
        assert_eq!(mode_of(&path), 0o600);
        let names = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(names, 1, "no temporary file is left behind");
    }

    #[test]
    fn a_configuration_that_cannot_be_rendered_leaves_the_old_file_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flink-conf.yaml");
        std::fs::write(&path, "a: 1\n").unwrap();
        let mut configuration = Configuration::new();
        configuration.set("a", "one\ntwo", Origin::of(Layer::Manifest));
        put(&configuration, Dialect::Flat, directory.path()).unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a: 1\n");
    }

    #[test]
    fn a_directory_that_does_not_exist_is_named_in_the_error() {
        let error = write_file(Path::new("/nowhere/at/all"), b"", PUBLIC).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"));
    }
}
