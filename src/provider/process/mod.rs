//! Workers as plain processes of this machine: one `flugs launch` each, in its own sandbox.

mod identity;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio::time::Instant;

use flugs_model::{ProcessIdentity, WorkerId, WorkerSpec};

use super::{Provider, ProviderError, WorkerEvent};

pub use identity::{identify, is_alive};

/// Starts workers as child processes and is the one reaper of this process.
///
/// Must live on the main thread of a current-thread runtime: a launcher notices the end of the
/// process that started it, and on Linux some of those notices are bound to the thread.
#[derive(Debug)]
pub struct ProcessProvider {
    program: PathBuf,
    flink_home: Option<PathBuf>,
    speaks: bool,
    kept_back: &'static [&'static str],
    children: BTreeMap<i32, Child>,
    child_signal: SignalStream,
}

#[derive(Debug)]
struct Child {
    id: WorkerId,
    /// When SIGKILL follows a stop that was asked for.
    kill_at: Option<Instant>,
}

impl ProcessProvider {
    /// A provider that starts `program` (flugs itself) for each worker.
    pub fn new(program: PathBuf) -> Result<Self, ProviderError> {
        let child_signal =
            signal(SignalKind::child()).map_err(|source| ProviderError::Watch { source })?;
        Ok(Self {
            program,
            flink_home: None,
            speaks: false,
            kept_back: &[],
            children: BTreeMap::new(),
            child_signal,
        })
    }

    /// Has workers run the Flink home that is in place, if their manifests ship none.
    #[must_use]
    pub fn running(self, flink_home: PathBuf) -> Self {
        Self {
            flink_home: Some(flink_home),
            ..self
        }
    }

    /// Lets workers write to this process's own output: to a container's log, say.
    #[must_use]
    pub fn speaking_itself(self) -> Self {
        Self {
            speaks: true,
            ..self
        }
    }

    /// Keeps variables of this process's environment from workers: in a JobManager and its
    /// children runs code of the jobs' authors.
    #[must_use]
    pub fn keeping_back(self, variables: &'static [&'static str]) -> Self {
        Self {
            kept_back: variables,
            ..self
        }
    }

    /// Where a worker's output goes.
    fn output(&self, worker: &WorkerSpec, name: &str) -> Result<Stdio, ProviderError> {
        if self.speaks {
            return Ok(Stdio::inherit());
        }
        Ok(log_file(worker, &worker.sandbox.join(name))?.into())
    }

    /// Reaps one ended child, if there is one.
    fn reap(&mut self) -> Option<WorkerEvent> {
        loop {
            let (pid, code) = match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, u8::try_from(code & 0xff).unwrap_or(1)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    (pid, u8::try_from(128 + signal as i32).unwrap_or(u8::MAX))
                }
                Err(Errno::EINTR) => continue,
                Ok(_) | Err(_) => return None,
            };
            // A child that is not in the table is an adopted orphan: reaped, and forgotten.
            if let Some(child) = self.children.remove(&pid.as_raw()) {
                return Some(WorkerEvent::Exited { id: child.id, code });
            }
        }
    }

    fn next_kill(&self) -> Option<Instant> {
        self.children
            .values()
            .filter_map(|child| child.kill_at)
            .min()
    }

    fn kill_overdue(&mut self) {
        let now = Instant::now();
        for (pid, child) in &mut self.children {
            if child.kill_at.is_some_and(|at| at <= now) {
                child.kill_at = None;
                send(*pid, Signal::SIGKILL);
            }
        }
    }

    fn pid_of(&self, id: &WorkerId) -> Option<i32> {
        self.children
            .iter()
            .find(|(_, child)| child.id == *id)
            .map(|(pid, _)| *pid)
    }
}

impl Provider for ProcessProvider {
    async fn launch(&mut self, worker: &WorkerSpec) -> Result<ProcessIdentity, ProviderError> {
        fs::create_dir_all(&worker.sandbox).map_err(|source| ProviderError::Sandbox {
            id: worker.id.clone(),
            path: worker.sandbox.clone(),
            source,
        })?;
        let stdout = self.output(worker, "stdout")?;
        let stderr = self.output(worker, "stderr")?;
        let home = self.flink_home.iter();
        let home = home.flat_map(|home| ["--flink-home".as_ref(), home.as_os_str()]);
        // Its own process group: Ctrl-C on the terminal reaches the cluster's process alone,
        // which then stops the members in order.
        let mut command = Command::new(&self.program);
        for variable in self.kept_back {
            command.env_remove(variable);
        }
        let child = command
            .args(launch_arguments(worker))
            // What it says itself stands among this process's own lines.
            .args(self.speaks.then_some("--time-stamps"))
            .args(home)
            .current_dir(&worker.sandbox)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .spawn()
            .map_err(|source| ProviderError::Start {
                id: worker.id.clone(),
                source,
            })?;
        let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
        self.children.insert(
            pid,
            Child {
                id: worker.id.clone(),
                kill_at: None,
            },
        );
        Ok(identify(pid).unwrap_or(ProcessIdentity {
            pid,
            start_ticks: 0,
        }))
    }

    fn stop(&mut self, id: &WorkerId, grace: Duration) {
        let Some(pid) = self.pid_of(id) else { return };
        if let Some(child) = self.children.get_mut(&pid) {
            child.kill_at = Some(Instant::now() + grace);
        }
        send(pid, Signal::SIGTERM);
    }

    fn kill(&mut self, id: &WorkerId) {
        if let Some(pid) = self.pid_of(id) {
            send(pid, Signal::SIGKILL);
        }
    }

    async fn event(&mut self) -> WorkerEvent {
        loop {
            self.kill_overdue();
            if let Some(event) = self.reap() {
                return event;
            }
            let deadline = self.next_kill();
            let due = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.child_signal.recv() => {}
                () = due => {}
            }
        }
    }
}

/// The command line of a worker's launcher: the three values that name the manifest (the token
/// by its file, never by value), and where the worker lives.
fn launch_arguments(worker: &WorkerSpec) -> Vec<std::ffi::OsString> {
    let digest = worker.manifest_sha256.to_string();
    let mut arguments: Vec<std::ffi::OsString> = vec![
        "launch".into(),
        worker.role.as_str().into(),
        "--follow-parent".into(),
    ];
    let mut option = |name: &str, value: &std::ffi::OsStr| {
        arguments.push(name.into());
        arguments.push(value.to_owned());
    };
    option("--manifest", worker.manifest_url.as_ref());
    option("--sha256", digest.as_ref());
    option("--token-file", worker.token_file.as_os_str());
    option("--dir", worker.sandbox.as_os_str());
    option("--cache", worker.cache.as_os_str());
    arguments
}

/// Opens a worker's log for appending: what an earlier start in the same sandbox wrote stays.
fn log_file(worker: &WorkerSpec, path: &Path) -> Result<fs::File, ProviderError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|source| ProviderError::Sandbox {
            id: worker.id.clone(),
            path: path.to_owned(),
            source,
        })
}

/// Signals a child. It may have ended meanwhile; its number cannot have been given to another
/// process, because only [`ProcessProvider::reap`] frees it.
fn send(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_base::Sha256Digest;
    use flugs_model::{Resources, Role};
    use std::os::unix::fs::PermissionsExt as _;

    fn worker(directory: &Path) -> WorkerSpec {
        WorkerSpec {
            id: "taskmanager-1".parse().unwrap(),
            role: Role::TaskManager,
            manifest_url: "http://127.0.0.1:1/sha256/00".into(),
            manifest_sha256: Sha256Digest::of(b""),
            token_file: directory.join("token"),
            sandbox: directory.join("sandbox"),
            cache: directory.join("cache"),
            resources: Resources::default(),
        }
    }

    /// A stand-in for flugs that runs `script`.
    fn program(directory: &Path, script: &str) -> PathBuf {
        let path = directory.join("program");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn exit_code_of(script: &str, act: impl FnOnce(&mut ProcessProvider, &WorkerId)) -> u8 {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let program = program(directory.path(), script);
            let provider = ProcessProvider::new(program).unwrap();
            let mut provider = provider.keeping_back(&["HOME"]);
            let worker = worker(directory.path());
            provider.launch(&worker).await.unwrap();
            while !worker.sandbox.join("ready").exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            act(&mut provider, &worker.id);
            let WorkerEvent::Exited { id, code } = provider.event().await;
            assert_eq!(id, worker.id);
            code
        })
    }

    // One test, because the provider reaps every child of its process: two providers in one
    // test process would take each other's exit codes.
    #[test]
    fn exit_codes_pass_through_and_a_worker_that_ignores_the_stop_is_killed_after_its_grace() {
        assert_eq!(exit_code_of(": > ready; exit 75", |_, _| ()), 75);
        assert_eq!(exit_code_of(": > ready; kill -9 $$", |_, _| ()), 137);
        assert!(std::env::var_os("HOME").is_some());
        let kept_back = ": > ready; test -z \"${HOME+set}\"";
        assert_eq!(exit_code_of(kept_back, |_, _| ()), 0);
        let stop = |grace| {
            move |provider: &mut ProcessProvider, id: &WorkerId| {
                provider.stop(id, grace);
            }
        };
        let long = Duration::from_secs(30);
        let obeys = "trap 'exit 3' TERM; : > ready; while :; do sleep 0.01; done";
        assert_eq!(exit_code_of(obeys, stop(long)), 3);
        let ignores = "trap '' TERM; : > ready; while :; do sleep 0.01; done";
        assert_eq!(exit_code_of(ignores, stop(Duration::from_millis(50))), 137);
    }

    #[test]
    fn the_token_travels_by_file_and_never_by_value() {
        let worker = worker(Path::new("/cluster"));
        let line: Vec<String> = launch_arguments(&worker)
            .into_iter()
            .map(|argument| argument.into_string().unwrap())
            .collect();
        assert_eq!(
            line.join(" "),
            "launch taskmanager --follow-parent --manifest http://127.0.0.1:1/sha256/00 \
             --sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 \
             --token-file /cluster/token --dir /cluster/sandbox --cache /cluster/cache"
        );
    }
}
