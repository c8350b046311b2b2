//! What the streaming example has counted, and what it must have.

use std::collections::BTreeMap;
use std::path::Path;

use super::streaming_job::written;

/// Count and sum for each last digit.
pub(crate) type Counts = BTreeMap<u64, (u64, u64)>;

/// For each last digit the highest count and the highest sum that the job has written.
pub(crate) fn highest(output: &Path) -> Counts {
    let mut highest = Counts::new();
    for [digit, count, sum] in written(output) {
        let entry = highest.entry(digit).or_insert((0, 0));
        *entry = (count.max(entry.0), sum.max(entry.1));
    }
    highest
}

/// What the job must have counted when it has seen every number once: no more, no less.
pub(crate) fn expected(numbers: u64) -> Counts {
    let mut all = Counts::new();
    for number in 1..=numbers {
        let entry = all.entry(number % 10).or_insert((0, 0));
        *entry = (entry.0 + 1, entry.1 + number);
    }
    all
}
