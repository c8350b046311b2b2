//! A Java keystore without the time of its making.
//!
//! Debian's ca-certificates-java writes the moment of installation into each entry of
//! `/etc/ssl/certs/java/cacerts`: the one file of a base that differs from run to run. The format
//! is [`flugs_java_keystore::jks`]'s; times are in milliseconds.

use crate::image::Epoch;
use flugs_java_keystore::jks::{CERTIFICATE, MAGIC, Reader, seal};

/// The password that Java's own store of authorities has everywhere; it protects nothing.
const PASSWORD: &str = "changeit";

/// The keystore with every time set to the epoch and its entries sorted by alias; `None` if it is
/// no such keystore, or holds something else than certificates.
pub(super) fn normal(keystore: &[u8], epoch: Epoch) -> Option<Vec<u8>> {
    let mut reader = Reader(keystore);
    if reader.bytes(4)? != MAGIC {
        return None;
    }
    let version = reader.number()?;
    let count = reader.number()?;
    if version != 2 {
        return None;
    }
    let mut entries: Vec<(&[u8], &[u8], &[u8])> = Vec::new();
    for _ in 0..count {
        if reader.number()? != CERTIFICATE {
            return None;
        }
        let alias = reader.text()?;
        reader.bytes(8)?;
        entries.push((alias, reader.text()?, reader.block()?));
    }
    let digest = reader.0;
    let body = keystore.get(..keystore.len().checked_sub(digest.len())?)?;
    if seal(PASSWORD, body) != digest {
        return None;
    }
    entries.sort_unstable();
    let time = epoch.seconds().saturating_mul(1000).to_be_bytes();
    let mut out = Vec::with_capacity(keystore.len());
    out.extend(MAGIC);
    out.extend(version.to_be_bytes());
    out.extend(count.to_be_bytes());
    for (alias, kind, certificate) in entries {
        out.extend(CERTIFICATE.to_be_bytes());
        put_text(&mut out, alias);
        out.extend(time);
        put_text(&mut out, kind);
        out.extend(u32::try_from(certificate.len()).ok()?.to_be_bytes());
        out.extend(certificate);
    }
    out.extend(seal(PASSWORD, &out));
    Some(out)
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    // Its length was read from two bytes.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(length.to_be_bytes());
    out.extend(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keystore(entries: &[(&str, u64)]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(2_u32.to_be_bytes());
        out.extend(u32::try_from(entries.len()).unwrap().to_be_bytes());
        for (alias, time) in entries {
            out.extend(CERTIFICATE.to_be_bytes());
            put_text(&mut out, alias.as_bytes());
            out.extend(time.to_be_bytes());
            put_text(&mut out, b"X.509");
            out.extend(3_u32.to_be_bytes());
            out.extend(b"der");
        }
        out.extend(seal(PASSWORD, &out));
        out
    }

    #[test]
    fn two_stores_of_the_same_certificates_become_one() {
        let epoch = Epoch::resolve(Some("1")).unwrap();
        let one = normal(&keystore(&[("a", 5), ("b", 6)]), epoch).unwrap();
        let other = normal(&keystore(&[("b", 7), ("a", 8)]), epoch).unwrap();
        assert_eq!(one, other);
        assert_eq!(one, keystore(&[("a", 1000), ("b", 1000)]));
    }

    #[test]
    fn a_store_that_is_not_sealed_with_the_known_password_is_left_alone() {
        let epoch = Epoch::resolve(Some("1")).unwrap();
        let mut changed = keystore(&[("a", 5)]);
        changed[20] ^= 1;
        assert_eq!(normal(&changed, epoch), None);
        assert_eq!(normal(b"PK", epoch), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = normal(&bytes, Epoch::resolve(Some("1")).unwrap());
            let with_magic = [MAGIC.as_slice(), &bytes].concat();
            let _ = normal(&with_magic, Epoch::resolve(Some("1")).unwrap());
        }
    }
}
