//! TLS to masters: whom to trust, and who to be.
//!
//! Owns the client's side of TLS. Never decides whether TLS is used.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use flugs_net::tls::{PemError, authorities, certificates, private_key};

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
    #[error("TLS to Mesos masters cannot be set up: {0}")]
    Pem(PemError),
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
                let chain = certificates(chain).map_err(TlsTrustError::Pem)?;
                let key = private_key(key).map_err(TlsTrustError::Pem)?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| unusable(&error))?
            }
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn roots(&self) -> Result<RootCertStore, TlsTrustError> {
        let roots = authorities(self.authority.as_deref()).map_err(TlsTrustError::Pem)?;
        if roots.is_empty() {
            return Err(TlsTrustError::NoAuthorities);
        }
        Ok(roots)
    }
}
