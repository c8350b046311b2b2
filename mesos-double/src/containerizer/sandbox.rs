//! A task's directory on the agent: made before the task, left behind after it.

use super::environment::user_of;
use crate::executor::Launch;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

/// A sandbox with its `stdout` and `stderr`.
pub(crate) struct Sandbox {
    pub(crate) path: PathBuf,
}

impl Sandbox {
    /// Makes the directory, mode 0750, as the task's user's.
    pub(crate) fn make(launch: &Launch) -> io::Result<Self> {
        let path = launch.sandbox();
        if let Some(runs) = path.parent() {
            fs::create_dir_all(runs)?;
            let latest = runs.join("latest");
            let _ = fs::remove_file(&latest);
            symlink(&path, latest)?;
        }
        fs::DirBuilder::new().mode(0o750).create(&path)?;
        for name in ["stdout", "stderr"] {
            File::create(path.join(name))?;
        }
        if let Some(user) = user_of(launch)? {
            for name in ["", "stdout", "stderr"] {
                nix::unistd::chown(&path.join(name), Some(user.uid), Some(user.gid))?;
            }
        }
        Ok(Self { path })
    }

    /// `stdout` or `stderr`, to be written on.
    pub(crate) fn log(&self, name: &str) -> io::Result<File> {
        append(&self.path.join(name))
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}
