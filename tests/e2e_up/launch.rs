//! `flugs launch` on its own: every role runs a Flink home that is in place.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::cluster::{kill, text, wait_until};
use super::flink_homes::flink_home;
use super::streaming_job::job_jar;

const VERSION: &str = "1.20.5";

/// A Flink home of one's own: the real one's parts, and a user jar in `usrlib`.
fn home_with_user_jar(directory: &Path) -> PathBuf {
    let home = directory.join("flink");
    fs::create_dir_all(home.join("usrlib")).unwrap();
    for part in ["bin", "conf", "lib", "opt", "plugins"] {
        symlink(flink_home(VERSION).join(part), home.join(part)).unwrap();
    }
    fs::rename(
        job_jar(&flink_home(VERSION), directory),
        home.join("usrlib/job.jar"),
    )
    .unwrap();
    home
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A launch whose output goes to `NAME.log` of the directory, ended when the test ends.
struct Launch {
    child: Child,
    sandbox: PathBuf,
}

impl Launch {
    fn start(directory: &Path, role: &str, home: &Path, arguments: &[String]) -> Self {
        let sandbox = directory.join(role);
        let log = fs::File::create(directory.join(format!("{role}.log"))).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_flugs"))
            .args(["launch", role, "--dir"])
            .arg(&sandbox)
            .arg("--flink-home")
            .arg(home)
            .args(arguments)
            .env_remove("FLINK_PROPERTIES")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, sandbox }
    }

    fn stop(&self) {
        kill(i32::try_from(self.child.id()).unwrap(), "TERM");
    }

    fn code(&mut self) -> Option<i32> {
        self.child
            .try_wait()
            .unwrap()
            .map(|status| status.code().unwrap_or(-1))
    }

    #[track_caller]
    fn ends_with(&mut self, expected: i32) {
        let mut code = None;
        wait_until("the launch ends", || {
            code = self.code();
            code.is_some()
        });
        let log = fs::read_to_string(self.sandbox.with_extension("log")).unwrap();
        assert_eq!(code, Some(expected), "{log}");
    }

    fn report(&self) -> Value {
        let json = fs::read(self.sandbox.join("exit-report.json")).unwrap();
        serde_json::from_slice(&json).unwrap()
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn options(settings: &[(&str, String)]) -> Vec<String> {
    settings
        .iter()
        .flat_map(|(key, value)| ["-D".to_owned(), format!("{key}={value}")])
        .collect()
}

#[test]
fn a_standalone_job_runs_from_usrlib_and_its_exit_code_passes_through() {
    let directory = TempDir::new().unwrap();
    let home = home_with_user_jar(directory.path());
    let rpc_port = free_port().to_string();
    let common = options(&[
        ("jobmanager.rpc.port", rpc_port),
        ("rest.port", free_port().to_string()),
        ("jobmanager.memory.process.size", "900m".to_owned()),
        ("taskmanager.memory.process.size", "1200m".to_owned()),
    ]);
    let output = directory.path().join("counts");
    let job = [
        "--job-classname",
        "StreamingJob",
        "--count",
        "50",
        "--output",
    ]
    .map(str::to_owned);
    let mut job_arguments = common.clone();
    job_arguments.push("--".to_owned());
    job_arguments.extend(job);
    job_arguments.push(output.display().to_string());

    let mut worker = Launch::start(directory.path(), "taskmanager", &home, &common);
    let mut job = Launch::start(directory.path(), "standalone-job", &home, &job_arguments);
    job.ends_with(0);
    assert_eq!(fs::read_to_string(&output).unwrap().lines().count(), 50);
    assert_eq!(job.report()["exitCode"], 0);

    // A clean stop on request is 0, although the JVM itself ends with 143.
    worker.stop();
    worker.ends_with(0);
    assert_eq!(
        worker.report()["child"]["exitCode"],
        143,
        "{}",
        worker.report()
    );
}

#[test]
fn a_history_server_serves_and_stops_cleanly() {
    let directory = TempDir::new().unwrap();
    let archive = directory.path().join("archive");
    fs::create_dir(&archive).unwrap();
    let port = free_port();
    let arguments = options(&[
        ("historyserver.web.port", port.to_string()),
        (
            "historyserver.archive.fs.dir",
            format!("file://{}", archive.display()),
        ),
    ]);
    let home = flink_home(VERSION);
    let mut server = Launch::start(directory.path(), "history-server", &home, &arguments);
    wait_until("the history server answers", || {
        assert_eq!(server.code(), None, "the history server ended");
        http_status(port, "/jobs/overview").is_some_and(|status| status == 200)
    });
    server.stop();
    server.ends_with(0);
}

#[test]
fn check_and_prepare_print_the_resolved_launch_redact_secrets_and_start_nothing() {
    let directory = TempDir::new().unwrap();
    let explain = |extent: &str| explained(extent, directory.path());
    let checked = explain("--check");
    let configuration = directory.path().join("sandbox/conf/config.yaml");
    assert!(!configuration.exists(), "--check renders nothing");
    assert_eq!(explain("--prepare"), checked);
    let rendered = fs::read_to_string(configuration).unwrap();
    assert!(rendered.contains("secret-key: tell-nobody"), "{rendered}");
    assert!(!directory.path().join("sandbox/exit-report.json").exists());
}

/// What `launch` explains, in JSON.
fn explained(extent: &str, directory: &Path) -> Value {
    let check = Command::new(env!("CARGO_BIN_EXE_flugs"))
        .args(["launch", "taskmanager", extent, "--json", "--dir"])
        .arg(directory.join("sandbox"))
        .arg("--flink-home")
        .arg(flink_home(VERSION))
        .args(["-D", "s3.secret-key=tell-nobody"])
        .args(["-D", "env.java.opts.taskmanager=-Dpassword=tell-nobody"])
        .args(["-D", "taskmanager.numberOfTaskSlots=3"])
        .output()
        .unwrap();
    assert!(check.status.success(), "{}", text(&check));
    let printed = String::from_utf8(check.stdout).unwrap();
    assert!(!printed.contains("tell-nobody"), "{printed}");
    let explanation: Value = serde_json::from_str(&printed).unwrap();
    let slots = explanation["configuration"].as_array().unwrap().iter();
    let slots: Vec<&Value> = slots
        .filter(|line| line["key"] == "taskmanager.numberOfTaskSlots")
        .collect();
    assert_eq!(slots.len(), 1);
    assert_eq!(slots[0]["value"], "3");
    assert_eq!(explanation["flink"]["version"], VERSION);
    assert!(
        explanation["command"][0]
            .as_str()
            .unwrap()
            .ends_with("/bin/java")
    );
    let command = explanation["command"].as_array().unwrap();
    let later = "-XX:CompileThresholdScaling=4";
    assert!(command.iter().any(|word| word == later), "{command:?}");
    explanation
}

fn http_status(port: u16, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    String::from_utf8_lossy(&answer)
        .split(' ')
        .nth(1)?
        .parse()
        .ok()
}

#[test]
fn a_launch_that_restarts_stops_after_the_second_failure_of_the_same_kind_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_flugs"))
        .args([
            "launch",
            "jobmanager",
            "--restart",
            "on-failure",
            "--restart-backoff",
            "0.1",
        ])
        .args(["-D", "env.java.opts.all=--add-modules=no.such", "--dir"])
        .arg(directory.path())
        .arg("--flink-home")
        .arg(flink_home(VERSION))
        .output()
        .unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(91), "{said}");
    let report = fs::read(directory.path().join("exit-report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let reason = "the Java virtual machine: Error occurred during initialization of boot layer: java.lang.module.FindException: Module no.such not found";
    assert_eq!(report["cause"]["text"], reason, "{said}");
    assert_eq!(report["reason"], "restarts-exhausted");
    assert_eq!(report["child"]["exitCode"], 1);
    assert!(
        said.contains("gave up: it failed twice in the same way"),
        "{said}"
    );
    assert_eq!(report["restarts"], 1, "{said}");
    assert_eq!(
        said.matches("Module no.such not found").count(),
        4,
        "{said}"
    );
}
