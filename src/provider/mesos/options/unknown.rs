//! Options that nobody reads: misspelled ones, and those that have no effect any more.
//!
//! Owns which of them are refused and which are only told. A misspelled option counts as not set,
//! which no one sees until the cluster is not as it should be.

use super::MesosOptionReason;
use super::profiles::PREFIX;
use super::reader::Reader;
use flugs_flink_conf::Configuration;
use flugs_flink_conf::options::{Lookup, OptionTable};

/// Options of Flink's integration that have no effect here, and why.
const WITHOUT_EFFECT: [(&str, &str); 2] = [
    (
        "mesos.resourcemanager.unused-offer-expiration",
        "no offer is ever held",
    ),
    (
        "mesos.resourcemanager.tasks.taskmanager-cmd",
        "flugs starts the worker",
    ),
];

/// Refuses what begins with `flugs.mesos.` and is none of flugs' options.
pub(super) fn refuse(reader: &Reader<'_>) {
    let keys = unknown(reader.configuration(), "flugs.mesos.");
    // Profiles have their own options, and say so.
    for key in keys.filter(|key| !key.starts_with(PREFIX)) {
        let nearest = OptionTable::own().nearest(key);
        reader.refuse(key, MesosOptionReason::Unknown { nearest });
    }
}

/// What is worth a line before anything is started: options of Flink's integration that were
/// never there, or have no effect. They are not refused: a configuration that served Flink for
/// years may have them.
pub fn doubts(configuration: &Configuration) -> Vec<String> {
    let unknown = unknown(configuration, "mesos.").map(|key| {
        let nearest = OptionTable::own().nearest(key);
        let reason = MesosOptionReason::Unknown { nearest };
        (key, reason.to_string())
    });
    let ineffective = WITHOUT_EFFECT
        .iter()
        .filter(|(key, _)| configuration.contains(key))
        .map(|(key, why)| (*key, format!("it has no effect: {why}")));
    unknown
        .chain(ineffective)
        .filter_map(|(key, what)| {
            let origin = &configuration.setting(key)?.origin;
            Some(format!("{key} ({origin}): {what}"))
        })
        .collect()
}

fn unknown<'a>(
    configuration: &'a Configuration,
    prefix: &'static str,
) -> impl Iterator<Item = &'a str> {
    let keys = configuration.iter().map(|(key, _)| key);
    let ours = keys.filter(move |key| key.starts_with(prefix));
    ours.filter(|key| OptionTable::own().lookup(key) == Lookup::Unknown)
}
