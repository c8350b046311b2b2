//! Stops a cluster from outside: what `flugs down` does.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use crate::provider::process::is_alive;
use crate::store::{ClusterPhase, ClusterState, DirectoryLock, FileStore};
use flugs_model::ProcessIdentity;

use super::place::clear_engine;
use super::{AppMasterError, sandbox};

/// How often the end is looked for.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a killed process may take to vanish: the kernel frees its memory first, which takes a
/// loaded machine a while.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// What was left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TornDown {
    /// It ran, and was stopped.
    Stopped,
    /// It had been stopped before.
    AlreadyStopped,
    /// Its process was gone without having stopped the members; they are gone now too.
    CleanedUp,
}

/// Stops the cluster in `directory`: asks its process, and after `patience` makes every process
/// of it end. Afterwards nothing of it runs and nothing is left but its logs and its artifacts.
pub async fn tear_down(
    directory: &Path,
    state: ClusterState,
    patience: Duration,
) -> Result<TornDown, AppMasterError> {
    let held = DirectoryLock::is_held(directory);
    if held && is_alive(state.master) {
        // An application master on Mesos leaves its workers to a successor when it is terminated.
        let on_mesos = state.application_master.is_some();
        let signal = if on_mesos {
            Signal::SIGINT
        } else {
            Signal::SIGTERM
        };
        send(state.master, signal);
        if !ends_within(&[state.master], patience).await {
            send(state.master, Signal::SIGKILL);
            ends_within(&[state.master], LAST_PATIENCE).await;
        }
    }
    // From here on nobody can start another cluster here; the lock leaves no file behind.
    let _lock = DirectoryLock::take(directory)?;
    let file = FileStore::new(directory);
    let last = file.load()?.unwrap_or(state);
    let before = last.phase;
    clear_leftovers(&last, patience).await?;
    sandbox::sweep(directory);
    file.save(&ClusterState {
        phase: ClusterPhase::Stopped,
        members: Vec::new(),
        ..last
    })?;
    Ok(match (held, before) {
        (true, _) => TornDown::Stopped,
        (false, ClusterPhase::Stopped) => TornDown::AlreadyStopped,
        (false, _) => TornDown::CleanedUp,
    })
}

/// Waits for the members of a cluster whose own process is gone: they stop by themselves, and
/// those that do not within `patience` are killed. Containers have to be asked. Removes all but
/// their logs.
pub(super) async fn clear_leftovers(
    state: &ClusterState,
    patience: Duration,
) -> Result<(), AppMasterError> {
    if let Some(cluster) = &state.containers {
        clear_engine(cluster, patience).await?;
    }
    let processes = state.members.iter().filter_map(|member| member.process);
    let processes: Vec<ProcessIdentity> = processes.collect();
    if !ends_within(&processes, patience).await {
        for process in &processes {
            send(*process, Signal::SIGKILL);
        }
        ends_within(&processes, LAST_PATIENCE).await;
    }
    for member in &state.members {
        sandbox::prune(&member.sandbox);
    }
    Ok(())
}

async fn ends_within(processes: &[ProcessIdentity], patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while processes.iter().any(|process| is_alive(*process)) {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(PAUSE).await;
    }
    true
}

fn send(process: ProcessIdentity, signal: Signal) {
    if is_alive(process) {
        let _ = kill(Pid::from_raw(process.pid), signal);
    }
}
