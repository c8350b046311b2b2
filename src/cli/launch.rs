//! `flugs launch`: fetch, render, supervise; what the images run.

use std::path::{Path, PathBuf};
use std::process::ExitCode as ProcessExit;
use std::time::{Duration, SystemTime};

use url::Url;

use crate::artifact::{FetchEvent, FetchOptions, Fetcher, Store, Token};
use crate::launch::{
    self, Explanation, HostFacts, LaunchError, LaunchRequest, ManifestSource, Prepared,
    SandboxLayout,
};
use crate::spec::{ExitCode, Property, Role, Sha256Digest, WorkerId};
use crate::supervise::{self, ExitReport, Phase};

use super::{Ending, output};

/// Launch one Flink process: fetch what it needs, render its configuration, supervise its JVM.
///
/// With --manifest the launch is what that document says. Without, it runs the Flink home already
/// in place (--flink-home or FLINK_HOME).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  FLINK_HOME=/opt/flink flugs launch jobmanager
  flugs launch taskmanager -D taskmanager.numberOfTaskSlots=4 --check
  flugs launch standalone-job -- --job-classname org.example.Job --input /data
  flugs launch taskmanager --manifest http://master:9090/sha256/HEX --sha256 HEX --token-file token

The JVM's own exit code passes through; the launcher's own codes are in docs/exit-codes.md.")]
pub(super) struct Args {
    /// jobmanager, taskmanager, standalone-job or history-server.
    role: String,
    /// Set a Flink option, above every other source (repeatable).
    #[arg(short = 'D', value_name = "KEY=VALUE")]
    properties: Vec<String>,
    /// The launch manifest: a URL or a file.
    #[arg(long, value_name = "URL|FILE", requires = "sha256")]
    manifest: Option<String>,
    /// The SHA-256 that the manifest must have.
    #[arg(long, value_name = "HEX", requires = "manifest")]
    sha256: Option<Sha256Digest>,
    /// The file that holds the artifact server's token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The artifact cache shared by the launches of this host.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// The Flink home to run, if the manifest ships none [default: FLINK_HOME].
    #[arg(long, value_name = "DIR")]
    flink_home: Option<PathBuf>,
    /// The directory that the launch writes to [default: MESOS_SANDBOX, else one below the
    /// system's temporary directory].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print the resolved launch and start nothing.
    #[arg(long)]
    check: bool,
    /// With --check: print one JSON document.
    #[arg(long, requires = "check")]
    json: bool,
    /// Seconds between the request to stop and SIGKILL.
    #[arg(long, value_name = "SECONDS")]
    grace: Option<f64>,
    /// Stop when the process that started this one ends.
    #[arg(long)]
    follow_parent: bool,
    /// Further arguments for Flink's entry point.
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let held = supervise::hold_signals()?;
    let started = SystemTime::now();
    let role: Role = args.role.parse()?;
    let properties = properties(&args.properties)?;
    let source = manifest_source(args)?;
    if source.is_none() && named_home(args).is_none() {
        return Err(LaunchError::NothingToLaunch.into());
    }
    let sandbox = sandbox(args)?;
    launch::make_directories(&sandbox)?;
    let layout = SandboxLayout::of(&sandbox);
    let mut phase = Phase::Fetch;
    let job = Job {
        args,
        role,
        properties,
        sandbox,
        source,
    };
    match job.go(&held, &mut phase) {
        Ok(Done::Explained) => Ok(ProcessExit::SUCCESS),
        Ok(Done::Stopped(signal)) => {
            let report = ExitReport::of_early_stop(role.as_str(), phase, signal, started);
            output::note(&format!("flugs: {}", report.message));
            // A report that cannot be written must not change how the launch ends.
            let _ = report.write(&layout.exit_report);
            Ok(ExitCode::StoppedBeforeStart.code().into())
        }
        Err(error) => {
            let report = ExitReport::of_failure(role.as_str(), phase, &error, started);
            let _ = report.write(&layout.exit_report);
            Err(error.into())
        }
    }
}

/// A launch whose arguments make sense.
struct Job<'a> {
    args: &'a Args,
    role: Role,
    properties: Vec<Property>,
    sandbox: PathBuf,
    source: Option<ManifestSource>,
}

/// How a launch ends that does not become its supervisor.
enum Done {
    /// It was only to be explained.
    Explained,
    /// It was asked to stop before there was a JVM.
    Stopped(supervise::Signal),
}

impl Job<'_> {
    fn go(self, held: &supervise::HeldSignals, phase: &mut Phase) -> Result<Done, LaunchError> {
        let prepared = match &self.source {
            None => None,
            Some(source) => match prepare(self.args, source, &self.sandbox, held)? {
                Fetched::All(prepared) => Some(*prepared),
                Fetched::Stopped(signal) => return Ok(Done::Stopped(signal)),
                Fetched::Abandoned => return Err(LaunchError::ParentGone),
            },
        };
        *phase = Phase::Render;
        let args = self.args;
        let request = self.request(prepared)?;
        let resolved = launch::resolve(&request)?;
        for warning in &resolved.warnings {
            output::note(&format!("flugs: warning: {warning}"));
        }
        if args.check {
            explain(&Explanation::of(&resolved, &request), args.json);
            return Ok(Done::Explained);
        }
        launch::check_ports(request.role, &|key| resolved.configuration.get(key))?;
        launch::render(&resolved)?;
        if let Some(signal) = held.stop_requested() {
            return Ok(Done::Stopped(signal));
        }
        *phase = Phase::Start;
        let supervision = launch::supervision(&resolved, grace(args, &request), args.follow_parent);
        Err(supervise::exec_into(&supervision).into())
    }

    fn request(self, prepared: Option<Prepared>) -> Result<LaunchRequest, LaunchError> {
        let manifest = prepared.map(|prepared| prepared.manifest);
        let worker_id = match &manifest {
            Some(manifest) if manifest.role != self.role => {
                return Err(LaunchError::OtherRole {
                    asked: self.role,
                    found: manifest.role,
                });
            }
            Some(manifest) => manifest.worker_id.clone(),
            None => WorkerId::of(self.role, None),
        };
        Ok(LaunchRequest {
            role: self.role,
            worker_id,
            flink_home: flink_home(self.args, &self.sandbox)?,
            sandbox: self.sandbox,
            manifest,
            properties: self.properties,
            arguments: self.args.arguments.clone(),
            environment: super::environment(),
            host: HostFacts::gather(),
        })
    }
}

fn properties(texts: &[String]) -> Result<Vec<Property>, LaunchError> {
    texts
        .iter()
        .map(|text| text.parse().map_err(LaunchError::from))
        .collect()
}

/// The launch's directory: as given, else a fresh one below the system's temporary directory.
fn sandbox(args: &Args) -> Result<PathBuf, LaunchError> {
    let named = args
        .dir
        .clone()
        .or_else(|| super::variable("MESOS_SANDBOX"));
    let chosen = named.unwrap_or_else(|| {
        std::env::temp_dir().join(format!("flugs-{}-{}", args.role, std::process::id()))
    });
    std::path::absolute(&chosen).map_err(|source| LaunchError::Sandbox {
        path: chosen,
        source,
    })
}

/// Where the manifest is. A file's name becomes a `file:` URL, so that relative artifact URLs
/// have something to be relative to.
fn manifest_source(args: &Args) -> Result<Option<ManifestSource>, LaunchError> {
    let (Some(manifest), Some(sha256)) = (&args.manifest, args.sha256) else {
        return Ok(None);
    };
    let from_path = || {
        let path = std::path::absolute(manifest).ok()?;
        Url::from_file_path(path).ok()
    };
    let url = match Url::parse(manifest) {
        Ok(url) if matches!(url.scheme(), "http" | "https" | "file") => Some(url),
        _ => from_path(),
    };
    let refused = || LaunchError::ManifestLocation {
        location: manifest.clone(),
    };
    Ok(Some(ManifestSource {
        url: url.ok_or_else(refused)?,
        sha256,
    }))
}

/// What fetching came to.
enum Fetched {
    /// Everything is in place.
    All(Box<Prepared>),
    /// The launch was asked to stop meanwhile.
    Stopped(supervise::Signal),
    /// The process that the launch follows has ended meanwhile.
    Abandoned,
}

/// Fetches what the manifest names.
fn prepare(
    args: &Args,
    source: &ManifestSource,
    sandbox: &Path,
    held: &supervise::HeldSignals,
) -> Result<Fetched, LaunchError> {
    let token = args
        .token_file
        .as_deref()
        .map(Token::from_file)
        .transpose()?;
    let cache = args.cache.as_deref().map(Store::open).transpose()?;
    let fetcher = Fetcher::new(FetchOptions {
        token,
        cache,
        ..FetchOptions::default()
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| LaunchError::Runtime { source })?;
    let ignore = |_: FetchEvent| {};
    runtime.block_on(async {
        tokio::select! {
            prepared = launch::fetch(source, &fetcher, sandbox, &ignore) => {
                prepared.map(|prepared| Fetched::All(Box::new(prepared)))
            }
            interruption = interruption(held, args.follow_parent) => Ok(interruption),
        }
    })
}

/// Waits for a reason to give up fetching. Looks five times a second: fetching takes seconds, and
/// the signal must stay where the supervisor will find it.
async fn interruption(held: &supervise::HeldSignals, follow_parent: bool) -> Fetched {
    let parent = nix::unistd::getppid();
    loop {
        if let Some(signal) = held.stop_requested() {
            return Fetched::Stopped(signal);
        }
        if follow_parent && nix::unistd::getppid() != parent {
            return Fetched::Abandoned;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The Flink that the manifest brought, else the one that is named.
fn flink_home(args: &Args, sandbox: &Path) -> Result<PathBuf, LaunchError> {
    let shipped = SandboxLayout::of(sandbox).flink;
    if args.manifest.is_some() && shipped.is_dir() {
        return Ok(shipped);
    }
    named_home(args).ok_or(LaunchError::NoFlink)
}

fn named_home(args: &Args) -> Option<PathBuf> {
    args.flink_home
        .clone()
        .or_else(|| super::variable("FLINK_HOME"))
}

/// The command line's grace period, else the manifest's, else a second less than the engine's.
fn grace(args: &Args, request: &LaunchRequest) -> Duration {
    let of_manifest = request
        .manifest
        .as_ref()
        .and_then(|manifest| manifest.stop_grace_seconds);
    let asked = args
        .grace
        .or(of_manifest)
        .and_then(|s| Duration::try_from_secs_f64(s).ok());
    let variable = |name: &str| request.variable(name).map(str::to_owned);
    asked.unwrap_or_else(|| supervise::default_grace(None, variable))
}

fn explain(explanation: &Explanation, json: bool) {
    if json {
        output::json(explanation);
        return;
    }
    output::line(&format!("role           {}", explanation.role));
    output::line(&format!("worker id      {}", explanation.worker_id));
    let located = |what: &launch::Located| format!("{} in {}", what.version, what.home.display());
    output::line(&format!("Flink          {}", located(&explanation.flink)));
    output::line(&format!("Java           {}", located(&explanation.java)));
    output::line(&format!("sandbox        {}", explanation.sandbox.display()));
    let limit = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let memory = limit(
        explanation
            .limits
            .memory_bytes
            .map(|bytes| format!("{bytes} bytes")),
    );
    let cpus = limit(explanation.limits.cpus.map(|cpus| format!("{cpus} cores")));
    output::line(&format!("limits         memory {memory}, CPU {cpus}"));
    output::line("\nartifacts");
    for artifact in &explanation.artifacts {
        output::line(&format!(
            "  {}  {} bytes, sha256 {}",
            artifact.dest, artifact.size, artifact.sha256
        ));
    }
    output::line("\nconfiguration");
    for line in &explanation.configuration {
        output::line(&format!(
            "  {}: {}  ({})",
            line.key, line.value, line.origin
        ));
    }
    output::line("\nenvironment");
    for (name, value) in &explanation.environment {
        output::line(&format!("  {name}={value}"));
    }
    output::line("\ncommand");
    for word in &explanation.command {
        output::line(&format!("  {word}"));
    }
}
