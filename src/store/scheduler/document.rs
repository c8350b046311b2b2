//! The forms in which the scheduler's state is written.
//!
//! Owns their version. Never does I/O.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use flugs_mesos::scheduler::{Change, Snapshot};

/// The version of the forms below. A reader refuses any other.
pub const SCHEDULER_VERSION: u32 = 1;

/// Why a document is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It has another version.
    Version(u64),
    /// It is not what was written; what the parser says.
    Damaged(String),
}

/// The first line of a journal: everything up to then.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Base<S> {
    version: u32,
    snapshot: S,
}

/// Every further line: what changed at once.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Step<C> {
    changes: C,
}

/// Reads a document of this version.
pub(super) fn versioned<T: for<'de> Deserialize<'de>>(text: &[u8]) -> Result<T, Unreadable> {
    let damaged = |error: serde_json::Error| Unreadable::Damaged(error.to_string());
    let document: Value = serde_json::from_slice(text).map_err(damaged)?;
    match document.get("version").and_then(Value::as_u64) {
        Some(found) if found != u64::from(SCHEDULER_VERSION) => Err(Unreadable::Version(found)),
        _ => serde_json::from_value(document).map_err(damaged),
    }
}

pub(super) fn base_line(snapshot: &Snapshot) -> serde_json::Result<Vec<u8>> {
    line(&Base {
        version: SCHEDULER_VERSION,
        snapshot,
    })
}

pub(super) fn step_line(changes: &[Change]) -> serde_json::Result<Vec<u8>> {
    line(&Step { changes })
}

fn line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// A journal that was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) snapshot: Snapshot,
    /// How long its first line is.
    pub(super) base: usize,
    /// Whether its last line is whole. What of it is there was never confirmed to anybody.
    pub(super) whole: bool,
}

pub(super) fn read_journal(text: &[u8]) -> Result<Read, Unreadable> {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    if !first.ends_with(b"\n") {
        return Err(Unreadable::Damaged("its first line is cut off".to_owned()));
    }
    let Base { mut snapshot, .. } = versioned::<Base<Snapshot>>(first)?;
    let mut whole = true;
    for (number, line) in lines.enumerate() {
        if !line.ends_with(b"\n") {
            whole = false;
            break;
        }
        let step: Step<Vec<Change>> = serde_json::from_slice(line).map_err(|error| {
            let number = number + 2;
            Unreadable::Damaged(format!("line {number}: {error}"))
        })?;
        for change in &step.changes {
            snapshot.apply(change);
        }
    }
    Ok(Read {
        snapshot,
        base: first.len(),
        whole,
    })
}

/// Reads arbitrary bytes as a journal, for fuzzing: what is read has to be written and read as
/// the same again.
#[doc(hidden)]
pub fn probe(text: &[u8]) -> bool {
    let Ok(read) = read_journal(text) else {
        return true;
    };
    let Ok(line) = base_line(&read.snapshot) else {
        return false;
    };
    read_journal(&line).is_ok_and(|again| again.whole && again.snapshot == read.snapshot)
}
