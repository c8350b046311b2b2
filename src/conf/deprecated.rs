//! Keys that have a newer name. One table, each rule with its source; and for the names that the
//! Flink at hand still knows as older ones, its own option classes.

use super::configuration::Configuration;
use super::options::{Lookup, OptionTable};
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
const RULES: [Rule; 19] = [
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
    // HighAvailabilityOptions of 1.13; later releases have no such option, flugs' own state does.
    renamed(
        "recovery.zookeeper.path.mesos-workers",
        "high-availability.zookeeper.path.mesos-workers",
    ),
    // HighAvailabilityOptions of 1.13, read as an alias up to 1.20 or later where it still counts.
    renamed("recovery.mode", "high-availability.type"),
    renamed(
        "recovery.zookeeper.quorum",
        "high-availability.zookeeper.quorum",
    ),
    renamed(
        "recovery.zookeeper.storageDir",
        "high-availability.storageDir",
    ),
    renamed(
        "recovery.zookeeper.path.root",
        "high-availability.zookeeper.path.root",
    ),
    renamed(
        "recovery.zookeeper.path.namespace",
        "high-availability.cluster-id",
    ),
    // JobManagerOptions, WebOptions and RestOptions of 1.5.
    renamed("jobmanager.web.port", "rest.port"),
    renamed("jobmanager.web.address", "rest.address"),
    renamed("jobmanager.web.upload.dir", "web.upload.dir"),
    // SecurityOptions of 1.2.
    renamed("security.keytab", "security.kerberos.login.keytab"),
    renamed("security.principal", "security.kerberos.login.principal"),
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

const fn renamed(old: &'static str, new: &'static str) -> Rule {
    Rule {
        old,
        instead: Instead::Key(new),
        rivals: &[],
    }
}

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
/// Within one layer a value under the newer key wins, as it does in Flink. `tables` are those of
/// the Flink that is to read the result: an older key is left alone where its newer name is not
/// known to it.
pub fn map_deprecated(configuration: &mut Configuration, tables: &[&OptionTable]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for rule in &RULES {
        if configuration.contains(rule.old) {
            rule.apply(configuration, tables, &mut warnings);
        }
    }
    for (old, new) in aliases(configuration, tables) {
        warn(configuration, &old, format!("use {new}"), &mut warnings);
        configuration.rename(&old, new, str::to_owned);
    }
    warnings
}

impl Rule {
    fn apply(
        &self,
        configuration: &mut Configuration,
        tables: &[&OptionTable],
        warnings: &mut Vec<Warning>,
    ) {
        let (new, form): (_, fn(&str) -> String) = match self.instead {
            Instead::Key(new) => (new, str::to_owned),
            Instead::Mebibytes(new) => (new, with_mebibytes),
            Instead::Nothing(advice) => {
                warn(configuration, self.old, advice.to_owned(), warnings);
                return;
            }
        };
        if self.rivals.is_empty() && !may_rename(self.old, new, tables) {
            return;
        }
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

/// Whether no table reads the older name without knowing the newer one.
fn may_rename(old: &str, new: &str, tables: &[&OptionTable]) -> bool {
    tables.iter().all(|table| {
        matches!(table.lookup(new), Lookup::Current(_)) || table.lookup(old) == Lookup::Unknown
    })
}

/// The keys of a configuration that are older names to every table, with their newer names.
fn aliases(configuration: &Configuration, tables: &[&OptionTable]) -> Vec<(String, &'static str)> {
    configuration
        .iter()
        .filter_map(|(key, _)| {
            let Lookup::Alias(option) = tables.first()?.lookup(key) else {
                return None;
            };
            may_rename(key, option.key, tables).then(|| (key.to_owned(), option.key))
        })
        .collect()
}

fn warn(configuration: &Configuration, key: &str, instead: String, warnings: &mut Vec<Warning>) {
    let origin = configuration.setting(key).map(|setting| &setting.origin);
    let source = origin.map(|origin| {
        let name = origin.layer.name().to_owned();
        origin.source.clone().unwrap_or(name)
    });
    warnings.push(Warning {
        source: source.unwrap_or_default(),
        line: origin.and_then(|origin| origin.line),
        kind: WarningKind::Deprecated {
            key: key.to_owned(),
            instead,
        },
    });
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
    use crate::conf::configuration::{Layer, Origin};

    fn mapped(
        settings: &[(&str, &str, Layer)],
        line: (u32, u32),
    ) -> (Vec<(String, String)>, Vec<String>) {
        let mut configuration = Configuration::new();
        for (key, value, layer) in settings {
            configuration.set(*key, *value, Origin::of(*layer));
        }
        let tables = OptionTable::for_line(line.0, line.1);
        let warnings = map_deprecated(&mut configuration, &tables);
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
        for line in [(1, 13), (1, 17), (1, 20), (2, 3)] {
            let (settings, _) = mapped(
                &[
                    (
                        "recovery.zookeeper.path.mesos-workers",
                        "/w",
                        Layer::CommandLine,
                    ),
                    ("security.keytab", "/k", Layer::CommandLine),
                    ("jobmanager.web.port", "8081", Layer::CommandLine),
                ],
                line,
            );
            assert_eq!(
                settings,
                [
                    pair("high-availability.zookeeper.path.mesos-workers", "/w"),
                    pair("rest.port", "8081"),
                    pair("security.kerberos.login.keytab", "/k"),
                ],
                "{line:?}"
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
