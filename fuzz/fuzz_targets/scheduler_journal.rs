//! The Mesos scheduler's journal: what is read is written and read as the same again.

use flugs::store::probe_journal;

pub(crate) fn run(bytes: &[u8]) {
    assert!(probe_journal(bytes));
}
