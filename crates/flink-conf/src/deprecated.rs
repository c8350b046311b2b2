//! Keys that no longer mean what they say: one table, each rule with its source. Keys that only
//! have a newer name are those of [`super::older_names`].

use super::configuration::Configuration;
use super::older_names::resolve_older_names;
use super::options::OptionTable;
use super::parsed::{Warning, WarningKind};

/// A key that no longer means what it says.
struct Rule {
    old: &'static str,
    instead: Instead,
    /// Keys that the old one used to decide alone: their values of lower layers are dropped when
    /// the old key is mapped, and it is not mapped if they are set at its layer or above.
    rivals: &'static [&'static str],
}

/// What takes a key's place.
enum Instead {
    /// The same value under this key.
    Key(&'static str),
    /// The same value under this key; a bare number was one of MiB.
    Mebibytes(&'static str),
    /// Nothing; the text says what to do.
    Nothing(&'static str),
}

const TASK_MANAGER_SIZES: &[&str] = &[
    "taskmanager.memory.process.size",
    "taskmanager.memory.flink.size",
    "taskmanager.memory.task.heap.size",
];
const JOB_MANAGER_SIZES: &[&str] = &[
    "jobmanager.memory.process.size",
    "jobmanager.memory.flink.size",
    "jobmanager.memory.heap.size",
];

/// In this order: a worker's whole size decides before its heap does.
const RULES: [Rule; 8] = [
    // MesosTaskManagerParameters up to 1.10 (FLINK-15082, FLINK-15198).
    sized(
        "mesos.resourcemanager.tasks.mem",
        "taskmanager.memory.process.size",
        TASK_MANAGER_SIZES,
    ),
    // TaskManagerOptions and JobManagerOptions, with the meaning that standalone processes give
    // them since FLIP-49 and FLIP-116.
    sized(
        "taskmanager.heap.mb",
        "taskmanager.memory.flink.size",
        TASK_MANAGER_SIZES,
    ),
    same_sized(
        "taskmanager.heap.size",
        "taskmanager.memory.flink.size",
        TASK_MANAGER_SIZES,
    ),
    sized(
        "jobmanager.heap.mb",
        "jobmanager.memory.heap.size",
        JOB_MANAGER_SIZES,
    ),
    same_sized(
        "jobmanager.heap.size",
        "jobmanager.memory.heap.size",
        JOB_MANAGER_SIZES,
    ),
    // ConfigConstants up to 1.9 (FLIP-49).
    gone("containerized.heap-cutoff-ratio", OVERHEAD),
    gone("containerized.heap-cutoff-min", OVERHEAD),
    // The official image's entrypoint.
    gone(
        "query.server.port",
        "no Flink has ever read it; the option is queryable-state.server.ports",
    ),
];

const OVERHEAD: &str = "set taskmanager.memory.jvm-overhead.fraction and .min";

const fn sized(old: &'static str, new: &'static str, rivals: &'static [&'static str]) -> Rule {
    Rule {
        old,
        instead: Instead::Mebibytes(new),
        rivals,
    }
}

const fn same_sized(old: &'static str, new: &'static str, rivals: &'static [&'static str]) -> Rule {
    Rule {
        old,
        instead: Instead::Key(new),
        rivals,
    }
}

const fn gone(old: &'static str, advice: &'static str) -> Rule {
    Rule {
        old,
        instead: Instead::Nothing(advice),
        rivals: &[],
    }
}

/// Moves every value under an older key to the newer one, with its origin, and warns of each.
/// `table` is that of the Flink that is to read the result, whose names and whose order count.
pub fn map_deprecated(
    configuration: &mut Configuration,
    table: &'static OptionTable,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for rule in &RULES {
        if configuration.contains(rule.old) {
            rule.apply(configuration, &mut warnings);
        }
    }
    for warning in resolve_older_names(configuration, table) {
        // A name of several options loses each of them for the same reason.
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    warnings
}

impl Rule {
    fn apply(&self, configuration: &mut Configuration, warnings: &mut Vec<Warning>) {
        let (new, form): (_, fn(&str) -> String) = match self.instead {
            Instead::Key(new) => (new, str::to_owned),
            Instead::Mebibytes(new) => (new, with_mebibytes),
            Instead::Nothing(advice) => {
                warn(configuration, self.old, advice.to_owned(), warnings);
                return;
            }
        };
        let Some(layer) = configuration.setting(self.old).map(|old| old.origin.layer) else {
            return;
        };
        let decided = self.rivals.iter().find(|rival| {
            configuration
                .setting(rival)
                .is_some_and(|setting| setting.origin.layer >= layer)
        });
        if let Some(rival) = decided {
            warn(
                configuration,
                self.old,
                format!("ignored, because {rival} is set"),
                warnings,
            );
            configuration.remove(self.old);
            return;
        }
        let replaced = self
            .rivals
            .iter()
            .find(|rival| configuration.contains(rival));
        let instead = match replaced {
            Some(rival) => format!("use {new}; it takes the place of {rival} in a lower layer"),
            None => format!("use {new}"),
        };
        warn(configuration, self.old, instead, warnings);
        for rival in self.rivals {
            configuration.remove(rival);
        }
        configuration.rename(self.old, new, form);
    }
}

fn warn(configuration: &Configuration, key: &str, instead: String, warnings: &mut Vec<Warning>) {
    let kind = WarningKind::Deprecated {
        key: key.to_owned(),
        instead,
    };
    warnings.push(Warning::of_setting(configuration, key, kind));
}

/// A bare number was one of MiB; what has a unit keeps it.
fn with_mebibytes(value: &str) -> String {
    let value = value.trim();
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{value}m")
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::{Layer, Origin};

    fn mapped(
        settings: &[(&str, &str, Layer)],
        line: (u32, u32),
    ) -> (Vec<(String, String)>, Vec<String>) {
        let mut configuration = Configuration::new();
        for (key, value, layer) in settings {
            configuration.set(*key, *value, Origin::of(*layer));
        }
        let table = OptionTable::for_line(line.0, line.1);
        let warnings = map_deprecated(&mut configuration, table);
        let settings = configuration
            .iter()
            .map(|(key, setting)| (key.to_owned(), setting.value.clone()))
            .collect();
        (settings, warnings.iter().map(ToString::to_string).collect())
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn heap_sizes_in_megabytes_become_the_sizes_of_today() {
        let (settings, warnings) = mapped(
            &[
                ("taskmanager.heap.mb", "3500", Layer::CommandLine),
                ("jobmanager.heap.mb", "1024", Layer::CommandLine),
                (
                    "taskmanager.memory.process.size",
                    "1728m",
                    Layer::ConfDirectory,
                ),
                (
                    "jobmanager.memory.process.size",
                    "1600m",
                    Layer::ConfDirectory,
                ),
            ],
            (1, 13),
        );
        assert_eq!(
            settings,
            [
                pair("jobmanager.memory.heap.size", "1024m"),
                pair("taskmanager.memory.flink.size", "3500m"),
            ]
        );
        insta::assert_snapshot!(warnings.join("\n"), @r#"
command-line: "taskmanager.heap.mb" is deprecated: use taskmanager.memory.flink.size; it takes the place of taskmanager.memory.process.size in a lower layer
command-line: "jobmanager.heap.mb" is deprecated: use jobmanager.memory.heap.size; it takes the place of jobmanager.memory.process.size in a lower layer
"#);
    }

    #[test]
    fn the_mesos_task_size_decides_over_the_heap_size() {
        let (settings, warnings) = mapped(
            &[
                ("taskmanager.heap.mb", "1024", Layer::CommandLine),
                (
                    "mesos.resourcemanager.tasks.mem",
                    "1024",
                    Layer::CommandLine,
                ),
            ],
            (1, 20),
        );
        assert_eq!(settings, [pair("taskmanager.memory.process.size", "1024m")]);
        assert_eq!(warnings.len(), 2);
    }

    #[test]
    fn an_explicit_new_size_of_the_same_layer_wins_over_the_old_key() {
        let (settings, _) = mapped(
            &[
                ("taskmanager.heap.mb", "1024", Layer::ConfDirectory),
                (
                    "taskmanager.memory.process.size",
                    "2g",
                    Layer::ConfDirectory,
                ),
            ],
            (2, 3),
        );
        assert_eq!(settings, [pair("taskmanager.memory.process.size", "2g")]);
    }

    #[test]
    fn an_alias_of_a_higher_layer_beats_the_new_name_of_a_lower_one() {
        let (settings, _) = mapped(
            &[
                ("high-availability.type", "NONE", Layer::ConfDirectory),
                ("high-availability", "zookeeper", Layer::CommandLine),
            ],
            (1, 20),
        );
        assert_eq!(settings, [pair("high-availability.type", "zookeeper")]);
    }

    #[test]
    fn a_fallback_key_is_no_older_name() {
        let unchanged = [
            pair("jobmanager.rpc.address", "jm"),
            pair("security.ssl.keystore", "k"),
        ];
        let (settings, warnings) = mapped(
            &[
                ("jobmanager.rpc.address", "jm", Layer::ConfDirectory),
                ("security.ssl.keystore", "k", Layer::ConfDirectory),
            ],
            (2, 3),
        );
        assert_eq!((settings, warnings.len()), (unchanged.to_vec(), 0));
    }

    #[test]
    fn keys_of_the_first_mesos_setup_are_mapped_on_every_line() {
        let asked = [
            (
                "recovery.zookeeper.path.mesos-workers",
                "/w",
                Layer::CommandLine,
            ),
            ("security.keytab", "/k", Layer::CommandLine),
            ("jobmanager.web.port", "8081", Layer::CommandLine),
        ];
        for line in [(1, 13), (1, 17), (1, 20), (2, 3)] {
            let (settings, _) = mapped(&asked, line);
            for mapped in [
                pair("high-availability.zookeeper.path.mesos-workers", "/w"),
                pair("rest.port", "8081"),
                pair("security.kerberos.login.keytab", "/k"),
            ] {
                assert!(settings.contains(&mapped), "{line:?} {mapped:?}");
            }
            assert!(
                asked
                    .iter()
                    .all(|(key, ..)| !settings.iter().any(|(other, _)| other == key))
            );
        }
    }

    #[test]
    fn recovery_mode_gets_the_name_that_its_release_line_knows() {
        let on = |line| mapped(&[("recovery.mode", "zookeeper", Layer::CommandLine)], line).0;
        assert_eq!(on((1, 13)), [pair("high-availability", "zookeeper")]);
        assert_eq!(on((2, 3)), [pair("high-availability.type", "zookeeper")]);
    }
}
