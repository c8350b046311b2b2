//! `flugs launch` from outside. Stopped before there is a JVM: nothing is lost, nothing is started, and
//! the report names the phase. Asked whether it is ready: it goes by what the JVM's log says.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests watch a launch from outside; nothing supervises children here"
)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test that cannot set its scene up fails on the spot; not every suite uses all of the support"
)]

mod supervise_support;

mod flink_homes;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use flugs_base::Sha256Digest;
use flugs_supervise::{ExitReport, Phase, Reason};
use nix::sys::signal::Signal;
use supervise_support::{FLUGS, Init, Mode, status_field, until};

use flink_homes::flink_home;

fn report(sandbox: &Path) -> ExitReport {
    let json = fs::read(sandbox.join("exit-report.json")).expect("a report");
    serde_json::from_slice(&json).expect("a readable report")
}

fn start(mode: Mode, words: &[&str]) -> Init {
    let mut all = vec![FLUGS, "launch", "taskmanager"];
    all.extend(words);
    Init::start_with(mode, &all, |command| {
        command.stdout(Stdio::null()).stderr(Stdio::null());
    })
}

fn holds_signals(init: &Init) -> Option<()> {
    let blocked = u64::from_str_radix(&status_field(init.pid, "SigBlk")?, 16).ok()?;
    let name = status_field(init.pid, "Name")?;
    (name == "flugs" && blocked & (1 << 14) != 0).then_some(())
}

/// An artifact server that accepts the connection and never answers: to the question for the
/// manifest, or for what a manifest that is a file names.
#[test]
fn term_during_fetch_ends_the_launch_with_95_and_a_report_that_names_the_phase() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/x", listener.local_addr().expect("an address"));
    let digest = "0".repeat(64);
    let place = tempfile::tempdir().expect("a directory");
    let (file, file_digest) = manifest_that_names(&url, place.path());
    for mode in [Mode::Pid1, Mode::Plain] {
        for (manifest, digest, phase) in [
            (&url, &digest, Phase::Manifest),
            (&file, &file_digest, Phase::Fetch),
        ] {
            let sandbox = tempfile::tempdir().expect("a directory");
            let directory = sandbox.path().to_str().expect("UTF-8");
            let words = [
                "--manifest",
                manifest,
                "--sha256",
                digest,
                "--dir",
                directory,
            ];
            let mut launch = start(mode, &words);
            let _connection = listener.accept().expect("the fetch begins");
            launch.signal(Signal::SIGTERM);
            assert_eq!(launch.end_within(Duration::from_secs(5)), 95, "{mode:?}");
            let report = report(sandbox.path());
            assert_eq!(
                (report.phase, report.reason),
                (phase, Reason::StoppedBeforeStart)
            );
            assert_eq!(report.exit_code, 95);
        }
    }
}

/// A manifest in a file, with one artifact at `url`: its name, and its digest.
fn manifest_that_names(url: &str, directory: &Path) -> (String, String) {
    let artifact = serde_json::json!({
        "name": "a", "urls": [url], "sha256": "0".repeat(64), "size": 1, "dest": "a", "kind": "file",
    });
    let document = serde_json::json!({
        "version": "1.0", "role": "taskmanager", "workerId": "taskmanager-1", "artifacts": [artifact],
    });
    let text = document.to_string();
    let file = directory.join("manifest.json");
    fs::write(&file, &text).expect("a manifest");
    let digest = Sha256Digest::of(text.as_bytes()).to_string();
    (file.to_str().expect("UTF-8").to_owned(), digest)
}

/// The launch is stopped in its tracks as soon as it holds signals, told to end, and continued:
/// without a manifest, rendering is what it does then.
#[test]
fn term_during_render_ends_the_launch_with_95_and_a_report_that_names_the_phase() {
    let home = flink_home("1.20.5");
    let home = home.to_str().expect("UTF-8");
    let mut phases = Vec::new();
    for _ in 0..10 {
        let sandbox = tempfile::tempdir().expect("a directory");
        let directory = sandbox.path().to_str().expect("UTF-8");
        let mut launch = start(Mode::Plain, &["--flink-home", home, "--dir", directory]);
        until("the launch holds signals", || holds_signals(&launch));
        for signal in [Signal::SIGSTOP, Signal::SIGTERM, Signal::SIGCONT] {
            launch.signal(signal);
        }
        let code = launch.end();
        let report = report(sandbox.path());
        assert_eq!(i32::from(report.exit_code), code);
        match report.phase {
            Phase::Render | Phase::Start => assert_eq!(code, 95),
            Phase::Stop => assert_eq!(code, 0, "{report:?}"),
            other => panic!("in phase {other:?}"),
        }
        phases.push(report.phase);
        if report.phase == Phase::Render {
            return;
        }
    }
    panic!("never caught while rendering: {phases:?}");
}

/// In place of a JVM: writes a TaskManager's lines as it is told to.
const LOG_WRITER: &str = r#"#!/bin/sh
cd "${0%/*}"
echo "TaskExecutor [] - Connecting to ResourceManager pekko.tcp://flink@jm:6123/user/rpc/resourcemanager_*(00)."
while [ ! -e registered ]; do sleep 0.05; done
echo "TaskExecutor [] - Successful registration at resource manager pekko.tcp://flink@jm:6123/user/rpc/resourcemanager_* under registration id 1."
while [ ! -e lost ]; do sleep 0.05; done
echo "TaskExecutor [] - Close ResourceManager connection 2."
exec sleep 100
"#;

fn log_writer(place: &Path) -> PathBuf {
    let bin = place.join("java/bin");
    fs::create_dir_all(&bin).expect("a directory");
    fs::write(place.join("java/release"), "JAVA_VERSION=\"17.0.1\"\n").expect("a file");
    fs::write(bin.join("java"), LOG_WRITER).expect("a file");
    fs::set_permissions(bin.join("java"), fs::Permissions::from_mode(0o755)).expect("a mode");
    bin
}

/// Whether it is ready, and what is wrong.
fn readiness(status: &str) -> (bool, String) {
    let output = Command::new(FLUGS)
        .args(["health", "--ready", "--status", status])
        .output()
        .expect("flugs runs");
    let all = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&all).into_owned();
    (output.status.success(), text)
}

#[test]
fn a_taskmanager_is_ready_while_its_log_says_that_it_is_registered_wherever_that_goes() {
    let home = flink_home("2.3.0");
    for to_a_file in [false, true] {
        let place = tempfile::tempdir().expect("a directory");
        let path = |name: &str| place.path().join(name).to_str().expect("UTF-8").to_owned();
        let bin = log_writer(place.path());
        let (status, sandbox) = (path("status"), path("sandbox"));
        let words = [
            FLUGS,
            "launch",
            "taskmanager",
            "--flink-home",
            home.to_str().expect("UTF-8"),
            "--dir",
            &sandbox,
            "--status",
            &status,
        ];
        let mut init = Init::start_with(Mode::Plain, &words, |command| {
            command.env("JAVA_HOME", place.path().join("java"));
            command.env("FLUGS_CLASS_DATA", "off").stderr(Stdio::null());
            command.stdout(if to_a_file {
                fs::File::create(path("out")).expect("a file").into()
            } else {
                Stdio::piped()
            });
        });
        let say = |what: &str| fs::write(bin.join(what), "").expect("a file");
        until("it says what it tries", || {
            let (ready, text) = readiness(&status);
            (!ready && text.contains("has not registered at the ResourceManager at jm:6123 yet"))
                .then_some(())
        });
        say("registered");
        until("it is registered", || readiness(&status).0.then_some(()));
        say("lost");
        until("it is lost", || {
            let (ready, text) = readiness(&status);
            (!ready && text.contains("it has lost its ResourceManager")).then_some(())
        });
        init.signal(Signal::SIGTERM);
        assert_eq!(init.end(), 0);
        let mut log = fs::read_to_string(path("out")).unwrap_or_default();
        if !to_a_file {
            log = String::from_utf8_lossy(&init.rest()).into_owned();
        }
        assert_eq!(log.lines().count(), 3, "nothing was changed or lost: {log}");
    }
}
