//! `flugs up`: the embedded cluster.

use std::path::PathBuf;
use std::process::ExitCode as ProcessExit;
use std::time::Duration;

use crate::appmaster::{
    AppMasterError, ClusterEvent, ClusterSettings, Containers, Place, StopSignals, prepare,
};
use crate::fleet;
use crate::store::ClusterState;
use flugs_model::Property;

use super::supervision::restart::{BackoffArgs, Restart, parse_restart};
use super::{Ending, detach, flink_home, number, output, status::Report};

/// Run a real Flink cluster on this machine: one JobManager and N TaskManagers.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  flugs up --flink-home /opt/flink
  flugs up --flink-version 2.3.0 --taskmanagers 4 --slots 2 --detach
  flugs up --flink-home /opt/flink --on docker --cpus 1.5
  flugs up --flink-home /opt/flink -D rest.port=8081 -D state.backend.type=rocksdb

Ctrl-C stops the workers and then the JobManager; a second Ctrl-C hurries. A worker that dies is
replaced, a JobManager that dies is started again at the same address.
Clients find the cluster through FLINK_CONF_DIR=DIR/client-conf.")]
pub(super) struct Args {
    #[command(flatten)]
    flink: flink_home::Args,
    /// How many TaskManagers to run.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = number::workers())]
    taskmanagers: usize,
    /// Slots of each TaskManager (sets taskmanager.numberOfTaskSlots).
    #[arg(long, value_name = "N", value_parser = number::slots())]
    slots: Option<u32>,
    /// Where the members run.
    #[arg(long, value_enum, value_name = "PLACE", default_value = "process")]
    on: On,
    /// With --on docker: the JobManager's image.
    #[arg(long, value_name = "IMAGE", default_value = "flugs-appmaster")]
    appmaster_image: String,
    /// With --on docker: the TaskManagers' image.
    #[arg(long, value_name = "IMAGE", default_value = "flugs-worker")]
    worker_image: String,
    /// With --on docker: how many cores each container may use at most.
    #[arg(long, value_name = "N", value_parser = number::cores)]
    cpus: Option<f64>,
    /// Set a Flink option for every member (repeatable).
    #[arg(short = 'D', value_name = "KEY=VALUE")]
    properties: Vec<String>,
    /// Ship what this JSON file declares to every member (repeatable); see docs/overlays.md.
    #[arg(long = "overlay", value_name = "FILE")]
    overlays: Vec<PathBuf>,
    /// Where the cluster keeps its state, its sandboxes and its artifacts.
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DIRECTORY)]
    pub(super) dir: PathBuf,
    /// Return once the cluster is ready and leave it running.
    #[arg(long)]
    pub(super) detach: bool,
    /// Print the ready cluster as one JSON document.
    #[arg(long)]
    pub(super) json: bool,
    /// Seconds within which the cluster must become ready.
    #[arg(long, value_name = "SECONDS", default_value = "180", value_parser = number::some_seconds)]
    timeout: Duration,
    /// Seconds that a member has between the request to stop and SIGKILL.
    #[arg(long, value_name = "SECONDS", default_value = "9", value_parser = number::seconds)]
    grace: Duration,
    /// When to start members again: never, on-failure, always; with ":N", at most N times in the
    /// window. A member that fails is replaced at once, then after 1 s, doubling to 30; a JobManager
    /// that was told by a client to shut down ends the cluster (unless always); more than 10
    /// failures in 300 s give up.
    #[arg(long, value_name = "POLICY", default_value = "on-failure", value_parser = parse_restart)]
    restart: Restart,
    #[command(flatten)]
    backoff: BackoffArgs,
    /// Run as the background process of a detached cluster.
    #[arg(long, hide = true)]
    in_background: bool,
}

/// Where members run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum On {
    /// As processes of this machine.
    Process,
    /// As containers of this machine's Docker engine.
    Docker,
}

fn place(args: &Args) -> Place {
    match args.on {
        On::Process => Place::Processes,
        On::Docker => Place::Containers(Containers {
            appmaster_image: args.appmaster_image.clone(),
            worker_image: args.worker_image.clone(),
            cpus: args.cpus,
        }),
    }
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    if args.detach && !args.in_background {
        return detach::start(args);
    }
    if args.in_background {
        detach::leave_terminal();
    }
    let settings = settings(args)?;
    let runtime = super::runtime()?;
    runtime.block_on(serve(args, &settings))?;
    Ok(ProcessExit::SUCCESS)
}

async fn serve(args: &Args, settings: &ClusterSettings) -> Result<(), AppMasterError> {
    let mut signals = StopSignals::listen()?;
    let progress = output::Progress::new("starting");
    let mut shown = false;
    let mut notify = |event: &ClusterEvent, state: &ClusterState| match event {
        ClusterEvent::Ready if !shown => {
            shown = true;
            progress.finish();
            Report::new(&settings.directory, state, true).print(args.json);
        }
        event => tell(event, &progress),
    };
    let (cluster, _lock) = prepare(settings, &mut notify).await?;
    cluster.run(&mut signals, &mut notify).await
}

/// Says what happened, on standard error: what goes to standard output is the ready cluster.
fn tell(event: &ClusterEvent, progress: &output::Progress) {
    match event {
        ClusterEvent::Publishing(step) => {
            progress.update(&format!(
                "reading the Flink distribution: {}/{} files",
                step.files, step.total
            ));
        }
        ClusterEvent::Started { id, pid } => {
            progress.say(&format!("{id} started (process {pid})"));
            progress.update("waiting for the members to serve");
        }
        ClusterEvent::Registered { id } => progress.say(&format!("{id} serves")),
        ClusterEvent::Lost { id, code, reason } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}"));
            let reason = reason.unwrap_or_default();
            progress.say(&format!("{id} ended by itself with code {code}{reason}"));
        }
        ClusterEvent::NotStarted { reason } => progress.say(reason),
        ClusterEvent::Notice(text) => progress.say(&format!("flugs: {text}")),
        ClusterEvent::Ready => progress.say("the cluster is whole again"),
        ClusterEvent::Finished => progress.say("the JobManager has finished"),
        ClusterEvent::Stopping => progress.say("stopping"),
        ClusterEvent::Hurrying => progress.say("killing what is left"),
    }
}

fn settings(args: &Args) -> Result<ClusterSettings, Ending> {
    let mut properties = Vec::new();
    for text in &args.properties {
        properties.push(text.parse::<Property>()?);
    }
    if let Some(slots) = args.slots {
        let key = "taskmanager.numberOfTaskSlots".to_owned();
        properties.push(Property {
            key,
            value: slots.to_string(),
        });
    }
    Ok(ClusterSettings {
        directory: super::absolute(&args.dir)?,
        flink_home: args.flink.resolve()?,
        task_managers: args.taskmanagers,
        properties,
        overlays: args.overlays.clone(),
        timeout: args.timeout,
        grace: args.grace,
        restart: args.backoff.policy(args.restart, fleet::default_policy()),
        environment: super::environment(),
        program: super::own_program()?,
        place: place(args),
    })
}
