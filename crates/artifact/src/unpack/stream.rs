//! A decompressed tar stream under watch: its length, its last byte that is not zero, its limits.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::rc::Rc;
use std::time::Instant;

use super::policy::Limits;
use super::rule::Rule;

/// What has been seen of a stream.
#[derive(Debug, Default)]
pub(super) struct Seen {
    length: Cell<u64>,
    /// Just behind the last byte that is not zero.
    content_end: Cell<u64>,
    /// While headers are read, their bytes.
    kept: RefCell<Option<Vec<u8>>>,
}

/// Passes a stream through and watches it.
#[derive(Debug)]
pub(super) struct Watched<R> {
    inner: R,
    seen: Rc<Seen>,
    most: u64,
    too_long: Rule,
    started: Instant,
    limits: Limits,
}

impl<R: Read> Watched<R> {
    /// `check` says from which length on the stream breaks a rule, and which.
    pub(super) fn new(inner: R, limits: Limits, most: u64, too_long: Rule) -> (Self, Rc<Seen>) {
        let seen = Rc::new(Seen::default());
        let watched = Self {
            inner,
            seen: Rc::clone(&seen),
            most,
            too_long,
            started: Instant::now(),
            limits,
        };
        (watched, seen)
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let length = self.seen.length.get();
        let piece = buffer.get(..read).unwrap_or_default();
        if let Some(last) = piece.iter().rposition(|byte| *byte != 0) {
            self.seen.content_end.set(length + last as u64 + 1);
        }
        self.seen.length.set(length + read as u64);
        if let Some(kept) = self.seen.kept.borrow_mut().as_mut() {
            kept.extend_from_slice(piece);
            let limit = super::header::LONGEST_EXTENSIONS;
            if kept.len() > limit {
                return Err(io::Error::other(Rule::ExtensionSize { limit }));
            }
        }
        if self.seen.length.get() > self.most {
            return Err(io::Error::other(self.too_long.clone()));
        }
        if self.started.elapsed() > self.limits.time {
            let limit = self.limits.time.as_secs();
            return Err(io::Error::other(Rule::Time { limit }));
        }
        Ok(read)
    }
}

impl Seen {
    /// Starts to keep what is read: headers follow. Gives where in the stream that is.
    pub(super) fn keep(&self) -> u64 {
        self.kept.replace(Some(Vec::new()));
        self.length.get()
    }

    /// Gives what has been read since, and stops to keep it.
    pub(super) fn kept(&self) -> Vec<u8> {
        self.kept.take().unwrap_or_default()
    }

    /// After the stream has been read to its end: whether what follows the last entry, which
    /// ends at `entries_end`, is the end marker (two zero blocks) and nothing but zeros.
    pub(super) fn check_end(&self, entries_end: u64) -> Result<(), Rule> {
        if self.content_end.get() > entries_end {
            return Err(Rule::Trailing);
        }
        if self.length.get() < entries_end + 1024 {
            return Err(Rule::NoEnd);
        }
        Ok(())
    }
}
