//! A stream of events, and the watch over it.
//!
//! Owns the bytes from the answer to SUBSCRIBE until it ends or falls silent. Never sends.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::disconnect::Disconnect;
use super::{Notice, Told, Voice};
use crate::record_io::RecordDecoder;
use crate::wire::{Event, Subscribed};

/// What is promised of a stream.
pub(super) struct Terms {
    pub(super) master: String,
    /// How long the master may take to say SUBSCRIBED.
    pub(super) limit: Duration,
    /// How many heartbeats may be missed.
    pub(super) missed_heartbeats: u32,
    pub(super) record_limit: usize,
}

/// How long a silence may be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Patience {
    /// Nothing counts but SUBSCRIBED, until then.
    Subscribed(Instant),
    /// Anything counts.
    Silence(Duration),
    /// The master has promised no heartbeats.
    Endless,
}

impl Patience {
    /// What a subscription promises. An interval that is no length of time is none.
    fn of(subscribed: &Subscribed, missed: u32) -> Self {
        let interval = subscribed.heartbeat_interval_seconds;
        let interval = interval
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .filter(|interval| !interval.is_zero());
        interval.map_or(Self::Endless, |interval| {
            Self::Silence(interval.saturating_mul(missed))
        })
    }

    fn until(self) -> Option<Instant> {
        match self {
            Self::Subscribed(until) => Some(until),
            Self::Silence(limit) => Instant::now().checked_add(limit),
            Self::Endless => None,
        }
    }
}

/// Tells every event, until the stream is over.
pub(super) async fn read(mut body: Incoming, terms: &Terms, voice: &Voice) -> Disconnect {
    let master = || terms.master.clone();
    let mut decoder = RecordDecoder::new(terms.record_limit);
    let mut patience = Patience::Subscribed(Instant::now() + terms.limit);
    loop {
        let frame = match patience.until() {
            Some(until) => timeout_at(until, body.frame()).await,
            None => Ok(body.frame().await),
        };
        let frame = match frame {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => {
                return Disconnect::Broken {
                    master: master(),
                    during: "within the stream",
                    reason: error.to_string(),
                };
            }
            Ok(None) => {
                return Disconnect::Ended {
                    master: master(),
                    within_record: !decoder.is_between_records(),
                };
            }
            Err(_) => return silence(terms, patience),
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let mut records = Vec::new();
        let outcome = decoder.decode(&data, &mut records);
        for record in records {
            if let Some(subscribed) = tell(&record, voice).await {
                patience = Patience::of(&subscribed, terms.missed_heartbeats);
            }
        }
        if let Err(error) = outcome {
            return Disconnect::Garbled {
                master: master(),
                error,
            };
        }
    }
}

fn silence(terms: &Terms, patience: Patience) -> Disconnect {
    let master = terms.master.clone();
    match patience {
        Patience::Silence(limit) => Disconnect::Silent { master, limit },
        Patience::Subscribed(_) | Patience::Endless => Disconnect::Late {
            master,
            what: "say SUBSCRIBED",
            limit: terms.limit,
        },
    }
}

/// Tells an event. One that cannot be understood is no reason to give up all others.
async fn tell(record: &[u8], voice: &Voice) -> Option<Subscribed> {
    match serde_json::from_slice::<Event>(record) {
        Ok(event) => {
            let subscribed = match &event {
                Event::Subscribed(subscribed) => Some((**subscribed).clone()),
                _ => None,
            };
            let generation = voice.generation;
            let event = Box::new(event);
            voice.say(Told::Event { generation, event }).await;
            subscribed
        }
        Err(error) => {
            voice.notice(Notice::Unreadable(error.to_string())).await;
            None
        }
    }
}
