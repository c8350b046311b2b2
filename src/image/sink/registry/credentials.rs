//! Who one is at a registry: what `docker login` left in `config.json` of `~/.docker` or of
//! `DOCKER_CONFIG`. Read only; never shown.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::image::ImageError;
use flugs_artifact::fetch::registry_host;

/// A user's name and secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Credentials(***)")
    }
}

/// What matters of Docker's `config.json`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    identitytoken: Option<String>,
}

/// What a credential helper answers (docker/docker-credential-helpers).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: String,
    secret: String,
}

/// The credentials for a registry, if there are any.
pub(super) fn find(registry: &str) -> Result<Option<Credentials>, ImageError> {
    let Some(path) = config_path() else {
        return Ok(None);
    };
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ImageError::read(&path, error)),
    };
    of_config(&bytes, registry, &path)
}

fn config_path() -> Option<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let directory =
        set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")))?;
    Some(directory.join("config.json"))
}

fn of_config(bytes: &[u8], registry: &str, path: &Path) -> Result<Option<Credentials>, ImageError> {
    let failed = |reason: String| ImageError::Credentials {
        registry: registry.to_owned(),
        reason,
    };
    // What serde says could quote a secret, so only the place is told.
    let config: Config = serde_json::from_slice(bytes).map_err(|error| {
        failed(format!(
            "{}:{}:{} is not what it should be",
            path.display(),
            error.line(),
            error.column()
        ))
    })?;
    if let Some(helper) = config.cred_helpers.get(registry) {
        return ask(helper, registry).map(Some).map_err(failed);
    }
    let listed = config
        .auths
        .iter()
        .find(|(name, _)| registry_host(name) == registry);
    if let Some((_, auth)) = listed {
        if let Some(token) = auth
            .identitytoken
            .as_ref()
            .filter(|token| !token.is_empty())
        {
            return Ok(Some(Credentials {
                user: "<token>".to_owned(),
                secret: token.clone(),
            }));
        }
        if let Some(auth) = auth.auth.as_ref().filter(|auth| !auth.is_empty()) {
            return decoded(auth).map(Some).ok_or_else(|| {
                failed(format!(
                    "its `auth` in {} is not base64 of user:secret",
                    path.display()
                ))
            });
        }
    }
    match (&config.creds_store, listed) {
        (Some(helper), Some(_)) => ask(helper, registry).map(Some).map_err(failed),
        _ => Ok(None),
    }
}

fn decoded(auth: &str) -> Option<Credentials> {
    let text = String::from_utf8(STANDARD.decode(auth).ok()?).ok()?;
    let (user, secret) = text.split_once(':')?;
    Some(Credentials {
        user: user.to_owned(),
        // Docker has padded secrets with NUL.
        secret: secret.trim_end_matches('\0').to_owned(),
    })
}

fn ask(helper: &str, registry: &str) -> Result<Credentials, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if helper.is_empty() || !helper.chars().all(plain) {
        return Err("the credential helper's name has characters that no such name has".to_owned());
    }
    let program = format!("docker-credential-{helper}");
    let run = || -> std::io::Result<std::process::Output> {
        let mut child = Command::new(&program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(registry.as_bytes())?;
        }
        child.wait_with_output()
    };
    let output = run().map_err(|error| format!("{program} could not be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} ended with {}", output.status));
    }
    let answer: Helped = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("{program} answered something else than credentials"))?;
    Ok(Credentials {
        user: answer.username,
        secret: answer.secret,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(config: &str) -> Result<Option<Credentials>, ImageError> {
        of_config(
            config.as_bytes(),
            "r.example:5000",
            Path::new("config.json"),
        )
    }

    #[test]
    fn what_docker_login_writes_is_read() {
        let auth = STANDARD.encode("me:se:cret");
        let found = of(&format!(
            r#"{{"auths":{{"r.example:5000":{{"auth":"{auth}"}}}},"HttpHeaders":{{}}}}"#
        ));
        assert_eq!(
            found.unwrap().unwrap(),
            Credentials {
                user: "me".into(),
                secret: "se:cret".into()
            }
        );
        let found = of(&format!(
            r#"{{"auths":{{"https://r.example:5000/v1/":{{"auth":"{auth}"}}}}}}"#
        ));
        assert!(found.unwrap().is_some());
        let found = of(r#"{"auths":{"r.example:5000":{"identitytoken":"t"}}}"#)
            .unwrap()
            .unwrap();
        assert_eq!(
            (found.user.as_str(), found.secret.as_str()),
            ("<token>", "t")
        );
    }

    #[test]
    fn another_registrys_credentials_are_not_sent() {
        let auth = STANDARD.encode("me:secret");
        for name in [
            "r.example",
            "r.example:500",
            "evil.example/r.example:5000",
            "xr.example:5000",
        ] {
            assert_eq!(
                of(&format!(r#"{{"auths":{{"{name}":{{"auth":"{auth}"}}}}}}"#)).unwrap(),
                None,
                "{name}"
            );
        }
    }

    #[test]
    fn a_broken_file_is_an_error_that_quotes_nothing() {
        for config in [
            r#"{"auths":{"r.example:5000":{"auth":"c2VjcmV0"}}}"#,
            r#"{"auths":"se-cret"}"#,
        ] {
            let message = of(config).unwrap_err().to_string();
            assert!(
                !message.contains("c2Vj") && !message.contains("se-cret"),
                "{message}"
            );
        }
        assert!(of(r#"{"credHelpers":{"r.example:5000":"../evil"}}"#).is_err());
        assert!(of(r#"{"credHelpers":{"r.example:5000":"surely-not-there"}}"#).is_err());
    }

    #[test]
    fn credentials_do_not_show_themselves() {
        let credentials = Credentials {
            user: "me".into(),
            secret: "secret".into(),
        };
        assert_eq!(format!("{credentials:?}"), "Credentials(***)");
    }
}
