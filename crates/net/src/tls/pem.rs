//! Certificates and keys in PEM files (RFC 7468).

use std::fmt::Display;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A file is unreadable, or holds something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} holds no usable PEM {expected}: {reason}", path.display())]
pub struct PemError {
    /// The file.
    pub path: PathBuf,
    /// What was looked for.
    pub expected: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl PemError {
    fn new(path: &Path, expected: &'static str, reason: &dyn Display) -> Self {
        Self {
            path: path.to_owned(),
            expected,
            reason: reason.to_string(),
        }
    }
}

/// The certificates in a file, in its order; at least one.
///
/// # Errors
/// If it cannot be read, or has none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let refuse = |reason: &dyn Display| PemError::new(path, "certificate", reason);
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| refuse(&error))?;
    if found.is_empty() {
        return Err(refuse(&"there is none in it"));
    }
    Ok(found)
}

/// The first private key in a file, of whatever kind.
///
/// # Errors
/// If it cannot be read, or has none.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| PemError::new(path, "private key", &error))
}

/// The authorities in a file, all of which have to be usable; without a file those of the system
/// that are, which may be none.
///
/// # Errors
/// If the file cannot be read, or a certificate in it vouches for nobody.
pub fn authorities(file: Option<&Path>) -> Result<RootCertStore, PemError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| PemError::new(path, "certificate", &error))?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_nothing_of_the_kind_is_refused_by_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("empty.pem");
        std::fs::write(&path, "nothing\n").unwrap();
        let refused = certificates(&path).unwrap_err();
        assert_eq!(
            (refused.path, refused.expected),
            (path.clone(), "certificate")
        );
        assert_eq!(private_key(&path).unwrap_err().expected, "private key");
        assert_eq!(
            authorities(Some(&path)).unwrap_err().expected,
            "certificate"
        );
        let absent = directory.path().join("absent.pem");
        assert_eq!(certificates(&absent).unwrap_err().path, absent);
    }
}
