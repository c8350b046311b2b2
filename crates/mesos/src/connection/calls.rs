//! Calls after SUBSCRIBE: in order, one at a time, on a connection of their own.
//!
//! Owns the connection for calls. A call is sent when the one before was answered, so that the
//! order holds even when the connection had to be made anew in between.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::disconnect::Disconnect;
use super::endpoint::Endpoint;
use super::http::{Dialer, Http, words};
use super::subscribe::{encode, refusal};
use super::{Told, Voice};
use crate::wire::{Call, CallBody};

/// The calls have come to their end: the generation was closed from this side.
pub(super) struct Closed;

pub(super) struct Caller<'a> {
    pub(super) dialer: &'a Dialer,
    pub(super) voice: &'a Voice,
    pub(super) principal: Option<&'a str>,
    /// How long the master may take for an answer.
    pub(super) limit: Duration,
    pub(super) endpoint: &'a Endpoint,
    pub(super) stream_id: &'a HeaderValue,
    pub(super) http: Http,
    /// Whether a TEARDOWN is on its way, which ends the stream as well.
    pub(super) tearing_down: &'a AtomicBool,
}

impl Caller<'_> {
    pub(super) async fn run(
        &mut self,
        early: Vec<Call>,
        calls: &mut mpsc::UnboundedReceiver<Call>,
    ) -> Result<Closed, Disconnect> {
        for call in &early {
            self.call(call).await?;
        }
        while let Some(call) = calls.recv().await {
            self.call(&call).await?;
        }
        Ok(Closed)
    }

    async fn call(&mut self, call: &Call) -> Result<(), Disconnect> {
        let name = call.body.name();
        let body = encode(call)?;
        // An idle connection may be closed at any time; nothing is under way on it then.
        if self.http.is_closed() {
            self.http = self.dialer.dial(self.endpoint).await?;
        }
        if call.body == CallBody::Teardown {
            self.tearing_down.store(true, Ordering::Relaxed);
        }
        let path = &self.endpoint.path;
        let sending = self.http.post(path, body, Some(self.stream_id));
        let broken = |error: hyper::Error| Disconnect::Broken {
            master: self.endpoint.to_string(),
            during: "at a call",
            reason: format!("{name}: {error}"),
        };
        let late = || Disconnect::Late {
            master: self.endpoint.to_string(),
            what: "answer a call",
            limit: self.limit,
        };
        let answer = timeout(self.limit, sending).await;
        let answer = answer.map_err(|_| late())?.map_err(broken)?;
        self.judge(call, name, answer).await
    }

    async fn judge(
        &mut self,
        call: &Call,
        name: &'static str,
        answer: Response<Incoming>,
    ) -> Result<(), Disconnect> {
        let (endpoint, principal) = (self.endpoint, self.principal);
        if !matches!(answer.status(), StatusCode::OK | StatusCode::ACCEPTED) {
            return Err(refusal(endpoint, name, principal, answer, self.limit).await);
        }
        if call.body == CallBody::Teardown {
            let generation = self.voice.generation;
            self.voice.say(Told::TornDown { generation }).await;
            self.tearing_down.store(false, Ordering::Relaxed);
        }
        // The connection is free for the next call when the body has been read.
        let read = timeout(self.limit, words(answer)).await;
        let late = |_| Disconnect::Late {
            master: endpoint.to_string(),
            what: "end its answer to a call",
            limit: self.limit,
        };
        let broken = |error: hyper::Error| Disconnect::Broken {
            master: endpoint.to_string(),
            during: "at a call",
            reason: format!("{name}: {error}"),
        };
        read.map_err(late)?.map_err(broken).map(drop)
    }
}
