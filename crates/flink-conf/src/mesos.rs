//! What Flink needs to be told on Mesos, where its own defaults are for something else: a
//! standalone cluster whose workers all exist, on one machine, and never go away.
//!
//! `docs/mesos.md` has the table with its reasons; a test holds the two together.

use super::configuration::{Configuration, Layer, Origin};
use super::options::{Lookup, OptionTable};
use flugs_model::Role;

/// Where a setting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// In every release line whose Flink has the option.
    Known,
    /// Where Flink has the option, but not this one, which does it better.
    Without(&'static str),
}

/// Whom a setting is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Everybody,
    /// Who leads, or may: JobManagers.
    Leaders,
}

/// A setting that holds unless anybody sets the key.
struct Setting {
    key: &'static str,
    value: &'static str,
    when: When,
    whose: Whose,
}

/// How long ZooKeeper keeps a leader that is silent, in milliseconds: the session timeout of a
/// JobManager and of the application master itself.
pub const LEADER_SESSION_MILLISECONDS: u64 = 5000;

/// Flink's option for that.
pub const LEADER_SESSION: &str = "high-availability.zookeeper.client.session-timeout";

/// Bare numbers are milliseconds to every release; 1.13 has some of these as plain numbers.
const SETTINGS: [Setting; 12] = [
    // Otherwise a job that needs more slots than there are fails at once, five minutes after the
    // start of a JobManager; with no such time it waits for workers.
    known("resourcemanager.standalone.start-up-time", "0"),
    // How long it waits: an offer, an image, 300 MB, and a JVM may take longer than five minutes.
    known("slot.request.timeout", "1800000"),
    // The same for the adaptive scheduler, under its two names.
    known(
        "jobmanager.adaptive-scheduler.resource-wait-timeout",
        "1800000",
    ),
    known(
        "jobmanager.adaptive-scheduler.submission.resource-wait-timeout",
        "1800000",
    ),
    // A dead process is noticed by the heartbeats that cannot be delivered to it, two in a row.
    known("heartbeat.interval", "2000"),
    known("heartbeat.rpc-failure-threshold", "2"),
    // Before 1.14 undelivered heartbeats count for nothing: silence alone does.
    Setting {
        key: "heartbeat.timeout",
        value: "8000",
        when: When::Without("heartbeat.rpc-failure-threshold"),
        whose: Whose::Everybody,
    },
    // How soon a worker asks again for a JobManager that was away: with Flink's thirty seconds, a
    // successor of a killed application master would have its workers back no sooner.
    known("cluster.registration.refused-registration-delay", "2000"),
    known("cluster.registration.max-timeout", "4000"),
    // The same where nobody listens yet: a worker may be there sooner than its JobManager.
    known("cluster.registration.error-delay", "1000"),
    // How long a successor waits for a JobManager that was killed. Workers keep Flink's minute:
    // they lead nothing, and one that pauses need not lose its JobManager by it.
    Setting {
        key: LEADER_SESSION,
        value: "5000",
        when: When::Known,
        whose: Whose::Leaders,
    },
    // What Flink 1.20 has by itself, and the same for keys of elliptic curves. The one of 1.13 has
    // no forward secrecy, and flugs does not speak it.
    known("security.ssl.algorithms", TLS_ALGORITHMS),
];

/// Ciphers that every Java since 8, every Flink and flugs speak, for keys of both kinds.
pub const TLS_ALGORITHMS: &str = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,\
     TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,\
     TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,\
     TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";

const fn known(key: &'static str, value: &'static str) -> Setting {
    Setting {
        key,
        value,
        when: When::Known,
        whose: Whose::Everybody,
    }
}

/// Options that say where a process listens, which Flink's own files set to this machine alone.
const LISTENING: [&str; 3] = [
    "jobmanager.bind-host",
    "rest.bind-address",
    "taskmanager.bind-host",
];

/// The settings that hold on Mesos unless anybody sets them, for the Flink that this table
/// speaks for, in a process of this role: keys that it does not know are left out.
pub fn mesos_defaults(table: &OptionTable, role: Role) -> Vec<(&'static str, &'static str)> {
    let leads = matches!(role, Role::JobManager | Role::StandaloneJob);
    let is_known = |key: &str| matches!(table.lookup(key), Lookup::Current(_));
    let holds = |setting: &&Setting| {
        let instead = match setting.when {
            When::Known => true,
            When::Without(better) => !is_known(better),
        };
        is_known(setting.key) && instead && (leads || setting.whose == Whose::Everybody)
    };
    let settings = SETTINGS.iter().filter(holds);
    settings
        .map(|setting| (setting.key, setting.value))
        .collect()
}

/// What the processes of a cluster must set so that other hosts reach them: every address,
/// wherever nobody chose one. `localhost` in the file that Flink ships is nobody's choice.
pub fn mesos_addresses(configuration: &Configuration) -> Vec<(&'static str, &'static str)> {
    let is_chosen = |key: &str| {
        let setting = configuration.setting(key);
        setting.is_some_and(|setting| {
            let shipped = matches!(
                setting.origin.layer,
                Layer::ConfDirectory | Layer::FlugsDefault
            );
            !(shipped && setting.value.trim() == "localhost")
        })
    };
    let open = LISTENING.into_iter().filter(|key| !is_chosen(key));
    open.map(|key| (key, "0.0.0.0")).collect()
}

/// Adds the settings that hold on Mesos, for a JobManager, to a configuration that names a master.
pub fn add_mesos_defaults(configuration: &mut Configuration, table: &OptionTable) {
    if !configuration.contains("mesos.master") {
        return;
    }
    for (key, value) in mesos_defaults(table, Role::JobManager) {
        let origin = Origin::from_source(Layer::FlugsDefault, "flugs on Mesos");
        configuration.set(key, value, origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(major: u32, minor: u32) -> String {
        let pairs = mesos_defaults(OptionTable::for_line(major, minor), Role::TaskManager);
        let shown: Vec<String> = pairs
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        shown.join("\n")
    }

    #[test]
    fn only_keys_that_the_release_line_knows_are_set() {
        let all = "resourcemanager.standalone.start-up-time=0\nslot.request.timeout=1800000\n\
                   jobmanager.adaptive-scheduler.resource-wait-timeout=1800000\n";
        let (interval, threshold) = (
            "heartbeat.interval=2000\n",
            "heartbeat.rpc-failure-threshold=2",
        );
        let registration = "\ncluster.registration.refused-registration-delay=2000\n\
                            cluster.registration.max-timeout=4000\n\
                            cluster.registration.error-delay=1000";
        let registration = format!("{registration}\nsecurity.ssl.algorithms={TLS_ALGORITHMS}");
        let threshold = format!("{threshold}{registration}");
        let submission = "jobmanager.adaptive-scheduler.submission.resource-wait-timeout=1800000\n";
        assert_eq!(
            on(1, 13),
            format!("{all}{interval}heartbeat.timeout=8000{registration}")
        );
        assert_eq!(on(1, 14), format!("{all}{interval}{threshold}"));
        assert_eq!(on(1, 20), format!("{all}{interval}{threshold}"));
        assert_eq!(on(2, 3), format!("{all}{submission}{interval}{threshold}"));
    }

    #[test]
    fn leaders_are_missed_soon_and_workers_may_pause() {
        for (major, minor) in [(1, 13), (1, 20), (2, 3)] {
            let table = OptionTable::for_line(major, minor);
            let of = |role| -> Vec<_> {
                let pairs = mesos_defaults(table, role).into_iter();
                pairs.filter(|(key, _)| *key == LEADER_SESSION).collect()
            };
            let milliseconds = LEADER_SESSION_MILLISECONDS.to_string();
            for leader in [Role::JobManager, Role::StandaloneJob] {
                assert_eq!(of(leader), [(LEADER_SESSION, milliseconds.as_str())]);
            }
            assert!(of(Role::TaskManager).is_empty());
        }
    }

    #[test]
    fn a_choice_of_the_users_stays_and_the_shipped_one_does_not() {
        let mut configuration = Configuration::new();
        assert_eq!(mesos_addresses(&configuration).len(), 3);
        let shipped = Origin::of(Layer::ConfDirectory);
        configuration.set("taskmanager.bind-host", "localhost", shipped.clone());
        configuration.set("rest.bind-address", "192.0.2.7", shipped);
        let own = Origin::of(Layer::CommandLine);
        configuration.set("jobmanager.bind-host", "localhost", own);
        let addresses = mesos_addresses(&configuration);
        assert_eq!(addresses, [("taskmanager.bind-host", "0.0.0.0")]);
    }

    #[test]
    fn the_settings_are_added_below_all_others_and_only_on_mesos() {
        let key = "heartbeat.interval";
        let table = OptionTable::for_line(1, 20);
        let mut configuration = Configuration::new();
        add_mesos_defaults(&mut configuration, table);
        assert!(configuration.is_empty());
        configuration.set("mesos.master", "m", Origin::of(Layer::CommandLine));
        add_mesos_defaults(&mut configuration, table);
        let origin = &configuration.setting(key).unwrap().origin;
        assert_eq!(origin.to_string(), "flugs-default flugs on Mesos");
        configuration.set(key, "10 s", Origin::of(Layer::ConfDirectory));
        assert_eq!(configuration.get(key), Some("10 s"));
    }
}
