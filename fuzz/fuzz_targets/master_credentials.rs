//! Credentials for a Mesos master: read or refused, and no secret in what is shown.

use flugs_mesos::connection::probe_credentials;

pub(crate) fn run(bytes: &[u8]) {
    assert!(probe_credentials(crate::text(bytes)));
}
