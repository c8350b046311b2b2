//! What a configuration file cannot hold. Flink's own scripts never write
//! `-D` into the file: the JVM gets it as an argument, where every text is legal.

use super::configuration::Configuration;
use super::dialect::Dialect;
use super::error::{ConfError, Unrepresentable};
use super::options::{Lookup, OptionTable};
use super::render::unrepresentable;
use super::sensitive::is_sensitive;
use flugs_model::Role;

/// A configuration without what the file cannot hold.
pub fn for_file(configuration: &Configuration, dialect: Dialect) -> Configuration {
    let mut kept = configuration.clone();
    for problem in unrepresentable(configuration, dialect) {
        kept.remove(&problem.key);
    }
    kept
}

/// Whether a key is read by flugs alone, so that no file of Flink's needs to hold it.
pub fn is_for_flugs_alone(key: &str) -> bool {
    matches!(OptionTable::own().lookup(key), Lookup::Current(_))
}

/// What Flink has to be given beside the file: key, value, and why the file cannot hold it.
pub fn beside_file(configuration: &Configuration, dialect: Dialect) -> Vec<(String, String)> {
    needed(configuration, dialect)
        .filter_map(|problem| {
            let value = configuration.get(&problem.key)?.to_owned();
            Some((problem.key, value))
        })
        .collect()
}

/// Whether a role's process can be given all of a configuration. `reads_argument_files` says
/// whether its Java takes arguments from a file: a secret never stands on a command line.
///
/// # Errors
/// [`ConfError::NotRepresentable`] with every setting that reaches Flink in no way.
pub fn check_beside_file(
    configuration: &Configuration,
    dialect: Dialect,
    role: Role,
    reads_argument_files: bool,
) -> Result<(), ConfError> {
    let problems: Vec<Unrepresentable> = needed(configuration, dialect)
        .filter_map(|problem| {
            let value = configuration.get(&problem.key).unwrap_or_default();
            let remedy = if problem.key.is_empty() || problem.key.contains('=') {
                "and no argument can have such a key: correct it"
            } else if value.contains('\0') {
                "and no argument can hold a NUL byte: take it out"
            } else if !takes_settings(role) {
                "and a history server reads nothing else: change the value, or use Flink 1.19 or newer, whose config.yaml holds any"
            } else if is_sensitive(&problem.key) && !reads_argument_files {
                "and on Java 8 a secret goes nowhere else without being seen on the command line: run it on Java 11 (env.java.home, JAVA_HOME), change the secret, or use Flink 1.19 or newer, whose config.yaml holds any"
            } else {
                return None;
            };
            Some(Unrepresentable { remedy, ..problem })
        })
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ConfError::NotRepresentable { dialect, problems })
    }
}

/// Whether a role's main class takes `-D`. That of the history server ignores it, up to the last
/// release that has a `flink-conf.yaml`.
const fn takes_settings(role: Role) -> bool {
    !matches!(role, Role::HistoryServer)
}

fn needed(
    configuration: &Configuration,
    dialect: Dialect,
) -> impl Iterator<Item = Unrepresentable> {
    let problems = unrepresentable(configuration, dialect).into_iter();
    problems.filter(|problem| !is_for_flugs_alone(&problem.key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::{Layer, Origin};

    fn configuration(settings: &[(&str, &str)]) -> Configuration {
        let mut configuration = Configuration::new();
        for (key, value) in settings {
            configuration.set(*key, *value, Origin::of(Layer::CommandLine));
        }
        configuration
    }

    const ODD: [(&str, &str); 5] = [
        ("mesos.constraints.hard.hostattribute", ""),
        ("pipeline.name", "job #1"),
        ("plain", "value"),
        ("s3.endpoint", ""),
        ("padded", " a "),
    ];

    #[test]
    fn what_the_file_cannot_hold_goes_beside_it_but_for_what_flugs_alone_reads() {
        let configuration = configuration(&ODD);
        let kept = for_file(&configuration, Dialect::Flat);
        assert_eq!(
            kept.iter().map(|(key, _)| key).collect::<Vec<_>>(),
            ["plain"]
        );
        let beside = beside_file(&configuration, Dialect::Flat);
        let keys: Vec<&str> = beside.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["padded", "pipeline.name", "s3.endpoint"]);
        assert_eq!(for_file(&configuration, Dialect::Nested), configuration);
        assert!(beside_file(&configuration, Dialect::Nested).is_empty());
        for role in [Role::JobManager, Role::TaskManager, Role::StandaloneJob] {
            assert!(check_beside_file(&configuration, Dialect::Flat, role, false).is_ok());
        }
        let refused = check_beside_file(&configuration, Dialect::Flat, Role::HistoryServer, true);
        assert!(
            matches!(refused, Err(ConfError::NotRepresentable { problems, .. })
            if problems.len() == 3)
        );
    }

    #[test]
    fn a_secret_that_no_argument_file_could_hide_is_refused() {
        let configuration = configuration(&[("security.ssl.internal.key-password", "p#ss")]);
        let check = |has_files| {
            check_beside_file(&configuration, Dialect::Flat, Role::TaskManager, has_files)
        };
        assert!(check(true).is_ok());
        insta::assert_snapshot!(check(false).unwrap_err().to_string(), @r##"flink-conf.yaml cannot hold "security.ssl.internal.key-password" (Flink cuts the line at "#"), and on Java 8 a secret goes nowhere else without being seen on the command line: run it on Java 11 (env.java.home, JAVA_HOME), change the secret, or use Flink 1.19 or newer, whose config.yaml holds any"##);
    }
}
