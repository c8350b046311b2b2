//! Stopping `flugs launch` before there is a JVM: nothing is lost, nothing is started, and the
//! report names the phase.
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
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use flugs::spec::Sha256Digest;
use flugs::supervise::{ExitReport, Phase, Reason};
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
