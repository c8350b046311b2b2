//! The scripts of Flink's own Mesos integration, 1.2 to 1.13: `mesos-appmaster.sh`,
//! `mesos-appmaster-job.sh` and `mesos-taskmanager.sh`. Their one option is `-Dkey=value`.

use std::collections::BTreeMap;
use std::ffi::OsString;

use flugs_model::{Property, Role};

use super::arguments::{RoleCall, property, texts};
use super::{Entrypoint, EntrypointError};

/// The option that named a serialised job graph, and how the documentation spelled it up to 1.11.
const JOB_GRAPHS: [&str; 2] = ["internal.jobgraph-path", "interval.jobgraph-path"];

/// What an application master's script is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppMasterCall {
    /// One job rather than a session.
    pub job: bool,
    /// The settings, in order: first what older variables say, then `-D`.
    pub properties: Vec<Property>,
}

/// What a worker's script is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MesosTaskManager {
    /// The launch.
    pub call: RoleCall,
    /// Variables that the launch must see instead of, or beside, the inherited ones.
    pub variables: BTreeMap<String, String>,
}

/// Reads the words and variables of `mesos-appmaster.sh`, or of `mesos-appmaster-job.sh`.
///
/// `LIBPROCESS_IP` was the address that libprocess bound in the JVM; the JobManager binds it now.
/// `LIBPROCESS_PORT` and `MESOS_NATIVE_JAVA_LIBRARY` mean nothing any more: there is no libmesos,
/// and a scheduler of the v1 HTTP interface listens nowhere.
pub fn appmaster_call(
    job: bool,
    words: &[OsString],
    variables: &BTreeMap<String, String>,
) -> Result<AppMasterCall, EntrypointError> {
    let script = if job {
        Entrypoint::MesosAppMasterJob
    } else {
        Entrypoint::MesosAppMaster
    };
    let mut properties = Vec::new();
    if let Some(address) = variables
        .get("LIBPROCESS_IP")
        .filter(|value| !value.is_empty())
    {
        properties.push(Property {
            key: "jobmanager.bind-host".to_owned(),
            value: address.clone(),
        });
    }
    properties.extend(settings(script, words)?);
    if let Some(graph) = properties
        .iter()
        .find(|one| JOB_GRAPHS.contains(&&*one.key))
    {
        let key = graph.key.clone();
        return Err(EntrypointError::JobGraph { key });
    }
    Ok(AppMasterCall { job, properties })
}

/// Reads the words and variables of `mesos-taskmanager.sh`.
pub fn task_manager_call(
    words: &[OsString],
    variables: &BTreeMap<String, String>,
) -> Result<MesosTaskManager, EntrypointError> {
    let set = |name: &str| variables.get(name).filter(|value| !value.is_empty());
    let mut properties = Vec::new();
    // Up to 1.10 the task's id came by this variable; from 1.11 on it is among the settings.
    if let Some(id) = set("_FLINK_CONTAINER_ID") {
        properties.push(Property {
            key: "taskmanager.resource-id".to_owned(),
            value: id.clone(),
        });
    }
    properties.extend(settings(Entrypoint::MesosTaskManager, words)?);
    let mut changed = BTreeMap::new();
    let memory = [set("JVM_ARGS"), set("FLINK_ENV_JAVA_OPTS_MEM")];
    if set("FLINK_ENV_JAVA_OPTS_MEM").is_some() {
        let options: Vec<&str> = memory.into_iter().flatten().map(String::as_str).collect();
        changed.insert("JVM_ARGS".to_owned(), options.join(" "));
    }
    Ok(MesosTaskManager {
        call: RoleCall {
            role: Role::TaskManager,
            properties,
            arguments: Vec::new(),
        },
        variables: changed,
    })
}

fn settings(script: Entrypoint, words: &[OsString]) -> Result<Vec<Property>, EntrypointError> {
    let mut settings = Vec::new();
    let mut words = texts(words)?.into_iter();
    while let Some(word) = words.next() {
        let text = match word.strip_prefix("-D") {
            Some("") => words.next().ok_or(EntrypointError::NoProperty)?,
            Some(text) => text.to_owned(),
            None => {
                let script = script.file_name();
                return Err(EntrypointError::Unexpected { script, word });
            }
        };
        settings.push(property(&text)?);
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(pair).collect()
    }

    fn shown(properties: &[Property]) -> String {
        let shown: Vec<String> = properties
            .iter()
            .map(|one| format!("{}={}", one.key, one.value))
            .collect();
        shown.join(" ")
    }

    #[test]
    fn a_session_masters_settings_are_those_of_marathons_command() {
        let words = words(
            "-Djobmanager.rpc.address=host1 -Dmesos.master=zk://a:2181,b:2181/mesos \
             -Dmesos.initial-tasks=10 -D high-availability=zookeeper",
        );
        let older = variables(&[
            ("LIBPROCESS_IP", "10.0.0.7"),
            ("LIBPROCESS_PORT", "31000"),
            ("MESOS_NATIVE_JAVA_LIBRARY", "/usr/lib/libmesos.so"),
        ]);
        let call = appmaster_call(false, &words, &older).unwrap();
        assert!(!call.job);
        insta::assert_snapshot!(shown(&call.properties), @"jobmanager.bind-host=10.0.0.7 jobmanager.rpc.address=host1 mesos.master=zk://a:2181,b:2181/mesos mesos.initial-tasks=10 high-availability=zookeeper");
    }

    #[test]
    fn a_job_masters_settings_are_a_sessions() {
        let words = words("-Dmesos.master=m:5050");
        let call = appmaster_call(true, &words, &BTreeMap::new()).unwrap();
        assert!(call.job);
        assert_eq!(shown(&call.properties), "mesos.master=m:5050");
    }

    #[test]
    fn a_serialised_job_graph_is_refused_with_what_to_do_instead() {
        for key in JOB_GRAPHS {
            let words = words(&format!("-D{key}=/job.graph"));
            let error = appmaster_call(true, &words, &BTreeMap::new()).unwrap_err();
            assert!(error.to_string().contains("usrlib"), "{error}");
        }
    }

    /// The command line that Flink 1.13 gave its workers: both spellings, one behind the other.
    #[test]
    fn a_workers_command_line_of_flink_1_13_is_read_whole() {
        let words = words(
            "-Djobmanager.rpc.address=am -Dtaskmanager.rpc.port=31001 \
             -Dtaskmanager.resource-id=taskmanager-00001 \
             -D taskmanager.memory.network.min=67108864b -D external-resources=none",
        );
        let worker = task_manager_call(&words, &BTreeMap::new()).unwrap();
        assert_eq!(worker.call.role, Role::TaskManager);
        insta::assert_snapshot!(shown(&worker.call.properties), @"jobmanager.rpc.address=am taskmanager.rpc.port=31001 taskmanager.resource-id=taskmanager-00001 taskmanager.memory.network.min=67108864b external-resources=none");
        assert!(worker.variables.is_empty());
    }

    #[test]
    fn a_worker_of_flink_1_10_takes_its_id_and_its_memory_from_variables() {
        let inherited = variables(&[
            ("_FLINK_CONTAINER_ID", "taskmanager-7"),
            ("JVM_ARGS", "-Xmx512m"),
            ("FLINK_ENV_JAVA_OPTS_MEM", "-XX:MaxDirectMemorySize=64m"),
        ]);
        let worker = task_manager_call(&[], &inherited).unwrap();
        let id = "taskmanager.resource-id=taskmanager-7";
        assert_eq!(shown(&worker.call.properties), id);
        assert_eq!(
            worker.variables["JVM_ARGS"],
            "-Xmx512m -XX:MaxDirectMemorySize=64m"
        );
    }

    #[test]
    fn words_that_the_scripts_never_took_are_refused_by_name() {
        let error = appmaster_call(false, &words("--host x"), &BTreeMap::new()).unwrap_err();
        insta::assert_snapshot!(error, @r#"mesos-appmaster.sh takes no "--host": expected -Dkey=value, any number of times"#);
        assert!(task_manager_call(&words("-D"), &BTreeMap::new()).is_err());
    }
}
