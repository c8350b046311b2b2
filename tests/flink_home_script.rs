//! `tools/flink-home.sh`: what it accepts, refuses, and leaves behind.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests run a script; nothing supervises children here"
)]
#![expect(
    clippy::expect_used,
    reason = "a test that cannot set its scene up fails on the spot"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/flink-home.sh");

/// A directory with a cache, a made-up release tarball, and a place for the home.
struct Bench {
    root: TempDir,
}

impl Bench {
    /// A tarball laid out like Apache's, without the files named.
    fn without(left_out: &[&str]) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let release = root.path().join("release/flink-9.9.9");
        for file in [
            "LICENSE",
            "NOTICE",
            "bin/bash-java-utils.jar",
            "bin/config.sh",
            "bin/jobmanager.sh",
            "bin/sql-client.sh",
            "bin/taskmanager.sh",
            "conf/config.yaml",
            "lib/flink-dist-9.9.9.jar",
            "opt/flink-sql-client-9.9.9.jar",
            "plugins/README.txt",
        ] {
            if !left_out.contains(&file) {
                let path = release.join(file);
                fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
                fs::write(&path, file).expect("a file");
            }
        }
        let bench = Self { root };
        let packed = Command::new("tar")
            .arg("-czf")
            .arg(bench.tarball())
            .arg("-C")
            .arg(bench.root.path().join("release"))
            .arg("flink-9.9.9")
            .status()
            .expect("tar runs");
        assert!(packed.success());
        fs::create_dir(bench.root.path().join("homes")).expect("a directory");
        bench
    }

    fn tarball(&self) -> PathBuf {
        self.root.path().join("flink-9.9.9-bin.tgz")
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("homes/9.9.9")
    }

    fn digest(&self, program: &str) -> String {
        let output = Command::new(program)
            .arg(self.tarball())
            .output()
            .expect("the digest program runs");
        let text = String::from_utf8(output.stdout).expect("text");
        text.split(' ').next().expect("a digest").to_owned()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(SCRIPT);
        command.env("XDG_CACHE_HOME", self.root.path().join("cache"));
        command
    }

    fn make(&self, from: &str, digest: &str) -> Output {
        self.command()
            .args(["9.9.9", text(&self.home()), "--from", from])
            .args(["--sha256", digest])
            .output()
            .expect("the script runs")
    }

    /// Everything beside and below the place for the home.
    fn left_behind(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root.path().join("homes")).expect("the directory");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

fn said(output: &Output) -> String {
    let mut all = String::from_utf8_lossy(&output.stdout).into_owned();
    all.push_str(&String::from_utf8_lossy(&output.stderr));
    all
}

#[test]
fn a_release_tarball_becomes_a_home_with_runnable_scripts_and_its_licence() {
    let bench = Bench::without(&[]);
    let output = bench.make(text(&bench.tarball()), &bench.digest("sha256sum"));
    assert!(output.status.success(), "{}", said(&output));
    for script in [
        "config.sh",
        "jobmanager.sh",
        "sql-client.sh",
        "taskmanager.sh",
    ] {
        let mode = fs::metadata(bench.home().join("bin").join(script)).expect("the script");
        assert_eq!(mode.permissions().mode() & 0o777, 0o755, "{script}");
    }
    assert!(bench.home().join("LICENSE").is_file());
    assert!(bench.home().join("NOTICE").is_file());
    assert_eq!(bench.left_behind(), [bench.home()]);
}

#[test]
fn apaches_own_sha512_is_taken_too() {
    let bench = Bench::without(&[]);
    let output = bench
        .command()
        .args([
            "9.9.9",
            text(&bench.home()),
            "--from",
            text(&bench.tarball()),
        ])
        .args(["--sha512", &bench.digest("sha512sum").to_uppercase()])
        .output()
        .expect("the script runs");
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_wrong_digest_is_refused_and_nothing_is_left_behind() {
    let bench = Bench::without(&[]);
    let output = bench.make(text(&bench.tarball()), &"0".repeat(64));
    assert_eq!(output.status.code(), Some(65), "{}", said(&output));
    assert!(said(&output).contains("wrong digest"));
    assert!(
        said(&output).contains(&bench.digest("sha256sum")),
        "says what it found"
    );
    assert!(bench.left_behind().is_empty());
    assert!(
        bench.tarball().is_file(),
        "the user's own tarball is not touched"
    );
}

#[test]
fn a_wrong_download_is_not_kept_for_the_retry() {
    let bench = Bench::without(&[]);
    let url = format!("file://{}", text(&bench.tarball()));
    let output = bench.make(&url, &"0".repeat(64));
    assert_eq!(output.status.code(), Some(65), "{}", said(&output));
    let cache = fs::read_dir(bench.root.path().join("cache/flugs")).expect("the cache");
    let kept: Vec<_> = cache
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(kept, [".lock"]);
}

#[test]
fn a_package_of_another_digest_is_refused_and_nothing_is_left_behind() {
    let bench = Bench::without(&[]);
    let index = bench.root.path().join("index");
    fs::create_dir(&index).expect("a directory");
    for name in [
        "apache_flink-2.3.0.tar.gz",
        "apache_flink_libraries-2.3.0.tar.gz",
    ] {
        fs::copy(bench.tarball(), index.join(name)).expect("a copy");
    }
    let output = bench
        .command()
        .args(["2.3.0", text(&bench.root.path().join("homes/2.3.0"))])
        .env("PIP_NO_INDEX", "1")
        .env("PIP_FIND_LINKS", &index)
        .output()
        .expect("the script runs");
    assert_eq!(output.status.code(), Some(65), "{}", said(&output));
    assert!(bench.left_behind().is_empty());
}

#[test]
fn a_complete_home_is_left_as_it_is_and_needs_no_download() {
    let bench = Bench::without(&[]);
    let digest = bench.digest("sha256sum");
    let tarball = text(&bench.tarball()).to_owned();
    assert!(bench.make(&tarball, &digest).status.success());
    let before = fs::metadata(bench.home()).expect("the home").ino();
    fs::remove_file(&tarball).expect("removed");
    let output = bench.make(&tarball, &digest);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("is a complete home of Flink 9.9.9"));
    assert_eq!(fs::metadata(bench.home()).expect("the home").ino(), before);
}

#[test]
fn a_retry_takes_the_download_from_the_cache() {
    let bench = Bench::without(&[]);
    let url = format!("file://{}", text(&bench.tarball()));
    let digest = bench.digest("sha256sum");
    assert!(bench.make(&url, &digest).status.success());
    fs::remove_dir_all(bench.home()).expect("removed");
    fs::remove_file(bench.tarball()).expect("removed");
    let output = bench.make(&url, &digest);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_directory_that_holds_something_else_is_refused_and_untouched() {
    let bench = Bench::without(&[]);
    fs::create_dir(bench.home()).expect("a directory");
    fs::write(bench.home().join("diary.txt"), "mine").expect("a file");
    let output = bench.make(text(&bench.tarball()), &bench.digest("sha256sum"));
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("it lacks: lib/flink-dist*.jar"),
        "{}",
        said(&output)
    );
    let entries = fs::read_dir(bench.home()).expect("the directory").count();
    assert_eq!(entries, 1);
}

#[test]
fn a_home_of_another_version_is_refused_by_name() {
    let bench = Bench::without(&[]);
    let digest = bench.digest("sha256sum");
    assert!(bench.make(text(&bench.tarball()), &digest).status.success());
    let output = bench
        .command()
        .args(["2.3.0", text(&bench.home())])
        .output()
        .expect("the script runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("found lib/flink-dist-9.9.9.jar"),
        "{}",
        said(&output)
    );
}

#[test]
fn an_incomplete_tarball_is_refused_by_what_it_lacks_and_nothing_is_left_behind() {
    let bench = Bench::without(&["bin/sql-client.sh"]);
    let output = bench.make(text(&bench.tarball()), &bench.digest("sha256sum"));
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("bin/sql-client.sh"));
    assert!(bench.left_behind().is_empty());
}

#[test]
fn wrong_usage_is_told_apart_and_starts_nothing() {
    let bench = Bench::without(&[]);
    let (home, tarball) = (bench.home(), bench.tarball());
    for (arguments, reason) in [
        (
            vec!["9.9.9", text(&home)],
            "no packages are pinned for Flink 9.9.9",
        ),
        (
            vec!["9.9.9", text(&home), "--from", text(&tarball)],
            "--from needs --sha512 or --sha256",
        ),
        (
            vec![
                "9.9.9",
                text(&home),
                "--from",
                text(&tarball),
                "--sha512",
                "abcd",
            ],
            "--from needs --sha512 or --sha256",
        ),
        (
            vec!["2.3.0", text(&home), "--sha256", "abcd"],
            "--sha256 belongs to --from",
        ),
        (vec!["2.3.0"], "VERSION and DIR are needed"),
        (
            vec!["2.3.0", text(&home), "--fast"],
            "unknown option: --fast",
        ),
        (
            vec!["2.3.0", text(&home), "--from"],
            "an option lacks its value",
        ),
    ] {
        let output = bench
            .command()
            .args(&arguments)
            .output()
            .expect("the script runs");
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(
            said(&output).contains(reason),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(bench.left_behind().is_empty());
    }
}
