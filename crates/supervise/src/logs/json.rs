//! Wrapping lines in JSON: one object a line, with time, name and stream.

use std::time::SystemTime;

use serde::Serialize;

use super::super::report::rfc3339;

/// A line longer than this is given out in parts.
const LINE_BYTES: usize = 64 * 1024;

#[derive(Debug, Serialize)]
struct Entry<'a> {
    time: String,
    name: &'a str,
    stream: &'a str,
    line: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

/// Puts lines together from chunks.
#[derive(Debug)]
pub(super) struct JsonLines {
    name: String,
    stream: &'static str,
    begun: Vec<u8>,
}

impl JsonLines {
    pub(super) fn new(name: &str, stream: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            stream,
            begun: Vec::new(),
        }
    }

    /// The objects for every line that the bytes complete.
    pub(super) fn wrap(&mut self, bytes: &[u8], now: SystemTime) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if self.begun.ends_with(b"\n") {
                self.begun.pop();
                self.put(&mut out, now, false);
            } else if self.begun.len() >= LINE_BYTES {
                self.put(&mut out, now, true);
            }
        }
        out
    }

    /// The object for a last line without an end.
    pub(super) fn finish(&mut self, now: SystemTime) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.begun.is_empty() {
            self.put(&mut out, now, true);
        }
        out
    }

    fn put(&mut self, out: &mut Vec<u8>, now: SystemTime, partial: bool) {
        let begun = std::mem::take(&mut self.begun);
        let line = String::from_utf8_lossy(&begun);
        out.extend(object(
            &self.name,
            self.stream,
            line.trim_end_matches('\r'),
            partial,
            now,
        ));
    }
}

/// One object, with its line end.
pub(super) fn object(
    name: &str,
    stream: &str,
    line: &str,
    partial: bool,
    now: SystemTime,
) -> Vec<u8> {
    let entry = Entry {
        time: rfc3339(now),
        name,
        stream,
        line,
        partial,
    };
    // Strings always serialise.
    let mut bytes = serde_json::to_vec(&entry).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(chunks: &[&[u8]]) -> String {
        let mut lines = JsonLines::new("tm", "stdout");
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend(lines.wrap(chunk, SystemTime::UNIX_EPOCH));
        }
        out.extend(lines.finish(SystemTime::UNIX_EPOCH));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_line_is_one_object_wherever_the_chunks_end() {
        insta::assert_snapshot!(wrapped(&[b"a \"q\"\r\n\nb", b"c\nend"]), @r#"
        {"time":"1970-01-01T00:00:00.000Z","name":"tm","stream":"stdout","line":"a \"q\""}
        {"time":"1970-01-01T00:00:00.000Z","name":"tm","stream":"stdout","line":""}
        {"time":"1970-01-01T00:00:00.000Z","name":"tm","stream":"stdout","line":"bc"}
        {"time":"1970-01-01T00:00:00.000Z","name":"tm","stream":"stdout","line":"end","partial":true}
        "#);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_endless_lines_come_in_parts() {
        assert!(wrapped(&[b"\xff\n"]).contains('\u{fffd}'));
        let endless = wrapped(&[&b"x".repeat(LINE_BYTES), b"rest\n"]);
        assert_eq!(endless.lines().count(), 2);
    }
}
