//! Java's key stores, and certificates: whatever the bytes, an answer in bounded time. What a store
//! gives away without the passwords of its keys is what it gives away with them.

use flugs_java_keystore::{KeyStore, probe_certificate};

const PASSWORD: Option<&str> = Some("store-secret");

pub(crate) fn run(bytes: &[u8]) {
    probe_certificate(bytes);
    let whole = KeyStore::parse(bytes, PASSWORD, PASSWORD);
    let closed = KeyStore::parse(bytes, PASSWORD, None);
    if let (Ok(whole), Ok(closed)) = (whole, closed) {
        assert!(whole.trust() == closed.trust());
    }
}
