//! Encryption with a password, as PKCS#12 stores use it: PBES2 (RFC 8018), which Java writes since
//! 8u301, and the two schemes of PKCS#12 itself (RFC 7292, appendices B and C), which it wrote
//! before.

use std::num::NonZeroU32;

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt as _, KeyInit, KeyIvInit as _};
use ring::digest::{self, Algorithm, SHA1_FOR_LEGACY_USE_ONLY};
use ring::pbkdf2;

use super::KeyStoreProblem;
use super::der::{Der, INTEGER, OCTETS, SEQUENCE};

/// How many rounds of hashing a whole store may cost. Java writes 10,000 for each part; who writes
/// more than this wants to keep the reader busy.
const MOST_ROUNDS: u32 = 3_000_000;

const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
/// 1.2.840.113549.1.12.1, whose members are the schemes of PKCS#12.
const PKCS12_SCHEMES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1];
/// 1.2.840.113549.2, whose members are HMACs.
const HMACS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2];
/// 2.16.840.1.101.3.4.1, whose members are kinds of AES.
const AES: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1];

/// What is derived from a password (RFC 7292, B.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Key = 1,
    InitialVector = 2,
    Mac = 3,
}

/// How much hashing is left to be spent on one store.
#[derive(Debug)]
pub(super) struct Budget(u32);

impl Default for Budget {
    fn default() -> Self {
        Self(MOST_ROUNDS)
    }
}

impl Budget {
    fn spend(&mut self, rounds: u32) -> Result<NonZeroU32, KeyStoreProblem> {
        let left = self.0.checked_sub(rounds);
        self.0 = left.ok_or(KeyStoreProblem::Rounds)?;
        NonZeroU32::new(rounds).ok_or(KeyStoreProblem::Damaged)
    }
}

/// Decrypts with the algorithm that is next in `algorithm`. What does not come out whole was
/// encrypted with another password.
pub(super) fn decrypt(
    algorithm: &mut Der<'_>,
    encrypted: &[u8],
    password: &str,
    budget: &mut Budget,
) -> Result<Vec<u8>, KeyStoreProblem> {
    let (name, mut parameters) = algorithm.algorithm().ok_or(KeyStoreProblem::Damaged)?;
    let parameters = parameters.inside(SEQUENCE);
    let parameters = parameters.ok_or(KeyStoreProblem::Damaged)?;
    let plain = if name == PBES2 {
        pbes2(parameters, encrypted, password, budget)?
    } else {
        match name.strip_prefix(PKCS12_SCHEMES) {
            Some([3]) => pkcs12::<des::TdesEde3>(24, parameters, encrypted, password, budget)?,
            Some([5]) => pkcs12::<rc2::Rc2>(16, parameters, encrypted, password, budget)?,
            Some([6]) => pkcs12::<rc2::Rc2>(5, parameters, encrypted, password, budget)?,
            _ => return Err(KeyStoreProblem::encryption(name)),
        }
    };
    plain.ok_or(KeyStoreProblem::Password)
}

fn pbes2(
    mut parameters: Der<'_>,
    encrypted: &[u8],
    password: &str,
    budget: &mut Budget,
) -> Result<Option<Vec<u8>>, KeyStoreProblem> {
    let damaged = || KeyStoreProblem::Damaged;
    let (derivation, mut details) = parameters.algorithm().ok_or_else(damaged)?;
    if derivation != PBKDF2 {
        return Err(KeyStoreProblem::encryption(derivation));
    }
    let mut details = details.inside(SEQUENCE).ok_or_else(damaged)?;
    let salt = details.content(OCTETS).ok_or_else(damaged)?;
    let rounds = budget.spend(details.number().ok_or_else(damaged)?)?;
    // The key's length follows from the cipher.
    let _ = details.content(INTEGER);
    let hmac = match details.algorithm() {
        // The default.
        None => pbkdf2::PBKDF2_HMAC_SHA1,
        Some((name, _)) => match name.strip_prefix(HMACS) {
            Some([7]) => pbkdf2::PBKDF2_HMAC_SHA1,
            Some([9]) => pbkdf2::PBKDF2_HMAC_SHA256,
            Some([10]) => pbkdf2::PBKDF2_HMAC_SHA384,
            Some([11]) => pbkdf2::PBKDF2_HMAC_SHA512,
            _ => return Err(KeyStoreProblem::encryption(name)),
        },
    };
    let (cipher, mut vector) = parameters.algorithm().ok_or_else(damaged)?;
    let vector = vector.content(OCTETS).ok_or_else(damaged)?;
    let key = |length: usize| {
        let mut key = vec![0; length];
        pbkdf2::derive(hmac, rounds, salt, password.as_bytes(), &mut key);
        key
    };
    match cipher.strip_prefix(AES) {
        Some([2]) => Ok(cbc::<aes::Aes128>(&key(16), vector, encrypted)),
        Some([22]) => Ok(cbc::<aes::Aes192>(&key(24), vector, encrypted)),
        Some([42]) => Ok(cbc::<aes::Aes256>(&key(32), vector, encrypted)),
        _ => Err(KeyStoreProblem::encryption(cipher)),
    }
}

fn pkcs12<C: KeyInit + BlockCipherDecrypt>(
    key_length: usize,
    mut parameters: Der<'_>,
    encrypted: &[u8],
    password: &str,
    budget: &mut Budget,
) -> Result<Option<Vec<u8>>, KeyStoreProblem> {
    let salt = parameters.content(OCTETS).ok_or(KeyStoreProblem::Damaged)?;
    let rounds = parameters.number().ok_or(KeyStoreProblem::Damaged)?;
    let mut part = |purpose, length| {
        let sha1 = &SHA1_FOR_LEGACY_USE_ONLY;
        derive(sha1, password, salt, rounds, purpose, length, budget)
    };
    let key = part(Purpose::Key, key_length)?;
    let vector = part(Purpose::InitialVector, 8)?;
    Ok(cbc::<C>(&key, &vector, encrypted))
}

fn cbc<C: KeyInit + BlockCipherDecrypt>(
    key: &[u8],
    vector: &[u8],
    encrypted: &[u8],
) -> Option<Vec<u8>> {
    let decryptor = cbc::Decryptor::<C>::new_from_slices(key, vector).ok()?;
    decryptor.decrypt_padded_vec::<Pkcs7>(encrypted).ok()
}

/// Bytes from a password, as RFC 7292, B.2, has it.
pub(super) fn derive(
    hash: &'static Algorithm,
    password: &str,
    salt: &[u8],
    rounds: u32,
    purpose: Purpose,
    length: usize,
    budget: &mut Budget,
) -> Result<Vec<u8>, KeyStoreProblem> {
    let block = hash.block_len();
    // UTF-16 with a zero at its end.
    let units = password.encode_utf16().chain([0]);
    let password: Vec<u8> = units.flat_map(u16::to_be_bytes).collect();
    let filled = |bytes: &[u8]| -> Vec<u8> {
        let length = bytes.len().div_ceil(block) * block;
        bytes.iter().copied().cycle().take(length).collect()
    };
    let mut input = [filled(salt), filled(&password)].concat();
    let mut out = Vec::new();
    while out.len() < length {
        let rounds = budget.spend(rounds)?.get();
        let diversifier = vec![purpose as u8; block];
        let mut sum = digest::digest(hash, &[diversifier, input.clone()].concat());
        for _ in 1..rounds {
            sum = digest::digest(hash, sum.as_ref());
        }
        out.extend(sum.as_ref());
        let addend = filled(sum.as_ref());
        let addend = addend.get(..block).unwrap_or(&addend);
        for part in input.chunks_mut(block) {
            add_with_one(part, addend);
        }
    }
    out.truncate(length);
    Ok(out)
}

/// Adds two big-endian numbers and one, modulo their size.
fn add_with_one(number: &mut [u8], addend: &[u8]) {
    let mut carry = 1_u16;
    for (digit, other) in number.iter_mut().zip(addend).rev() {
        let sum = u16::from(*digit) + u16::from(*other) + carry;
        carry = sum >> 8;
        *digit = sum.to_be_bytes()[1];
    }
}
