//! Whether, and how, a configuration has the JobManager highly available.

use super::configuration::Configuration;

/// The option (`HighAvailabilityOptions.HA_MODE`), and the two names that it had before.
const MODE: [&str; 3] = [
    "high-availability.type",
    "high-availability",
    "recovery.mode",
];

/// The name under which the mode is set, and the mode. `lookup` gives configured values.
pub fn high_availability_mode<'a>(
    lookup: &dyn Fn(&str) -> Option<&'a str>,
) -> Option<(&'static str, &'a str)> {
    let mut names = MODE.into_iter();
    names.find_map(|name| Some((name, lookup(name)?.trim())))
}

/// The modes without any, today's and that of old releases (`HighAvailabilityMode.fromConfig`).
const NONE: [&str; 3] = ["", "none", "standalone"];

/// Whether the JobManager is highly available, in whatever way (`HighAvailabilityMode`). Otherwise it keeps
/// its jobs nowhere, and they are gone with its process.
pub fn is_highly_available<'a>(lookup: &dyn Fn(&str) -> Option<&'a str>) -> bool {
    let mode = high_availability_mode(lookup);
    mode.is_some_and(|(_, mode)| !NONE.contains(&mode.to_ascii_lowercase().as_str()))
}

/// Whether the JobManager keeps its state in ZooKeeper.
pub fn keeps_state_in_zookeeper(configuration: &Configuration) -> bool {
    let mode = high_availability_mode(&|key| configuration.get(key));
    mode.is_some_and(|(_, mode)| mode.eq_ignore_ascii_case("zookeeper"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_counts_under_each_of_its_names_and_in_any_case() {
        for (name, mode, available) in [
            ("high-availability.type", "ZooKeeper", true),
            ("high-availability", " org.example.Factory ", true),
            ("recovery.mode", "zookeeper", true),
            ("high-availability.type", "NONE", false),
            ("high-availability", "", false),
            ("recovery.mode", "standalone", false),
            ("high-availability.storageDir", "zookeeper", false),
        ] {
            let lookup = |key: &str| (key == name).then_some(mode);
            assert_eq!(is_highly_available(&lookup), available, "{name}: {mode}");
        }
    }

    #[test]
    fn the_newest_name_decides() {
        let lookup = |key: &str| match key {
            "high-availability.type" => Some("none"),
            "recovery.mode" => Some("zookeeper"),
            _ => None,
        };
        assert!(!is_highly_available(&lookup));
    }
}
