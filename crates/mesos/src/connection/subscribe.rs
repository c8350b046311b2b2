//! From "connect" to an open stream: whom to ask, where they send to, who is not ready.
//!
//! Owns the order of attempts. Within one generation everybody who certainly has not taken the
//! subscription is asked again after a short wait; whatever else goes wrong ends the generation,
//! and the scheduler has its own waits between those.

use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::disconnect::Disconnect;
use super::endpoint::Endpoint;
use super::http::{Dialer, Http, STREAM_ID, words};
use super::{Notice, Told, Voice};
use crate::detection::{Detected, Master};
use crate::version::{MasterVersion, adapt};
use crate::wire::{Call, CallBody};
use flugs_net::HostPort;

/// More redirects than this lead in a circle.
const MOST_REDIRECTS: usize = 5;

/// The shortest and the longest wait between two rounds of asking.
const WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// A stream that the master has opened, and the connection for calls.
pub(super) struct Subscription {
    pub(super) endpoint: Endpoint,
    /// The master that was found first, which may have sent to another one.
    pub(super) found: HostPort,
    pub(super) stream_id: HeaderValue,
    pub(super) events: Response<Incoming>,
    /// The stream's connection; it ends when this is dropped.
    pub(super) stream: Http,
    pub(super) calls: Http,
}

pub(super) struct Subscriber<'a> {
    pub(super) dialer: &'a Dialer,
    pub(super) detected: watch::Receiver<Detected>,
    pub(super) voice: &'a Voice,
    pub(super) call: Call,
    pub(super) principal: Option<&'a str>,
    /// How long everybody together may be not ready.
    pub(super) patience: Duration,
    /// How long a master may take for an answer.
    pub(super) limit: Duration,
    pub(super) tls: bool,
}

/// What an attempt came to, when it did not succeed.
enum Other {
    To(Endpoint),
    No(Disconnect),
}

impl From<Disconnect> for Other {
    fn from(reason: Disconnect) -> Self {
        Self::No(reason)
    }
}

impl Subscriber<'_> {
    pub(super) async fn subscribe(mut self) -> Result<Subscription, Disconnect> {
        let mut until = None;
        let mut round = 0;
        loop {
            let masters = self.masters().await;
            let until = *until.get_or_insert_with(|| Instant::now() + self.patience);
            let mut last = None;
            for master in &masters {
                match self.ask(master).await {
                    Ok(subscription) => return Ok(subscription),
                    Err(reason) if reason.is_passing() => {
                        self.voice.notice(Notice::Trouble(reason.clone())).await;
                        last = Some(reason);
                    }
                    Err(reason) => return Err(reason),
                }
            }
            let wait = back_off(round);
            round += 1;
            if let Some(reason) = last
                && Instant::now() + wait > until
            {
                return Err(reason);
            }
            tokio::select! {
                () = sleep(wait) => {}
                changed = self.detected.changed() => if changed.is_err() { sleep(wait).await },
            }
        }
    }

    /// Whom to ask; waits for as long as nobody is known.
    async fn masters(&mut self) -> Vec<Master> {
        loop {
            let now = self.detected.borrow_and_update().clone();
            let mut masters = now.masters().to_vec();
            if !masters.is_empty() {
                // One that takes every subscription and breaks it must not keep the others away.
                let turns = self.voice.generation.saturating_sub(1);
                let first = turns.checked_rem(masters.len() as u64).unwrap_or(0);
                masters.rotate_left(usize::try_from(first).unwrap_or(0));
                return masters;
            }
            if let Detected::Nobody(why) = now {
                self.voice.notice(Notice::NoLeader(why)).await;
            }
            if self.detected.changed().await.is_err() {
                // Nobody looks any more: the connection is about to be dropped.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Asks a master, and those that it sends to.
    async fn ask(&self, master: &Master) -> Result<Subscription, Disconnect> {
        let mut endpoint = Endpoint::new(master.at.clone(), self.tls);
        endpoint.address = master.address;
        let mut version = master.version;
        let mut seen = Vec::new();
        loop {
            match self.attempt(&endpoint, &master.at, version).await {
                Ok(subscription) => return Ok(subscription),
                Err(Other::No(reason)) => return Err(reason),
                Err(Other::To(next)) => {
                    let master = endpoint.to_string();
                    seen.push(std::mem::replace(&mut endpoint, next));
                    if seen.contains(&endpoint) || seen.len() > MOST_REDIRECTS {
                        let problem = format!("in a circle (to {endpoint})");
                        return Err(Disconnect::Redirected { master, problem });
                    }
                    version = None;
                    let to = endpoint.to_string();
                    self.voice.notice(Notice::Redirected { master, to }).await;
                }
            }
        }
    }

    /// One SUBSCRIBE: the connection for calls first, which also tells the version.
    async fn attempt(
        &self,
        endpoint: &Endpoint,
        found: &HostPort,
        version: Option<MasterVersion>,
    ) -> Result<Subscription, Other> {
        let mut calls = self.dialer.dial(endpoint).await?;
        let version = match version {
            Some(version) => Some(version),
            None => self.version(endpoint, &mut calls).await?,
        };
        let body = self.body(endpoint, version)?;
        let mut stream = self.dialer.dial(endpoint).await?;
        let answer = timeout(self.limit, stream.post(&endpoint.path, body, None)).await;
        let events = answer
            .map_err(|_| self.late(endpoint, "answer SUBSCRIBE"))?
            .map_err(|error| Disconnect::Broken {
                master: endpoint.to_string(),
                during: "at SUBSCRIBE",
                reason: error.to_string(),
            })?;
        if events.status() != StatusCode::OK {
            return Err(self.refused(endpoint, events).await);
        }
        let Some(stream_id) = events.headers().get(STREAM_ID).cloned() else {
            return Err(Other::No(Disconnect::Refused {
                master: endpoint.to_string(),
                call: "SUBSCRIBE",
                status: events.status().as_u16(),
                message: "the answer has no Mesos-Stream-Id: is this a Mesos master?".to_owned(),
            }));
        };
        let address = endpoint.master.clone();
        self.voice.say(Told::Leader { address, version }).await;
        Ok(Subscription {
            endpoint: endpoint.clone(),
            found: found.clone(),
            stream_id,
            events,
            stream,
            calls,
        })
    }

    /// The master's version; absent: it does not tell.
    async fn version(
        &self,
        endpoint: &Endpoint,
        http: &mut Http,
    ) -> Result<Option<MasterVersion>, Disconnect> {
        let asking = async {
            let answer = http.get("/version").await?;
            let good = answer.status() == StatusCode::OK;
            let text = words(answer).await?;
            Ok(good.then_some(text))
        };
        // Nothing was asked of it yet: it may be asked again.
        let unreachable = |reason: String| Disconnect::Unreachable {
            master: endpoint.to_string(),
            reason,
        };
        let answer = timeout(self.limit, asking).await;
        let text = answer
            .map_err(|_| unreachable(format!("no answer within {:?}", self.limit)))?
            .map_err(|error: hyper::Error| unreachable(error.to_string()))?;
        Ok(text.and_then(|text| MasterVersion::from_answer(&text)))
    }

    fn body(
        &self,
        endpoint: &Endpoint,
        version: Option<MasterVersion>,
    ) -> Result<Bytes, Disconnect> {
        let mut call = self.call.clone();
        if let (CallBody::Subscribe(subscribe), Some(version)) = (&mut call.body, version) {
            adapt(subscribe, version).map_err(|reason| Disconnect::TooOld {
                master: endpoint.to_string(),
                reason,
            })?;
        }
        encode(&call)
    }

    async fn refused(&self, endpoint: &Endpoint, answer: Response<Incoming>) -> Other {
        let status = answer.status();
        if status.is_redirection() {
            let location = answer.headers().get(LOCATION);
            let location = location.and_then(|value| value.to_str().ok());
            return match endpoint.redirected(location) {
                Ok(next) => Other::To(next),
                Err(problem) => Other::No(Disconnect::Redirected {
                    master: endpoint.to_string(),
                    problem: problem.to_string(),
                }),
            };
        }
        Other::No(refusal(endpoint, "SUBSCRIBE", self.principal, answer, self.limit).await)
    }

    fn late(&self, endpoint: &Endpoint, what: &'static str) -> Disconnect {
        Disconnect::Late {
            master: endpoint.to_string(),
            what,
            limit: self.limit,
        }
    }
}

/// A call's JSON.
pub(super) fn encode(call: &Call) -> Result<Bytes, Disconnect> {
    let text = serde_json::to_vec(call).map_err(|error| Disconnect::Unwritable {
        call: call.body.name(),
        reason: error.to_string(),
    })?;
    Ok(Bytes::from(text))
}

/// What an answer that is neither a success nor a redirect to follow means.
pub(super) async fn refusal(
    endpoint: &Endpoint,
    call: &'static str,
    principal: Option<&str>,
    answer: Response<Incoming>,
    limit: Duration,
) -> Disconnect {
    let master = endpoint.to_string();
    let status = answer.status();
    if status == StatusCode::UNAUTHORIZED {
        let principal = principal.map(str::to_owned);
        return Disconnect::Unauthorized { master, principal };
    }
    let text = timeout(limit, words(answer)).await;
    let text = text.ok().and_then(Result::ok).unwrap_or_default();
    let message = String::from_utf8_lossy(&text).trim().to_owned();
    let message = if message.is_empty() {
        status.canonical_reason().unwrap_or("no reason").to_owned()
    } else {
        message
    };
    let (not_found, moved) = (status == StatusCode::NOT_FOUND, status.is_redirection());
    let status = status.as_u16();
    if status >= 500 || not_found || moved {
        return Disconnect::NotReady {
            master,
            status,
            message,
        };
    }
    Disconnect::Refused {
        master,
        call,
        status,
        message,
    }
}

/// The wait after a round in which nobody was ready: doubling, and spread over its upper half.
fn back_off(round: u32) -> Duration {
    let mut random = [128];
    // Without randomness the waits are all the same, which is no reason to fail.
    let _ = getrandom::fill(&mut random);
    let [random] = random;
    let (least, most) = WAITS;
    let whole = least.saturating_mul(2u32.saturating_pow(round)).min(most);
    whole / 2 + whole / 2 * u32::from(random) / 255
}
