//! HTTP clients: one for servers that authorities vouch for, one for each pinned certificate.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::redirect;
use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use flugs_net::tls::{Judge, JudgedVerifier, PemError, authorities, certificates, private_key};

use super::pin::Fingerprint;
use super::{FetchError, FetchOptions};

/// More redirects than this are a loop.
const MOST_REDIRECTS: usize = 5;

/// Makes and keeps HTTP clients.
#[derive(Debug)]
pub(super) struct Clients {
    plain: reqwest::Client,
    pinned: Mutex<BTreeMap<Fingerprint, reqwest::Client>>,
    settings: Settings,
}

#[derive(Debug)]
struct Settings {
    options: FetchOptions,
    identity: Option<Arc<Identity>>,
}

#[derive(Debug)]
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Clients {
    pub(super) fn new(options: &FetchOptions) -> Result<Self, FetchError> {
        let identity = match &options.client_identity {
            None => None,
            Some((chain, key)) => Some(Arc::new(Identity {
                chain: certificates(chain).map_err(|error| unusable(&error))?,
                key: private_key(key).map_err(|error| unusable(&error))?,
            })),
        };
        let settings = Settings {
            options: options.clone(),
            identity,
        };
        let plain = match options.pin {
            Some(pin) => settings.client(settings.pinned_tls(pin)?)?,
            None => settings.client(settings.trusting_tls()?)?,
        };
        Ok(Self {
            plain,
            pinned: Mutex::default(),
            settings,
        })
    }

    /// The client for a server with this certificate, or for one that authorities vouch for.
    pub(super) fn of(&self, pin: Option<Fingerprint>) -> Result<reqwest::Client, FetchError> {
        let Some(pin) = pin else {
            return Ok(self.plain.clone());
        };
        let mut pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = pinned.get(&pin) {
            return Ok(client.clone());
        }
        let client = self.settings.client(self.settings.pinned_tls(pin)?)?;
        pinned.insert(pin, client.clone());
        Ok(client)
    }
}

impl Settings {
    fn client(&self, tls: ClientConfig) -> Result<reqwest::Client, FetchError> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(self.options.resolver.clone())
            .http1_only()
            .tcp_nodelay(true)
            .referer(false)
            .redirect(redirect_policy())
            .connect_timeout(self.options.connect_timeout)
            .user_agent(concat!("flugs/", env!("CARGO_PKG_VERSION")));
        if !self.options.use_proxies || every_host_is_excepted() {
            builder = builder.no_proxy();
        }
        builder.build().map_err(|error| FetchError::Client {
            reason: error.to_string(),
        })
    }

    /// Trusts the private authority if one is given, and then no other; else the system's.
    fn trusting_tls(&self) -> Result<ClientConfig, FetchError> {
        // A system without certificates is fine for as long as nothing needs them.
        let roots =
            authorities(self.options.authority.as_deref()).map_err(|error| unusable(&error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| tls(&error))?;
        if roots.is_empty() {
            let nobody = Arc::new(JudgedVerifier::new(NoAuthorities, provider));
            let builder = builder.dangerous().with_custom_certificate_verifier(nobody);
            return self.finish(builder);
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| FetchError::Tls {
                reason: error.to_string(),
            })?;
        self.finish(builder.with_webpki_verifier(verifier))
    }

    fn pinned_tls(&self, pin: Fingerprint) -> Result<ClientConfig, FetchError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = JudgedVerifier::new(pin, Arc::clone(&provider));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| tls(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        self.finish(builder)
    }

    fn finish(
        &self,
        builder: rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>,
    ) -> Result<ClientConfig, FetchError> {
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some(identity) => builder
                .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
                .map_err(|error| tls(&error)),
        }
    }
}

/// `NO_PROXY=*` means no proxy at all, as in curl; the library takes it for every name and no
/// address.
fn every_host_is_excepted() -> bool {
    let variable = ["no_proxy", "NO_PROXY"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    variable.is_some_and(|hosts| hosts.split(',').any(|host| host.trim() == "*"))
}

/// For a system that has no authorities: refuses everybody, and says why.
#[derive(Debug)]
struct NoAuthorities;

impl Judge for NoAuthorities {
    fn judge(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
        _provider: &CryptoProvider,
    ) -> Result<(), rustls::Error> {
        Err(rustls::Error::General(
            "this system has no certificate authorities: name one, or pin the certificate".into(),
        ))
    }
}

/// Follows a few redirects, never from TLS to plain text.
fn redirect_policy() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let from_tls = attempt.previous().iter().any(|url| url.scheme() == "https");
        if attempt.previous().len() > MOST_REDIRECTS {
            attempt.error("too many redirects")
        } else if from_tls && attempt.url().scheme() != "https" {
            attempt.error("a redirect from https to plain text")
        } else {
            attempt.follow()
        }
    })
}

fn unusable(error: &PemError) -> FetchError {
    FetchError::Tls {
        reason: error.to_string(),
    }
}

fn tls(error: &rustls::Error) -> FetchError {
    FetchError::Tls {
        reason: error.to_string(),
    }
}
