//! Starting the program: one fork and exec, with the child set up so that nothing of the
//! supervisor's own state (blocked signals, descriptors) reaches it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::error::SuperviseError;
use super::supervision::Supervision;
use super::sys::{self, BeforeExec};

/// Starts the program of `supervision` and gives its process id. `stdout` and `stderr`, if given,
/// are its streams; otherwise it has the supervisor's own. `user` holds the variables that come
/// with a change of user. It takes the supervisor's terminal if `takes_terminal`.
pub(super) fn start(
    supervision: &Supervision,
    user: &[(&'static str, String)],
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    takes_terminal: bool,
) -> Result<i32, SuperviseError> {
    check_texts(supervision)?;
    let mut command = Command::new(&supervision.program);
    command.args(&supervision.arguments);
    for name in &supervision.environment_removed {
        command.env_remove(name);
    }
    command.envs(user.iter().map(|(name, value)| (name, value)));
    command.envs(&supervision.environment);
    if let Some(directory) = &supervision.directory {
        command.current_dir(directory);
    }
    command.process_group(0);
    if let Some(stdout) = stdout {
        command.stdout(Stdio::from(stdout));
    }
    if let Some(stderr) = stderr {
        command.stderr(Stdio::from(stderr));
    }
    let steps = BeforeExec {
        supervisor: nix::unistd::getpid().as_raw(),
        takes_terminal,
    };
    sys::before_exec(&mut command, steps);
    match command.spawn() {
        // The reaper waits for the process; the handle is let go without waiting.
        Ok(child) => i32::try_from(child.id()).map_err(|_| failed(supervision, unknown_id())),
        Err(error) => Err(failed(supervision, error)),
    }
}

fn unknown_id() -> io::Error {
    io::Error::other("the process id is out of range")
}

pub(super) fn check_texts(supervision: &Supervision) -> Result<(), SuperviseError> {
    let refuse = |what: String| {
        Err(SuperviseError::Text {
            program: supervision.program.clone(),
            what,
        })
    };
    if let Some(at) = supervision.arguments.iter().position(|a| a.contains('\0')) {
        return refuse(format!("argument {}", at + 1));
    }
    for (name, value) in &supervision.environment {
        if name.is_empty() || name.contains(['\0', '=']) || value.contains('\0') {
            return refuse(format!("the variable \"{}\"", name.escape_debug()));
        }
    }
    Ok(())
}

pub(super) fn failed(supervision: &Supervision, error: io::Error) -> SuperviseError {
    let program = supervision.program.clone();
    if let Some(directory) = &supervision.directory
        && !directory.is_dir()
    {
        return SuperviseError::Directory {
            program,
            directory: directory.clone(),
        };
    }
    let hint = hint(&program, &error);
    SuperviseError::Start {
        program,
        error,
        hint,
    }
}

fn hint(program: &Path, error: &io::Error) -> String {
    let is_path = program.components().count() > 1;
    match error.raw_os_error() {
        Some(libc::ENOENT) if program.exists() => {
            "; the file is there, but not its interpreter (\"#!\" line or dynamic loader)"
                .to_owned()
        }
        Some(libc::ENOENT) if is_path => "; there is no such file".to_owned(),
        Some(libc::ENOENT) => {
            let path = std::env::var("PATH").unwrap_or_default();
            format!("; it is not in PATH ({path})")
        }
        Some(libc::EACCES) => "; is it executable, and its file system mounted so?".to_owned(),
        Some(libc::ENOEXEC) => {
            "; it is neither a program of this machine's kind nor a script with a \"#!\" line"
                .to_owned()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_bytes_and_equals_signs_are_refused_by_name_before_the_fork() {
        let mut supervision = Supervision::of("true");
        supervision.arguments = vec!["a".to_owned(), "b\0".to_owned()];
        let error = check_texts(&supervision).unwrap_err();
        assert!(error.to_string().contains("argument 2"), "{error}");
        supervision.arguments.clear();
        supervision
            .environment
            .insert("A=B".to_owned(), String::new());
        let error = check_texts(&supervision).unwrap_err();
        assert!(error.to_string().contains("\"A=B\""), "{error}");
    }

    #[test]
    fn each_reason_not_to_start_has_its_hint() {
        let error = |code| io::Error::from_raw_os_error(code);
        let hint_of = |program: &str, code| hint(Path::new(program), &error(code));
        assert!(hint_of("/no/such", libc::ENOENT).contains("no such file"));
        assert!(hint_of("no-such", libc::ENOENT).contains("not in PATH"));
        assert!(hint_of("/etc/passwd", libc::ENOENT).contains("interpreter"));
        assert!(hint_of("/etc/passwd", libc::EACCES).contains("executable"));
        assert!(hint_of("/etc/passwd", libc::ENOEXEC).contains("neither"));
        assert_eq!(hint_of("/etc/passwd", libc::ENOMEM), "");
    }
}
