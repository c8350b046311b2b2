//! The directories of members: where they are, and what stays of them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::fleet::Ending;
use flugs_base::Sha256Digest;
use flugs_model::WorkerId;
use flugs_supervise::ExitReport;

const REPORT: &str = "exit-report.json";

/// What an ended member leaves for people: its logs and its exit report. All else can be made
/// again from the artifact store.
const KEPT: [&str; 4] = ["log", "stdout", "stderr", REPORT];

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

/// Forgets how an earlier member in the same directory ended: the next may not get to say it.
pub(super) fn forget_end(sandbox: &Path) {
    let _ = fs::remove_file(sandbox.join(REPORT));
}

/// Why a member ended, by its own exit report.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct LastReport {
    /// In one line, if it says more than an exit code does.
    pub(super) reason: Option<String>,
    /// Stands for the reason where two can be compared.
    pub(super) likeness: Option<Sha256Digest>,
    /// The last lines of standard error, if the supervisor saw them.
    lines: Vec<String>,
}

impl LastReport {
    /// Reads the report that an ended member left, if it left one.
    pub(super) fn read(sandbox: &Path) -> Self {
        let bytes = fs::read(sandbox.join(REPORT)).unwrap_or_default();
        let Ok(report) = ExitReport::parse(&bytes) else {
            return Self::default();
        };
        let says_more = report.says_more();
        let likeness = report.cause.as_ref().and_then(|one| one.likeness.as_ref());
        let likeness = likeness.map(|text| Sha256Digest::of(text.as_bytes()));
        let of_program = report.cause.map(|cause| cause.text);
        Self {
            reason: of_program.or_else(|| says_more.then_some(report.message)),
            likeness,
            lines: report.last_error_lines,
        }
    }

    /// How the member ended, for the fleet.
    pub(super) fn ending(&self, code: u8) -> Ending {
        match self.likeness {
            Some(likeness) => Ending::Failed { code, likeness },
            None => Ending::Exited { code },
        }
    }

    /// What it said last: its reason, or the last lines of its standard error.
    pub(super) fn last_words(&self) -> String {
        let lines = || self.lines.join("\n");
        self.reason.clone().unwrap_or_else(lines)
    }
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

    #[test]
    fn an_ended_members_report_says_why_and_whether_two_are_alike() {
        use flugs_supervise::{Cause, Phase, Reason};
        let sandbox = tempfile::tempdir().unwrap();
        let mut report = ExitReport::new(
            "jobmanager",
            Phase::Run,
            Reason::Exited,
            std::time::SystemTime::UNIX_EPOCH,
        );
        report.last_error_lines = vec!["a".to_owned(), "b".to_owned()];
        let write = |report: &ExitReport| report.write(&sandbox.path().join(REPORT)).unwrap();
        write(&report);
        let plain = LastReport::read(sandbox.path());
        assert_eq!((plain.reason.clone(), plain.likeness), (None, None));
        assert_eq!(plain.last_words(), "a\nb");
        assert_eq!(plain.ending(1), Ending::Exited { code: 1 });
        report.cause = Some(Cause {
            text: "port 1: in use".to_owned(),
            likeness: Some("port #".to_owned()),
        });
        write(&report);
        let told = LastReport::read(sandbox.path());
        assert_eq!(told.last_words(), "port 1: in use");
        assert!(matches!(told.ending(1), Ending::Failed { code: 1, .. }));
        forget_end(sandbox.path());
        assert_eq!(LastReport::read(sandbox.path()), LastReport::default());
    }
}
