//! Placement constraints: any text is read or refused, and what is printed is read as the same.

use crate::text;

pub(crate) fn run(bytes: &[u8]) {
    let input = text(bytes);
    assert!(flugs_mesos::constraint::probe(input), "{input:?}");
    let _ = flugs_mesos::constraint::parse_host_attributes(input);
}
