//! `flugs artifact train`: archives of a real Flink's classes, and launches that use them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a failed test panics, and it waits for the programs that it runs"
)]

mod flink_homes;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
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
    class_data_of(archives, more, None)
}

/// The same on a Java that is not the machine's own.
fn class_data_of(archives: &Path, more: &[&str], java: Option<&Path>) -> String {
    let sandbox = tempfile::tempdir().unwrap();
    let check = Command::new(env!("CARGO_BIN_EXE_flugs"))
        .args(["launch", "taskmanager", "--check", "--json", "--flink-home"])
        .arg(flink_home(VERSION))
        .arg("--dir")
        .arg(sandbox.path())
        .args(more)
        .env("FLUGS_CLASS_DATA", archives)
        .envs(java.map(|home| ("JAVA_HOME", home)))
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

/// A runtime of this machine's modules, as `jlink` makes them: without an archive of its own classes.
fn linked_runtime(place: &Path) -> PathBuf {
    let runtime = place.join("runtime");
    let linked = Command::new("jlink")
        .args(["--add-modules", "java.se,jdk.unsupported,jdk.management"])
        .args(["--strip-debug", "--no-header-files", "--no-man-pages"])
        .arg("--output")
        .arg(&runtime)
        .output()
        .unwrap();
    assert!(linked.status.success(), "{}", text(&linked));
    runtime
}

#[test]
fn a_linked_java_is_given_the_archive_of_its_own_classes_where_that_may_be_written() {
    let place = tempfile::tempdir().unwrap();
    // Whoever else is to run this Java has to reach it.
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open(place.path());
    let runtime = linked_runtime(place.path());
    let base = runtime.join("lib/server/classes.jsa");
    assert!(!base.exists());
    let archives = place.path().join("archives");
    let train = |user: &[&str]| {
        let words: Vec<&str> = user
            .iter()
            .copied()
            .chain([env!("CARGO_BIN_EXE_flugs")])
            .collect();
        let (program, words) = words.split_first().unwrap();
        Command::new(program)
            .args(words)
            .args(["artifact", "train", "--flink-home"])
            .arg(flink_home(VERSION))
            .arg("--output")
            .arg(&archives)
            .env("JAVA_HOME", &runtime)
            .output()
            .unwrap()
    };

    // Somebody who may not write there is told what is missing, where, and what makes it.
    let directory = runtime.join("lib/server");
    let locked = "mount --make-rprivate /; mount --bind \"$1\" \"$1\"; \
                  mount -o remount,bind,ro \"$1\"; shift; exec \"$@\"";
    let read_only = ["unshare", "--mount", "sh", "-c", locked, "sh"];
    let refused = train(&[&read_only[..], &[directory.to_str().unwrap()]].concat());
    let said = text(&refused);
    assert_eq!(refused.status.code(), Some(72), "{said}");
    for part in [base.to_str().unwrap(), "-Xshare:dump"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!base.exists() && !archives.exists(), "{said}");

    let trained = train(&[]);
    let said = text(&trained);
    assert!(trained.status.success(), "{said}");
    let made = format!("made {}", base.display());
    assert!(said.contains(&made), "{said}");
    assert!(base.is_file());
    // What was made is what a launch on this Java uses; and the next training finds all of it.
    let used = class_data_of(&archives, &[], Some(&runtime));
    assert!(used.ends_with("(fits this JVM and class path)"), "{used}");
    let again = text(&train(&[]));
    assert_eq!(again.matches("there already").count(), 2, "{again}");
    assert!(!again.contains("made "), "{again}");
    // Without it no archive is any good, which a launch says with the remedy.
    fs::remove_file(&base).unwrap();
    let unused = class_data_of(&archives, &[], Some(&runtime));
    assert!(unused.contains("-Xshare:dump` makes it"), "{unused}");
}

/// The class path as launches have it.
fn jars_of(home: &Path) -> String {
    let home = flugs_flink::FlinkHome::open(home).unwrap();
    let jars = home.jars().iter().map(PathBuf::as_path);
    let jars = jars.chain([home.dist_jar()]);
    let jars: Vec<&str> = jars.map(|jar| jar.to_str().unwrap()).collect();
    jars.join(":")
}
