//! What an application master that is gone has left on Mesos: a framework, and the workers that
//! wait for a successor.

use std::path::Path;

use serde::Serialize;

use crate::store::{SchedulerStore, StoreError};

/// How many tasks are named one by one.
const MOST: usize = 5;

/// Workers that nobody may be watching over.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeftOnMesos {
    framework: String,
    tasks: Vec<String>,
}

impl LeftOnMesos {
    /// What is recorded in a cluster's directory. Where the state is kept in ZooKeeper nothing is.
    pub(super) fn in_directory(directory: &Path) -> Result<Option<Self>, StoreError> {
        let Some(snapshot) = SchedulerStore::look_in_directory(directory)? else {
            return Ok(None);
        };
        let Some(framework) = snapshot.framework else {
            return Ok(None);
        };
        let tasks = snapshot.tasks.keys().cloned();
        let left = Self {
            framework: framework.value,
            tasks: tasks.collect(),
        };
        Ok((!left.tasks.is_empty()).then_some(left))
    }

    /// In words.
    pub(super) fn text(&self, directory: &Path) -> String {
        let named: Vec<&str> = self.tasks.iter().take(MOST).map(String::as_str).collect();
        let more = match self.tasks.len().saturating_sub(MOST) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!(
            "Workers on Mesos may run on, as tasks of the framework {}, until \
             mesos.failover-timeout is over: {}{more}. `flugs appmaster --dir {}` takes them over; \
             `flugs down` ends them while it runs.",
            self.framework,
            named.join(", "),
            directory.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesos::scheduler::{Change, Goal, TaskRecord};
    use crate::mesos::wire::{AgentId, FrameworkId, TaskId};
    use crate::spec::{Role, WorkerId};

    fn task(serial: u64) -> Change {
        let worker = WorkerId::of(Role::TaskManager, Some(serial));
        Change::Task(Box::new(TaskRecord {
            task: TaskId::new(format!("{worker}-{serial}")),
            serial,
            worker,
            profile: "default".to_owned(),
            agent: AgentId::new("S1"),
            host: std::sync::Arc::default(),
            ports: Vec::new(),
            goal: Goal::Run,
            state: None,
        }))
    }

    #[tokio::test]
    async fn workers_without_an_application_master_are_told_and_an_ended_framework_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let left = || LeftOnMesos::in_directory(directory.path()).unwrap();
        assert_eq!(left(), None);
        assert!(!directory.path().join("mesos").exists());
        let mut store = SchedulerStore::in_directory(directory.path()).unwrap();
        let framework = Change::Framework(Some(FrameworkId::new("F-0007")));
        store.apply(&[framework]).await.unwrap();
        assert_eq!(left(), None);
        let tasks: Vec<Change> = (1..=7).map(task).collect();
        store.apply(&tasks).await.unwrap();
        let text = left().unwrap().text(Path::new("orders"));
        insta::assert_snapshot!(text, @"Workers on Mesos may run on, as tasks of the framework F-0007, until mesos.failover-timeout is over: taskmanager-1-1, taskmanager-2-2, taskmanager-3-3, taskmanager-4-4, taskmanager-5-5 and 2 more. `flugs appmaster --dir orders` takes them over; `flugs down` ends them while it runs.");
        store.apply(&[Change::Framework(None)]).await.unwrap();
        assert_eq!(left(), None);
    }
}
