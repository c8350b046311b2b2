//! A task as the master knows it.

use crate::resources::Resources;
use crate::status::{Status, is_terminal};
use serde_json::{Map, Value};

/// One task of a framework in the master's memory.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) agent_id: String,
    pub(crate) resources: Resources,
    /// The agent's latest word, which an update that is still queued may carry.
    pub(crate) latest_state: String,
    /// What the framework was told last, with its uuid if it has one.
    pub(crate) status_state: Option<String>,
    pub(crate) status_uuid: Option<String>,
    pub(crate) container_status: Option<Value>,
    pub(crate) healthy: Option<Value>,
    pub(crate) statuses: Vec<Status>,
    /// What it was launched with.
    pub(crate) info: Map<String, Value>,
}

impl Task {
    pub(crate) fn is_over(&self) -> bool {
        is_terminal(&self.latest_state)
    }

    /// The state that reconciliation tells.
    pub(crate) fn told_state(&self) -> &str {
        self.status_state.as_deref().unwrap_or(&self.latest_state)
    }

    /// Notes what an update says. Whether the task's resources are free by it.
    pub(crate) fn note(&mut self, status: &Status, latest_state: &str) -> bool {
        let was_over = self.is_over();
        if !was_over {
            latest_state.clone_into(&mut self.latest_state);
        }
        self.status_state = Some(status.state().to_owned());
        self.status_uuid = status.uuid().map(str::to_owned);
        if let Some(container) = status.get("container_status") {
            self.container_status = Some(container.clone());
        }
        if let Some(healthy) = status.get("healthy") {
            self.healthy = Some(healthy.clone());
        }
        if self
            .statuses
            .last()
            .is_some_and(|last| last.state() == status.state())
        {
            self.statuses.pop();
        }
        self.statuses.push(status.clone());
        !was_over && self.is_over()
    }
}
