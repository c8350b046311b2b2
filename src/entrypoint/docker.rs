//! `docker-entrypoint.sh`: the official image's commands.

use std::ffi::OsString;

use flugs_model::Role;

use super::arguments::{RoleCall, role_call, texts};
use super::{EntrypointError, OtherCommand};

/// What the first word asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerCall {
    /// `help`, or nothing at all.
    Help,
    /// One of the roles.
    Launch(RoleCall),
    /// `appmaster`: a cluster on Mesos; the words behind it are those of `flugs appmaster`.
    AppMaster(Vec<OsString>),
    /// Any other command, run as it stands.
    Other(OtherCommand),
}

/// What `docker-entrypoint.sh help` prints.
pub const HELP: &str = "\
Usage: docker run IMAGE COMMAND [ARGUMENT…]

Commands:
  jobmanager [HOST [WEB_PORT]]   the JobManager of a session cluster
  standalone-job [OPTION…]       a JobManager that runs the job found in usrlib or lib
  taskmanager                    a worker
  history-server                 the server of finished jobs' archives
  appmaster [OPTION…]            a cluster on Mesos; see: appmaster --help
  help                           this text
Any other command is run as it stands, as the user flink.

Options of standalone-job: --job-classname CLASS, --job-id ID, --jars JAR…, --fromSavepoint PATH,
--allowNonRestoredState; what follows them goes to the job.
Every role takes -Dkey=value (or -D key=value).

Variables:
  FLINK_PROPERTIES                     settings, one `key: value` a line
  JOB_MANAGER_RPC_ADDRESS              sets jobmanager.rpc.address
  TASK_MANAGER_NUMBER_OF_TASK_SLOTS    sets taskmanager.numberOfTaskSlots
  ENABLE_BUILT_IN_PLUGINS              jars of opt to load as plugins, separated by ;
  DISABLE_JEMALLOC                     true: the JVM keeps the system's allocator
  FLINK_ENV_JAVA_OPTS, JVM_ARGS        options of the JVM
  FLINK_CONF_DIR, FLINK_LOG_DIR        other directories of configuration and of logs
  FLUGS_RUN_DIR                        the directory that is written to [/run/flugs, else /tmp]";

/// The commands of the image that are no programs of it.
pub fn docker_commands() -> impl Iterator<Item = &'static str> {
    let roles = Role::ALL.map(Role::as_str).into_iter();
    roles.chain(["appmaster", "help"])
}

/// Reads the words behind `docker-entrypoint.sh`.
pub fn docker_call(words: &[OsString]) -> Result<DockerCall, EntrypointError> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(DockerCall::Help);
    };
    if first == "help" {
        return Ok(DockerCall::Help);
    }
    if first == "appmaster" {
        return Ok(DockerCall::AppMaster(rest.to_vec()));
    }
    let role = Role::ALL.into_iter().find(|role| role.as_str() == first);
    match role {
        Some(role) => Ok(DockerCall::Launch(role_call(role, texts(rest)?)?)),
        None => Ok(DockerCall::Other(OtherCommand {
            program: first.clone(),
            arguments: rest.to_vec(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> DockerCall {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        docker_call(&words).unwrap()
    }

    #[test]
    fn the_official_commands_are_roles_and_every_other_word_is_a_program() {
        assert_eq!(read(&[]), DockerCall::Help);
        assert_eq!(read(&["help"]), DockerCall::Help);
        for role in Role::ALL {
            let DockerCall::Launch(call) = read(&[role.as_str(), "-Da=b"]) else {
                panic!("{role}");
            };
            assert_eq!((call.role, call.properties.len()), (role, 1));
        }
        // Only 1.12 had this command; in every later image it is a program's name.
        for program in ["native-k8s", "bash", "flink", "/bin/ls", "--help"] {
            let DockerCall::Other(command) = read(&[program, "jobmanager"]) else {
                panic!("{program}");
            };
            assert_eq!(command.program, program);
            assert_eq!(command.arguments, ["jobmanager"]);
        }
    }

    #[test]
    fn help_names_every_command_and_every_variable() {
        for word in Role::ALL.map(Role::as_str).into_iter().chain([
            "FLINK_PROPERTIES",
            "JOB_MANAGER_RPC_ADDRESS",
            "TASK_MANAGER_NUMBER_OF_TASK_SLOTS",
            "ENABLE_BUILT_IN_PLUGINS",
            "DISABLE_JEMALLOC",
        ]) {
            assert!(HELP.contains(word), "{word}");
        }
    }
}
