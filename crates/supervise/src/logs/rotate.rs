//! A log file that is rotated by size: `x.log`, then `x.log.1`, `x.log.2`, … up to a count.
//!
//! A symbolic link stays one: what it leads to is rotated. A file that has to stay the one it is (a
//! mount's place, or with a second name) is copied and emptied. A device or a pipe has no end that
//! could be reached.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flugs_base::destination::Target;

/// See the module's text.
#[derive(Debug)]
pub(super) struct RotatingFile {
    /// What is rotated; `None` for a device or a pipe.
    path: Option<PathBuf>,
    max_bytes: u64,
    keep: u32,
    file: File,
    size: u64,
    dropped: u64,
}

impl RotatingFile {
    /// Goes on writing to `path`, which is made if missing.
    pub(super) fn open(path: &Path, max_bytes: u64, keep: u32) -> io::Result<Self> {
        let (file, path) = match Target::of(path)? {
            Target::Replaceable(path) | Target::Kept(path) => (append(&path)?, Some(path)),
            // Nobody waits for a pipe's reader.
            stream @ Target::Stream(_) => (stream.open_at_once()?, None),
        };
        Ok(Self {
            path,
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
            let Some(path) = self.path.clone() else {
                return self.append(bytes);
            };
            let room = self.max_bytes.saturating_sub(self.size);
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(fitting(bytes, room, self.size == 0));
            self.append(now);
            bytes = later;
            if !bytes.is_empty() && self.rotate(&path).is_err() {
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

    fn rotate(&mut self, path: &Path) -> io::Result<()> {
        if self.keep == 0 {
            return self.empty();
        }
        for older in (1..self.keep).rev() {
            match fs::rename(generation(path, older), generation(path, older + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        // It may have become another's or a mount's place meanwhile.
        if let Ok(Target::Kept(_)) = Target::of(path) {
            fs::copy(path, generation(path, 1))?;
            return self.empty();
        }
        fs::rename(path, generation(path, 1))?;
        self.file = append(path)?;
        self.size = 0;
        Ok(())
    }

    fn empty(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.size = 0;
        Ok(())
    }
}

fn generation(path: &Path, number: u32) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(format!(".{number}"));
    PathBuf::from(name)
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
    fn a_link_stays_one_and_a_file_with_another_name_keeps_both() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("below")).unwrap();
        std::os::unix::fs::symlink("below/real.log", at("link.log")).unwrap();
        let mut file = RotatingFile::open(&at("link.log"), 4, 2).unwrap();
        file.write(b"one\ntwo\n");
        assert!(at("link.log").is_symlink());
        assert_eq!(read(directory.path(), "link.log"), "two\n");
        assert_eq!(read(directory.path(), "below/real.log.1"), "one\n");

        fs::write(at("kept.log"), "").unwrap();
        fs::hard_link(at("kept.log"), at("other.log")).unwrap();
        let mut file = RotatingFile::open(&at("kept.log"), 6, 2).unwrap();
        file.write(b"one\ntwo\nthree\n");
        let texts = ["kept.log.2", "kept.log.1", "kept.log", "other.log"];
        let texts = texts.map(|name| read(directory.path(), name));
        assert_eq!(texts, ["one\n", "two\n", "three\n", "three\n"]);
    }

    #[test]
    fn a_device_and_a_pipe_are_written_to_whatever_comes_and_stay() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // Without a reader there is no waiting.
        assert!(RotatingFile::open(&pipe, 4, 2).is_err());
        let mut both = OpenOptions::new();
        let mut reader = both.read(true).write(true).open(&pipe).unwrap();
        for path in [Path::new("/dev/null"), &pipe] {
            let mut file = RotatingFile::open(path, 4, 2).unwrap();
            file.write(b"one\ntwo\nthree\n");
            assert_eq!(file.dropped(), 0);
            assert!(!fs::metadata(path).unwrap().is_file());
        }
        let mut written = [0; 14];
        io::Read::read_exact(&mut reader, &mut written).unwrap();
        assert_eq!(&written, b"one\ntwo\nthree\n");
        assert!(!Path::new("/dev/null.1").exists());
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
