//! The double by hand: `cargo run -p mesos-double -- --agents 2 --port 5050`.

use clap::{Parser, ValueEnum};
use mesos_double::{ADMIN_HELP, AgentOptions, DoubleError, Executors, MesosDouble, Options, Time};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// A Mesos master with agents that really run tasks, for trying a framework without a cluster.
#[derive(Parser)]
#[command(after_help = format!(
    "Example:\n  mesos-double --agents 2 --admin-port 5060\n  \
     flugs appmaster -D mesos.master=127.0.0.1:5050 …\n  \
     curl -X POST http://127.0.0.1:5060/agents/0/lose\n\nWhat --admin-port answers:\n{ADMIN_HELP}"
))]
struct Arguments {
    /// The address to listen on, and by which masters and agents are known.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The first master's port; further masters take the ports behind it.
    #[arg(long, default_value_t = 5050)]
    port: u16,
    /// Masters; the first one leads.
    #[arg(long, default_value_t = 1)]
    masters: u16,
    /// Agents, whose numbers begin with 0.
    #[arg(long, default_value_t = 1)]
    agents: u16,
    /// Resources of each agent, `ports:[31000-31099];cpus:4;mem:4096;disk:10000`; `%` becomes the
    /// agent's number. Default: these, and the next hundred ports for the next agent, since all of
    /// them are on this machine.
    #[arg(long)]
    resources: Option<String>,
    /// Attributes of each agent, `rack:r%;cores:8`; `%` becomes the agent's number. Default: none.
    #[arg(long)]
    attributes: Option<String>,
    /// The name of each agent's host, `127.0.0.1%`; `%` becomes the agent's number. Default: the
    /// address.
    #[arg(long)]
    hostname: Option<String>,
    /// Whether tasks run or only seem to.
    #[arg(long, value_enum, default_value_t = Tasks::Real)]
    tasks: Tasks,
    /// Limit the memory of tasks without Docker by a cgroup.
    #[arg(long)]
    limit_memory: bool,
    /// Seconds until an agent that is cut off is unreachable.
    #[arg(long, default_value = "75", value_name = "SECONDS", value_parser = seconds)]
    agent_timeout: Duration,
    /// Seconds that fetching and pulling may take.
    #[arg(long, default_value = "60", value_name = "SECONDS", value_parser = seconds)]
    registration_timeout: Duration,
    /// Check servers that files are fetched from by these authorities (PEM), not the machine's.
    #[arg(long)]
    fetcher_ca: Option<PathBuf>,
    /// Stand for election in this ZooKeeper, `zk://host:port/path`.
    #[arg(long)]
    zookeeper: Option<String>,
    /// Ask for this principal and secret, `principal:secret`. May be repeated.
    #[arg(long, value_name = "PRINCIPAL:SECRET", value_parser = credential)]
    credential: Vec<(String, String)>,
    /// Where sandboxes go; they stay when the double ends. Default: a temporary directory.
    #[arg(long)]
    work_dir: Option<PathBuf>,
    /// Where faults are asked for.
    #[arg(long, default_value_t = 0)]
    admin_port: u16,
    /// Time stands still until `POST /advance?SECONDS`.
    #[arg(long)]
    virtual_time: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Tasks {
    Real,
    Pretended,
}

impl Arguments {
    fn options(&self) -> Options {
        let agents = (0..self.agents)
            .map(|number| {
                let numbered = |text: &str| text.replace('%', &number.to_string());
                let text = |text: &Option<String>| text.as_deref().map(numbered);
                AgentOptions {
                    hostname: text(&self.hostname).unwrap_or(self.host.clone()),
                    resources: text(&self.resources).unwrap_or(resources(number)),
                    attributes: text(&self.attributes).unwrap_or_default(),
                    executors: match self.tasks {
                        Tasks::Real => Executors::Real,
                        Tasks::Pretended => Executors::Pretended,
                    },
                    limit_memory: self.limit_memory,
                    executor_registration_timeout: self.registration_timeout,
                    fetcher_authorities: self.fetcher_ca.clone(),
                    ..AgentOptions::default()
                }
            })
            .collect();
        Options {
            host: self.host.clone(),
            ports: (0..self.masters)
                .map(|number| match self.port {
                    0 => 0,
                    first => first.saturating_add(number),
                })
                .collect(),
            agents,
            time: if self.virtual_time {
                Time::Virtual
            } else {
                Time::Real
            },
            work_dir: self.work_dir.clone(),
            zookeeper: self.zookeeper.clone(),
            credentials: self.credential.iter().cloned().collect(),
            agent_timeout: self.agent_timeout,
            ..Options::default()
        }
    }
}

/// What an agent has if nobody says so: ports that no other agent of this machine has.
fn resources(agent: u16) -> String {
    let first = 31000 + 100 * u32::from(agent);
    let ports = format!("ports:[{first}-{}]", first + 99);
    format!("{ports};cpus:4;mem:4096;disk:10000")
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// A master splits at each colon, so that no secret can hold one.
fn credential(text: &str) -> Result<(String, String), String> {
    match text.split(':').collect::<Vec<&str>>().as_slice() {
        [principal, secret] => Ok(((*principal).to_owned(), (*secret).to_owned())),
        _ => Err("expected principal:secret, with one colon".to_owned()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "mesos-double: error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), DoubleError> {
    let double = Arc::new(MesosDouble::start(arguments.options()).await?);
    let admin =
        mesos_double::serve_admin(Arc::clone(&double), &arguments.host, arguments.admin_port)
            .await?;
    let mut out = std::io::stdout();
    for address in double.addresses() {
        let _ = writeln!(out, "master http://{address}");
    }
    let _ = writeln!(out, "admin http://{admin}");
    let _ = writeln!(out, "sandboxes {}", double.work_dir().display());
    let _ = out.flush();
    wait_for_end().await;
    double.stop().await;
    Ok(())
}

async fn wait_for_end() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
