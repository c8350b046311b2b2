use super::*;

fn store(name: &str) -> String {
    format!(
        "{}/../../tests/data/keystore/{name}",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// The configuration of a JobManager with this key store, and further settings.
fn of(key_store: &str, further: &[(&str, &str)]) -> Result<RestTls, RestTlsError> {
    let path = store(key_store);
    let mut settings = vec![
        ("security.ssl.rest.enabled", "true"),
        ("security.ssl.keystore", &path),
        ("security.ssl.keystore-password", "store-secret"),
        ("security.ssl.key-password", "store-secret"),
        ("security.ssl.truststore-password", "store-secret"),
    ];
    settings.extend(further);
    let lookup = |key: &str| {
        let found = settings.iter().rev().find(|(name, _)| *name == key);
        found.map(|(_, value)| *value)
    };
    RestTls::of(&lookup).map(Option::unwrap)
}

fn said(error: &RestTlsError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[test]
fn a_trust_store_of_either_kind_vouches_for_the_jobmanager() {
    for trust in ["trust.p12", "trust.jks", "modern.p12"] {
        of("modern.p12", &[("security.ssl.truststore", &store(trust))]).unwrap();
    }
    // Nothing is configured, as servers need nothing: the store's own certificate.
    of("modern.p12", &[]).unwrap();
    let (option, identity) = (of("chain.p12", &[]).unwrap().option, 3);
    assert_eq!(option, "security.ssl.keystore");
    assert_eq!(
        of("chain.p12", &[]).unwrap().identity().1.chain.len(),
        identity
    );
}

#[test]
fn a_jobmanager_that_nobody_vouches_for_is_told_before_it_is_started() {
    let trust = store("trust.p12");
    let error = of("chain.p12", &[("security.ssl.rest.truststore", &trust)]).unwrap_err();
    insta::assert_snapshot!(said(&error), @"the certificate that security.ssl.keystore names is not trusted by security.ssl.rest.truststore: invalid peer certificate: UnknownIssuer");
}

#[test]
fn a_fingerprint_is_the_sha1_of_the_certificate_and_goes_before_the_trust_store() {
    let tls = of("modern.p12", &[]).unwrap();
    let leaf = tls.identity.chain.first().unwrap();
    let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, leaf);
    let words: Vec<String> = sha1
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    let nowhere = ("security.ssl.truststore", "/nowhere/trust.p12");
    for separator in [":", ""] {
        let text = words.join(separator);
        of("modern.p12", &[nowhere, (FINGERPRINT, &text)]).unwrap();
    }
    let error = of("modern.p12", &[(FINGERPRINT, &"00".repeat(20))]).unwrap_err();
    insta::assert_snapshot!(said(&error), @"the certificate that security.ssl.keystore names is not trusted by security.ssl.rest.cert.fingerprint: unexpected error: its SHA-1 is another one");
    let error = of("modern.p12", &[(FINGERPRINT, "+1:zz")]).unwrap_err();
    assert!(matches!(error, RestTlsError::Fingerprint));
}

#[test]
fn what_is_missing_or_wrong_is_told_with_its_option_and_no_password() {
    let wrong = ("security.ssl.rest.keystore-password", "other-secret");
    let told = said(&of("modern.p12", &[wrong]).unwrap_err());
    assert!(
        told.starts_with("security.ssl.keystore cannot be followed: the key store ")
            && told.ends_with("its password is another one, or it is damaged")
            && !told.contains("other-secret"),
        "{told}"
    );
    let error = of("modern.p12", &[("security.ssl.key-password", "")]).unwrap_err();
    insta::assert_snapshot!(said(&error), @"Flink's REST interface is to speak TLS, and neither security.ssl.rest.key-password nor security.ssl.key-password is set");
    let old = ("security.ssl.algorithms", "TLS_RSA_WITH_AES_128_CBC_SHA");
    let error = of("modern.p12", &[old]).unwrap_err();
    insta::assert_snapshot!(said(&error), @"with security.ssl.algorithms: TLS_RSA_WITH_AES_128_CBC_SHA there is nothing that flugs and Flink could speak: TLS 1.2 or 1.3 with an ECDHE or TLS_AES cipher is needed");
}
