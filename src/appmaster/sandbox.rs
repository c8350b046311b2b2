//! The directories of members: where they are, and what stays of them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::spec::WorkerId;

/// What an ended member leaves for people: its logs and its exit report. All else can be made
/// again from the artifact store.
const KEPT: [&str; 4] = ["log", "stdout", "stderr", "exit-report.json"];

/// A member's own directory.
pub(super) fn path(cluster: &Path, id: &WorkerId) -> PathBuf {
    cluster.join("sandboxes").join(id.as_str())
}

/// Removes everything but the logs from an ended member's directory. What cannot be removed
/// stays: it is in nobody's way.
pub(super) fn prune(sandbox: &Path) {
    let Ok(entries) = fs::read_dir(sandbox) else {
        return;
    };
    for entry in entries.flatten() {
        if KEPT.iter().any(|kept| entry.file_name() == *kept) {
            continue;
        }
        let path = entry.path();
        let _ = if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
    }
}

/// Removes what only a running cluster needs from its directory: the artifact server's token and
/// the configuration that leads clients to it.
pub(super) fn sweep(cluster: &Path) {
    let _ = fs::remove_file(cluster.join("token"));
    let _ = fs::remove_dir_all(super::client_configuration::directory(cluster));
}

/// The last lines of what a member wrote to its standard error, for a message.
pub(super) fn last_words(sandbox: &Path, lines: usize) -> String {
    let Ok(bytes) = fs::read(sandbox.join("stderr")) else {
        return String::new();
    };
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(lines);
    all.get(from..).unwrap_or_default().join("\n")
}

/// How a member ended, as its own exit report says it.
pub(super) fn last_report(sandbox: &Path) -> String {
    let report = fs::read(sandbox.join("exit-report.json")).unwrap_or_default();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap_or_default();
    let lines = report
        .get("lastLines")
        .and_then(serde_json::Value::as_array);
    let lines = lines
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str);
    let lines: Vec<&str> = lines.collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pruning_keeps_the_logs_and_nothing_else() {
        let sandbox = tempfile::tempdir().unwrap();
        for file in [
            "log/flink.log",
            "flink/lib/x.jar",
            "conf/config.yaml",
            "tmp/y",
        ] {
            let path = sandbox.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        fs::write(sandbox.path().join("stderr"), "one\ntwo\nthree\n").unwrap();
        prune(sandbox.path());
        let mut left: Vec<_> = fs::read_dir(sandbox.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["log", "stderr"]);
        assert_eq!(last_words(sandbox.path(), 2), "two\nthree");
    }
}
