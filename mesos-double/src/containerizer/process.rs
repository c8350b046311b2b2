//! The Mesos containerizer as processes of this machine: the command executor.

use super::docker_arguments::SANDBOX;
use super::environment::{Secrets, of_command, of_process, user_of};
use super::fetcher::fetch_all;
use super::health::{CheckCommand, Health, Verdict};
use super::memory::MemoryGroup;
use super::provisioner::{Root, provision};
use super::sandbox::Sandbox;
use super::signals;
use super::tree::{kill_marked, signal_tree};
use super::{next_verdict, prepared, sandbox_of};
use crate::call::{text, texts};
use crate::cluster::Report;
use crate::executor::{Channel, Command, Launch};
use crate::resources::Resources;
use nix::sys::signal::Signal;
use serde_json::{Map, Value, json};
use std::future::pending;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command as Program};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// The command executor's own grace period.
const GRACE: Duration = Duration::from_secs(3);
/// Of an executor whose framework is gone.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// What the agent adds to a command task's memory for its executor.
const EXECUTOR_MEMORY_MIB: u64 = 32;
/// How long an executor stays after its task's end; then what the task left behind is killed.
const EXECUTOR_LINGERS: Duration = Duration::from_secs(1);
/// How often it is tried to remove a cgroup that a dying process is in.
const REMOVALS: u32 = 50;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Runs a task to its end.
pub(crate) async fn run(launch: &Launch, mut channel: Channel) {
    let Some(sandbox) = sandbox_of(launch, &channel) else {
        return;
    };
    let prepare = async {
        let root = provision(launch).await?;
        fetch_all(launch, &sandbox.path).await?;
        Ok(root)
    };
    let Some(root) = prepared(launch, &mut channel, prepare).await else {
        return;
    };
    let memory = launch.options.limit_memory.then(|| memory_group(launch));
    let memory = memory.flatten();
    let pid = std::process::id();
    channel.report(of_executor("TASK_STARTING", pid));
    match start(launch, &sandbox, root.as_ref(), memory.as_ref()) {
        Ok(child) => {
            channel.report(of_executor("TASK_RUNNING", pid));
            Task::new(launch, &sandbox, child, memory)
                .attend(&mut channel)
                .await;
        }
        Err(error) => {
            let message = format!("Command failed to start: {error}");
            channel.report(of_executor("TASK_FAILED", pid).saying(message));
        }
    }
    if let Some(root) = root {
        root.remove();
    }
}

fn of_executor(state: &'static str, pid: u32) -> Report {
    Report {
        executor_pid: Some(pid),
        ..Report::of(state)
    }
}

fn memory_group(launch: &Launch) -> Option<MemoryGroup> {
    let mib = Resources::read(&launch.task, "resources").thousandths("mem") / 1000;
    let limit = u64::try_from(mib).unwrap_or(0) + EXECUTOR_MEMORY_MIB;
    MemoryGroup::make(&launch.container.to_string(), limit)
}

/// Starts the command in a process group of its own, in the sandbox, with nothing inherited.
fn start(
    launch: &Launch,
    sandbox: &Sandbox,
    root: Option<&Root>,
    memory: Option<&MemoryGroup>,
) -> std::io::Result<Child> {
    let empty = Map::new();
    let command = launch.part("command").unwrap_or(&empty);
    let value = text(command, "value").unwrap_or_default();
    let (executable, arguments) = if command
        .get("shell")
        .and_then(Value::as_bool)
        .unwrap_or(true)
    {
        let line = ["sh", "-c", value].map(str::to_owned).to_vec();
        ("/bin/sh", line)
    } else {
        (value, texts(command, "arguments"))
    };
    let mut program = match root {
        Some(root) => root.enter(&sandbox.path, &root.command(executable, &arguments)),
        None => program(launch, executable, &arguments),
    };
    program
        .env_clear()
        .envs(environment(launch, &sandbox.path, root))
        .current_dir(&sandbox.path)
        .stdin(Stdio::null())
        .stdout(sandbox.log("stdout")?)
        .stderr(sandbox.log("stderr")?)
        .process_group(0)
        .kill_on_drop(true);
    if let Some(user) = user_of(launch)? {
        program.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let child = program.spawn()?;
    if let (Some(memory), Some(pid)) = (memory, child.id()) {
        memory.take_in(pid)?;
    }
    Ok(child)
}

/// What the task finds set: the image's variables before the framework's.
fn environment(launch: &Launch, sandbox: &Path, root: Option<&Root>) -> Vec<(String, String)> {
    let Some(root) = root else {
        return of_process(launch, sandbox);
    };
    let mut variables = of_process(launch, Path::new(SANDBOX));
    variables.extend(root.environment());
    variables.extend(of_command(launch, Secrets::Resolved));
    variables
}

/// The executable with `arguments[0]` as its name; what enters a namespace first loses that.
fn program(launch: &Launch, executable: &str, arguments: &[String]) -> Program {
    let (name, rest) = match arguments.split_first() {
        Some((name, rest)) => (name.as_str(), rest),
        None => (executable, arguments),
    };
    if let Some(namespace) = &launch.options.network_namespace {
        let mut program = Program::new("nsenter");
        program
            .arg(format!("--net=/run/netns/{namespace}"))
            .args(["--", executable])
            .args(rest);
        return program;
    }
    let mut program = Program::new(executable);
    program.arg0(name).args(rest);
    program
}

/// A running command.
struct Task<'a> {
    launch: &'a Launch,
    child: Child,
    pid: u32,
    memory: Option<MemoryGroup>,
    /// What the health check finds, if there is one.
    verdicts: Option<mpsc::UnboundedReceiver<Verdict>>,
    killed: bool,
    killed_by_check: bool,
    /// Nobody wants to hear of it.
    silent: bool,
    /// When SIGKILL follows.
    escalation: Option<Instant>,
}

impl<'a> Task<'a> {
    fn new(
        launch: &'a Launch,
        sandbox: &'a Sandbox,
        child: Child,
        memory: Option<MemoryGroup>,
    ) -> Self {
        Self {
            launch,
            pid: child.id().unwrap_or_default(),
            child,
            memory,
            verdicts: Health::of(launch).map(|health| {
                let (launch, sandbox) = (launch.clone(), sandbox.path.clone());
                health.watch(move |check| run_check(check, launch.clone(), sandbox.clone()))
            }),
            killed: false,
            killed_by_check: false,
            silent: false,
            escalation: None,
        }
    }

    async fn attend(mut self, channel: &mut Channel) {
        loop {
            let escalation = self.escalation;
            let verdicts = self.verdicts.as_mut().filter(|_| !self.killed);
            tokio::select! {
                status = self.child.wait() => {
                    self.ended(status.ok(), channel);
                    break;
                }
                command = channel.command() => if self.obey(command, channel) { break },
                verdict = next_verdict(verdicts) => if let Some(verdict) = verdict {
                    channel.report(Report {
                        reason: Some("REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"),
                        healthy: Some(verdict.healthy),
                        ..of_executor("TASK_RUNNING", std::process::id())
                    });
                    if verdict.kill {
                        self.killed_by_check = true;
                        self.kill(self.launch.grace(), channel);
                    }
                },
                () = async {
                    match escalation {
                        Some(at) => sleep_until(at).await,
                        None => pending().await,
                    }
                } => {
                    self.escalation = None;
                    signal_tree(self.pid, Signal::SIGKILL);
                }
                () = sleep(LOOK), if self.memory.is_some() => if self.exceeded(channel) { break },
            }
        }
        if !self.silent {
            sleep(EXECUTOR_LINGERS).await;
        }
        kill_marked(&self.launch.container.to_string());
        let _ = self.child.wait().await;
        if let Some(memory) = &self.memory {
            for _ in 0..REMOVALS {
                if memory.remove() {
                    break;
                }
                sleep(LOOK).await;
            }
        }
    }

    /// Whether it is over at once.
    fn obey(&mut self, command: Command, channel: &Channel) -> bool {
        match command {
            Command::Kill(grace) => {
                self.kill(grace.or(self.launch.grace()), channel);
                false
            }
            Command::Shutdown => {
                self.silent = true;
                self.killed = true;
                self.escalation = Some(Instant::now() + SHUTDOWN_GRACE);
                signal_tree(self.pid, Signal::SIGTERM);
                false
            }
            Command::Destroy | Command::Exit(_) => {
                self.silent = true;
                signal_tree(self.pid, Signal::SIGKILL);
                true
            }
        }
    }

    /// SIGTERM to the whole tree; SIGKILL after the grace, which a second kill can only shorten.
    fn kill(&mut self, grace: Option<Duration>, channel: &Channel) {
        let until = Instant::now() + grace.unwrap_or(GRACE);
        if self.killed {
            self.escalation = self.escalation.map(|before| before.min(until));
            return;
        }
        self.killed = true;
        self.escalation = Some(until);
        if self.launch.knows_killing() {
            channel.report(of_executor("TASK_KILLING", std::process::id()));
        }
        signal_tree(self.pid, Signal::SIGTERM);
    }

    fn ended(&self, status: Option<ExitStatus>, channel: &Channel) {
        if self.silent || self.exceeded(channel) {
            return;
        }
        let code = status.and_then(|status| status.code());
        let good = code == Some(0);
        let message = if let Some(code) = code {
            format!("Command exited with status {code}")
        } else {
            let signal = status.and_then(|status| status.signal()).unwrap_or(0);
            format!("Command terminated with signal {}", signals::name(signal))
        };
        let state = match (self.killed, good) {
            (true, _) => "TASK_KILLED",
            (false, true) => "TASK_FINISHED",
            (false, false) => "TASK_FAILED",
        };
        channel.report(
            Report {
                healthy: self.killed_by_check.then_some(false),
                ..of_executor(state, std::process::id())
            }
            .saying(message),
        );
    }

    /// Whether the container is over because it wanted too much memory.
    fn exceeded(&self, channel: &Channel) -> bool {
        let Some((limit, message)) = self.memory.as_ref().and_then(MemoryGroup::exceeded) else {
            return false;
        };
        signal_tree(self.pid, Signal::SIGKILL);
        #[expect(clippy::cast_precision_loss, reason = "MiB in a double")]
        let limit = limit as f64;
        channel.report(
            Report {
                state: "TASK_FAILED",
                by_agent: true,
                reason: Some("REASON_CONTAINER_LIMITATION_MEMORY"),
                limitation: Some(json!({"resources": [
                    {"name": "mem", "type": "SCALAR", "scalar": {"value": limit}}
                ]})),
                ..Report::default()
            }
            .saying(message),
        );
        true
    }
}

impl Drop for Task<'_> {
    /// A double that is dropped leaves no process behind.
    fn drop(&mut self) {
        if self.child.id().is_some() {
            signal_tree(self.pid, Signal::SIGKILL);
            kill_marked(&self.launch.container.to_string());
        }
    }
}

async fn run_check(check: CheckCommand, launch: Launch, sandbox: PathBuf) -> bool {
    let mut program = if check.shell {
        let mut program = Program::new("/bin/sh");
        program.arg("-c").arg(&check.value);
        program
    } else {
        let mut program = Program::new(&check.value);
        program.args(check.arguments.iter().skip(1));
        program
    };
    program
        .env_clear()
        .envs(of_process(&launch, &sandbox))
        .current_dir(sandbox)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    program.status().await.is_ok_and(|status| status.success())
}
