//! Ending tasks, and looking after those that take their time.

use super::{Change, Describe, Duration, Ending, Goal, Phase, Report, Scheduler, Session};
use crate::wire::{CallBody, Kill, KillPolicy, Nanoseconds, TaskId};

/// A task that does not end after so many KILLs gets no grace any more.
const PATIENT_KILLS: u32 = 2;

/// A KILL is not repeated within the task's grace: each one starts the grace anew for Docker.
const KILL_MARGIN: Duration = Duration::from_secs(5);

/// Between KILLs of a task whose agent does not answer.
const UNREACHABLE_RETRY: Duration = Duration::from_secs(60);

impl<D: Describe> Scheduler<D> {
    /// Wants a task to end: written down first, then killed until it is over.
    pub(super) fn end(&mut self, task: &TaskId) {
        let Some(entry) = self.tasks.get_mut(task) else {
            return;
        };
        let before = std::mem::replace(&mut entry.goal, Goal::End);
        if let Some(record) = &mut entry.record {
            record.goal = Goal::End;
            if before == Goal::Run {
                self.places.free(&self.settings.profiles, record);
            }
        }
        self.store_task(task);
        self.wake(task, self.now);
    }

    pub(super) fn kill_if_ending(&mut self, task: &TaskId) {
        if self
            .tasks
            .get(task)
            .is_some_and(|entry| entry.goal == Goal::End)
        {
            self.wake(task, self.now);
        }
    }

    /// Looks at every task whose time has come.
    pub(super) fn pass_timers(&mut self) {
        let mut due = Vec::new();
        while self.timers.first().is_some_and(|(at, _)| *at <= self.now) {
            due.extend(self.timers.pop_first().map(|(_, task)| task));
        }
        for task in due {
            if let Some(entry) = self.tasks.get_mut(&task) {
                entry.wake = Duration::MAX;
            }
            self.look_at(&task);
        }
    }

    fn look_at(&mut self, task: &TaskId) {
        let Some(entry) = self.tasks.get(task) else {
            return;
        };
        let (since, up) = (entry.since, self.session == Session::Up);
        match (&entry.phase, entry.goal) {
            // What is to end is killed once its ACCEPT is sent, and woken by each subscription.
            (Phase::Queued, _) | (Phase::Live(_), Goal::Run) => {}
            (_, Goal::End) => {
                if up {
                    self.kill(task);
                }
            }
            (Phase::Sent, Goal::Run) => {
                let due = since + self.settings.launch_timeout;
                if due <= self.now {
                    self.reconciliation.add(task.clone(), self.now);
                    self.wake(task, self.now + self.settings.launch_timeout);
                } else {
                    self.wake(task, due);
                }
            }
            (Phase::Unreachable(since), Goal::Run) => self.look_for(task, *since),
        }
    }

    /// What is unreachable lives while it serves. Else it is over if its machine was taken down, and
    /// lost if it has been away for long enough.
    fn look_for(&mut self, task: &TaskId, since: Duration) {
        // Woken when it is absent.
        if self.is_seen(task) {
            return;
        }
        let Some(entry) = self.tasks.get_mut(task) else {
            return;
        };
        if let Some(status) = entry.down.take() {
            self.ended(task, &status);
            return;
        }
        let due = since + self.settings.unreachable_patience;
        if due > self.now {
            self.wake(task, due);
            return;
        }
        let told = std::mem::replace(&mut entry.lost, true);
        let worker = entry.record.as_ref().map(|record| record.worker.clone());
        if let Some(worker) = worker.filter(|_| !told) {
            self.report(Report::Lost {
                worker,
                task: task.clone(),
            });
        }
        // Whether the master still knows it.
        if told {
            self.reconciliation.add(task.clone(), self.now);
        }
        self.wake(task, self.now + self.settings.unknown_patience);
    }

    /// Whether the task is its worker's, and that is seen to serve.
    pub(super) fn is_seen(&self, task: &TaskId) -> bool {
        let record = self.tasks.get(task).and_then(|entry| entry.record.as_ref());
        let worker = record.and_then(|record| self.workers.get(&record.worker));
        worker.is_some_and(|worker| !worker.absent && worker.current.as_ref() == Some(task))
    }

    fn kill(&mut self, task: &TaskId) {
        let Some(entry) = self.tasks.get_mut(task) else {
            return;
        };
        entry.kills = entry.kills.saturating_add(1);
        let (kills, agent_id) = (entry.kills, entry.agent.clone());
        let unreachable = matches!(entry.phase, Phase::Unreachable(_));
        let at_once = KillPolicy {
            grace_period: Some(Nanoseconds { nanoseconds: 0 }),
        };
        // What could not be reached has not been asked yet.
        let impatient = kills > PATIENT_KILLS && !unreachable;
        let kill = Kill {
            task_id: task.clone(),
            agent_id,
            kill_policy: impatient.then_some(at_once),
        };
        self.send_after(self.ticket, CallBody::Kill(kill));
        if kills == PATIENT_KILLS + 1 && !unreachable {
            self.report(Report::KillOverdue(task.clone()));
        }
        let patient = (self.settings.grace + KILL_MARGIN) * kills.clamp(1, 6);
        let wait = if unreachable {
            UNREACHABLE_RETRY
        } else {
            patient
        };
        self.wake(task, self.now + wait);
    }

    /// A worker's current task is not current any more.
    pub(super) fn vacate(&mut self, worker: &flugs_model::WorkerId, task: &TaskId) -> bool {
        let entry = self.workers.get_mut(worker);
        let current = entry.filter(|entry| entry.current.as_ref() == Some(task));
        current.map(|entry| entry.current = None).is_some()
    }

    /// Tasks whose ACCEPT was never sent: they are forgotten, and their workers wait again.
    pub(super) fn never_launched(&mut self, tasks: Vec<TaskId>) {
        for task in tasks {
            self.forget(&task, false);
        }
    }

    /// Takes a task that Mesos does not have, or will not have, out of the records; its worker
    /// waits again. `asked`: the end is somebody's wish whatever the record says.
    pub(super) fn forget(&mut self, task: &TaskId, asked: bool) {
        let Some(record) = self.drop_task(task).and_then(|entry| entry.record) else {
            return;
        };
        self.store(Change::Forget(task.clone()));
        let ending = Ending {
            state: None,
            reason: None,
            message: None,
            healthy: None,
            wanted: asked || record.goal == Goal::End,
        };
        let worker = record.worker;
        self.report(Report::Ended {
            worker: worker.clone(),
            task: task.clone(),
            ending,
        });
        if self.vacate(&worker, task) {
            self.wait(&worker, self.now);
        }
    }

    pub(super) fn drop_task(&mut self, task: &TaskId) -> Option<super::Task> {
        let entry = self.tasks.remove(task)?;
        self.timers.remove(&(entry.wake, task.clone()));
        self.reconciliation.answered(task);
        if let (Some(record), Goal::Run) = (&entry.record, entry.goal) {
            self.places.free(&self.settings.profiles, record);
        }
        Some(entry)
    }
}
