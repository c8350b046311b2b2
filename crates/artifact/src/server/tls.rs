//! The server's side of TLS: a certificate given or generated, and clients' certificates.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::fetch::Fingerprint;
use flugs_base::{ExitCode, Failure};
use flugs_net::tls::{self, PemError};

/// Who the server is.
#[derive(Clone)]
pub struct TlsIdentity {
    config: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
    fingerprint: Fingerprint,
    pinned: bool,
}

/// Why there is no usable identity.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file with certificates or a key is unreadable or holds none.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Certificate and key do not go together, or are of a kind that is not supported.
    #[error("the TLS certificate and key cannot be used")]
    Unusable {
        /// What the TLS library said.
        source: rustls::Error,
    },
    /// No certificate could be generated.
    #[error("cannot generate a TLS certificate for {names:?}: {reason}")]
    Generate {
        /// The names it was to be for.
        names: Vec<String>,
        /// What is wrong.
        reason: String,
    },
    /// The authority for clients' certificates cannot be used.
    #[error("the certificates in {} cannot be used to check clients: {reason}", path.display())]
    ClientAuthority {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl TlsIdentity {
    /// Reads certificate chain and key (PEM). With `clients`, only those may connect who show a
    /// certificate that an authority in that file signed.
    pub fn from_files(
        certificates: &Path,
        key: &Path,
        clients: Option<&Path>,
    ) -> Result<Self, TlsError> {
        let chain = tls::certificates(certificates)?;
        Self::new(chain, tls::private_key(key)?, clients, false)
    }

    /// Uses a certificate chain, the server's own certificate first, and the key of that.
    pub fn from_parts(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        Self::new(chain, key, None, false)
    }

    /// The same identity for a server whose URLs tell clients the certificate's fingerprint, so
    /// that they need to know no authority.
    #[must_use]
    pub fn pinned(self) -> Self {
        Self {
            pinned: true,
            ..self
        }
    }

    /// Generates a self-signed certificate for these names or addresses. Nobody can check it
    /// but by its fingerprint, so that travels with the URL.
    pub fn generate(names: &[String], clients: Option<&Path>) -> Result<Self, TlsError> {
        let failed = |error: rcgen::Error| TlsError::Generate {
            names: names.to_vec(),
            reason: error.to_string(),
        };
        let key = rcgen::KeyPair::generate().map_err(failed)?;
        let mut parameters = rcgen::CertificateParams::new(names).map_err(failed)?;
        parameters
            .distinguished_name
            .push(rcgen::DnType::CommonName, "flugs artifact server");
        let certificate = parameters.self_signed(&key).map_err(failed)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Self::new(vec![certificate.der().clone()], key.into(), clients, true)
    }

    /// The names for a generated certificate that fit a bound address.
    pub fn names_for(address: IpAddr) -> Vec<String> {
        vec!["localhost".to_owned(), address.to_string()]
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        clients: Option<&Path>,
        pinned: bool,
    ) -> Result<Self, TlsError> {
        let unusable = |source| TlsError::Unusable { source };
        let certificate = chain.first().cloned();
        let certificate =
            certificate.ok_or_else(|| unusable(rustls::Error::NoCertificatesPresented))?;
        let fingerprint = Fingerprint::of(&certificate);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(tls::authorities(Some(path))?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(|error| TlsError::ClientAuthority {
                        path: path.to_owned(),
                        reason: error.to_string(),
                    })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // The largest record: fewer of them for the same file. Tickets would tie a connection to
        // this process, and a fetcher makes few connections.
        config.send_tls13_tickets = 1;
        Ok(Self {
            config: Arc::new(config),
            certificate,
            fingerprint,
            pinned,
        })
    }

    /// The SHA-256 of the certificate.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The server's own certificate.
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The fingerprint, if clients are to check that.
    pub(super) fn pin(&self) -> Option<&Fingerprint> {
        self.pinned.then_some(&self.fingerprint)
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.config).into()
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TlsIdentity({})", self.fingerprint)
    }
}

impl Failure for TlsError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Configuration
    }
}
