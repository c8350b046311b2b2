//! The client's side of TLS to a JobManager that was started with the same configuration.
//!
//! Trust is as Flink's own clients have it: one certificate by its fingerprint, or whom the trust
//! store vouches for. Where neither is configured, which servers do not need, it is the certificate
//! in the key store, since that is the one that the JobManager shows. Names are not compared, as
//! Flink does not: the JobManager is asked at the address that it was told to listen on.

use std::sync::Arc;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, Error, RootCertStore};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::security::{
    FINGERPRINT, Found, KEY_PASSWORD, KEY_STORE_PASSWORD, Lookup, RestSecurity, StoreOption,
    WithFallback,
};
use flugs_base::{ExitCode, Failure};
use flugs_java_keystore::{Identity, KeyStore, KeyStoreError, KeyStoreProblem};
use flugs_net::tls::{Judge, JudgedVerifier};

/// How a JobManager's REST interface is spoken to over TLS, and who the JobManager is there.
#[derive(Debug, Clone)]
pub struct RestTls {
    config: ClientConfig,
    identity: Identity,
    option: &'static str,
}

/// Why the REST interface cannot be spoken to over TLS.
#[derive(Debug, thiserror::Error)]
pub enum RestTlsError {
    /// An option that TLS needs is not set.
    #[error("Flink's REST interface is to speak TLS, and neither {} nor {} is set", options[0], options[1])]
    Missing {
        /// The option, and its fallback.
        options: [&'static str; 2],
    },
    /// A store cannot be used.
    #[error("{option} cannot be followed")]
    Store {
        /// The option that names it.
        option: &'static str,
        /// What is wrong.
        source: KeyStoreError,
    },
    /// The fingerprint is none.
    #[error("{FINGERPRINT} is no SHA-1 fingerprint: 40 hexadecimal digits are expected")]
    Fingerprint,
    /// Clients would not trust the JobManager.
    #[error("the certificate that {key_store} names is not trusted by {trust}: {reason}")]
    Untrusted {
        /// The option that names the JobManager's store.
        key_store: &'static str,
        /// The option that says whom to trust.
        trust: &'static str,
        /// Why not.
        reason: String,
    },
    /// Nothing is left that this client could speak.
    #[error(
        "with {option}: {value} there is nothing that flugs and Flink could speak: TLS 1.2 or 1.3 with an ECDHE or TLS_AES cipher is needed"
    )]
    Impossible {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
    },
    /// Key and certificate do not go together, or are of a kind that is not supported.
    #[error("the key and the certificate that {option} names cannot be used: {source}")]
    Unusable {
        /// The option that names the store.
        option: &'static str,
        /// What the TLS library said.
        source: Error,
    },
}

impl RestTls {
    /// Reads what the configuration names; `None` if the REST interface speaks plain HTTP. What
    /// would keep the JobManager from being trusted is said here, before there is one.
    pub fn of(lookup: &Lookup<'_>) -> Result<Option<Self>, RestTlsError> {
        let Some(security) = RestSecurity::of(lookup) else {
            return Ok(None);
        };
        if let Some(Found { option, value }) = security.impossible {
            return Err(RestTlsError::Impossible { option, value });
        }
        let (option, identity) = identity(&security)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (trust_option, trust) = trust(&security, &identity, option)?;
        let [leaf, intermediates @ ..] = identity.chain.as_slice() else {
            return Err(unusable(option, Error::NoCertificatesPresented));
        };
        trust
            .judge(leaf, intermediates, UnixTime::now(), &provider)
            .map_err(|error| RestTlsError::Untrusted {
                key_store: option,
                trust: trust_option,
                reason: error.to_string(),
            })?;
        let failed = |source| unusable(option, source);
        let verifier = JudgedVerifier::new(trust, Arc::clone(&provider));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = if security.mutual {
            let Identity { chain, key } = identity.clone();
            builder.with_client_auth_cert(chain, key).map_err(failed)?
        } else {
            builder.with_no_client_auth()
        };
        Ok(Some(Self {
            config,
            identity,
            option,
        }))
    }

    /// Key and certificate of the JobManager, and the option that names them.
    pub const fn identity(&self) -> (&'static str, &Identity) {
        (self.option, &self.identity)
    }

    pub(super) fn client_config(&self) -> ClientConfig {
        self.config.clone()
    }
}

fn unusable(option: &'static str, source: Error) -> RestTlsError {
    RestTlsError::Unusable { option, source }
}

/// The JobManager's own key and certificate. Flink needs both passwords.
fn identity(security: &RestSecurity) -> Result<(&'static str, Identity), RestTlsError> {
    let missing = |options: WithFallback| RestTlsError::Missing { options };
    let store = security.key_store.as_ref();
    let store = store.ok_or_else(|| missing(RestSecurity::key_store_options()))?;
    if store.password.is_none() {
        return Err(missing(KEY_STORE_PASSWORD));
    }
    let key_password = security.key_password.as_deref();
    let key_password = key_password.ok_or_else(|| missing(KEY_PASSWORD))?;
    let identity = open(store, Some(key_password), KeyStore::identity)?;
    Ok((store.path.option, identity))
}

/// Opens a store and takes something out of it.
fn open<T>(
    store: &StoreOption,
    key_password: Option<&str>,
    take: impl FnOnce(KeyStore) -> Result<T, KeyStoreProblem>,
) -> Result<T, RestTlsError> {
    let Found {
        option,
        value: path,
    } = &store.path;
    let unusable = |problem| KeyStoreError::Unusable {
        path: path.clone(),
        problem,
    };
    KeyStore::read(path, store.password.as_deref(), key_password)
        .and_then(|store| take(store).map_err(unusable))
        .map_err(|source| RestTlsError::Store { option, source })
}

/// Whom to trust, and the option that says so.
fn trust(
    security: &RestSecurity,
    identity: &Identity,
    key_store: &'static str,
) -> Result<(&'static str, Trust), RestTlsError> {
    if let Some(text) = &security.fingerprint {
        let fingerprint = sha1_fingerprint(text).ok_or(RestTlsError::Fingerprint)?;
        return Ok((FINGERPRINT, Trust::Fingerprint(fingerprint)));
    }
    let Some(store) = &security.trust_store else {
        let own = identity.chain.first().cloned().into_iter().collect();
        let roots = RootCertStore::empty();
        return Ok((key_store, Trust::Certificates { exact: own, roots }));
    };
    let exact = open(store, None, KeyStore::trust)?;
    let mut roots = RootCertStore::empty();
    // One that cannot vouch for others may still be trusted for itself.
    roots.add_parsable_certificates(exact.iter().cloned());
    Ok((store.path.option, Trust::Certificates { exact, roots }))
}

/// As Netty's `FingerprintTrustManagerFactory` reads it: hexadecimal, colons or not.
fn sha1_fingerprint(text: &str) -> Option<[u8; 20]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let digits = std::str::from_utf8(&digits).ok()?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    if digits.len() != 40 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes?.try_into().ok()
}

#[derive(Debug)]
enum Trust {
    /// The certificate with this SHA-1.
    Fingerprint([u8; 20]),
    /// These certificates, and those that they vouch for.
    Certificates {
        exact: Vec<CertificateDer<'static>>,
        roots: RootCertStore,
    },
}

impl Judge for Trust {
    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        provider: &CryptoProvider,
    ) -> Result<(), Error> {
        match self {
            Self::Fingerprint(expected) => {
                let shown = digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate);
                if shown.as_ref() == expected {
                    return Ok(());
                }
                Err(Error::General("its SHA-1 is another one".to_owned()))
            }
            // Java trusts what is in the store whatever it says of itself.
            Self::Certificates { exact, .. } if exact.iter().any(|one| one == certificate) => {
                Ok(())
            }
            Self::Certificates { roots, .. } => verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(certificate)?,
                roots,
                intermediates,
                now,
                provider.signature_verification_algorithms.all,
            ),
        }
    }
}

impl Failure for RestTlsError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Configuration
    }
}

#[cfg(test)]
mod tests;
