//! Finds out what a supervision's start would refuse: the same steps in the same order, each taken
//! back at once. What is asked for is neither started nor changed.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{
    AccessFlags, Gid, Uid, faccessat, getegid, geteuid, getgroups, setfsgid, setfsuid, setgroups,
};

use super::accounts::Account;
use super::error::SuperviseError;
use super::health::StatusServer;
use super::logs::try_files;
use super::prepare::try_limits;
use super::privileges::check_privileges;
use super::start::{check_texts, failed};
use super::supervision::{LogPolicy, StatusAddress, Supervision};

/// How long a program may take for its answer. One that takes longer was started, at any rate.
const PATIENCE: Duration = Duration::from_secs(10);

/// A call of the program that does nothing: what to ask it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The arguments.
    pub arguments: &'a [&'a str],
    /// Variables that the program is not to see.
    pub without: &'a [&'a str],
}

/// Whether the start of a supervision would fail, in the words in which it would. The program is
/// started with `question`, not with its own arguments; its answer does not matter.
///
/// # Errors
/// The [`SuperviseError`] of the start.
pub fn rehearse(supervision: &Supervision, question: Question<'_>) -> Result<(), SuperviseError> {
    try_limits(&supervision.limits)?;
    let account = check_privileges(&supervision.privileges)?;
    let handed_over = &supervision.privileges.own;
    // What is to be handed to the user will be the user's then.
    let becomes_theirs = |path: &Path| handed_over.iter().any(|one| path.starts_with(one));
    let as_user = |path: &Path| account.as_ref().filter(|_| !becomes_theirs(path));
    if let LogPolicy::Files(files) = &supervision.logs {
        let _user = AsUser::begin(as_user(&files.directory));
        try_files(files, &supervision.display_name())?;
    }
    if let Some(address) = &supervision.status {
        let _user = match address {
            StatusAddress::Socket(path) => AsUser::begin(as_user(path)),
            StatusAddress::Port(_) => AsUser::begin(None),
        };
        // Whoever opens it closes it, and takes the socket's file away.
        StatusServer::open(Some(address), None)?;
    }
    check_texts(supervision)?;
    if account.is_some() {
        let _user = AsUser::begin(account.as_ref());
        reaches(supervision)?;
    }
    starts(supervision, question)
}

/// Whether this process, as whom it is just now, reaches the program and its working directory.
fn reaches(supervision: &Supervision) -> Result<(), SuperviseError> {
    let program = &supervision.program;
    let is_path = program.components().count() > 1;
    let refused = || failed(supervision, io::Error::from_raw_os_error(libc::EACCES));
    if supervision
        .directory
        .as_ref()
        .is_some_and(|one| !one.is_dir())
    {
        return Err(refused());
    }
    let may = faccessat(AT_FDCWD, program, AccessFlags::X_OK, AtFlags::AT_EACCESS);
    if is_path && may == Err(nix::errno::Errno::EACCES) {
        return Err(refused());
    }
    Ok(())
}

/// Whether the kernel starts the program: a missing interpreter or loader shows only then.
#[expect(
    clippy::disallowed_methods,
    reason = "the one child of a process that supervises nothing yet: its end is waited for here"
)]
fn starts(supervision: &Supervision, question: Question<'_>) -> Result<(), SuperviseError> {
    let mut command = Command::new(&supervision.program);
    command.args(question.arguments);
    command.envs(&supervision.environment);
    for name in supervision.environment_removed.iter().map(String::as_str) {
        command.env_remove(name);
    }
    for name in question.without {
        command.env_remove(name);
    }
    if let Some(directory) = &supervision.directory {
        command.current_dir(directory);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command
        .spawn()
        .map_err(|error| failed(supervision, error))?;
    let begun = Instant::now();
    while matches!(child.try_wait(), Ok(None)) {
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// While it lives, the file system takes this thread for somebody else. Only root can do that, and
/// only root is asked to.
struct AsUser {
    groups: Option<Vec<Gid>>,
}

impl AsUser {
    fn begin(account: Option<&Account>) -> Self {
        let Some(account) = account.filter(|_| geteuid().is_root()) else {
            return Self { groups: None };
        };
        let own = getgroups().unwrap_or_default();
        let groups: Vec<Gid> = account.groups.iter().copied().map(Gid::from_raw).collect();
        let _ = setgroups(&groups);
        setfsgid(Gid::from_raw(account.gid));
        setfsuid(Uid::from_raw(account.uid));
        Self { groups: Some(own) }
    }
}

impl Drop for AsUser {
    fn drop(&mut self) {
        if let Some(groups) = &self.groups {
            setfsuid(geteuid());
            setfsgid(getegid());
            let _ = setgroups(groups);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LimitValue, Limits, Privileges, RotatingFiles};
    use std::fs;

    const SILENT: Question<'_> = Question {
        arguments: &[],
        without: &[],
    };

    fn refusal(supervision: &Supervision) -> String {
        rehearse(supervision, SILENT).unwrap_err().to_string()
    }

    #[test]
    fn nothing_is_left_of_a_rehearsal_that_succeeds() {
        let place = tempfile::tempdir().unwrap();
        let supervision = Supervision {
            logs: LogPolicy::Files(RotatingFiles::in_directory(place.path().join("a/b"))),
            status: Some(StatusAddress::Socket(place.path().join("socket"))),
            limits: Limits {
                open_files: Some(LimitValue::Value(64)),
                core_size: None,
            },
            ..Supervision::of("true")
        };
        rehearse(&supervision, SILENT).unwrap();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        let (soft, _) =
            nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
        assert_ne!(soft, 64);
    }

    #[test]
    fn each_step_of_a_start_is_tried() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "#!/no/such/interpreter\n").unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&file, executable).unwrap();
        let of = || Supervision::of("true");
        let socket = StatusAddress::Socket("/nonexistent/socket".into());
        for (supervision, says) in [
            (
                Supervision {
                    limits: Limits {
                        open_files: Some(LimitValue::Value(u64::MAX - 1)),
                        core_size: None,
                    },
                    ..of()
                },
                "open files",
            ),
            (
                Supervision {
                    privileges: Privileges {
                        user: Some(geteuid().to_string()),
                        own: vec!["/nonexistent".into()],
                        ..Privileges::default()
                    },
                    ..of()
                },
                "cannot hand /nonexistent",
            ),
            (
                Supervision {
                    logs: LogPolicy::Files(RotatingFiles::in_directory(&file)),
                    ..of()
                },
                "cannot write logs",
            ),
            (
                Supervision {
                    status: Some(socket),
                    ..of()
                },
                "health questions",
            ),
            (
                Supervision {
                    directory: Some("/nonexistent".into()),
                    ..of()
                },
                "no such directory",
            ),
            (Supervision::of(&file), "not its interpreter"),
            (
                Supervision {
                    arguments: vec!["a\0b".to_owned()],
                    ..of()
                },
                "NUL byte",
            ),
        ] {
            let said = refusal(&supervision);
            assert!(said.contains(says), "{said}");
        }
    }
}
