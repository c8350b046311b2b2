//! The two ends of an event stream: events as RecordIO records from the master's memory to the socket.

use serde_json::Value;
use tokio::sync::mpsc;

/// Where the master puts events. When it is dropped, the stream ends.
///
/// Unbounded, as a real master's: a slow reader makes the queue longer and nobody else wait.
#[derive(Clone, Debug)]
pub(crate) struct EventSink {
    records: mpsc::UnboundedSender<Vec<u8>>,
    /// Slashes are written as `\/`, as masters before 1.7 did.
    escapes_slashes: bool,
}

/// Where the socket takes records from.
pub(crate) type Records = mpsc::UnboundedReceiver<Vec<u8>>;

pub(crate) fn event_stream(escapes_slashes: bool) -> (EventSink, Records) {
    let (sender, records) = mpsc::unbounded_channel();
    let sink = EventSink {
        records: sender,
        escapes_slashes,
    };
    (sink, records)
}

impl EventSink {
    pub(crate) fn send(&self, event: &Value) {
        // Nobody listens any more: the master will learn of it from the socket.
        let mut body = event.to_string();
        if self.escapes_slashes {
            body = body.replace('/', "\\/");
        }
        let _ = self.records.send(record(&body));
    }
}

/// One RecordIO record: its length in decimal digits, a line feed, its bytes.
fn record(body: &str) -> Vec<u8> {
    format!("{}\n{body}", body.len()).into_bytes()
}
