//! Which digest a file elsewhere had when it was last added, so that adding it again is a stat.
//!
//! One small file an entry, replaced by rename: no lock, nothing to repair after a crash. A lost
//! or damaged entry costs a rehash and nothing else.

use std::fs::Metadata;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use flugs_base::Sha256Digest;

/// A file changed within one tick of its own time stamp looks unchanged, so a file younger than
/// this is not remembered (git calls the same trap "racily clean").
const SETTLED: Duration = Duration::from_millis(100);

/// What is compared to tell whether a file is the one that was hashed. `ctime` cannot be set
/// back by `touch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileState {
    device: u64,
    inode: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    state: FileState,
    sha256: Sha256Digest,
}

/// The place of one path's entry.
pub(super) struct Entry {
    file: PathBuf,
}

impl FileState {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn settled(&self, now: SystemTime) -> bool {
        let seconds = u64::try_from(self.ctime.0).unwrap_or_default();
        let nanos = u32::try_from(self.ctime.1).unwrap_or_default();
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        now.duration_since(changed).is_ok_and(|age| age >= SETTLED)
    }
}

impl Entry {
    /// The entry for a path, which is made absolute first.
    pub(super) fn locate(root: &Path, path: &Path) -> io::Result<Self> {
        let absolute = std::path::absolute(path)?;
        let name = Sha256Digest::of(absolute.as_os_str().as_bytes());
        Ok(Self {
            file: root.join("known").join(name.to_string()),
        })
    }

    /// The digest, if the file is still as it was.
    pub(super) fn recall(&self, state: &FileState) -> Option<Sha256Digest> {
        let bytes = std::fs::read(&self.file).ok()?;
        let record: Record = serde_json::from_slice(&bytes).ok()?;
        (record.state == *state).then_some(record.sha256)
    }

    /// Remembers the digest. A failure costs a rehash next time, so it is not reported.
    pub(super) fn remember(&self, state: &FileState, digest: &Sha256Digest) {
        if !state.settled(SystemTime::now()) {
            return;
        }
        let record = Record {
            state: state.clone(),
            sha256: *digest,
        };
        let write = || -> io::Result<()> {
            let directory = self.file.parent().unwrap_or(Path::new("."));
            let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
            temporary.write_all(&serde_json::to_vec(&record)?)?;
            temporary.persist(&self.file)?;
            Ok(())
        };
        let _ = write();
    }
}
