//! What sort of archive a file is, by its first bytes. Names prove nothing.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// The formats that are understood, and the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Tar,
    Gzip,
    Zstd,
    Zip,
    Unknown(&'static str),
}

pub(super) fn sniff(file: &File) -> io::Result<Format> {
    let mut first = [0; 512];
    let mut length = 0;
    while let Some(rest) = first.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    Ok(of(first.get(..length).unwrap_or_default()))
}

fn of(first: &[u8]) -> Format {
    if first.get(257..262) == Some(b"ustar") || is_old_header(first) {
        return Format::Tar;
    }
    match first {
        [0x1f, 0x8b, ..] => Format::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Format::Zstd,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Format::Zip,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Unknown("compressed with xz"),
        [b'B', b'Z', b'h', ..] => Format::Unknown("compressed with bzip2"),
        [b'7', b'z', 0xbc, 0xaf, ..] => Format::Unknown("a 7z archive"),
        [] => Format::Unknown("empty"),
        _ => Format::Unknown("no archive"),
    }
}

/// A header from before ustar has no magic, but its checksum is as good as one. A block of zeros
/// is an archive of nothing.
fn is_old_header(first: &[u8]) -> bool {
    let mut header = tar::Header::new_old();
    let bytes = header.as_mut_bytes();
    if first.len() != bytes.len() {
        return false;
    }
    bytes.copy_from_slice(first);
    let sum: u32 = first
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(*byte)
            }
        })
        .sum();
    first.iter().all(|byte| *byte == 0) || header.cksum().is_ok_and(|claimed| claimed == sum)
}
