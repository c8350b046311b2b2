//! The names that people already type: the official image's `docker-entrypoint.sh`, and the
//! `mesos-*.sh` of Flink 1.2 to 1.13.
//!
//! Owns what their words and variables mean, as launches of this program. Never does what a
//! launch does itself: from here on it is [`flugs_launch`] and [`flugs_supervise`].

mod arguments;
mod docker;
mod error;
mod host;
mod mesos;
mod other;
mod run_directory;

pub use arguments::RoleCall;
pub use docker::{DockerCall, HELP, docker_call, docker_commands};
pub use error::EntrypointError;
pub use host::canonical_host_name;
pub use mesos::{AppMasterCall, MesosTaskManager, appmaster_call, task_manager_call};
pub use other::{NOT_EXECUTABLE, NOT_FOUND, OtherCommand, find_program};
pub use run_directory::{Claim, RunDirectory, is_usable};

use std::ffi::OsStr;
use std::path::Path;

/// One of the names that this program answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrypoint {
    /// `docker-entrypoint.sh`.
    Docker,
    /// `mesos-appmaster.sh`: a session cluster on Mesos.
    MesosAppMaster,
    /// `mesos-appmaster-job.sh`: one job on Mesos.
    MesosAppMasterJob,
    /// `mesos-taskmanager.sh`: a worker, started by Mesos.
    MesosTaskManager,
}

impl Entrypoint {
    /// Every one, in the order of the documentation.
    pub const ALL: [Self; 4] = [
        Self::Docker,
        Self::MesosAppMaster,
        Self::MesosAppMasterJob,
        Self::MesosTaskManager,
    ];

    /// The word after `flugs entrypoint`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::MesosAppMaster => "mesos-appmaster",
            Self::MesosAppMasterJob => "mesos-appmaster-job",
            Self::MesosTaskManager => "mesos-taskmanager",
        }
    }

    /// The file that people know it by.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Docker => "docker-entrypoint.sh",
            Self::MesosAppMaster => "mesos-appmaster.sh",
            Self::MesosAppMasterJob => "mesos-appmaster-job.sh",
            Self::MesosTaskManager => "mesos-taskmanager.sh",
        }
    }

    /// The entry point that `flugs entrypoint WORD` names.
    pub fn of_word(word: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// The entry point that a program's own name names: an image without a shell has a symbolic
    /// link in place of the script.
    pub fn of_program(argument_zero: &OsStr) -> Option<Self> {
        let name = Path::new(argument_zero).file_name()?;
        Self::ALL.into_iter().find(|one| one.file_name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_point_is_found_by_its_word_and_by_its_file_name() {
        for one in Entrypoint::ALL {
            assert_eq!(Entrypoint::of_word(one.word().as_ref()), Some(one));
            let path = format!("/opt/flink/bin/{}", one.file_name());
            assert_eq!(Entrypoint::of_program(path.as_ref()), Some(one));
        }
        assert_eq!(Entrypoint::of_program("/usr/bin/flugs".as_ref()), None);
    }

    #[test]
    fn the_scripts_are_a_few_lines_that_execute_their_word() {
        for one in Entrypoint::ALL {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("entrypoints")
                .join(one.file_name());
            let script = std::fs::read_to_string(&path).unwrap();
            let call = format!(
                "exec \"${{FLUGS:-flugs}}\" entrypoint {} \"$@\"\n",
                one.word()
            );
            assert!(script.ends_with(&call), "{}", path.display());
            assert!(script.lines().count() < 15, "{}", path.display());
        }
    }
}
