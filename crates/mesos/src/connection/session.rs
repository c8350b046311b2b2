//! One generation: a subscription, its events, its calls.
//!
//! Owns the two connections of a generation. It ends with exactly one `Disconnected`, unless it
//! is closed from this side.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::calls::{Caller, Closed};
use super::disconnect::Disconnect;
use super::http::Dialer;
use super::stream::{self, Terms};
use super::subscribe::{Subscriber, Subscription};
use super::{ConnectionSettings, Told, Voice};
use crate::detection::Detected;
use crate::wire::Call;
use flugs_net::HostPort;

/// How long the answer to a TEARDOWN may come after the end of the stream.
const LAST_WORD: Duration = Duration::from_secs(2);

pub(super) struct Session {
    pub(super) settings: ConnectionSettings,
    pub(super) dialer: Dialer,
    pub(super) detected: watch::Receiver<Detected>,
    pub(super) voice: Voice,
    pub(super) calls: mpsc::UnboundedReceiver<Call>,
}

impl Session {
    pub(super) async fn run(mut self, call: Call) {
        let credentials = self.settings.credentials.as_ref();
        let principal = credentials.map(|pair| pair.principal().to_owned());
        let principal = principal.as_deref();
        let mut early = Vec::new();
        let Some(opened) = self.subscribe(call, principal, &mut early).await else {
            return;
        };
        let over = match opened {
            Ok(subscription) => self.serve(subscription, early, principal).await,
            Err(reason) => Err(reason),
        };
        if let Err(reason) = over {
            let generation = self.voice.generation;
            let over = Told::Disconnected { generation, reason };
            self.voice.say(over).await;
        }
    }

    /// Absent: closed before anything came of it, and nobody must be subscribed for any more.
    async fn subscribe(
        &mut self,
        call: Call,
        principal: Option<&str>,
        early: &mut Vec<Call>,
    ) -> Option<Result<Subscription, Disconnect>> {
        let subscriber = Subscriber {
            dialer: &self.dialer,
            detected: self.detected.clone(),
            voice: &self.voice,
            call,
            principal,
            patience: self.settings.not_ready_patience,
            limit: self.settings.answer_timeout,
            tls: self.settings.tls.is_some(),
        };
        let mut opening = pin!(subscriber.subscribe());
        loop {
            tokio::select! {
                opened = &mut opening => return Some(opened),
                call = self.calls.recv() => early.push(call?),
            }
        }
    }

    async fn serve(
        &mut self,
        subscription: Subscription,
        early: Vec<Call>,
        principal: Option<&str>,
    ) -> Result<Closed, Disconnect> {
        let Subscription {
            endpoint,
            found,
            stream_id,
            events,
            stream: _stream,
            calls,
        } = subscription;
        let terms = Terms {
            master: endpoint.to_string(),
            limit: self.settings.answer_timeout,
            missed_heartbeats: self.settings.missed_heartbeats,
            record_limit: self.settings.record_limit,
        };
        let tearing_down = AtomicBool::new(false);
        let mut caller = Caller {
            dialer: &self.dialer,
            voice: &self.voice,
            principal,
            limit: self.settings.answer_timeout,
            endpoint: &endpoint,
            stream_id: &stream_id,
            http: calls,
            tearing_down: &tearing_down,
        };
        let masters = [&endpoint.master, &found];
        let mut calling = pin!(caller.run(early, &mut self.calls));
        let reason = tokio::select! {
            // What the master has said is told before a call that it refused.
            biased;
            reason = stream::read(events.into_body(), &terms, &self.voice) => reason,
            over = &mut calling => return over,
            reason = deposed(&mut self.detected, masters) => reason,
        };
        // A master that tears the framework down ends the stream and answers the call, in any
        // order.
        let answered = async {
            while tearing_down.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            _ = &mut calling => {}
            () = answered => {}
            () = sleep(LAST_WORD) => {}
        }
        Err(reason)
    }
}

/// Waits until another master is known to lead. That nobody is known to lead is no reason to give
/// up a stream that speaks.
async fn deposed(
    detected: &mut watch::Receiver<Detected>,
    [master, found]: [&HostPort; 2],
) -> Disconnect {
    loop {
        let now = detected.borrow_and_update().clone();
        if let Detected::Leader(leader) = now
            && leader.at != *master
            && leader.at != *found
        {
            return Disconnect::LeaderChanged {
                master: master.to_string(),
                leader: leader.at.to_string(),
            };
        }
        if detected.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
