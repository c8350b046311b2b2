//! Starting a cluster in the background: the parent waits, tells what it hears, and leaves.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, ExitCode as ProcessExit, Stdio};
use std::time::Duration;

use crate::appmaster::StopSignals;
use crate::store::{ClusterPhase, ClusterState, FileStore};
use flugs_base::ExitCode;

use super::{Ending, output, status::Report, up};

/// How often the background process is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts the same command in the background and returns once its cluster is ready, or with the
/// background process's own exit code if it gave up.
pub(super) fn start(args: &up::Args) -> Result<ProcessExit, Ending> {
    let directory = super::absolute(&args.dir)?;
    let not_writable = |source: std::io::Error| Ending {
        code: ExitCode::of_io(&source),
        message: format!(
            "the directory {} is not writable: {source}",
            directory.display()
        ),
    };
    fs::create_dir_all(&directory).map_err(not_writable)?;
    let log = directory.join("up.log");
    let open = |append| {
        OpenOptions::new()
            .create(true)
            .append(append)
            .read(true)
            .open(&log)
    };
    let output = open(true).map_err(not_writable)?;
    let heard = output.metadata().map_err(not_writable)?.len();
    let child = Command::new(super::own_program()?)
        .args(std::env::args_os().skip(1))
        .arg("--in-background")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .spawn()
        .map_err(|error| Ending {
            code: ExitCode::ChildStart,
            message: format!("cannot start the background process: {error}"),
        })?;
    super::runtime()?.block_on(watch(child, args, &directory, Log { path: &log, heard }))
}

/// Called by the background process: its own session, so that the terminal's end is not its own.
pub(super) fn leave_terminal() {
    // Fails only for a process that already leads a session, which has left every terminal.
    let _ = nix::unistd::setsid();
}

async fn watch(
    mut child: Child,
    args: &up::Args,
    directory: &Path,
    mut log: Log<'_>,
) -> Result<ProcessExit, Ending> {
    let mut signals = StopSignals::listen()?;
    loop {
        let ended = child.try_wait().ok().flatten();
        log.relay();
        if let Some(status) = ended {
            let code = match status.code().map(u8::try_from) {
                // It was told to stop, and did: no error of its own, but no cluster either.
                Some(Ok(0)) => ExitCode::NotReady.code(),
                Some(Ok(code)) => code,
                _ => ExitCode::Internal.code(),
            };
            return Ok(code.into());
        }
        if let Some(state) = ready(directory, child.id()) {
            Report::new(directory, &state, true).print(args.json);
            return Ok(ProcessExit::SUCCESS);
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = signals.next() => stop(&child),
        }
    }
}

/// The state, once the background process has written that its cluster is ready.
fn ready(directory: &Path, pid: u32) -> Option<ClusterState> {
    let state = FileStore::new(directory).load().ok().flatten()?;
    let its = u32::try_from(state.master.pid) == Ok(pid);
    (its && state.phase == ClusterPhase::Ready).then_some(state)
}

fn stop(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGTERM,
        );
    }
}

/// What the background process writes, told on.
struct Log<'a> {
    path: &'a Path,
    heard: u64,
}

impl Log<'_> {
    fn relay(&mut self) {
        let Ok(mut file) = fs::File::open(self.path) else {
            return;
        };
        let mut bytes = Vec::new();
        if file.seek(SeekFrom::Start(self.heard)).is_ok() && file.read_to_end(&mut bytes).is_ok() {
            self.heard += bytes.len() as u64;
            output::raw(&bytes);
        }
    }
}
