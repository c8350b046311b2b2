//! What a Java program said last: any text is read, and the reason is one line of bounded length.
//! The parts of the input (standard error, standard output, log) are separated by zero bytes.

use flugs_flink::{LastWords, read_failure};

/// A logged message, what was thrown, and its root cause, each at most so long.
const MOST: usize = 3 * 1000;

pub(crate) fn run(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == 0).map(crate::text);
    let mut next = || parts.next().unwrap_or_default();
    let words = LastWords {
        stderr: next(),
        stdout: next(),
        log: next(),
    };
    if let Some(failure) = read_failure(&words) {
        assert!(!failure.text.is_empty());
        assert!(!failure.text.contains('\n'), "{:?}", failure.text);
        assert!(failure.text.chars().count() < MOST, "{:?}", failure.text);
    }
}
