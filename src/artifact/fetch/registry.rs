//! What OCI registries ask for: a name and password (RFC 7617), or a token from a place that the
//! 401 names, which may ask for that password in turn.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use url::{Origin, Url};

use super::credentials::Credentials;
use super::download::{in_time, refusal, transient};
use super::error::AttemptError;

/// What registries are shown.
#[derive(Debug)]
pub(super) struct Registries {
    credentials: Credentials,
    /// Tokens that were handed out, by the registry they are for and the challenge they answer: a
    /// challenge alone could be repeated by another registry that wants the token.
    tokens: Mutex<HashMap<(Origin, String), String>>,
}

/// Why a registry's place for tokens gave none.
#[derive(Debug)]
pub enum NoToken {
    /// It may give one later.
    Later(String),
    /// It will not, as long as nobody changes something there.
    Never(String),
}

/// What `WWW-Authenticate: Bearer …` asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge {
    realm: Url,
    parameters: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Grant {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registries {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            tokens: Mutex::default(),
        }
    }

    /// Sends a request; if the registry asks who that is, answers (without a password for it,
    /// anonymously) and sends the request again.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        limit: Duration,
    ) -> Result<Response, AttemptError> {
        let again = request.try_clone();
        let (client, built) = request.build_split();
        let built = built.map_err(|error| transient(&error))?;
        let url = built.url().clone();
        let response = in_time(limit, client.execute(built))
            .await?
            .map_err(|error| transient(&error))?;
        let (StatusCode::UNAUTHORIZED, Some(again)) = (response.status(), again) else {
            return Ok(response);
        };
        let challenges: Vec<_> = response
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let password = self.credentials.of(&url);
        let bearer = challenges.iter().find_map(|text| Challenge::parse(text));
        let (shown, key) = match (bearer, password) {
            (Some(challenge), password) => {
                let key = (url.origin(), challenges.join("\n"));
                let token = match self.known(&key) {
                    Some(token) => token,
                    None => challenge.ask(&client, &url, password, limit).await?,
                };
                self.keep(&key, &token);
                (super::bearer(&token), Some(key))
            }
            (None, Some(password)) if challenges.iter().any(|text| is_basic(text)) => {
                (password, None)
            }
            _ => return Ok(response),
        };
        let answered = again.header(AUTHORIZATION, shown);
        let response = in_time(limit, answered.send())
            .await?
            .map_err(|error| transient(&error))?;
        if let (StatusCode::UNAUTHORIZED, Some(key)) = (response.status(), key) {
            self.forget(&key);
        }
        Ok(response)
    }

    fn known(&self, key: &(Origin, String)) -> Option<String> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(key).cloned()
    }

    fn keep(&self, key: &(Origin, String), token: &str) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(key.clone(), token.to_owned());
    }

    fn forget(&self, key: &(Origin, String)) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.remove(key);
    }
}

fn is_basic(challenge: &str) -> bool {
    let scheme = challenge.split(' ').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("basic")
}

impl Challenge {
    /// Reads `Bearer realm="…",service="…",scope="…"` (RFC 9110 §11.6.1).
    pub fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut realm = None;
        let mut parameters = Vec::new();
        let mut rest = rest.trim();
        while let Some((name, after)) = rest.split_once('=') {
            let (value, after) = after.strip_prefix('"')?.split_once('"')?;
            let name = name.trim_matches([',', ' ']).to_ascii_lowercase();
            match name.as_str() {
                "realm" => realm = Url::parse(value).ok(),
                "service" | "scope" => parameters.push((name, value.to_owned())),
                _ => {}
            }
            rest = after;
        }
        Some(Self {
            realm: realm?,
            parameters,
        })
    }

    /// A token from the place that the registry at `registry` has named. `password` is what
    /// `Authorization` says there, `limit` how long anything may take.
    pub async fn token(
        &self,
        client: &reqwest::Client,
        registry: &Url,
        password: Option<HeaderValue>,
        limit: Duration,
    ) -> Result<String, NoToken> {
        let token = self.ask(client, registry, password, limit).await;
        token.map_err(|error| match error {
            AttemptError::Transient(why) => NoToken::Later(why),
            AttemptError::Refused(why) | AttemptError::Wrong(why) => NoToken::Never(why),
            AttemptError::Local(error) => NoToken::Never(error.to_string()),
        })
    }

    async fn ask(
        &self,
        client: &reqwest::Client,
        registry: &Url,
        password: Option<HeaderValue>,
        limit: Duration,
    ) -> Result<String, AttemptError> {
        if registry.scheme() == "https" && self.realm.scheme() != "https" {
            let why = "the registry asks for a token over plain text".to_owned();
            return Err(AttemptError::Refused(why));
        }
        let mut url = self.realm.clone();
        url.query_pairs_mut().extend_pairs(&self.parameters);
        let mut request = client.get(url);
        if let Some(password) = password {
            request = request.header(AUTHORIZATION, password);
        }
        let mut response = in_time(limit, request.send())
            .await?
            .map_err(|error| transient(&error))?;
        if response.status() != StatusCode::OK {
            return Err(refusal(&response));
        }
        let mut body = Vec::new();
        while let Some(chunk) = in_time(limit, response.chunk())
            .await?
            .map_err(|error| transient(&error))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > 64 << 10 {
                let why = "the registry's token is absurdly long".to_owned();
                return Err(AttemptError::Refused(why));
            }
        }
        let grant: Option<Grant> = serde_json::from_slice(&body).ok();
        let token = grant.and_then(|grant| grant.token.or(grant.access_token));
        token
            .filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| AttemptError::Refused("the registry's answer holds no token".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_challenge_is_read() {
        let header = "Bearer realm=\"https://auth.example/token\",service=\"registry\",\
                      scope=\"repository:flink/dist:pull,push\",error=\"x\"";
        assert_eq!(
            Challenge::parse(header),
            Some(Challenge {
                realm: Url::parse("https://auth.example/token").unwrap(),
                parameters: vec![
                    ("service".to_owned(), "registry".to_owned()),
                    (
                        "scope".to_owned(),
                        "repository:flink/dist:pull,push".to_owned()
                    ),
                ],
            })
        );
    }

    #[test]
    fn other_challenges_are_not_answered() {
        for header in [
            "",
            "Basic realm=\"x\"",
            "Bearer service=\"x\"",
            "Bearer realm=x",
            "Bearer",
        ] {
            assert_eq!(Challenge::parse(header), None, "{header}");
        }
    }
}
