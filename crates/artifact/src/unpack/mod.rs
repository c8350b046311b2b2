//! The unpacker: archives that users bring, under rules of its own.
//!
//! Archive libraries unpack what they can and skip what they dislike. Here an archive is right as
//! a whole or not unpacked at all: every entry passes one policy (`policy`), is written below a
//! fresh private directory and never through a link (`tree`), and the directory gets its name
//! when all of it is there. The caller has checked the digest before the first byte is parsed.

mod error;
mod format;
mod header;
mod policy;
mod rule;
mod stream;
mod tarball;
mod tree;
mod writer;
mod zipfile;

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;

pub use error::UnpackError;
pub use policy::{Accepted, Entry, Kind, Limits, Node, Policy};
pub use rule::Rule;

use super::store::hash_file;
use error::Problem;
use flugs_base::Sha256Digest;
use format::Format;
use tree::Tree;
use writer::{Plan, Sink, Writer};

/// What was unpacked, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Entries, directories included.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
}

/// Unpacks an archive whose digest has been checked. `dest` must not exist or be an empty
/// directory; it is there whole afterwards, or as it was.
pub fn unpack(archive: &Path, dest: &Path, limits: &Limits) -> Result<Unpacked, UnpackError> {
    let file = open(archive)?;
    unpack_open(&file, archive, dest, limits)
}

/// Checks the digest first, then unpacks the very file that was checked.
pub fn unpack_verified(
    archive: &Path,
    sha256: &Sha256Digest,
    dest: &Path,
    limits: &Limits,
) -> Result<Unpacked, UnpackError> {
    let file = open(archive)?;
    let (found, _) = hash_file(&file).map_err(|source| UnpackError::Read {
        path: archive.to_owned(),
        source,
    })?;
    if found != *sha256 {
        return Err(UnpackError::Digest {
            path: archive.to_owned(),
            expected: *sha256,
            found,
        });
    }
    unpack_open(&file, archive, dest, limits)
}

/// Reads an archive under all rules and lists what it holds, in its order; writes nothing.
pub fn list(archive: &Path, limits: &Limits) -> Result<Vec<(Accepted, u64)>, UnpackError> {
    let file = open(archive)?;
    let mut plan = Plan::default();
    read(&file, limits, &mut plan).map_err(|problem| problem.about(archive, archive))?;
    Ok(plan.entries)
}

/// Reads archive bytes under all rules without touching the file system; for fuzzing.
#[doc(hidden)]
pub fn probe_tar(bytes: &[u8], limits: &Limits) -> Result<u64, String> {
    let mut plan = Plan::default();
    let mut policy = Policy::new(*limits, bytes.len() as u64);
    tarball::read(bytes, &mut policy, *limits, &mut plan)
        .map(|()| plan.entries.len() as u64)
        .map_err(|problem| problem.to_string())
}

/// Reads a zip archive's bytes under all rules without touching the file system; for fuzzing.
#[doc(hidden)]
pub fn probe_zip(bytes: &[u8], limits: &Limits) -> Result<u64, String> {
    let mut plan = Plan::default();
    let mut policy = Policy::new(*limits, bytes.len() as u64);
    zipfile::read(io::Cursor::new(bytes), &mut policy, *limits, &mut plan)
        .map(|()| plan.entries.len() as u64)
        .map_err(|problem| problem.to_string())
}

fn unpack_open(
    file: &File,
    archive: &Path,
    dest: &Path,
    limits: &Limits,
) -> Result<Unpacked, UnpackError> {
    let unwritable = |source| UnpackError::Write {
        path: dest.to_owned(),
        source,
    };
    if fs::read_dir(dest).is_ok_and(|mut entries| entries.next().is_some()) || is_other(dest) {
        return Err(UnpackError::Exists {
            path: dest.to_owned(),
        });
    }
    if let Some(parent) = dest
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        fs::create_dir_all(parent).map_err(unwritable)?;
    }
    let mut writer = Writer::new(Tree::beside(dest).map_err(unwritable)?);
    read(file, limits, &mut writer).map_err(|problem| problem.about(archive, dest))?;
    let (tree, unpacked) = writer
        .finish()
        .map_err(|problem| problem.about(archive, dest))?;
    tree.publish(dest).map_err(unwritable)?;
    Ok(unpacked)
}

/// Whether something that is no directory stands there.
fn is_other(dest: &Path) -> bool {
    fs::symlink_metadata(dest).is_ok_and(|metadata| !metadata.is_dir())
}

/// Reads every entry into `sink`, whatever the format.
fn read(file: &File, limits: &Limits, sink: &mut dyn Sink) -> Result<(), Problem> {
    let size = file.metadata().map_err(Problem::Archive)?.len();
    let mut policy = Policy::new(*limits, size);
    let reader = BufReader::with_capacity(256 << 10, file);
    match format::sniff(file).map_err(Problem::Archive)? {
        Format::Tar => tarball::read(reader, &mut policy, *limits, sink),
        Format::Gzip => {
            let decoder = flate2::bufread::MultiGzDecoder::new(reader);
            tarball::read(decoder, &mut policy, *limits, sink)
        }
        Format::Zstd => {
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(reader).map_err(Problem::Archive)?;
            // 128 MiB, what `zstd -19` needs at most; `--ultra --long` may claim 2 GiB of memory.
            decoder.window_log_max(27).map_err(Problem::Archive)?;
            tarball::read(decoder, &mut policy, *limits, sink)
        }
        Format::Zip => zipfile::read(reader, &mut policy, *limits, sink),
        Format::Unknown(what) => Err(Problem::Format(what)),
    }
}

fn open(archive: &Path) -> Result<File, UnpackError> {
    File::open(archive).map_err(|source| UnpackError::Read {
        path: archive.to_owned(),
        source,
    })
}
