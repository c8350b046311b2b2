//! Where a Mesos master redirects to: somebody who can be asked, and never out of TLS.

use flugs_mesos::connection::probe_location;

pub(crate) fn run(bytes: &[u8]) {
    assert!(probe_location(crate::text(bytes)));
}
