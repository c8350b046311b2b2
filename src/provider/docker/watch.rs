//! Follows one container from its start to its end: its output goes to its sandbox's files, its
//! exit code to the cluster.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{InspectContainerOptions, LogsOptions, WaitContainerOptions};
use futures_util::StreamExt as _;

use super::engine::{Engine, is_missing};

/// How long the engine is given to come back before it is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// What a container counts as that somebody removed: ended by SIGKILL.
const REMOVED: u8 = 137;

/// Copies the container's output and waits for its end; gives its exit code. The container is
/// removed then.
pub(super) async fn follow(engine: Engine, name: String, sandbox: std::path::PathBuf) -> u8 {
    let (code, ()) = tokio::join!(wait(&engine, &name), copy_output(&engine, &name, &sandbox));
    // What is left of it is found by its label when the cluster goes down.
    let _ = engine.remove(&name).await;
    code
}

/// Waits for the end, however often the engine itself is restarted meanwhile.
async fn wait(engine: &Engine, name: &str) -> u8 {
    loop {
        let mut answers = Box::pin(
            engine
                .api
                .wait_container(name, None::<WaitContainerOptions>),
        );
        match answers.next().await {
            Some(Ok(answer)) => return code(answer.status_code),
            Some(Err(Error::DockerContainerWaitError { code: found, .. })) => return code(found),
            Some(Err(error)) if is_missing(&error) => return REMOVED,
            Some(Err(_)) | None => {}
        }
        tokio::time::sleep(PAUSE).await;
        let state = engine
            .api
            .inspect_container(name, None::<InspectContainerOptions>)
            .await;
        match state.map(|one| one.state) {
            Ok(Some(state)) if state.running == Some(false) => {
                return code(state.exit_code.unwrap_or(i64::from(REMOVED)));
            }
            Err(error) if is_missing(&error) => return REMOVED,
            _ => {}
        }
    }
}

fn code(of_engine: i64) -> u8 {
    u8::try_from(of_engine & 0xff).unwrap_or(1)
}

/// Appends the container's streams to `stdout` and `stderr` of its sandbox.
async fn copy_output(engine: &Engine, name: &str, sandbox: &Path) {
    let options = LogsOptions {
        follow: true,
        stdout: true,
        stderr: true,
        ..LogsOptions::default()
    };
    let open = |file: &str| {
        let path = sandbox.join(file);
        OpenOptions::new().create(true).append(true).open(path)
    };
    let (Ok(mut stdout), Ok(mut stderr)) = (open("stdout"), open("stderr")) else {
        return;
    };
    let mut output = Box::pin(engine.api.logs(name, Some(options)));
    while let Some(Ok(piece)) = output.next().await {
        // A full disk must not end the worker; its own log says more anyway.
        let _ = match piece {
            LogOutput::StdErr { message } => stderr.write_all(&message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                stdout.write_all(&message)
            }
            LogOutput::StdIn { .. } => Ok(()),
        };
    }
}

/// Gives a directory, with all it contains, to a user.
pub(super) fn hand_over(path: &Path, user: u32, group: u32) -> std::io::Result<()> {
    std::os::unix::fs::lchown(path, Some(user), Some(group))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            hand_over(&entry?.path(), user, group)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engines_code_is_a_processes_code() {
        assert_eq!(code(0), 0);
        assert_eq!(code(137), 137);
        assert_eq!(code(256 + 7), 7);
    }
}
