//! Ed25519 signatures (RFC 8032) over a bundle's manifest, with keys in PEM as OpenSSL writes them
//! (RFC 8410).

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde::{Deserialize, Serialize};

use super::BundleError;
use flugs_base::Sha256Digest;

/// What goes before the 32 bytes of a key: PKCS #8 version 1, and SubjectPublicKeyInfo.
const PRIVATE_PREFIX: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// A key that signs.
pub struct SigningKey(Ed25519KeyPair);

/// A key that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey([u8; 32]);

/// The signature's entry in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignatureDocument {
    algorithm: String,
    /// The SHA-256 of the public key, to say which one is needed.
    key: Sha256Digest,
    signature: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SigningKey(***)")
    }
}

impl SigningKey {
    /// Reads a private key, which nobody but its owner may read.
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let unusable = |reason: &str| BundleError::Key {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let metadata = std::fs::metadata(path).map_err(|error| BundleError::read(path, error))?;
        if metadata.mode() & 0o077 != 0 {
            return Err(unusable("others than its owner may read it: chmod 600"));
        }
        let der = PrivatePkcs8KeyDer::from_pem_file(path)
            .map_err(|_| unusable("it is no private key in PEM (PKCS #8)"))?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der())
            .map(Self)
            .map_err(|_| unusable("it is no Ed25519 key: openssl genpkey -algorithm ed25519"))
    }

    /// Makes a pair of keys: `path` holds the private one, `path` with `.pub` behind it the other.
    /// Files that are there stay.
    pub fn generate(path: &Path) -> Result<TrustedKey, BundleError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| BundleError::write(path, std::io::Error::other(error)))?;
        let pair =
            Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| BundleError::Key {
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
        let trusted = Self(pair).trusted().ok_or_else(|| BundleError::Key {
            path: path.to_owned(),
            reason: "it has no public half".to_owned(),
        })?;
        let mut public_path = path.as_os_str().to_owned();
        public_path.push(".pub");
        write(
            path,
            0o600,
            &pem("PRIVATE KEY", &[&PRIVATE_PREFIX[..], &seed].concat()),
        )?;
        write(
            public_path.as_ref(),
            0o644,
            &pem("PUBLIC KEY", &[&PUBLIC_PREFIX[..], &trusted.0].concat()),
        )?;
        Ok(trusted)
    }

    fn trusted(&self) -> Option<TrustedKey> {
        self.0.public_key().as_ref().try_into().ok().map(TrustedKey)
    }

    pub(super) fn sign(&self, manifest: &[u8]) -> SignatureDocument {
        SignatureDocument {
            algorithm: "ed25519".to_owned(),
            key: Sha256Digest::of(self.0.public_key().as_ref()),
            signature: STANDARD.encode(self.0.sign(manifest)),
        }
    }
}

impl TrustedKey {
    /// Reads a public key.
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let unusable = || BundleError::Key {
            path: path.to_owned(),
            reason: "it is no public Ed25519 key in PEM: openssl pkey -pubout".to_owned(),
        };
        std::fs::metadata(path).map_err(|error| BundleError::read(path, error))?;
        let der = SubjectPublicKeyInfoDer::from_pem_file(path).map_err(|_| unusable())?;
        let bytes = der
            .as_ref()
            .strip_prefix(&PUBLIC_PREFIX)
            .ok_or_else(unusable)?;
        bytes.try_into().map(Self).map_err(|_| unusable())
    }

    /// The SHA-256 of the key.
    pub fn fingerprint(&self) -> Sha256Digest {
        Sha256Digest::of(&self.0)
    }
}

/// Checks a signature against the keys that are trusted; says what is wrong.
pub(super) fn check(
    document: &[u8],
    manifest: &[u8],
    trusted: &[TrustedKey],
) -> Result<(), String> {
    let document: SignatureDocument = serde_json::from_slice(document)
        .map_err(|error| format!("its signature cannot be read: {error}"))?;
    if document.algorithm != "ed25519" {
        return Err(format!(
            "it is signed with {}, which is not known here",
            document.algorithm
        ));
    }
    let signature = STANDARD
        .decode(&document.signature)
        .map_err(|_| "its signature is no base64".to_owned())?;
    let key = trusted
        .iter()
        .find(|key| key.fingerprint() == document.key)
        .ok_or_else(|| {
            let given: Vec<_> = trusted
                .iter()
                .map(|key| key.fingerprint().to_string())
                .collect();
            format!(
                "it is signed with the key {}, and trusted are: {}",
                document.key,
                given.join(", ")
            )
        })?;
    UnparsedPublicKey::new(&ED25519, key.0)
        .verify(manifest, &signature)
        .map_err(|_| "its signature does not fit its manifest: one of them was altered".to_owned())
}

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
}

fn write(path: &Path, mode: u32, text: &str) -> Result<(), BundleError> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| BundleError::write(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (tempfile::TempDir, SigningKey, TrustedKey) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let made = SigningKey::generate(&path).unwrap();
        let trusted = TrustedKey::read(&directory.path().join("key.pub")).unwrap();
        assert_eq!(made, trusted);
        let signing = SigningKey::read(&path).unwrap();
        (directory, signing, trusted)
    }

    #[test]
    fn a_signature_fits_its_manifest_and_key_and_no_other() {
        let (_one, key, trusted) = pair();
        let (_other, other, other_trusted) = pair();
        let sign = |key: &SigningKey| serde_json::to_vec(&key.sign(b"manifest")).unwrap();
        assert_eq!(
            check(&sign(&key), b"manifest", &[other_trusted, trusted.clone()]),
            Ok(())
        );
        let wrong = |document: &[u8], manifest: &[u8]| {
            check(document, manifest, std::slice::from_ref(&trusted)).unwrap_err()
        };
        assert!(wrong(&sign(&key), b"Manifest").contains("altered"));
        assert!(wrong(&sign(&other), b"manifest").contains("trusted are"));
        // Naming the trusted key does not help.
        let mut forged = other.sign(b"manifest");
        forged.key = trusted.fingerprint();
        assert!(wrong(&serde_json::to_vec(&forged).unwrap(), b"manifest").contains("altered"));
        assert!(wrong(b"{}", b"manifest").contains("cannot be read"));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_and_one_that_is_there_is_kept() {
        let (directory, _, _) = pair();
        let path = directory.path().join("key");
        assert!(SigningKey::generate(&path).is_err());
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640))
            .unwrap();
        let message = SigningKey::read(&path).unwrap_err().to_string();
        assert!(message.contains("chmod 600"), "{message}");
        assert!(SigningKey::read(&directory.path().join("key.pub")).is_err());
        assert!(TrustedKey::read(&path).is_err());
    }
}
