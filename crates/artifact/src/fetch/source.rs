//! What a URL of an artifact stands for.

use std::path::PathBuf;

use url::Url;

use super::error::shown;
use super::pin::Fingerprint;
use super::{FetchError, Token};
use flugs_base::Sha256Digest;

/// One place that may have an artifact.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The URL as messages show it.
    pub(super) shown: String,
    pub(super) place: Place,
}

/// How to get at it.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A file of this host.
    File(PathBuf),
    /// An HTTP server.
    Http(HttpPlace),
}

/// An object on an HTTP server.
#[derive(Debug, Clone)]
pub(super) struct HttpPlace {
    pub(super) url: Url,
    /// Shown to the server that the manifest came from, and to no other.
    pub(super) token: Option<Token>,
    pub(super) pin: Option<Fingerprint>,
    /// An OCI registry, which may hand out a token of its own on demand.
    pub(super) registry: bool,
}

/// Resolves a URL of an artifact against the manifest's (RFC 3986 §5).
pub(super) fn resolve(
    reference: &str,
    base: &Url,
    name: &str,
    sha256: &Sha256Digest,
    token: Option<&Token>,
) -> Result<Source, FetchError> {
    let refuse = |url: &str, reason: String| FetchError::Url {
        name: name.to_owned(),
        url: url.to_owned(),
        reason,
    };
    let url = base
        .join(reference)
        .map_err(|error| refuse("(unreadable)", error.to_string()))?;
    let visible = shown(&url);
    let place = match url.scheme() {
        "file" => Place::File(
            url.to_file_path()
                .map_err(|()| refuse(&visible, "it names no local file".to_owned()))?,
        ),
        "http" | "https" => {
            let own = url.origin() == base.origin();
            let pin = match (Fingerprint::in_url(&url), Fingerprint::in_url(base)) {
                (Some(pin), _) => Some(pin),
                (None, inherited) if own => inherited,
                _ => None,
            };
            let pin = pin
                .transpose()
                .map_err(|error| refuse(&visible, error.to_string()))?;
            Place::Http(HttpPlace {
                token: token.filter(|_| own).cloned(),
                pin,
                registry: false,
                url,
            })
        }
        "oci" | "oci+http" => Place::Http(HttpPlace {
            url: blob_url(&url, sha256).map_err(|reason| refuse(&visible, reason))?,
            token: None,
            pin: None,
            registry: true,
        }),
        other => {
            let reason =
                format!("the scheme \"{other}\" is not one of http, https, file, oci, oci+http");
            return Err(refuse(&visible, reason));
        }
    };
    Ok(Source {
        shown: visible,
        place,
    })
}

/// `oci://REGISTRY/NAME` or `oci://REGISTRY/NAME@sha256:HEX` as the blob's URL (OCI distribution
/// specification, "Pulling blobs"). `oci+http` is for registries without TLS.
fn blob_url(url: &Url, sha256: &Sha256Digest) -> Result<Url, String> {
    let path = url.path().trim_matches('/');
    let name = match path.split_once('@') {
        None => path,
        Some((name, digest)) if digest == format!("sha256:{sha256}") => name,
        Some(_) => return Err(format!("its digest is not the artifact's sha256:{sha256}")),
    };
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c);
    if name.is_empty() || !name.chars().all(allowed) || name.contains("..") {
        return Err("it names no repository".to_owned());
    }
    let host = url.host_str().unwrap_or_default();
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let scheme = if url.scheme() == "oci" {
        "https"
    } else {
        "http"
    };
    Url::parse(&format!(
        "{scheme}://{host}{port}/v2/{name}/blobs/sha256:{sha256}"
    ))
    .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(reference: &str, base: &str) -> HttpPlace {
        let base = Url::parse(base).unwrap();
        let token = Token::new("0123456789abcdef").unwrap();
        let digest = Sha256Digest::of(b"");
        match resolve(reference, &base, "x", &digest, Some(&token))
            .unwrap()
            .place
        {
            Place::Http(place) => place,
            Place::File(path) => panic!("{}", path.display()),
        }
    }

    #[test]
    fn relative_references_follow_the_manifest() {
        let base = "http://master:8080/sha256/aa";
        assert_eq!(
            http("bb", base).url.as_str(),
            "http://master:8080/sha256/bb"
        );
        assert_eq!(http("/x", base).url.as_str(), "http://master:8080/x");
    }

    #[test]
    fn the_token_goes_to_the_manifests_server_alone() {
        let base = "http://master:8080/sha256/aa";
        assert!(http("bb", base).token.is_some());
        for foreign in [
            "http://master:8081/sha256/bb",
            "https://master:8080/sha256/bb",
            "http://mirror/bb",
            "//mirror:8080/bb",
        ] {
            assert!(http(foreign, base).token.is_none(), "{foreign}");
        }
    }

    #[test]
    fn a_pin_is_inherited_by_the_same_server_alone() {
        let pin = Sha256Digest::of(b"certificate").to_string();
        let base = format!("https://master:8080/sha256/aa#certificate-sha256={pin}");
        assert_eq!(http("bb", &base).pin.unwrap().to_string(), pin);
        assert!(http("https://mirror/bb", &base).pin.is_none());
        let own = format!("https://mirror/bb#certificate-sha256={pin}");
        assert!(http(&own, "http://master/").pin.is_some());
    }

    #[test]
    fn an_oci_reference_becomes_its_blobs_url() {
        let digest = Sha256Digest::of(b"");
        let place = http("oci://registry:5000/flink/dist", "http://m/");
        assert_eq!(
            place.url.as_str(),
            format!("https://registry:5000/v2/flink/dist/blobs/sha256:{digest}")
        );
        assert!(place.registry && place.token.is_none());
        let url = Url::parse("oci://registry/a/../b").unwrap();
        assert!(
            blob_url(&url, &digest).is_ok(),
            "normal before it is looked at"
        );
        let other = Url::parse("oci://registry/a@sha256:00").unwrap();
        assert!(blob_url(&other, &digest).is_err());
    }

    #[test]
    fn other_schemes_are_refused_by_name() {
        let base = Url::parse("http://m/").unwrap();
        // CVE-2026-4660: what a URL makes another program do.
        for forced in ["git::file:///etc/passwd", "git::http://h/x?upload-pack=y"] {
            resolve(forced, &base, "x", &Sha256Digest::of(b""), None).unwrap_err();
        }
        let error = resolve("ftp://h/x", &base, "x", &Sha256Digest::of(b""), None).unwrap_err();
        assert!(error.to_string().contains("\"ftp\""), "{error}");
    }
}
