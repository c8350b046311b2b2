//! The process that owns a training's directory: it has the image's root unpacked and entered,
//! waits, and removes the root, whether the training ends by itself, by a signal, or because the
//! build is gone.

use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid};

use super::order::Order;
use super::{ENTER, ROOT, TrainingError, UNPACK, lock};

/// The signals that ask to stop.
const STOPPING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Trains in this directory. Gives the exit code of the process that failed and has said why, or
/// 0. The caller has one thread, and a pipe as standard input whose closing means to stop.
///
/// # Errors
/// [`TrainingError`]: this process itself could not do its part, or was asked to stop.
pub fn oversee(directory: &Path) -> Result<u8, TrainingError> {
    let waiting = |source: io::Error| TrainingError::Wait { source };
    let mut set = SigSet::empty();
    for signal in STOPPING.into_iter().chain([Signal::SIGCHLD]) {
        set.add(signal);
    }
    set.thread_block().map_err(|errno| waiting(errno.into()))?;
    let signals = SignalFd::new(&set).map_err(|errno| waiting(errno.into()))?;
    let _lock = lock(directory).map_err(waiting)?;
    let trained = train(directory, &signals);
    // Nobody waits for archives any more if it was stopped.
    let root = match &trained {
        Err(TrainingError::Stopped { .. }) => directory.to_owned(),
        _ => directory.join(ROOT),
    };
    let removed = fs::remove_dir_all(&root);
    let code = trained?;
    removed.map_err(|source| TrainingError::Remove { path: root, source })?;
    Ok(code)
}

fn train(directory: &Path, signals: &SignalFd) -> Result<u8, TrainingError> {
    let order = Order::read(directory)?;
    if order.mapped {
        become_in_a_user_namespace(0, 0).map_err(|source| TrainingError::Namespace {
            what: "users",
            source,
        })?;
    }
    let code = step(UNPACK, "the unpacking", directory, signals)?;
    if code != 0 {
        return Ok(code);
    }
    // The next child is the first process of a namespace: with it, all of them end.
    unshare(CloneFlags::CLONE_NEWPID).map_err(|errno| TrainingError::Namespace {
        what: "processes",
        source: errno.into(),
    })?;
    step(ENTER, "the training", directory, signals)
}

/// Becomes this user and group of a new namespace of users, with every privilege in it. Outside,
/// this process stays who it is (user_namespaces(7)).
pub(super) fn become_in_a_user_namespace(user: u32, group: u32) -> io::Result<()> {
    let (own, own_group) = (Uid::effective(), Gid::effective());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    // Without it the kernel lets nobody but root map a group.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {own} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {own_group} 1"))
}

/// Runs one step in a process of its own, and gives its exit code.
fn step(
    word: &str,
    name: &'static str,
    directory: &Path,
    signals: &SignalFd,
) -> Result<u8, TrainingError> {
    let started = std::env::current_exe().and_then(|program| {
        Command::new(program)
            .args(["image", word])
            .arg(directory)
            .stdin(Stdio::null())
            .spawn()
    });
    let child = started.map_err(|source| TrainingError::Start {
        program: "flugs itself".to_owned(),
        source,
    })?;
    let child = i32::try_from(child.id()).map_err(|error| TrainingError::Wait {
        source: io::Error::other(error),
    })?;
    let child = Pid::from_raw(child);
    match wait(child, signals) {
        Ok(Ended::Exited(code)) => Ok(code),
        Ok(Ended::Signaled(signal)) => Err(TrainingError::Killed {
            step: name,
            signal: signal.as_str(),
        }),
        Ok(Ended::Stopped(by)) => {
            // It takes all that it started with it; only then the root can be removed.
            let _ = kill(child, Signal::SIGKILL);
            let _ = waitpid(child, None);
            Err(TrainingError::Stopped { by })
        }
        Err(errno) => Err(TrainingError::Wait {
            source: errno.into(),
        }),
    }
}

/// How waiting for a step ended.
enum Ended {
    Exited(u8),
    Signaled(Signal),
    Stopped(&'static str),
}

fn wait(child: Pid, signals: &SignalFd) -> Result<Ended, Errno> {
    let stdin = io::stdin();
    loop {
        // A child that ended before this loop has its signal pending: none is missed.
        let mut ready = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            // The other end's closing is told unasked.
            PollFd::new(stdin.as_fd(), PollFlags::empty()),
        ];
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno),
        }
        let [signaled, closed] = ready.map(|fd| fd.any().unwrap_or(false));
        if closed {
            return Ok(Ended::Stopped("the end of the build"));
        }
        if !signaled {
            continue;
        }
        let Some(information) = signals.read_signal()? else {
            continue;
        };
        let number = i32::try_from(information.ssi_signo).unwrap_or_default();
        if let Some(stopping) = STOPPING.iter().find(|one| **one as i32 == number) {
            return Ok(Ended::Stopped(stopping.as_str()));
        }
        match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::Exited(_, code) => {
                return Ok(Ended::Exited(u8::try_from(code).unwrap_or(u8::MAX)));
            }
            WaitStatus::Signaled(_, signal, _) => return Ok(Ended::Signaled(signal)),
            _ => {}
        }
    }
}
