//! Java's older format, JKS: the JDK's `sun.security.provider.JavaKeyStore` and `KeyProtector`.
//!
//! Big-endian: a magic, a version, the number of entries; for each a tag, an alias, a time, and
//! either a protected key with its chain or a certificate; at the end a SHA-1 over the password in
//! UTF-16, a phrase, and everything before it.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA1_OUTPUT_LEN};
use rustls_pki_types::CertificateDer;
use subtle::ConstantTimeEq as _;

use super::der::{Der, OCTETS, SEQUENCE};
use super::{KeyEntry, KeyStore, KeyStoreProblem, private_key};

/// What a store begins with.
pub const MAGIC: [u8; 4] = 0xfeed_feed_u32.to_be_bytes();
const PHRASE: &[u8] = b"Mighty Aphrodite";
const KEY: u32 = 1;
/// The tag of a certificate that is trusted.
pub const CERTIFICATE: u32 = 2;
/// 1.3.6.1.4.1.42.2.17.1.1: how JKS protects keys.
const PROTECTOR: [u8; 10] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x2a, 0x02, 0x11, 0x01, 0x01];

/// Reads a store; its keys, too, if their password is given. The seal is checked before anything
/// in it is believed.
pub(super) fn read(
    bytes: &[u8],
    password: Option<&str>,
    key_password: Option<&str>,
) -> Result<KeyStore, KeyStoreProblem> {
    let body = bytes.len().checked_sub(SHA1_OUTPUT_LEN);
    let (body, seal) = body
        .and_then(|length| bytes.split_at_checked(length))
        .ok_or(KeyStoreProblem::Damaged)?;
    let is_sealed = |password| -> bool { self::seal(password, body).as_slice().ct_eq(seal).into() };
    if !password.is_none_or(is_sealed) {
        return Err(KeyStoreProblem::Password);
    }
    let mut reader = Reader(body);
    let mut store = KeyStore::default();
    let (version, count) = head(&mut reader).ok_or(KeyStoreProblem::Damaged)?;
    if !matches!(version, 1 | 2) {
        return Err(KeyStoreProblem::Format);
    }
    for _ in 0..count {
        let entry = entry(&mut reader, version).ok_or(KeyStoreProblem::Damaged)?;
        match entry {
            Entry::Trusted(certificate) => store.trusted.push(certificate),
            Entry::Key { protected, chain } => {
                let key = match key_password {
                    Some(password) => Some(private_key(&unprotect(protected, password)?)?),
                    None => None,
                };
                store.keys.push(KeyEntry { chain, key });
            }
        }
    }
    Ok(store)
}

enum Entry<'a> {
    Trusted(CertificateDer<'static>),
    Key {
        protected: &'a [u8],
        chain: Vec<CertificateDer<'static>>,
    },
}

/// Version and number of entries.
fn head(reader: &mut Reader<'_>) -> Option<(u32, u32)> {
    (reader.bytes(4)? == MAGIC).then_some(())?;
    Some((reader.number()?, reader.number()?))
}

fn entry<'a>(reader: &mut Reader<'a>, version: u32) -> Option<Entry<'a>> {
    let tag = reader.number()?;
    reader.text()?;
    // When it was made.
    reader.bytes(8)?;
    match tag {
        KEY => {
            let protected = reader.block()?;
            let count = reader.number()?;
            let chain: Option<Vec<_>> = (0..count).map(|_| certificate(reader, version)).collect();
            let chain = chain?;
            Some(Entry::Key { protected, chain })
        }
        CERTIFICATE => certificate(reader, version).map(Entry::Trusted),
        _ => None,
    }
}

fn certificate(reader: &mut Reader<'_>, version: u32) -> Option<CertificateDer<'static>> {
    if version == 2 {
        // Its type: X.509.
        reader.text()?;
    }
    Some(reader.block()?.to_vec().into())
}

/// A key from its protection: salt, the key under a stream of chained SHA-1s, a SHA-1 of the key.
fn unprotect(protected: &[u8], password: &str) -> Result<Vec<u8>, KeyStoreProblem> {
    let damaged = KeyStoreProblem::Damaged;
    let mut outer = Der(protected);
    let mut parts = outer.inside(SEQUENCE).ok_or(damaged)?;
    let damaged = KeyStoreProblem::Damaged;
    let (algorithm, _) = parts.algorithm().ok_or(damaged)?;
    if algorithm != PROTECTOR {
        return Err(KeyStoreProblem::encryption(algorithm));
    }
    let split = |bytes: &'_ [u8]| -> Option<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        let (salt, rest) = bytes.split_at_checked(SHA1_OUTPUT_LEN)?;
        let length = rest.len().checked_sub(SHA1_OUTPUT_LEN)?;
        let (hidden, check) = rest.split_at_checked(length)?;
        Some((salt.to_vec(), hidden.to_vec(), check.to_vec()))
    };
    let content = parts.content(OCTETS).and_then(split);
    let (mut link, mut key, check) = content.ok_or(KeyStoreProblem::Damaged)?;
    for block in key.chunks_mut(SHA1_OUTPUT_LEN) {
        link = sha1(password, &[&link]);
        for (byte, mask) in block.iter_mut().zip(&link) {
            *byte ^= mask;
        }
    }
    if !bool::from(sha1(password, &[&key]).ct_eq(&check)) {
        return Err(KeyStoreProblem::KeyPassword);
    }
    Ok(key)
}

/// What a store ends with: nobody has changed what is before it who does not know the password.
pub fn seal(password: &str, body: &[u8]) -> Vec<u8> {
    sha1(password, &[PHRASE, body])
}

/// The SHA-1 over a password in UTF-16 and what follows it.
fn sha1(password: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for unit in password.encode_utf16() {
        context.update(&unit.to_be_bytes());
    }
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

/// The bytes that are left.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A number of four bytes.
    pub fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    /// A text, with its length in two bytes before it.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.bytes(2)?.try_into().ok()?);
        self.bytes(usize::from(length))
    }

    /// A certificate or a key, with its length in four bytes before it.
    pub fn block(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.bytes(usize::try_from(length).ok()?)
    }
}
