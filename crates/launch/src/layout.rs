//! Where things are in a launch's sandbox.

use std::path::{Path, PathBuf};

/// The directory of the sandbox that Flink's files travel to.
pub const FLINK_DIRECTORY: &str = "flink";

/// The places of one launch, all below its sandbox, the one directory that it writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxLayout {
    /// The sandbox itself; the JVM's working directory.
    pub root: PathBuf,
    /// The Flink distribution that a manifest's artifacts make up.
    pub flink: PathBuf,
    /// The rendered configuration, `FLINK_CONF_DIR`.
    pub conf: PathBuf,
    /// Flink's log files, unless `env.log.dir` says otherwise.
    pub log: PathBuf,
    /// Flink's temporary files, unless `io.tmp.dirs` says otherwise.
    pub tmp: PathBuf,
    /// The exit report.
    pub exit_report: PathBuf,
}

impl SandboxLayout {
    /// The layout of the sandbox at `root`, which must be absolute.
    pub fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            flink: root.join(FLINK_DIRECTORY),
            conf: root.join("conf"),
            log: root.join("log"),
            tmp: root.join("tmp"),
            exit_report: root.join("exit-report.json"),
        }
    }
}
