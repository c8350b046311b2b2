//! Entries of a zip archive, through the `zip` crate, and the strictness that it leaves to us.
//!
//! A zip archive says everything twice: before each entry, and in the directory at its end.
//! Programs that read one half have been told other things than those that read the other, so
//! both must agree, and the parts must follow one another with nothing between or on top.

use std::io::{self, Read, Seek, SeekFrom};

use zip::ZipArchive;

use super::error::Problem;
use super::policy::{Entry, Kind, Limits, Policy};
use super::rule::Rule;
use super::stream::Watched;
use super::writer::Sink;

/// The end record without a comment (APPNOTE 4.3.16).
const END_RECORD: u64 = 22;

/// The longest target of a symbolic link.
const LONGEST_TARGET: u64 = 4096;

/// File type bits of a Unix mode.
const TYPE_BITS: u32 = 0o170_000;

/// What the directory says of an entry.
struct Listed {
    name: Vec<u8>,
    header_start: u64,
    data_start: u64,
    compressed: u64,
}

/// Reads all entries.
pub(super) fn read(
    mut reader: impl Read + Seek,
    policy: &mut Policy,
    limits: Limits,
    sink: &mut dyn Sink,
) -> Result<(), Problem> {
    let count = end_record(&mut reader)?;
    if count > limits.entries {
        let limit = limits.entries;
        return Err(Problem::Whole(Rule::Entries { limit }));
    }
    let mut archive = ZipArchive::new(reader).map_err(damaged)?;
    // The crate keeps one entry a name; the end record counts them all.
    if archive.len() as u64 != count {
        return Err(Problem::Whole(Rule::Duplicate));
    }
    let directory_start = archive.central_directory_start();
    let listed = list(&mut archive)?;
    let mut reader = archive.into_inner();
    check_layout(&mut reader, listed, directory_start)?;
    let mut archive = ZipArchive::new(reader).map_err(damaged)?;
    for index in 0..archive.len() {
        take(&mut archive, index, policy, limits, sink)?;
    }
    Ok(())
}

/// Reads the end record, which must be the file's last bytes; gives the number of entries.
fn end_record(reader: &mut (impl Read + Seek)) -> Result<u64, Problem> {
    let plain = || Problem::Whole(Rule::EndRecord);
    let length = reader.seek(SeekFrom::End(0)).map_err(Problem::Archive)?;
    let at = length.checked_sub(END_RECORD).ok_or_else(plain)?;
    reader.seek(SeekFrom::Start(at)).map_err(Problem::Archive)?;
    let mut record = [0; 22];
    reader.read_exact(&mut record).map_err(Problem::Archive)?;
    let field = |at: usize| {
        let bytes = record
            .get(at..at + 2)
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u16::from_le_bytes)
    };
    let count = field(10);
    // 0xffff sends the reader to the 64-bit records.
    let is_plain = record.starts_with(b"PK\x05\x06") && field(20) == 0 && count != u16::MAX;
    if is_plain {
        Ok(count.into())
    } else {
        Err(plain())
    }
}

fn list<R: Read + Seek>(archive: &mut ZipArchive<R>) -> Result<Vec<Listed>, Problem> {
    (0..archive.len())
        .map(|index| {
            let entry = archive.by_index_raw(index).map_err(damaged)?;
            Ok(Listed {
                name: entry.name_raw().to_vec(),
                header_start: entry.header_start(),
                data_start: entry.data_start().unwrap_or(entry.header_start()),
                compressed: entry.compressed_size(),
            })
        })
        .collect()
}

/// Header, data and an optional descriptor, entry after entry from the file's first byte to the
/// directory: no overlap (the quoted-overlap bomb), no gap where something could hide.
fn check_layout(
    reader: &mut (impl Read + Seek),
    mut listed: Vec<Listed>,
    directory_start: u64,
) -> Result<(), Problem> {
    listed.sort_by_key(|entry| entry.header_start);
    let mut at = 0;
    for entry in &listed {
        let about = |rule| Problem::Entry(String::from_utf8_lossy(&entry.name).into_owned(), rule);
        if entry.header_start != at || entry.data_start < entry.header_start {
            return Err(about(Rule::Layout));
        }
        let header = local_header(reader, entry.header_start).map_err(Problem::Archive)?;
        if header.name != entry.name {
            return Err(about(Rule::DirectoryDisagrees { about: "name" }));
        }
        at = entry.data_start.saturating_add(entry.compressed);
        if header.has_descriptor {
            at = skip_descriptor(reader, at, entry.compressed).map_err(Problem::Archive)?;
        } else if header.compressed != u32::MAX && u64::from(header.compressed) != entry.compressed
        {
            return Err(about(Rule::DirectoryDisagrees { about: "size" }));
        }
    }
    if at == directory_start {
        Ok(())
    } else {
        Err(Problem::Whole(Rule::Layout))
    }
}

/// The part of a local header that could differ from the directory (APPNOTE 4.3.7).
struct LocalHeader {
    name: Vec<u8>,
    compressed: u32,
    has_descriptor: bool,
}

fn local_header(reader: &mut (impl Read + Seek), start: u64) -> io::Result<LocalHeader> {
    reader.seek(SeekFrom::Start(start))?;
    let mut fixed = [0; 30];
    reader.read_exact(&mut fixed)?;
    let [.., s0, s1, s2, s3, _, _, _, _, n0, n1, _, _] = fixed;
    let mut name = vec![0; u16::from_le_bytes([n0, n1]).into()];
    reader.read_exact(&mut name)?;
    let [_, _, _, _, _, _, flags, ..] = fixed;
    Ok(LocalHeader {
        name,
        compressed: u32::from_le_bytes([s0, s1, s2, s3]),
        has_descriptor: flags & 0b1000 != 0,
    })
}

/// Where a data descriptor ends: with or without its signature, with sizes of 4 or 8 bytes
/// (APPNOTE 4.3.9). The one whose compressed size is right is the one.
fn skip_descriptor(
    reader: &mut (impl Read + Seek),
    start: u64,
    compressed: u64,
) -> io::Result<u64> {
    reader.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    reader.take(24).read_to_end(&mut bytes)?;
    let signed = if bytes.starts_with(b"PK\x07\x08") {
        4
    } else {
        0
    };
    let size_at = signed + 4;
    let long = bytes.get(size_at..size_at + 8);
    let long = long
        .and_then(|bytes| bytes.try_into().ok())
        .map(u64::from_le_bytes);
    let sizes: u64 = match long {
        Some(long) if long == compressed && bytes.len() >= size_at + 16 && long != 0 => 16,
        _ => 8,
    };
    Ok(start + size_at as u64 + sizes)
}

fn take<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    index: usize,
    policy: &mut Policy,
    limits: Limits,
    sink: &mut dyn Sink,
) -> Result<(), Problem> {
    let raw = archive.by_index_raw(index).map_err(damaged)?;
    let name = raw.name_raw().to_vec();
    let encrypted = raw.encrypted();
    drop(raw);
    let about = |rule| Problem::Entry(String::from_utf8_lossy(&name).into_owned(), rule);
    if encrypted {
        return Err(about(Rule::Encrypted));
    }
    let mut entry = archive.by_index(index).map_err(damaged)?;
    let size = entry.size();
    // The crate's own reading drops bits that matter here. Archives made where there are no modes
    // have none set.
    let unix = entry.external_attributes() >> 16;
    let is_directory = name.ends_with(b"/");
    let default = if is_directory { 0o755 } else { 0o644 };
    let mode = match unix & 0o7777 {
        0 => default,
        mode => mode,
    };
    let mut target = Vec::new();
    let kind = match unix & TYPE_BITS {
        0o120_000 => {
            let too_long = size > LONGEST_TARGET;
            if too_long {
                return Err(about(Rule::LongName));
            }
            entry.read_to_end(&mut target).map_err(Problem::Archive)?;
            Kind::Link(&target)
        }
        0 | 0o100_000 if !is_directory => Kind::File,
        0 | 0o040_000 if is_directory => Kind::Directory,
        0o020_000 | 0o060_000 => Kind::Refused(Rule::Device),
        0o010_000 => Kind::Refused(Rule::Fifo),
        other => Kind::Refused(Rule::Kind {
            kind: format!("{other:o}"),
        }),
    };
    let is_file = kind == Kind::File;
    let described = Entry {
        name: &name,
        size: if matches!(kind, Kind::Link(_)) {
            0
        } else {
            size
        },
        kind,
        mode,
    };
    let accepted = policy.admit(&described).map_err(about)?;
    if !is_file {
        return sink.take(accepted, 0, &mut io::empty());
    }
    let too_long = Rule::SizesDisagree {
        first: size,
        second: size.saturating_add(1),
    };
    let (mut content, _) = Watched::new(entry, limits, size, too_long);
    sink.take(accepted, size, &mut content)
}

fn damaged(error: zip::result::ZipError) -> Problem {
    Problem::Archive(match error {
        zip::result::ZipError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    })
}
