//! PKCS#12 (RFC 7292), as Java's `keytool` and OpenSSL write it.
//!
//! A store is a list of safes, each in the clear or encrypted as a whole, with bags in them:
//! certificates and keys. A key's certificate has the same local key id; the rest of its chain is
//! found by who issued whom. A certificate that is trusted for itself has an attribute of Java's
//! that says so.

use ring::digest::{self, Algorithm};
use ring::hmac;
use rustls_pki_types::CertificateDer;

use super::certificate::Names;
use super::der::{Der, OBJECT, OCTETS, SEQUENCE, SET, explicit, implicit};
use super::encryption::{Budget, Purpose, decrypt, derive};
use super::{KeyEntry, KeyStore, KeyStoreProblem, private_key};

const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const ENCRYPTED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 6];
/// 1.2.840.113549.1.12.10.1, whose members are kinds of bags.
const BAGS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1];
const LOCAL_KEY_ID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 21];
/// 2.16.840.1.113894.746875.1.1: what a certificate is trusted for.
const TRUSTED_KEY_USAGE: &[u8] = &[
    0x60, 0x86, 0x48, 0x01, 0x86, 0xf9, 0x66, 0xad, 0xca, 0x7b, 0x01, 0x01,
];
/// No chain is longer than this.
const LONGEST_CHAIN: usize = 10;

/// Reads a store; its keys, too, if their password is given. The store's own seal, if it has one,
/// is checked before anything in it is believed.
pub(super) fn read(
    bytes: &[u8],
    password: &str,
    key_password: Option<&str>,
) -> Result<KeyStore, KeyStoreProblem> {
    let damaged = || KeyStoreProblem::Damaged;
    let mut store = Der(bytes).inside(SEQUENCE).ok_or_else(damaged)?;
    if store.number() != Some(3) {
        return Err(KeyStoreProblem::Format);
    }
    let (kind, content) = content_info(&mut store).ok_or_else(damaged)?;
    if kind != DATA {
        return Err(KeyStoreProblem::Format);
    }
    let safes = Der(content).content(OCTETS).ok_or_else(damaged)?;
    let mut budget = Budget::default();
    if !store.is_empty() {
        check_seal(&mut store, safes, password, &mut budget)?;
    }
    let mut bags = Bags::default();
    let mut safes = Der(safes).inside(SEQUENCE).ok_or_else(damaged)?;
    while !safes.is_empty() {
        let (kind, content) = content_info(&mut safes).ok_or_else(damaged)?;
        let decrypted;
        let content = match kind {
            DATA => Der(content).content(OCTETS).ok_or_else(damaged)?,
            ENCRYPTED_DATA => {
                decrypted = decrypted_data(content, password, &mut budget)?;
                &decrypted
            }
            other => return Err(KeyStoreProblem::encryption(other)),
        };
        bags.add(content, key_password, &mut budget)?;
    }
    Ok(bags.linked())
}

/// A kind of content, and the content.
fn content_info<'a>(from: &mut Der<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let mut parts = from.inside(SEQUENCE)?;
    Some((parts.content(OBJECT)?, parts.content(explicit(0))?))
}

fn check_seal(
    store: &mut Der<'_>,
    sealed: &[u8],
    password: &str,
    budget: &mut Budget,
) -> Result<(), KeyStoreProblem> {
    let damaged = || KeyStoreProblem::Damaged;
    let mut seal = store.inside(SEQUENCE).ok_or_else(damaged)?;
    let mut info = seal.inside(SEQUENCE).ok_or_else(damaged)?;
    let (name, _) = info.algorithm().ok_or_else(damaged)?;
    let expected = info.content(OCTETS).ok_or_else(damaged)?;
    let salt = seal.content(OCTETS).ok_or_else(damaged)?;
    let rounds = if seal.is_empty() {
        1
    } else {
        seal.number().ok_or_else(damaged)?
    };
    let (hash, mac) = hashes(name).ok_or_else(|| KeyStoreProblem::encryption(name))?;
    let length = hash.output_len();
    let key = derive(hash, password, salt, rounds, Purpose::Mac, length, budget)?;
    hmac::verify(&hmac::Key::new(mac, &key), sealed, expected)
        .map_err(|_| KeyStoreProblem::Password)
}

fn hashes(name: &[u8]) -> Option<(&'static Algorithm, hmac::Algorithm)> {
    Some(match name {
        [0x2b, 0x0e, 3, 2, 0x1a] => (
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        ),
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1] => (&digest::SHA256, hmac::HMAC_SHA256),
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2] => (&digest::SHA384, hmac::HMAC_SHA384),
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3] => (&digest::SHA512, hmac::HMAC_SHA512),
        _ => return None,
    })
}

fn decrypted_data(
    content: &[u8],
    password: &str,
    budget: &mut Budget,
) -> Result<Vec<u8>, KeyStoreProblem> {
    let damaged = || KeyStoreProblem::Damaged;
    let mut data = Der(content).inside(SEQUENCE).ok_or_else(damaged)?;
    data.number().ok_or_else(damaged)?;
    let mut info = data.inside(SEQUENCE).ok_or_else(damaged)?;
    info.content(OBJECT).ok_or_else(damaged)?;
    let mut after = info;
    after.any().ok_or_else(damaged)?;
    let encrypted = after.content(implicit(0)).ok_or_else(damaged)?;
    decrypt(&mut info, encrypted, password, budget)
}

/// What the bags of all safes hold.
#[derive(Default)]
struct Bags {
    certificates: Vec<Certificate>,
    keys: Vec<Key>,
}

struct Certificate {
    der: CertificateDer<'static>,
    local_key_id: Option<Vec<u8>>,
    trusted: bool,
}

struct Key {
    local_key_id: Option<Vec<u8>>,
    key: Option<rustls_pki_types::PrivateKeyDer<'static>>,
}

impl Bags {
    /// Takes the bags of one safe in; those of other kinds are nothing to TLS.
    fn add(
        &mut self,
        safe: &[u8],
        key_password: Option<&str>,
        budget: &mut Budget,
    ) -> Result<(), KeyStoreProblem> {
        let damaged = || KeyStoreProblem::Damaged;
        let mut bags = Der(safe).inside(SEQUENCE).ok_or_else(damaged)?;
        while !bags.is_empty() {
            let mut bag = bags.inside(SEQUENCE).ok_or_else(damaged)?;
            let kind = bag.content(OBJECT).ok_or_else(damaged)?;
            let value = bag.content(explicit(0)).ok_or_else(damaged)?;
            let attributes = Attributes::of(bag);
            let key = match kind.strip_prefix(BAGS) {
                Some([1]) => key_password.map(|_| private_key(value)).transpose()?,
                Some([2]) => key_password
                    .map(|password| unshroud(value, password, budget))
                    .transpose()?,
                Some([3]) => {
                    let der = certificate(value).ok_or_else(damaged)?;
                    self.certificates.push(Certificate {
                        der,
                        local_key_id: attributes.local_key_id,
                        trusted: attributes.trusted,
                    });
                    continue;
                }
                _ => continue,
            };
            let local_key_id = attributes.local_key_id;
            self.keys.push(Key { local_key_id, key });
        }
        Ok(())
    }

    /// Each key with its chain, and the certificates that are trusted for themselves.
    fn linked(mut self) -> KeyStore {
        let keys = std::mem::take(&mut self.keys).into_iter();
        let keys = keys.map(|key| KeyEntry {
            chain: self.chain(key.local_key_id.as_deref()),
            key: key.key,
        });
        KeyStore {
            keys: keys.collect(),
            trusted: self
                .certificates
                .iter()
                .filter(|one| one.trusted)
                .map(|one| one.der.clone())
                .collect(),
        }
    }

    fn chain(&self, local_key_id: Option<&[u8]>) -> Vec<CertificateDer<'static>> {
        let all = self.certificates.iter();
        let own = |one: &&Certificate| {
            local_key_id.is_some() && one.local_key_id.as_deref() == local_key_id
        };
        let mut chain: Vec<CertificateDer<'static>> = Vec::new();
        let mut next = all.clone().find(own);
        while let Some(certificate) = next {
            if chain.contains(&certificate.der) || chain.len() == LONGEST_CHAIN {
                break;
            }
            chain.push(certificate.der.clone());
            let issuer = Names::of(&certificate.der).map(|names| names.issuer);
            next = all.clone().find(|one| {
                let names = Names::of(&one.der);
                issuer.is_some() && names.map(|names| names.subject) == issuer
            });
        }
        chain
    }
}

/// A key from its encryption with the key's own password.
fn unshroud(
    value: &[u8],
    password: &str,
    budget: &mut Budget,
) -> Result<rustls_pki_types::PrivateKeyDer<'static>, KeyStoreProblem> {
    let damaged = || KeyStoreProblem::Damaged;
    let mut parts = Der(value).inside(SEQUENCE).ok_or_else(damaged)?;
    let mut algorithm = parts;
    parts.any().ok_or_else(damaged)?;
    let encrypted = parts.content(OCTETS).ok_or_else(damaged)?;
    let plain = match decrypt(&mut algorithm, encrypted, password, budget) {
        Err(KeyStoreProblem::Password) => Err(KeyStoreProblem::KeyPassword),
        other => other,
    }?;
    // A wrong password may by chance leave a padding that looks right.
    private_key(&plain).map_err(|_| KeyStoreProblem::KeyPassword)
}

fn certificate(value: &[u8]) -> Option<CertificateDer<'static>> {
    let mut bag = Der(value).inside(SEQUENCE)?;
    bag.content(OBJECT)?;
    let der = bag.inside(explicit(0))?.content(OCTETS)?;
    Some(der.to_vec().into())
}

/// What a bag says of itself.
#[derive(Default)]
struct Attributes {
    local_key_id: Option<Vec<u8>>,
    trusted: bool,
}

impl Attributes {
    fn of(mut bag: Der<'_>) -> Self {
        let mut found = Self::default();
        let mut all = bag.inside(SET).unwrap_or(Der(&[]));
        while let Some(mut attribute) = all.inside(SEQUENCE) {
            let name = attribute.content(OBJECT);
            let mut values = attribute.inside(SET).unwrap_or(Der(&[]));
            if name == Some(LOCAL_KEY_ID) {
                found.local_key_id = values.content(OCTETS).map(<[u8]>::to_vec);
            } else if name == Some(TRUSTED_KEY_USAGE) {
                found.trusted = true;
            }
        }
        found
    }
}
