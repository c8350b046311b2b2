//! `flugs appmaster`: a cluster on Mesos.

use std::ffi::{CString, OsString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode as ProcessExit;
use std::time::Duration;

use clap::Parser as _;

use crate::appmaster::mesos::{MesosClusterSettings, MesosEvent, prepare};
use crate::appmaster::{AppMasterError, StopSignals};
use crate::entrypoint::{AppMasterCall, RunDirectory, is_usable};
use crate::fleet;
use flugs_base::ExitCode;
use flugs_mesos::scheduler::Stop;
use flugs_model::{Property, Role};
use flugs_supervise as supervise;

use super::printable::printable;
use super::supervision::restart::{BackoffArgs, Restart, parse_restart};
use super::{Ending, flink_home, ineffective, number, output};

/// Run a Flink cluster on Mesos: the JobManager here, the TaskManagers as tasks.
///
/// Everything that is to be said about Mesos is said with Flink's options (docs/mesos.md). As the
/// first process of a container it reaps orphans and takes signals as an init does.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  FLINK_HOME=/opt/flink flugs appmaster -D mesos.master=zk://zk1:2181/mesos \\
      -D mesos.initial-tasks=4 -D jobmanager.rpc.address=$(hostname -f)
  flugs appmaster --dir /var/lib/flugs/orders -D mesos.master=master1:5050 \\
      -D mesos.resourcemanager.tasks.container.type=docker \\
      -D mesos.resourcemanager.tasks.container.image.name=flugs-worker
  flugs appmaster --job -D mesos.master=master1:5050 -- --job-classname org.example.Job

SIGTERM leaves the workers running for a successor (see --on-term), Ctrl-C ends the framework and
its workers; a second signal waits for nothing. With Flink's high availability in ZooKeeper, further
application masters of the same cluster stand by and take over when the one that leads is gone. A JobManager that a client shut down, or whose one
job is done, ends the cluster with exit code 0. `flugs why` says why nothing is launched.")]
pub(super) struct Args {
    #[command(flatten)]
    flink: flink_home::Args,
    /// Set a Flink option for the JobManager and every worker (repeatable).
    #[arg(short = 'D', value_name = "KEY=VALUE")]
    properties: Vec<String>,
    /// Ship what this JSON file declares to every worker (repeatable); see docs/overlays.md.
    #[arg(long = "overlay", value_name = "FILE")]
    overlays: Vec<PathBuf>,
    /// Where the cluster keeps its state, its artifacts and the JobManager's sandbox.
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DIRECTORY)]
    dir: PathBuf,
    /// Run one job, which is on the class path (lib or usrlib), and end with it.
    #[arg(long)]
    job: bool,
    /// Seconds that the JobManager has between the request to stop and SIGKILL.
    #[arg(long, value_name = "SECONDS", default_value = "9", value_parser = number::seconds)]
    grace: Duration,
    /// On SIGTERM: leave the workers for a successor, or end the framework and its workers.
    #[arg(long, value_enum, value_name = "END", default_value = "failover")]
    on_term: End,
    /// On SIGINT (Ctrl-C): the same choice.
    #[arg(long, value_enum, value_name = "END", default_value = "teardown")]
    on_int: End,
    /// If the Mesos master has removed the framework: forget it and its tasks, and begin anew.
    #[arg(long)]
    forget_framework: bool,
    /// Where the HTTP interface of `flugs why` and `flugs status` listens. On any other than a
    /// loopback address the token in DIR/api-token must be shown.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    api: SocketAddr,
    /// When to start the JobManager again: never, on-failure, always; with ":N", at most N times
    /// in the window.
    #[arg(long, value_name = "POLICY", default_value = "on-failure", value_parser = parse_restart)]
    restart: Restart,
    #[command(flatten)]
    backoff: BackoffArgs,
    /// With --job: arguments of Flink's entry point, and of the job.
    #[arg(last = true, requires = "job")]
    arguments: Vec<String>,
}

/// How a framework ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum End {
    /// The workers stay until the failover timeout is over.
    Failover,
    /// The framework ends, and its workers with it.
    Teardown,
}

impl From<End> for Stop {
    fn from(end: End) -> Self {
        match end {
            End::Failover => Self::Failover,
            End::Teardown => Self::Teardown,
        }
    }
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    output::begin_log();
    carry_out(&settings(args)?)
}

/// The command line of `flugs appmaster`, to be read where that is not what was called.
#[derive(Debug, clap::Parser)]
#[command(name = "appmaster")]
struct Words {
    #[command(flatten)]
    args: Args,
}

/// What `mesos-appmaster.sh` and `mesos-appmaster-job.sh` are asked for.
pub(super) fn run_script(call: AppMasterCall) -> Result<ProcessExit, Ending> {
    let words = Words::try_parse_from(["appmaster"]);
    let Words { args } = words.map_err(|error| Ending {
        code: ExitCode::Internal,
        message: error.to_string(),
    })?;
    let mut args = Args {
        job: call.job,
        ..args
    };
    // In an image the working directory is Flink's, where nobody may write: as `appmaster` there.
    if !is_usable(Path::new(".")) {
        args.dir = RunDirectory::choose(&super::environment())?
            .path
            .join("cluster");
    }
    carry_out(&MesosClusterSettings {
        properties: call.properties,
        ..settings(&args)?
    })
}

/// The image's `appmaster`: everything is kept in the container's run directory, and Flink is the
/// image's, unless the words say otherwise.
pub(super) fn run_in_image(
    words: &[OsString],
    run_directory: &Path,
    flink_home: PathBuf,
) -> Result<ProcessExit, Ending> {
    let program = [OsString::from("appmaster")];
    let words = program.iter().chain(words);
    let mut args = match ineffective::parse::<Words>(words, &["appmaster"]) {
        Ok(words) => words.args,
        Err(error) => return Ok(output::usage(&error)),
    };
    if args.dir == Path::new(super::DEFAULT_DIRECTORY) {
        args.dir = run_directory.join("cluster");
    }
    args.flink.or_home(flink_home);
    carry_out(&settings(&args)?)
}

fn carry_out(settings: &MesosClusterSettings) -> Result<ProcessExit, Ending> {
    // Until it answers itself, who asks how the container is learns that it is on its way.
    let _announced = supervise::announce_launch();
    // Executed by way of /proc, it would be called "exe".
    let _ = nix::sys::prctl::set_name(c"flugs");
    let ended = super::runtime()?.block_on(serve(settings))?;
    match ended {
        Ok(code) => Ok(code.into()),
        Err(AppMasterError::Overtaken) => {
            let error = AppMasterError::Overtaken;
            output::error(&format!("{error}, and stands by for it from now on"));
            Err(begin_anew()?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Begins anew as this process was begun: what led and leads no more has a JobManager, connections
/// and threads behind it, and nothing of them is left when another program takes its place. It
/// stands at the end of the line then. Returns only on failure.
fn begin_anew() -> Result<Ending, Ending> {
    // What this thread is sent meanwhile waits until somebody listens again.
    supervise::hold_signals()?;
    let words = std::env::args_os().map(|word| CString::new(word.into_encoded_bytes()));
    let words = words.collect::<Result<Vec<_>, _>>();
    let failed = |reason: String| Ending {
        code: ExitCode::FrameworkSuperseded,
        message: format!("cannot begin anew to stand by: {reason}"),
    };
    let words = words.map_err(|error| failed(error.to_string()))?;
    // Not through `Command::exec`, which empties the signal mask.
    match nix::unistd::execv(c"/proc/self/exe", &words) {
        Ok(never) => match never {},
        Err(error) => Ok(failed(error.to_string())),
    }
}

/// Prepares, waits for its turn and leads. The inner error is one of leading.
async fn serve(settings: &MesosClusterSettings) -> Result<Result<u8, AppMasterError>, Ending> {
    let mut signals = StopSignals::listen()?;
    // An entry point has held them since its first moment: the first process of a container never
    // sees a signal that nobody handles.
    supervise::release_signals()?;
    let mut notify = |event: &MesosEvent| match event {
        // Files by the thousand are worth a line when they are all there.
        MesosEvent::Publishing(step) if step.files < step.total => {}
        event => output::note(&format!("flugs: {}", printable(&event.to_string()))),
    };
    let candidate = prepare(settings, &mut notify).await?;
    let led = Box::pin(candidate.lead(&mut signals, &mut notify)).await;
    let Some((cluster, _lock)) = led? else {
        return Ok(Ok(0));
    };
    Ok(cluster.run(&mut signals, &mut notify).await)
}

fn settings(args: &Args) -> Result<MesosClusterSettings, Ending> {
    let properties = args.properties.iter().map(|text| text.parse::<Property>());
    Ok(MesosClusterSettings {
        directory: super::absolute(&args.dir)?,
        flink_home: args.flink.resolve()?,
        role: if args.job {
            Role::StandaloneJob
        } else {
            Role::JobManager
        },
        arguments: args.arguments.clone(),
        properties: properties.collect::<Result<_, _>>()?,
        overlays: args.overlays.clone(),
        grace: args.grace,
        restart: args.backoff.policy(args.restart, fleet::default_policy()),
        on_terminate: args.on_term.into(),
        on_interrupt: args.on_int.into(),
        forget_framework: args.forget_framework,
        api: args.api,
        environment: super::environment(),
        program: super::own_program()?,
    })
}
