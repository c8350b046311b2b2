//! RECONCILE: what the master believes about tasks, asked for one by one or for all.

use super::Cluster;
use crate::call::{identifier, objects};
use crate::status::Status;
use crate::task::Task;
use serde_json::{Map, Value, json};

const REASON: &str = "REASON_RECONCILIATION";

impl Cluster {
    pub(super) fn reconcile(&mut self, framework: &str, message: &Map<String, Value>) {
        let asked: Vec<&Map<String, Value>> = objects(message, "tasks").collect();
        let answers: Vec<Status> = if asked.is_empty() {
            self.framework(framework)
                .into_iter()
                .flat_map(|framework| framework.tasks.values())
                .map(|task| self.known(task))
                .collect()
        } else {
            asked
                .into_iter()
                .filter_map(|asked| self.answer(framework, asked))
                .collect()
        };
        for status in answers {
            self.send_update(framework, &status.event());
        }
    }

    fn known(&self, task: &Task) -> Status {
        Status::of_master(
            &task.id,
            task.told_state(),
            REASON,
            "Reconciliation: Latest task state",
            self.clock.timestamp(),
        )
        .with_id("agent_id", &task.agent_id)
        .with_any("container_status", task.container_status.clone())
        .with_any("healthy", task.healthy.clone())
    }

    /// `None` is an answer too: an agent that may know has not come back yet.
    fn answer(&self, framework: &str, asked: &Map<String, Value>) -> Option<Status> {
        let id = identifier(asked, "task_id")?;
        let agent = identifier(asked, "agent_id");
        let master = self.master.as_ref()?;
        let framework = master.frameworks.get(framework)?;
        if let Some(task) = framework.tasks.get(id) {
            return Some(self.known(task));
        }
        let may_know = match agent {
            Some(agent) => master.recovered.contains(agent),
            None => !master.recovered.is_empty(),
        };
        if may_know {
            return None;
        }
        let since = agent.and_then(|agent| self.unreachable.get(agent));
        let (state, message) = match agent {
            Some(agent)
                if master.registered.contains_key(agent) && !self.options.is_before(1, 5) =>
            {
                ("TASK_GONE", "Task is unknown to the agent")
            }
            Some(_) if since.is_some() => ("TASK_UNREACHABLE", "Task is unreachable"),
            Some(agent) if self.gone.contains(agent) => ("TASK_GONE_BY_OPERATOR", "Task is gone"),
            _ => ("TASK_UNKNOWN", "Task is unknown"),
        };
        let mut status = Status::of_master(
            id,
            framework.state_for(state),
            REASON,
            &format!("Reconciliation: {message}"),
            self.clock.timestamp(),
        );
        if let Some(agent) = agent {
            status = status.with_id("agent_id", agent);
        }
        if let Some(since) = since {
            let nanoseconds = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
            status = status.with("unreachable_time", json!({ "nanoseconds": nanoseconds }));
        }
        Some(status)
    }
}
