//! Why something could not be fetched, told so that a person can mend it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use url::Url;

use crate::StoreError;
use flugs_base::{ExitCode, Failure, Sha256Digest};

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A URL cannot be used.
    #[error("artifact \"{name}\" has an unusable URL {url}: {reason}")]
    Url {
        /// The artifact.
        name: String,
        /// The URL, without what might be secret in it.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No URL answered as it should, after every retry.
    #[error("cannot fetch \"{name}\": no URL could be reached{note}{tried}")]
    Unreachable {
        /// The artifact.
        name: String,
        /// Each URL, and what became of it.
        tried: Tried,
        /// What ended the retries, if not their number.
        note: String,
    },
    /// Every URL answered that it has no such thing, or not for us.
    #[error("cannot fetch \"{name}\": every URL refuses; is the token right?{tried}")]
    Refused {
        /// The artifact.
        name: String,
        /// Each URL, and what became of it.
        tried: Tried,
    },
    /// What came is not what was asked for.
    #[error("cannot fetch \"{name}\": no URL has the bytes of sha256:{expected}{tried}")]
    Digest {
        /// The artifact.
        name: String,
        /// The digest that is demanded.
        expected: Sha256Digest,
        /// Each URL, and what became of it.
        tried: Tried,
    },
    /// A device is full.
    #[error("no space is left for \"{name}\" at {} ({size} bytes are needed)", path.display())]
    NoSpace {
        /// The artifact.
        name: String,
        /// The file that could not be written.
        path: PathBuf,
        /// The artifact's size.
        size: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file cannot be written or read here.
    #[error("cannot write {} for \"{name}\"", path.display())]
    Write {
        /// The artifact.
        name: String,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The shared cache failed.
    #[error("cannot keep \"{name}\" in the artifact cache")]
    Cache {
        /// The artifact.
        name: String,
        /// What went wrong.
        source: StoreError,
    },
    /// An artifact that is an archive was refused or could not be unpacked.
    #[error("cannot unpack \"{name}\"")]
    Archive {
        /// The artifact.
        name: String,
        /// Which rule it breaks, or what failed.
        source: crate::UnpackError,
    },
    /// The client's own TLS settings are unusable.
    #[error("the fetcher's TLS settings cannot be used: {reason}")]
    Tls {
        /// What is wrong, with the file.
        reason: String,
    },
    /// The file with the registries' passwords is unusable.
    #[error("the registry credentials in {} cannot be used: {reason}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; repeats nothing secret.
        reason: String,
    },
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {reason}")]
    Client {
        /// What the library said.
        reason: String,
    },
}

/// Each URL of an artifact and what became of it, in the order tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried(pub Vec<TriedUrl>);

/// One URL, how often it was tried and why it failed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriedUrl {
    /// The URL, without what might be secret in it.
    pub url: String,
    /// How often.
    pub times: u32,
    /// Why it failed the last time.
    pub why: String,
    pub(super) kind: Kind,
    pub(super) wrong: u32,
}

/// What sort of failure the last one was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Transient,
    Refused,
    Wrong,
}

/// Why one attempt at one URL failed.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// It may succeed later.
    Transient(String),
    /// It will not, as long as nobody changes something there.
    Refused(String),
    /// The bytes are others than those demanded.
    Wrong(String),
    /// The fault is on this side; no other URL would help.
    Local(FetchError),
}

impl Tried {
    /// Notes a failure; gives how often this URL has given wrong bytes by now.
    pub(super) fn note(&mut self, url: &str, kind: Kind, why: &str) -> u32 {
        let wrong = u32::from(kind == Kind::Wrong);
        if let Some(known) = self.0.iter_mut().find(|one| one.url == url) {
            known.times += 1;
            known.kind = kind;
            why.clone_into(&mut known.why);
            known.wrong += wrong;
            return known.wrong;
        }
        self.0.push(TriedUrl {
            url: url.to_owned(),
            times: 1,
            why: why.to_owned(),
            kind,
            wrong,
        });
        wrong
    }

    /// The error for an artifact that no URL gave. Wrong bytes outrank silence, silence outranks
    /// a refusal: the more alarming reason is the one to report.
    pub(super) fn into_error(self, name: &str, expected: &Sha256Digest, note: &str) -> FetchError {
        let any = |kind| self.0.iter().any(|one| one.kind == kind);
        let name = name.to_owned();
        if any(Kind::Wrong) {
            FetchError::Digest {
                name,
                expected: *expected,
                tried: self,
            }
        } else if any(Kind::Transient) || self.0.is_empty() {
            FetchError::Unreachable {
                name,
                tried: self,
                note: note.to_owned(),
            }
        } else {
            FetchError::Refused { name, tried: self }
        }
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.0 {
            let times = match one.times {
                1 => String::new(),
                times => format!(" ({times} times)"),
            };
            write!(formatter, "\n  tried {}{times}: {}", one.url, one.why)?;
        }
        Ok(())
    }
}

impl FetchError {
    /// An error of writing a file for an artifact.
    pub(super) fn writing(
        name: &str,
        path: &std::path::Path,
        size: u64,
        source: io::Error,
    ) -> Self {
        let (name, path) = (name.to_owned(), path.to_owned());
        if ExitCode::of_io(&source) == ExitCode::NoSpace {
            Self::NoSpace {
                name,
                path,
                size,
                source,
            }
        } else {
            Self::Write { name, path, source }
        }
    }
}

impl Failure for FetchError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Url { .. } => ExitCode::ManifestMalformed,
            Self::Unreachable { .. } => ExitCode::ArtifactUnreachable,
            Self::Refused { .. } => ExitCode::ArtifactRefused,
            Self::Digest { .. } => ExitCode::ArtifactDigest,
            Self::NoSpace { .. } => ExitCode::NoSpace,
            Self::Write { source, .. } => ExitCode::of_io(source),
            Self::Cache { source, .. } => source.exit_code(),
            Self::Archive { source, .. } => source.exit_code(),
            Self::Tls { .. } | Self::Credentials { .. } => ExitCode::Configuration,
            Self::Client { .. } => ExitCode::Internal,
        }
    }
}

/// A URL as it may be shown: without user information, query, fragment and capability.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    if shown.query().is_some() {
        shown.set_query(Some("redacted"));
    }
    let path = shown.path().to_owned();
    if let Some((_, rest)) = path
        .strip_prefix("/c/")
        .and_then(|rest| rest.split_once('/'))
    {
        shown.set_path(&format!("/c/redacted/{rest}"));
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_query_or_capability_is_shown() {
        let url = Url::parse("https://me:pass@h:1/c/5ec2e7/sha256/aa?sig=abc#pin").unwrap();
        assert_eq!(shown(&url), "https://h:1/c/redacted/sha256/aa?redacted");
    }

    #[test]
    fn the_error_names_each_url_how_often_it_was_tried_and_why_it_failed() {
        let mut tried = Tried::default();
        tried.note("http://a/x", Kind::Transient, "connection refused");
        tried.note("http://b/x", Kind::Refused, "404 Not Found");
        tried.note("http://a/x", Kind::Transient, "cut after 5 of 10 bytes");
        let error = tried.into_error("lib/x.jar", &Sha256Digest::of(b""), "");
        assert_eq!(
            error.to_string(),
            "cannot fetch \"lib/x.jar\": no URL could be reached\n  \
             tried http://a/x (2 times): cut after 5 of 10 bytes\n  \
             tried http://b/x: 404 Not Found"
        );
        assert_eq!(error.exit_code(), ExitCode::ArtifactUnreachable);
    }

    #[test]
    fn wrong_bytes_outrank_silence_and_silence_outranks_a_refusal() {
        use Kind::{Refused, Transient, Wrong};
        let code = |kinds: &[Kind]| {
            let mut tried = Tried::default();
            for (at, kind) in kinds.iter().enumerate() {
                tried.note(&at.to_string(), *kind, "");
            }
            tried
                .into_error("x", &Sha256Digest::of(b""), "")
                .exit_code()
        };
        assert_eq!(code(&[Refused, Refused]), ExitCode::ArtifactRefused);
        assert_eq!(code(&[Refused, Transient]), ExitCode::ArtifactUnreachable);
        assert_eq!(code(&[Wrong, Transient]), ExitCode::ArtifactDigest);
    }
}
