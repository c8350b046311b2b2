//! Entries of a tar archive, through the `tar` crate, and the strictness that it leaves to us.

use std::collections::BTreeSet;
use std::io::{self, Read};

use tar::EntryType;

use super::error::Problem;
use super::header;
use super::policy::{Entry, Kind, Limits, Policy};
use super::rule::Rule;
use super::stream::Watched;
use super::writer::Sink;

/// An extended header longer than this serves no purpose.
const LONGEST_GLOBAL_HEADER: u64 = 64 << 10;

/// Reads all entries of a decompressed stream, then the stream to its end.
pub(super) fn read(
    stream: impl Read,
    policy: &mut Policy,
    limits: Limits,
    sink: &mut dyn Sink,
) -> Result<(), Problem> {
    let (most, too_long) = policy.most_stream_bytes();
    let (stream, seen) = Watched::new(stream, limits, most, too_long);
    let mut archive = tar::Archive::new(stream);
    let mut entries_end = 0_u64;
    let mut entries = archive.entries().map_err(Problem::Archive)?;
    loop {
        let start = seen.keep();
        let Some(entry) = entries.next() else {
            break;
        };
        let mut entry = entry.map_err(Problem::Archive)?;
        let kept = seen.kept();
        // What is left of the padding behind the entry before comes first.
        let padding = usize::try_from(entries_end.saturating_sub(start)).unwrap_or(usize::MAX);
        let name = || String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        header::check_all(kept.get(padding..).unwrap_or_default())
            .map_err(|rule| Problem::Entry(name(), rule))?;
        let content = entry.size().next_multiple_of(512);
        entries_end = entry.raw_file_position().saturating_add(content);
        if entry.header().entry_type() == EntryType::XGlobalHeader {
            check_global(&mut entry)?;
            continue;
        }
        take(&mut entry, policy, sink)?;
    }
    seen.kept();
    // The decoder checks its own trailer (CRC, length) only when it is read to the end.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(Problem::Archive)?;
    seen.check_end(entries_end).map_err(Problem::Whole)
}

fn take<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    policy: &mut Policy,
    sink: &mut dyn Sink,
) -> Result<(), Problem> {
    let name = entry.path_bytes().into_owned();
    let about = |rule| Problem::Entry(String::from_utf8_lossy(&name).into_owned(), rule);
    check_extended(entry).map_err(about)?;
    let claimed = entry.header().entry_size().map_err(Problem::Archive)?;
    let size = entry.size();
    if claimed != 0 && claimed != size {
        return Err(about(Rule::SizesDisagree {
            first: claimed,
            second: size,
        }));
    }
    let target = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
    let mode = entry.header().mode().map_err(Problem::Archive)?;
    let described = Entry {
        name: &name,
        kind: kind(entry.header().entry_type(), target.as_deref()),
        size,
        mode: mode & 0o7777,
    };
    let accepted = policy.admit(&described).map_err(about)?;
    sink.take(accepted, size, entry)
}

fn kind(entry_type: EntryType, target: Option<&[u8]>) -> Kind<'_> {
    match entry_type {
        EntryType::Regular => Kind::File,
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Link(target.unwrap_or_default()),
        EntryType::Link => Kind::Refused(Rule::HardLink),
        EntryType::Char | EntryType::Block => Kind::Refused(Rule::Device),
        EntryType::Fifo => Kind::Refused(Rule::Fifo),
        EntryType::GNUSparse => Kind::Refused(Rule::Sparse),
        other => Kind::Refused(Rule::Kind {
            kind: char::from(other.as_byte()).escape_default().to_string(),
        }),
    }
}

/// Every record must be readable, each key once. Parsers that skipped what they could not read
/// have disagreed about where the next entry begins more than once.
fn check_extended<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<(), Rule> {
    let unreadable = |_| Rule::ExtendedHeader {
        reason: "a record cannot be read",
    };
    let Some(records) = entry.pax_extensions().map_err(unreadable)? else {
        return Ok(());
    };
    let mut keys = BTreeSet::new();
    for record in records {
        let record = record.map_err(unreadable)?;
        let key = record.key().map_err(|_| Rule::NotUtf8)?;
        if key.starts_with("GNU.sparse.") {
            return Err(Rule::Sparse);
        }
        if key == "hdrcharset" {
            return Err(Rule::ExtendedHeader {
                reason: "it changes the character set of names",
            });
        }
        if key == "size" && !record.value_bytes().iter().all(u8::is_ascii_digit) {
            return Err(Rule::ExtendedHeader {
                reason: "its size is no number",
            });
        }
        if !keys.insert(key.to_owned()) {
            return Err(Rule::ExtendedHeader {
                reason: "it gives the same key twice",
            });
        }
    }
    Ok(())
}

/// `git archive` writes a global header with a comment. One with anything else would change
/// entries, and not every parser heeds it.
fn check_global<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<(), Problem> {
    let about = |rule| Problem::Entry("(global header)".to_owned(), rule);
    let malformed = |reason| about(Rule::ExtendedHeader { reason });
    if entry.size() > LONGEST_GLOBAL_HEADER {
        return Err(malformed("it is too long"));
    }
    let mut records = Vec::new();
    entry.read_to_end(&mut records).map_err(Problem::Archive)?;
    for record in tar::PaxExtensions::new(&records) {
        let record = record.map_err(|_| malformed("a record cannot be read"))?;
        let key = record.key().unwrap_or("(not UTF-8)");
        if key != "comment" {
            let key = key.to_owned();
            return Err(about(Rule::GlobalHeader { key }));
        }
    }
    Ok(())
}
