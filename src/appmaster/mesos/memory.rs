//! Where the scheduler's state is kept: in the directory, or in the ZooKeeper that the JobManager
//! keeps its own state in.

use std::time::Duration;

use super::super::AppMasterError;
use super::settings::MesosClusterSettings;
use super::settling::Settled;
use crate::artifact::Resolver;
use crate::conf::options::parse_duration;
use crate::conf::{Configuration, LEADER_SESSION, LEADER_SESSION_MILLISECONDS};
use crate::mesos::resolve::HostResolver;
use crate::mesos::zookeeper::ZooKeeper;
use crate::store::{PlaceError, SchedulerStore, ZooKeeperPlace};

/// How long ZooKeeper may be away while something has to be written. Nothing is launched
/// meanwhile; what runs, runs on.
const PATIENCE: Duration = Duration::from_secs(120);

/// Opens the store. Like Flink's own integration: with `high-availability: zookeeper` the state
/// is there, else on this machine.
pub(super) fn scheduler_store(
    settings: &MesosClusterSettings,
    settled: &Settled,
) -> Result<SchedulerStore, AppMasterError> {
    let configuration = &settled.job_manager.configuration;
    if !is_highly_available(configuration) {
        return Ok(SchedulerStore::in_directory(&settings.directory)?);
    }
    let of = |key: &str, default: &str| {
        let key = format!("high-availability.{key}");
        configuration.get(&key).unwrap_or(default).to_owned()
    };
    let place = ZooKeeperPlace::new(
        &of("zookeeper.quorum", ""),
        &of("zookeeper.path.root", "/flink"),
        &of("cluster-id", "/default"),
        &settled.options.workers_path,
    )?;
    let zookeeper = ZooKeeper {
        servers: place.servers,
        credentials: None,
        resolver: HostResolver::new(Resolver::default()),
        session_timeout: session_timeout(configuration)?,
    };
    Ok(SchedulerStore::in_zookeeper(
        zookeeper,
        &place.path,
        PATIENCE,
    ))
}

/// How long ZooKeeper keeps this process's session, and the JobManager's, while it is silent.
fn session_timeout(configuration: &Configuration) -> Result<Duration, PlaceError> {
    let Some(value) = configuration.get(LEADER_SESSION) else {
        return Ok(Duration::from_millis(LEADER_SESSION_MILLISECONDS));
    };
    let timeout = parse_duration(value).filter(|timeout| !timeout.is_zero());
    timeout.ok_or_else(|| PlaceError::Value {
        key: LEADER_SESSION,
        value: value.to_owned(),
        expected: "a duration",
    })
}

/// Whether the JobManager keeps its state in ZooKeeper. The option had two names before.
fn is_highly_available(configuration: &Configuration) -> bool {
    let keys = [
        "high-availability.type",
        "high-availability",
        "recovery.mode",
    ];
    let mode = keys.iter().find_map(|key| configuration.get(key));
    mode.is_some_and(|mode| mode.trim().eq_ignore_ascii_case("zookeeper"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::{Layer, Origin};

    #[test]
    fn the_session_is_the_job_managers_and_short_unless_somebody_chose() {
        let of = |value: Option<&str>| {
            let mut configuration = Configuration::new();
            if let Some(value) = value {
                configuration.set(LEADER_SESSION, value, Origin::of(Layer::CommandLine));
            }
            session_timeout(&configuration).map_err(|error| error.to_string())
        };
        assert_eq!(of(None), Ok(Duration::from_secs(5)));
        assert_eq!(of(Some("60000")), Ok(Duration::from_secs(60)));
        assert_eq!(of(Some("10 s")), Ok(Duration::from_secs(10)));
        for wrong in ["soon", "0"] {
            assert_eq!(
                of(Some(wrong)),
                Err(format!(
                    "{LEADER_SESSION}: a duration expected, found \"{wrong}\""
                ))
            );
        }
    }

    #[test]
    fn the_mode_is_read_under_each_of_its_names() {
        for (key, value, expected) in [
            ("high-availability.type", "zookeeper", true),
            ("high-availability", "ZooKeeper", true),
            ("recovery.mode", "zookeeper", true),
            ("high-availability.type", "NONE", false),
            ("high-availability.type", "kubernetes", false),
        ] {
            let mut configuration = Configuration::new();
            configuration.set(key, value, Origin::of(Layer::CommandLine));
            assert_eq!(
                is_highly_available(&configuration),
                expected,
                "{key}: {value}"
            );
        }
    }
}
