//! A Flink home: the directory of one unpacked distribution, and what lies where in it.
//!
//! Opening one reads directory listings only. It is never written to: launches render their
//! configuration elsewhere.

use std::path::{Path, PathBuf};

use super::class_path::{DIST_PREFIX, jars_below};
use super::version::{FlinkVersion, FlinkVersionError};
use flugs_base::{ExitCode, Failure};

/// An unpacked Flink distribution that has what a launch needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlinkHome {
    root: PathBuf,
    version: FlinkVersion,
    dist_jar: PathBuf,
    jars: Vec<PathBuf>,
}

/// Why a directory is not a usable Flink home.
#[derive(Debug, thiserror::Error)]
pub enum FlinkHomeError {
    /// There is no such directory.
    #[error(
        "there is no Flink home at {path}: set FLINK_HOME (or the manifest's flinkHome) to the \
         directory of an unpacked Flink distribution"
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The directory lacks files that every launch needs.
    #[error(
        "the Flink home {path} is incomplete: it lacks {}; unpack the distribution again",
        missing.join(", ")
    )]
    Incomplete {
        /// The directory.
        path: PathBuf,
        /// What is missing, relative to it.
        missing: Vec<String>,
    },
    /// More than one `flink-dist` jar lies in `lib`.
    #[error(
        "the Flink home {path} holds several distributions: {}; leave only one in lib",
        found.join(", ")
    )]
    SeveralDistributions {
        /// The directory.
        path: PathBuf,
        /// The jars.
        found: Vec<String>,
    },
    /// The version cannot be read from the `flink-dist` jar's name, or is not supported.
    #[error("the Flink home {path} has a {jar} of no usable version")]
    UnknownVersion {
        /// The directory.
        path: PathBuf,
        /// The jar's name.
        jar: String,
        /// Why not.
        source: Box<FlinkVersionError>,
    },
    /// A directory cannot be listed.
    #[error("cannot list {path}")]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Failure for FlinkHomeError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Missing { .. } => ExitCode::FlinkHomeMissing,
            Self::Incomplete { .. } | Self::SeveralDistributions { .. } => {
                ExitCode::FlinkHomeIncomplete
            }
            Self::UnknownVersion { .. } => ExitCode::FlinkVersion,
            Self::Unreadable { source, .. } => ExitCode::of_io(source),
        }
    }
}

/// What every launch needs beside the distribution's jar.
const REQUIRED: [&str; 1] = ["conf"];

impl FlinkHome {
    /// Opens the home at `root` and reads its version from the name of its `flink-dist` jar.
    ///
    /// # Errors
    /// [`FlinkHomeError`], which lists everything that is missing at once.
    pub fn open(root: &Path) -> Result<Self, FlinkHomeError> {
        if !root.is_dir() {
            return Err(FlinkHomeError::Missing {
                path: root.to_owned(),
            });
        }
        let mut missing: Vec<String> = REQUIRED
            .iter()
            .filter(|name| !root.join(name).exists())
            .map(|&name| name.to_owned())
            .collect();
        let lib = root.join("lib");
        let (distributions, jars) = if lib.is_dir() {
            distributions_and_jars(&lib)?
        } else {
            missing.insert(0, "lib".to_owned());
            (Vec::new(), Vec::new())
        };
        if distributions.is_empty() {
            missing.insert(usize::from(!lib.is_dir()), "lib/flink-dist*.jar".to_owned());
        }
        let (Some(dist_jar), true) = (distributions.first(), missing.is_empty()) else {
            return Err(FlinkHomeError::Incomplete {
                path: root.to_owned(),
                missing,
            });
        };
        if distributions.len() > 1 {
            return Err(FlinkHomeError::SeveralDistributions {
                path: root.to_owned(),
                found: distributions.iter().map(|jar| file_name(jar)).collect(),
            });
        }
        Ok(Self {
            root: root.to_owned(),
            version: version_of(root, dist_jar)?,
            dist_jar: dist_jar.clone(),
            jars,
        })
    }

    /// The home itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The version of the distribution.
    pub const fn version(&self) -> &FlinkVersion {
        &self.version
    }

    /// The jar that holds Flink's runtime.
    pub fn dist_jar(&self) -> &Path {
        &self.dist_jar
    }

    /// The other jars below `lib`, in the order of the class path.
    pub fn jars(&self) -> &[PathBuf] {
        &self.jars
    }

    /// The shipped scripts.
    pub fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// The shipped configuration.
    pub fn conf(&self) -> PathBuf {
        self.root.join("conf")
    }

    /// The jars of every process.
    pub fn lib(&self) -> PathBuf {
        self.root.join("lib")
    }

    /// Optional jars.
    pub fn opt(&self) -> PathBuf {
        self.root.join("opt")
    }

    /// Plugins, each in a directory with a class loader of its own.
    pub fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    /// Where logs go unless `env.log.dir` or `FLINK_LOG_DIR` says otherwise.
    pub fn default_log_directory(&self) -> PathBuf {
        self.root.join("log")
    }
}

fn distributions_and_jars(lib: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), FlinkHomeError> {
    let jars =
        jars_below(lib).map_err(|(path, source)| FlinkHomeError::Unreadable { path, source })?;
    Ok(jars
        .into_iter()
        .partition(|jar| file_name(jar).starts_with(DIST_PREFIX)))
}

fn version_of(root: &Path, dist_jar: &Path) -> Result<FlinkVersion, FlinkHomeError> {
    let jar = file_name(dist_jar);
    let after_prefix = jar.strip_prefix(DIST_PREFIX).unwrap_or(&jar);
    let stem = after_prefix.strip_suffix(".jar").unwrap_or(after_prefix);
    // Older jars carry the Scala version: flink-dist_2.12-1.13.6.jar.
    let version = stem
        .split_once('-')
        .map_or(stem, |(_scala, version)| version);
    version
        .parse::<FlinkVersion>()
        .and_then(FlinkVersion::supported)
        .map_err(|source| FlinkHomeError::UnknownVersion {
            path: root.to_owned(),
            jar,
            source: Box::new(source),
        })
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_with(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        directory
    }

    const LOG4J: &str = "conf/log4j-console.properties";

    #[test]
    fn the_version_comes_from_the_distribution_jar_with_or_without_a_scala_version() {
        for (jar, version) in [
            ("lib/flink-dist-1.20.5.jar", "1.20.5"),
            ("lib/flink-dist_2.12-1.13.6.jar", "1.13.6"),
            ("lib/flink-dist-2.0.0-rc1.jar", "2.0.0-rc1"),
        ] {
            let directory = home_with(&[jar, LOG4J]);
            let home = FlinkHome::open(directory.path()).unwrap();
            assert_eq!(home.version().to_string(), version);
            assert_eq!(home.dist_jar(), directory.path().join(jar));
        }
    }

    #[test]
    fn a_missing_home_and_an_incomplete_one_are_told_apart() {
        let error = FlinkHome::open(Path::new("/nonexistent/flink")).unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::FlinkHomeMissing);
        let directory = home_with(&["README"]);
        let error = FlinkHome::open(directory.path()).unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::FlinkHomeIncomplete);
        for part in ["lib,", "flink-dist", "conf;"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn two_distributions_and_unreadable_versions_are_refused() {
        let two = [
            "lib/flink-dist-1.20.5.jar",
            "lib/x/flink-dist-2.3.0.jar",
            LOG4J,
        ];
        let error = FlinkHome::open(home_with(&two).path()).unwrap_err();
        assert!(matches!(error, FlinkHomeError::SeveralDistributions { .. }));
        for jar in ["lib/flink-dist-local.jar", "lib/flink-dist-1.9.3.jar"] {
            let error = FlinkHome::open(home_with(&[jar, LOG4J]).path()).unwrap_err();
            assert_eq!(error.exit_code(), ExitCode::FlinkVersion);
        }
    }
}
