//! Everything that is settled before anything is started: bad input ends here.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::fleet::{Desired, Fleet};
use crate::provider::ChosenProvider;
use crate::provider::process::identify;
use crate::store::{ClusterPhase, ClusterState, DirectoryLock, FileStore, STATE_VERSION};
use flugs_artifact::server::TlsIdentity;
use flugs_artifact::{Server, ServerOptions, Store, Token};
use flugs_base::files::write_private;
use flugs_flink::JavaRuntime;
use flugs_flink::rest::{RestClient, RestTls, rest_scheme};
use flugs_flink_conf::ConsoleLayout;
use flugs_launch::overlay::{Overlay, OverlaySources, overlays};
use flugs_launch::{
    self as launch, BLOB_SERVER, HostFacts, LaunchRequest, PortError, PortOption, REST,
    SettledLaunch,
};
use flugs_model::{Artifact, ProcessIdentity, Property, Role, WorkerId};
use flugs_supervise::RestartPolicy;

use super::cluster::Notify;
use super::cluster_id::{OwnId, resource_suffix, resumes_under};
use super::manifests::{ADDRESS, ClusterTerms};
use super::place::Place;
use super::teardown::clear_leftovers;
use super::{
    AppMasterError, Cluster, ClusterEvent, chroot, client_configuration, distribution, sandbox,
};

/// What a person asks of an embedded cluster.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// Where the cluster keeps everything; absolute.
    pub directory: PathBuf,
    /// The Flink home to run.
    pub flink_home: PathBuf,
    /// How many TaskManagers.
    pub task_managers: usize,
    /// Flink options, in order.
    pub properties: Vec<Property>,
    /// Files that declare overlays of the user's own.
    pub overlays: Vec<PathBuf>,
    /// How long the cluster may take to become ready.
    pub timeout: Duration,
    /// How long a member has between the request to stop and SIGKILL.
    pub grace: Duration,
    /// Which members that ended are replaced, how soon, and how often.
    pub restart: RestartPolicy,
    /// The environment that members inherit.
    pub environment: BTreeMap<String, String>,
    /// The program that launches members: flugs itself.
    pub program: PathBuf,
    /// Where members run.
    pub place: Place,
}

/// A cluster that is ready to run, and the lock that makes it the only one in its directory.
pub type PreparedCluster = (Cluster<ChosenProvider>, DirectoryLock);

/// Settles everything, or says what is wrong. Nothing has been started when this returns.
pub async fn prepare(
    settings: &ClusterSettings,
    notify: &mut Notify<'_>,
) -> Result<PreparedCluster, AppMasterError> {
    let started = Instant::now();
    let (lock, file, earlier) = take_directory(&settings.directory, settings.grace).await?;
    let SettledCluster {
        settings,
        members: [job_manager, task_manager],
        java,
        own_id,
    } = settle(settings).await?;
    let settings = &settings;
    let rpc_option = launch::job_manager_rpc(&|key| job_manager.configuration.get(key));
    let rpc_port = port(rpc_option, &job_manager, "6123")?;
    let rest_port = port(REST, &job_manager, "")?;
    check_other_ports(settings, &job_manager, &task_manager)?;
    let configured = |key: &str| job_manager.configuration.get(key);
    let rest_tls = RestTls::of(&configured)?;
    let web_url = format!("{}://{ADDRESS}:{rest_port}", rest_scheme(&configured));
    let state = first_state(settings, &job_manager, earlier, web_url);
    file.save(&state)?;
    if let Some(own_id) = own_id.filter(|own_id| own_id.is_new) {
        notify(&ClusterEvent::Notice(own_id.text()), &state);
    }

    let artifacts = Store::open_refillable(&distribution::store_directory(&settings.directory))?;
    let overlays = overlays_of(settings, &job_manager)?;
    let mut progress = |progress| notify(&ClusterEvent::Publishing(progress), &state);
    let published = distribution::publish(&overlays, &artifacts, &mut progress)?;
    let token_file = settings.directory.join("token");
    let ground = settings
        .place
        .make_ready(settings.program.clone(), &settings.directory, rest_port)
        .await?;
    let server = bind_server(&artifacts, &published, &token_file, ground.server)?;
    client_configuration::write(
        &settings.directory,
        &job_manager,
        java.as_ref(),
        ADDRESS,
        rest_port,
    )?;

    let terms = ClusterTerms {
        artifacts: published,
        properties: settings.properties.clone(),
        rpc_port,
        rest_port,
        addresses: ground.addresses,
        resources: [&job_manager, &task_manager]
            .map(|launch| (launch.role, settings.place.resources(launch)))
            .into(),
        resource_suffix: resource_suffix(&settings.directory, &job_manager.configuration)
            .unwrap_or_default(),
        stop_grace_seconds: settings.grace.as_secs_f64(),
        overlay_properties: gathered(&overlays, |one| &one.properties),
        environment: gathered(&overlays, |one| &one.environment),
    };
    let cluster = Cluster {
        directory: settings.directory.clone(),
        rest: RestClient::new(
            &rest_address(settings, &job_manager, rest_port),
            rest_tls.as_ref(),
        )?,
        provider: ground.provider,
        desired: desired(settings),
        fleet: Fleet::default(),
        terms,
        state,
        file,
        artifacts,
        urls: server.urls(),
        server: Some(server),
        token_file,
        started,
        was_ready: false,
        last_death: None,
        timeout: settings.timeout,
        // The launcher needs a moment of its own after its child's grace is over.
        grace: settings.grace + Duration::from_secs(2),
    };
    Ok((cluster, lock))
}

/// What is asked for, with the id that the cluster gives itself if nobody names one, and what follows.
struct SettledCluster {
    settings: ClusterSettings,
    members: [SettledLaunch; 2],
    java: Option<JavaRuntime>,
    own_id: Option<OwnId>,
}

async fn settle(settings: &ClusterSettings) -> Result<SettledCluster, AppMasterError> {
    let (mut members, java) = settle_members(settings)?;
    let [job_manager, _] = &members;
    chroot::check(&job_manager.configuration).await?;
    let own_id = OwnId::of(&settings.directory, &job_manager.configuration)?;
    let mut settings = settings.clone();
    if let Some(own_id) = &own_id {
        settings.properties.push(own_id.property());
        members = settle_roles(&settings)?;
    }
    Ok(SettledCluster {
        settings,
        members,
        java,
        own_id,
    })
}

/// Makes the directory this process's own, and reads what an earlier cluster of it has written
/// down. Of a killed one something may still be on its way out, in sandboxes and on ports that are
/// needed now: it has twice its grace.
pub(super) async fn take_directory(
    directory: &Path,
    grace: Duration,
) -> Result<(DirectoryLock, FileStore, Option<ClusterState>), AppMasterError> {
    let lock = DirectoryLock::take(directory)?;
    let file = FileStore::new(directory);
    let earlier = file.load()?;
    if let Some(earlier) = &earlier {
        clear_leftovers(earlier, grace * 2).await?;
    }
    Ok((lock, file, earlier))
}

/// What all overlays add of one kind; a later overlay goes before an earlier one.
fn gathered(
    overlays: &[Overlay],
    what: fn(&Overlay) -> &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    overlays
        .iter()
        .flat_map(what)
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// The artifact server, on a free port of an address that members reach. Its token is written to a file
/// that only the cluster's owner can read.
fn bind_server(
    store: &Store,
    published: &[Artifact],
    token_file: &Path,
    address: IpAddr,
) -> Result<Server, AppMasterError> {
    let token = Token::generate()?;
    write_secret(token_file, token.expose())?;
    let options = ServerOptions {
        token: Some(token),
        tls: identity_for(published, address)?,
        ..ServerOptions::default()
    };
    let address = SocketAddr::from((address, 0));
    Ok(Server::bind(address, store.clone(), options)?)
}

/// Secrets are served encrypted, even on the loopback address, where others may listen in; the
/// generated certificate's fingerprint travels in the manifest's URL. Without secrets there is
/// nothing that encryption would keep.
fn identity_for(
    artifacts: &[Artifact],
    address: IpAddr,
) -> Result<Option<TlsIdentity>, AppMasterError> {
    if artifacts.iter().all(|artifact| artifact.cache) {
        return Ok(None);
    }
    let names = TlsIdentity::names_for(address);
    Ok(Some(TlsIdentity::generate(&names, None)?))
}

/// Settles a JobManager and a TaskManager as their launches will, against the Flink home that
/// they will be given: what would fail there fails here, before anything runs. Processes need this
/// machine's Java, containers run on their image's.
fn settle_members(settings: &ClusterSettings) -> Result<SettledMembers, AppMasterError> {
    let job_manager = request(settings, Role::JobManager);
    let settled = settle_roles(settings)?;
    let [first, _] = &settled;
    let java = launch::java_of(&job_manager, first);
    let java = match settings.place {
        Place::Processes => Some(java?),
        Place::Containers(_) => java.ok(),
    };
    Ok((settled, java))
}

fn settle_roles(settings: &ClusterSettings) -> Result<[SettledLaunch; 2], AppMasterError> {
    Ok([
        launch::settle(&request(settings, Role::JobManager))?,
        launch::settle(&request(settings, Role::TaskManager))?,
    ])
}

/// The two roles' launches, and this machine's Java.
type SettledMembers = ([SettledLaunch; 2], Option<JavaRuntime>);

fn request(settings: &ClusterSettings, role: Role) -> LaunchRequest {
    let worker_id = WorkerId::of(role, None);
    LaunchRequest {
        role,
        sandbox: sandbox::path(&settings.directory, &worker_id),
        worker_id,
        flink_home: settings.flink_home.clone(),
        manifest: None,
        properties: settings.properties.clone(),
        arguments: Vec::new(),
        log_layout: ConsoleLayout::AsConfigured,
        environment: settings.environment.clone(),
        host: HostFacts::gather(),
        image: None,
    }
}

/// A port that the user set, if it can be had, else any free one. A value that Flink's own
/// distribution ships is nobody's wish.
fn port(option: PortOption, launch: &SettledLaunch, shipped: &str) -> Result<u16, AppMasterError> {
    let lookup = |key: &str| {
        let value = launch.configuration.get(key);
        // Without an address of its own the cluster binds the loopback address.
        if key == option.bind_address {
            value.or(Some(ADDRESS))
        } else {
            value.filter(|v| *v != shipped)
        }
    };
    if let Some(port) = option.pick(&lookup)? {
        return Ok(port);
    }
    let address = launch::bind_address(lookup(option.bind_address));
    launch::free_port(address).map_err(|source| AppMasterError::NoFreePort { source })
}

/// The ports that members ask for besides those that others find the JobManager at. A container has
/// its own.
fn check_other_ports(
    settings: &ClusterSettings,
    job_manager: &SettledLaunch,
    task_manager: &SettledLaunch,
) -> Result<(), PortError> {
    if matches!(settings.place, Place::Containers(_)) {
        return Ok(());
    }
    BLOB_SERVER.pick(&|key| bound_here(job_manager, key))?;
    launch::check_ports_for_each(task_manager.role, settings.task_managers, &|key| {
        bound_here(task_manager, key)
    })
}

/// An option of a member's; without an address of its own it binds this machine's.
fn bound_here<'a>(launch: &'a SettledLaunch, key: &str) -> Option<&'a str> {
    let here = key.ends_with("bind-host").then_some(ADDRESS);
    launch.configuration.get(key).or(here)
}

/// Where the cluster's own process reaches the JobManager: by address, so that no name has to be
/// resolved.
fn rest_address(settings: &ClusterSettings, job_manager: &SettledLaunch, port: u16) -> String {
    let scheme = rest_scheme(&|key| job_manager.configuration.get(key));
    // A container's port is published on the loopback address.
    if matches!(settings.place, Place::Containers(_)) {
        return format!(
            "{scheme}://{}",
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        );
    }
    let bound = job_manager
        .configuration
        .get(REST.bind_address)
        .unwrap_or(ADDRESS);
    let address = match launch::bind_address(Some(bound)) {
        address if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        address => address,
    };
    format!("{scheme}://{}", SocketAddr::new(address, port))
}

fn desired(settings: &ClusterSettings) -> Desired {
    let workers = (Role::TaskManager, settings.task_managers);
    let members = [(Role::JobManager, 1), workers].into();
    Desired {
        members,
        restart: settings.restart,
        starts: None,
    }
}

fn first_state(
    settings: &ClusterSettings,
    job_manager: &SettledLaunch,
    earlier: Option<ClusterState>,
    web_url: String,
) -> ClusterState {
    let pid = i32::try_from(std::process::id()).unwrap_or(i32::MAX);
    ClusterState {
        version: STATE_VERSION,
        phase: ClusterPhase::Starting,
        master: identify(pid).unwrap_or(ProcessIdentity {
            pid,
            start_ticks: 0,
        }),
        flink_version: job_manager.home.version().to_string(),
        flink_home: settings.flink_home.clone(),
        web_url,
        task_managers: settings.task_managers,
        last_number: earlier.map_or(0, |state| state.last_number),
        members: Vec::new(),
        containers: settings.place.cluster(&settings.directory),
        application_master: None,
        tasks_recorded_in: None,
        framework_removed: None,
        resumes_under: resumes_under(&job_manager.configuration),
    }
}

/// What the overlays add to every member's launch.
fn overlays_of(
    settings: &ClusterSettings,
    job_manager: &SettledLaunch,
) -> Result<Vec<Overlay>, AppMasterError> {
    let variable = |name: &str| {
        settings
            .environment
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    };
    let user = variable("USER").or_else(|| variable("LOGNAME"));
    Ok(overlays(&OverlaySources {
        flink_home: &settings.flink_home,
        configuration: &|key| job_manager.configuration.get(key).map(str::to_owned),
        environment: &variable,
        user: user.as_deref(),
        declarations: &settings.overlays,
    })?)
}

/// Writes a secret where only its owner can read it.
pub(super) fn write_secret(path: &Path, secret: &str) -> Result<(), AppMasterError> {
    write_private(path, format!("{secret}\n").as_bytes()).map_err(|source| AppMasterError::Write {
        path: path.to_owned(),
        source,
    })
}
