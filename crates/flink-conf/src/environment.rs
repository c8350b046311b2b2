//! Environment variables that configure: those of the official image, and the older ones of the
//! Mesos image that came before it. Which variable means what is a table; nothing here reads the
//! process's own environment.

use super::configuration::{Configuration, Layer, Origin};
use super::parsed::{Warning, WarningKind};
use super::properties::parse_flink_properties;
use flugs_model::Role;

/// What the variables ask for that is no configuration key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageRequest {
    /// `ENABLE_BUILT_IN_PLUGINS`: jars of `opt` to link below `plugins`.
    pub plugins: Vec<String>,
    /// `DISABLE_JEMALLOC`: whether jemalloc is not to be preloaded. As in the official image, any
    /// value but `false` disables it.
    pub disable_jemalloc: bool,
    /// `_CLIENT_SHIP_FILES`: files to ship to every worker.
    pub ship_files: Vec<String>,
    /// What was odd.
    pub warnings: Vec<Warning>,
}

/// A variable that sets keys.
struct Variable {
    name: &'static str,
    keys: &'static [&'static str],
    form: Form,
    layer: Layer,
}

/// What a variable's value must be.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Count,
    /// A number of MiB, or a size with its unit.
    Mebibytes,
}

/// Lowest first: later ones win. The underscored ones are those of the first Mesos image (its
/// Dockerfile and `MesosConfigKeys` of Flink before 1.2), the others those of
/// `docker-entrypoint.sh` of the official image.
const VARIABLES: [Variable; 7] = [
    Variable {
        name: "_FLINK_TMP_DIR",
        keys: &["io.tmp.dirs"],
        form: Form::Text,
        layer: Layer::ImageDefault,
    },
    Variable {
        name: "_CLIENT_TM_COUNT",
        keys: &["mesos.initial-tasks"],
        form: Form::Count,
        layer: Layer::Environment,
    },
    Variable {
        name: "_CLIENT_TM_MEMORY",
        keys: &["taskmanager.memory.process.size"],
        form: Form::Mebibytes,
        layer: Layer::Environment,
    },
    Variable {
        name: "_SLOTS",
        keys: &["taskmanager.numberOfTaskSlots"],
        form: Form::Count,
        layer: Layer::Environment,
    },
    Variable {
        name: "_CLIENT_USERNAME",
        keys: &[
            "mesos.resourcemanager.framework.user",
            "containerized.master.env.HADOOP_USER_NAME",
            "containerized.taskmanager.env.HADOOP_USER_NAME",
        ],
        form: Form::Text,
        layer: Layer::Environment,
    },
    Variable {
        name: "JOB_MANAGER_RPC_ADDRESS",
        keys: &["jobmanager.rpc.address"],
        form: Form::Text,
        layer: Layer::Environment,
    },
    Variable {
        name: "TASK_MANAGER_NUMBER_OF_TASK_SLOTS",
        keys: &["taskmanager.numberOfTaskSlots"],
        form: Form::Count,
        layer: Layer::Environment,
    },
];

/// What separates the settings in `_DYNAMIC_PROPERTIES`, as Flink's command line encoded them.
const DYNAMIC_SEPARATOR: &str = "@@";

/// Adds every setting that environment variables make, and gives what else they ask for. An empty
/// variable counts as unset.
pub fn apply_environment(
    configuration: &mut Configuration,
    variables: &dyn Fn(&str) -> Option<String>,
) -> ImageRequest {
    let get = |name: &str| variables(name).filter(|value| !value.is_empty());
    let mut request = ImageRequest {
        plugins: list(get("ENABLE_BUILT_IN_PLUGINS"), |c| {
            c == ';' || c.is_whitespace()
        }),
        disable_jemalloc: variables("DISABLE_JEMALLOC").is_some_and(|value| value != "false"),
        ship_files: list(get("_CLIENT_SHIP_FILES"), |c| c == ','),
        warnings: Vec::new(),
    };
    for variable in &VARIABLES {
        let Some(value) = get(variable.name) else {
            continue;
        };
        match variable.form.read(&value) {
            Ok(value) => {
                for key in variable.keys {
                    let origin = Origin::from_source(variable.layer, variable.name);
                    configuration.set(*key, value.clone(), origin);
                }
            }
            Err(expected) => request.warnings.push(Warning {
                source: "environment".to_owned(),
                line: None,
                kind: WarningKind::BadVariable {
                    variable: variable.name,
                    expected,
                },
            }),
        }
    }
    for (key, value) in dynamic_properties(&get("_DYNAMIC_PROPERTIES").unwrap_or_default()) {
        let origin = Origin::from_source(Layer::Environment, "_DYNAMIC_PROPERTIES");
        configuration.set(key, value, origin);
    }
    if let Some(text) = get("FLINK_PROPERTIES") {
        let parsed = parse_flink_properties(&text, variables);
        configuration.extend(&parsed, Layer::FlinkProperties, "FLINK_PROPERTIES");
        request.warnings.extend(parsed.warnings);
    }
    request
}

impl Form {
    fn read(self, value: &str) -> Result<String, &'static str> {
        let trimmed = value.trim();
        let is_count = !trimmed.is_empty() && trimmed.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Self::Text => Ok(value.to_owned()),
            Self::Count if is_count => Ok(trimmed.to_owned()),
            Self::Count => Err("a whole number"),
            Self::Mebibytes if is_count => Ok(format!("{trimmed}m")),
            Self::Mebibytes if trimmed.starts_with(|c: char| c.is_ascii_digit()) => {
                Ok(trimmed.to_owned())
            }
            Self::Mebibytes => Err("a number of megabytes, or a size with its unit"),
        }
    }
}

fn list(value: Option<String>, separator: impl Fn(char) -> bool) -> Vec<String> {
    let value = value.unwrap_or_default();
    value
        .split(separator)
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The settings of `key=value@@key=value`; an entry without `=` has an empty value, as in Flink's
/// own decoder.
fn dynamic_properties(encoded: &str) -> impl Iterator<Item = (String, String)> {
    encoded
        .split(DYNAMIC_SEPARATOR)
        .map(|entry| entry.split_once('=').unwrap_or((entry, "")))
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .filter(|(key, _)| !key.is_empty())
}

/// The environment that `containerized.master.env.NAME` and `containerized.taskmanager.env.NAME`
/// ask for, for a process of this role, sorted by name.
pub fn container_environment(configuration: &Configuration, role: Role) -> Vec<(String, String)> {
    let prefix = match role {
        Role::TaskManager => "containerized.taskmanager.env.",
        Role::JobManager | Role::StandaloneJob | Role::HistoryServer => "containerized.master.env.",
    };
    configuration
        .iter()
        .filter_map(|(key, setting)| {
            let name = key.strip_prefix(prefix).filter(|name| !name.is_empty())?;
            Some((name.to_owned(), setting.value.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(variables: &[(&str, &str)]) -> (Configuration, ImageRequest) {
        let mut configuration = Configuration::new();
        let request = apply_environment(&mut configuration, &|name| {
            let found = variables.iter().find(|(other, _)| *other == name)?;
            Some(found.1.to_owned())
        });
        (configuration, request)
    }

    #[test]
    fn the_official_images_variables_set_their_keys() {
        let (configuration, request) = applied(&[
            ("JOB_MANAGER_RPC_ADDRESS", "jm"),
            ("TASK_MANAGER_NUMBER_OF_TASK_SLOTS", "4"),
            ("ENABLE_BUILT_IN_PLUGINS", "a.jar; b.jar c.jar;"),
            (
                "FLINK_PROPERTIES",
                "rest.port: ${PORT}\njobmanager.rpc.address: other",
            ),
            ("PORT", "8082"),
        ]);
        assert_eq!(configuration.get("jobmanager.rpc.address"), Some("other"));
        assert_eq!(
            configuration.get("taskmanager.numberOfTaskSlots"),
            Some("4")
        );
        assert_eq!(configuration.get("rest.port"), Some("8082"));
        assert_eq!(request.plugins, ["a.jar", "b.jar", "c.jar"]);
        assert!(!request.disable_jemalloc);
        let origin = &configuration.setting("rest.port").unwrap().origin;
        assert_eq!(origin.to_string(), "flink-properties FLINK_PROPERTIES:1");
    }

    #[test]
    fn jemalloc_is_disabled_by_any_value_but_false() {
        assert!(applied(&[("DISABLE_JEMALLOC", "1")]).1.disable_jemalloc);
        assert!(applied(&[("DISABLE_JEMALLOC", "true")]).1.disable_jemalloc);
        assert!(!applied(&[("DISABLE_JEMALLOC", "false")]).1.disable_jemalloc);
    }

    #[test]
    fn flink_22648_slots_of_the_file_stay_when_the_variable_is_unset_or_empty() {
        let variables: [&[(&str, &str)]; 2] = [&[], &[("TASK_MANAGER_NUMBER_OF_TASK_SLOTS", "")]];
        for variables in variables {
            assert!(applied(variables).0.is_empty());
        }
    }

    #[test]
    fn the_first_mesos_images_variables_set_their_keys() {
        let (configuration, request) = applied(&[
            ("_CLIENT_TM_COUNT", "3"),
            ("_CLIENT_TM_MEMORY", "1024"),
            ("_SLOTS", "2"),
            ("_CLIENT_USERNAME", "flink"),
            ("_DYNAMIC_PROPERTIES", "a.b=1@@c=x=y@@d"),
            ("_CLIENT_SHIP_FILES", "a.jar,b.jar"),
        ]);
        assert_eq!(configuration.get("mesos.initial-tasks"), Some("3"));
        assert_eq!(
            configuration.get("taskmanager.memory.process.size"),
            Some("1024m")
        );
        assert_eq!(
            configuration.get("taskmanager.numberOfTaskSlots"),
            Some("2")
        );
        assert_eq!(
            configuration.get("mesos.resourcemanager.framework.user"),
            Some("flink")
        );
        assert_eq!(configuration.get("a.b"), Some("1"));
        assert_eq!(configuration.get("c"), Some("x=y"));
        assert_eq!(configuration.get("d"), Some(""));
        assert_eq!(request.ship_files, ["a.jar", "b.jar"]);
        assert_eq!(
            container_environment(&configuration, Role::TaskManager),
            [("HADOOP_USER_NAME".to_owned(), "flink".to_owned())]
        );
    }

    #[test]
    fn a_variable_that_is_no_number_is_warned_about_and_ignored() {
        let (configuration, request) = applied(&[("_SLOTS", "many"), ("_CLIENT_TM_MEMORY", "2g")]);
        assert_eq!(configuration.get("taskmanager.numberOfTaskSlots"), None);
        assert_eq!(
            configuration.get("taskmanager.memory.process.size"),
            Some("2g")
        );
        insta::assert_snapshot!(request.warnings[0].to_string(), @"environment: _SLOTS ignored: expected a whole number");
    }

    #[test]
    fn containerized_env_keys_become_environment_of_their_role_only() {
        let mut configuration = Configuration::new();
        for key in [
            "containerized.master.env.A",
            "containerized.taskmanager.env.B",
        ] {
            configuration.set(key, "x y", Origin::of(Layer::Manifest));
        }
        let names = |role| container_environment(&configuration, role);
        assert_eq!(
            names(Role::StandaloneJob),
            [("A".to_owned(), "x y".to_owned())]
        );
        assert_eq!(
            names(Role::TaskManager),
            [("B".to_owned(), "x y".to_owned())]
        );
    }
}
