//! A log file that is rotated by size: `x.log`, then `x.log.1`, `x.log.2`, … up to a count.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// See the module's text.
#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    max_bytes: u64,
    keep: u32,
    file: File,
    size: u64,
    dropped: u64,
}

impl RotatingFile {
    /// Goes on writing to `path`, which is made if missing.
    pub(super) fn open(path: &Path, max_bytes: u64, keep: u32) -> io::Result<Self> {
        let file = append(path)?;
        Ok(Self {
            path: path.to_owned(),
            max_bytes: max_bytes.max(1),
            keep,
            size: file.metadata()?.len(),
            file,
            dropped: 0,
        })
    }

    /// Writes the bytes, changing files between lines where that is possible. What the disk does
    /// not take is dropped and counted.
    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.max_bytes.saturating_sub(self.size);
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(fitting(bytes, room, self.size == 0));
            self.append(now);
            bytes = later;
            if !bytes.is_empty() && self.rotate().is_err() {
                self.append(bytes); // Better too large a file than none.
                return;
            }
        }
    }

    /// Bytes that the disk did not take.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.file.write_all(bytes).is_ok() {
            self.size += bytes.len() as u64;
            return;
        }
        let before = self.size;
        self.size = self.file.metadata().map_or(before, |found| found.len());
        let kept = self.size.saturating_sub(before);
        self.dropped += (bytes.len() as u64).saturating_sub(kept);
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.keep == 0 {
            self.file.set_len(0)?;
            self.size = 0;
            return Ok(());
        }
        for older in (1..self.keep).rev() {
            match fs::rename(self.generation(older), self.generation(older + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.generation(1))?;
        self.file = append(&self.path)?;
        self.size = 0;
        Ok(())
    }

    fn generation(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// How many of the bytes go into this file: all if there is room; otherwise whole lines; a line
/// that no file could hold is split.
fn fitting(bytes: &[u8], room: usize, file_is_empty: bool) -> usize {
    let Some(head) = bytes.get(..room) else {
        return bytes.len();
    };
    if bytes.len() == room {
        return room;
    }
    match head.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => end + 1,
        None if file_is_empty => room,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(directory: &Path, name: &str) -> String {
        fs::read_to_string(directory.join(name)).unwrap_or_default()
    }

    #[test]
    fn files_change_between_lines_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        let mut file = RotatingFile::open(&path, 10, 2).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n", "five\n", "six\n"] {
            file.write(line.as_bytes());
        }
        let texts: Vec<String> = ["x.log.3", "x.log.2", "x.log.1", "x.log"]
            .map(|n| read(directory.path(), n))
            .into();
        assert_eq!(texts, ["", "three\n", "four\nfive\n", "six\n"]);
    }

    #[test]
    fn a_restart_goes_on_where_the_file_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        RotatingFile::open(&path, 10, 1).unwrap().write(b"before\n");
        RotatingFile::open(&path, 10, 1).unwrap().write(b"after\n");
        assert_eq!(read(directory.path(), "x.log.1"), "before\n");
        assert_eq!(read(directory.path(), "x.log"), "after\n");
    }

    #[test]
    fn keeping_no_generation_empties_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        let mut file = RotatingFile::open(&path, 4, 0).unwrap();
        file.write(b"one\ntwo\n");
        assert_eq!(read(directory.path(), "x.log"), "two\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_disk_is_counted_and_not_an_end() {
        let mut file = RotatingFile::open(Path::new("/dev/full"), 1000, 1).unwrap();
        file.write(b"lost\n");
        file.write(b"too\n");
        assert_eq!(file.dropped(), 9);
    }

    proptest! {
        #[test]
        fn with_enough_generations_no_byte_is_lost_and_no_file_is_too_large(
            chunks in prop::collection::vec("[ab\n]{0,12}", 0..12), max in 1_u64..20,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("x.log");
            let mut file = RotatingFile::open(&path, max, 200).unwrap();
            for chunk in &chunks {
                file.write(chunk.as_bytes());
            }
            let mut text = String::new();
            for number in (1..200).rev() {
                let older = read(directory.path(), &format!("x.log.{number}"));
                prop_assert!(older.len() as u64 <= max);
                text.push_str(&older);
            }
            text.push_str(&read(directory.path(), "x.log"));
            prop_assert_eq!(text, chunks.concat());
        }
    }
}
