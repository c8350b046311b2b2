//! Which keys hold secrets, by Flink's own rule.

/// What stands in place of a secret, as in Flink's own logs.
pub const REDACTED: &str = "******";

/// Parts of a key that make it sensitive: the union of the lists in `GlobalConfiguration` of
/// Flink 1.13.6 (`password`, `secret`, `fs.azure.account.key`, `apikey`), 1.20.5 (adds
/// `auth-params`, `service-key`, `token`, `basic-auth`, `jaas.config`, `http-headers`) and 2.3.0
/// (adds `api-key`); and what Flink has forgotten. They are compared in lower case.
const FRAGMENTS: [&str; 12] = [
    "password",
    "secret",
    "fs.azure.account.key",
    "apikey",
    "auth-params",
    "service-key",
    "token",
    "basic-auth",
    "jaas.config",
    "http-headers",
    "api-key",
    "zookeeper.client.authorization",
];

/// Whether a key's value is a secret.
pub fn is_sensitive(key: &str) -> bool {
    let key = key.to_lowercase();
    FRAGMENTS.iter().any(|fragment| key.contains(fragment))
}

/// The value, or [`REDACTED`] if the key is sensitive.
pub fn redacted<'a>(key: &str, value: &'a str) -> &'a str {
    if is_sensitive(key) { REDACTED } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensitive_keys_of_every_release_line_are_redacted() {
        for key in [
            "s3.secret-key",
            "security.ssl.internal.keystore-password",
            "fs.azure.account.key.x.blob.core.windows.net",
            "metrics.reporter.dghttp.apikey",
            "kubernetes.service-Token",
            "mesos.resourcemanager.framework.secret",
            "my.api-key",
            "high-availability.zookeeper.client.authorization.digest",
        ] {
            assert_eq!(redacted(key, "hunter2"), REDACTED, "{key}");
        }
        assert_eq!(redacted("jobmanager.rpc.address", "host"), "host");
    }
}
