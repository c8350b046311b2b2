//! Where the scheduler's state is kept: in the directory, or in the ZooKeeper that the JobManager
//! keeps its own state in. There, several application masters of a cluster agree on who leads.

use std::path::PathBuf;
use std::time::Duration;

use super::super::AppMasterError;
use super::super::cluster_id::CLUSTER_ID;
use super::settings::MesosClusterSettings;
use super::settling::Settled;
use crate::store::{
    Contender, Election, PlaceError, SchedulerStore, ZooKeeperPlace, stand_for_election,
};
use flugs_flink_conf::options::parse_duration;
use flugs_flink_conf::{
    Configuration, LEADER_SESSION, LEADER_SESSION_MILLISECONDS, keeps_state_in_zookeeper,
};
use flugs_net::HostResolver;
use flugs_net::Resolver;
use flugs_net::zookeeper::ZooKeeperCredentials;
use flugs_net::zookeeper::{Access, Availability, ZooKeeper};

/// How long ZooKeeper may be away while something has to be written. Nothing is launched
/// meanwhile; what runs, runs on.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// Who may use the nodes.
const ACL: &str = "high-availability.zookeeper.client.acl";

/// Who flugs and Flink are to ZooKeeper: `scheme:credentials`, or an option for each scheme.
const AUTHORIZATION: &str = "high-availability.zookeeper.client.authorization";

/// The only scheme that needs no more than a password.
const DIGEST: &str = "digest";

/// The ZooKeeper of a cluster that is highly available.
#[derive(Debug, Clone)]
pub(super) struct Coordination {
    zookeeper: ZooKeeper,
    /// The node with everything of the scheduler's.
    path: String,
    /// The node of the Flink cluster.
    cluster: String,
}

impl Coordination {
    /// As Flink's own options say, unless high availability is off. Like Flink's own integration:
    /// with `high-availability: zookeeper` the state is there, else on this machine.
    pub(super) fn of(settled: &Settled) -> Result<Option<Self>, PlaceError> {
        let configuration = &settled.job_manager.configuration;
        if !keeps_state_in_zookeeper(configuration) {
            return Ok(None);
        }
        let of = |key: &str, default: &str| {
            let key = format!("high-availability.{key}");
            configuration.get(&key).unwrap_or(default).to_owned()
        };
        let place = ZooKeeperPlace::new(
            &of("zookeeper.quorum", ""),
            &of("zookeeper.path.root", "/flink"),
            configuration.get(CLUSTER_ID).unwrap_or("/default"),
            &settled.options.workers_path,
        )?;
        let (access, credentials) = permissions(configuration)?;
        let zookeeper = ZooKeeper {
            servers: place.servers,
            credentials,
            access,
            resolver: HostResolver::new(Resolver::default()),
            session_timeout: session_timeout(configuration)?,
            availability: Availability::default(),
        };
        Ok(Some(Self {
            zookeeper,
            path: place.path,
            cluster: place.cluster,
        }))
    }

    /// Enters the line of those who may lead this cluster.
    pub(super) fn stand(&self, id: &str, contender: &Contender) -> Election {
        let line = format!("{}/election", self.path);
        let zookeeper = self.zookeeper.clone();
        stand_for_election(zookeeper, &self.cluster, &line, id, contender)
    }

    /// Whether ZooKeeper can be reached.
    pub(super) const fn availability(&self) -> &Availability {
        &self.zookeeper.availability
    }

    /// The place of all this, for people.
    pub(super) fn place(&self) -> PathBuf {
        self.zookeeper.shown(&self.path).into()
    }
}

/// Opens the store.
pub(super) fn scheduler_store(
    settings: &MesosClusterSettings,
    coordination: Option<&Coordination>,
) -> Result<SchedulerStore, AppMasterError> {
    let Some(Coordination {
        zookeeper, path, ..
    }) = coordination
    else {
        return Ok(SchedulerStore::in_directory(&settings.directory)?);
    };
    let zookeeper = zookeeper.clone();
    Ok(SchedulerStore::in_zookeeper(zookeeper, path, PATIENCE))
}

/// Who may use what is made in ZooKeeper, and who this is there.
fn permissions(
    configuration: &Configuration,
) -> Result<(Access, Option<ZooKeeperCredentials>), PlaceError> {
    let wrong = |key: &'static str, value: &str, expected: &'static str| PlaceError::Value {
        key,
        value: value.to_owned(),
        expected,
    };
    let credentials = match authorization(configuration) {
        None => None,
        // What was found is a secret.
        Some((scheme, pair)) => Some(
            pair.split_once(':')
                .filter(|_| scheme == DIGEST)
                .map(|(user, password)| ZooKeeperCredentials {
                    user: user.to_owned(),
                    password: password.to_owned(),
                })
                .ok_or_else(|| {
                    let expected = "digest and user:password, the only scheme that flugs has";
                    wrong(AUTHORIZATION, &scheme, expected)
                })?,
        ),
    };
    match configuration.get(ACL).map(str::trim) {
        None => Ok((Access::Open, credentials)),
        Some(open) if open.eq_ignore_ascii_case("open") => Ok((Access::Open, credentials)),
        Some(creator) if creator.eq_ignore_ascii_case("creator") => {
            if credentials.is_none() {
                return Err(PlaceError::NobodyCreates);
            }
            Ok((Access::Creator, credentials))
        }
        Some(other) => Err(wrong(ACL, other, "open or creator")),
    }
}

/// The scheme and the credentials, however Flink takes them: `authorization.digest`, or a map
/// with one entry, whose value may be in quotes.
fn authorization(configuration: &Configuration) -> Option<(String, String)> {
    let below = format!("{AUTHORIZATION}.");
    if let Some((key, setting)) = configuration
        .iter()
        .find(|(key, _)| key.starts_with(&below))
    {
        let scheme = key.trim_start_matches(&below);
        return Some((scheme.to_owned(), setting.value.trim().to_owned()));
    }
    let map = configuration.get(AUTHORIZATION)?.trim();
    let entry = map.trim_start_matches('{').trim_end_matches('}');
    // Without a scheme, all of it may be a secret.
    let (scheme, value) = entry.split_once(':').unwrap_or_default();
    let value = value.trim();
    let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    let value = quoted('\'').or_else(|| quoted('"')).unwrap_or(value);
    Some((scheme.trim().to_owned(), value.to_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_flink_conf::{Layer, Origin};

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
    fn nodes_belong_to_their_creator_if_it_says_who_it_is() {
        let of = |settings: &[(&str, &str)]| {
            let mut configuration = Configuration::new();
            for (key, value) in settings {
                configuration.set(*key, *value, Origin::of(Layer::CommandLine));
            }
            let (access, credentials) = permissions(&configuration)?;
            let pair = credentials.map(|one| (one.user, one.password));
            Ok::<_, PlaceError>((access, pair))
        };
        let below = format!("{AUTHORIZATION}.digest");
        let flink = || Some(("flink".to_owned(), "p:w".to_owned()));
        assert_eq!(of(&[]).unwrap(), (Access::Open, None));
        assert_eq!(of(&[(ACL, " OPEN ")]).unwrap(), (Access::Open, None));
        for (key, value) in [
            (below.as_str(), "flink:p:w"),
            (AUTHORIZATION, "digest:'flink:p:w'"),
            (AUTHORIZATION, "{digest: \"flink:p:w\"}"),
        ] {
            let found = of(&[(ACL, "creator"), (key, value)]).unwrap();
            assert_eq!(found, (Access::Creator, flink()), "{value}");
            let found = of(&[(key, value)]).unwrap();
            assert_eq!(found, (Access::Open, flink()), "{value}");
        }
        for (settings, expected) in [
            (vec![(ACL, "creator")], "needs"),
            (
                vec![(ACL, "mine")],
                "open or creator expected, found \"mine\"",
            ),
            (vec![(AUTHORIZATION, "digest:hunter2")], "user:password"),
            (vec![(AUTHORIZATION, "sasl:a:hunter2")], "found \"sasl\""),
            (vec![(AUTHORIZATION, "hunter2")], "found \"\""),
        ] {
            let error = of(&settings).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
