//! The words behind a role, as Flink's scripts and their Java programs read them.

use std::ffi::OsString;

use flugs_model::{Property, Role};

use super::EntrypointError;

/// A role to launch, and what the words behind it ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleCall {
    /// The role.
    pub role: Role,
    /// What `-D` sets, in order; a JobManager's host and web port as well.
    pub properties: Vec<Property>,
    /// All other words, for Flink's own program.
    pub arguments: Vec<String>,
}

/// Options of `standalone-job` that take one value
/// (`StandaloneApplicationClusterConfigurationParserFactory` and
/// `CommandLineOptions` of Flink 1.13 to 2.3).
const JOB_OPTIONS_WITH_VALUE: [&str; 18] = [
    "-j",
    "--job-classname",
    "-jid",
    "--job-id",
    "-s",
    "--fromSavepoint",
    "-rm",
    "--restoreMode",
    "-claimMode",
    "--claimMode",
    "-c",
    "--configDir",
    "-h",
    "--host",
    "-r",
    "--webui-port",
    "-x",
    "--executionMode",
];

/// Those that take none.
const JOB_FLAGS: [&str; 2] = ["-n", "--allowNonRestoredState"];

/// The one that takes every word up to the next dash.
const JOB_JARS: [&str; 2] = ["-jars", "--jars"];

/// Reads the words behind a role.
///
/// `-D` becomes a setting of the launch, so that it takes part in what is derived from settings
/// (memory, ports), and never stands in a process list. For a job, what follows the first word
/// that Flink does not know is the program's, as Flink reads it.
pub(super) fn role_call(role: Role, words: Vec<String>) -> Result<RoleCall, EntrypointError> {
    let mut call = RoleCall {
        role,
        properties: Vec::new(),
        arguments: Vec::new(),
    };
    let mut words = words.into_iter().peekable();
    if role == Role::JobManager {
        for key in ["jobmanager.rpc.address", "rest.port"] {
            let Some(value) = words.next_if(|word| !word.is_empty() && !word.starts_with('-'))
            else {
                break;
            };
            let key = key.to_owned();
            call.properties.push(Property { key, value });
        }
    }
    while let Some(word) = words.next() {
        if word == "-D" {
            let text = words.next().ok_or(EntrypointError::NoProperty)?;
            call.properties.push(property(&text)?);
        } else if let Some(text) = word.strip_prefix("-D").filter(|text| !text.is_empty()) {
            call.properties.push(property(text)?);
        } else if role != Role::StandaloneJob {
            call.arguments.push(word);
        } else if JOB_JARS.contains(&word.as_str()) {
            call.arguments.push(word);
            while let Some(jar) = words.next_if(|word| !word.starts_with('-')) {
                call.arguments.push(jar);
            }
        } else if JOB_OPTIONS_WITH_VALUE.contains(&word.as_str()) {
            call.arguments.push(word);
            call.arguments.extend(words.next());
        } else if JOB_FLAGS.contains(&word.as_str()) || is_joined(&word) {
            call.arguments.push(word);
        } else {
            // The program's own from here on.
            call.arguments.push(word);
            call.arguments.extend(words);
            break;
        }
    }
    Ok(call)
}

/// An option with its value behind `=`.
fn is_joined(word: &str) -> bool {
    let known = |name| JOB_OPTIONS_WITH_VALUE.contains(&name) || JOB_JARS.contains(&name);
    word.split_once('=').is_some_and(|(name, _)| known(name))
}

/// A setting as Flink's command lines take it: without `=` the value is `true`.
pub(super) fn property(text: &str) -> Result<Property, EntrypointError> {
    if text.contains('=') {
        return Ok(text.parse()?);
    }
    Ok(format!("{text}=true").parse()?)
}

/// The words as text.
pub(super) fn texts(words: &[OsString]) -> Result<Vec<String>, EntrypointError> {
    let text = |word: &OsString| {
        word.clone()
            .into_string()
            .map_err(|word| EntrypointError::NotUtf8 { word })
    };
    words.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(role: Role, words: &str) -> (String, String) {
        let words = words.split_whitespace().map(str::to_owned).collect();
        let call = role_call(role, words).unwrap();
        let properties: Vec<String> = call
            .properties
            .iter()
            .map(|one| format!("{}={}", one.key, one.value))
            .collect();
        (properties.join(" "), call.arguments.join(" "))
    }

    #[test]
    fn settings_are_taken_out_in_both_spellings() {
        let (properties, rest) = call(Role::TaskManager, "-Da=1 -D b=x=y -Dflag --other z");
        assert_eq!(properties, "a=1 b=x=y flag=true");
        assert_eq!(rest, "--other z");
    }

    #[test]
    fn a_jobmanagers_host_and_port_are_settings_and_a_setting_is_never_a_host() {
        let place = "jobmanager.rpc.address=jm rest.port=8082";
        assert_eq!(call(Role::JobManager, "jm 8082").0, place);
        assert_eq!(call(Role::JobManager, "jm").0, "jobmanager.rpc.address=jm");
        assert_eq!(
            call(Role::JobManager, "-Drest.port=8082"),
            ("rest.port=8082".to_owned(), String::new())
        );
    }

    #[test]
    fn a_jobs_own_words_are_left_to_the_job() {
        let (properties, rest) = call(
            Role::StandaloneJob,
            "--job-classname org.Job -Da=1 -s path -n --jars a.jar b.jar --job-id=00 -Db=2 \
             --input x -Dc=3 --job-classname y",
        );
        assert_eq!(properties, "a=1 b=2");
        assert_eq!(
            rest,
            "--job-classname org.Job -s path -n --jars a.jar b.jar --job-id=00 --input x -Dc=3 \
             --job-classname y"
        );
        assert_eq!(call(Role::StandaloneJob, "-j J -- -Da=1").0, "");
    }

    #[test]
    fn what_is_not_a_setting_is_refused() {
        for words in [vec!["-D"], vec!["-D", "=x"], vec!["-Da b=1"]] {
            let words = words.into_iter().map(str::to_owned).collect();
            assert!(role_call(Role::TaskManager, words).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_their_order_stays(
            words in prop::collection::vec("[a-z-]{1,6}|-D[a-z]{1,3}=[a-z]{0,3}", 0..12)
        ) {
            for role in [Role::TaskManager, Role::StandaloneJob, Role::HistoryServer] {
                prop_assume!(!words.iter().any(|word| word == "-D"));
                let call = role_call(role, words.clone()).unwrap();
                let mut left = call.arguments.iter();
                let mut set = call.properties.iter();
                let mut next = left.next();
                for word in &words {
                    if Some(word) == next {
                        next = left.next();
                    } else {
                        prop_assert!(word.starts_with("-D"), "{} of {:?}", word, words);
                        prop_assert!(set.next().is_some());
                    }
                }
                prop_assert_eq!((next, set.next()), (None, None));
            }
        }
    }
}
