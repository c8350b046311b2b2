//! TLS to masters: whom to trust, and who to be.
//!
//! Owns the client's side of TLS. Never decides whether TLS is used.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsConnector;

/// Whom to trust, for masters that speak TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsTrust {
    /// A PEM file with the authorities to trust, and no others; absent: the system's.
    pub authority: Option<PathBuf>,
    /// PEM files with a certificate chain and its key, for masters that ask for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsTrustError {
    /// A file is unreadable, or holds something else.
    #[error("{} holds no usable PEM {expected} for TLS to Mesos masters: {reason}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        expected: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// There is nobody to trust.
    #[error(
        "this system has no certificate authorities to check Mesos masters with; name a file of them"
    )]
    NoAuthorities,
    /// The parts do not go together.
    #[error("TLS to Mesos masters cannot be set up: {reason}")]
    Unusable {
        /// What the TLS library said.
        reason: String,
    },
}

impl TlsTrust {
    pub(super) fn connector(&self) -> Result<TlsConnector, TlsTrustError> {
        let unusable = |error: &dyn std::fmt::Display| TlsTrustError::Unusable {
            reason: error.to_string(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(self.roots()?), provider.clone())
                .build()
                .map_err(|error| unusable(&error))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_webpki_verifier(verifier);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let private = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| pem(key, "private key", &error))?;
                builder
                    .with_client_auth_cert(certificates(chain)?, private)
                    .map_err(|error| unusable(&error))?
            }
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn roots(&self) -> Result<RootCertStore, TlsTrustError> {
        let mut roots = RootCertStore::empty();
        match &self.authority {
            Some(path) => {
                for certificate in certificates(path)? {
                    roots
                        .add(certificate)
                        .map_err(|error| pem(path, "certificate", &error))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            return Err(TlsTrustError::NoAuthorities);
        }
        Ok(roots)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsTrustError> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| pem(path, "certificate", &error))?;
    if found.is_empty() {
        return Err(pem(path, "certificate", &"there is none in it"));
    }
    Ok(found)
}

fn pem(path: &Path, expected: &'static str, reason: &dyn std::fmt::Display) -> TlsTrustError {
    TlsTrustError::Pem {
        path: path.to_owned(),
        expected,
        reason: reason.to_string(),
    }
}
