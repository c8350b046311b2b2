//! Finds the lines of a stream that a rule fits, in bounded memory.

use std::rc::Rc;

use memchr::memchr;

use super::super::signs::{Meaning, SignReader};

/// So much of a line is looked at.
const LINE_BYTES: usize = 4096;

/// A line that a rule fits.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Seen {
    /// What it means; a complaint's text has its quotations in place.
    pub(in super::super) meaning: Meaning,
}

/// One stream under one set of rules.
#[derive(Debug)]
pub(super) struct Lines {
    rules: Rc<SignReader>,
    /// The beginning of a line whose end is still to come.
    begun: Vec<u8>,
    seen: Vec<Seen>,
}

impl Lines {
    pub(super) fn new(rules: Rc<SignReader>) -> Self {
        Self {
            rules,
            begun: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// Takes in the next bytes of the stream.
    pub(super) fn observe(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if self.begun.is_empty() {
                self.look_at(line.get(..LINE_BYTES).unwrap_or(line));
            } else {
                self.keep(line);
                let whole = std::mem::take(&mut self.begun);
                self.look_at(&whole);
            }
        }
        self.keep(bytes);
    }

    /// The lines that a rule fitted since the last call.
    pub(super) fn take(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES.saturating_sub(self.begun.len());
        self.begun
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn look_at(&mut self, line: &[u8]) {
        let meaning = self.rules.meaning_of(line);
        self.seen.extend(meaning.map(|meaning| Seen { meaning }));
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::signs::{Complaint, Sign, Signs, Weight};
    use super::*;
    use proptest::prelude::*;

    fn sign(has: &[&str], means: Meaning) -> Sign {
        Sign {
            has: has.iter().map(|text| (*text).to_owned()).collect(),
            means,
        }
    }

    fn lines() -> Lines {
        let trouble = |text| Meaning::Trouble(Complaint::new(Weight::Reason, text));
        let signs = Signs {
            at_start: None,
            rules: vec![
                sign(&["registered"], Meaning::Serves),
                sign(&["at [", "] failed: ", "!"], trouble("{1}: {2}/{3}")),
                sign(&["at [", "] failed"], trouble("only {1}")),
            ],
        };
        Lines::new(Rc::new(signs.reader()))
    }

    fn seen(chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = lines();
        for chunk in chunks {
            lines.observe(chunk);
        }
        let name = |seen: Seen| match seen.meaning {
            Meaning::Serves => "serves".to_owned(),
            Meaning::Trouble(complaint) => complaint.text,
        };
        lines.take().into_iter().map(name).collect()
    }

    #[test]
    fn the_first_rule_that_fits_quotes_the_line() {
        assert_eq!(
            seen(&[b"x at [jm] failed: no way! now\nat [jm] failed\nat [jm]\nregistered\n"]),
            ["jm: no way/now", "only jm", "serves"]
        );
    }

    #[test]
    fn texts_of_different_lines_and_lines_without_an_end_do_not_fit() {
        assert!(seen(&[b"at [jm]\n] failed\n", b"registered"]).is_empty());
    }

    #[test]
    fn of_an_endless_line_only_the_beginning_is_kept() {
        let mut lines = lines();
        for _ in 0..100 {
            lines.observe(&[b'x'; 1000]);
        }
        assert_eq!(lines.begun.len(), LINE_BYTES);
        lines.observe(b"registered\nregistered\n");
        assert_eq!(lines.take().len(), 1);
    }

    proptest! {
        #[test]
        fn however_a_stream_is_cut_the_same_lines_are_found(
            words in prop::collection::vec(
                prop::sample::select(vec!["registered", "at [", "] failed: ", "!", "\n", "x", "\u{fc}"]), 0..40,
            ),
            at in 0_usize..200,
        ) {
            let stream = words.concat().into_bytes();
            let (one, two) = stream.split_at(at.min(stream.len()));
            prop_assert_eq!(seen(&[one, two]), seen(&[&stream]));
        }
    }
}
