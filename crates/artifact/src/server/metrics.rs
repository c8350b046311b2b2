//! What the server counts, in the Prometheus text format.

use std::sync::atomic::{AtomicU64, Ordering};

use flugs_base::exposition::Exposition;

/// Counters of one server since it started.
#[derive(Debug, Default)]
pub struct Metrics {
    pub(super) connections: AtomicU64,
    pub(super) open_connections: AtomicU64,
    pub(super) evicted_idle: AtomicU64,
    pub(super) evicted_slow: AtomicU64,
    pub(super) refused_connections: AtomicU64,
    pub(super) handshake_failures: AtomicU64,
    pub(super) bytes_sent: AtomicU64,
    pub(super) full: AtomicU64,
    pub(super) partial: AtomicU64,
    pub(super) not_modified: AtomicU64,
    pub(super) unauthorised: AtomicU64,
    pub(super) client_errors: AtomicU64,
    pub(super) server_errors: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

impl Metrics {
    pub(super) fn count_reply(&self, status: u16) {
        let counter = match status {
            206 => &self.partial,
            304 => &self.not_modified,
            401 | 403 => &self.unauthorised,
            400..500 => &self.client_errors,
            500.. => &self.server_errors,
            _ => &self.full,
        };
        add(counter, 1);
    }

    /// Bytes of bodies sent so far.
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent.load(Ordering::Relaxed)
    }

    /// All counters in the Prometheus text format.
    pub fn render(&self) -> String {
        let mut text = Exposition::default();
        self.write(&mut text);
        text.finish()
    }

    /// Writes all counters.
    pub fn write(&self, text: &mut Exposition) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        text.counter(
            "flugs_artifact_connections_total",
            "Connections that were made to the artifact server.",
        )
        .only(of(&self.connections));
        text.gauge(
            "flugs_artifact_open_connections",
            "Connections of the artifact server that are open.",
        )
        .only(of(&self.open_connections));
        let mut closed = text.counter(
            "flugs_artifact_closed_connections_total",
            "Connections that the artifact server ended by itself, by reason.",
        );
        for (reason, counter) in [
            ("idle", &self.evicted_idle),
            ("slow", &self.evicted_slow),
            ("too-many", &self.refused_connections),
            ("handshake", &self.handshake_failures),
        ] {
            closed.sample(&[("reason", reason)], of(counter));
        }
        text.counter(
            "flugs_artifact_sent_bytes_total",
            "Bytes of artifacts and other bodies that were sent.",
        )
        .only(of(&self.bytes_sent));
        let mut replies = text.counter(
            "flugs_artifact_replies_total",
            "Requests that the artifact server answered, by kind of answer.",
        );
        for (kind, counter) in [
            ("full", &self.full),
            ("partial", &self.partial),
            ("not-modified", &self.not_modified),
            ("unauthorised", &self.unauthorised),
            ("client-error", &self.client_errors),
            ("server-error", &self.server_errors),
        ] {
            replies.sample(&[("kind", kind)], of(counter));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_base::exposition::grammar::read;

    #[test]
    fn the_counters_are_in_the_prometheus_text_format() {
        let metrics = Metrics::default();
        metrics.count_reply(206);
        let read = read(&metrics.render()).unwrap();
        let partial = read
            .series
            .get("flugs_artifact_replies_total{kind=\"partial\"}");
        assert_eq!(partial, Some(&1.0));
        assert_eq!(read.families.len(), 5);
    }
}
