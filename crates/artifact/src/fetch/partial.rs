//! A file that is still coming: what of it is here, and what it was being read from.
//!
//! The file and a small record beside it outlive the process, so that a fetch which was killed
//! goes on where it was. The record may lag behind the file, never the other way round; and
//! whatever both say, the digest decides in the end.

use std::cell::{Cell, RefCell};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::follow::HashFollower;
use flugs_base::Sha256Digest;

/// The record is brought up to date after so many bytes.
const RECORD_EVERY: u64 = 8 << 20;

/// How often a fetch looks whether another process has finished with the same artifact.
const LOCK_POLL: Duration = Duration::from_millis(15);

/// A part of the file that one request fills, from its start on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) done: Cell<u64>,
}

/// What is known of where the bytes came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    /// The URL as messages show it.
    pub(super) url: String,
    /// The strong entity tag of what was being read; without one there is no resuming.
    pub(super) etag: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    size: u64,
    origin: Origin,
    segments: Vec<Segment>,
}

/// A file that is still coming. Locked: no other process writes to it meanwhile.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) file: File,
    pub(super) path: PathBuf,
    record_path: PathBuf,
    size: u64,
    pub(super) origin: Origin,
    pub(super) segments: Vec<Segment>,
    unrecorded: Cell<u64>,
    follower: RefCell<HashFollower>,
}

impl Segment {
    fn whole(size: u64) -> Self {
        Self {
            start: 0,
            end: size,
            done: Cell::new(0),
        }
    }

    /// Where the next byte goes.
    pub(super) fn next(&self) -> u64 {
        self.start + self.done.get()
    }

    pub(super) fn missing(&self) -> u64 {
        self.end.saturating_sub(self.next())
    }
}

impl Partial {
    /// Opens or makes the partial file for an artifact, once no other process works at it.
    pub(super) async fn open(
        directory: &Path,
        digest: &Sha256Digest,
        size: u64,
    ) -> io::Result<Self> {
        let path = directory.join(format!("{digest}.part"));
        let record_path = directory.join(format!("{digest}.part.json"));
        let file = loop {
            let opened = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&path);
            let file = match opened {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    wait_for_publisher(&path, error)?;
                    tokio::time::sleep(LOCK_POLL).await;
                    continue;
                }
                opened => opened?,
            };
            match file.try_lock() {
                // Who held it may have published it, which takes the name away.
                Ok(()) if is_at(&file, &path) => break file,
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL).await,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        };
        let mut partial = Self {
            follower: RefCell::new(HashFollower::new(file.try_clone()?)),
            file,
            path,
            record_path,
            size,
            origin: Origin::default(),
            segments: vec![Segment::whole(size)],
            unrecorded: Cell::new(0),
        };
        if !partial.recall() {
            partial.reset()?;
        }
        Ok(partial)
    }

    /// Takes up what an earlier process left, if it is of use.
    fn recall(&mut self) -> bool {
        let Some(record) = fs::read(&self.record_path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok())
        else {
            return false;
        };
        let held = self.file.metadata().map_or(0, |metadata| metadata.len());
        if !record.is_sound(self.size, held) {
            return false;
        }
        self.origin = record.origin;
        self.segments = record.segments;
        true
    }

    /// Forgets everything: the next request starts at the first byte.
    pub(super) fn reset(&mut self) -> io::Result<()> {
        let _ = fs::remove_file(&self.record_path);
        self.file.set_len(0)?;
        self.origin = Origin::default();
        self.segments = vec![Segment::whole(self.size)];
        self.unrecorded.set(0);
        *self.follower.get_mut() = HashFollower::new(self.file.try_clone()?);
        Ok(())
    }

    /// Divides an empty file into parts that are fetched side by side.
    pub(super) fn split(&mut self, parts: u64) {
        let length = self.size.div_ceil(parts.max(1)).max(1);
        self.segments = (0..self.size.div_ceil(length))
            .map(|at| Segment {
                start: at * length,
                end: self.size.min((at + 1) * length),
                done: Cell::new(0),
            })
            .collect();
    }

    pub(super) fn received(&self) -> u64 {
        self.segments.iter().map(|one| one.done.get()).sum()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.segments.iter().all(|one| one.missing() == 0)
    }

    /// Writes bytes that continue a segment. The caller has made sure that they fit.
    pub(super) fn append(&self, segment: &Segment, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, segment.next())?;
        let length = bytes.len() as u64;
        segment.done.set(segment.done.get() + length);
        self.unrecorded.set(self.unrecorded.get() + length);
        self.follower.borrow_mut().advance(self.contiguous());
        if self.unrecorded.get() >= RECORD_EVERY {
            self.record();
        }
        Ok(())
    }

    /// Writes down how far the file is. Failing to costs a repeated download after a crash.
    pub(super) fn record(&self) {
        self.unrecorded.set(0);
        if self.origin.etag.is_none() {
            return;
        }
        let record = Record {
            size: self.size,
            origin: self.origin.clone(),
            segments: self.segments.clone(),
        };
        let beside = self.record_path.with_extension("json.new");
        if let Ok(json) = serde_json::to_vec(&record) {
            let _ = fs::write(&beside, json).and_then(|()| fs::rename(&beside, &self.record_path));
        }
    }

    /// Writes down how far the file is when nothing more comes for now. What is whole is about to
    /// be moved away, so that a record of it would be work for nothing.
    pub(super) fn pause(&self) {
        if !self.is_complete() {
            self.record();
        }
    }

    /// The digest of the complete file.
    pub(super) async fn digest(&self) -> io::Result<Sha256Digest> {
        let follower = self
            .follower
            .replace(HashFollower::new(self.file.try_clone()?));
        follower.finish(self.size).await
    }

    /// Ends the download of a file that has been moved away.
    pub(super) fn forget(self) {
        let _ = fs::remove_file(&self.record_path);
    }

    /// Gives the file up: nothing of it stays.
    pub(super) fn discard(self) {
        let _ = fs::remove_file(&self.record_path);
        let _ = fs::remove_file(&self.path);
    }

    /// How many bytes from the first on are here without a gap.
    fn contiguous(&self) -> u64 {
        self.segments
            .iter()
            .find(|one| one.missing() > 0)
            .map_or(self.size, Segment::next)
    }
}

impl Record {
    /// Whether the segments tile the file, and claim no more than the file holds.
    fn is_sound(&self, size: u64, held: u64) -> bool {
        let mut at = 0;
        for segment in &self.segments {
            let length = segment.end.saturating_sub(segment.start);
            let done = segment.done.get();
            if segment.start != at || segment.end < segment.start || done > length {
                return false;
            }
            if done > 0 && segment.start + done > held {
                return false;
            }
            at = segment.end;
        }
        self.size == size && at == size && self.origin.etag.is_some()
    }
}

/// A file that may not be written to: whoever has it is about to publish it, and made it read-only
/// already. (Root never sees this.) If nobody has it, its publisher was killed between the two
/// steps, and it is made writable again. Gives back `refused` if it is neither.
fn wait_for_publisher(path: &Path, refused: io::Error) -> io::Result<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(_) => return Err(refused),
    };
    match file.try_lock() {
        Ok(()) if is_at(&file, path) => file.set_permissions(fs::Permissions::from_mode(0o600)),
        Ok(()) | Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 100;

    async fn open(directory: &Path) -> Partial {
        Partial::open(directory, &Sha256Digest::of(b"x"), SIZE)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_taken_up_where_its_record_says() {
        let directory = tempfile::tempdir().unwrap();
        let mut partial = open(directory.path()).await;
        partial.origin.etag = Some("\"e\"".to_owned());
        partial.append(&partial.segments[0], &[1; 40]).unwrap();
        partial.record();
        partial.append(&partial.segments[0], &[1; 10]).unwrap();
        drop(partial);
        let partial = open(directory.path()).await;
        assert_eq!(partial.received(), 40, "the record lags, and that is safe");
    }

    #[tokio::test]
    async fn without_a_strong_tag_or_with_a_damaged_record_it_starts_over() {
        let directory = tempfile::tempdir().unwrap();
        let partial = open(directory.path()).await;
        partial.append(&partial.segments[0], &[1; 40]).unwrap();
        partial.record();
        let record = partial.record_path.clone();
        drop(partial);
        assert_eq!(open(directory.path()).await.received(), 0);
        for damaged in [
            "{",
            r#"{"size":100,"origin":{"url":"","etag":"\"e\""},"segments":[{"start":0,"end":100,"done":41}]}"#,
            r#"{"size":100,"origin":{"url":"","etag":"\"e\""},"segments":[{"start":0,"end":90,"done":1}]}"#,
            r#"{"size":99,"origin":{"url":"","etag":"\"e\""},"segments":[{"start":0,"end":99,"done":1}]}"#,
        ] {
            fs::write(&record, damaged).unwrap();
            assert_eq!(open(directory.path()).await.received(), 0, "{damaged}");
        }
    }

    #[test]
    fn a_file_that_is_being_published_is_waited_for_and_a_deserted_one_is_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.part");
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(wait_for_publisher(&path, refused()).is_ok(), "it has gone");
        let publisher = File::create(&path).unwrap();
        publisher
            .set_permissions(fs::Permissions::from_mode(0o444))
            .unwrap();
        publisher.try_lock().unwrap();
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        wait_for_publisher(&path, refused()).unwrap();
        assert_eq!(mode(), 0o444, "its publisher has it");
        drop(publisher);
        wait_for_publisher(&path, refused()).unwrap();
        assert_eq!(mode(), 0o600, "nobody has it");
    }

    #[tokio::test]
    async fn segments_tile_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let mut partial = open(directory.path()).await;
        for parts in 1..=7 {
            partial.split(parts);
            let ends = partial.segments.iter().map(|one| one.end);
            let starts = partial.segments.iter().skip(1).map(|one| one.start);
            assert!(
                ends.zip(starts.chain([SIZE]))
                    .all(|(end, next)| end == next)
            );
            assert_eq!(partial.segments.len() as u64, parts);
        }
    }
}
