//! Health checks: when a task is looked at, and what follows from it.

use crate::call::text;
use crate::executor::Launch;
use serde_json::{Map, Value};
use std::future::Future;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// One look at a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Look {
    Command(CheckCommand),
    Http { url: String },
    Tcp { port: u16 },
}

/// A command that tells by its exit status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CheckCommand {
    pub(crate) shell: bool,
    pub(crate) value: String,
    pub(crate) arguments: Vec<String>,
}

/// What is new about a task's health.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Verdict {
    pub(crate) healthy: bool,
    /// It failed once too often.
    pub(crate) kill: bool,
}

/// A task's health check and how it went so far.
#[derive(Debug)]
pub(crate) struct Health {
    look: Look,
    interval: Duration,
    timeout: Duration,
    grace_until: Instant,
    tolerated: u64,
    next: Instant,
    failures: u64,
    /// Nothing was good yet.
    initializing: bool,
}

impl Health {
    /// The check of a task, from when it runs on.
    pub(crate) fn of(launch: &Launch) -> Option<Self> {
        let check = launch.part("health_check")?;
        let seconds = |field: &str, default: f64| {
            let seconds = check.get(field).and_then(Value::as_f64).unwrap_or(default);
            Duration::try_from_secs_f64(seconds).unwrap_or_default()
        };
        let now = Instant::now();
        Some(Self {
            look: look(check)?,
            interval: seconds("interval_seconds", 10.0),
            timeout: seconds("timeout_seconds", 20.0),
            grace_until: now + seconds("grace_period_seconds", 10.0),
            tolerated: check
                .get("consecutive_failures")
                .and_then(Value::as_u64)
                .unwrap_or(3),
            next: now + seconds("delay_seconds", 15.0),
            failures: 0,
            initializing: true,
        })
    }

    /// Looks at the task until nobody asks any more; `run` runs a check's command.
    pub(crate) fn watch<F>(
        mut self,
        run: impl Fn(CheckCommand) -> F + Send + Sync + 'static,
    ) -> mpsc::UnboundedReceiver<Verdict>
    where
        F: Future<Output = bool> + Send,
    {
        let (sender, verdicts) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let verdict = tokio::select! {
                    verdict = self.next(&run) => verdict,
                    () = sender.closed() => return,
                };
                if let Some(verdict) = verdict {
                    let _ = sender.send(verdict);
                }
            }
        });
        verdicts
    }

    /// Waits for the next look and takes it.
    async fn next<F>(&mut self, run: &(impl Fn(CheckCommand) -> F + Sync)) -> Option<Verdict>
    where
        F: Future<Output = bool>,
    {
        sleep(self.next.saturating_duration_since(Instant::now())).await;
        let look = self.look.clone();
        let glance = async {
            match look {
                Look::Command(check) => run(check).await,
                Look::Http { url } => is_answered(&url).await,
                Look::Tcp { port } => TcpStream::connect(("127.0.0.1", port)).await.is_ok(),
            }
        };
        // A timeout of 0 is none.
        let good = if self.timeout.is_zero() {
            glance.await
        } else {
            timeout(self.timeout, glance).await.unwrap_or(false)
        };
        self.next = Instant::now() + self.interval;
        self.judge(good, Instant::now())
    }

    fn judge(&mut self, good: bool, now: Instant) -> Option<Verdict> {
        if good {
            let is_news = self.initializing || self.failures > 0;
            self.initializing = false;
            self.failures = 0;
            return is_news.then_some(Verdict {
                healthy: true,
                kill: false,
            });
        }
        if self.initializing && now < self.grace_until {
            return None;
        }
        self.failures += 1;
        Some(Verdict {
            healthy: false,
            kill: self.failures >= self.tolerated,
        })
    }
}

fn look(check: &Map<String, Value>) -> Option<Look> {
    let message = |field: &str| check.get(field).and_then(Value::as_object);
    let port = |of: &Map<String, Value>| of.get("port")?.as_u64()?.try_into().ok();
    match text(check, "type")? {
        "COMMAND" => {
            let command = message("command")?;
            Some(Look::Command(CheckCommand {
                shell: command
                    .get("shell")
                    .and_then(Value::as_bool)
                    .unwrap_or(true),
                value: text(command, "value").unwrap_or_default().to_owned(),
                arguments: crate::call::texts(command, "arguments"),
            }))
        }
        "HTTP" => {
            let http = message("http")?;
            let port: u16 = port(http)?;
            Some(Look::Http {
                url: format!(
                    "{}://127.0.0.1:{port}{}",
                    text(http, "scheme").unwrap_or("http"),
                    text(http, "path").unwrap_or("/")
                ),
            })
        }
        "TCP" => Some(Look::Tcp {
            port: port(message("tcp")?)?,
        }),
        _ => None,
    }
}

/// Whether a GET ends in 200 to 399, asked as the executor asks.
async fn is_answered(url: &str) -> bool {
    let output = Command::new("curl")
        .args([
            "-s",
            "-S",
            "-L",
            "-k",
            "-w",
            "%{http_code}",
            "-o",
            "/dev/null",
            "-g",
            url,
        ])
        .kill_on_drop(true)
        .output()
        .await;
    let status = output
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|status| status.trim().parse::<u16>().ok());
    status.is_some_and(|status| (200..400).contains(&status))
}
