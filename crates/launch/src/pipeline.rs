//! The launch from end to end: fetch, resolve, render, become the supervisor.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flugs_artifact::store::Lease;
use flugs_artifact::{FetchEvent, FetchOptions, Fetcher, Store, Token};
use flugs_flink_conf::{ConsoleLayout, Warning};
use flugs_model::{LaunchManifest, Property, Role, WorkerId};
use flugs_supervise::{
    self as supervise, ExitReport, HeldSignals, Phase, Question, Signal, Supervision,
};

use super::render::{try_render, write_argument_file};
use super::stages::Stages;

use super::{
    AskChroot, Explanation, HostFacts, ImageTerms, LaunchError, LaunchRequest, ManifestSource,
    Quorum, ResolvedLaunch, SandboxLayout, SettledLaunch, answers::KEPT_BACK, check_ports,
    deliver_report, fetch_manifest, health::health, make_directories, peer::peer, publish,
    registration::signs, render, resolve, supervision,
};

/// What a Java answers without doing anything.
const VERSION: Question<'static> = Question {
    arguments: &["-version"],
    without: &KEPT_BACK,
};

/// A launch as it is ordered, before anything of it has been fetched.
#[derive(Debug)]
pub struct LaunchOrder {
    /// What to launch.
    pub role: Role,
    /// Where the manifest is, if there is one.
    pub manifest: Option<ManifestSource>,
    /// The file with the artifact server's token.
    pub token_file: Option<PathBuf>,
    /// The artifact cache of this host.
    pub cache: Option<PathBuf>,
    /// How many bytes that cache may hold.
    pub cache_bytes: Option<u64>,
    /// The certificates (PEM) of the authority to trust instead of the system's.
    pub authority: Option<PathBuf>,
    /// Certificate chain and key (PEM) to show to servers that ask for them.
    pub client_identity: Option<(PathBuf, PathBuf)>,
    /// The file with names and passwords for OCI registries.
    pub registry_auth: Option<PathBuf>,
    /// The Flink home to run if the manifest ships none.
    pub flink_home: Option<PathBuf>,
    /// The directory that the launch writes to; absolute.
    pub sandbox: PathBuf,
    /// `-D` settings, in order.
    pub properties: Vec<Property>,
    /// Further arguments for Flink's entry point.
    pub arguments: Vec<String>,
    /// How the JVM's console log looks.
    pub log_layout: ConsoleLayout,
    /// The environment of the launcher.
    pub environment: BTreeMap<String, String>,
    /// How the process is supervised. What is supervised, and the report's place, are the
    /// launch's to fill in.
    pub terms: Supervision,
    /// The time between the request to stop and SIGKILL, if the order has an opinion; else the
    /// manifest's or the engine's decides.
    pub grace: Option<Duration>,
    /// How far to go.
    pub extent: Extent,
    /// What is different in an image, if the launch is an image's main process.
    pub image: Option<ImageTerms>,
    /// Locks that its supervisor is to hold.
    pub held: Vec<OwnedFd>,
    /// Asks ZooKeeper for the node that a quorum ends with, if anything can.
    pub ask_chroot: Option<AskChroot>,
}

/// How far a launch goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Resolve and explain: nothing is written but what was fetched.
    Check,
    /// Resolve, explain, and leave the sandbox as the process would find it.
    Prepare,
    /// Become the process's supervisor.
    Run,
}

/// How a launch ends that does not become its supervisor.
#[derive(Debug)]
pub enum LaunchEnd {
    /// It was only to be explained.
    Explained(Box<Explanation>),
    /// It was asked to stop before there was a JVM.
    Stopped(Signal),
}

/// Carries an order out. Returns only if the launch did not become its supervisor; whatever ended
/// it is in the exit report as well.
pub fn run(
    order: LaunchOrder,
    held: &HeldSignals,
    warn: &mut dyn FnMut(&Warning),
    progress: &(dyn Fn(FetchEvent) + Sync),
) -> Result<LaunchEnd, LaunchError> {
    let started = SystemTime::now();
    let (role, extent) = (order.role, order.extent);
    // Who asks how the container is learns that something is on its way.
    let announced = match extent {
        Extent::Run => supervise::announce_launch(),
        Extent::Check | Extent::Prepare => None,
    };
    make_directories(&order.sandbox)?;
    let report = SandboxLayout::of(&order.sandbox).exit_report;
    let mut stages = Stages::begin(Phase::Manifest);
    let end = order.carry_out(held, announced, &mut stages, warn, progress);
    let name = role.as_str();
    let document = match &end {
        Ok(LaunchEnd::Stopped(signal)) => {
            let phase = stages.current();
            Some(ExitReport::of_early_stop(name, phase, *signal, started))
        }
        Err(error) if extent == Extent::Run => {
            let phase = stages.failed_in(error);
            Some(ExitReport::of_failure(name, phase, error, started))
        }
        _ => None,
    };
    if let Some(mut document) = document {
        document.phases = stages.done().to_vec();
        // A report that cannot be written must not change how the launch ends.
        let _ = document.write(&report);
        if let Some(whom) = &stages.report_to {
            deliver_report(whom, &document);
        }
    }
    end
}

impl LaunchOrder {
    fn carry_out(
        mut self,
        held: &HeldSignals,
        announced: Option<OwnedFd>,
        stages: &mut Stages,
        warn: &mut dyn FnMut(&Warning),
        progress: &(dyn Fn(FetchEvent) + Sync),
    ) -> Result<LaunchEnd, LaunchError> {
        let (manifest, lease) = match self.fetch(held, stages, progress)? {
            Fetched::Nothing => (None, None),
            Fetched::Everything(manifest, lease) => (Some(*manifest), lease),
            Fetched::Stopped(signal) => return Ok(LaunchEnd::Stopped(signal)),
            Fetched::Abandoned => return Err(LaunchError::ParentGone),
        };
        stages.enter(Phase::Render);
        let (grace, extent, mut terms) = (self.grace, self.extent, self.terms.clone());
        let ask_chroot = self.ask_chroot;
        let held_by_entry_point = std::mem::take(&mut self.held);
        let request = self.request(manifest)?;
        if let (Extent::Run, Some(image)) = (extent, &request.image) {
            publish(&request, image)?
                .warnings
                .iter()
                .for_each(&mut *warn);
        }
        let resolved = resolve(&request)?;
        resolved.settled.warnings.iter().for_each(warn);
        let explained = || LaunchEnd::Explained(Box::new(Explanation::of(&resolved, &request)));
        if extent != Extent::Prepare
            && let Some(ask) = ask_chroot
            && let Some(end) = check_chroot(ask, &resolved, held, terms.follow_parent)?
        {
            return Ok(end);
        }
        if terms.privileges.user.is_some() {
            terms
                .privileges
                .own
                .push(resolved.settled.layout.root.clone());
        }
        match extent {
            Extent::Check => {
                // Whatever a start would refuse is refused here.
                check_ports(request.role, &|key| resolved.settled.configuration.get(key))?;
                try_render(&resolved)?;
                supervise::rehearse(&supervision(&resolved, terms), VERSION)?;
                return Ok(explained());
            }
            Extent::Prepare => {
                render(&resolved.settled)?;
                write_argument_file(&resolved)?;
                return Ok(explained());
            }
            Extent::Run => {}
        }
        check_ports(request.role, &|key| resolved.settled.configuration.get(key))?;
        render(&resolved.settled)?;
        write_argument_file(&resolved)?;
        if let Some(signal) = held.stop_requested() {
            return Ok(LaunchEnd::Stopped(signal));
        }
        stages.enter(Phase::Start);
        terms.stop.grace = grace.unwrap_or_else(|| default_grace(&request));
        terms.phases = stages.done().to_vec();
        terms.report_to.clone_from(&stages.report_to);
        // Whatever of the cache this launch uses stays there until its supervisor ends.
        let mut kept = held_by_entry_point;
        kept.extend(lease.map(Lease::into_descriptor).transpose()?);
        kept.extend(announced);
        Err(supervise::exec_into(&supervised(&resolved, terms), &kept).into())
    }

    /// Fetches what the manifest names, if there is one.
    fn fetch(
        &self,
        held: &HeldSignals,
        stages: &mut Stages,
        progress: &(dyn Fn(FetchEvent) + Sync),
    ) -> Result<Fetched, LaunchError> {
        let Some(source) = &self.manifest else {
            return match self.flink_home {
                Some(_) => Ok(Fetched::Nothing),
                None => Err(LaunchError::NothingToLaunch),
            };
        };
        let token = self
            .token_file
            .as_deref()
            .map(Token::from_file)
            .transpose()?;
        let cache = self.cache.as_deref().map(Store::open).transpose()?;
        let fetcher = Fetcher::new(FetchOptions {
            token,
            cache,
            cache_bytes: self.cache_bytes,
            // What an image's own Flink has already is not fetched.
            baked: self.flink_home.iter().cloned().collect(),
            authority: self.authority.clone(),
            client_identity: self.client_identity.clone(),
            registry_auth: self.registry_auth.clone(),
            ..FetchOptions::default()
        })?;
        event_loop()?.block_on(async {
            tokio::select! {
                end = self.fetch_all(source, &fetcher, stages, progress) => end,
                interruption = interruption(held, self.terms.follow_parent) => Ok(interruption),
            }
        })
    }

    async fn fetch_all(
        &self,
        source: &ManifestSource,
        fetcher: &Fetcher,
        stages: &mut Stages,
        progress: &(dyn Fn(FetchEvent) + Sync),
    ) -> Result<Fetched, LaunchError> {
        let manifest = fetch_manifest(source, fetcher).await?;
        stages.enter(Phase::Fetch);
        stages.report_to.clone_from(&manifest.exit_report_url);
        let summary = fetcher
            .fetch_all(&manifest.artifacts, &source.url, &self.sandbox, progress)
            .await?;
        Ok(Fetched::Everything(Box::new(manifest), summary.lease))
    }

    fn request(self, manifest: Option<LaunchManifest>) -> Result<LaunchRequest, LaunchError> {
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
        let shipped = manifest.as_ref().and_then(|_| shipped_flink(&self.sandbox));
        Ok(LaunchRequest {
            role: self.role,
            worker_id,
            flink_home: shipped.or(self.flink_home).ok_or(LaunchError::NoFlink)?,
            sandbox: self.sandbox,
            manifest,
            properties: self.properties,
            arguments: self.arguments,
            log_layout: self.log_layout,
            environment: self.environment,
            host: HostFacts::gather(),
            image: self.image,
        })
    }
}

/// Refuses a quorum whose node its servers lack. Gives the launch's end if it was asked to stop meanwhile.
fn check_chroot(
    ask: AskChroot,
    resolved: &ResolvedLaunch,
    held: &HeldSignals,
    follow_parent: bool,
) -> Result<Option<LaunchEnd>, LaunchError> {
    let SettledLaunch {
        role,
        configuration,
        ..
    } = &resolved.settled;
    let Some(quorum) = Quorum::of(*role, configuration) else {
        return Ok(None);
    };
    let answer = event_loop()?.block_on(async {
        tokio::select! {
            lacks = ask(&quorum) => Ok(lacks),
            interruption = interruption(held, follow_parent) => Err(interruption),
        }
    });
    match answer {
        Ok(true) => Err(quorum.missing()),
        Ok(false) => Ok(None),
        Err(Fetched::Stopped(signal)) => Ok(Some(LaunchEnd::Stopped(signal))),
        Err(_) => Err(LaunchError::ParentGone),
    }
}

/// What a launch turns itself into: its terms, and what follows from what was resolved.
fn supervised(resolved: &ResolvedLaunch, mut terms: Supervision) -> Supervision {
    let SettledLaunch {
        role,
        configuration,
        ..
    } = &resolved.settled;
    let is_asked = terms.status.is_some() || supervise::is_container();
    if is_asked && terms.health.is_none() {
        terms.health = Some(health(resolved));
    }
    terms.signs = signs(*role);
    terms.peer = peer(*role, configuration);
    supervision(resolved, terms)
}

fn event_loop() -> Result<tokio::runtime::Runtime, LaunchError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| LaunchError::Runtime { source })
}

/// The Flink that a manifest's artifacts brought.
fn shipped_flink(sandbox: &Path) -> Option<PathBuf> {
    Some(SandboxLayout::of(sandbox).flink).filter(|home| home.is_dir())
}

/// What fetching came to.
enum Fetched {
    /// There is no manifest, so there is nothing to fetch.
    Nothing,
    /// Everything that the manifest names is in place.
    Everything(Box<LaunchManifest>, Option<Lease>),
    /// The launch was asked to stop meanwhile.
    Stopped(Signal),
    /// The process that the launch follows has ended meanwhile.
    Abandoned,
}

/// Waits for a reason to give up fetching. Looks five times a second: fetching takes seconds, and
/// the signal must stay where the supervisor will find it.
async fn interruption(held: &HeldSignals, follow_parent: bool) -> Fetched {
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

/// A second less than what the manifest, else the engine, allows.
fn default_grace(request: &LaunchRequest) -> Duration {
    let of_manifest = request
        .manifest
        .as_ref()
        .and_then(|manifest| manifest.stop_grace_seconds)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let variable = |name: &str| request.variable(name).map(str::to_owned);
    supervise::default_grace(of_manifest, variable)
}
