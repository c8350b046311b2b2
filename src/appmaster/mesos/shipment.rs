//! What travels to the workers: the artifact server, and the terms of their tasks.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;
use url::Url;

use super::super::AppMasterError;
use super::documents::Documents;
use super::event::NotifyMesos;
use super::publication::{Load, Publication, Published};
use super::settings::MesosClusterSettings;
use super::settling::{Settled, bracketed};
use crate::provider::mesos::task::{
    JAVA, JobManagerAddress, TaskDescriber, TaskTerms, ships_flink,
};
use crate::provider::mesos::workers::TaskReport;
use flugs_artifact::server::{ExitReports, Intake, Metrics};
use flugs_artifact::unpack::{self, Limits};
use flugs_artifact::{Server, ServerOptions, Store, Token};
use flugs_base::RelativePath;
use flugs_flink::{class_data_directories, find_archive, travelling_archive_name};
use flugs_flink_conf::is_sensitive;
use flugs_flink_conf::options::OptionTable;
use flugs_launch::overlay::{Overlay, OverlayFile, OverlaySources, overlays};
use flugs_launch::{self as launch, FLINK_DIRECTORY, PortOption};
use flugs_mesos::scheduler::Snapshot;
use flugs_mesos::wire::TaskId;
use flugs_supervise::ExitReport;

/// The overlays that make up a Flink home. Part of one must not travel without the other: what is
/// there would be taken for the whole.
const FLINK: [&str; 2] = ["flink-distribution", "user-library"];

/// The artifact server's port.
const ARTIFACT_SERVER: PortOption = PortOption {
    keys: &["mesos.resourcemanager.artifactserver.port"],
    bind_address: "flugs.mesos.artifactserver.bind-address",
    default: None,
};

/// How many exit reports may wait to be taken in.
const MOST_REPORTS: usize = 256;

/// What is there once everything is served.
pub(super) struct Served {
    /// Describes tasks.
    pub(super) describer: TaskDescriber,
    /// Publishes their documents.
    pub(super) documents: Documents,
    /// The exit reports that their launchers hand in.
    pub(super) reports: mpsc::Receiver<TaskReport>,
}

/// Everything that travels, and the server that it travels from. Some of it may still be on its
/// way to the server.
#[derive(Debug)]
pub(super) struct Shipment {
    server: Server,
    /// The exit reports that the server has taken.
    reports: mpsc::Receiver<TaskReport>,
    store: Store,
    terms: TaskTerms,
    publication: Publication,
}

impl Shipment {
    /// Begins to add everything to the store and binds the server, which serves nothing yet.
    pub(super) fn of(
        settings: &MesosClusterSettings,
        settled: &Settled,
        store: &Store,
        token: Token,
    ) -> Result<Self, AppMasterError> {
        let options = &settled.options;
        let mut overlays = overlays_of(settings, settled)?;
        overlays.retain(|overlay| !FLINK.contains(&overlay.name) || ships_flink(options));
        refuse_secrets_in_the_clear(settled, &overlays)?;
        let java = options.tasks.java_archive.clone();
        let java_home = java.as_deref().map(java_home).transpose()?;
        if java.is_none() {
            overlays.extend(class_data(settings, settled)?);
        }
        let (intake, reports) = intake();
        let server = bind(settled, store, token.clone(), intake)?;
        let version = settled.job_manager.home.version();
        let terms = TaskTerms {
            options: options.clone(),
            urls: server.urls(),
            token,
            java_home,
            configuration: settled.task_manager.configuration.clone(),
            table: OptionTable::for_line(version.major(), version.minor()),
            overlay_properties: overlays
                .iter()
                .flat_map(|one| one.properties.clone())
                .collect(),
            job_manager: JobManagerAddress {
                host: settled.job_manager_address().to_owned(),
                rpc_port: settled.rpc_port,
                rest_port: settled.rest_port,
            },
            environment: overlays
                .iter()
                .flat_map(|one| one.environment.clone())
                .collect(),
        };
        let load = Load {
            overlays,
            program: settings.program.clone(),
            java,
        };
        Ok(Self {
            server,
            reports,
            store: store.clone(),
            terms,
            publication: Publication::begin(load, store)?,
        })
    }

    /// What the server counts.
    pub(super) fn metrics(&self) -> Arc<Metrics> {
        self.server.metrics()
    }

    /// Waits until everything is in the store, and serves it, on a thread of its own: a thousand
    /// workers that fetch must not hold up the scheduler. Gives what describes tasks, and what
    /// publishes their documents.
    pub(super) async fn serve(
        self,
        directory: &Path,
        snapshot: &Snapshot,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<Served, AppMasterError> {
        let server = self.server;
        let failed = |source| AppMasterError::NoThread { source };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        // Tasks that an earlier application master has launched may be fetching now.
        let work = move || {
            let _ = runtime.block_on(server.serve(pending()));
        };
        std::thread::Builder::new()
            .name("artifacts".to_owned())
            .spawn(work)
            .map_err(failed)?;
        let Published { program, artifacts } = self.publication.whole(notify).await?;
        let (describer, outbox) = TaskDescriber::new(self.terms, program, artifacts);
        let documents = Documents::new(self.store, outbox, directory, snapshot);
        Ok(Served {
            describer,
            documents,
            reports: self.reports,
        })
    }
}

/// What takes exit reports on the server's side, and where they come out. Of what is no report the
/// launcher is told; more than somebody can take in are not kept.
fn intake() -> (ExitReports, mpsc::Receiver<TaskReport>) {
    let (sender, receiver) = mpsc::channel(MOST_REPORTS);
    let intake = move |task: &str, bytes: &[u8]| match ExitReport::parse(bytes) {
        Err(error) => Intake::Malformed(error.to_string()),
        Ok(report) => {
            let task = TaskId::new(task);
            match sender.try_send(TaskReport { task, report }) {
                Ok(()) => Intake::Taken,
                Err(_) => Intake::Busy,
            }
        }
    };
    (Arc::new(intake), receiver)
}

/// What the overlays add to every worker's launch.
fn overlays_of(
    settings: &MesosClusterSettings,
    settled: &Settled,
) -> Result<Vec<Overlay>, AppMasterError> {
    let variable = |name: &str| settings.variable(name);
    let user = variable("USER").or_else(|| variable("LOGNAME"));
    let configuration = &settled.task_manager.configuration;
    Ok(overlays(&OverlaySources {
        flink_home: &settings.flink_home,
        configuration: &|key| configuration.get(key).map(str::to_owned),
        environment: &variable,
        user: user.as_deref(),
        declarations: &settings.overlays,
    })?)
}

/// Mesos' fetcher brings workers their manifests, and it brings them in the clear unless the
/// server speaks TLS. Who lets secrets travel that way has to say so.
fn refuse_secrets_in_the_clear(
    settled: &Settled,
    overlays: &[Overlay],
) -> Result<(), AppMasterError> {
    let server = &settled.options.artifact_server;
    if server.tls || server.secrets_in_the_clear {
        return Ok(());
    }
    let files = overlays.iter().flat_map(|overlay| &overlay.files);
    // Of two for one place the later one travels.
    let files: BTreeMap<&str, bool> = files.map(|one| (one.dest.as_str(), one.secret)).collect();
    let files = files.into_iter().filter(|(_, secret)| *secret);
    let files = files.map(|(dest, _)| dest.to_owned());
    let settings = settled.task_manager.configuration.iter();
    let travels = |key: &str| !key.starts_with("mesos.") && !key.starts_with("flugs.");
    let keys = settings.filter(|(key, _)| is_sensitive(key) && travels(key));
    let keys = keys.map(|(key, _)| key.to_owned());
    let secrets: Vec<String> = files.chain(keys).collect();
    if secrets.is_empty() {
        return Ok(());
    }
    Err(AppMasterError::SecretsInTheClear { secrets })
}

/// Where the Java runtime of an archive will be: the one directory with `bin/java` in it.
fn java_home(archive: &Path) -> Result<RelativePath, AppMasterError> {
    let no_java = || AppMasterError::NoJavaInArchive {
        path: archive.to_owned(),
    };
    let entries = unpack::list(archive, &Limits::default());
    let entries = entries.map_err(|source| AppMasterError::JavaArchive { source })?;
    let tops = entries.iter().filter_map(|(entry, _)| {
        let top = entry.path.strip_suffix("bin/java")?;
        (top.is_empty() || top.ends_with('/')).then(|| top.trim_end_matches('/').to_owned())
    });
    // A development kit may have a second one, further down.
    let top = tops.min_by_key(String::len).ok_or_else(no_java)?;
    let home = format!("{JAVA}/{top}");
    Ok(home.trim_end_matches('/').to_owned().try_into()?)
}

/// The class-data archive of workers that Flink travels to, if one was trained for this Java.
/// Workers on another Java go on without it.
fn class_data(
    settings: &MesosClusterSettings,
    settled: &Settled,
) -> Result<Option<Overlay>, AppMasterError> {
    if !ships_flink(&settled.options) {
        return Ok(None);
    }
    let (java, home) = (&settled.java, &settled.job_manager.home);
    let variable = |name: &str| settings.variable(name);
    // What cannot be read here is told of where the JobManager is started from it.
    let name = travelling_archive_name(java, home, Path::new(FLINK_DIRECTORY)).ok();
    let searched = class_data_directories(home.root(), &variable);
    let found = name
        .zip(searched)
        .and_then(|(name, searched)| Some((find_archive(&searched, &name)?, name)));
    let Some((source, name)) = found else {
        return Ok(None);
    };
    let file = OverlayFile {
        source,
        dest: format!("{FLINK_DIRECTORY}/class-data/{name}").try_into()?,
        mode: 0o444,
        secret: false,
    };
    Ok(Some(Overlay {
        name: "class-data",
        files: vec![file],
        ..Overlay::default()
    }))
}

fn bind(
    settled: &Settled,
    store: &Store,
    token: Token,
    exit_reports: ExitReports,
) -> Result<Server, AppMasterError> {
    let options = &settled.options.artifact_server;
    let address: IpAddr = options
        .bind_address
        .parse()
        .unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let port = match options.port {
        // The URL has to be known before the server is made.
        0 => launch::free_port(address).map_err(|source| AppMasterError::NoFreePort { source })?,
        port => {
            let (number, bound) = (port.to_string(), address.to_string());
            ARTIFACT_SERVER.pick(&|key| {
                let is_address = key == ARTIFACT_SERVER.bind_address;
                Some(if is_address { &bound } else { &number })
            })?;
            port
        }
    };
    let host = bracketed(settled.job_manager_address());
    let scheme = if options.tls { "https" } else { "http" };
    let advertised = options
        .advertised_url
        .clone()
        .unwrap_or_else(|| format!("{scheme}://{host}:{port}"));
    let advertised = Url::parse(&advertised).map_err(|source| AppMasterError::Address {
        address: advertised,
        source,
    })?;
    let options = ServerOptions {
        token: Some(token),
        advertised: Some(advertised),
        tls: settled.artifact_tls.clone(),
        secrets_in_the_clear: options.secrets_in_the_clear,
        exit_reports: Some(exit_reports),
        ..ServerOptions::default()
    };
    Ok(Server::bind(
        SocketAddr::new(address, port),
        store.clone(),
        options,
    )?)
}
