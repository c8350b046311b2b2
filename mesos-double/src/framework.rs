//! A framework as the master knows it.

use crate::offer::Filter;
use crate::resources::Sight;
use crate::stream::EventSink;
use crate::task::Task;
use crate::validation::framework::{has_capability, roles};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One framework in the master's memory.
#[derive(Debug)]
pub(crate) struct Framework {
    pub(crate) id: String,
    pub(crate) info: Map<String, Value>,
    pub(crate) suppressed: BTreeSet<String>,
    pub(crate) filters: Vec<Filter>,
    /// Agents that it is not asked to leave before then.
    pub(crate) inverse_filters: BTreeMap<String, Duration>,
    pub(crate) tasks: BTreeMap<String, Task>,
    pub(crate) unreachable_tasks: BTreeMap<String, Task>,
    pub(crate) completed_tasks: Vec<Task>,
    /// The stream that it listens to.
    pub(crate) stream: Option<Stream>,
    /// Known only from agents since the master started.
    pub(crate) recovered: bool,
    /// Counts connections, so that an old removal timer knows that it is old.
    pub(crate) epoch: u64,
}

/// The stream that a framework listens to.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: String,
    pub(crate) sink: EventSink,
}

impl Framework {
    pub(crate) fn new(id: &str, info: Map<String, Value>) -> Self {
        Self {
            id: id.to_owned(),
            info,
            suppressed: BTreeSet::new(),
            filters: Vec::new(),
            inverse_filters: BTreeMap::new(),
            tasks: BTreeMap::new(),
            unreachable_tasks: BTreeMap::new(),
            completed_tasks: Vec::new(),
            stream: None,
            recovered: false,
            epoch: 0,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    pub(crate) fn can(&self, capability: &str) -> bool {
        has_capability(&self.info, capability)
    }

    pub(crate) fn roles(&self) -> Vec<String> {
        roles(&self.info)
    }

    pub(crate) fn sight(&self) -> Sight {
        Sight {
            refined: self.can("RESERVATION_REFINEMENT"),
            multi_role: self.can("MULTI_ROLE"),
        }
    }

    /// A partition-aware state, or TASK_LOST for whoever does not know those.
    pub(crate) fn state_for(&self, state: &'static str) -> &'static str {
        if self.can("PARTITION_AWARE") {
            state
        } else {
            "TASK_LOST"
        }
    }

    pub(crate) fn failover_timeout(&self) -> Duration {
        let seconds = self.info.get("failover_timeout").and_then(Value::as_f64);
        Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default()
    }

    /// Sends an event if somebody listens.
    pub(crate) fn send(&self, event: &Value) {
        if let Some(stream) = &self.stream {
            stream.sink.send(event);
        }
    }

    pub(crate) fn forget_old_filters(&mut self, now: Duration) {
        self.filters.retain(|filter| filter.until > now);
    }
}
