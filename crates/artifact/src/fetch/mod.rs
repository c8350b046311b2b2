//! The fetcher: artifacts from wherever they are to where a launch needs them, verified.
//!
//! Owns what is tried, in which order and for how long. A file appears at its destination when
//! its bytes have the digest that is demanded, and not before; how it was come by makes no
//! difference to that.

mod backoff;
mod client;
mod credentials;
mod download;
mod error;
mod follow;
mod hand_in;
mod obtain;
mod options;
mod partial;
mod pin;
mod present;
mod registry;
mod source;

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Serialize;
use tokio::time::timeout_at;
use url::Url;

pub use backoff::Retry;
pub use credentials::registry_host;
pub use error::{FetchError, Tried, TriedUrl};
pub use hand_in::{HandInError, hand_in};
pub use options::FetchOptions;
pub use pin::{Fingerprint, PIN_PREFIX};
pub use present::{STAMP_FILE, Stamps};
pub use registry::{Challenge, NoToken, challenges, is_basic};

use super::Token;
use super::store::Lease;
use client::Clients;
use credentials::Credentials;
use download::{in_time, transient};
use error::{AttemptError, Kind};
use flugs_base::Sha256Digest;
use flugs_model::Artifact;
use registry::Registries;
use source::{HttpPlace, Place, Source};

/// A client for HTTP as fetches use it: rustls, names resolved without NSS, proxies, redirects
/// bounded and never from TLS to plain text.
pub fn http_client(options: &FetchOptions) -> Result<reqwest::Client, FetchError> {
    Clients::new(options)?.of(None)
}

/// Fetches artifacts. One for a whole launch: it keeps connections.
#[derive(Debug)]
pub struct Fetcher {
    options: FetchOptions,
    clients: Clients,
    registries: Registries,
}

/// What happens during a fetch, for whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum FetchEvent {
    /// What is ahead: artifacts that are not in place yet, and their bytes.
    Planned {
        /// How many.
        artifacts: usize,
        /// Their sizes together.
        bytes: u64,
    },
    /// Bytes of an artifact have arrived.
    Received {
        /// The artifact.
        name: String,
        /// How many, since the event before.
        bytes: u64,
    },
    /// A URL failed; it or another one will be tried.
    Failed {
        /// The artifact.
        name: String,
        /// The URL, without what might be secret in it.
        url: String,
        /// Why.
        why: String,
    },
    /// All URLs failed; they are tried again after a wait.
    Waiting {
        /// The artifact.
        name: String,
        /// How long.
        wait: Duration,
    },
    /// An artifact is in place.
    Finished {
        /// The artifact.
        name: String,
        /// Its size.
        bytes: u64,
        /// Where it was.
        from: Origin,
    },
}

/// Where an artifact was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// At its destination already.
    Present,
    /// In the shared cache.
    Cache,
    /// In the image.
    Image,
    /// At one of its URLs.
    Url,
}

/// What a fetch came to.
#[derive(Debug, Default)]
pub struct FetchSummary {
    /// Artifacts that were at their destinations already.
    pub present: usize,
    /// Artifacts that came from the shared cache.
    pub cached: usize,
    /// Artifacts that the image holds.
    pub baked: usize,
    /// Artifacts that were fetched.
    pub fetched: usize,
    /// Bytes of those.
    pub fetched_bytes: u64,
    /// The time all of it took.
    pub elapsed: Duration,
    /// Keeps what the artifacts use of the shared cache; drop it when the launch is over.
    pub lease: Option<Lease>,
}

impl Fetcher {
    /// A fetcher. Fails if certificates or passwords that the options name cannot be used.
    pub fn new(options: FetchOptions) -> Result<Self, FetchError> {
        let credentials = options.registry_auth.as_deref().map(Credentials::from_file);
        Ok(Self {
            clients: Clients::new(&options)?,
            registries: Registries::new(credentials.transpose()?.unwrap_or_default()),
            options,
        })
    }

    /// Fetches a small document into memory and verifies it. `limit` bounds its length in bytes.
    pub async fn fetch_document(
        &self,
        url: &Url,
        sha256: &Sha256Digest,
        limit: u64,
    ) -> Result<Vec<u8>, FetchError> {
        let name = error::shown(url);
        let token = self.options.token.as_ref();
        let source = source::resolve(url.as_str(), url, &name, sha256, token)?;
        let deadline = Instant::now() + self.options.retry.budget;
        let attempt = async |source: &Source| self.attempt_document(source, sha256, limit).await;
        self.retry(&name, sha256, &[source], deadline, &|_| {}, attempt)
            .await
    }

    /// Brings every artifact to its destination below `sandbox`. Relative URLs are resolved
    /// against `base`, the URL of the manifest. On an error, what is already in place stays, and
    /// so do partial downloads: the next call goes on where this one stopped.
    pub async fn fetch_all(
        &self,
        artifacts: &[Artifact],
        base: &Url,
        sandbox: &Path,
        progress: &dyn Fn(FetchEvent),
    ) -> Result<FetchSummary, FetchError> {
        let started = Instant::now();
        let mut run = obtain::Run::begin(self, base, sandbox, progress, artifacts)?;
        let mut missing: Vec<&Artifact> = Vec::new();
        for artifact in artifacts {
            if !run.take_present(artifact) {
                missing.push(artifact);
            }
        }
        progress(FetchEvent::Planned {
            artifacts: missing.len(),
            bytes: missing.iter().map(|one| one.size).sum(),
        });
        // The largest first: the smaller ones then fill the gaps beside it.
        missing.sort_by_key(|artifact| std::cmp::Reverse(artifact.size));
        let work = missing.iter().map(|artifact| run.obtain(artifact));
        let mut done = stream::iter(work).buffer_unordered(self.options.parallel.max(1));
        let mut failure = None;
        while let Some(obtained) = done.next().await {
            if let Err(error) = obtained {
                failure = Some(error);
                break;
            }
        }
        drop(done);
        run.end(failure, started)
    }

    /// Asks the servers how long an artifact is whose size is not known yet. A wrong answer does
    /// no harm: the digest decides.
    pub async fn size_of(&self, artifact: &Artifact, base: &Url) -> Result<u64, FetchError> {
        let (name, sha256) = (&artifact.name, &artifact.sha256);
        let token = self.options.token.as_ref();
        let sources = artifact
            .urls
            .iter()
            .map(|url| source::resolve(url, base, name, sha256, token))
            .collect::<Result<Vec<_>, _>>()?;
        let deadline = Instant::now() + self.options.retry.budget;
        let attempt = async |source: &Source| self.attempt_size(source).await;
        self.retry(name, sha256, &sources, deadline, &|_| {}, attempt)
            .await
    }

    async fn attempt_size(&self, source: &Source) -> Result<u64, AttemptError> {
        let refused = |why: String| AttemptError::Refused(why);
        let place = match &source.place {
            Place::File(path) => {
                let length = std::fs::metadata(path).map(|metadata| metadata.len());
                return length.map_err(|error| refused(error.to_string()));
            }
            Place::Http(place) => place,
        };
        // The head of the answer to a GET: some servers know no HEAD, and the connection is
        // dropped with the answer.
        let request = self.request(place).map_err(AttemptError::Local)?;
        let response = self.send(request, place).await?;
        if response.status() != StatusCode::OK {
            return Err(download::refusal(&response));
        }
        response
            .content_length()
            .ok_or_else(|| refused("it does not say how long it is".to_owned()))
    }

    async fn attempt_document(
        &self,
        source: &Source,
        sha256: &Sha256Digest,
        limit: u64,
    ) -> Result<Vec<u8>, AttemptError> {
        let too_long = || AttemptError::Refused(format!("it is longer than {limit} bytes"));
        let document = match &source.place {
            Place::File(path) => {
                let length = std::fs::metadata(path).map(|metadata| metadata.len());
                let length = length.map_err(|error| AttemptError::Refused(error.to_string()))?;
                if length > limit {
                    return Err(too_long());
                }
                std::fs::read(path).map_err(|error| AttemptError::Refused(error.to_string()))?
            }
            Place::Http(place) => {
                let request = self.request(place).map_err(AttemptError::Local)?;
                let mut response = self.send(request, place).await?;
                if response.status() != StatusCode::OK {
                    return Err(download::refusal(&response));
                }
                let mut document = Vec::new();
                let stall = self.options.stall_timeout;
                while let Some(chunk) = in_time(stall, response.chunk())
                    .await?
                    .map_err(|error| transient(&error))?
                {
                    if (document.len() + chunk.len()) as u64 > limit {
                        return Err(too_long());
                    }
                    document.extend_from_slice(&chunk);
                }
                document
            }
        };
        let found = Sha256Digest::of(&document);
        if found == *sha256 {
            Ok(document)
        } else {
            Err(AttemptError::Wrong(format!("its bytes are sha256:{found}")))
        }
    }

    /// Tries sources in order, again and again with growing waits, until one succeeds, all have
    /// refused, the rounds are over or the time is up.
    async fn retry<T>(
        &self,
        name: &str,
        sha256: &Sha256Digest,
        sources: &[Source],
        deadline: Instant,
        progress: &dyn Fn(FetchEvent),
        mut attempt: impl AsyncFnMut(&Source) -> Result<T, AttemptError>,
    ) -> Result<T, FetchError> {
        let retry = self.options.retry;
        let mut tried = Tried::default();
        let mut alive: Vec<&Source> = sources.iter().collect();
        for round in 0..=retry.rounds {
            for source in std::mem::take(&mut alive) {
                let limited = timeout_at(deadline.into(), attempt(source)).await;
                let Ok(outcome) = limited else {
                    let note = format!(" within {:.0} s", retry.budget.as_secs_f64());
                    tried.note(&source.shown, Kind::Transient, "the time was up");
                    return Err(tried.into_error(name, sha256, &note));
                };
                let (kind, why) = match outcome {
                    Ok(value) => return Ok(value),
                    Err(AttemptError::Local(error)) => return Err(error),
                    Err(AttemptError::Transient(why)) => (Kind::Transient, why),
                    Err(AttemptError::Refused(why)) => (Kind::Refused, why),
                    Err(AttemptError::Wrong(why)) => (Kind::Wrong, why),
                };
                let wrong = tried.note(&source.shown, kind, &why);
                progress(FetchEvent::Failed {
                    name: name.to_owned(),
                    url: source.shown.clone(),
                    why,
                });
                // Wrong bytes may be a fault on the way once; twice they are what is served.
                let again = match kind {
                    Kind::Transient => true,
                    Kind::Wrong => wrong < 2,
                    Kind::Refused => false,
                };
                if again {
                    alive.push(source);
                }
            }
            if alive.is_empty() || round == retry.rounds {
                break;
            }
            let wait = retry.wait(round, random_byte());
            progress(FetchEvent::Waiting {
                name: name.to_owned(),
                wait,
            });
            let until = (Instant::now() + wait).min(deadline);
            tokio::time::sleep_until(until.into()).await;
        }
        Err(tried.into_error(name, sha256, ""))
    }

    fn request(&self, place: &HttpPlace) -> Result<RequestBuilder, FetchError> {
        let client = self.clients.of(place.pin)?;
        let mut url = place.url.clone();
        url.set_fragment(None);
        let mut request = client.get(url);
        if let Some(token) = &place.token {
            request = request.header(AUTHORIZATION, bearer(token.expose()));
        }
        Ok(request)
    }

    async fn send(
        &self,
        request: RequestBuilder,
        place: &HttpPlace,
    ) -> Result<Response, AttemptError> {
        let stall = self.options.stall_timeout + self.options.connect_timeout;
        if place.registry {
            return self.registries.send(request, stall).await;
        }
        in_time(stall, request.send())
            .await?
            .map_err(|error| transient(&error))
    }
}

/// `Bearer TOKEN`, marked so that no debug output shows it.
fn bearer(token: &str) -> HeaderValue {
    // A token holds nothing that a header could not: see `Token`.
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
    value.set_sensitive(true);
    value
}

fn random_byte() -> u8 {
    let mut byte = [128];
    // Without randomness the waits are all the same, which is no reason to fail.
    let _ = getrandom::fill(&mut byte);
    let [byte] = byte;
    byte
}

#[cfg(test)]
mod tests;
