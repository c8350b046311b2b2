//! Copying a file and hashing it in one pass.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;

use sha2::{Digest as _, Sha256};

use flugs_base::Sha256Digest;

/// One step of a copy: small enough that what was just written is still in the CPU's cache when
/// it is position, large enough for the kernel to share extents where the file system can.
const STEP: u64 = 1 << 20;

/// Copies `source` to the empty file `target`; gives the digest and length of what was written.
///
/// The kernel copies (`copy_file_range`, so a reflink where the file system has them), and it is
/// the copy that is position: a source that changes meanwhile cannot get a wrong name.
pub(crate) fn copy_hashed(source: &File, target: &File) -> io::Result<(Sha256Digest, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut position = 0;
    let (mut from, mut to) = (source, target);
    loop {
        let copied = io::copy(&mut (&mut from).take(STEP), &mut to)?;
        if copied == 0 {
            return Ok((Sha256Digest::from_bytes(hasher.finalize().into()), position));
        }
        let end = position + copied;
        while position < end {
            let read = target.read_at(&mut buffer, position)?;
            let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            hasher.update(piece);
            position += piece.len() as u64;
        }
    }
}

/// The digest and length of an open file, from its start.
pub(crate) fn hash_file(file: &File) -> io::Result<(Sha256Digest, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut position = 0;
    loop {
        let read = file.read_at(&mut buffer, position)?;
        match buffer.get(..read) {
            Some(piece) if !piece.is_empty() => hasher.update(piece),
            _ => return Ok((Sha256Digest::from_bytes(hasher.finalize().into()), position)),
        }
        position += read as u64;
    }
}
