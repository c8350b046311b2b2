//! A cluster of the real binary and a real Flink, for black-box tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::flink_homes::flink_home;

/// How long anything may take before a test gives up: generous, for loaded machines.
pub(super) const PATIENCE: Duration = Duration::from_secs(150);

/// A directory with a cluster in it. Whatever still runs when the test ends is stopped.
pub(super) struct TestCluster {
    directory: TempDir,
    version: String,
    /// The foreground process, if that is how it was started.
    pub(super) foreground: Option<Child>,
}

impl TestCluster {
    pub(super) fn new(version: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            directory,
            version: version.to_owned(),
            foreground: None,
        }
    }

    /// A cluster that runs in the background and is ready.
    pub(super) fn detached(version: &str, arguments: &[&str]) -> Self {
        let cluster = Self::new(version);
        let up = cluster.up(arguments).arg("--detach").output().unwrap();
        assert!(up.status.success(), "up failed: {}", text(&up));
        cluster
    }

    /// A cluster that runs in the foreground; not ready yet.
    pub(super) fn in_foreground(version: &str, arguments: &[&str]) -> Self {
        let mut cluster = Self::new(version);
        let log = fs::File::create(cluster.path("foreground.log")).unwrap();
        let child = cluster
            .up(arguments)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        cluster.foreground = Some(child);
        cluster
    }

    pub(super) fn up(&self, arguments: &[&str]) -> Command {
        let mut command = self.flugs("up");
        command
            .arg("--flink-home")
            .arg(flink_home(&self.version))
            .args(arguments);
        // Three processes on a small machine: less memory than the shipped configuration asks.
        command.args(["-D", "jobmanager.memory.process.size=900m"]);
        command.args(["-D", "taskmanager.memory.process.size=1200m"]);
        command
    }

    /// `flugs COMMAND --dir …`, without whatever Flink the machine's own environment names.
    pub(super) fn flugs(&self, command: &str) -> Command {
        let mut flugs = Command::new(env!("CARGO_BIN_EXE_flugs"));
        flugs
            .arg(command)
            .arg("--dir")
            .arg(self.directory.path())
            .stdin(Stdio::null());
        for variable in [
            "FLINK_HOME",
            "FLINK_CONF_DIR",
            "FLINK_PROPERTIES",
            "MESOS_SANDBOX",
        ] {
            flugs.env_remove(variable);
        }
        flugs
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    pub(super) fn status(&self) -> Value {
        let output = self.flugs("status").arg("--json").output().unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", text(&output)))
    }

    pub(super) fn members(&self, role: &str) -> Vec<Value> {
        let status = self.status();
        let members = status["members"].as_array().unwrap().iter();
        members
            .filter(|member| member["role"] == role)
            .cloned()
            .collect()
    }

    /// The process id of a member's launcher.
    pub(super) fn launcher(&self, id: &str) -> i32 {
        let members = self.status()["members"].as_array().unwrap().clone();
        let member = members.iter().find(|member| member["id"] == id);
        let pid = member.unwrap_or_else(|| panic!("no {id} in {members:?}"))["pid"].as_i64();
        i32::try_from(pid.unwrap()).unwrap()
    }

    /// The process id of a member's JVM.
    pub(super) fn jvm(&self, id: &str) -> i32 {
        let launcher = self.launcher(id);
        let children = children(launcher);
        assert_eq!(
            children.len(),
            1,
            "{id}: launcher {launcher} has children {children:?}"
        );
        children[0]
    }

    /// The process id of the cluster's own process.
    pub(super) fn master(&self) -> i32 {
        let state: Value =
            serde_json::from_slice(&fs::read(self.path("cluster.json")).unwrap()).unwrap();
        i32::try_from(state["master"]["pid"].as_i64().unwrap()).unwrap()
    }

    /// Waits until the cluster is whole and `accepts` holds of its status.
    #[track_caller]
    pub(super) fn wait_until_ready(&mut self, accepts: impl Fn(&Value) -> bool) {
        wait_until("the cluster is ready", || {
            if let Some(child) = &mut self.foreground
                && let Some(status) = child.try_wait().unwrap()
            {
                let log = fs::read_to_string(self.path("foreground.log")).unwrap();
                panic!("up ended with {status}: {log}");
            }
            if !self.path("cluster.json").exists() {
                return false;
            }
            let status = self.status();
            status["phase"] == "ready" && accepts(&status)
        });
    }

    /// Every process that names this cluster's directory on its command line or works in it.
    pub(super) fn processes(&self) -> Vec<i32> {
        let directory = self.directory.path().to_str().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let belongs = |pid: i32| {
            let works_in = fs::read_link(format!("/proc/{pid}/cwd"));
            command_line(pid).contains(directory)
                || works_in.is_ok_and(|path| path.starts_with(directory))
        };
        let all = all_processes().into_iter();
        all.filter(|pid| *pid != own && belongs(*pid) && !is_zombie(*pid))
            .collect()
    }

    /// Stops the cluster and asserts that nothing of it is left but its logs.
    #[track_caller]
    pub(super) fn down_leaves_nothing(&self) {
        let down = self.flugs("down").output().unwrap();
        assert!(down.status.success(), "{}", text(&down));
        self.nothing_is_left();
    }

    #[track_caller]
    pub(super) fn nothing_is_left(&self) {
        assert_eq!(
            self.processes(),
            Vec::<i32>::new(),
            "processes of a stopped cluster"
        );
        for file in ["lock", "token", "client-conf"] {
            assert!(!self.path(file).exists(), "{file} was left behind");
        }
        for sandbox in fs::read_dir(self.path("sandboxes")).unwrap() {
            let sandbox = sandbox.unwrap().path();
            assert!(
                sandbox.join("log").is_dir(),
                "no logs in {}",
                sandbox.display()
            );
            for gone in ["flink", "conf", "tmp"] {
                assert!(
                    !sandbox.join(gone).exists(),
                    "{gone} left in {}",
                    sandbox.display()
                );
            }
        }
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        let _ = self.flugs("down").args(["--patience", "5"]).output();
        for pid in self.processes() {
            kill(pid, "KILL");
        }
        if let Some(child) = &mut self.foreground {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a program printed, for a message.
pub(super) fn text(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    format!("{}\n{}", output.status, String::from_utf8_lossy(&all))
}

/// Polls until `holds`, or fails the test.
#[track_caller]
pub(super) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(100));
    }
}

/// Sends a signal by name.
pub(super) fn kill(pid: i32, signal: &str) {
    let _ = Command::new("kill")
        .args([&format!("-{signal}"), &pid.to_string()])
        .output();
}

pub(super) fn is_running(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists() && !is_zombie(pid)
}

pub(super) fn children(pid: i32) -> Vec<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .map(|child| child.parse().unwrap())
        .collect()
}

fn all_processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn command_line(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

fn is_zombie(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with('Z'))
}
