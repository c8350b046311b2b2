//! Everything that is settled before anything is started, in its order: bad input ends here.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::cluster_id::{OwnId, resumes_under};
use super::super::distribution::store_directory;
use super::super::preparation::{take_directory, write_secret};
use super::super::{AppMasterError, chroot, client_configuration};
use super::api::{Api, Question};
use super::candidacy::Candidate;
use super::demand::demand;
use super::documents::Documents;
use super::event::NotifyMesos;
use super::job_manager::{JobManager, JobManagerTerms};
use super::master::connection;
use super::memory::{Coordination, scheduler_store};
use super::run::{MesosCluster, Terms};
use super::settings::MesosClusterSettings;
use super::settling::Settled;
use super::shipment::Shipment;
use super::watch::Watch;
use super::zookeeper::ZooKeeperContacts;
use crate::fleet::{Desired, StartPolicy};
use crate::provider::mesos::options::doubts;
use crate::provider::mesos::task::TaskDescriber;
use crate::provider::process::{ProcessProvider, identify};
use crate::store::{ApplicationMaster, ClusterPhase, ClusterState, Contender, STATE_VERSION};
use flugs_artifact::{Store, Token};
use flugs_flink::rest::RestClient;
use flugs_mesos::connection::{Connection, SECRET_VARIABLE};
use flugs_model::{ProcessIdentity, Role};
use flugs_net::zookeeper::Availability;

/// An application master as the command line runs it.
pub type RealMesosCluster = MesosCluster<TaskDescriber, Connection, Documents>;

/// Settles everything, or says what is wrong. No process has been started when this returns, and
/// neither the master nor the state been touched.
pub async fn prepare(
    settings: &MesosClusterSettings,
    notify: &mut NotifyMesos<'_>,
) -> Result<Candidate, AppMasterError> {
    let started = Instant::now();
    let (lock, file, earlier) = take_directory(&settings.directory, settings.grace).await?;
    let mut named = settings.clone();
    let mut settled = Settled::of(settings)?;
    let configuration = &settled.job_manager.configuration;
    chroot::check(configuration).await?;
    if let Some(own_id) = OwnId::of(&settings.directory, configuration)? {
        if own_id.is_new {
            notify(&super::MesosEvent::Notice(own_id.text()));
        }
        named.properties.push(own_id.property());
        settled = Settled::of(&named)?;
    }
    let settings = &named;
    for doubt in doubts(&settled.task_manager.configuration) {
        notify(&super::MesosEvent::Notice(doubt));
    }
    let variable = |name: &str| settings.variable(name);
    let detection = Availability::default();
    let connection = connection(&settled.options, &variable, detection.clone())?;
    let coordination = Coordination::of(&settled)?;
    let master = &settled.options.master;
    let zookeeper = ZooKeeperContacts::of(coordination.as_ref(), master, &detection);
    let memory = scheduler_store(settings, coordination.as_ref())?;
    let artifacts = Store::open_refillable(&store_directory(&settings.directory))?;
    let token = token(settings)?;
    let shipment = Shipment::of(settings, &settled, &artifacts, token)?;
    let (api, questions, answers_at) = bind_api(settings)?;
    let job_manager = job_manager(settings, &settled, &artifacts)?;
    client_configuration::write(
        &settings.directory,
        &settled.job_manager,
        Some(&settled.java),
        settled.rest_host(),
        settled.rest_port,
    )?;

    let rest = RestClient::new(&settled.rest_address(), settled.rest_tls.as_ref())?;
    let mut state = first_state(settings, &settled, earlier);
    state.application_master = Some(answers_at);
    file.save(&state)?;
    tokio::spawn(api.serve());
    let user = variable("USER").or_else(|| variable("LOGNAME"));
    let place = settled.place(user.unwrap_or_else(own_user));
    Ok(Candidate {
        terms: terms(settings, &settled),
        desired: desired(settings, &settled),
        demand: demand(&settled.options),
        scheduler: settled.options.scheduler_settings(&place, seed()),
        contender: Contender {
            host: settled.host.clone(),
            web_url: settled.web_url(),
            pid: std::process::id(),
        },
        connection,
        zookeeper,
        memory,
        shipment,
        job_manager,
        state,
        file,
        watch: Watch::new(rest, settled.options.scaling.clone()),
        questions,
        started,
        coordination,
        lock,
    })
}

/// The token that artifacts are served for. It outlives this process: tasks that were launched
/// may not have fetched everything yet.
fn token(settings: &MesosClusterSettings) -> Result<Token, AppMasterError> {
    let path = settings.directory.join("token");
    if path.is_file() {
        return Ok(Token::from_file(&path)?);
    }
    let token = Token::generate()?;
    write_secret(&path, token.expose())?;
    Ok(token)
}

/// The HTTP interface; open to everybody only where nobody but this machine can reach it.
fn bind_api(
    settings: &MesosClusterSettings,
) -> Result<(Api, mpsc::Receiver<Question>, ApplicationMaster), AppMasterError> {
    let address = settings.api;
    let mut token_file = None;
    let mut token = None;
    if !address.ip().is_loopback() {
        let path = settings.directory.join("api-token");
        if !path.is_file() {
            write_secret(&path, Token::generate()?.expose())?;
        }
        token = Some(Token::from_file(&path)?);
        token_file = Some(path);
    }
    let bound = Api::bind(address, token);
    let (api, questions) = bound.map_err(|source| AppMasterError::Api { address, source })?;
    let mut reachable = api.address();
    if reachable.ip().is_unspecified() {
        reachable.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let url = format!("http://{reachable}");
    Ok((api, questions, ApplicationMaster { url, token_file }))
}

fn job_manager(
    settings: &MesosClusterSettings,
    settled: &Settled,
    artifacts: &Store,
) -> Result<JobManager, AppMasterError> {
    let provider = ProcessProvider::new(settings.program.clone())?
        .speaking_itself()
        .keeping_back(&[SECRET_VARIABLE]);
    let terms = JobManagerTerms {
        role: settings.role,
        properties: settings.properties.clone(),
        forced: settled.addresses.clone(),
        defaults: settled.defaults.clone(),
        arguments: settings.arguments.clone(),
        grace: settings.grace,
    };
    let (directory, home) = (&settings.directory, settings.flink_home.clone());
    JobManager::new(provider, &terms, artifacts, directory, home)
}

fn terms(settings: &MesosClusterSettings, settled: &Settled) -> Terms {
    let counts = settled.options.workers.iter();
    let counts = counts.map(|(name, worker)| (name, worker.workers as usize));
    let mut profiles = settled.options.profiles();
    Terms {
        directory: settings.directory.clone(),
        // The launcher needs a moment of its own after its child's grace is over.
        grace: settings.grace + Duration::from_secs(2),
        on_terminate: settings.on_terminate,
        on_interrupt: settings.on_interrupt,
        forget_framework: settings.forget_framework,
        role: settled.options.framework.roles.join(", "),
        profiles: counts
            .filter_map(|(name, many)| Some((name.clone(), (profiles.remove(name)?, many))))
            .collect(),
    }
}

fn desired(settings: &MesosClusterSettings, settled: &Settled) -> Desired {
    let options = &settled.options;
    let starts = options.starts;
    Desired {
        members: [(settings.role, 1), (Role::TaskManager, settled.workers())].into(),
        restart: settings.restart,
        starts: Some(StartPolicy {
            registration_timeout: starts.registration_timeout,
            return_timeout: starts.return_timeout,
            loss_timeout: starts.loss_timeout,
            failures_per_minute: starts.failures_per_minute,
            retry_interval: starts.retry_interval,
            maximum_failed: options.maximum_failed_tasks.map(|most| most as usize),
        }),
    }
}

fn first_state(
    settings: &MesosClusterSettings,
    settled: &Settled,
    earlier: Option<ClusterState>,
) -> ClusterState {
    let pid = i32::try_from(std::process::id()).unwrap_or(i32::MAX);
    ClusterState {
        version: STATE_VERSION,
        phase: ClusterPhase::Starting,
        master: identify(pid).unwrap_or(ProcessIdentity {
            pid,
            start_ticks: 0,
        }),
        flink_version: settled.job_manager.home.version().to_string(),
        flink_home: settings.flink_home.clone(),
        web_url: settled.web_url(),
        task_managers: settled.workers(),
        last_number: earlier.as_ref().map_or(0, |state| state.last_number),
        members: Vec::new(),
        containers: None,
        application_master: None,
        // Until this one leads, they are still those that an earlier one left.
        tasks_recorded_in: earlier
            .as_ref()
            .and_then(|state| state.tasks_recorded_in.clone()),
        framework_removed: earlier.and_then(|state| state.framework_removed),
        resumes_under: resumes_under(&settled.job_manager.configuration),
    }
}

/// The user that this process runs as, as libmesos told it. The file is read by hand: a static
/// binary has no name service switch.
fn own_user() -> String {
    let uid = nix::unistd::geteuid().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        (fields.nth(1)? == uid).then_some(name)
    };
    passwd.lines().find_map(name).unwrap_or(uid)
}

/// Makes waits differ from those of other schedulers.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    // Without random bytes all schedulers wait alike, which is no harm to one.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
