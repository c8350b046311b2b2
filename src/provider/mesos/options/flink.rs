//! Options of Flink's own that mean something to the scheduler, too.
//!
//! Owns how they are read: by the types that Flink gives them. Their defaults are Flink's.

use std::time::Duration;

use super::MesosOptionReason;
use super::reader::Reader;
use flugs_flink_conf::high_availability_mode;
use flugs_flink_conf::options::parse_duration;

/// How many starts may fail, and how long a start may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartOptions {
    /// How long a launched worker has until Flink must know it
    /// (`resourcemanager.taskmanager-registration.timeout`).
    pub registration_timeout: Duration,
    /// How long a worker that Flink knew may be away from a JobManager that serves
    /// (`flugs.mesos.return-patience`).
    pub return_timeout: Duration,
    /// How long it may be so while the rest is well (`flugs.mesos.loss-patience`).
    pub loss_timeout: Duration,
    /// How many starts may fail within a minute before starts pause
    /// (`resourcemanager.start-worker.max-failure-rate`).
    pub failures_per_minute: usize,
    /// The shortest pause (`resourcemanager.start-worker.retry-interval`).
    pub retry_interval: Duration,
}

/// As Flink's active resource managers read them (`ResourceManagerOptions`).
pub(super) fn starts(reader: &Reader<'_>) -> StartOptions {
    let timeout = [
        "resourcemanager.taskmanager-registration.timeout",
        "taskmanager.registration.timeout",
    ];
    let is_set = |key: &&str| reader.configuration().contains(key);
    let timeout = timeout.into_iter().find(is_set);
    let retry = "resourcemanager.start-worker.retry-interval";
    let registration_timeout = timeout
        .and_then(|key| duration(reader, key))
        .unwrap_or(Duration::from_secs(5 * 60));
    StartOptions {
        registration_timeout,
        return_timeout: reader
            .duration("flugs.mesos.return-patience")
            .min(registration_timeout),
        loss_timeout: reader.duration("flugs.mesos.loss-patience"),
        failures_per_minute: failures_per_minute(reader),
        retry_interval: duration(reader, retry).unwrap_or(Duration::from_secs(3)),
    }
}

fn duration(reader: &Reader<'_>, key: &str) -> Option<Duration> {
    let parsed = parse_duration(reader.configuration().get(key)?.trim());
    if parsed.is_none() {
        reader.refuse_type(key, "a duration such as 500 ms, 10 s or 5 min");
    }
    parsed
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a small positive number"
)]
fn failures_per_minute(reader: &Reader<'_>) -> usize {
    const FLINKS: usize = 10;
    let key = "resourcemanager.start-worker.max-failure-rate";
    let Some(text) = reader.configuration().get(key) else {
        return FLINKS;
    };
    match text.trim().parse::<f64>() {
        // A part of a failure is none.
        Ok(rate) if (1.0..=1e6).contains(&rate) => rate as usize,
        _ => {
            reader.refuse(
                key,
                MesosOptionReason::Range {
                    found: text.to_owned(),
                    expected: "failures in a minute, 1 or more",
                },
            );
            FLINKS
        }
    }
}

/// Refuses a high availability that there is no place for here, and one that Flink's JobManager
/// would refuse only once it runs.
pub(super) fn check_high_availability(reader: &Reader<'_>) {
    let configuration = reader.configuration();
    let Some((key, mode)) = high_availability_mode(&|key| configuration.get(key)) else {
        return;
    };
    if mode.eq_ignore_ascii_case("kubernetes") {
        reader.refuse(
            key,
            MesosOptionReason::Range {
                found: mode.to_owned(),
                expected: "NONE, zookeeper, or the class of a factory",
            },
        );
    }
    if !mode.eq_ignore_ascii_case("zookeeper") {
        return;
    }
    for (key, expected) in [
        (
            "high-availability.zookeeper.quorum",
            "ZooKeeper's servers, host:port with commas between",
        ),
        (
            "high-availability.storageDir",
            "a directory that every JobManager of this cluster reaches",
        ),
    ] {
        let older = key.replacen("high-availability", "recovery", 1);
        let set = [key, &older]
            .into_iter()
            .find_map(|key| configuration.get(key));
        if set.is_none_or(|value| value.trim().is_empty()) {
            reader.refuse(key, MesosOptionReason::Missing { expected });
        }
    }
}
