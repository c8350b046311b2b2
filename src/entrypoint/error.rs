//! Why an entry point's words cannot be followed.

use std::ffi::OsString;
use std::path::PathBuf;

use flugs_base::{ExitCode, Failure};
use flugs_model::PropertyError;

/// Why an entry point's words cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum EntrypointError {
    /// A word is not text.
    #[error("the argument {} is not UTF-8", .word.display())]
    NotUtf8 {
        /// The word.
        word: OsString,
    },
    /// `-D` without anything behind it.
    #[error("-D is the last word: expected -Dkey=value or -D key=value")]
    NoProperty,
    /// A property is malformed.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// A word that the script never took.
    #[error("{script} takes no \"{word}\": expected -Dkey=value, any number of times")]
    Unexpected {
        /// The script.
        script: &'static str,
        /// The word.
        word: String,
    },
    /// A job as a file that only Flink's own Mesos entry point read.
    #[error(
        "{key} names a serialised job graph, which no Flink reads outside of its own Mesos and YARN entry points: put the job's jar into usrlib or lib of the Flink home; if its manifest names no class, start `flugs appmaster --job -- --job-classname CLASS`"
    )]
    JobGraph {
        /// The option.
        key: String,
    },
    /// No directory can be written to.
    #[error(
        "no directory can be written to ({}): mount a tmpfs on one of them, or name another with FLUGS_RUN_DIR", list(.tried)
    )]
    NoRunDirectory {
        /// What was tried.
        tried: Vec<PathBuf>,
    },
}

impl Failure for EntrypointError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NotUtf8 { .. } | Self::Unexpected { .. } | Self::JobGraph { .. } => {
                ExitCode::Usage
            }
            Self::NoProperty | Self::Property(_) => ExitCode::MalformedProperty,
            Self::NoRunDirectory { .. } => ExitCode::NotWritable,
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}
