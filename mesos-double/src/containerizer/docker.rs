//! The Docker containerizer: images, containers and the Docker executor, over the `docker` command
//! as a real agent uses it.

use super::docker_arguments::{container_name, run_arguments};
use super::fetcher::fetch_all;
use super::health::{CheckCommand, Health, Verdict};
use super::sandbox::Sandbox;
use super::signals;
use super::{next_verdict, prepared, sandbox_of};
use crate::call::text;
use crate::cluster::Report;
use crate::executor::{Channel, Command, Launch};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::future::pending;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command as Program};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const SOCKET: &str = "unix:///var/run/docker.sock";
/// The executor's shutdown grace period, less than which no container gets unless it asks.
const GRACE: Duration = Duration::from_secs(5);
/// How often a container is asked whether it runs yet.
const INSPECT: Duration = Duration::from_millis(500);
/// How long that may take once the container is over.
const LAST_INSPECT: Duration = Duration::from_secs(5);

/// Runs a task to its end. Its container is removed after it; a real agent leaves it for hours.
pub(crate) async fn run(launch: &Launch, mut channel: Channel) {
    let Some(sandbox) = sandbox_of(launch, &channel) else {
        return;
    };
    let prepare = prepare(launch, &sandbox);
    if prepared(launch, &mut channel, prepare).await.is_none() {
        return;
    }
    channel.report(Report::of("TASK_STARTING"));
    let arguments = match run_arguments(launch, &sandbox.path) {
        Ok(arguments) => arguments,
        Err(reason) => {
            let message = format!("Failed to create docker run options: {reason}");
            return channel.report(Report::of("TASK_FAILED").saying(message));
        }
    };
    match start(&arguments, &sandbox) {
        Ok(child) => Task::new(launch, child).attend(&mut channel).await,
        Err(error) => {
            let message = format!("Failed to run docker container: {error}");
            channel.report(Report::of("TASK_FAILED").saying(message));
        }
    }
}

/// Fetches URIs and the image, as far as they are not there.
async fn prepare(launch: &Launch, sandbox: &Sandbox) -> Result<(), String> {
    fetch_all(launch, &sandbox.path).await?;
    let docker = launch
        .part("container")
        .and_then(|container| container.get("docker"))
        .and_then(Value::as_object);
    let image = docker
        .and_then(|docker| text(docker, "image"))
        .unwrap_or_default();
    let force = docker
        .and_then(|docker| docker.get("force_pull_image"))
        .and_then(Value::as_bool);
    // A slow pull is one that was needed.
    sleep(launch.faults.pull_delay).await;
    if force != Some(true) && succeeds(&["inspect", image]).await {
        return Ok(());
    }
    let tagged = image
        .rsplit('/')
        .next()
        .is_some_and(|name| name.contains([':', '@']));
    let image = if tagged {
        image.to_owned()
    } else {
        format!("{image}:latest")
    };
    let pull = docker_command(&["pull", &image])
        .env("HOME", &sandbox.path)
        .output()
        .await;
    match pull {
        Ok(pull) if pull.status.success() => Ok(()),
        Ok(pull) => Err(format!(
            "Failed to run 'docker -H {SOCKET} pull {image}': exited with status {}; stderr='{}'",
            pull.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&pull.stderr)
        )),
        Err(error) => Err(format!(
            "Failed to run 'docker -H {SOCKET} pull {image}': {error}"
        )),
    }
}

fn docker_command(arguments: &[&str]) -> Program {
    let mut program = Program::new("docker");
    program
        .args(["-H", SOCKET])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    program
}

async fn output(arguments: &[&str]) -> io::Result<Output> {
    docker_command(arguments).output().await
}

async fn succeeds(arguments: &[&str]) -> bool {
    output(arguments)
        .await
        .is_ok_and(|output| output.status.success())
}

/// `docker run` in the foreground, its output in the sandbox.
fn start(arguments: &[String], sandbox: &Sandbox) -> io::Result<Child> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    docker_command(&arguments)
        .stdout(sandbox.log("stdout")?)
        .stderr(sandbox.log("stderr")?)
        .spawn()
}

/// Why a container is ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Killed {
    No,
    /// The framework asked for it.
    Asked,
    /// Its health check failed too often.
    ByCheck,
    /// The framework is gone: nobody wants to hear of it.
    Silently,
}

/// A container on its way to its end.
struct Task<'a> {
    launch: &'a Launch,
    name: String,
    child: Child,
    /// `docker inspect`, until the container has run.
    starting: Option<mpsc::Receiver<Vec<u8>>>,
    verdicts: Option<mpsc::UnboundedReceiver<Verdict>>,
    killed: Killed,
    removed: bool,
    stop: Option<JoinHandle<()>>,
}

impl<'a> Task<'a> {
    fn new(launch: &'a Launch, child: Child) -> Self {
        let name = container_name(launch);
        Self {
            launch,
            starting: Some(watch_start(name.clone())),
            name,
            child,
            verdicts: None,
            killed: Killed::No,
            removed: false,
            stop: None,
        }
    }

    async fn attend(mut self, channel: &mut Channel) {
        loop {
            let starting = self.starting.as_mut();
            let verdicts = self.verdicts.as_mut().filter(|_| self.killed == Killed::No);
            tokio::select! {
                status = self.child.wait() => {
                    if self.killed != Killed::Silently {
                        self.ended(status.ok(), channel).await;
                    }
                    break;
                }
                inspected = async {
                    match starting {
                        Some(starting) => starting.recv().await,
                        None => pending().await,
                    }
                } => {
                    self.starting = None;
                    if let Some(inspected) = inspected {
                        self.started(&inspected, channel);
                    }
                }
                command = channel.command() => if self.obey(command, channel) { break },
                verdict = next_verdict(verdicts) => if let Some(verdict) = verdict {
                    self.judged(verdict, channel);
                },
            }
        }
        if let Some(stop) = self.stop.take() {
            stop.abort();
        }
        // Not as a real agent, which leaves it for hours: tests clean up.
        self.removed = succeeds(&["rm", "-f", "-v", &self.name]).await;
    }

    fn started(&mut self, inspected: &[u8], channel: &Channel) {
        channel.report(Report {
            data: Some(STANDARD.encode(inspected)),
            address: address(inspected),
            ..Report::of("TASK_RUNNING")
        });
        let name = self.name.clone();
        self.verdicts = Health::of(self.launch)
            .map(|health| health.watch(move |check| run_check(check, name.clone())));
    }

    fn judged(&mut self, verdict: Verdict, channel: &Channel) {
        channel.report(Report {
            reason: Some("REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"),
            healthy: Some(verdict.healthy),
            ..Report::of("TASK_RUNNING")
        });
        if verdict.kill {
            self.kill(Killed::ByCheck, None, channel);
        }
    }

    /// Whether it is over at once.
    fn obey(&mut self, command: Command, channel: &Channel) -> bool {
        match command {
            Command::Kill(grace) => self.kill(Killed::Asked, grace, channel),
            Command::Shutdown => {
                self.killed = Killed::Silently;
                self.stop(self.launch.grace().unwrap_or(GRACE));
            }
            Command::Destroy | Command::Exit(_) => return true,
        }
        false
    }

    fn kill(&mut self, why: Killed, grace: Option<Duration>, channel: &Channel) {
        if self.killed == Killed::No {
            self.killed = why;
            if self.launch.knows_killing() {
                channel.report(Report::of("TASK_KILLING"));
            }
        }
        self.stop(grace.or(self.launch.grace()).unwrap_or(GRACE));
    }

    /// `docker stop`, in place of one that is under way.
    fn stop(&mut self, grace: Duration) {
        let name = self.name.clone();
        let before = self.stop.replace(tokio::spawn(async move {
            let grace = grace.as_secs().to_string();
            // Before the container is there, it cannot be stopped.
            while !succeeds(&["stop", "-t", &grace, &name]).await {
                sleep(INSPECT).await;
            }
        }));
        if let Some(before) = before {
            before.abort();
        }
    }

    /// Waits for the container to have been seen running, and tells how it ended.
    async fn ended(&mut self, status: Option<ExitStatus>, channel: &Channel) {
        let by_itself = status.and_then(|status| status.code()) != Some(125);
        if let Some(mut starting) = self.starting.take()
            && by_itself
            && let Ok(Some(inspected)) = timeout(LAST_INSPECT, starting.recv()).await
        {
            self.started(&inspected, channel);
        }
        let code = status.and_then(|status| status.code());
        let message = if let Some(code) = code {
            format!("Container exited with status {code}")
        } else {
            let signal = status.and_then(|status| status.signal()).unwrap_or(0);
            format!("Container terminated with signal {}", signals::name(signal))
        };
        let state = match (self.killed, code) {
            (Killed::No, Some(0)) => "TASK_FINISHED",
            (Killed::No, _) => "TASK_FAILED",
            _ => "TASK_KILLED",
        };
        channel.report(
            Report {
                healthy: (self.killed == Killed::ByCheck).then_some(false),
                ..Report::of(state)
            }
            .saying(message),
        );
    }
}

impl Drop for Task<'_> {
    /// A double that is dropped leaves no container behind.
    fn drop(&mut self) {
        if !self.removed {
            let _ = std::process::Command::new("docker")
                .args(["-H", SOCKET, "rm", "-f", "-v", &self.name])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
        }
    }
}

/// Asks for the container until it has started; ends when nobody waits any more.
fn watch_start(name: String) -> mpsc::Receiver<Vec<u8>> {
    let (sender, started) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = sleep(INSPECT) => {}
                () = sender.closed() => return,
            }
            let Ok(inspected) = output(&["inspect", &name]).await else {
                continue;
            };
            if has_started(&inspected.stdout) {
                let _ = sender.send(inspected.stdout).await;
                return;
            }
        }
    });
    started
}

fn has_started(inspected: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(inspected).unwrap_or_default();
    value
        .pointer("/0/State/StartedAt")
        .and_then(Value::as_str)
        .is_some_and(|at| !at.starts_with("0001-"))
}

/// The container's own address, if it has one.
fn address(inspected: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(inspected).ok()?;
    let settings = value.pointer("/0/NetworkSettings")?;
    let networks = settings.get("Networks").and_then(Value::as_object);
    let addresses = networks
        .into_iter()
        .flat_map(|networks| networks.values())
        .chain([settings])
        .filter_map(|network| network.get("IPAddress")?.as_str());
    addresses
        .filter(|address| !address.is_empty())
        .map(str::to_owned)
        .next()
}

async fn run_check(check: CheckCommand, name: String) -> bool {
    let mut arguments = vec!["exec", &name];
    if check.shell {
        arguments.extend(["/bin/sh", "-c", &check.value]);
    } else {
        arguments.push(&check.value);
        arguments.extend(check.arguments.iter().skip(1).map(String::as_str));
    }
    succeeds(&arguments).await
}
