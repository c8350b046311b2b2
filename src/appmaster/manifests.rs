//! Writes the launch manifest of each member. Pure: the same arguments give the same document.

use std::collections::BTreeMap;

use super::place::Addresses;
use flugs_flink_conf::TLS_ALGORITHMS;
use flugs_model::{Artifact, LaunchManifest, ManifestVersion, Property, Resources, Role, WorkerId};

/// The address at which the members of an embedded cluster find one another.
pub(super) const ADDRESS: &str = "localhost";

/// What all members of an embedded cluster have in common.
#[derive(Debug, Clone)]
pub(super) struct ClusterTerms {
    /// The files of the Flink distribution and of every other overlay.
    pub artifacts: Vec<Artifact>,
    /// What the user asked for with `-D` and `--slots`.
    pub properties: Vec<Property>,
    /// What the overlays set: a shipped file's place in the sandbox has to win over the place
    /// that the user named.
    pub overlay_properties: BTreeMap<String, String>,
    /// Variables that the overlays set.
    pub environment: BTreeMap<String, String>,
    /// The JobManager's RPC port.
    pub rpc_port: u16,
    /// The JobManager's REST port.
    pub rest_port: u16,
    /// How the members reach one another.
    pub addresses: Addresses,
    /// What a member of each role may use; of a role that is absent, whatever the host allows.
    pub resources: BTreeMap<Role, Resources>,
    /// What the resource ids of workers end in, beyond their names.
    pub resource_suffix: String,
    /// Seconds a member has between the request to stop and SIGKILL.
    pub stop_grace_seconds: f64,
}

impl ClusterTerms {
    /// What a member of a role may use.
    pub(super) fn resources_of(&self, role: Role) -> Resources {
        self.resources.get(&role).copied().unwrap_or_default()
    }
}

/// The manifest of one member.
pub(super) fn manifest(terms: &ClusterTerms, role: Role, id: &WorkerId) -> LaunchManifest {
    let properties = terms
        .properties
        .iter()
        .map(|p| (p.key.clone(), p.value.clone()))
        .collect();
    LaunchManifest {
        version: ManifestVersion::CURRENT,
        role,
        worker_id: id.clone(),
        artifacts: terms.artifacts.clone(),
        default_properties: defaults(),
        properties,
        forced_properties: forced(terms, role, id),
        environment: terms.environment.clone(),
        arguments: Vec::new(),
        resources: terms.resources_of(role),
        stop_grace_seconds: Some(terms.stop_grace_seconds),
        exit_report_url: None,
    }
}

/// What suits a cluster on one machine, unless the user set it.
///
/// It is reachable from this machine alone: Flink before 1.15 binds every address by default. And
/// a member that died is noticed within seconds: Flink counts two heartbeats in a row that could
/// not be delivered as a death (`heartbeat.rpc-failure-threshold`, since 1.14), and delivery over
/// the loopback address fails only if nobody listens. A member that merely pauses still has the
/// whole `heartbeat.timeout`.
fn defaults() -> BTreeMap<String, String> {
    [
        ("jobmanager.bind-host", ADDRESS),
        ("taskmanager.bind-host", ADDRESS),
        ("taskmanager.host", ADDRESS),
        ("rest.bind-address", ADDRESS),
        // HeartbeatManagerOptions; milliseconds without a unit are read by every version.
        ("heartbeat.interval", "2000"),
        // Only of interest where TLS is on; Flink's default of old is nothing that flugs speaks.
        ("security.ssl.algorithms", TLS_ALGORITHMS),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// What makes the members one cluster; a user's other value would only break it.
fn forced(terms: &ClusterTerms, role: Role, id: &WorkerId) -> BTreeMap<String, String> {
    let mut forced = terms.overlay_properties.clone();
    let addresses = [
        ("jobmanager.rpc.address", terms.addresses.job_manager()),
        ("jobmanager.rpc.port", terms.rpc_port.to_string()),
        ("rest.address", terms.addresses.job_manager()),
        ("rest.port", terms.rest_port.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value));
    forced.extend(addresses);
    let of_place = terms.addresses.forced(id).into_iter();
    forced.extend(of_place.map(|(key, value)| (key.to_owned(), value)));
    match role {
        Role::TaskManager => {
            let resource_id = format!("{id}{}", terms.resource_suffix);
            forced.insert("taskmanager.resource-id".to_owned(), resource_id);
        }
        Role::JobManager | Role::StandaloneJob => {
            forced.insert("rest.bind-port".to_owned(), terms.rest_port.to_string());
        }
        Role::HistoryServer => {}
    }
    forced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> ClusterTerms {
        ClusterTerms {
            artifacts: Vec::new(),
            properties: vec!["taskmanager.numberOfTaskSlots=4".parse().unwrap()],
            overlay_properties: [("security.ssl.keystore".into(), "tls/keystore.jks".into())]
                .into(),
            environment: [("HADOOP_USER_NAME".into(), "etl".into())].into(),
            rpc_port: 40001,
            rest_port: 40002,
            addresses: Addresses::Loopback,
            resources: BTreeMap::new(),
            resource_suffix: String::new(),
            stop_grace_seconds: 9.0,
        }
    }

    #[test]
    fn containers_find_one_another_by_name_whatever_the_shipped_configuration_says() {
        let terms = ClusterTerms {
            addresses: Addresses::Names,
            ..terms()
        };
        let id = "taskmanager-1".parse().unwrap();
        let forced = manifest(&terms, Role::TaskManager, &id).forced_properties;
        for (key, value) in [
            ("jobmanager.rpc.address", "jobmanager"),
            ("taskmanager.host", "taskmanager-1"),
            ("taskmanager.bind-host", "0.0.0.0"),
        ] {
            assert_eq!(forced[key], value, "{key}");
        }
    }

    #[test]
    fn a_workers_manifest_snapshot() {
        let terms = terms();
        let id = "taskmanager-1".parse().unwrap();
        let json = manifest(&terms, Role::TaskManager, &id).to_json();
        insta::assert_snapshot!(String::from_utf8(json).unwrap());
    }
}
