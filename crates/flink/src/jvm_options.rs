//! The options of the server JVM, other than memory and logging: what the user configured, and
//! what Flink needs on this Java.

use super::java::JavaRuntime;
use super::java_options::{SplitError, split};
use super::module_access::missing_access;
use super::version::FlinkVersion;
use flugs_model::Role;

/// An options line that cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Java options in {origin} cannot be read")]
pub struct JvmOptionsError {
    /// The option or variable that holds the line.
    pub origin: String,
    /// What is wrong with it.
    pub source: SplitError,
}

/// The options, in two groups: Flink's scripts put memory between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JvmOptions {
    /// `JVM_ARGS`, and the collector of a TaskManager that has none chosen.
    pub(super) before_memory: Vec<String>,
    /// Everything from `env.java.*`, and what Flink needs.
    pub(super) after_memory: Vec<String>,
}

/// Where options come from.
pub(super) struct Sources<'a> {
    pub(super) configuration: &'a dyn Fn(&str) -> Option<String>,
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
    /// Variables for `${NAME}`: the environment, and what the launch itself sets.
    pub(super) variables: &'a dyn Fn(&str) -> Option<String>,
}

/// The keys of one group of options: a variable that replaces them all, and the options whose
/// values are joined. The first of a list of names that is set counts.
struct Group {
    variable: &'static str,
    options: &'static [&'static [&'static str]],
}

const EVERY_ROLE: Group = Group {
    variable: "FLINK_ENV_JAVA_OPTS",
    options: &[
        &["env.java.default-opts.all"],
        &["env.java.opts.all", "env.java.opts"],
    ],
};

const fn role_group(role: Role) -> Group {
    match role {
        Role::TaskManager => Group {
            variable: "FLINK_ENV_JAVA_OPTS_TM",
            options: &[
                &["env.java.default-opts.taskmanager"],
                &["env.java.opts.taskmanager"],
            ],
        },
        Role::JobManager | Role::StandaloneJob => Group {
            variable: "FLINK_ENV_JAVA_OPTS_JM",
            options: &[
                &["env.java.default-opts.jobmanager"],
                &["env.java.opts.jobmanager"],
            ],
        },
        Role::HistoryServer => Group {
            variable: "FLINK_ENV_JAVA_OPTS_HS",
            options: &[&["env.java.opts.historyserver"]],
        },
    }
}

pub(super) fn jvm_options(
    role: Role,
    version: &FlinkVersion,
    java: &JavaRuntime,
    sources: &Sources<'_>,
) -> Result<JvmOptions, JvmOptionsError> {
    let mut before_memory = sources.variable("JVM_ARGS")?.unwrap_or_default();
    let for_every_role = sources.group(&EVERY_ROLE)?;
    let for_role = sources.group(&role_group(role))?;
    let configured: Vec<&String> = [&before_memory, &for_every_role, &for_role]
        .into_iter()
        .flatten()
        .collect();
    let chooses = |test: &dyn Fn(&str) -> bool| configured.iter().any(|option| test(option));
    let needs_collector = role == Role::TaskManager && !chooses(&is_collector);
    let needs_permission =
        (18..24).contains(&java.feature_version) && !chooses(&is_security_manager);

    let mut after_memory = Vec::new();
    if version.ignores_unrecognized_vm_options() {
        after_memory.push("-XX:+IgnoreUnrecognizedVMOptions".to_owned());
    }
    let given: Vec<String> = configured.into_iter().cloned().collect();
    after_memory.extend(for_every_role);
    after_memory.extend(missing_access(version, java, &given));
    if needs_permission {
        after_memory.push("-Djava.security.manager=allow".to_owned());
    }
    after_memory.extend(for_role);
    if java.feature_version >= 24 {
        // The VM refuses to start with it (JEP 486, FLINK-39736).
        after_memory.retain(|option| option != "-Djava.security.manager=allow");
        before_memory.retain(|option| option != "-Djava.security.manager=allow");
    }
    if needs_collector {
        before_memory.push("-XX:+UseG1GC".to_owned());
    }
    Ok(JvmOptions {
        before_memory,
        after_memory,
    })
}

/// Whether an option chooses a garbage collector, such as `-XX:+UseZGC`.
fn is_collector(option: &str) -> bool {
    option
        .strip_prefix("-XX:+Use")
        .is_some_and(|name| name.ends_with("GC") || name == "ConcMarkSweepGC")
}

fn is_security_manager(option: &str) -> bool {
    option == "-Djava.security.manager" || option.starts_with("-Djava.security.manager=")
}

/// The lines of Java options in a configuration that cannot be split, whatever role they are for.
pub fn malformed_java_options(
    configuration: &dyn Fn(&str) -> Option<String>,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Vec<JvmOptionsError> {
    let sources = Sources {
        configuration,
        // Variables that take an option's place are not the configuration's.
        environment: &|_| None,
        variables,
    };
    let roles = [Role::JobManager, Role::TaskManager, Role::HistoryServer].map(role_group);
    let groups = std::iter::once(EVERY_ROLE).chain(roles);
    groups
        .filter_map(|group| sources.group(&group).err())
        .collect()
}

impl Sources<'_> {
    /// The options of a variable, if it is set to anything.
    fn variable(&self, name: &str) -> Result<Option<Vec<String>>, JvmOptionsError> {
        match (self.environment)(name).filter(|line| !line.trim().is_empty()) {
            Some(line) => self.split(name, &line).map(Some),
            None => Ok(None),
        }
    }

    fn group(&self, group: &Group) -> Result<Vec<String>, JvmOptionsError> {
        if let Some(replaced) = self.variable(group.variable)? {
            return Ok(replaced);
        }
        let mut options = Vec::new();
        for names in group.options {
            let set = names.iter().find_map(|&name| {
                let line = (self.configuration)(name).filter(|line| !line.trim().is_empty())?;
                Some((name, line))
            });
            if let Some((name, line)) = set {
                options.extend(self.split(name, &line)?);
            }
        }
        Ok(options)
    }

    fn split(&self, origin: &str, line: &str) -> Result<Vec<String>, JvmOptionsError> {
        split(line, self.variables).map_err(|source| JvmOptionsError {
            origin: origin.to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(
        role: Role,
        feature_version: u32,
        configuration: &[(&str, &str)],
        environment: &[(&str, &str)],
    ) -> JvmOptions {
        let find = |pairs: &[(&str, &str)], name: &str| {
            let pair = pairs.iter().find(|(key, _)| *key == name);
            pair.map(|(_, value)| (*value).to_owned())
        };
        let environment = |name: &str| find(environment, name);
        let java = JavaRuntime {
            home: "/java".into(),
            executable: "/java/bin/java".into(),
            feature_version,
            // No modules: access is tested where it is decided.
            modules: Some(Vec::new()),
        };
        let sources = Sources {
            configuration: &|key| find(configuration, key),
            environment: &environment,
            variables: &environment,
        };
        jvm_options(role, &FlinkVersion::new(2, 3, 0), &java, &sources).unwrap()
    }

    const PERMISSION: &str = "-Djava.security.manager=allow";

    #[test]
    fn a_task_manager_gets_g1_even_on_one_processor_unless_a_collector_is_chosen() {
        let g1 = ["-XX:+UseG1GC".to_owned()];
        assert_eq!(options(Role::TaskManager, 17, &[], &[]).before_memory, g1);
        assert!(
            options(Role::JobManager, 17, &[], &[])
                .before_memory
                .is_empty()
        );
        for (key, value) in [
            ("env.java.opts.all", "-Dx=1 -XX:+UseZGC"),
            ("env.java.opts.taskmanager", "-XX:+UseSerialGC"),
            ("env.java.default-opts.taskmanager", "-XX:+UseParallelGC"),
        ] {
            let chosen = options(Role::TaskManager, 17, &[(key, value)], &[]);
            assert!(chosen.before_memory.is_empty(), "{key}");
        }
        let chosen = options(Role::TaskManager, 17, &[], &[("JVM_ARGS", "-XX:+UseZGC")]);
        assert_eq!(chosen.before_memory, ["-XX:+UseZGC"]);
    }

    #[test]
    fn flink_39736_the_security_manager_is_allowed_only_where_java_can() {
        let has = |version| {
            let options = options(Role::JobManager, version, &[], &[]);
            options.after_memory.contains(&PERMISSION.to_owned())
        };
        let expected = [
            (11, false),
            (17, false),
            (18, true),
            (23, true),
            (24, false),
            (25, false),
        ];
        for (version, expected) in expected {
            assert_eq!(has(version), expected, "Java {version}");
        }
    }

    #[test]
    fn flink_39736_a_configured_permission_does_not_keep_java_24_from_starting() {
        let configuration = [("env.java.opts.all", "-Da=1 -Djava.security.manager=allow")];
        let on_25 = options(Role::JobManager, 25, &configuration, &[]);
        assert_eq!(
            on_25.after_memory,
            ["-XX:+IgnoreUnrecognizedVMOptions", "-Da=1"]
        );
        let on_21 = options(Role::JobManager, 21, &configuration, &[]);
        let count = on_21
            .after_memory
            .iter()
            .filter(|option| *option == PERMISSION)
            .count();
        assert_eq!(count, 1);
    }

    #[test]
    fn flink_25002_unknown_vm_options_are_ignored_and_groups_keep_their_order() {
        let configuration = [
            ("env.java.opts.taskmanager", "-Drole=1"),
            ("env.java.default-opts.taskmanager", "-Drole=0"),
            ("env.java.opts.all", "-Dall=1"),
            ("env.java.opts", "-Dolder=1"),
            ("env.java.default-opts.all", "-Dall=0"),
        ];
        assert_eq!(
            options(Role::TaskManager, 21, &configuration, &[]).after_memory,
            [
                "-XX:+IgnoreUnrecognizedVMOptions",
                "-Dall=0",
                "-Dall=1",
                PERMISSION,
                "-Drole=0",
                "-Drole=1",
            ]
        );
    }

    #[test]
    fn a_variable_replaces_its_group_and_no_other() {
        let configuration = [
            ("env.java.opts.all", "-Da=1"),
            ("env.java.opts.jobmanager", "-Db=1"),
        ];
        let environment = [
            ("FLINK_ENV_JAVA_OPTS", "-Da=2"),
            ("FLINK_ENV_JAVA_OPTS_JM", ""),
        ];
        assert_eq!(
            options(Role::StandaloneJob, 17, &configuration, &environment).after_memory,
            ["-XX:+IgnoreUnrecognizedVMOptions", "-Da=2", "-Db=1"]
        );
    }
}
