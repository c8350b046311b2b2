//! Bad input gets a clear error before anything starts, each with its own exit code.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed test panics, and it waits for the programs that it runs"
)]

mod check_and_start;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flugs_base::{ExitCode, Sha256Digest};
use tempfile::TempDir;

/// A Flink home that is complete enough to be resolved and has no Flink in it, and a Java home
/// that claims a version: nothing in these tests gets as far as starting either.
struct Bench {
    directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        for (file, text) in [
            ("flink/lib/flink-dist-2.3.0.jar", ""),
            ("flink/lib/log4j-api.jar", ""),
            (
                "flink/conf/config.yaml",
                "jobmanager.memory.process.size: 1600m\ntaskmanager.memory.process.size: 1728m\n",
            ),
            ("flink/conf/log4j-console.properties", ""),
            ("flink/conf/logback-console.xml", ""),
            ("java/release", "JAVA_VERSION=\"17.0.15\"\n"),
            ("java/bin/java", "#!/bin/sh\nexit 99\n"),
        ] {
            bench.write(file, text);
        }
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(bench.path("java/bin/java"), executable).unwrap();
        bench
    }

    fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn flugs(&self, arguments: &[&str]) -> Run {
        Run::of(&self.command(arguments).output().unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flugs"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", "/nonexistent")
            .env("JAVA_HOME", self.path("java"))
            .env("FLINK_HOME", self.path("flink"))
            .env("XDG_CACHE_HOME", self.path("cache"));
        command
    }

    /// `flugs launch` with a manifest in a file.
    fn launch_manifest(&self, json: &str) -> Run {
        self.write("manifest.json", json);
        let digest = Sha256Digest::of(json.as_bytes()).to_string();
        let sandbox = self.path("sandbox");
        self.flugs(&[
            "launch",
            "taskmanager",
            "--manifest",
            "manifest.json",
            "--sha256",
            &digest,
            "--dir",
            sandbox.to_str().unwrap(),
        ])
    }
}

#[derive(Debug)]
struct Run {
    code: Option<i32>,
    stderr: String,
}

impl Run {
    fn of(output: &Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self {
            code: output.status.code(),
            stderr,
        }
    }

    /// Asserts the exit code and that the message holds each of these.
    #[track_caller]
    fn is(&self, code: ExitCode, says: &[&str]) {
        assert_eq!(self.code, Some(i32::from(code.code())), "{self:#?}");
        for words in says {
            assert!(self.stderr.contains(words), "no {words:?} in {self:#?}");
        }
    }
}

const MANIFEST: &str = r#"{"version":"1.0","role":"taskmanager","workerId":"taskmanager-1"}"#;

#[test]
fn no_java_says_where_was_looked() {
    let bench = Bench::new();
    fs::remove_dir_all(bench.path("java")).unwrap();
    bench
        .flugs(&["up"])
        .is(ExitCode::JavaMissing, &["JAVA_HOME"]);
    bench
        .flugs(&["launch", "taskmanager"])
        .is(ExitCode::JavaMissing, &["JAVA_HOME"]);
}

#[test]
fn java_too_old_says_which_is_needed_and_which_was_found() {
    let bench = Bench::new();
    bench.write("java/release", "JAVA_VERSION=\"1.8.0_402\"\n");
    bench
        .flugs(&["up"])
        .is(ExitCode::JavaTooOld, &["8", "11", "2.3.0"]);
}

#[test]
fn a_flink_home_that_is_not_there_is_named() {
    let bench = Bench::new();
    let run = bench.flugs(&["up", "--flink-home", "elsewhere"]);
    run.is(ExitCode::FlinkHomeMissing, &["elsewhere"]);
}

#[test]
fn a_flink_version_that_cannot_be_had_says_what_to_do_instead() {
    let bench = Bench::new();
    let run = bench.flugs(&["up", "--flink-version", "../2.3.0"]);
    run.is(ExitCode::FlinkVersion, &["../2.3.0", "like 2.3.0"]);
    // There is no shell to run the script that assembles homes.
    let run = bench.flugs(&["up", "--flink-version", "9.9.9"]);
    run.is(ExitCode::FlinkVersion, &["9.9.9", "--flink-home"]);
}

#[test]
fn a_version_whose_home_was_assembled_before_needs_neither_script_nor_network() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("cache/flugs/flink")).unwrap();
    symlink(bench.path("flink"), bench.path("cache/flugs/flink/2.3.0")).unwrap();
    // Far enough to know that the home was found: its memory is looked at.
    let memory = "taskmanager.memory.process.size=100m";
    let run = bench.flugs(&["up", "--flink-version", "2.3.0", "-D", memory]);
    run.is(ExitCode::Configuration, &["taskmanager.memory"]);
}

#[test]
fn an_incomplete_flink_home_says_what_is_missing() {
    let bench = Bench::new();
    fs::remove_file(bench.path("flink/lib/flink-dist-2.3.0.jar")).unwrap();
    bench
        .flugs(&["up"])
        .is(ExitCode::FlinkHomeIncomplete, &["flink-dist"]);
}

#[test]
fn a_port_in_use_says_which_key_asked_for_it() {
    let bench = Bench::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let property = format!("rest.port={}", taken.local_addr().unwrap().port());
    bench
        .flugs(&["up", "-D", &property])
        .is(ExitCode::PortInUse, &["rest.port"]);
    let own = ["-D", "jobmanager.rpc.port=0"];
    let run = bench.flugs(&["launch", "jobmanager", "-D", &property, own[0], own[1]]);
    run.is(ExitCode::PortInUse, &["rest.port"]);
}

#[test]
fn every_port_that_members_ask_for_is_tried_before_any_is_started() {
    let bench = Bench::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for key in [
        "jobmanager.rpc.port",
        "blob.server.port",
        "taskmanager.rpc.port",
        "taskmanager.data.port",
    ] {
        bench
            .flugs(&["up", "-D", &format!("{key}={port}")])
            .is(ExitCode::PortInUse, &[key, "already in use"]);
    }
    drop(taken);
    let property = format!("taskmanager.rpc.port={port}");
    bench
        .flugs(&["up", "--taskmanagers", "2", "-D", &property])
        .is(ExitCode::PortInUse, &["2 taskmanager processes"]);
}

#[test]
fn an_unknown_role_lists_the_roles() {
    let run = Bench::new().flugs(&["launch", "worker"]);
    run.is(ExitCode::UnknownRole, &["\"worker\"", "taskmanager"]);
}

#[test]
fn a_malformed_property_is_refused_without_repeating_a_value() {
    let bench = Bench::new();
    bench
        .flugs(&["up", "-D", "novalue"])
        .is(ExitCode::MalformedProperty, &["novalue"]);
    let run = bench.flugs(&["launch", "taskmanager", "-D", "a b=secret"]);
    run.is(ExitCode::MalformedProperty, &["a b"]);
    assert!(!run.stderr.contains("secret"));
}

#[test]
fn impossible_memory_is_refused_before_anything_starts() {
    let bench = Bench::new();
    let run = bench.flugs(&["up", "-D", "taskmanager.memory.process.size=100m"]);
    run.is(ExitCode::Configuration, &["taskmanager.memory"]);
}

#[test]
fn a_manifest_with_an_unknown_field_names_it() {
    let json = MANIFEST.replace("\"role\"", "\"rolle\":1,\"role\"");
    Bench::new()
        .launch_manifest(&json)
        .is(ExitCode::ManifestUnknownField, &["rolle"]);
}

#[test]
fn a_manifest_of_a_newer_major_version_says_so() {
    let json = MANIFEST.replace("1.0", "2.0");
    Bench::new()
        .launch_manifest(&json)
        .is(ExitCode::ManifestTooNew, &["2.0"]);
}

#[test]
fn a_manifest_that_is_no_json_says_where() {
    Bench::new()
        .launch_manifest("{")
        .is(ExitCode::ManifestMalformed, &["manifest.json"]);
}

#[test]
fn a_manifest_with_the_wrong_digest_is_not_even_parsed() {
    let bench = Bench::new();
    bench.write("manifest.json", "{ not json");
    let digest = Sha256Digest::of(b"something else").to_string();
    let run = bench.flugs(&[
        "launch",
        "taskmanager",
        "--manifest",
        "manifest.json",
        "--sha256",
        &digest,
        "--dir",
        "s",
    ]);
    run.is(ExitCode::ManifestDigest, &[&digest]);
}

#[test]
fn an_unreachable_artifact_server_is_an_error_after_bounded_retries() {
    // A port that was just free and that nothing listens on.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}/sha256/{}", "0".repeat(64));
    let run = Bench::new().flugs(&[
        "launch",
        "taskmanager",
        "--manifest",
        &url,
        "--sha256",
        &"0".repeat(64),
        "--dir",
        "s",
    ]);
    run.is(ExitCode::ArtifactUnreachable, &[&url]);
}

#[test]
fn a_directory_that_is_not_writable_is_named() {
    let bench = Bench::new();
    bench.write("file", "");
    bench
        .flugs(&["up", "--dir", "file/x"])
        .is(ExitCode::NotWritable, &["file/x"]);
    let run = bench.flugs(&["launch", "taskmanager", "--dir", "file/x"]);
    run.is(ExitCode::NotWritable, &["file/x"]);
}

#[test]
fn a_second_up_in_the_same_directory_names_the_first() {
    let bench = Bench::new();
    let lock = flugs::store::DirectoryLock::take(&bench.path("cluster")).unwrap();
    let run = bench.flugs(&["up", "--dir", "cluster"]);
    run.is(
        ExitCode::DirectoryInUse,
        &[&std::process::id().to_string(), "flugs down"],
    );
    drop(lock);
}

#[test]
fn status_and_down_without_a_cluster_say_how_to_start_one() {
    let bench = Bench::new();
    for command in ["status", "down"] {
        bench
            .flugs(&[command, "--dir", "none"])
            .is(ExitCode::NoCluster, &["flugs up"]);
    }
}

#[test]
fn state_from_a_newer_flugs_is_refused_and_left_alone() {
    let bench = Bench::new();
    bench.write("cluster/cluster.json", "{\"version\": 99}");
    for command in ["up", "status", "down"] {
        bench
            .flugs(&[command, "--dir", "cluster"])
            .is(ExitCode::StateRefused, &["99"]);
    }
    let state = fs::read_to_string(bench.path("cluster/cluster.json")).unwrap();
    assert_eq!(state, "{\"version\": 99}");
}

#[test]
fn nothing_was_started_and_nothing_half_written_is_left_by_any_of_these() {
    let bench = Bench::new();
    bench.flugs(&[
        "up",
        "--dir",
        "c",
        "-D",
        "taskmanager.memory.process.size=100m",
    ]);
    let left: Vec<_> = files_below(&bench.path("c"));
    assert_eq!(left, Vec::<PathBuf>::new());
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}
