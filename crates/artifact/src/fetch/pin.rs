//! Trusting a server by the fingerprint of its certificate.

use std::fmt;
use std::str::FromStr;

use rustls::Error;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::{CertificateDer, UnixTime};

use flugs_base::{DigestError, Sha256Digest};
use flugs_net::tls::Judge;

/// How a fingerprint is written in the fragment of a URL: `https://host/…#certificate-sha256=HEX`.
/// A fragment is never sent, and a relative reference inherits the pin of its base.
pub const PIN_PREFIX: &str = "certificate-sha256=";

/// The SHA-256 of a certificate (DER).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(Sha256Digest);

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256Digest::of(certificate))
    }

    /// The pin in a URL's fragment, if there is one.
    pub fn in_url(url: &url::Url) -> Option<Result<Self, DigestError>> {
        let hex = url.fragment()?.strip_prefix(PIN_PREFIX)?;
        Some(hex.parse())
    }
}

impl FromStr for Fingerprint {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Accepts exactly one certificate, whatever it says of itself: who holds its key is the server.
/// Names and dates play no part, so a generated certificate needs neither.
impl Judge for Fingerprint {
    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
        _provider: &CryptoProvider,
    ) -> Result<(), Error> {
        let shown = Self::of(certificate);
        if shown == *self {
            return Ok(());
        }
        let why = format!("the server's certificate has SHA-256 {shown}, and {self} is pinned");
        Err(Error::General(why))
    }
}
