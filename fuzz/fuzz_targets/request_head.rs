//! Request heads: what is taken for one ends where it says, whatever follows, and what the access
//! log shows of it is one line of printable text without a query.

use flugs_artifact::server::probe_request;

pub(crate) fn run(bytes: &[u8]) {
    let Some((length, shown)) = probe_request(bytes) else {
        return;
    };
    let head = &bytes[..length];
    assert!(head.ends_with(b"\r\n\r\n"));
    assert_eq!(probe_request(head), Some((length, shown.clone())));
    assert_eq!(probe_request(&bytes[..length - 1]), None);
    assert!(shown.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    assert!(
        !shown.contains('?') || shown.ends_with("?redacted"),
        "{shown}"
    );
}
