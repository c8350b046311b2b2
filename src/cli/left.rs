//! What an application master that is gone has left on Mesos: a framework, and the workers that
//! wait for a successor.

use std::path::Path;

use serde::Serialize;

use crate::store::{ClusterState, SchedulerStore, StoreError};
use flugs_base::{ExitCode, listed};

/// How many tasks are named one by one.
const MOST: usize = 5;

/// Workers that nobody may be watching over.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(super) enum LeftOnMesos {
    /// These tasks.
    Tasks {
        framework: String,
        tasks: Vec<String>,
    },
    /// Those that are recorded elsewhere, if any are.
    Elsewhere { recorded_in: String },
    /// Those of a framework that the master has removed: nobody can take it over.
    Removed {
        removed_framework: String,
        tasks: Vec<String>,
    },
}

impl LeftOnMesos {
    /// What an application master of this directory has left; none runs there.
    pub(super) fn by(state: &ClusterState, directory: &Path) -> Result<Option<Self>, StoreError> {
        let elsewhere = state.tasks_recorded_in.as_ref();
        let here = match elsewhere {
            Some(_) => None,
            None => Self::in_directory(directory)?,
        };
        if let Some(removed_framework) = state.framework_removed.clone() {
            let tasks = match here {
                Some(Self::Tasks { tasks, .. }) => tasks,
                _ => Vec::new(),
            };
            return Ok(Some(Self::Removed {
                removed_framework,
                tasks,
            }));
        }
        let elsewhere = elsewhere.cloned();
        Ok(elsewhere
            .map(|recorded_in| Self::Elsewhere { recorded_in })
            .or(here))
    }

    /// What a command ends with that can do nothing about it.
    pub(super) const fn code(&self) -> ExitCode {
        match self {
            Self::Tasks { .. } | Self::Elsewhere { .. } => ExitCode::FrameworkLeft,
            Self::Removed { .. } => ExitCode::FrameworkRemoved,
        }
    }

    fn in_directory(directory: &Path) -> Result<Option<Self>, StoreError> {
        let Some(snapshot) = SchedulerStore::look_in_directory(directory)? else {
            return Ok(None);
        };
        let Some(framework) = snapshot.framework.map(|framework| framework.value) else {
            return Ok(None);
        };
        let tasks: Vec<String> = snapshot.tasks.keys().cloned().collect();
        Ok((!tasks.is_empty()).then_some(Self::Tasks { framework, tasks }))
    }

    /// In words.
    pub(super) fn text(&self, directory: &Path) -> String {
        let directory = directory.display();
        let then = format!(
            "`flugs appmaster --dir {directory}` takes them over; `flugs down` ends them while it \
             runs."
        );
        match self {
            Self::Tasks { framework, tasks } => format!(
                "Workers on Mesos may run on, as tasks of the framework {framework}, until \
                 mesos.failover-timeout is over: {}. {then}",
                listed(tasks, MOST),
            ),
            Self::Removed {
                removed_framework,
                tasks,
            } => {
                let which = match tasks.as_slice() {
                    [] => String::new(),
                    tasks => format!(" These had been running: {}.", listed(tasks, MOST)),
                };
                format!(
                    "The Mesos master has removed the framework {removed_framework}, and nobody \
                     can take it over. Mesos kills its tasks; an agent that is cut off from the \
                     master has not heard of it.{which} Once they are known to be gone, `flugs \
                     appmaster --dir {directory} --forget-framework`, with the other options as \
                     before, begins anew."
                )
            }
            Self::Elsewhere { recorded_in } => format!(
                "Workers on Mesos may run on until mesos.failover-timeout is over, unless another \
                 application master leads them; they are recorded in {recorded_in}. {then}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_mesos::scheduler::{Change, Goal, TaskRecord};
    use flugs_mesos::wire::{AgentId, FrameworkId, TaskId};
    use flugs_model::{Role, WorkerId};

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

    #[test]
    fn where_workers_are_recorded_is_told_if_it_is_not_here() {
        let left = LeftOnMesos::Elsewhere {
            recorded_in: "zk://zk1:2181/flink/default/mesos-workers".to_owned(),
        };
        insta::assert_snapshot!(left.text(Path::new("orders")), @"Workers on Mesos may run on until mesos.failover-timeout is over, unless another application master leads them; they are recorded in zk://zk1:2181/flink/default/mesos-workers. `flugs appmaster --dir orders` takes them over; `flugs down` ends them while it runs.");
    }

    /// To take over what the master has removed is advice that cannot work.
    #[test]
    fn after_a_removed_framework_the_advice_is_what_can_be_done() {
        let tasks = vec!["taskmanager-1-1".to_owned(), "taskmanager-2-2".to_owned()];
        let removed = |tasks| LeftOnMesos::Removed {
            removed_framework: "F-0007".to_owned(),
            tasks,
        };
        insta::assert_snapshot!(removed(tasks).text(Path::new("orders")), @"The Mesos master has removed the framework F-0007, and nobody can take it over. Mesos kills its tasks; an agent that is cut off from the master has not heard of it. These had been running: taskmanager-1-1, taskmanager-2-2. Once they are known to be gone, `flugs appmaster --dir orders --forget-framework`, with the other options as before, begins anew.");
        let unknown = removed(Vec::new()).text(Path::new("orders"));
        assert!(!unknown.contains("had been running"), "{unknown}");
        assert_eq!(removed(Vec::new()).code(), ExitCode::FrameworkRemoved);
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
