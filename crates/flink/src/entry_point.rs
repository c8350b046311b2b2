//! Which class a role runs, and with which arguments.

use std::path::Path;

use super::version::FlinkVersion;
use flugs_model::Role;

/// The main class of a role. All supported versions agree on them.
pub const fn main_class(role: Role) -> &'static str {
    match role {
        Role::JobManager => {
            "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
        }
        Role::TaskManager => "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
        Role::StandaloneJob => {
            "org.apache.flink.container.entrypoint.StandaloneApplicationClusterEntryPoint"
        }
        Role::HistoryServer => "org.apache.flink.runtime.webmonitor.history.HistoryServer",
    }
}

/// The word for a role in the names of log and pid files.
pub const fn service(role: Role) -> &'static str {
    match role {
        Role::JobManager => "standalonesession",
        Role::TaskManager => "taskexecutor",
        Role::StandaloneJob => "standalonejob",
        Role::HistoryServer => "historyserver",
    }
}

/// The program's arguments, in the order of Flink's scripts: derived settings come before the
/// user's, so that the user's win.
///
/// A JobManager's first arguments may be a host and a web port, as its script takes them; what
/// starts with a dash is none (the script takes `-Dkey=value` for a host name).
pub(super) fn program_arguments(
    role: Role,
    version: &FlinkVersion,
    conf_dir: &Path,
    dynamic: &[(String, String)],
    user: &[String],
) -> Vec<String> {
    let configuration = ["--configDir".to_owned(), conf_dir.display().to_string()];
    let derived = dynamic
        .iter()
        .flat_map(|(key, value)| ["-D".to_owned(), format!("{key}={value}")]);
    if role != Role::JobManager {
        return configuration
            .into_iter()
            .chain(derived)
            .chain(user.iter().cloned())
            .collect();
    }
    let (place, user) = host_and_port(user);
    let mode = version
        .has_execution_mode()
        .then(|| ["--executionMode".to_owned(), "cluster".to_owned()]);
    let place = place_arguments(version, place);
    let configuration = configuration.into_iter().chain(mode.into_iter().flatten());
    if version.puts_derived_settings_last() {
        configuration
            .chain(place)
            .chain(derived)
            .chain(user.iter().cloned())
            .collect()
    } else {
        derived
            .chain(configuration)
            .chain(user.iter().cloned())
            .chain(place)
            .collect()
    }
}

/// The host and the web port at the front of a JobManager's arguments, and the rest.
fn host_and_port(user: &[String]) -> ([Option<&str>; 2], &[String]) {
    let is_word = |text: &str| !text.is_empty() && !text.starts_with('-');
    match user {
        [host, port, rest @ ..] if is_word(host) && is_word(port) => {
            ([Some(host), Some(port)], rest)
        }
        [host, rest @ ..] if is_word(host) => ([Some(host), None], rest),
        rest => ([None, None], rest),
    }
}

fn place_arguments(version: &FlinkVersion, [host, port]: [Option<&str>; 2]) -> Vec<String> {
    let options = if version.has_execution_mode() {
        [("--host", ""), ("--webui-port", "")]
    } else {
        [("-D", "jobmanager.rpc.address="), ("-D", "rest.port=")]
    };
    options
        .into_iter()
        .zip([host, port])
        .filter_map(|((option, key), value)| Some([option.to_owned(), format!("{key}{}", value?)]))
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(version: &FlinkVersion, user: &[&str]) -> String {
        let user: Vec<String> = user.iter().map(|&text| text.to_owned()).collect();
        let dynamic = [("m".to_owned(), "1b".to_owned())];
        program_arguments(Role::JobManager, version, Path::new("/c"), &dynamic, &user).join(" ")
    }

    #[test]
    fn each_line_of_releases_has_its_own_session_arguments() {
        let user = ["host", "8082", "-D", "a=b"];
        assert_eq!(
            arguments(&FlinkVersion::new(1, 13, 6), &user),
            "--configDir /c --executionMode cluster --host host --webui-port 8082 -D m=1b -D a=b"
        );
        assert_eq!(
            arguments(&FlinkVersion::new(1, 20, 5), &user),
            "-D m=1b --configDir /c --executionMode cluster -D a=b --host host --webui-port 8082"
        );
        assert_eq!(
            arguments(&FlinkVersion::new(2, 3, 0), &user),
            "-D m=1b --configDir /c -D a=b -D jobmanager.rpc.address=host -D rest.port=8082"
        );
    }

    #[test]
    fn a_dynamic_property_is_never_taken_for_a_host_name() {
        assert_eq!(
            arguments(&FlinkVersion::new(2, 3, 0), &["-Drest.port=8082", "--foo"]),
            "-D m=1b --configDir /c -Drest.port=8082 --foo"
        );
    }

    #[test]
    fn the_users_settings_come_after_the_derived_ones_and_win() {
        let dynamic = [("m".to_owned(), "1b".to_owned())];
        let user = ["-D".to_owned(), "m=2b".to_owned()];
        for role in [Role::TaskManager, Role::StandaloneJob, Role::HistoryServer] {
            let version = FlinkVersion::NEWEST_TESTED;
            let arguments =
                program_arguments(role, &version, Path::new("/c"), &dynamic, &user).join(" ");
            assert_eq!(arguments, "--configDir /c -D m=1b -D m=2b");
        }
    }
}
