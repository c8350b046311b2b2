use super::*;
use proptest::prelude::*;

const PASSWORD: &str = "store-secret";

fn bytes(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/data/keystore")
        .join(name);
    std::fs::read(path).unwrap()
}

fn read(name: &str, key_password: &str) -> Result<KeyStore, KeyStoreProblem> {
    KeyStore::parse(&bytes(name), Some(PASSWORD), Some(key_password))
}

/// Whether rustls takes key and certificate, which it does only if they belong together.
fn belong_together(identity: Identity) -> bool {
    let provider = rustls::crypto::ring::default_provider();
    rustls::ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)
        .is_ok()
}

#[test]
fn the_same_key_is_read_from_all_formats_that_keytool_and_openssl_write() {
    let first = read("modern.p12", PASSWORD).unwrap().identity().unwrap();
    for (name, key_password) in [
        ("legacy.p12", PASSWORD),
        ("openssl.p12", PASSWORD),
        ("key.jks", "key-secret"),
    ] {
        let other = read(name, key_password).unwrap().identity().unwrap();
        assert!(other == first, "{name}");
    }
    assert!(belong_together(first));
}

#[test]
fn a_key_has_its_chain_up_to_the_root() {
    let identity = read("chain.p12", PASSWORD).unwrap().identity().unwrap();
    assert_eq!(identity.chain.len(), 3);
    assert!(belong_together(identity));
}

#[test]
fn trust_stores_hold_what_was_imported_and_need_no_key_password() {
    let own = read("modern.p12", PASSWORD).unwrap().trust().unwrap();
    for name in ["trust.p12", "trust.jks", "key.jks"] {
        let store = KeyStore::parse(&bytes(name), Some(PASSWORD), None).unwrap();
        assert_eq!(store.trust().unwrap(), own, "{name}");
    }
}

/// Java takes no certificate for trusted that lacks its attribute.
#[test]
fn certificates_that_openssl_put_there_are_not_trusted_by_java_and_that_is_said() {
    let store = KeyStore::parse(&bytes("openssl-certificates.p12"), Some(PASSWORD), None).unwrap();
    assert_eq!(store.trust(), Err(KeyStoreProblem::NoTrust));
    let store = KeyStore::parse(&bytes("trust.p12"), Some(PASSWORD), None).unwrap();
    assert_eq!(store.identity(), Err(KeyStoreProblem::NoKey));
}

#[test]
fn wrong_passwords_are_told_apart_and_not_repeated() {
    for name in ["modern.p12", "legacy.p12", "key.jks", "openssl.p12"] {
        let wrong = KeyStore::parse(&bytes(name), Some("other-secret"), Some("other-secret"));
        assert_eq!(wrong, Err(KeyStoreProblem::Password), "{name}");
        let wrong = read(name, "other-secret");
        assert_eq!(wrong, Err(KeyStoreProblem::KeyPassword), "{name}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/keystore/key.jks");
    let said = KeyStore::read(&path, Some("other-secret"), None).unwrap_err();
    assert!(!said.to_string().contains("other-secret"), "{said}");
}

#[test]
fn what_is_no_store_is_refused() {
    let refused = |bytes: &[u8]| KeyStore::parse(bytes, Some(PASSWORD), None).unwrap_err();
    assert_eq!(refused(b""), KeyStoreProblem::Format);
    assert_eq!(
        refused(b"-----BEGIN CERTIFICATE-----"),
        KeyStoreProblem::Format
    );
    assert_eq!(refused(&JCEKS), KeyStoreProblem::Format);
    let whole = bytes("modern.p12");
    assert_eq!(refused(whole.get(..500).unwrap()), KeyStoreProblem::Damaged);
}

/// A store may name any number of rounds.
#[test]
fn a_password_is_not_hashed_for_as_long_as_a_store_likes() {
    let mut store = bytes("modern.p12");
    // The seal's rounds are the last number: INTEGER, two bytes, 10000.
    let at = store.len() - 4;
    assert_eq!(store.get(at..), Some(&[2, 2, 0x27, 0x10][..]));
    store.truncate(at);
    store.extend([2, 2, 0x7f, 0xff]);
    let wrong = KeyStore::parse(&store, Some(PASSWORD), None);
    assert_eq!(wrong, Err(KeyStoreProblem::Password));

    let mut budget = encryption::Budget::default();
    let purpose = encryption::Purpose::Mac;
    let sha256 = &ring::digest::SHA256;
    let derived = encryption::derive(sha256, "", b"salt", u32::MAX, purpose, 32, &mut budget);
    assert_eq!(derived, Err(KeyStoreProblem::Rounds));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_store_is_refused_or_read_and_never_panics(
        which in 0_usize..4, at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let name = ["modern.p12", "legacy.p12", "key.jks", "trust.jks"][which];
        let mut damaged = bytes(name);
        let at = at.index(damaged.len());
        let before = damaged[at];
        damaged[at] = byte;
        let read = KeyStore::parse(&damaged, Some(PASSWORD), Some("key-secret"));
        // Every byte of these files is below the seal, or is part of it.
        prop_assert!(read.is_err() || byte == before || name.ends_with("p12"));
    }

    #[test]
    fn no_bytes_panic_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for magic in [&jks::MAGIC[..], &[0x30, 0x82, 0, 0]] {
            let _ = KeyStore::parse(&[magic, &bytes].concat(), Some(""), Some(""));
        }
    }
}
