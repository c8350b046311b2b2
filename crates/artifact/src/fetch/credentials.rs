//! Who one is to OCI registries: the file that `docker login` and `podman login` write.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use url::Url;

use super::FetchError;

/// Such files are short; one this long is something else.
const LONGEST: u64 = 1 << 20;

/// Names and passwords by registry. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    /// `HOST` or `HOST:PORT` to the base64 of `NAME:PASSWORD`.
    by_registry: BTreeMap<String, String>,
}

/// The part of the file that is used here (containers-auth.json(5)); helpers, which are programs
/// to be run, are not.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
}

impl Credentials {
    /// Reads a file that only its owner may read. No error repeats what was read.
    pub(super) fn from_file(path: &Path) -> Result<Self, FetchError> {
        let refuse = |reason: &dyn fmt::Display| FetchError::Credentials {
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        let file = File::open(path).map_err(|error| refuse(&error))?;
        let mode = file.metadata().map_err(|error| refuse(&error))?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(refuse(&format!(
                "it has mode {mode:#o}: others may read it; chmod 600 it"
            )));
        }
        let mut text = Vec::new();
        file.take(LONGEST)
            .read_to_end(&mut text)
            .map_err(|error| refuse(&error))?;
        Self::parse(&text).map_err(|reason| refuse(&reason))
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("it is not what `docker login` writes (line {line}, column {column})")
        })?;
        let mut by_registry = BTreeMap::new();
        for (name, entry) in document.auths {
            // An empty one stands for a helper program that knows the password.
            if entry.auth.is_empty() {
                continue;
            }
            let decoded = STANDARD.decode(&entry.auth);
            if !decoded.is_ok_and(|decoded| decoded.contains(&b':')) {
                return Err(format!(
                    "its entry for {name:?} is not the base64 of NAME:PASSWORD"
                ));
            }
            by_registry.insert(registry_host(&name).to_owned(), entry.auth);
        }
        Ok(Self { by_registry })
    }

    /// `Basic …` (RFC 7617) for the registry of this URL, marked so that no debug output shows it.
    pub(super) fn of(&self, url: &Url) -> Option<HeaderValue> {
        let host = url.host_str()?;
        let with_port = url.port().map(|port| format!("{host}:{port}"));
        let found = self.by_registry.get(with_port.as_deref().unwrap_or(host))?;
        let mut value = HeaderValue::try_from(format!("Basic {found}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_set()
            .entries(self.by_registry.keys())
            .finish()
    }
}

/// The `HOST` or `HOST:PORT` that an entry of such a file is for; older files have
/// `https://HOST:PORT/v1/`.
pub fn registry_host(name: &str) -> &str {
    let bare = name.split_once("://").map_or(name, |(_, rest)| rest);
    bare.split('/').next().unwrap_or(bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const FILE: &str = r#"{
        "auths": {
            "registry.example:5000": {"auth": "bWU6c2VjcmV0"},
            "https://index.example/v1/": {"auth": "eW91Om90aGVy", "email": "x"},
            "helped.example": {}
        },
        "credsStore": "desktop"
    }"#;

    #[test]
    fn a_registrys_password_goes_to_that_host_and_port_alone() {
        let credentials = Credentials::parse(FILE.as_bytes()).unwrap();
        let of = |url: &str| credentials.of(&Url::parse(url).unwrap());
        assert_eq!(
            of("https://registry.example:5000/v2/x").unwrap(),
            "Basic bWU6c2VjcmV0"
        );
        assert_eq!(
            of("https://index.example/v2/x").unwrap(),
            "Basic eW91Om90aGVy"
        );
        for other in [
            "https://registry.example/v2/x",
            "https://registry.example:5001/v2/x",
            "https://helped.example/v2/x",
            "https://evil.example/registry.example:5000",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn neither_debug_output_nor_an_error_shows_a_password() {
        let credentials = Credentials::parse(FILE.as_bytes()).unwrap();
        let shown = format!(
            "{credentials:?} {:?}",
            credentials.of(&Url::parse("https://index.example/").unwrap())
        );
        assert!(
            !shown.contains("c2VjcmV0") && !shown.contains("b3RoZXI"),
            "{shown}"
        );
        for wrong in [
            r#"{"auths": {"h": {"auth": "secret!"}}}"#,
            r#"{"auths": {"h": {"auth": "c2VjcmV0"}}}"#,
            r#"{"auths": "secret"}"#,
        ] {
            let reason = Credentials::parse(wrong.as_bytes()).unwrap_err();
            assert!(!reason.contains("secret"), "{reason}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), FILE).unwrap();
        Credentials::from_file(file.path()).unwrap();
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(file.path(), mode).unwrap();
        let error = Credentials::from_file(file.path()).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
