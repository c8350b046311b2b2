//! What Flink's configuration says about TLS at its REST interface (`SecurityOptions`,
//! `SSLUtils`): which stores, which passwords, whom to trust. Pure: opens no file.

use std::path::PathBuf;

/// Looks an option up.
pub type Lookup<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

/// An option and the older one that counts where it is not set.
pub(super) type WithFallback = [&'static str; 2];

const KEY_STORE: WithFallback = ["security.ssl.rest.keystore", "security.ssl.keystore"];
pub(super) const KEY_STORE_PASSWORD: WithFallback = [
    "security.ssl.rest.keystore-password",
    "security.ssl.keystore-password",
];
pub(super) const KEY_PASSWORD: WithFallback = [
    "security.ssl.rest.key-password",
    "security.ssl.key-password",
];
const TRUST_STORE: WithFallback = ["security.ssl.rest.truststore", "security.ssl.truststore"];
const TRUST_STORE_PASSWORD: WithFallback = [
    "security.ssl.rest.truststore-password",
    "security.ssl.truststore-password",
];
pub(super) const FINGERPRINT: &str = "security.ssl.rest.cert.fingerprint";
pub(super) const ALGORITHMS: &str = "security.ssl.algorithms";
pub(super) const PROTOCOL: &str = "security.ssl.protocol";

/// What every Java since 8 and this client have in common.
const COMMON_ALGORITHMS: [&str; 9] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];
const COMMON_PROTOCOLS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// A value, and the option that it was found at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found<T> {
    pub(super) option: &'static str,
    pub(super) value: T,
}

/// A store that an option names.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct StoreOption {
    pub(super) path: Found<PathBuf>,
    pub(super) password: Option<String>,
}

/// TLS at the REST interface, as it is configured.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RestSecurity {
    /// Whether clients have to show a certificate.
    pub(super) mutual: bool,
    pub(super) key_store: Option<StoreOption>,
    pub(super) key_password: Option<String>,
    pub(super) trust_store: Option<StoreOption>,
    /// The SHA-1 of the one certificate that is trusted.
    pub(super) fingerprint: Option<String>,
    /// Options that leave nothing which this client could speak, with their values.
    pub(super) impossible: Option<Found<String>>,
}

/// Whether Flink's REST interface speaks TLS.
pub fn is_rest_encrypted(lookup: &Lookup<'_>) -> bool {
    let is_on = |key: &str| Some(lookup(key)?.trim().eq_ignore_ascii_case("true"));
    is_on("security.ssl.rest.enabled")
        .or_else(|| is_on("security.ssl.enabled"))
        .unwrap_or(false)
}

/// The scheme of the REST interface's URLs.
pub fn rest_scheme(lookup: &Lookup<'_>) -> &'static str {
    if is_rest_encrypted(lookup) {
        "https"
    } else {
        "http"
    }
}

impl RestSecurity {
    /// What is configured; `None` if the interface speaks plain HTTP.
    pub(super) fn of(lookup: &Lookup<'_>) -> Option<Self> {
        if !is_rest_encrypted(lookup) {
            return None;
        }
        let set = |key: &str| lookup(key).filter(|value| !value.trim().is_empty());
        let found = |options: WithFallback| {
            options.into_iter().find_map(|option| {
                let value = set(option)?;
                Some(Found { option, value })
            })
        };
        let password = |options| found(options).map(|found| found.value.to_owned());
        let store = |options, passwords| {
            let found = found(options)?;
            Some(StoreOption {
                path: Found {
                    option: found.option,
                    value: PathBuf::from(found.value.trim()),
                },
                password: password(passwords),
            })
        };
        let mutual = set("security.ssl.rest.authentication-enabled");
        Some(Self {
            mutual: mutual.is_some_and(|value| value.trim().eq_ignore_ascii_case("true")),
            key_store: store(KEY_STORE, KEY_STORE_PASSWORD),
            key_password: password(KEY_PASSWORD),
            trust_store: store(TRUST_STORE, TRUST_STORE_PASSWORD),
            fingerprint: set(FINGERPRINT).map(|value| value.trim().to_owned()),
            impossible: impossible(&set),
        })
    }

    pub(super) const fn key_store_options() -> WithFallback {
        KEY_STORE
    }
}

/// The option that leaves nothing in common, if one does.
fn impossible<'a>(set: &dyn Fn(&str) -> Option<&'a str>) -> Option<Found<String>> {
    let lists: [(&'static str, &[&str]); 2] = [
        (ALGORITHMS, &COMMON_ALGORITHMS),
        (PROTOCOL, &COMMON_PROTOCOLS),
    ];
    lists.into_iter().find_map(|(option, known)| {
        let value = set(option)?;
        let mut words = value.split([',', ';']).map(str::trim);
        let nothing = !words.any(|word| known.contains(&word));
        let value = value.to_owned();
        nothing.then_some(Found { option, value })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(settings: &[(&str, &'static str)]) -> Option<RestSecurity> {
        RestSecurity::of(&|key| {
            let found = settings.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| *value)
        })
    }

    #[test]
    fn the_switch_of_the_rest_interface_goes_before_the_general_one() {
        let on = ("security.ssl.enabled", "true");
        assert!(of(&[]).is_none());
        assert!(of(&[on]).is_some());
        assert!(of(&[on, ("security.ssl.rest.enabled", "false")]).is_none());
        assert!(of(&[("security.ssl.rest.enabled", "TRUE")]).is_some());
    }

    #[test]
    fn each_option_falls_back_to_the_general_one_by_itself() {
        let security = of(&[
            ("security.ssl.rest.enabled", "true"),
            ("security.ssl.rest.keystore", "rest.p12"),
            ("security.ssl.keystore", "all.p12"),
            ("security.ssl.keystore-password", "store"),
            ("security.ssl.key-password", "key"),
            ("security.ssl.truststore", "trust.jks"),
        ])
        .unwrap();
        let store = security.key_store.unwrap();
        assert_eq!(store.path.option, "security.ssl.rest.keystore");
        assert_eq!(store.password.as_deref(), Some("store"));
        assert_eq!(security.key_password.as_deref(), Some("key"));
        let trust = security.trust_store.unwrap();
        assert_eq!(trust.path.option, "security.ssl.truststore");
        assert_eq!(trust.password, None);
        assert!(!security.mutual);
    }

    /// Flink 1.13's default is one of them; flugs sets another.
    #[test]
    fn algorithms_that_nobody_should_speak_any_more_are_noticed() {
        let on = ("security.ssl.rest.enabled", "true");
        let old = (ALGORITHMS, "TLS_RSA_WITH_AES_128_CBC_SHA");
        let noticed = of(&[on, old]).unwrap().impossible.unwrap();
        assert_eq!(noticed.option, ALGORITHMS);
        let one = (
            ALGORITHMS,
            "TLS_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        );
        assert!(of(&[on, one]).unwrap().impossible.is_none());
        let noticed = of(&[on, (PROTOCOL, "TLSv1.1")]).unwrap().impossible;
        assert_eq!(noticed.unwrap().option, PROTOCOL);
    }
}
