//! Requests to a registry: authorised as it asks (by name and password, or a token that the artifact
//! room's fetcher knows how to come by), tried again where that can help.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, InvalidHeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};
use url::Url;

use super::credentials::Credentials;
use crate::image::ImageError;
use flugs_artifact::fetch::{Challenge, NoToken, challenges, is_basic};

/// A registry must answer within this time.
const ANSWER: Duration = Duration::from_secs(60);
/// So often in a row something may fail without any progress.
pub(super) const ATTEMPTS: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The talk with one registry.
pub(super) struct Session {
    pub(super) client: reqwest::Client,
    pub(super) registry: String,
    /// `http(s)://HOST/v2/NAME/`
    pub(super) base: Url,
    credentials: Option<Credentials>,
    /// The value of `Authorization` that the registry took last.
    authorization: Mutex<Option<HeaderValue>>,
}

/// Why one attempt failed.
pub(super) enum Trouble {
    /// It may work the next time.
    Passing(String),
    /// It will not.
    Final(ImageError),
}

impl Session {
    pub(super) fn new(
        client: reqwest::Client,
        registry: &str,
        repository: &str,
        credentials: Option<Credentials>,
    ) -> Result<Self, ImageError> {
        let scheme = if is_local(registry) { "http" } else { "https" };
        let base =
            Url::parse(&format!("{scheme}://{registry}/v2/{repository}/")).map_err(|error| {
                ImageError::RegistryUnreachable {
                    registry: registry.to_owned(),
                    reason: error.to_string(),
                }
            })?;
        Ok(Self {
            client,
            registry: registry.to_owned(),
            base,
            credentials,
            authorization: Mutex::default(),
        })
    }

    pub(super) fn url(&self, path: &str) -> Result<Url, Trouble> {
        self.base
            .join(path)
            .map_err(|error| self.refused(path, &error.to_string()))
    }

    /// Where an answer says to go on. Never from TLS to plain text.
    pub(super) fn location(&self, response: &Response, what: &str) -> Result<Url, Trouble> {
        let header = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        let url = header.and_then(|location| response.url().join(location).ok());
        match url {
            Some(url) if self.base.scheme() == "https" && url.scheme() != "https" => {
                Err(self.refused(what, "it sends to plain text"))
            }
            Some(url) => Ok(url),
            None => Err(self.refused(what, "its answer has no Location")),
        }
    }

    pub(super) fn refused(&self, what: &str, reason: &str) -> Trouble {
        Trouble::Final(ImageError::RegistryRefused {
            registry: self.registry.clone(),
            what: what.to_owned(),
            reason: reason.to_owned(),
        })
    }

    /// Sends a request that `make` makes; if the registry wants to know who asks, tells it and
    /// sends it again. Gives answers of success, and 404.
    pub(super) async fn send(
        &self,
        what: &str,
        make: impl Fn(&reqwest::Client) -> RequestBuilder,
    ) -> Result<Response, Trouble> {
        let mut response = self.once(make(&self.client)).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.authorise(&response, what).await?;
            response = self.once(make(&self.client)).await?;
        }
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_FOUND {
            return Ok(response);
        }
        if status.is_server_error() || matches!(status.as_u16(), 408 | 416 | 425 | 429) {
            let seconds = response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok());
            tokio::time::sleep(Duration::from_secs(u64::min(seconds.unwrap_or(0), 30))).await;
            return Err(Trouble::Passing(format!("{what}: it answers {status}")));
        }
        let said = tokio::time::timeout(ANSWER, response.text()).await;
        let said = said.ok().and_then(Result::ok).unwrap_or_default();
        let said: String = said.chars().filter(|c| !c.is_control()).take(300).collect();
        Err(self.refused(what, &format!("{status} {said}")))
    }

    async fn once(&self, request: RequestBuilder) -> Result<Response, Trouble> {
        let known = self
            .authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let request = match known {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        let answer = tokio::time::timeout(ANSWER, request.send()).await;
        answer
            .map_err(|_| Trouble::Passing(format!("no answer within {} s", ANSWER.as_secs())))?
            .map_err(|error| Trouble::Passing(causes(&error.without_url())))
    }

    async fn authorise(&self, response: &Response, what: &str) -> Result<(), Trouble> {
        let challenges = challenges(response);
        let password = self.credentials.as_ref().map(basic).transpose();
        let password = password.map_err(|_| {
            self.refused(what, "the credentials have characters that no header takes")
        })?;
        let value = match (Challenge::find(&challenges), password) {
            (Some(challenge), password) => self.bearer(&challenge, password, what).await?,
            (None, Some(password)) if is_basic(&challenges) => password,
            (None, None) => {
                return Err(self.refused(what, "it wants credentials; log in with `docker login`"));
            }
            _ => {
                return Err(self.refused(
                    what,
                    "it wants to be authorised in a way that is not known here",
                ));
            }
        };
        *self
            .authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    }

    async fn bearer(
        &self,
        challenge: &Challenge,
        password: Option<HeaderValue>,
        what: &str,
    ) -> Result<HeaderValue, Trouble> {
        let token = challenge.token(&self.client, &self.base, password, ANSWER);
        let token = token.await.map_err(|error| match error {
            NoToken::Later(why) => Trouble::Passing(format!("no token: {why}")),
            NoToken::Never(why) => self.refused(what, &format!("no token is given: {why}")),
        })?;
        let value = secret_header(&format!("Bearer {token}"));
        value.map_err(|_| self.refused(what, "its token has characters that no header takes"))
    }
}

/// A registry on this machine, which Docker too talks to without TLS.
fn is_local(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn basic(credentials: &Credentials) -> Result<HeaderValue, InvalidHeaderValue> {
    use base64::Engine as _;
    let pair = format!("{}:{}", credentials.user, credentials.secret);
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    secret_header(&format!("Basic {encoded}"))
}

/// A header's value that no debug output shows.
fn secret_header(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// The wait before attempt `attempt` (from 1).
pub(super) fn wait(attempt: u32) -> Duration {
    FIRST_WAIT * 2_u32.saturating_pow(attempt.min(6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_registry_is_spoken_to_without_tls() {
        assert!(
            ["localhost", "localhost:5000", "127.0.0.1:5000"]
                .into_iter()
                .all(is_local)
        );
        assert!(
            !["localhost.example", "registry.example:5000", "10.0.0.1"]
                .into_iter()
                .any(is_local)
        );
    }
}
