//! KILL and SHUTDOWN: from the framework over the master to the agent.

use super::Cluster;
use crate::executor::Order;
use crate::status::is_terminal;
use serde_json::{Map, Value, json};
use std::time::Duration;

impl Cluster {
    pub(super) fn kill(&mut self, framework: &str, message: &Map<String, Value>) {
        let task = crate::call::identifier(message, "task_id").unwrap_or_default();
        let agent = crate::call::identifier(message, "agent_id");
        let Some(master) = &mut self.master else {
            return;
        };
        let known = master
            .frameworks
            .get(framework)
            .and_then(|framework| framework.tasks.get(task));
        let Some(known) = known else {
            // As if the framework had asked what became of it.
            let mut asked = Map::new();
            for field in ["task_id", "agent_id"] {
                if let Some(value) = message.get(field) {
                    asked.insert(field.to_owned(), value.clone());
                }
            }
            let mut reconcile = Map::new();
            reconcile.insert("tasks".to_owned(), json!([asked]));
            self.reconcile(framework, &reconcile);
            return;
        };
        if agent.is_some_and(|agent| agent != known.agent_id) {
            return;
        }
        let Some(registered) = master.registered.get_mut(&known.agent_id) else {
            return;
        };
        let index = registered.index;
        registered
            .killed
            .insert((framework.to_owned(), task.to_owned()));
        if self.agents.get(index).is_some_and(|agent| agent.online) {
            self.agent_kill(index, framework, task, grace_of(message));
        }
    }

    /// The agent hears that a task is to end.
    pub(super) fn agent_kill(
        &mut self,
        index: usize,
        framework: &str,
        task: &str,
        grace: Option<Duration>,
    ) {
        let partition_aware = self
            .framework(framework)
            .is_some_and(|framework| framework.can("PARTITION_AWARE"));
        let Some(run) = self.run_mut(index, framework, task) else {
            let state = if partition_aware {
                "TASK_DROPPED"
            } else {
                "TASK_LOST"
            };
            let status = self
                .agent_status(index, task, state)
                .with("reason", "REASON_EXECUTOR_TERMINATED")
                .with("message", "Cannot find executor");
            self.receive(index, framework, &status, state);
            return;
        };
        if is_terminal(&run.latest_state) {
            return;
        }
        let container = run.container;
        if run.delivered {
            self.orders.push(Order::Kill { container, grace });
            return;
        }
        self.orders.push(Order::Destroy { container });
        let status = self
            .agent_status(index, task, "TASK_KILLED")
            .with("reason", "REASON_TASK_KILLED_DURING_LAUNCH")
            .with("message", "Killed before delivery to the executor");
        self.agent_update(index, framework, task, status);
    }

    /// SHUTDOWN of an executor: a command task's executor has the task's id.
    pub(super) fn shutdown(&mut self, framework: &str, message: &Map<String, Value>) {
        let executor = crate::call::identifier(message, "executor_id").unwrap_or_default();
        let agent = crate::call::identifier(message, "agent_id").unwrap_or_default();
        let Some(index) = self.agent_index(agent) else {
            return;
        };
        if self.agents.get(index).is_some_and(|agent| agent.online)
            && let Some(run) = self.run_mut(index, framework, executor)
        {
            let container = run.container;
            self.orders.push(Order::Kill {
                container,
                grace: Some(Duration::from_secs(5)),
            });
        }
    }
}

/// The grace period of a `kill_policy`.
pub(crate) fn grace_of(message: &Map<String, Value>) -> Option<Duration> {
    message
        .get("kill_policy")?
        .get("grace_period")?
        .get("nanoseconds")?
        .as_u64()
        .map(Duration::from_nanos)
}
