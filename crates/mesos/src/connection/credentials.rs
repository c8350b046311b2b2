//! Who the framework is to the master: Basic authentication.
//!
//! Owns the forms that credentials come in and the header they become. Never shows a secret.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use serde::Deserialize;

use flugs_base::files::read_bounded_text;

/// The variable with the path of a file of credentials.
pub const CREDENTIAL_FILE_VARIABLE: &str = "FLUGS_MESOS_CREDENTIAL_FILE";

/// The variable with the principal.
pub const PRINCIPAL_VARIABLE: &str = "FLUGS_MESOS_PRINCIPAL";

/// The variable with the secret.
pub const SECRET_VARIABLE: &str = "FLUGS_MESOS_SECRET";

/// More than this is no file of credentials.
const MOST_BYTES: u64 = 64 * 1024;

/// A principal and its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct BasicCredentials {
    principal: String,
    secret: String,
}

impl fmt::Debug for BasicCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (secret redacted)", self.principal)
    }
}

/// Why credentials cannot be used. None of the texts has a secret in it.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file is not readable.
    #[error("the Mesos credentials in {path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// What the file holds is no pair.
    #[error(
        "the Mesos credentials in {path} are in no form that is known; expected {{\"principal\": \"…\", \"secret\": \"…\"}}, or the principal, a blank and the secret"
    )]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// One half cannot be sent.
    #[error("the Mesos {part} {problem}")]
    Unusable {
        /// `principal` or `secret`.
        part: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// One variable without the other.
    #[error("{set} is set, and {missing} is not")]
    Half {
        /// The variable that is set.
        set: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
}

#[derive(Deserialize)]
struct Pair {
    principal: String,
    secret: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    /// What `--credential` of agents and frameworks takes.
    One(Pair),
    /// What `--credentials` of masters takes.
    List { credentials: [Pair; 1] },
}

impl BasicCredentials {
    /// A pair. The master splits what it gets at the colon and wants two parts
    /// (`src/authentication/http/basic_authenticator_factory.cpp`).
    pub fn new(principal: &str, secret: &str) -> Result<Self, CredentialsError> {
        for (part, text) in [("principal", principal), ("secret", secret)] {
            let problem = if text.contains(':') {
                "has a colon in it, which Basic authentication with Mesos cannot carry"
            } else if text.chars().any(char::is_control) {
                "has a control character in it"
            } else if text.is_empty() {
                "is empty"
            } else {
                continue;
            };
            return Err(CredentialsError::Unusable { part, problem });
        }
        Ok(Self {
            principal: principal.to_owned(),
            secret: secret.to_owned(),
        })
    }

    /// Reads a file in either form that Mesos takes: JSON, or principal and secret as text.
    pub fn from_file(path: &Path) -> Result<Self, CredentialsError> {
        let text = std::fs::File::open(path)
            .and_then(|file| read_bounded_text(file, MOST_BYTES))
            .map_err(|source| CredentialsError::Unreadable {
                path: path.to_owned(),
                source,
            })?;
        Self::from_text(&text).unwrap_or_else(|| {
            let path = path.to_owned();
            Err(CredentialsError::Form { path })
        })
    }

    /// Reads the pair, or the path of its file, from variables. Absent: none is set.
    pub fn from_environment(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, CredentialsError> {
        if let Some(path) = variable(CREDENTIAL_FILE_VARIABLE) {
            return Self::from_file(Path::new(&path)).map(Some);
        }
        let half = |set, missing| Err(CredentialsError::Half { set, missing });
        match (variable(PRINCIPAL_VARIABLE), variable(SECRET_VARIABLE)) {
            (None, None) => Ok(None),
            (Some(principal), Some(secret)) => Self::new(&principal, &secret).map(Some),
            (Some(_), None) => half(PRINCIPAL_VARIABLE, SECRET_VARIABLE),
            (None, Some(_)) => half(SECRET_VARIABLE, PRINCIPAL_VARIABLE),
        }
    }

    /// Who it is.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// The value of `Authorization`. The scheme's case matters to the master.
    pub(super) fn header(&self) -> HeaderValue {
        let pair = STANDARD.encode(format!("{}:{}", self.principal, self.secret));
        // Base64 holds nothing that a header could not.
        let mut value = HeaderValue::try_from(format!("Basic {pair}"))
            .unwrap_or_else(|_| HeaderValue::from_static("Basic"));
        value.set_sensitive(true);
        value
    }

    /// Absent: the text is in neither form.
    fn from_text(text: &str) -> Option<Result<Self, CredentialsError>> {
        let text = text.trim();
        if text.starts_with('{') {
            let (Document::One(pair)
            | Document::List {
                credentials: [pair],
            }) = serde_json::from_str(text).ok()?;
            return Some(Self::new(&pair.principal, &pair.secret));
        }
        let (principal, secret) = text.split_once([' ', '\t'])?;
        Some(Self::new(principal, secret.trim_start()))
    }
}

/// Reads a file's text as credentials, for fuzzing: no secret may get into what is shown.
#[doc(hidden)]
pub fn probe(text: &str) -> bool {
    match BasicCredentials::from_text(text) {
        Some(Ok(pair)) => {
            let (shown, sent) = (format!("{pair:?}"), pair.header());
            sent.is_sensitive() && shown == format!("{} (secret redacted)", pair.principal)
        }
        Some(Err(_)) | None => true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credential");
        std::fs::write(&path, text).unwrap();
        match BasicCredentials::from_file(&path) {
            Ok(pair) => format!("{}/{}", pair.principal, pair.secret),
            Err(error) => error
                .to_string()
                .replace(&path.display().to_string(), "FILE"),
        }
    }

    #[test]
    fn both_forms_that_mesos_takes_are_read() {
        let json = r#"{"principal": "flink", "secret": "s3cret", "more": 1}"#;
        assert_eq!(read(json), "flink/s3cret");
        let list = r#"{"credentials":[{"principal":"flink","secret":"s3cret"}]}"#;
        assert_eq!(read(list), "flink/s3cret");
        assert_eq!(read("flink s3cret\n"), "flink/s3cret");
        assert_eq!(read("flink\t  s3 cret\r\n"), "flink/s3 cret");
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_no_secret_is_told() {
        for text in [
            "",
            "hidden",
            "{\"principal\":\"p\",\"secret\":\"hidden\"",
            "{\"principal\":\"p\",\"secret\":[\"hidden\"]}",
            "p hid:den",
            "p:p hidden",
            "{\"principal\":\"\",\"secret\":\"hidden\"}",
            "{\"credentials\":[{\"principal\":\"a\",\"secret\":\"hidden\"},{\"principal\":\"b\",\"secret\":\"c\"}]}",
            "p hidden\nq hidden",
        ] {
            let told = read(text);
            assert!(told.contains("Mesos") && !told.contains("hid"), "{told}");
        }
        let long = read(&format!("p {}hidden", " ".repeat(70_000)));
        assert_eq!(long, "the Mesos credentials in FILE cannot be read");
        let missing = BasicCredentials::from_file(Path::new("/nowhere/x")).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "the Mesos credentials in /nowhere/x cannot be read"
        );
    }

    #[test]
    fn the_environment_names_a_file_or_both_halves() {
        let from = |pairs: &[(&str, &str)]| {
            let variables: BTreeMap<&str, &str> = pairs.iter().copied().collect();
            let one = |name: &str| variables.get(name).map(ToString::to_string);
            BasicCredentials::from_environment(one)
        };
        assert_eq!(from(&[]).unwrap(), None);
        let pair = from(&[(PRINCIPAL_VARIABLE, "p"), (SECRET_VARIABLE, "s")]).unwrap();
        assert_eq!(pair.as_ref().map(BasicCredentials::principal), Some("p"));
        assert_eq!(
            from(&[(SECRET_VARIABLE, "s")]).unwrap_err().to_string(),
            "FLUGS_MESOS_SECRET is set, and FLUGS_MESOS_PRINCIPAL is not"
        );
        from(&[(CREDENTIAL_FILE_VARIABLE, "/nowhere/x")]).unwrap_err();
    }

    #[test]
    fn the_header_is_what_the_recorded_master_took_and_debug_output_has_no_secret() {
        let pair = BasicCredentials::new("flink", "s3cret").unwrap();
        assert_eq!(pair.header().to_str().unwrap(), "Basic Zmxpbms6czNjcmV0");
        assert_eq!(
            format!("{pair:?} {:?}", pair.header()),
            "flink (secret redacted) Sensitive"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_pair_or_refused(text in "[{]?[a-z :\"\\t\\n,}{\\[\\]]{0,40}") {
            prop_assert!(probe(&text));
        }
    }
}
