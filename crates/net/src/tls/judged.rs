//! Certificates that are judged otherwise than by the authorities of a system.

use std::fmt::Debug;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Whether a server is the right one, by the certificate that it shows. Its name plays no part.
pub trait Judge: Debug + Send + Sync {
    /// Accepts a certificate, or says what is wrong with it. `intermediates` are what the server has
    /// sent besides.
    ///
    /// # Errors
    /// If the server is not to be spoken to.
    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        provider: &CryptoProvider,
    ) -> Result<(), Error>;
}

/// Asks a judge about the certificate, and sees for itself that the server holds its key.
#[derive(Debug)]
pub struct JudgedVerifier<J> {
    judge: J,
    provider: Arc<CryptoProvider>,
}

impl<J: Judge> JudgedVerifier<J> {
    /// A verifier with the algorithms of this provider.
    pub const fn new(judge: J, provider: Arc<CryptoProvider>) -> Self {
        Self { judge, provider }
    }
}

impl<J: Judge> ServerCertVerifier for JudgedVerifier<J> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge
            .judge(end_entity, intermediates, now, &self.provider)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
