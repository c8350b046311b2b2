//! `flugs artifact train`: archives of a real Flink's classes, and launches that use them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a failed test panics, and it waits for the programs that it runs"
)]

mod flink_homes;

use std::path::Path;
use std::process::{Command, Output};

use flink_homes::flink_home;
use serde_json::Value;

const VERSION: &str = "1.20.5";

fn text(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    format!("{}\n{}", output.status, String::from_utf8_lossy(&all))
}

/// What a launch would use.
fn class_data(archives: &Path, more: &[&str]) -> String {
    let sandbox = tempfile::tempdir().unwrap();
    let check = Command::new(env!("CARGO_BIN_EXE_flugs"))
        .args(["launch", "taskmanager", "--check", "--json", "--flink-home"])
        .arg(flink_home(VERSION))
        .arg("--dir")
        .arg(sandbox.path())
        .args(more)
        .env("FLUGS_CLASS_DATA", archives)
        .output()
        .unwrap();
    assert!(check.status.success(), "{}", text(&check));
    let explanation: Value = serde_json::from_slice(&check.stdout).unwrap();
    explanation["classData"].as_str().unwrap().to_owned()
}

#[test]
fn a_trained_home_has_archives_that_fit_and_a_second_training_finds_them() {
    let archives = tempfile::tempdir().unwrap();
    let train = || {
        let output = Command::new(env!("CARGO_BIN_EXE_flugs"))
            .args(["artifact", "train", "--flink-home"])
            .arg(flink_home(VERSION))
            .arg("--output")
            .arg(archives.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(class_data(archives.path(), &[]).starts_with("none: no taskmanager-"));
    assert!(!train().contains("there already"));
    let again = train();
    assert_eq!(again.matches("there already").count(), 2, "{again}");
    let used = class_data(archives.path(), &[]);
    assert!(
        used.ends_with(".jsa (fits this JVM and class path)"),
        "{used}"
    );
    let ruled_out = ["-D", "env.java.opts.taskmanager=-XX:+UseZGC"];
    let unused = class_data(archives.path(), &ruled_out);
    assert_eq!(unused, "none: -XX:+UseZGC rules it out");

    // The JVM takes it: asked to insist on an archive, it starts.
    let archive = used.split(' ').next().unwrap();
    let jars = jars_of(&flink_home(VERSION));
    let java = Command::new("java")
        .args(["-Xshare:on", &format!("-XX:SharedArchiveFile={archive}")])
        .args([
            "-classpath",
            &jars,
            "org.apache.flink.runtime.util.EnvironmentInformation",
        ])
        .output()
        .unwrap();
    let said = text(&java);
    assert!(!said.contains("Unable to use shared archive"), "{said}");
    assert!(!said.contains("shared class paths mismatch"), "{said}");
}

/// The class path as launches have it.
fn jars_of(home: &Path) -> String {
    let home = flugs::flink::FlinkHome::open(home).unwrap();
    let jars = home.jars().iter().map(std::path::PathBuf::as_path);
    let jars = jars.chain([home.dist_jar()]);
    let jars: Vec<&str> = jars.map(|jar| jar.to_str().unwrap()).collect();
    jars.join(":")
}
