//! What a Mesos master writes into ZooKeeper: an address that can be asked, or refused.

use flugs_mesos::detection::probe_election;

pub(crate) fn run(bytes: &[u8]) {
    assert!(probe_election(bytes));
}
