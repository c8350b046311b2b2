//! The token dance of OCI registries: a 401 names a place that hands out tokens.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use url::Url;

use super::bearer;
use super::download::{in_time, refusal, transient};
use super::error::AttemptError;

/// Tokens that registries have handed out, by the challenge they answer.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    known: Mutex<BTreeMap<String, String>>,
}

/// What `WWW-Authenticate: Bearer …` asks for.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    realm: Url,
    parameters: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Grant {
    token: Option<String>,
    access_token: Option<String>,
}

impl Tokens {
    /// Sends a request; if the registry asks for a token, gets one (anonymously) and sends the
    /// request again.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        limit: Duration,
    ) -> Result<Response, AttemptError> {
        let again = request.try_clone();
        let (client, built) = request.build_split();
        let built = built.map_err(|error| transient(&error))?;
        let secure = built.url().scheme() == "https";
        let response = in_time(limit, client.execute(built))
            .await?
            .map_err(|error| transient(&error))?;
        let (StatusCode::UNAUTHORIZED, Some(again)) = (response.status(), again) else {
            return Ok(response);
        };
        let header = response.headers().get(WWW_AUTHENTICATE);
        let header = header.and_then(|value| value.to_str().ok()).unwrap_or("");
        let Some(challenge) = Challenge::parse(header) else {
            return Ok(response);
        };
        if secure && challenge.realm.scheme() != "https" {
            let why = "the registry asks for a token over plain text".to_owned();
            return Err(AttemptError::Refused(why));
        }
        let known = self.get(header);
        let token = match known {
            Some(token) => token,
            None => challenge.ask(&client, limit).await?,
        };
        self.put(header, &token);
        let authorised = again.header(AUTHORIZATION, bearer(&token));
        let response = in_time(limit, authorised.send())
            .await?
            .map_err(|error| transient(&error))?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.forget(header);
        }
        Ok(response)
    }

    fn get(&self, challenge: &str) -> Option<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(challenge).cloned()
    }

    fn put(&self, challenge: &str, token: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(challenge.to_owned(), token.to_owned());
    }

    fn forget(&self, challenge: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(challenge);
    }
}

impl Challenge {
    /// Reads `Bearer realm="…",service="…",scope="…"` (RFC 9110 §11.6.1).
    fn parse(header: &str) -> Option<Self> {
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

    async fn ask(&self, client: &reqwest::Client, limit: Duration) -> Result<String, AttemptError> {
        let mut url = self.realm.clone();
        url.query_pairs_mut().extend_pairs(&self.parameters);
        let mut response = in_time(limit, client.get(url).send())
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
