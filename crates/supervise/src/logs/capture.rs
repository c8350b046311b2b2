//! Keeping what a program writes after it was asked for a thread dump.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// The most that is kept: a dump of thousands of threads, and not a log.
const LIMIT: u64 = 8 * 1024 * 1024;

/// A dump being kept.
#[derive(Debug)]
pub(super) struct Capture {
    path: PathBuf,
    file: File,
    room: u64,
    any: bool,
}

impl Capture {
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: File::create(path)?,
            room: LIMIT,
            any: false,
        })
    }

    pub(super) fn observe(&mut self, bytes: &[u8]) {
        let room = usize::try_from(self.room).unwrap_or(usize::MAX);
        let kept = bytes.get(..room).unwrap_or(bytes);
        if self.file.write_all(kept).is_ok() {
            self.room = self.room.saturating_sub(kept.len() as u64);
            self.any |= !kept.is_empty();
        }
    }

    /// Copies what `source` has beyond `offset`: a file that the program writes to by itself.
    pub(super) fn copy_from(&mut self, source: &mut File, offset: u64) {
        if source.seek(SeekFrom::Start(offset)).is_err() {
            return;
        }
        let copied = io::copy(&mut source.take(self.room), &mut self.file);
        self.any |= copied.is_ok_and(|count| count > 0);
    }

    /// The file, if anything was written.
    pub(super) fn finish(self) -> Option<PathBuf> {
        if self.any {
            return Some(self.path);
        }
        let _ = std::fs::remove_file(&self.path);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_too_stuck_to_write_a_dump_leaves_no_empty_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump.txt");
        assert_eq!(Capture::begin(&path).unwrap().finish(), None);
        assert!(!path.exists());
    }

    #[test]
    fn what_was_written_before_the_request_is_not_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump.txt");
        let log = directory.path().join("stdout");
        std::fs::write(&log, "before\nFull thread dump\n").unwrap();
        let mut capture = Capture::begin(&path).unwrap();
        capture.copy_from(&mut File::open(&log).unwrap(), 7);
        assert_eq!(capture.finish(), Some(path.clone()));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "Full thread dump\n");
    }

    #[test]
    fn a_dump_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump.txt");
        let mut capture = Capture::begin(&path).unwrap();
        for _ in 0..10 {
            capture.observe(&vec![b'x'; 1024 * 1024]);
        }
        capture.finish().unwrap();
        assert_eq!(std::fs::metadata(path).unwrap().len(), LIMIT);
    }
}
