//! The secret that a fetcher shows and a server compares.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use ring::{digest, hmac};
use subtle::ConstantTimeEq as _;

use flugs_base::{ExitCode, Failure, Sha256Digest};

/// Tokens are short; a file this long is something else.
const LONGEST: u64 = 4096;

/// A bearer token (RFC 6750). Never printed: `Debug` shows no part of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why there is no token where one was named. None of these repeats what was read.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the token file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Others than the owner may read the file.
    #[error("the token file {} has mode {mode:#o}: others may read it; chmod 600 it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The environment variable is not set.
    #[error("the environment variable {name} holds no token: it is not set")]
    NoVariable {
        /// The variable.
        name: String,
    },
    /// What was read cannot be a token.
    #[error(
        "{origin} holds no usable token: expected 16 to 4096 of A-Z a-z 0-9 - . _ ~ + / = (RFC 6750)"
    )]
    Malformed {
        /// The file or variable.
        origin: String,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a token")]
    Random,
}

impl Token {
    /// Takes a token that is at hand. At least 16 characters of RFC 6750's `b64token`.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        Self::parse(text, "the text")
    }

    /// Makes a token of 256 random bits.
    pub fn generate() -> Result<Self, TokenError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| TokenError::Random)?;
        Ok(Self(
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes),
        ))
    }

    /// Reads a token from a file that only its owner may read; white space around it is dropped.
    pub fn from_file(path: &Path) -> Result<Self, TokenError> {
        let failed = |source| TokenError::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(TokenError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        let mut text = String::new();
        file.take(LONGEST + 2)
            .read_to_string(&mut text)
            .map_err(failed)?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads a token from an environment variable.
    pub fn from_env(name: &str) -> Result<Self, TokenError> {
        let text = std::env::var(name).map_err(|_| TokenError::NoVariable {
            name: name.to_owned(),
        })?;
        Self::parse(&text, name)
    }

    /// The token itself, for the one place that must send or write it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `shown` is this token. Takes the same time wherever they differ, and whatever
    /// their lengths.
    pub fn matches(&self, shown: &[u8]) -> bool {
        let digest = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes);
        let (own, other) = (digest(self.0.as_bytes()), digest(shown));
        own.as_ref().ct_eq(other.as_ref()).into()
    }

    /// The capability for one artifact: 64 hexadecimal digits that grant it and nothing else, and
    /// from which the token cannot be found. The same after a restart with the same token.
    pub fn capability(&self, artifact: &Sha256Digest) -> String {
        let tag = hmac::sign(&self.capability_key(), artifact.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        Sha256Digest::from_bytes(bytes).to_string()
    }

    /// Whether `shown` is the capability for this artifact, in constant time.
    pub fn grants(&self, artifact: &Sha256Digest, shown: &Sha256Digest) -> bool {
        hmac::verify(
            &self.capability_key(),
            artifact.as_bytes(),
            shown.as_bytes(),
        )
        .is_ok()
    }

    /// The capability to hand in the exit report of one task: 64 hexadecimal digits that grant it
    /// and nothing else. The same after a restart with the same token.
    pub fn report_capability(&self, task: &str) -> String {
        let tag = hmac::sign(&self.report_key(), task.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        Sha256Digest::from_bytes(bytes).to_string()
    }

    /// Whether `shown` is the capability for this task's report, in constant time.
    pub fn grants_report(&self, task: &str, shown: &Sha256Digest) -> bool {
        hmac::verify(&self.report_key(), task.as_bytes(), shown.as_bytes()).is_ok()
    }

    fn report_key(&self) -> hmac::Key {
        self.derived_key(b"exit report capability v1")
    }

    fn capability_key(&self) -> hmac::Key {
        self.derived_key(b"artifact capability v1")
    }

    fn derived_key(&self, purpose: &[u8]) -> hmac::Key {
        let root = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        let derived = hmac::sign(&root, purpose);
        hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
    }

    fn parse(text: &str, origin: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if (16..=4096).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TokenError::Malformed {
                origin: origin.to_owned(),
            })
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(redacted)")
    }
}

impl Failure for TokenError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Read { source, .. } => ExitCode::of_io(source),
            Self::Random => ExitCode::Internal,
            Self::Exposed { .. } | Self::NoVariable { .. } | Self::Malformed { .. } => {
                ExitCode::Configuration
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn token() -> Token {
        Token::new("0123456789abcdef").unwrap()
    }

    #[test]
    fn a_token_is_never_printed() {
        assert_eq!(format!("{:?}", token()), "Token(redacted)");
        let error = Token::new("short-secret\u{7}").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("short-secret"));
    }

    #[test]
    fn only_the_token_itself_matches() {
        assert!(token().matches(b"0123456789abcdef"));
        for other in [
            "",
            "0123456789abcde",
            "0123456789abcdeF",
            "0123456789abcdef ",
        ] {
            assert!(!token().matches(other.as_bytes()), "{other:?}");
        }
    }

    #[test]
    fn a_token_file_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        for (mode, accepted) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Token::from_file(&path).is_ok(), accepted, "{mode:o}");
        }
    }

    #[test]
    fn a_report_is_handed_in_for_one_task_only_and_an_artifact_is_none() {
        let shown: Sha256Digest = token()
            .report_capability("taskmanager-1-7")
            .parse()
            .unwrap();
        assert!(token().grants_report("taskmanager-1-7", &shown));
        assert!(!token().grants_report("taskmanager-1-8", &shown));
        assert!(!token().grants(&Sha256Digest::of(b"taskmanager-1-7"), &shown));
    }

    #[test]
    fn an_unset_variable_is_named() {
        let error = Token::from_env("FLUGS_NO_SUCH_TOKEN").unwrap_err();
        assert!(error.to_string().contains("FLUGS_NO_SUCH_TOKEN"));
    }

    #[test]
    fn a_capability_grants_one_artifact_only_and_outlives_a_restart() {
        let (one, two) = (Sha256Digest::of(b"1"), Sha256Digest::of(b"2"));
        let shown: Sha256Digest = token().capability(&one).parse().unwrap();
        assert!(token().grants(&one, &shown));
        assert!(!token().grants(&two, &shown));
        let other = Token::generate().unwrap();
        assert!(!other.grants(&one, &shown));
    }
}
