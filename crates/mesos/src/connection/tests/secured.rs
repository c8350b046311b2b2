//! Masters that speak TLS.

use std::sync::Arc;

use super::*;

/// A server's certificate that an authority signed, and the authority.
fn certificates() -> (rustls::ServerConfig, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let signed = authority.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);
    let server = rcgen::KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned()];
    let params = rcgen::CertificateParams::new(names).unwrap();
    let certificate = params.signed_by(&server, &issuer).unwrap();
    let private = rustls_pki_types::PrivatePkcs8KeyDer::from(server.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private.into())
        .unwrap();
    (config, signed.pem())
}

#[tokio::test]
async fn masters_that_speak_tls_are_trusted_through_a_private_authority_and_no_other() {
    let (config, authority) = certificates();
    let (_, stranger) = certificates();
    let rogue = Rogue::secured(config).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authority.pem");
    let trusting = |pem: &str| {
        std::fs::write(&path, pem).unwrap();
        let authority = Some(path.clone());
        let identity = None;
        ConnectionSettings {
            tls: Some(TlsTrust {
                authority,
                identity,
            }),
            ..settings(&[&rogue])
        }
    };
    let mut connection = connected(trusting(&authority));
    assert_eq!(
        log(&mut connection, 1).await,
        ["leader 1.12.0", "SUBSCRIBED"]
    );
    connection.send(1, kill("t"));
    assert_eq!(rogue.posts(2).await.len(), 2);
    let told = whole(trusting(&stranger)).await.pop().unwrap();
    assert!(
        told.contains("cannot be reached: invalid peer certificate"),
        "{told}"
    );
    let plain = whole(settings(&[&rogue])).await.pop().unwrap();
    assert!(plain.contains("cannot be reached"), "{plain}");
    let none = Connection::new(trusting("no certificate")).unwrap_err();
    assert!(
        none.to_string().contains("holds no usable PEM certificate"),
        "{none}"
    );
}
