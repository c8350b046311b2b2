//! One connection: read a head, answer it, again, until either side has had enough.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::watch;
use tokio::time::{timeout, timeout_at};

use super::answer::{self, Body, Reply};
use super::bounds::Place;
use super::metrics::add;
use super::request::{self, Head, Method, Refusal, Request};
use super::transport::Transport;
use super::{AccessRecord, Shared, target};

/// A connection that is being served.
pub(super) struct Connection {
    pub(super) transport: Transport,
    pub(super) peer: SocketAddr,
    pub(super) place: Place,
    pub(super) shared: Arc<Shared>,
    /// True once the server drains: the request at hand is the last.
    pub(super) draining: watch::Receiver<bool>,
}

/// How waiting for a head ended.
enum Waited {
    Request(Request),
    Refused(Refusal),
    TooSlow,
    /// The peer is gone, was idle too long, had to make room, or the server drains.
    Over,
}

impl Connection {
    /// Serves the connection to its end.
    pub(super) async fn serve(mut self) {
        let mut received = Vec::new();
        loop {
            let waited = self.wait_for_head(&mut received).await;
            let started = Instant::now();
            let last = match waited {
                Waited::Over => break,
                Waited::TooSlow => self.finish(answer::too_slow()).await,
                Waited::Refused(why) => self.finish(answer::refusal(why)).await,
                Waited::Request(request) => self.answer(&request, started).await,
            };
            if last {
                break;
            }
        }
        let linger = self.shared.options.limits.head_timeout;
        let _ = timeout(linger, self.transport.close()).await;
    }

    async fn wait_for_head(&mut self, received: &mut Vec<u8>) -> Waited {
        let limits = self.shared.options.limits;
        let mut idle = received.is_empty();
        let mut deadline = tokio::time::Instant::now()
            + if idle {
                limits.idle_timeout
            } else {
                limits.head_timeout
            };
        if idle && !self.place.set_idle(Some(Instant::now())) {
            return Waited::Over;
        }
        loop {
            match request::parse(received, limits.head_bytes) {
                Head::Complete(mut request, length)
                    if received.len() >= length + request.body_bytes =>
                {
                    let rest = received.split_off(length + request.body_bytes);
                    request.body = std::mem::replace(received, rest).split_off(length);
                    return if self.place.set_idle(None) {
                        Waited::Request(request)
                    } else {
                        Waited::Over
                    };
                }
                Head::Refused(why) => return Waited::Refused(why),
                // Its body is still to come, too, in the time that the head has.
                Head::Complete(..) | Head::Incomplete => {}
            }
            let read = tokio::select! {
                read = timeout_at(deadline, self.transport.read(received)) => read,
                () = self.place.evict.notified() => return Waited::Over,
                () = drained(&mut self.draining), if idle => return Waited::Over,
            };
            match read {
                Err(_) if idle => return Waited::Over,
                Err(_) => return Waited::TooSlow,
                Ok(Ok(0) | Err(_)) => return Waited::Over,
                Ok(Ok(_)) if idle => {
                    idle = false;
                    deadline = tokio::time::Instant::now() + limits.head_timeout;
                }
                Ok(Ok(_)) => {}
            }
        }
    }

    /// Answers a request; gives whether it was the connection's last.
    async fn answer(&mut self, request: &Request, started: Instant) -> bool {
        let shared = Arc::clone(&self.shared);
        let reply = answer::answer(request, &shared.store, &shared.options, &shared.metrics);
        let keep_alive = request.keep_alive && !*self.draining.borrow();
        let (status, of_server) = (reply.status, reply.of_server);
        let mut sent = 0;
        let outcome = self.send(reply, keep_alive, &mut sent).await;
        // Who scrapes the numbers, or asks for health, does not change them.
        if !of_server {
            add(&shared.metrics.bytes_sent, sent);
            shared.metrics.count_reply(status);
        }
        if let Some(log) = &shared.options.access_log {
            log(&AccessRecord {
                peer: self.peer,
                method: match request.method {
                    Method::Get => "GET",
                    Method::Head => "HEAD",
                    Method::Put => "PUT",
                    Method::Other => "other",
                },
                target: target::redacted(&request.target),
                status,
                bytes: sent,
                elapsed: started.elapsed(),
                complete: outcome.is_ok(),
            });
        }
        outcome.is_err() || !keep_alive
    }

    async fn finish(&mut self, reply: Reply) -> bool {
        self.shared.metrics.count_reply(reply.status);
        let _ = self.send(reply, false, &mut 0).await;
        true
    }

    async fn send(&mut self, reply: Reply, keep_alive: bool, sent: &mut u64) -> io::Result<()> {
        let stall = self.shared.options.limits.stall_timeout;
        let head = reply.head(keep_alive, SystemTime::now());
        match reply.body {
            Body::None => self.write(head.as_bytes()).await,
            Body::Text(text) => {
                self.write(format!("{head}{text}").as_bytes()).await?;
                *sent = text.len() as u64;
                Ok(())
            }
            Body::File { file, mut span } => {
                self.write(head.as_bytes()).await?;
                let mut window = Window::open(Instant::now());
                while span.length > 0 {
                    let step = self.transport.send_some(&file, span);
                    let Ok(step) = timeout(stall, step).await else {
                        return Err(self.too_slow());
                    };
                    let step = step?;
                    span.start += step;
                    span.length -= step;
                    *sent += step;
                    let limits = self.shared.options.limits;
                    if window.is_slow(step, Instant::now(), limits) {
                        return Err(self.too_slow());
                    }
                }
                match timeout(stall, self.transport.flush()).await {
                    Ok(flushed) => flushed,
                    Err(_) => Err(self.too_slow()),
                }
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stall = self.shared.options.limits.stall_timeout;
        match timeout(stall, self.transport.write(bytes)).await {
            Ok(written) => written,
            Err(_) => Err(self.too_slow()),
        }
    }

    fn too_slow(&self) -> io::Error {
        add(&self.shared.metrics.evicted_slow, 1);
        io::ErrorKind::TimedOut.into()
    }
}

/// The latest stretch of a transfer, to tell a slow client (which is fine) from one that holds a
/// connection open by a drip.
struct Window {
    opened: Instant,
    bytes: u64,
}

impl Window {
    const fn open(now: Instant) -> Self {
        Self {
            opened: now,
            bytes: 0,
        }
    }

    fn is_slow(&mut self, step: u64, now: Instant, limits: super::Limits) -> bool {
        self.bytes += step;
        let elapsed = now.duration_since(self.opened);
        if elapsed < limits.stall_timeout {
            return false;
        }
        let least = limits.min_bytes_per_second * elapsed.as_secs();
        let slow = self.bytes < least;
        *self = Self::open(now);
        slow
    }
}

async fn drained(draining: &mut watch::Receiver<bool>) {
    // The sender outlives every connection; were it gone, the server would be too.
    let _ = draining.wait_for(|draining| *draining).await;
}
