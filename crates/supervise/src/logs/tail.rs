//! The last lines of a stream, in bounded memory.

use std::collections::VecDeque;

/// How much is kept of a stream.
const BYTES: usize = 16 * 1024;

/// How many lines a report shows, and how much of each.
const LINES: usize = 50;
const LINE_BYTES: usize = 1024;

/// The end of everything that was observed.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    cut: bool,
}

impl Tail {
    /// Takes in the next bytes of the stream.
    pub(super) fn observe(&mut self, bytes: &[u8]) {
        let kept = bytes
            .get(bytes.len().saturating_sub(BYTES)..)
            .unwrap_or(bytes);
        let excess = (self.bytes.len() + kept.len()).saturating_sub(BYTES);
        self.cut |= excess > 0 || kept.len() < bytes.len();
        self.bytes.drain(..excess.min(self.bytes.len()));
        self.bytes.extend(kept);
    }

    /// All that is kept.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.bytes.iter().copied().collect()
    }

    /// The last whole lines, oldest first. What is not UTF-8 is replaced, and long lines are cut.
    pub(super) fn lines(&self) -> Vec<String> {
        lines_of(&self.bytes(), self.cut)
    }
}

/// The last lines of `bytes`; with `cut`, the first one is the rest of a longer one.
pub(super) fn lines_of(bytes: &[u8], cut: bool) -> Vec<String> {
    let whole = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if whole.is_empty() {
        return Vec::new();
    }
    let lines: Vec<&[u8]> = whole.split(|byte| *byte == b'\n').collect();
    let first = usize::from(cut && lines.len() > 1);
    let first = first.max(lines.len().saturating_sub(LINES));
    let shown = lines.get(first..).unwrap_or_default();
    shown.iter().map(|line| text(line)).collect()
}

fn text(line: &[u8]) -> String {
    let kept = line.get(..LINE_BYTES).unwrap_or(line);
    let mut text = String::from_utf8_lossy(kept).into_owned();
    if kept.len() < line.len() {
        text.push('…');
    }
    text.trim_end_matches('\r').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut tail = Tail::default();
        for chunk in chunks {
            tail.observe(chunk);
        }
        tail.lines()
    }

    #[test]
    fn lines_are_put_together_across_chunks_and_the_last_need_not_end() {
        assert_eq!(
            lines(&[b"on", b"e\ntwo\r\nthr", b"ee"]),
            ["one", "two", "three"]
        );
        assert_eq!(lines(&[b"one\n"]), ["one"]);
        assert!(lines(&[]).is_empty());
    }

    #[test]
    fn a_line_whose_beginning_is_lost_is_not_shown() {
        let long = [b"x".repeat(BYTES), b"\nlast\n".to_vec()].concat();
        assert_eq!(lines(&[&long]), ["last"]);
    }

    #[test]
    fn bytes_that_are_no_text_and_endless_lines_are_bounded() {
        assert_eq!(lines(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
        let endless = lines(&[&b"y".repeat(5000)]);
        assert_eq!(endless[0].chars().count(), LINE_BYTES + 1);
    }

    proptest! {
        #[test]
        fn however_a_stream_is_cut_its_last_lines_are_the_same(
            stream in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..400), at in 0_usize..400,
        ) {
            let (one, two) = stream.split_at(at.min(stream.len()));
            prop_assert_eq!(lines(&[one, two]), lines(&[&stream]));
        }
    }
}
