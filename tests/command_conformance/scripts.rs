//! Flink's own scripts, run up to the point where they would start the server.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flugs_flink::{JavaCommand, JavaRuntime};
use flugs_model::Role;

use crate::flink_homes::flink_home;

/// A Java runtime whose launcher runs the real one for Flink's helpers, and writes down what it
/// was asked to do for everything else.
pub(crate) struct RecordingJava {
    directory: tempfile::TempDir,
}

const LAUNCHER: &str = r#"#!/usr/bin/env bash
for argument in "$@"; do
  case $argument in
    *BashJavaUtils | -XshowSettings*) exec "@REAL@" "$@" ;;
  esac
done
printf '%s\0' "$@" > "@DIRECTORY@/arguments"
env -0 > "@DIRECTORY@/environment"
"#;

impl RecordingJava {
    pub(crate) fn new() -> Self {
        let real = JavaRuntime::find(
            None,
            std::env::var_os("JAVA_HOME").as_deref(),
            std::env::var_os("PATH").as_deref(),
            &|_| None,
        )
        .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let bin = directory.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::copy(real.home.join("release"), directory.path().join("release")).unwrap();
        let launcher = LAUNCHER
            .replace("@REAL@", real.executable.to_str().unwrap())
            .replace("@DIRECTORY@", directory.path().to_str().unwrap());
        let java = bin.join("java");
        std::fs::write(&java, launcher).unwrap();
        std::fs::set_permissions(&java, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    pub(crate) fn home(&self) -> &Path {
        self.directory.path()
    }

    /// The home of a Flink release. The scripts resolve links, so that the paths in their commands
    /// are real ones. Below a path with a blank, scripts from 1.19 on ignore `env.*`: then it is a copy.
    pub(crate) fn flink_home(&self, version: &str) -> PathBuf {
        let home = flink_home(version).canonicalize().unwrap();
        if !home.to_str().unwrap().contains(' ') {
            return home;
        }
        let copy = self.directory.path().join(version);
        if !copy.exists() {
            let mut command = Command::new("cp");
            command.arg("-a").args([&home, &copy]);
            run(command);
        }
        copy.canonicalize().unwrap()
    }

    /// Starts a role with Flink's script and gives the arguments and the environment that the
    /// server's JVM would have had.
    pub(crate) fn record(
        &self,
        flink_home: &Path,
        role: Role,
        arguments: &[String],
        environment: &BTreeMap<String, String>,
    ) -> (Vec<String>, BTreeMap<String, String>) {
        let script = match role {
            Role::JobManager => "jobmanager.sh",
            Role::TaskManager => "taskmanager.sh",
            Role::StandaloneJob => "standalone-job.sh",
            Role::HistoryServer => "historyserver.sh",
        };
        let mut command = Command::new(flink_home.join("bin").join(script));
        command
            .arg("start-foreground")
            .args(arguments)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null());
        run(command);
        let variables = self
            .read("environment")
            .iter()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        (self.read("arguments"), variables)
    }

    /// Executes a command that flugs built and gives the arguments that arrived.
    pub(crate) fn execute(&self, command: &JavaCommand, directory: &Path) -> Vec<String> {
        let mut process = Command::new(&command.program);
        process
            .args(&command.arguments)
            .envs(&command.environment)
            .current_dir(directory);
        run(process);
        self.read("arguments")
    }

    fn read(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.directory.path().join(name)).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn run(mut command: Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
