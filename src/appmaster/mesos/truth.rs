//! What is true of a worker: Mesos says whether its process runs, Flink whether it is registered.
//!
//! Owns how the two are told to the fleet. Decides nothing about it.

use super::super::AppMasterError;
use super::super::registration::Registered;
use super::event::{MesosEvent, NotifyMesos};
use super::run::MesosCluster;
use crate::fleet::Member;
use crate::provider::mesos::scheduling::{Link, Publish};
use flugs_mesos::scheduler::Describe;
use flugs_mesos::wire::TaskState;
use flugs_model::{MemberState, WorkerId};

impl<D: Describe, L: Link, P: Publish> MesosCluster<D, L, P> {
    /// Mesos's half of the truth about a worker: whether its process runs.
    pub(super) fn task_state(&mut self, id: &WorkerId, notify: &mut NotifyMesos<'_>) {
        let Some(task) = self.task(id) else { return };
        let Some(state) = task.state.clone() else {
            return;
        };
        let (name, hostname) = (&task.task.value, &task.hostname);
        let away = match state {
            TaskState::Unreachable | TaskState::Lost => {
                Some(format!("the agent of {name} on {hostname} does not answer"))
            }
            TaskState::Unknown => Some(format!(
                "the master does not know {name} on {hostname}, which says nothing about it: it \
                 counts as long as Flink knows it"
            )),
            _ => None,
        };
        let now = self.started.elapsed();
        self.fleet.reached(id, away.is_none(), now);
        if let Some(away) = away {
            notify(&MesosEvent::Notice(away));
        }
        let early =
            |member: &Member| matches!(member.state, MemberState::Starting | MemberState::Waiting);
        if state == TaskState::Running && self.fleet.member(id).is_some_and(early) {
            self.fleet.observe(id, MemberState::Running, now);
        }
    }

    /// Flink's half: whether the JobManager serves, and who is registered with it.
    pub(super) fn observe(
        &mut self,
        registered: &Registered,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<(), AppMasterError> {
        let now = self.started.elapsed();
        let id = self.job_manager.id().clone();
        let state = if registered.job_manager {
            MemberState::Registered
        } else {
            MemberState::Running
        };
        if self
            .job_manager
            .state(&self.fleet)
            .is_some_and(|was| was != state)
        {
            self.fleet.observe(&id, state, now);
            for record in &mut self.state.members {
                record.state = state;
            }
            self.file.save(&self.state)?;
            if state == MemberState::Registered {
                notify(&MesosEvent::JobManagerServes);
            }
        }
        let mut changes = Vec::new();
        for (id, worker) in self.workers.workers() {
            let Some(task) = &worker.task else { continue };
            let slots = registered.task_managers.get(&task.task.value);
            let was = self.fleet.member(id).map(|member| member.state);
            match (slots, was) {
                (Some(slots), Some(was)) if was != MemberState::Registered => {
                    changes.push((id.clone(), task.task.value.clone(), Some(*slots)));
                }
                (None, Some(MemberState::Registered)) => {
                    changes.push((id.clone(), task.task.value.clone(), None));
                }
                _ => {}
            }
            let free = registered.free.get(&task.task.value);
            self.fleet.idles(id, slots.is_some() && slots == free);
        }
        for (id, task, slots) in changes {
            if let Some(slots) = slots {
                self.fleet.observe(&id, MemberState::Registered, now);
                self.workers.serves(&id)?;
                self.slots.insert(id, slots);
                notify(&MesosEvent::Registered { task });
            } else {
                self.fleet.observe(&id, MemberState::Running, now);
                self.slots.remove(&id);
                // While the JobManager is away, nobody can see who is there.
                if registered.job_manager {
                    self.workers.absent(&id)?;
                }
            }
        }
        Ok(())
    }
}
