//! The scheduler: a pure state machine from what it is told to what it asks for.
//!
//! Owns which tasks there are, what is wanted of each, and the rules of the scheduler API: what
//! is written to the store before it is done, what is acknowledged and when, who is killed, asked
//! about, launched anew. Never does I/O and has no clock: the time comes with each input.
//!
//! A worker that is wanted has at most one current task. Its next one is launched only when the
//! last is known to be over. One whose agent does not answer, or that the master does not know, may
//! be alive, and is while it serves: after a while without either it is called lost, and goes on
//! being its worker's. No task is killed but those of workers that were released, and such as are
//! nobody's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::matching::Refusal;
use super::wire::{AgentId, Call, CallBody, FrameworkId, Subscribe, TaskId};
use flugs_model::WorkerId;

mod capacity;
mod hosts;
mod kills;
mod maintenance;
mod message;
mod offers;
mod reconcile;
mod record;
mod session;
mod stop;
mod task;
mod updates;

pub use capacity::HeldBack;
pub use maintenance::Leaving;
pub use message::{Action, Describe, Ending, Input, Launch, Planned, Report, Settings, Stop};
pub use record::{Change, Goal, Snapshot, TaskRecord};

use capacity::AgentCapacities;
use hosts::Hosts;
use maintenance::Maintenance;
use reconcile::Reconciliation;
use session::{Outbox, Queued, Session, back_off};
use stop::Stopping;
use task::{Phase, Places, Task, Waiting, Worker};

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

/// The scheduler.
#[derive(Debug)]
pub struct Scheduler<D> {
    settings: Settings,
    describe: D,
    now: Duration,
    framework: Option<FrameworkId>,
    /// The number of the last task.
    serial: u64,
    tasks: BTreeMap<TaskId, Task>,
    workers: BTreeMap<WorkerId, Worker>,
    waiting: Waiting,
    places: Places,
    hosts: Hosts,
    session: Session,
    generation: u64,
    /// Failed attempts to subscribe since the last that did not fail.
    attempts: u32,
    outbox: Outbox,
    /// The last ticket that was given out, and the last that is in the store.
    ticket: u64,
    stored: u64,
    changes: Vec<Change>,
    actions: Vec<Action>,
    /// When tasks have to be looked at.
    timers: BTreeSet<(Duration, TaskId)>,
    reconciliation: Reconciliation,
    suppressed: bool,
    /// Offers were declined since filters were last cleared, which was then.
    declined: bool,
    revived: Option<Duration>,
    avoided: BTreeMap<AgentId, Duration>,
    agent_failures: BTreeMap<AgentId, u32>,
    refusals: BTreeMap<String, BTreeMap<AgentId, Refusal>>,
    capacities: AgentCapacities,
    maintenance: Maintenance,
    stopping: Stopping,
    /// The master refuses the framework's id: the operator is asked.
    removed: bool,
}

impl<D: Describe> Scheduler<D> {
    /// A scheduler that goes on where the snapshot ends. Workers of recorded tasks are wanted
    /// until they are released.
    pub fn new(settings: Settings, describe: D, snapshot: &Snapshot, now: Duration) -> Self {
        let mut scheduler = Self {
            settings,
            describe,
            now,
            framework: snapshot.framework.clone(),
            serial: snapshot.serial,
            tasks: BTreeMap::new(),
            workers: BTreeMap::new(),
            waiting: Waiting::default(),
            places: Places::default(),
            hosts: Hosts::default(),
            session: Session::Down(now),
            generation: 0,
            attempts: 0,
            outbox: Outbox::default(),
            ticket: 0,
            stored: 0,
            changes: Vec::new(),
            actions: Vec::new(),
            timers: BTreeSet::new(),
            reconciliation: Reconciliation::default(),
            suppressed: false,
            declined: false,
            revived: None,
            avoided: BTreeMap::new(),
            agent_failures: BTreeMap::new(),
            refusals: BTreeMap::new(),
            capacities: AgentCapacities::default(),
            maintenance: Maintenance::default(),
            stopping: Stopping::No,
            removed: false,
        };
        for record in snapshot.tasks.values() {
            scheduler.recover(record);
        }
        scheduler
    }

    fn recover(&mut self, record: &TaskRecord) {
        let phase = match &record.state {
            Some(super::wire::TaskState::Unreachable) => Phase::Unreachable(self.now),
            Some(state) => Phase::Live(state.clone()),
            // Too long ago for its ACCEPT to be on its way.
            None => Phase::Sent,
        };
        let record = TaskRecord {
            host: self.hosts.share(&record.agent, &record.host),
            ..record.clone()
        };
        let task = record.task.clone();
        if record.goal == Goal::Run {
            let worker = Worker {
                profile: record.profile.clone(),
                current: Some(task.clone()),
                serves: false,
                absent: true,
                failures: 0,
            };
            self.workers.insert(record.worker.clone(), worker);
            self.places.take(&self.settings.profiles, &record);
        }
        let entry = Task {
            agent: Some(record.agent.clone()),
            goal: record.goal,
            record: Some(record),
            phase,
            since: self.now.saturating_sub(self.settings.launch_timeout),
            lost: false,
            down: None,
            kills: 0,
            wake: Duration::MAX,
        };
        self.tasks.insert(task.clone(), entry);
        self.wake(&task, self.now);
    }

    /// Takes an input, and says what is to be done.
    pub fn step(&mut self, now: Duration, input: Input) -> Vec<Action> {
        self.now = self.now.max(now);
        self.take(input);
        self.pass_time();
        self.flush();
        if self.changes.is_empty() {
            return std::mem::take(&mut self.actions);
        }
        let changes = std::mem::take(&mut self.changes);
        let ticket = self.ticket;
        let mut actions = vec![Action::Store { ticket, changes }];
        actions.append(&mut self.actions);
        actions
    }

    /// When [`Input::Tick`] is due if nothing happens before.
    pub fn next_tick(&self) -> Option<Duration> {
        let session = match self.session {
            Session::Down(retry) => Some(retry),
            Session::Over => return None,
            Session::Subscribing => None,
            Session::Up => {
                let wanted = !self.waiting.is_empty() && self.stopping == Stopping::No;
                let filtered = wanted && self.waiting.fresh && self.declined;
                let revive = self.revived.filter(|_| filtered);
                let revive = revive.map(|last| last + self.settings.revive_interval);
                let reconcile = Some(self.reconciliation.next());
                [revive, reconcile].into_iter().flatten().min()
            }
        };
        let timer = self.timers.first().map(|(at, _)| *at);
        let avoided = self.avoided.values().min().copied();
        let leave = self.next_leave();
        let due = [session, timer, avoided, leave, self.waiting.next()];
        due.into_iter().flatten().min()
    }

    /// Why nothing is launched: for each profile of which somebody waits, the last refusal of
    /// each agent that made an offer.
    pub fn refusals(&self, profile: &str) -> impl Iterator<Item = &Refusal> {
        self.refusals
            .get(profile)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// How many agents are left alone for a while, because tasks failed there.
    pub fn avoided_agents(&self) -> usize {
        self.avoided.len()
    }

    /// The workers that wait for an offer, by profile.
    pub fn waiting(&self) -> impl Iterator<Item = (&str, &WorkerId)> {
        let queues = self.waiting.ready.iter();
        queues.flat_map(|(profile, queue)| queue.iter().map(move |one| (profile.as_str(), one)))
    }

    /// The workers that are wanted.
    pub fn workers(&self) -> impl Iterator<Item = &WorkerId> {
        self.workers.keys()
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Want { worker, profile } => self.want(worker, profile),
            Input::Release(worker) => self.release(&worker),
            Input::Serves(worker) => {
                if let Some(entry) = self.workers.get_mut(&worker) {
                    entry.serves = true;
                    entry.absent = false;
                }
            }
            Input::Absent(worker) => self.absent(&worker),
            Input::WallClock(since_epoch) => self.set_wall_clock(since_epoch),
            Input::Stored(ticket) => self.stored = self.stored.max(ticket.min(self.ticket)),
            Input::Event { generation, event } => {
                if generation == self.generation {
                    self.event(*event);
                }
            }
            Input::Disconnected(generation) => {
                let connected = matches!(self.session, Session::Up | Session::Subscribing);
                if generation == self.generation && connected {
                    self.disconnected();
                }
            }
            Input::Rejected { generation, reason } => {
                if generation == self.generation && self.session == Session::Subscribing {
                    self.rejected(reason);
                }
            }
            Input::TornDown(generation) => {
                if generation == self.generation {
                    self.torn_down();
                }
            }
            Input::ForgetFramework => self.forget_framework(),
            Input::Stop(stop) => self.stop(stop),
            Input::Tick => {}
        }
    }

    fn want(&mut self, worker: WorkerId, profile: String) {
        let known = self.workers.contains_key(&worker);
        if known || !self.settings.profiles.contains_key(&profile) {
            return;
        }
        self.waiting
            .add(worker.clone(), &profile, self.now, self.now);
        let entry = Worker {
            profile,
            current: None,
            serves: false,
            absent: true,
            failures: 0,
        };
        self.workers.insert(worker, entry);
    }

    /// A worker is not seen any more: now the master's word about its task counts.
    fn absent(&mut self, worker: &WorkerId) {
        let Some(entry) = self.workers.get_mut(worker) else {
            return;
        };
        entry.absent = true;
        let task = entry.current.clone();
        let away = |task: &TaskId| {
            let entry = self.tasks.get(task);
            entry.is_some_and(|entry| matches!(entry.phase, Phase::Unreachable(_)))
        };
        if let Some(task) = task.filter(away) {
            self.wake(&task, self.now);
        }
    }

    fn release(&mut self, worker: &WorkerId) {
        let Some(entry) = self.workers.remove(worker) else {
            return;
        };
        self.waiting.remove(&BTreeSet::from([worker.clone()]));
        if let Some(task) = entry.current {
            self.end(&task);
        }
    }

    /// Everything that time alone makes due.
    fn pass_time(&mut self) {
        let now = self.now;
        for worker in self.waiting.rested(now) {
            self.wait(&worker, now);
        }
        let before = self.avoided.len();
        self.avoided.retain(|_, until| *until > now);
        self.waiting.fresh |= self.avoided.len() < before;
        self.pass_timers();
        if let Session::Down(retry) = self.session
            && retry <= now
            && !self.stop_while_down()
        {
            self.connect();
        }
        if self.session == Session::Up {
            self.reconcile();
            self.adjust_interest();
        }
        self.pass_maintenance();
        self.pass_stop();
    }

    /// Puts a worker without a task into the queue, or to rest until then.
    fn wait(&mut self, worker: &WorkerId, at: Duration) {
        if let Some(entry) = self
            .workers
            .get(worker)
            .filter(|entry| entry.current.is_none())
        {
            self.waiting
                .add(worker.clone(), &entry.profile, at, self.now);
        }
    }

    fn connect(&mut self) {
        self.generation += 1;
        self.session = Session::Subscribing;
        let mut framework_info = self.settings.framework.clone();
        framework_info.id.clone_from(&self.framework);
        let subscribe = Subscribe {
            framework_info,
            ..Subscribe::default()
        };
        self.actions.push(Action::Connect {
            generation: self.generation,
            call: Box::new(self.call(CallBody::Subscribe(Box::new(subscribe)))),
        });
    }

    fn disconnected(&mut self) {
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(15));
        let seed = self.settings.seed ^ self.generation;
        let wait = back_off(least, most, self.attempts, seed);
        self.attempts = self.attempts.saturating_add(1);
        self.session = Session::Down(self.now + wait);
        // Offers are void with the connection, and what was to be sent is said anew or again.
        let unsent = self.outbox.clear();
        self.never_launched(unsent);
    }

    /// Sends what the store allows to be sent.
    fn flush(&mut self) {
        if self.session != Session::Up {
            return;
        }
        while let Some(queued) = self.outbox.pop(self.stored) {
            for task in &queued.tasks {
                if let Some(entry) = self.tasks.get_mut(task) {
                    entry.phase = Phase::Sent;
                    entry.since = self.now;
                }
                self.wake(task, self.now + self.settings.launch_timeout);
                self.kill_if_ending(task);
            }
            self.actions.push(Action::Send {
                generation: self.generation,
                call: Box::new(queued.call),
            });
        }
    }

    fn call(&self, body: CallBody) -> Call {
        let framework_id = self.framework.clone();
        Call { framework_id, body }
    }

    /// Sends a call at once.
    fn send(&mut self, body: CallBody) {
        self.send_after(0, body);
    }

    /// Sends a call after everything that was to be sent before it, what waits for the store as well.
    fn send_in_order(&mut self, body: CallBody) {
        self.send_after(self.outbox.last_ticket(), body);
    }

    fn send_after(&mut self, ticket: u64, body: CallBody) {
        let queued = Queued {
            ticket,
            call: self.call(body),
            offer: None,
            tasks: Vec::new(),
        };
        self.outbox.push(queued);
    }

    /// Has something stored. All changes of a step share a ticket.
    fn store(&mut self, change: Change) {
        if self.changes.is_empty() {
            self.ticket += 1;
        }
        self.changes.push(change);
    }

    fn store_task(&mut self, task: &TaskId) {
        let record = self.tasks.get(task).and_then(|entry| entry.record.clone());
        if let Some(record) = record {
            self.store(Change::Task(Box::new(record)));
        }
    }

    fn report(&mut self, report: Report) {
        self.actions.push(Action::Report(report));
    }

    fn wake(&mut self, task: &TaskId, at: Duration) {
        if let Some(entry) = self.tasks.get_mut(task) {
            self.timers.remove(&(entry.wake, task.clone()));
            entry.wake = at;
            if at < Duration::MAX {
                self.timers.insert((at, task.clone()));
            }
        }
    }
}
