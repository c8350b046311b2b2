//! What OCI registries ask for: a name and password (RFC 7617), or a token from a place that the
//! 401 names, which may ask for that password in turn.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http_auth::{ChallengeParser, ChallengeRef};
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
        let challenges = challenges(&response);
        let password = self.credentials.of(&url);
        let (shown, key) = match (Challenge::find(&challenges), password) {
            (Some(challenge), password) => {
                let key = (url.origin(), challenges.join("\n"));
                let token = match self.known(&key) {
                    Some(token) => token,
                    None => challenge.ask(&client, &url, password, limit).await?,
                };
                self.keep(&key, &token);
                (super::bearer(&token), Some(key))
            }
            (None, Some(password)) if is_basic(&challenges) => (password, None),
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

/// What an answer asks for, header by header.
pub fn challenges(response: &Response) -> Vec<String> {
    let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
    let texts = headers.filter_map(|value| value.to_str().ok());
    texts.map(str::to_owned).collect()
}

/// Whether a name and password are asked for (RFC 7617).
pub fn is_basic(headers: &[String]) -> bool {
    let mut challenges = headers.iter().flat_map(|header| read(header));
    challenges.any(|one| one.scheme.eq_ignore_ascii_case("basic"))
}

/// The challenges of one header, which may be a list, up to what the parser does not know: the
/// `token68` of other schemes is such.
fn read(header: &str) -> impl Iterator<Item = ChallengeRef<'_>> {
    ChallengeParser::new(header).map_while(Result::ok)
}

impl Challenge {
    /// Finds `Bearer realm="…",service="…",scope="…"` (RFC 9110 §11.6.1) among the challenges of
    /// an answer.
    pub fn find(headers: &[String]) -> Option<Self> {
        headers.iter().find_map(|header| Self::parse(header))
    }

    fn parse(header: &str) -> Option<Self> {
        read(header)
            .filter(|one| one.scheme.eq_ignore_ascii_case("bearer"))
            .find_map(|one| Self::of(&one))
    }

    fn of(challenge: &ChallengeRef<'_>) -> Option<Self> {
        let mut realm = None;
        let mut parameters = Vec::new();
        for (name, value) in &challenge.params {
            let (name, value) = (name.to_ascii_lowercase(), value.to_unescaped());
            match name.as_str() {
                "realm" => realm = Url::parse(&value).ok(),
                "service" | "scope" => parameters.push((name, value)),
                _ => {}
            }
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
    use proptest::prelude::*;

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

    /// RFC 9110 §5.6.4 and §11.2: values may be tokens, and quoted ones have escapes; §11.6.1: several
    /// challenges in one list.
    #[test]
    fn whatever_form_the_grammar_allows_is_read() {
        for header in [
            r#"Bearer realm="https://a.example/t?x=1",scope="a \"b\"",service=registry"#,
            r#"bearer Realm = "https://a.example/t?x=1" , scope="a \"b\"", SERVICE="registry""#,
            r#"Basic realm="other", Bearer realm="https://a.example/t?x=1",scope="a \"b\"",service="registry""#,
            r#"Negotiate, Bearer realm="https://a.example/t?x=1",scope="a \"b\"",service="registry""#,
        ] {
            let found = Challenge::parse(header).unwrap_or_else(|| panic!("{header}"));
            assert_eq!(found.realm.as_str(), "https://a.example/t?x=1", "{header}");
            let expected = [("scope", "a \"b\""), ("service", "registry")];
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(found.parameters, expected, "{header}");
        }
        let basic = |header: &str| is_basic(&[header.to_owned()]);
        assert!(basic("Bearer realm=\"x\", basic realm=y"));
        assert!(!basic("Bearer realm=\"Basic x\""));
        let headers = ["Negotiate YWJj==", "Bearer realm=\"https://a.example\""];
        assert!(Challenge::find(&headers.map(str::to_owned)).is_some());
    }

    proptest! {
        #[test]
        fn nothing_that_a_registry_says_breaks_the_reader(header in ".*") {
            let _ = (Challenge::parse(&header), is_basic(&[header]));
        }

        #[test]
        fn what_is_quoted_comes_out_as_it_went_in(service in "[ -~]{0,40}") {
            let escaped = service.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("Bearer realm=\"https://a.example\",service=\"{escaped}\"");
            let found = Challenge::parse(&header).unwrap();
            prop_assert_eq!(&found.parameters, &[("service".to_owned(), service)]);
        }
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
