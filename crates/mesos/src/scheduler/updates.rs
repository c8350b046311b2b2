//! What the master says: the subscription, states of tasks, lost agents.

use std::collections::BTreeSet;

use super::{
    Change, Describe, Duration, Ending, Goal, Phase, Planned, Report, Scheduler, Session, Task,
    back_off,
};
use crate::wire::{
    Acknowledge, AgentId, CallBody, Event, Reason, Reconcile, ReconcileTask, Source, Subscribed,
    TaskId, TaskState, TaskStatus,
};

impl<D: Describe> Scheduler<D> {
    pub(super) fn event(&mut self, event: Event) {
        match (event, self.session) {
            (Event::Subscribed(subscribed), Session::Subscribing) => self.subscribed(*subscribed),
            (Event::Error(error), Session::Subscribing | Session::Up) => self.error(error.message),
            (Event::Offers(offers), Session::Up) => self.offers(&offers.offers),
            (Event::Rescind(rescind), Session::Up) => self.rescinded(&rescind.offer_id),
            (Event::InverseOffers(asked), Session::Up) => self.inverse_offers(asked),
            (Event::RescindInverseOffer(rescind), Session::Up) => {
                self.inverse_offer_rescinded(&rescind.inverse_offer_id);
            }
            (Event::Update(update), Session::Up) => self.update(&update.status),
            (Event::Failure(failure), Session::Up) => {
                if let (Some(agent), None) = (failure.agent_id, failure.executor_id) {
                    self.agent_failed(&agent);
                }
            }
            _ => {}
        }
    }

    fn subscribed(&mut self, subscribed: Subscribed) {
        let id = subscribed.framework_id;
        if self.framework.as_ref() != Some(&id) {
            self.framework = Some(id.clone());
            self.store(Change::Framework(Some(id.clone())));
        }
        self.session = Session::Up;
        self.attempts = 0;
        self.ask_again();
        // A subscription starts without suppression, and its filters may be those of before.
        self.suppressed = false;
        self.declined = true;
        self.waiting.fresh = true;
        self.report(Report::Subscribed(id));
        self.begin_reconciliation();
        let ending: Vec<TaskId> = self
            .tasks
            .iter()
            .filter(|(_, entry)| entry.goal == Goal::End)
            .map(|(task, _)| task.clone())
            .collect();
        for task in ending {
            self.wake(&task, self.now);
        }
        self.tear_down();
    }

    /// Asks for everything that the master knows, and about everything that is known here. A
    /// launch of a moment ago is left out: the question might overtake it.
    fn begin_reconciliation(&mut self) {
        let young = self.now.saturating_sub(self.settings.launch_timeout);
        let known = self.tasks.iter().filter(|(_, entry)| match entry.phase {
            Phase::Queued => false,
            Phase::Sent => entry.since <= young,
            Phase::Live(_) | Phase::Unreachable(_) => true,
        });
        let tasks: BTreeSet<TaskId> = known.map(|(task, _)| task.clone()).collect();
        let interval = self.settings.reconcile_interval;
        self.reconciliation.begin(tasks, self.now, interval);
        self.send(CallBody::Reconcile(Reconcile::default()));
    }

    pub(super) fn reconcile(&mut self) {
        if self.reconciliation.is_periodic_due(self.now) {
            self.begin_reconciliation();
        }
        if let Some(tasks) = self.reconciliation.due(self.now) {
            let one = |task_id: TaskId| ReconcileTask {
                agent_id: self
                    .tasks
                    .get(&task_id)
                    .and_then(|entry| entry.agent.clone()),
                task_id,
            };
            let tasks = tasks.into_iter().map(one).collect();
            self.send(CallBody::Reconcile(Reconcile { tasks }));
        }
    }

    /// An agent is gone. What became of its tasks is said in updates, which may have been lost.
    fn agent_failed(&mut self, agent: &AgentId) {
        self.agent_stays(agent);
        self.forget_room(agent);
        let there = self.tasks.iter().filter(|(_, entry)| {
            entry.agent.as_ref() == Some(agent) && matches!(entry.phase, Phase::Live(_))
        });
        let there: Vec<TaskId> = there.map(|(task, _)| task.clone()).collect();
        for task in there {
            self.reconciliation.add(task, self.now);
        }
    }

    fn update(&mut self, status: &TaskStatus) {
        let task = &status.task_id;
        if self.tasks.contains_key(task) {
            self.known(task, status);
        } else {
            self.unknown(task, status);
        }
        // Exactly what has a uuid is acknowledged, as often as it comes, once all that is known of
        // it is stored.
        if let (Some(uuid), Some(agent)) = (&status.uuid, &status.agent_id)
            && uuid.0.len() == 16
        {
            let acknowledge = Acknowledge {
                agent_id: agent.clone(),
                task_id: task.clone(),
                uuid: uuid.clone(),
            };
            self.send_after(self.ticket, CallBody::Acknowledge(acknowledge));
        }
    }

    /// Nobody launched it, or it was over: if it lives, it is killed.
    fn unknown(&mut self, task: &TaskId, status: &TaskStatus) {
        let lives = matches!(
            status.state,
            TaskState::Staging | TaskState::Starting | TaskState::Running | TaskState::Killing
        );
        if !lives {
            return;
        }
        let entry = Task {
            record: None,
            agent: status.agent_id.clone(),
            goal: Goal::End,
            phase: Phase::Live(status.state.clone()),
            since: self.now,
            lost: false,
            down: None,
            kills: 0,
            wake: Duration::MAX,
        };
        self.tasks.insert(task.clone(), entry);
        self.report(Report::Stray(task.clone()));
        self.wake(task, self.now);
    }

    fn known(&mut self, task: &TaskId, status: &TaskStatus) {
        let Some(entry) = self.tasks.get(task) else {
            return;
        };
        let repeated = status.reason == Some(Reason::Reconciliation);
        let young = entry.since + self.settings.launch_timeout > self.now;
        let lost_agent = status.state == TaskState::Lost
            && status.reason == Some(Reason::AgentRemoved)
            && entry.goal == Goal::Run;
        match &status.state {
            // The question was faster than the launch.
            state
                if repeated
                    && entry.phase == Phase::Sent
                    && young
                    && (state.is_terminal() || *state == TaskState::Unknown) => {}
            TaskState::Staging | TaskState::Starting | TaskState::Running | TaskState::Killing => {
                self.reconciliation.answered(task);
                self.is_live(task, status);
            }
            TaskState::Unreachable => self.unreachable(task, status),
            TaskState::Lost if lost_agent => self.unreachable(task, status),
            TaskState::Unknown => self.unknown_to_master(task, status),
            state if state.is_terminal() => self.ended(task, status),
            _ => {}
        }
    }

    /// The master knows neither the task nor its agent. That says nothing about the process: one
    /// that has lost its registry says so until the agent is back. Only what has been away for
    /// longer than agents need for that, and does not serve, is forgotten.
    fn unknown_to_master(&mut self, task: &TaskId, status: &TaskStatus) {
        let patience = self.settings.unknown_patience;
        let entry = self.tasks.get(task);
        let expected = entry.is_none_or(|entry| match entry.phase {
            Phase::Unreachable(since) => since + patience > self.now,
            _ => true,
        });
        if expected || self.is_seen(task) {
            self.unreachable(task, status);
        } else {
            self.ended(task, status);
        }
    }

    fn is_live(&mut self, task: &TaskId, status: &TaskStatus) {
        let Some(entry) = self.tasks.get_mut(task) else {
            return;
        };
        let rank = |state: &TaskState| match state {
            TaskState::Staging => 0,
            TaskState::Starting => 1,
            TaskState::Running => 2,
            _ => 3,
        };
        if entry.agent.is_none() {
            entry.agent.clone_from(&status.agent_id);
        }
        // Reconciliation tells the last update's state, which may be older than what is known.
        let news = rank(&status.state);
        if matches!(&entry.phase, Phase::Live(known) if rank(known) >= news) {
            return;
        }
        let returned = matches!(entry.phase, Phase::Unreachable(_));
        entry.phase = Phase::Live(status.state.clone());
        entry.since = self.now;
        entry.lost = false;
        entry.down = None;
        if returned {
            self.kill_if_ending(task);
        }
        let entry = self.tasks.get_mut(task);
        let Some(record) = entry.and_then(|entry| entry.record.as_mut()) else {
            return;
        };
        record.state = Some(status.state.clone());
        let (worker, agent) = (record.worker.clone(), record.agent.clone());
        self.store_task(task);
        if status.state == TaskState::Running {
            self.agent_failures.remove(&agent);
        }
        self.report(Report::State {
            worker,
            task: task.clone(),
            state: status.state.clone(),
        });
    }

    fn unreachable(&mut self, task: &TaskId, status: &TaskStatus) {
        self.reconciliation.answered(task);
        let now = self.now;
        let Some(entry) = self.tasks.get_mut(task) else {
            return;
        };
        let planned = planned(status).is_some();
        if planned {
            entry.down = Some(Box::new(status.clone()));
        }
        if matches!(entry.phase, Phase::Unreachable(_)) {
            if planned {
                self.wake(task, now);
            }
            return;
        }
        entry.lost = false;
        entry.phase = Phase::Unreachable(now);
        entry.since = now;
        let due = if planned {
            now
        } else {
            now + self.settings.unreachable_patience
        };
        let goal = entry.goal;
        if let Some(record) = &mut entry.record {
            record.state = Some(TaskState::Unreachable);
            let worker = record.worker.clone();
            self.store_task(task);
            self.report(Report::State {
                worker,
                task: task.clone(),
                state: status.state.clone(),
            });
        }
        if goal == Goal::Run {
            self.wake(task, due);
        }
        // What is said of an agent may arrive after what is said of its return.
        self.reconciliation.add(task.clone(), now);
    }

    pub(super) fn ended(&mut self, task: &TaskId, status: &TaskStatus) {
        let Some(entry) = self.drop_task(task) else {
            return;
        };
        // A place is free, which may be what a constraint waits for.
        self.waiting.fresh = true;
        let Some(record) = entry.record else {
            return;
        };
        self.store(Change::Forget(task.clone()));
        let ending = Ending {
            state: Some(status.state.clone()),
            reason: status.reason.clone(),
            message: status.message.clone(),
            healthy: status.healthy,
            wanted: entry.goal == Goal::End,
        };
        let worker = record.worker;
        self.report(Report::Ended {
            worker: worker.clone(),
            task: task.clone(),
            ending,
        });
        let serves = self.workers.get(&worker).is_some_and(|one| one.serves);
        if !self.vacate(&worker, task) {
            return;
        }
        let ran_well = serves
            || matches!(&entry.phase, Phase::Live(TaskState::Running))
                && entry.since + self.settings.back_off.1 <= self.now;
        let at = self.blame(&worker, &record.agent, status, ran_well);
        self.wait(&worker, at);
    }

    /// Whose fault the end was, and when the worker may try again.
    fn blame(
        &mut self,
        worker: &flugs_model::WorkerId,
        agent: &AgentId,
        status: &TaskStatus,
        ran_well: bool,
    ) -> Duration {
        // Stale offers and lost agents are nobody's fault, and what operators do is not either.
        let faultless = status.source == Some(Source::Master) && status.state != TaskState::Error;
        if faultless || planned(status).is_some() {
            return self.now;
        }
        let (least, most) = self.settings.back_off;
        let seed = self.settings.seed ^ self.serial;
        if status.state == TaskState::Failed && !ran_well {
            let failures = self.agent_failures.entry(agent.clone()).or_default();
            let until = self.now + back_off(least, most, *failures, seed);
            *failures = failures.saturating_add(1);
            self.avoided.insert(agent.clone(), until);
        }
        let Some(entry) = self.workers.get_mut(worker) else {
            return self.now;
        };
        if ran_well {
            entry.failures = 0;
        }
        let at = self.now + back_off(least, most, entry.failures, seed);
        entry.failures = entry.failures.saturating_add(1);
        at
    }
}

/// Whether what a status says was planned.
fn planned(status: &TaskStatus) -> Option<Planned> {
    let message = status.message.as_deref();
    Planned::of(Some(&status.state), status.reason.as_ref(), message)
}
