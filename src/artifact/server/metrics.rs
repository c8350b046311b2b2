//! What the server counts, in the Prometheus text format.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

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
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, lines: &[(&str, &AtomicU64)]| {
            // Writing to a string has no way to fail.
            let _ = writeln!(text, "# TYPE flugs_artifact_{name} {kind}");
            for (labels, value) in lines {
                let value = value.load(Ordering::Relaxed);
                let _ = writeln!(text, "flugs_artifact_{name}{labels} {value}");
            }
        };
        family("connections_total", "counter", &[("", &self.connections)]);
        family("open_connections", "gauge", &[("", &self.open_connections)]);
        family(
            "closed_connections_total",
            "counter",
            &[
                ("{reason=\"idle\"}", &self.evicted_idle),
                ("{reason=\"slow\"}", &self.evicted_slow),
                ("{reason=\"too-many\"}", &self.refused_connections),
                ("{reason=\"handshake\"}", &self.handshake_failures),
            ],
        );
        family("sent_bytes_total", "counter", &[("", &self.bytes_sent)]);
        family(
            "replies_total",
            "counter",
            &[
                ("{kind=\"full\"}", &self.full),
                ("{kind=\"partial\"}", &self.partial),
                ("{kind=\"not-modified\"}", &self.not_modified),
                ("{kind=\"unauthorised\"}", &self.unauthorised),
                ("{kind=\"client-error\"}", &self.client_errors),
                ("{kind=\"server-error\"}", &self.server_errors),
            ],
        );
        text
    }
}
