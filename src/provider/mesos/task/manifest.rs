//! The launch manifest of one task.

use std::collections::BTreeMap;

use crate::provider::mesos::options::{NetworkMode, TaskOptions};
use flugs_flink_conf::{
    Layer, Setting, is_highly_available, is_sensitive, mesos_addresses, mesos_defaults,
};
use flugs_mesos::scheduler::Launch;
use flugs_model::{Artifact, LaunchManifest, ManifestVersion, Resources, Role, WorkerId};

use super::{JobManagerAddress, TaskTerms};

/// What stands for the task's id in a host name (`MesosTaskManagerParameters`).
const TASK: &str = "_TASK_";

/// The options that say where to listen, where that may differ from where others connect.
const BIND_PORTS: [(&str, &str); 2] = [
    ("taskmanager.rpc.port", "taskmanager.rpc.bind-port"),
    ("taskmanager.data.port", "taskmanager.data.bind-port"),
];

/// What the manifests of all tasks have in common.
pub(super) fn common(terms: &TaskTerms, artifacts: Vec<Artifact>) -> LaunchManifest {
    let owned = |pairs: Vec<(&'static str, &'static str)>| {
        let pairs = pairs.into_iter();
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned()))
    };
    let mut forced = terms.overlay_properties.clone();
    forced.extend(owned(mesos_addresses(&terms.configuration)));
    let JobManagerAddress {
        host,
        rpc_port,
        rest_port,
    } = &terms.job_manager;
    let addresses = [
        ("jobmanager.rpc.address", host.clone()),
        ("jobmanager.rpc.port", rpc_port.to_string()),
        ("rest.address", host.clone()),
        ("rest.port", rest_port.to_string()),
    ];
    forced.extend(addresses.map(|(key, value)| (key.to_owned(), value)));
    // Its jobs are gone with a JobManager that keeps them nowhere else, and so is what a worker
    // would have to do for them.
    let keeps_jobs = is_highly_available(&|key| terms.configuration.get(key));
    let renewal = terms.options.tasks.renewal && !keeps_jobs;
    forced.insert("flugs.mesos.tasks.renewal".to_owned(), renewal.to_string());
    let java = terms.java_home.iter();
    forced.extend(java.map(|home| ("env.java.home".to_owned(), home.to_string())));
    LaunchManifest {
        version: ManifestVersion::CURRENT,
        role: Role::TaskManager,
        worker_id: WorkerId::of(Role::TaskManager, None),
        artifacts,
        default_properties: owned(mesos_defaults(terms.table, Role::TaskManager)).collect(),
        properties: settings(terms),
        forced_properties: forced,
        environment: terms.environment.clone(),
        arguments: Vec::new(),
        resources: Resources::default(),
        stop_grace_seconds: Some(terms.options.scheduling.grace.as_secs_f64()),
        exit_report_url: None,
    }
}

/// The settings of the application master that a worker has to have as well. Where Flink travels,
/// its configuration file does, too; else there is no other way for what is in it.
fn settings(terms: &TaskTerms) -> BTreeMap<String, String> {
    let lowest = if super::ships_flink(&terms.options) {
        Layer::Overlay
    } else {
        Layer::ConfDirectory
    };
    let travels = |(key, setting): &(&str, &Setting)| {
        let layer = setting.origin.layer;
        let of_user = layer >= lowest && layer < Layer::Derived;
        let of_scheduler = key.starts_with("mesos.") || key.starts_with("flugs.");
        of_user && !of_scheduler
    };
    let settings = terms.configuration.iter().filter(travels);
    settings
        .map(|(key, setting)| (key.to_owned(), setting.value.clone()))
        .collect()
}

/// The manifest of one task.
pub(super) fn of_task(
    common: &LaunchManifest,
    terms: &TaskTerms,
    launch: &Launch<'_>,
) -> LaunchManifest {
    let options = &terms.options;
    let report_to = terms.urls.exit_report(&launch.task.value, &terms.token);
    let mut manifest = LaunchManifest {
        worker_id: launch.worker.clone(),
        exit_report_url: Some(report_to),
        ..common.clone()
    };
    if let Some(profile) = options.workers.get(launch.profile) {
        manifest.properties.extend(profile.properties.clone());
        // Flink tells a worker's cores to its ResourceManager, as its own integration did.
        let cores = ("taskmanager.cpu.cores".to_owned(), profile.cpus.to_string());
        manifest.default_properties.extend([cores]);
        manifest.resources = Resources {
            cpus: Some(profile.cpus.value()),
            memory_bytes: Some(profile.memory_bytes),
        };
    }
    let tasks = &options.tasks;
    let id = (
        "taskmanager.resource-id".to_owned(),
        launch.task.value.clone(),
    );
    let host = ("taskmanager.host".to_owned(), host(tasks, launch));
    manifest.forced_properties.extend([id, host]);
    let ports = ports(tasks, launch).into_iter();
    manifest
        .forced_properties
        .extend(ports.map(|(key, port)| (key, port.to_string())));
    manifest
}

/// Whether a setting in a manifest is a secret.
pub(super) fn holds_secret(manifest: &LaunchManifest) -> bool {
    let maps = [
        &manifest.default_properties,
        &manifest.properties,
        &manifest.forced_properties,
        &manifest.environment,
    ];
    let mut keys = maps.into_iter().flat_map(BTreeMap::keys);
    keys.any(|key| is_sensitive(key))
}

/// The name under which others reach the worker. Empty: whatever the worker finds out itself,
/// which on a network of its own is its address there.
fn host(tasks: &TaskOptions, launch: &Launch<'_>) -> String {
    match &tasks.hostname {
        Some(pattern) => pattern.replace(TASK, &launch.task.value),
        None if tasks.network.published => launch.hostname.to_owned(),
        None => String::new(),
    }
}

/// The options that are ports, with their numbers.
fn ports(tasks: &TaskOptions, launch: &Launch<'_>) -> Vec<(String, u16)> {
    let own = &tasks.ports.fixed_in_container;
    let mut ports: BTreeMap<String, u16> = own.clone();
    for (key, offered) in launch.ports {
        let inside = own.get(key).copied().unwrap_or(*offered);
        let bind = BIND_PORTS.iter().find(|(known, _)| known == key);
        match bind {
            Some((_, bind)) if tasks.network.mode != NetworkMode::Host => {
                ports.insert(key.clone(), *offered);
                ports.insert((*bind).to_owned(), inside);
            }
            _ => {
                ports.insert(key.clone(), inside);
            }
        }
    }
    ports.into_iter().collect()
}
