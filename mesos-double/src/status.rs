//! `TaskStatus` messages: who says what about a task.

use serde_json::{Map, Value, json};

/// States that a task does not leave, as far as whoever tells it knows.
pub(crate) fn is_terminal(state: &str) -> bool {
    matches!(
        state,
        "TASK_FINISHED"
            | "TASK_FAILED"
            | "TASK_KILLED"
            | "TASK_ERROR"
            | "TASK_LOST"
            | "TASK_DROPPED"
            | "TASK_GONE"
            | "TASK_GONE_BY_OPERATOR"
    )
}

/// A status that grows field by field.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Status(Map<String, Value>);

impl Status {
    pub(crate) fn new(task: &str, state: &str, source: &str, timestamp: f64) -> Self {
        let mut fields = Map::new();
        fields.insert("task_id".to_owned(), json!({ "value": task }));
        fields.insert("state".to_owned(), state.into());
        fields.insert("source".to_owned(), source.into());
        fields.insert("timestamp".to_owned(), timestamp.into());
        Self(fields)
    }

    /// The master's word about a task; such a status has no uuid.
    pub(crate) fn of_master(
        task: &str,
        state: &str,
        reason: &str,
        message: &str,
        timestamp: f64,
    ) -> Self {
        Self::new(task, state, "SOURCE_MASTER", timestamp)
            .with("reason", reason)
            .with("message", message)
    }

    pub(crate) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.insert(field.to_owned(), value.into());
        self
    }

    pub(crate) fn with_id(self, field: &str, id: &str) -> Self {
        self.with(field, json!({ "value": id }))
    }

    /// Only if there is one.
    pub(crate) fn with_any(self, field: &str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.with(field, value),
            None => self,
        }
    }

    pub(crate) fn state(&self) -> &str {
        self.0
            .get("state")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn uuid(&self) -> Option<&str> {
        self.0.get("uuid").and_then(Value::as_str)
    }

    pub(crate) fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    pub(crate) fn event(&self) -> Value {
        json!({"type": "UPDATE", "update": {"status": self.0}})
    }
}

/// The task that a status is about.
pub(crate) fn task_id(status: &Status) -> &str {
    status
        .get("task_id")
        .and_then(|id| id.get("value"))
        .and_then(Value::as_str)
        .unwrap_or_default()
}
