//! An HDFS on this machine, for as long as a test needs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::cluster::text;

/// The servers; they are stopped when it is dropped.
pub(super) struct Hdfs {
    directory: TempDir,
    uri: String,
}

impl Hdfs {
    pub(super) fn plain() -> Self {
        Self::start(&[])
    }

    /// One that believes nobody without a ticket.
    pub(super) fn with_kerberos() -> Self {
        Self::start(&["--kerberos"])
    }

    fn start(options: &[&str]) -> Self {
        let mut hdfs = Self {
            directory: tempfile::tempdir().unwrap(),
            uri: String::new(),
        };
        let mut start = script("start");
        start.args(options).arg(jars()).arg(hdfs.directory.path());
        let started = start.output().unwrap();
        assert!(started.status.success(), "{}", text(&started));
        let uri = String::from_utf8(started.stdout).unwrap();
        uri.trim().clone_into(&mut hdfs.uri);
        hdfs
    }

    /// A path on it, as Flink writes paths.
    pub(super) fn uri(&self, path: &str) -> String {
        format!("{}{path}", self.uri)
    }

    /// A file of this HDFS's directory on this machine.
    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    /// Options of a client's JVM. Without Kerberos there is no such file, and nobody asks for it.
    pub(super) fn client_options(&self) -> String {
        let configuration = self.path("krb5.conf");
        format!("-Djava.security.krb5.conf={}", configuration.display())
    }

    /// Whatever is on it below a directory, a line each: rights, owner, path and more.
    pub(super) fn listing(&self, path: &str) -> Vec<String> {
        let mut list = script("fs");
        list.arg(jars()).arg(self.directory.path());
        let listed = list.args(["-ls", "-R", path]).output().unwrap();
        assert!(listed.status.success(), "{}", text(&listed));
        let lines = String::from_utf8(listed.stdout).unwrap();
        lines.lines().map(str::to_owned).collect()
    }
}

impl Drop for Hdfs {
    fn drop(&mut self) {
        let _ = script("stop").arg(self.directory.path()).status();
    }
}

fn script(command: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut script = Command::new(root.join("tools/hdfs.sh"));
    script.arg(command).stdin(Stdio::null());
    script
}

/// Hadoop's jars; `./test.sh` makes the directory.
pub(super) fn jars() -> PathBuf {
    let jars = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hdfs");
    assert!(
        jars.is_dir(),
        "no Hadoop: make it with tools/hdfs.sh jars {}",
        jars.display()
    );
    jars
}
