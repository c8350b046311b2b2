//! The two ends of an event stream: events as RecordIO records from the master's memory to the socket.

use serde_json::Value;
use tokio::sync::mpsc;

/// Where the master puts events. When it is dropped, the stream ends.
///
/// Unbounded, as a real master's: a slow reader makes the queue longer and nobody else wait.
#[derive(Clone, Debug)]
pub(crate) struct EventSink(mpsc::UnboundedSender<Vec<u8>>);

/// Where the socket takes records from.
pub(crate) type Records = mpsc::UnboundedReceiver<Vec<u8>>;

pub(crate) fn event_stream() -> (EventSink, Records) {
    let (sink, records) = mpsc::unbounded_channel();
    (EventSink(sink), records)
}

impl EventSink {
    pub(crate) fn send(&self, event: &Value) {
        // Nobody listens any more: the master will learn of it from the socket.
        let _ = self.0.send(record(event));
    }
}

/// One RecordIO record: its length in decimal digits, a line feed, its bytes.
fn record(event: &Value) -> Vec<u8> {
    let body = event.to_string();
    format!("{}\n{body}", body.len()).into_bytes()
}
