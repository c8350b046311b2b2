//! The JobManager of an application master: its settings, and its process.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fleet::{Ending, Fleet};
use crate::provider::process::ProcessProvider;
use crate::provider::{Provider as _, ProviderError, WorkerEvent};
use crate::store::{ClusterState, FileStore, MemberRecord, StoreError};
use flugs_artifact::Store;
use flugs_base::is_wildcard;
use flugs_flink::FlinkVersion;
use flugs_flink_conf::options::OptionTable;
use flugs_flink_conf::{Configuration, Layer, mesos_defaults};
use flugs_launch::FLINK_DIRECTORY;
use flugs_model::{
    LaunchManifest, ManifestVersion, MemberState, ProcessIdentity, Property, Resources, Role,
    WorkerId, WorkerSpec,
};

use super::super::{AppMasterError, sandbox};
use super::event::{MesosEvent, NotifyMesos};

/// Every address of this machine.
const EVERYWHERE: &str = "0.0.0.0";

/// What a JobManager is launched with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JobManagerTerms {
    pub(super) role: Role,
    /// What the user asked for with `-D`.
    pub(super) properties: Vec<Property>,
    /// Where others find it, and the ports it must have.
    pub(super) forced: BTreeMap<String, String>,
    pub(super) defaults: BTreeMap<String, String>,
    /// Arguments of a job's own program.
    pub(super) arguments: Vec<String>,
    pub(super) grace: Duration,
}

impl JobManagerTerms {
    /// Its manifest. It runs the Flink home that is in place, so nothing is fetched.
    pub(super) fn manifest(&self) -> LaunchManifest {
        let property = |one: &Property| (one.key.clone(), one.value.clone());
        let of_flink = |one: &&Property| !is_scheduler_secret(&one.key);
        LaunchManifest {
            version: ManifestVersion::CURRENT,
            role: self.role,
            worker_id: WorkerId::of(self.role, None),
            artifacts: Vec::new(),
            default_properties: self.defaults.clone(),
            properties: self
                .properties
                .iter()
                .filter(of_flink)
                .map(property)
                .collect(),
            forced_properties: self.forced.clone(),
            // It inherits that of the application master.
            environment: BTreeMap::new(),
            arguments: self.arguments.clone(),
            resources: Resources::default(),
            stop_grace_seconds: Some(self.grace.as_secs_f64()),
            exit_report_url: None,
        }
    }
}

/// Whether an option is a secret of the scheduler's, which Flink has no use for: it would show it
/// on its web page.
fn is_scheduler_secret(key: &str) -> bool {
    key == "mesos.resourcemanager.framework.secret"
}

/// What suits a cluster of many machines, unless somebody set it.
pub(super) fn defaults(version: &FlinkVersion) -> BTreeMap<String, String> {
    let table = OptionTable::for_line(version.major(), version.minor());
    let all = mesos_defaults(table, Role::JobManager).into_iter();
    all.map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// What somebody asked for. Flink's shipped configuration is for one machine: its `localhost` is
/// nobody's wish.
fn wish(configuration: &Configuration, key: &str) -> Option<String> {
    let setting = configuration.setting(key)?;
    let shipped = setting.origin.layer <= Layer::ConfDirectory && setting.value == "localhost";
    (!shipped).then(|| setting.value.clone())
}

/// The address that an option's value binds on the JobManager's machine.
pub(super) fn bound(configuration: &Configuration, key: &str) -> String {
    wish(configuration, key).unwrap_or_else(|| EVERYWHERE.to_owned())
}

/// Where the JobManager is bound and found. `host` is this machine's name. The wildcard address is
/// bound where somebody wants it; nobody finds anything there, so it is never told to others.
pub(super) fn addresses(
    configuration: &Configuration,
    host: &str,
    rpc_port: u16,
    rest_port: u16,
) -> BTreeMap<String, String> {
    let wish = |key: &str| wish(configuration, key);
    let mut forced = BTreeMap::new();
    for key in ["jobmanager.bind-host", "rest.bind-address"] {
        if wish(key).is_none() {
            forced.insert(key.to_owned(), EVERYWHERE.to_owned());
        }
    }
    let found = |key: &str| wish(key).filter(|address| !is_wildcard(address));
    let address = found("jobmanager.rpc.address").unwrap_or_else(|| host.to_owned());
    let rest = found("rest.address").unwrap_or_else(|| address.clone());
    forced.extend([
        ("jobmanager.rpc.address".to_owned(), address),
        ("jobmanager.rpc.port".to_owned(), rpc_port.to_string()),
        ("rest.address".to_owned(), rest),
        ("rest.port".to_owned(), rest_port.to_string()),
        ("rest.bind-port".to_owned(), rest_port.to_string()),
    ]);
    forced
}

/// The JobManager's process.
#[derive(Debug)]
pub(super) struct JobManager {
    provider: ProcessProvider,
    spec: WorkerSpec,
    flink_home: PathBuf,
}

impl JobManager {
    /// A JobManager that is launched from a manifest in this store.
    pub(super) fn new(
        provider: ProcessProvider,
        terms: &JobManagerTerms,
        artifacts: &Store,
        directory: &Path,
        flink_home: PathBuf,
    ) -> Result<Self, AppMasterError> {
        let manifest = terms.manifest();
        // It holds what the user set, which may be secret.
        let stored = artifacts.add_secret_bytes(&manifest.to_json())?;
        let id = manifest.worker_id;
        let spec = WorkerSpec {
            role: terms.role,
            manifest_url: stored.path.display().to_string(),
            manifest_sha256: stored.digest,
            token_file: directory.join("token"),
            sandbox: sandbox::path(directory, &id),
            cache: directory.join("cache"),
            resources: Resources::default(),
            id,
        };
        Ok(Self {
            provider: provider.running(flink_home.clone()),
            spec,
            flink_home,
        })
    }

    pub(super) fn id(&self) -> &WorkerId {
        &self.spec.id
    }

    pub(super) fn role(&self) -> Role {
        self.spec.role
    }

    pub(super) fn sandbox(&self) -> &Path {
        &self.spec.sandbox
    }

    pub(super) fn state(&self, fleet: &Fleet) -> Option<MemberState> {
        fleet.member(&self.spec.id).map(|member| member.state)
    }

    /// Starts it. That it is about to be started is written down first; that it could not be is
    /// the fleet's to know.
    pub(super) async fn start(
        &mut self,
        fleet: &mut Fleet,
        state: &mut ClusterState,
        file: &FileStore,
        now: Duration,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<(), StoreError> {
        let (id, role) = (self.spec.id.clone(), self.spec.role);
        sandbox::forget_end(&self.spec.sandbox);
        fleet.add(id.clone(), role, now);
        let mut record = MemberRecord {
            id: id.clone(),
            role,
            state: MemberState::Starting,
            process: None,
            sandbox: self.spec.sandbox.clone(),
            slots: None,
        };
        state.members = vec![record.clone()];
        file.save(state)?;
        match self.launch().await {
            Ok(process) => {
                record.process = Some(process);
                state.members = vec![record];
                notify(&MesosEvent::JobManagerStarted { pid: process.pid });
            }
            Err(error) => {
                let reason = error.to_string();
                let ending = Ending::NotStarted {
                    reason: reason.clone(),
                };
                fleet.ended(&id, &ending, now);
                state.members.clear();
                notify(&MesosEvent::Notice(reason));
            }
        }
        file.save(state)
    }

    async fn launch(&mut self) -> Result<ProcessIdentity, ProviderError> {
        if self.spec.role == Role::StandaloneJob {
            self.link_home()?;
        }
        self.provider.launch(&self.spec).await
    }

    /// A job's jars have to be in the same place as seen from the JobManager's working directory
    /// and from each worker's: Flink names them to its workers by relative paths
    /// (`ClusterEntrypointUtils`). Workers have them in `flink/usrlib` of their sandboxes.
    fn link_home(&self) -> Result<(), ProviderError> {
        let link = self.spec.sandbox.join(FLINK_DIRECTORY);
        let failed = |source| ProviderError::Sandbox {
            id: self.spec.id.clone(),
            path: link.clone(),
            source,
        };
        fs::create_dir_all(&self.spec.sandbox).map_err(failed)?;
        match symlink(&self.flink_home, &link) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(error)),
            _ => Ok(()),
        }
    }

    pub(super) fn stop(&mut self, grace: Duration) {
        self.provider.stop(&self.spec.id, grace);
    }

    pub(super) fn kill(&mut self) {
        self.provider.kill(&self.spec.id);
    }

    /// Waits for its end; its exit code.
    pub(super) async fn ended(&mut self) -> u8 {
        let WorkerEvent::Exited { code, .. } = self.provider.event().await;
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_flink_conf::Origin;

    fn configuration(settings: &[(&str, &str, Layer)]) -> Configuration {
        let mut configuration = Configuration::new();
        for (key, value, layer) in settings {
            configuration.set(*key, *value, Origin::of(*layer));
        }
        configuration
    }

    #[test]
    fn the_localhost_of_flinks_shipped_configuration_gives_way_to_what_agents_can_reach() {
        let shipped = Layer::ConfDirectory;
        let configuration = configuration(&[
            ("jobmanager.rpc.address", "localhost", shipped),
            ("jobmanager.bind-host", "localhost", shipped),
            ("rest.address", "localhost", shipped),
            ("rest.bind-address", "localhost", shipped),
        ]);
        let forced = addresses(&configuration, "master1", 6123, 8081);
        let lines: Vec<String> = forced
            .iter()
            .map(|(key, value)| format!("{key}: {value}"))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn what_somebody_asked_for_stays_even_if_it_is_localhost() {
        let configuration = configuration(&[
            ("jobmanager.rpc.address", "localhost", Layer::CommandLine),
            ("jobmanager.bind-host", "10.0.0.7", Layer::ConfDirectory),
            ("rest.bind-address", "localhost", Layer::FlinkProperties),
        ]);
        let forced = addresses(&configuration, "master1", 6123, 8081);
        assert_eq!(forced["jobmanager.rpc.address"], "localhost");
        assert_eq!(forced["rest.address"], "localhost");
        assert!(!forced.contains_key("jobmanager.bind-host"));
        assert!(!forced.contains_key("rest.bind-address"));
    }

    #[test]
    fn a_wildcard_address_is_bound_and_never_told_to_others_whoever_set_it() {
        for layer in [
            Layer::ConfDirectory,
            Layer::FlinkProperties,
            Layer::CommandLine,
        ] {
            let configuration = configuration(&[
                ("jobmanager.rpc.address", "::", layer),
                ("rest.address", "0.0.0.0", layer),
                ("rest.bind-address", "0.0.0.0", layer),
            ]);
            let forced = addresses(&configuration, "master1", 6123, 8081);
            assert_eq!(forced["jobmanager.rpc.address"], "master1");
            assert_eq!(forced["rest.address"], "master1");
            assert!(!forced.contains_key("rest.bind-address"));
            assert_eq!(bound(&configuration, "rest.bind-address"), "0.0.0.0");
        }
        let wish = Layer::CommandLine;
        let configuration = configuration(&[
            ("jobmanager.rpc.address", "10.0.0.7", wish),
            ("rest.address", "0.0.0.0", Layer::ConfDirectory),
        ]);
        let forced = addresses(&configuration, "master1", 6123, 8081);
        assert_eq!(forced["rest.address"], "10.0.0.7");
    }

    #[test]
    fn the_frameworks_secret_is_not_flinks() {
        let properties = ["a=b", "mesos.resourcemanager.framework.secret=hunter2"]
            .map(|text| text.parse().unwrap())
            .into();
        let terms = JobManagerTerms {
            role: Role::JobManager,
            properties,
            forced: BTreeMap::new(),
            defaults: BTreeMap::new(),
            arguments: Vec::new(),
            grace: Duration::from_secs(9),
        };
        let json = String::from_utf8(terms.manifest().to_json()).unwrap();
        assert!(
            json.contains("\"a\"") && !json.contains("hunter2"),
            "{json}"
        );
    }
}
