//! `flugs launch`: fetch, render, supervise; what the images run.

use std::path::PathBuf;
use std::process::ExitCode as ProcessExit;

use url::Url;

use crate::appmaster::lacks_chroot;
use flugs_base::{ExitCode, Sha256Digest};
use flugs_flink_conf::{ConsoleLayout, Warning};
use flugs_launch::{
    self as launch, Explanation, Extent, LaunchEnd, LaunchError, LaunchOrder, ManifestSource,
};
use flugs_model::Property;
use flugs_supervise as supervise;

use super::fetching::FetchProgress;
use super::supervision::SupervisionArgs;
use super::{Ending, output};

/// Launch one Flink process: fetch what it needs, render its configuration, supervise its JVM.
///
/// With --manifest the launch is what that document says. Without, it runs the Flink home already
/// in place (--flink-home or FLINK_HOME).
#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
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
    /// That cache may take so many bytes: what was used least recently makes room.
    #[arg(long, value_name = "BYTES", requires = "cache")]
    cache_size: Option<u64>,
    /// Names and passwords for OCI registries, as `docker login` writes them (mode 0600)
    /// [default: REGISTRY_AUTH_FILE].
    #[arg(long, value_name = "FILE")]
    registry_auth: Option<PathBuf>,
    /// Trust the authorities in this file (PEM) instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Certificate chain (PEM) to show to artifact servers.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The certificate's key (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The Flink home to run, if the manifest ships none [default: FLINK_HOME].
    #[arg(long, value_name = "DIR")]
    flink_home: Option<PathBuf>,
    /// The directory that the launch writes to [default: MESOS_SANDBOX, else one below the
    /// system's temporary directory].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Make the JVM's console log one JSON object a line.
    #[arg(long)]
    json_logs: bool,
    /// Print the resolved launch and start nothing.
    #[arg(long, group = "explained")]
    check: bool,
    /// Fetch, render the configuration into the directory, print the launch, and start nothing.
    #[arg(long, group = "explained")]
    prepare: bool,
    /// With --check or --prepare: print one JSON document.
    #[arg(long, requires = "explained")]
    json: bool,
    #[command(flatten)]
    supervision: SupervisionArgs,
    /// Further arguments for Flink's entry point.
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    if args.supervision.time_stamps() {
        output::begin_log();
    }
    let json = args.json;
    finish(order(args)?, json)
}

/// Carries out an order that is not only to be explained.
pub(super) fn carry_out(order: LaunchOrder) -> Result<ProcessExit, Ending> {
    finish(order, false)
}

fn finish(order: LaunchOrder, json: bool) -> Result<ProcessExit, Ending> {
    let held = supervise::hold_signals()?;
    let role = order.role;
    let mut warn = |warning: &Warning| output::note(&format!("flugs: warning: {warning}"));
    let progress = FetchProgress::new(None);
    let show = |event| progress.show(&event);
    let end = launch::run(order, &held, &mut warn, &show);
    // What is said from here on begins on a line of its own.
    drop(progress);
    match end? {
        LaunchEnd::Explained(explanation) => {
            explain(&explanation, json);
            Ok(ProcessExit::SUCCESS)
        }
        LaunchEnd::Stopped(signal) => {
            output::note(&format!(
                "flugs: {role} was not started: {signal} asked to stop"
            ));
            Ok(ExitCode::StoppedBeforeStart.code().into())
        }
    }
}

fn order(args: &Args) -> Result<LaunchOrder, Ending> {
    Ok(LaunchOrder {
        role: args.role.parse()?,
        manifest: manifest_source(args)?,
        token_file: args.token_file.clone(),
        cache: args.cache.clone(),
        cache_bytes: args.cache_size,
        authority: args.ca.clone(),
        client_identity: args.cert.clone().zip(args.key.clone()),
        registry_auth: super::registry_auth(args.registry_auth.as_ref()),
        flink_home: args
            .flink_home
            .clone()
            .or_else(|| super::variable("FLINK_HOME")),
        sandbox: sandbox(args)?,
        properties: properties(&args.properties)?,
        arguments: args.arguments.clone(),
        log_layout: if args.json_logs {
            ConsoleLayout::Json
        } else {
            ConsoleLayout::AsConfigured
        },
        held: Vec::new(),
        environment: super::environment(),
        terms: args.supervision.supervision()?,
        grace: args.supervision.grace(),
        extent: match (args.check, args.prepare) {
            (true, _) => Extent::Check,
            (_, true) => Extent::Prepare,
            _ => Extent::Run,
        },
        image: None,
        ask_chroot: Some(lacks_chroot),
    })
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

fn explain(explanation: &Explanation, json: bool) {
    if json {
        output::json(explanation);
    } else {
        output::text(&explained(explanation));
    }
}

/// The explanation for people, in one piece: it has over a hundred lines.
fn explained(explanation: &Explanation) -> String {
    let located = |what: &launch::Located| format!("{} in {}", what.version, what.home.display());
    let limit = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let memory = explanation.limits.memory_bytes;
    let memory = limit(memory.map(|bytes| format!("{bytes} bytes")));
    let cpus = limit(explanation.limits.cpus.map(|cpus| format!("{cpus} cores")));
    let mut lines = vec![
        format!("role           {}", explanation.role),
        format!("worker id      {}", explanation.worker_id),
        format!("Flink          {}", located(&explanation.flink)),
        format!("Java           {}", located(&explanation.java)),
        format!("sandbox        {}", explanation.sandbox.display()),
        format!("class data     {}", explanation.class_data),
        format!("limits         memory {memory}, CPU {cpus}"),
        "\nartifacts".to_owned(),
    ];
    lines.extend(explanation.artifacts.iter().map(|artifact| {
        let (dest, size, sha256) = (&artifact.dest, artifact.size, &artifact.sha256);
        format!("  {dest}  {size} bytes, sha256 {sha256}")
    }));
    lines.push("\nconfiguration".to_owned());
    let configuration = explanation.configuration.iter();
    lines
        .extend(configuration.map(|one| format!("  {}: {}  ({})", one.key, one.value, one.origin)));
    lines.push("\nenvironment".to_owned());
    let environment = explanation.environment.iter();
    lines.extend(environment.map(|(name, value)| format!("  {name}={value}")));
    lines.push("\ncommand".to_owned());
    lines.extend(explanation.command.iter().map(|word| format!("  {word}")));
    lines.push(String::new());
    lines.join("\n")
}
