//! Executors: what carries the agent's orders out, and what it is told.

use crate::cluster::Report;
use crate::containerizer::{docker, process};
use crate::double::Shared;
use crate::faults::Faults;
use crate::identity::{Uuid, random_below};
use crate::options::{AgentOptions, Executors};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// What an executor is to do.
#[derive(Debug)]
pub(crate) enum Order {
    Launch(Box<Launch>),
    /// End the task; without a grace period its own holds.
    Kill {
        container: Uuid,
        grace: Option<Duration>,
    },
    /// The framework is gone: end the task, nobody wants to hear of it.
    Shutdown {
        container: Uuid,
    },
    /// Away with it, at once.
    Destroy {
        container: Uuid,
    },
}

/// A task to start.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) container: Uuid,
    pub(crate) agent_id: String,
    pub(crate) agent_pid: String,
    /// Host and port of the agent.
    pub(crate) agent_endpoint: String,
    pub(crate) address: String,
    pub(crate) options: AgentOptions,
    pub(crate) framework_id: String,
    pub(crate) framework_info: Map<String, Value>,
    pub(crate) role: String,
    pub(crate) task_id: String,
    pub(crate) task: Map<String, Value>,
    pub(crate) work_dir: PathBuf,
    /// As they were when the task was launched.
    pub(crate) faults: Faults,
}

impl Launch {
    /// `<work_dir>/slaves/<agent>/frameworks/<framework>/executors/<task>/runs/<container>`.
    pub(crate) fn sandbox(&self) -> PathBuf {
        self.work_dir
            .join("slaves")
            .join(&self.agent_id)
            .join("frameworks")
            .join(&self.framework_id)
            .join("executors")
            .join(&self.task_id)
            .join("runs")
            .join(self.container.to_string())
    }

    pub(crate) fn part(&self, field: &str) -> Option<&Map<String, Value>> {
        self.task.get(field).and_then(Value::as_object)
    }

    pub(crate) fn knows_killing(&self) -> bool {
        crate::validation::framework::has_capability(&self.framework_info, "TASK_KILLING_STATE")
    }

    /// The grace period of the task's own kill policy.
    pub(crate) fn grace(&self) -> Option<Duration> {
        crate::cluster::grace_of(&self.task)
    }
}

/// What a running executor hears.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    Kill(Option<Duration>),
    /// End with the executor's own grace and say nothing.
    Shutdown,
    Destroy,
    /// A pretended task ends with this status.
    Exit(i32),
}

/// Where an executor's commands come from and its reports go.
pub(crate) struct Channel {
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    container: Uuid,
    shared: Arc<Shared>,
}

impl Channel {
    pub(crate) fn report(&self, report: Report) {
        self.shared
            .with(|cluster| cluster.report(self.container, report));
    }

    /// The next command; for ever silent if nobody is left to give one.
    pub(crate) async fn command(&mut self) -> Command {
        match self.commands.recv().await {
            Some(command) => command,
            None => std::future::pending().await,
        }
    }
}

/// All running executors.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<HashMap<Uuid, mpsc::UnboundedSender<Command>>>);

impl Running {
    pub(crate) fn carry_out(&self, order: Order, shared: &Arc<Shared>) {
        match order {
            Order::Launch(launch) => {
                let (sender, commands) = mpsc::unbounded_channel();
                let container = launch.container;
                self.lock().insert(container, sender);
                let channel = Channel {
                    commands,
                    container,
                    shared: Arc::clone(shared),
                };
                let shared = Arc::clone(shared);
                tokio::spawn(async move {
                    run(*launch, channel).await;
                    shared.running.lock().remove(&container);
                });
            }
            Order::Kill { container, grace } => self.tell(container, Command::Kill(grace)),
            Order::Shutdown { container } => self.tell(container, Command::Shutdown),
            Order::Destroy { container } => self.tell(container, Command::Destroy),
        }
    }

    pub(crate) fn tell(&self, container: Uuid, command: Command) {
        if let Some(sender) = self.lock().get(&container) {
            // An executor that just ended needs no command.
            let _ = sender.send(command);
        }
    }

    pub(crate) fn tell_all(&self, command: Command) {
        for sender in self.lock().values() {
            let _ = sender.send(command);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, mpsc::UnboundedSender<Command>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(launch: Launch, channel: Channel) {
    if random_below(100) < u64::from(launch.faults.failed_launches) {
        channel.report(Report::launch_failed("a launch that is to fail"));
        return;
    }
    if launch.options.executors == Executors::Pretended {
        return pretend(&launch, channel).await;
    }
    let containerizer = launch
        .part("container")
        .and_then(|container| crate::call::text(container, "type"));
    if containerizer == Some("DOCKER") {
        docker::run(&launch, channel).await;
    } else {
        process::run(&launch, channel).await;
    }
}

/// A task of which nothing runs.
async fn pretend(launch: &Launch, mut channel: Channel) {
    for state in ["TASK_STARTING", "TASK_RUNNING"] {
        channel.report(Report::of(state));
    }
    match channel.command().await {
        Command::Kill(_) => {
            if launch.knows_killing() {
                channel.report(Report::of("TASK_KILLING"));
            }
            channel.report(Report::of("TASK_KILLED"));
        }
        Command::Exit(0) => {
            channel.report(Report::of("TASK_FINISHED").saying("Command exited with status 0"));
        }
        Command::Exit(status) => {
            let message = format!("Command exited with status {status}");
            channel.report(Report::of("TASK_FAILED").saying(message));
        }
        Command::Shutdown | Command::Destroy => {}
    }
}

impl Report {
    pub(crate) fn of(state: &'static str) -> Self {
        Self {
            state,
            ..Self::default()
        }
    }

    #[must_use]
    pub(crate) fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// The agent could not get the task to run.
    pub(crate) fn launch_failed(reason: &str) -> Self {
        Self {
            state: "TASK_FAILED",
            by_agent: true,
            reason: Some("REASON_CONTAINER_LAUNCH_FAILED"),
            message: Some(format!("Failed to launch container: {reason}")),
            ..Self::default()
        }
    }
}
