//! Workers as tasks of Mesos: what each of them is waiting for, where it runs, how it ended.
//!
//! Owns the table between workers (the cluster's names) and tasks (Mesos's). A worker is one task:
//! when that has run and ended, so has the worker, and whether another takes its place is
//! [`crate::fleet`]'s to say. Only a launch that never happened is repeated under the same name.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::failure::{FailureKind, TaskFailure};
use super::scheduling::{Contact, Link, News, Publish, Scheduling, SchedulingError, until};
use super::tally::Tally;
use flugs_mesos::matching::Refusal;
use flugs_mesos::scheduler::{
    Describe, Ending, Goal, HeldBack, Input, Leaving, Report, Snapshot, Stop, TaskRecord,
};
use flugs_mesos::wire::{AgentId, FrameworkId, TaskId, TaskState};
use flugs_model::WorkerId;
use flugs_supervise::ExitReport;

/// A worker that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct MesosWorker {
    /// Its profile.
    pub profile: String,
    /// Since when it waits, or since when it has its task.
    pub since: Instant,
    /// Its task, unless it waits for an offer.
    pub task: Option<WorkerTask>,
    /// Why it waits again, if it had a task before.
    pub again: Option<String>,
}

/// A worker's task.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerTask {
    /// Its id; also Flink's `taskmanager.resource-id`.
    pub task: TaskId,
    /// Its agent.
    pub agent: AgentId,
    /// The agent's host name.
    pub hostname: String,
    /// Its ports.
    pub ports: Vec<(String, u16)>,
    /// Its state, once the master has told one.
    pub state: Option<TaskState>,
}

/// Something that happened.
#[derive(Debug, PartialEq)]
pub enum WorkersEvent {
    /// The master accepted the framework.
    Subscribed(FrameworkId),
    /// The connection to the master failed or ended; it is made again.
    Disconnected(String),
    /// A worker is being launched.
    Launched(WorkerId),
    /// A worker's task changed its state.
    State(WorkerId),
    /// A worker's launch did not happen: it waits for another offer.
    WaitsAgain(WorkerId),
    /// A worker's agent does not answer for too long, or the master does not know it: it may come
    /// back, and is still there.
    Lost(WorkerId),
    /// It is time to leave an agent that goes into maintenance, or it is not any more.
    Maintenance(AgentId, bool),
    /// A worker that was to stop has ended.
    Stopped(WorkerId),
    /// A worker ended by itself.
    Failed(WorkerId, WorkerTask, TaskFailure),
    /// The master has removed the framework while these tasks were running.
    FrameworkRemoved(FrameworkId, Vec<TaskId>),
    /// Another scheduler has taken the framework over.
    Superseded,
    /// The master refuses the framework.
    Refused(String),
    /// The stop that was asked for is done.
    Ended,
    /// Something that only people care for.
    Notice(String),
}

/// The exit report that a task's launcher has handed in.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskReport {
    /// The task.
    pub task: TaskId,
    /// What it says.
    pub report: ExitReport,
}

/// How long an end of which only Mesos has told so far waits for the launcher's report. That is
/// handed in before the launcher ends, so it mostly is there first.
const REPORT_PATIENCE: Duration = Duration::from_millis(500);

/// A worker that has ended and may be told of better in a moment.
#[derive(Debug)]
struct Untold {
    worker: WorkerId,
    task: TaskId,
    ending: Ending,
    until: Instant,
}

/// The workers of one framework.
#[derive(Debug)]
pub struct MesosWorkers<D, L, P> {
    scheduling: Scheduling<D, L, P>,
    workers: BTreeMap<WorkerId, MesosWorker>,
    /// Those that are to stop, until they have.
    stopping: BTreeMap<WorkerId, WorkerTask>,
    events: VecDeque<WorkersEvent>,
    /// The reports that are handed in, if anybody takes them.
    handed_in: Option<mpsc::Receiver<TaskReport>>,
    /// Those of tasks that have not ended yet.
    reports: BTreeMap<TaskId, ExitReport>,
    /// In the order in which they are told.
    untold: VecDeque<Untold>,
}

impl<D: Describe, L: Link, P: Publish> MesosWorkers<D, L, P> {
    /// The workers of a scheduler that goes on where `snapshot` ends: those of its tasks that are
    /// to run are there already.
    pub fn new(scheduling: Scheduling<D, L, P>, snapshot: &Snapshot) -> Self {
        let now = Instant::now();
        let (mut workers, mut stopping) = (BTreeMap::new(), BTreeMap::new());
        for record in snapshot.tasks.values() {
            let task = recorded(record);
            if record.goal == Goal::End {
                stopping.insert(record.worker.clone(), task);
                continue;
            }
            let worker = MesosWorker {
                profile: record.profile.clone(),
                since: now,
                task: Some(task),
                again: None,
            };
            workers.insert(record.worker.clone(), worker);
        }
        Self {
            scheduling,
            workers,
            stopping,
            events: VecDeque::new(),
            handed_in: None,
            reports: BTreeMap::new(),
            untold: VecDeque::new(),
        }
    }

    /// Has the exit reports decide that come this way.
    #[must_use]
    pub fn hearing(mut self, handed_in: mpsc::Receiver<TaskReport>) -> Self {
        self.handed_in = Some(handed_in);
        self
    }

    /// The workers that are wanted.
    pub fn workers(&self) -> &BTreeMap<WorkerId, MesosWorker> {
        &self.workers
    }

    /// Those that were told to stop and have not yet.
    pub fn stopping(&self) -> &BTreeMap<WorkerId, WorkerTask> {
        &self.stopping
    }

    /// What is known of the contact with the master.
    pub fn contact(&self) -> &Contact {
        self.scheduling.contact()
    }

    /// What has passed between the scheduler, the master and the store, in numbers.
    pub fn tally(&self) -> &Tally {
        self.scheduling.tally()
    }

    /// The agents that go into maintenance, and in how long each does.
    pub fn leaving(&self) -> impl Iterator<Item = (&AgentId, &Leaving, Duration)> {
        self.scheduling.scheduler().leaving()
    }

    /// How many agents are left alone for a while, because workers failed there.
    pub fn avoided_agents(&self) -> usize {
        self.scheduling.scheduler().avoided_agents()
    }

    /// Why the last offers were not used for workers of a profile.
    pub fn refusals(&self, profile: &str) -> impl Iterator<Item = &Refusal> {
        self.scheduling.scheduler().refusals(profile)
    }

    /// An agent that had room for a worker of a profile before, and offers less now.
    pub fn held_back(&self, profile: &str) -> Option<HeldBack> {
        self.scheduling.held_back(profile)
    }

    /// The id under which Flink knows a worker, once it has a task.
    pub fn resource_id(&self, id: &WorkerId) -> Option<&str> {
        let task = self.workers.get(id)?.task.as_ref()?;
        Some(&task.task.value)
    }

    /// Wants a worker: it is launched with the first offer that suffices.
    pub fn launch(&mut self, id: WorkerId, profile: &str) -> Result<(), SchedulingError> {
        let worker = MesosWorker {
            profile: profile.to_owned(),
            since: Instant::now(),
            task: None,
            again: None,
        };
        self.workers.insert(id.clone(), worker);
        let profile = profile.to_owned();
        self.tell(Input::Want {
            worker: id,
            profile,
        })
    }

    /// A worker has registered: if it ends now, its agent is not left alone for it.
    pub fn serves(&mut self, id: &WorkerId) -> Result<(), SchedulingError> {
        self.tell(Input::Serves(id.clone()))
    }

    /// A worker that had registered is not registered any more, with a JobManager that serves.
    pub fn absent(&mut self, id: &WorkerId) -> Result<(), SchedulingError> {
        self.tell(Input::Absent(id.clone()))
    }

    /// Wants a worker no more. One that waited has stopped at once.
    pub fn stop(&mut self, id: &WorkerId) -> Result<(), SchedulingError> {
        let Some(worker) = self.workers.remove(id) else {
            return Ok(());
        };
        let ended = self.untold.iter().position(|one| one.worker == *id);
        if let Some(at) = ended {
            self.untold.remove(at);
            self.events.push_back(WorkersEvent::Stopped(id.clone()));
            return Ok(());
        }
        match worker.task {
            Some(task) => {
                self.reports.remove(&task.task);
                self.stopping.insert(id.clone(), task);
            }
            None => self.events.push_back(WorkersEvent::Stopped(id.clone())),
        }
        self.tell(Input::Release(id.clone()))
    }

    /// Ends the framework, and with it all workers; or leaves it as it is, for another scheduler.
    /// [`WorkersEvent::Ended`] says when that is done.
    pub fn end(&mut self, how: Stop) -> Result<(), SchedulingError> {
        self.tell(Input::Stop(how))
    }

    /// The operator's answer to [`WorkersEvent::FrameworkRemoved`].
    pub fn forget_framework(&mut self) -> Result<(), SchedulingError> {
        self.tell(Input::ForgetFramework)
    }

    /// Waits for the next event; may be dropped at any time without losing one.
    pub async fn event(&mut self) -> Result<WorkersEvent, SchedulingError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let due = self.untold.front().map(|one| one.until);
            tokio::select! {
                news = self.scheduling.next() => match news? {
                    News::Report(report) => self.take(report)?,
                    News::Disconnected(reason) => {
                        self.events.push_back(WorkersEvent::Disconnected(reason));
                    }
                    News::Notice(text) => self.events.push_back(WorkersEvent::Notice(text)),
                },
                report = next(self.handed_in.as_mut()) => self.reported(report),
                () = until(due) => {
                    if let Some(untold) = self.untold.pop_front() {
                        self.tell_end(&untold, None);
                    }
                }
            }
        }
    }

    /// A launcher has handed in its report: of a task that somebody waits to be told of, or that is
    /// about to end. Any other's is of no use any more.
    fn reported(&mut self, TaskReport { task, report }: TaskReport) {
        if let Some(at) = self.untold.iter().position(|one| one.task == task) {
            if let Some(untold) = self.untold.remove(at) {
                self.tell_end(&untold, Some(&report));
            }
            return;
        }
        let runs = |worker: &MesosWorker| worker.task.as_ref().is_some_and(|one| one.task == task);
        if self.workers.values().any(runs) {
            self.reports.insert(task, report);
        }
    }

    fn tell(&mut self, input: Input) -> Result<(), SchedulingError> {
        self.scheduling.tell(input)
    }

    fn take(&mut self, report: Report) -> Result<(), SchedulingError> {
        let event = match report {
            Report::Subscribed(framework) => WorkersEvent::Subscribed(framework),
            Report::Launched {
                worker,
                task,
                agent,
                hostname,
                ports,
            } => {
                let task = WorkerTask {
                    task,
                    agent,
                    hostname,
                    ports,
                    state: None,
                };
                let Some(entry) = self.workers.get_mut(&worker) else {
                    return Ok(());
                };
                entry.task = Some(task);
                entry.since = Instant::now();
                WorkersEvent::Launched(worker)
            }
            Report::State {
                worker,
                task,
                state,
            } => match self.task_mut(&worker, &task) {
                Some(entry) => {
                    entry.state = Some(state);
                    WorkersEvent::State(worker)
                }
                None => return Ok(()),
            },
            Report::Ended {
                worker,
                task,
                ending,
            } => return self.ended(&worker, &task, &ending),
            Report::Lost { worker, task } => match self.task_mut(&worker, &task) {
                Some(_) => WorkersEvent::Lost(worker),
                None => return Ok(()),
            },
            Report::Maintenance { agent, leaves } => WorkersEvent::Maintenance(agent, leaves),
            Report::Stray(task) => {
                WorkersEvent::Notice(format!("the task {} is nobody's: it is killed", task.value))
            }
            Report::KillOverdue(task) => WorkersEvent::Notice(format!(
                "the task {} does not end: it is killed without grace",
                task.value
            )),
            Report::FrameworkRemoved { framework, tasks } => {
                WorkersEvent::FrameworkRemoved(framework, tasks)
            }
            Report::Superseded => WorkersEvent::Superseded,
            Report::Refused(message) => WorkersEvent::Refused(message),
            Report::Stopped => WorkersEvent::Ended,
        };
        self.events.push_back(event);
        Ok(())
    }

    fn task_mut(&mut self, worker: &WorkerId, task: &TaskId) -> Option<&mut WorkerTask> {
        let current = self.workers.get_mut(worker)?.task.as_mut()?;
        (current.task == *task).then_some(current)
    }

    fn ended(
        &mut self,
        worker: &WorkerId,
        task: &TaskId,
        ending: &Ending,
    ) -> Result<(), SchedulingError> {
        if self.task_mut(worker, task).is_none() {
            let to_stop = self.stopping.get(worker);
            if to_stop.is_some_and(|stopping| stopping.task == *task) {
                self.stopping.remove(worker);
                self.events.push_back(WorkersEvent::Stopped(worker.clone()));
            }
            return Ok(());
        }
        let report = self.reports.remove(task);
        let failure = TaskFailure::of(ending, report.as_ref());
        if report.is_none() && self.handed_in.is_some() && failure.may_be_reported() {
            self.untold.push_back(Untold {
                worker: worker.clone(),
                task: task.clone(),
                ending: ending.clone(),
                until: Instant::now() + REPORT_PATIENCE,
            });
            // Whatever is told: the worker is its task, and that is over.
            return self.tell(Input::Release(worker.clone()));
        }
        if failure.kind != FailureKind::NeverLaunched {
            self.lost(worker, task, failure);
            return self.tell(Input::Release(worker.clone()));
        }
        // The scheduler launches it again by itself.
        if let Some(entry) = self.workers.get_mut(worker) {
            entry.task = None;
            entry.since = Instant::now();
            entry.again = Some(failure.to_string());
        }
        self.events
            .push_back(WorkersEvent::WaitsAgain(worker.clone()));
        Ok(())
    }

    fn tell_end(&mut self, untold: &Untold, report: Option<&ExitReport>) {
        let failure = TaskFailure::of(&untold.ending, report);
        self.lost(&untold.worker, &untold.task, failure);
    }

    /// The worker is its task: it is over, too.
    fn lost(&mut self, worker: &WorkerId, task: &TaskId, failure: TaskFailure) {
        if self.task_mut(worker, task).is_none() {
            return;
        }
        if let Some(entry) = self.workers.remove(worker).and_then(|entry| entry.task) {
            self.events
                .push_back(WorkersEvent::Failed(worker.clone(), entry, failure));
        }
    }
}

/// The next report; none ever where nobody takes them.
async fn next(reports: Option<&mut mpsc::Receiver<TaskReport>>) -> TaskReport {
    let report = match reports {
        Some(reports) => reports.recv().await,
        None => None,
    };
    match report {
        Some(report) => report,
        None => pending().await,
    }
}

fn recorded(record: &TaskRecord) -> WorkerTask {
    WorkerTask {
        task: record.task.clone(),
        agent: record.agent.clone(),
        hostname: record.host.hostname.clone(),
        ports: record.ports.clone(),
        state: record.state.clone(),
    }
}

#[cfg(test)]
#[path = "workers/tests.rs"]
mod tests;
