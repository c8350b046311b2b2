//! Why the program ended, in its own words.
//!
//! Owns what it said last: the ends of its streams, and of the file that it logs to by itself.
//! Never understands a word of it: whoever knows the program hands over the reading.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::end::Ended;
use super::verdict::Verdict;

/// A run that ends in this time never got beyond its start. Two of them in a row that ended for the
/// same reason leave a third no hope.
pub const START_OF_A_RUN: Duration = Duration::from_secs(60);

/// How much of a log file's end is read.
const LOG_BYTES: u64 = 256 * 1024;

/// Why a run of the program ended, as far as it said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Cause {
    /// In one line, for people.
    pub text: String,
    /// The same for two runs that failed in the same way; absent where a further run may well
    /// fare better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likeness: Option<String>,
}

/// What the program said last, oldest line first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastWords {
    /// On standard error, as far as the supervisor sees it.
    pub stderr: String,
    /// On standard output, as far as the supervisor sees it.
    pub stdout: String,
    /// In its log file, since this run began.
    pub log: String,
}

/// Reads the cause from the last words, if they hold one.
pub type ReadCause = fn(&LastWords) -> Option<Cause>;

/// For a program whose words nobody can read.
pub const fn no_cause(_: &LastWords) -> Option<Cause> {
    None
}

/// A file that the program logs to by itself.
#[derive(Debug)]
pub(super) struct ProgramLog {
    path: PathBuf,
    /// What was there when the run began: which file, and how long it was.
    before: Option<(u64, u64)>,
}

impl ProgramLog {
    /// The log as it is before a run.
    pub(super) fn at_start(path: &Path) -> Self {
        let found = fs::metadata(path).ok();
        Self {
            path: path.to_owned(),
            before: found.map(|found| (found.ino(), found.len())),
        }
    }

    /// The end of what the run has logged.
    pub(super) fn last_words(&self) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let found = file.metadata()?;
            let start = match self.before {
                Some((inode, length)) if inode == found.ino() && length <= found.len() => length,
                _ => 0,
            };
            let from = start.max(found.len().saturating_sub(LOG_BYTES));
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.take(LOG_BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }
}

/// Whether the program ended of its own accord and may have said why: it was neither asked to end
/// nor killed by somebody else.
pub(super) fn is_its_own(verdict: Verdict) -> bool {
    let own = |ended| match ended {
        // 128 + HUP, INT or TERM: a JVM that somebody else told to end.
        Ended::Exited(code) => !matches!(code, 0 | 129 | 130 | 143),
        Ended::Signaled { signal, .. } => signal.is_of_a_crash(),
    };
    match verdict {
        Verdict::Ended(ended) => own(ended),
        Verdict::RestartsExhausted { ended, .. } | Verdict::FailedAlike { ended } => {
            ended.is_some_and(own)
        }
        Verdict::Stopped { .. }
        | Verdict::StoppedBeforeStart
        | Verdict::StartFailed
        | Verdict::Unhealthy { .. }
        | Verdict::ParentGone { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signal;

    #[test]
    fn only_what_a_run_logged_itself_counts_and_a_new_file_is_all_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        fs::write(&path, "earlier\n").unwrap();
        let log = ProgramLog::at_start(&path);
        assert_eq!(log.last_words(), "");
        fs::write(&path, "earlier\nmine\n").unwrap();
        assert_eq!(log.last_words(), "mine\n");
        let rolled = directory.path().join("x.log.1");
        fs::rename(&path, rolled).unwrap();
        fs::write(&path, "all of it is mine\n").unwrap();
        assert_eq!(log.last_words(), "all of it is mine\n");
        let none = ProgramLog::at_start(&directory.path().join("none"));
        assert_eq!(none.last_words(), "");
    }

    #[test]
    fn who_was_killed_or_asked_to_end_gives_no_reason_of_its_own() {
        let of = |signal| {
            Verdict::Ended(Ended::Signaled {
                signal,
                core: false,
            })
        };
        assert!(is_its_own(Verdict::Ended(Ended::Exited(1))));
        assert!(is_its_own(of("ABRT".parse().unwrap())));
        assert!(!is_its_own(of(Signal::KILL)));
        assert!(!is_its_own(Verdict::Ended(Ended::Exited(0))));
        assert!(!is_its_own(Verdict::Ended(Ended::Exited(143))));
        assert!(!is_its_own(Verdict::ParentGone { ended: None }));
    }
}
