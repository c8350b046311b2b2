//! What has to survive the scheduler.
//!
//! Owns the changes that the store is told, and what they add up to. Never does I/O.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::constraint::Host;
use crate::wire::{AgentId, FrameworkId, TaskId, TaskState};
use flugs_model::WorkerId;

/// What is wanted of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// That it runs.
    Run,
    /// That it ends.
    End,
}

/// A task that may be running.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskRecord {
    /// Its id.
    pub task: TaskId,
    /// Its number; no later task has a smaller one.
    pub serial: u64,
    /// The worker that it is, or was.
    pub worker: WorkerId,
    /// The worker's profile.
    pub profile: String,
    /// Its agent.
    pub agent: AgentId,
    /// What constraints can see of the agent; one for all its tasks.
    #[serde(with = "shared")]
    pub host: Arc<Host>,
    /// Its ports.
    pub ports: Vec<(String, u16)>,
    /// What is wanted of it.
    pub goal: Goal,
    /// What was last heard of it.
    pub state: Option<TaskState>,
}

/// A shared value is written as if it were its holder's own.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Arc<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        T::serialize(value, serializer)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(deserializer).map(Arc::new)
    }
}

/// One change of what is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// The framework's id, or that it has none any more.
    Framework(Option<FrameworkId>),
    /// A task is new, or is as it now says.
    Task(Box<TaskRecord>),
    /// A task has ended.
    Forget(TaskId),
}

/// Everything that is remembered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// The framework's id.
    pub framework: Option<FrameworkId>,
    /// The number of the last task.
    pub serial: u64,
    /// The tasks that may be running.
    pub tasks: BTreeMap<String, TaskRecord>,
}

impl Snapshot {
    /// Applies a change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Framework(id) => self.framework.clone_from(id),
            Change::Task(record) => {
                self.serial = self.serial.max(record.serial);
                self.tasks
                    .insert(record.task.value.clone(), (**record).clone());
            }
            Change::Forget(task) => {
                self.tasks.remove(&task.value);
            }
        }
    }
}
