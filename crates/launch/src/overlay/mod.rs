//! What each configuration overlay adds to a launch: files, properties, environment.
//!
//! One file an overlay, named after the overlay of Flink's Mesos integration whose part it plays
//! (`org.apache.flink.runtime.clusterframework.overlays`). Overlays only describe; they never
//! fetch, serve or copy a file.

mod custom;
mod flink_distribution;
mod hadoop_configuration;
mod hadoop_user;
mod kerberos_configuration;
mod keytab;
mod tls_stores;
mod tree;
mod user_library;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flugs_base::{ExitCode, Failure, PathError, RelativePath};

/// Where overlays look for what they ship.
pub struct OverlaySources<'a> {
    /// The Flink home.
    pub flink_home: &'a Path,
    /// The cluster's configuration, by key.
    pub configuration: &'a dyn Fn(&str) -> Option<String>,
    /// The environment of the cluster's process; an empty variable counts as unset.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The name of the user that the cluster's process runs as.
    pub user: Option<&'a str>,
    /// Files that declare overlays of the user's own, in their order.
    pub declarations: &'a [PathBuf],
}

/// Every overlay that has something to add, in Flink's own order: later ones win.
pub fn overlays(sources: &OverlaySources<'_>) -> Result<Vec<Overlay>, OverlayError> {
    let of_flink = [
        flink_distribution::overlay(sources.flink_home)?,
        user_library::overlay(sources.flink_home)?,
        hadoop_configuration::overlay(sources)?,
        hadoop_user::overlay(sources),
        keytab::overlay(sources)?,
        kerberos_configuration::overlay(sources)?,
        tls_stores::overlay(sources)?,
    ];
    let mut all = Vec::from(of_flink);
    for path in sources.declarations {
        all.push(custom::overlay(path)?);
    }
    all.retain(|overlay| !overlay.is_empty());
    Ok(all)
}

/// What one overlay adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    /// The overlay's name, for messages.
    pub name: &'static str,
    /// Files to ship, in the order of their destinations.
    pub files: Vec<OverlayFile>,
    /// Flink options to set.
    pub properties: BTreeMap<String, String>,
    /// Environment variables to set.
    pub environment: BTreeMap<String, String>,
}

/// One file that an overlay ships.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlayFile {
    /// Where it is now.
    pub source: PathBuf,
    /// Where it goes, below the launch's sandbox.
    pub dest: RelativePath,
    /// Permission bits at its destination.
    pub mode: u32,
    /// Whether it is a secret: kept out of shared caches.
    pub secret: bool,
}

impl Overlay {
    /// Whether it adds nothing.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.properties.is_empty() && self.environment.is_empty()
    }
}

/// A file that an option names: absolute or relative to the working directory, and there.
fn named_file(
    overlay: &'static str,
    key: &str,
    value: &str,
    dest: RelativePath,
) -> Result<OverlayFile, OverlayError> {
    let source = PathBuf::from(value);
    if !source.is_file() {
        return Err(OverlayError::Absent {
            overlay,
            key: key.to_owned(),
            path: source,
        });
    }
    Ok(OverlayFile {
        source,
        dest,
        mode: 0o600,
        secret: true,
    })
}

/// Why an overlay cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// A file or directory could not be read.
    #[error("overlay \"{overlay}\" cannot read {path}")]
    Read {
        /// The overlay.
        overlay: &'static str,
        /// What could not be read.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// An option or variable names something that is not there.
    #[error(
        "{key} names {path}, which is not there (overlay \"{overlay}\"): mend the path, or unset {key}"
    )]
    Absent {
        /// The overlay.
        overlay: &'static str,
        /// The option or variable.
        key: String,
        /// What it names.
        path: PathBuf,
    },
    /// The declaration of an overlay is not readable.
    #[error("the overlay declaration {path} is not usable: {reason}")]
    Declaration {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        reason: String,
    },
    /// A file's name cannot travel.
    #[error("overlay \"{overlay}\" cannot ship {path}")]
    Name {
        /// The overlay.
        overlay: &'static str,
        /// The file.
        path: PathBuf,
        /// Which rule its name breaks.
        source: PathError,
    },
    /// Directories are nested too deeply, most likely by a link that leads back up.
    #[error(
        "overlay \"{overlay}\" gave up at {path}: more than {limit} directories deep, does a link lead back up?"
    )]
    TooDeep {
        /// The overlay.
        overlay: &'static str,
        /// The directory.
        path: PathBuf,
        /// How deep is too deep.
        limit: usize,
    },
}

impl Failure for OverlayError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Read { source, .. } => ExitCode::of_io(source),
            Self::Name { .. } | Self::TooDeep { .. } => ExitCode::InputOutput,
            Self::Absent { .. } | Self::Declaration { .. } => ExitCode::Configuration,
        }
    }
}

#[cfg(test)]
mod sources_for_tests {
    //! Overlay sources with one option and one variable, over a temporary directory.

    use super::{BTreeMap, Overlay, OverlaySources};

    pub(super) struct Sources {
        directory: tempfile::TempDir,
    }

    impl Sources {
        pub(super) fn new() -> Self {
            Self {
                directory: tempfile::tempdir().unwrap(),
            }
        }

        pub(super) fn path(&self, below: &str) -> String {
            self.directory
                .path()
                .join(below)
                .to_str()
                .unwrap()
                .to_owned()
        }

        pub(super) fn write(&self, file: &str) {
            let path = self.directory.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }

        pub(super) fn with<T>(
            &self,
            option: Option<(&str, String)>,
            variable: Option<(&str, String)>,
            act: impl FnOnce(&OverlaySources<'_>) -> T,
        ) -> T {
            let (option, variable): (BTreeMap<_, _>, BTreeMap<_, _>) =
                (option.into_iter().collect(), variable.into_iter().collect());
            act(&OverlaySources {
                flink_home: self.directory.path(),
                configuration: &|key| option.get(key).cloned(),
                environment: &|name| variable.get(name).cloned(),
                user: Some("runner"),
                declarations: &[],
            })
        }
    }

    pub(super) fn shipped(overlay: &Overlay) -> Vec<&str> {
        overlay
            .files
            .iter()
            .map(|file| file.dest.as_str())
            .collect()
    }
}
