//! The scripts below `examples/`: one source for three Flink versions, and refusals that come
//! before a cluster is asked for anything. What they compute is held by the cluster's own tests.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "the tests run scripts, and a scene that cannot be set up fails on the spot"
)]

mod flink_homes;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use flink_homes::flink_home;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

fn said(output: &Output) -> String {
    let mut all = String::from_utf8_lossy(&output.stdout).into_owned();
    all.push_str(&String::from_utf8_lossy(&output.stderr));
    all
}

fn run(script: &str, arguments: &[&str]) -> Output {
    Command::new(Path::new(ROOT).join(script))
        .args(arguments)
        .output()
        .expect("the script runs")
}

fn compiles_against(version: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let home = flink_home(version);
    for source in [
        "examples/streaming-job/StreamingJob.java",
        "examples/sql-script/SqlScript.java",
    ] {
        let jar = directory.path().join("jobs/example.jar");
        let output = run(
            "examples/java-job.sh",
            &[text(&home), text(&Path::new(ROOT).join(source)), text(&jar)],
        );
        assert!(
            output.status.success(),
            "{version} {source}: {}",
            said(&output)
        );
        assert!(jar.is_file());
        assert_eq!(said(&output), "", "a clean build says nothing");
    }
}

#[test]
fn the_java_examples_compile_against_flink_1_13_6() {
    compiles_against("1.13.6");
}

#[test]
fn the_java_examples_compile_against_flink_1_20_5() {
    compiles_against("1.20.5");
}

#[test]
fn the_java_examples_compile_against_flink_2_3_0() {
    compiles_against("2.3.0");
}

#[test]
fn a_broken_source_leaves_no_jar() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let source = directory.path().join("Broken.java");
    fs::write(&source, "public final class Broken {").expect("a file");
    let jar = directory.path().join("broken.jar");
    let home = flink_home("2.3.0");
    let output = run(
        "examples/java-job.sh",
        &[text(&home), text(&source), text(&jar)],
    );
    assert!(!output.status.success());
    assert!(
        said(&output).contains("Broken.java:1: error"),
        "{}",
        said(&output)
    );
    assert!(!jar.exists());
}

#[test]
fn the_word_count_refuses_what_it_cannot_count_before_it_asks_the_cluster() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = |name: &str| directory.path().join(name);
    let (conf, output) = (place("conf"), place("output"));
    fs::create_dir(&conf).expect("a directory");
    // Long in words, and what follows the limit's line must not be looked at.
    fs::write(place("long"), format!("short\n{}\n", "word ".repeat(1001))).expect("a file");
    fs::write(place("fits"), format!("{}\n", "word ".repeat(1000))).expect("a file");
    let home = flink_home("2.3.0");
    let count = |home: &Path, conf: &Path, input: &Path| {
        let arguments = [
            "--flink-home",
            text(home),
            "--conf-dir",
            text(conf),
            "--input",
            text(input),
            "--output",
            text(&output),
        ];
        let refused = run("examples/wordcount.sh", &arguments);
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        assert!(!output.exists());
        said(&refused)
    };
    let long = count(&home, &conf, &place("long"));
    assert!(
        long.contains("has 1001 words; at most 1000 are counted"),
        "{long}"
    );
    assert!(long.contains("line 2 of"), "{long}");
    let absent = count(&home, &conf, &place("absent"));
    assert!(absent.contains("cannot read the text"), "{absent}");
    let no_conf = count(&home, &place("nowhere"), &place("fits"));
    assert!(
        no_conf.contains("no such configuration directory"),
        "{no_conf}"
    );
    let no_home = count(&conf, &conf, &place("fits"));
    assert!(no_home.contains("is no Flink home"), "{no_home}");
}
