//! Java's key stores, and what a certificate says of itself.
//!
//! Owns the reading of PKCS#12 and JKS files, which hold the keys and the trust of a Flink cluster
//! with TLS. Which of the two a file is, its first bytes say, as they do to Java since 9. Never
//! writes one, never opens a connection, and puts no password into an error.
//!
//! ```
//! use flugs_java_keystore::KeyStore;
//!
//! let refused = KeyStore::parse(b"no key store", None, None);
//! assert!(refused.is_err());
//! ```

#![warn(unused_crate_dependencies)]

mod certificate;
mod der;
mod elliptic;
mod encryption;
pub mod jks;
mod pkcs12;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

pub use certificate::{CertificateProblem, check_server_certificate};

use flugs_base::{ExitCode, Failure};

/// No store is larger; Java's own with every authority has 200 kB.
const LARGEST: u64 = 16 << 20;
/// The magic of JCEKS, a format of Java's for secret keys.
const JCEKS: [u8; 4] = 0xcece_cece_u32.to_be_bytes();

/// What a key store holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KeyStore {
    /// Its keys, in the order of the file.
    pub keys: Vec<KeyEntry>,
    /// Certificates that are there to be trusted.
    pub trusted: Vec<CertificateDer<'static>>,
}

/// A key of a store.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// The certificate of the key, and those of its issuers as far as they are there.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key, if its password was given.
    pub key: Option<PrivateKeyDer<'static>>,
}

/// Who a program is to those it connects to.
#[derive(Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the first certificate.
    pub key: PrivateKeyDer<'static>,
}

/// Why a key store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// The file cannot be read.
    #[error("cannot read the key store {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the key store {} cannot be used: {problem}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: KeyStoreProblem,
    },
}

/// What can be wrong with a key store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyStoreProblem {
    /// It is of no known format.
    #[error(
        "it is neither PKCS#12 nor JKS; `keytool -importkeystore -deststoretype pkcs12` converts others"
    )]
    Format,
    /// It is larger than a key store is.
    #[error("it has more than {} MiB", LARGEST >> 20)]
    Size,
    /// The password is not the store's.
    #[error("its password is another one, or it is damaged")]
    Password,
    /// The password is not the key's.
    #[error("the password of the key in it is another one")]
    KeyPassword,
    /// It is cut off, or says things that no store says.
    #[error("it is damaged")]
    Damaged,
    /// It is encrypted in a way that is not known here.
    #[error(
        "it is protected with the algorithm {0}, which is not supported; `keytool -importkeystore -deststoretype pkcs12` writes one that is"
    )]
    Encryption(String),
    /// It wants more work than a store of any use.
    #[error("its password is hashed more often than makes sense")]
    Rounds,
    /// There is no key in it.
    #[error("there is no key with a certificate in it")]
    NoKey,
    /// There is nobody to trust in it.
    #[error(
        "there is no certificate to trust in it; `keytool -importcert` adds one in a way that Java takes for trust"
    )]
    NoTrust,
}

impl KeyStoreProblem {
    fn encryption(name: &[u8]) -> Self {
        Self::Encryption(der::dotted(name))
    }
}

impl KeyStore {
    /// Reads a file. Keys are decrypted only if their password is given. A JKS file can be read
    /// without the store's password; then nothing shows that nobody changed it, as in Java.
    pub fn read(
        path: &Path,
        password: Option<&str>,
        key_password: Option<&str>,
    ) -> Result<Self, KeyStoreError> {
        let failed = |source| KeyStoreError::Read {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        Self::parse(&bytes, password, key_password).map_err(|problem| KeyStoreError::Unusable {
            path: path.to_owned(),
            problem,
        })
    }

    /// Reads the bytes of a store.
    pub fn parse(
        bytes: &[u8],
        password: Option<&str>,
        key_password: Option<&str>,
    ) -> Result<Self, KeyStoreProblem> {
        if bytes.len() as u64 > LARGEST {
            return Err(KeyStoreProblem::Size);
        }
        match bytes.split_first_chunk::<4>() {
            Some((&jks::MAGIC, _)) => jks::read(bytes, password, key_password),
            Some((&JCEKS, _)) => Err(KeyStoreProblem::Format),
            Some(([0x30, ..], _)) => {
                pkcs12::read(bytes, password.unwrap_or_default(), key_password)
            }
            _ => Err(KeyStoreProblem::Format),
        }
    }

    /// The first key that has a certificate.
    pub fn identity(self) -> Result<Identity, KeyStoreProblem> {
        let usable = |entry: KeyEntry| {
            let chain = entry.chain;
            let key = elliptic::completed(entry.key?, chain.first()?);
            Some(Identity { chain, key })
        };
        let found = self.keys.into_iter().find_map(usable);
        found.ok_or(KeyStoreProblem::NoKey)
    }

    /// Whom Java trusts who is given this as a trust store: the certificates in it, and those of
    /// its keys.
    pub fn trust(self) -> Result<Vec<CertificateDer<'static>>, KeyStoreProblem> {
        let own = self.keys.into_iter();
        let own = own.filter_map(|entry| entry.chain.into_iter().next());
        let all: Vec<_> = self.trusted.into_iter().chain(own).collect();
        if all.is_empty() {
            return Err(KeyStoreProblem::NoTrust);
        }
        Ok(all)
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

/// Judges any bytes as a server's certificate; for fuzzing.
#[doc(hidden)]
pub fn probe_certificate(bytes: &[u8]) -> bool {
    let certificate = CertificateDer::from(bytes);
    check_server_certificate(&certificate, "rest.example", std::time::SystemTime::now()).is_ok()
}

/// A key in PKCS#8, which is how both formats hold it.
fn private_key(der: &[u8]) -> Result<PrivateKeyDer<'static>, KeyStoreProblem> {
    let mut outer = der::Der(der);
    let inner = outer.inside(der::SEQUENCE);
    let is_key = inner.is_some_and(|mut key| {
        key.number().is_some() && key.algorithm().is_some() && key.content(der::OCTETS).is_some()
    });
    if !is_key || !outer.is_empty() {
        return Err(KeyStoreProblem::Damaged);
    }
    Ok(PrivatePkcs8KeyDer::from(der.to_vec()).into())
}

impl Failure for KeyStoreError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Configuration
    }
}

#[cfg(test)]
mod tests;
