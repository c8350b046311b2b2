//! The model: a master and its agents, as far as a scheduler can tell.

mod faults;
mod operators;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::wire::{
    Accept, AgentId, AnswerInverseOffers, Base64Bytes, Call, CallBody, ErrorEvent, Event, Failure,
    FrameworkId, InverseOffer, InverseOffers, Nanoseconds, Offer, OfferId, Offers, Reason,
    Reconcile, Rescind, RescindInverseOffer, Resource, Scalar, Source, Subscribed, TaskId,
    TaskState, TaskStatus, Unavailability, Update,
};

/// The time since the epoch.
pub(super) fn wall_clock(now: Duration) -> Duration {
    Duration::from_secs(1_796_014_537) + now
}

/// Whether maintenance begins before then, and is not over.
pub(super) fn is_soon(planned: &Unavailability, now: Duration, until: Duration) -> bool {
    let time = |one: &Nanoseconds| Duration::from_nanos(one.nanoseconds.unsigned_abs());
    let start = time(&planned.start);
    let lasts = planned.duration.as_ref().map(time);
    start <= until && lasts.is_none_or(|lasts| start + lasts > now)
}

fn nanoseconds(duration: Duration) -> Nanoseconds {
    let nanoseconds = i64::try_from(duration.as_nanos()).unwrap();
    Nanoseconds { nanoseconds }
}

pub(super) struct Random(pub(super) u64);

impl Random {
    /// SplitMix64.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Link {
    Registered,
    Unreachable,
    /// The master has failed over, and expects it back.
    Recovering,
    /// The master has lost its registry, and has never heard of it.
    Unknown,
    /// Its machine is down, or was given up: whatever comes back is another agent.
    Down,
}

struct AgentTask {
    worker: String,
    /// What it is in truth.
    state: TaskState,
    /// What the master was told last.
    told: TaskState,
    updates: VecDeque<(u64, TaskState)>,
    sent: Option<Duration>,
    /// The scheduler was told that it might be gone.
    excused: bool,
}

struct Agent {
    id: AgentId,
    hostname: String,
    link: Link,
    /// An operator empties it: it gets no tasks.
    drained: bool,
    /// When it goes into maintenance.
    window: Option<Unavailability>,
    tasks: BTreeMap<TaskId, AgentTask>,
}

const CPUS: usize = 4;

/// One of so many KILLs does not arrive.
const LOST_KILL: u64 = 5;

pub(super) struct Master {
    pub(super) stream: Option<u64>,
    framework: Option<FrameworkId>,
    completed: BTreeSet<FrameworkId>,
    numbers: u64,
    kills: u64,
    pub(super) suppressed: bool,
    filters: BTreeMap<AgentId, (Duration, usize)>,
    pub(super) offers: BTreeMap<OfferId, (AgentId, usize)>,
    /// Whom the framework is asked to leave, and until when it is not asked again.
    inverse_offers: BTreeMap<OfferId, AgentId>,
    inverse_filters: BTreeMap<AgentId, Duration>,
    /// On which stream each offer was made that ever was.
    pub(super) offered: BTreeMap<OfferId, u64>,
    agents: Vec<Agent>,
    pub(super) events: VecDeque<(u64, Event)>,
    uuids: Vec<TaskState>,
    /// Why updates were made, where that has a name.
    reasons: BTreeMap<u64, Reason>,
    /// Agents that were marked gone.
    gone: BTreeSet<AgentId>,
    /// Workers that go on without an agent that knows of them.
    orphans: BTreeSet<String>,
    pub(super) ever: BTreeSet<TaskId>,
    pub(super) reached: BTreeMap<&'static str, usize>,
}

fn status(task: &TaskId, state: TaskState, reason: Option<Reason>) -> TaskStatus {
    TaskStatus {
        task_id: task.clone(),
        state,
        reason,
        source: Some(Source::Master),
        ..TaskStatus::default()
    }
}

impl Master {
    pub(super) fn new(agents: usize) -> Self {
        let agent = |number: usize| Agent {
            id: AgentId::new(format!("S{number}")),
            hostname: format!("h{number}"),
            link: Link::Registered,
            drained: false,
            window: None,
            tasks: BTreeMap::new(),
        };
        Self {
            stream: None,
            framework: None,
            completed: BTreeSet::new(),
            numbers: 100,
            kills: 0,
            suppressed: false,
            filters: BTreeMap::new(),
            offers: BTreeMap::new(),
            inverse_offers: BTreeMap::new(),
            inverse_filters: BTreeMap::new(),
            offered: BTreeMap::new(),
            agents: (0..agents).map(agent).collect(),
            events: VecDeque::new(),
            uuids: Vec::new(),
            reasons: BTreeMap::new(),
            gone: BTreeSet::new(),
            orphans: BTreeSet::new(),
            ever: BTreeSet::new(),
            reached: BTreeMap::new(),
        }
    }

    pub(super) fn reach(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }

    fn say(&mut self, event: Event) {
        if let Some(stream) = self.stream {
            self.events.push_back((stream, event));
        }
    }

    fn tell(&mut self, status: TaskStatus) {
        self.say(Event::Update(Box::new(Update { status })));
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// The stream is gone: offers with it, without a word. What was said before may come late.
    pub(super) fn hang_up(&mut self) {
        self.stream = None;
        self.offers.clear();
        self.inverse_offers.clear();
    }

    /// Everything that the scheduler launched and that runs or is about to, wherever it is.
    pub(super) fn live(&self) -> impl Iterator<Item = &TaskId> {
        let tasks = self.agents.iter().flat_map(|agent| &agent.tasks);
        tasks
            .filter(|(task, entry)| self.ever.contains(task) && !entry.state.is_terminal())
            .map(|(task, _)| task)
    }

    /// Another task of the worker that lives where the master can see it, and of which the
    /// scheduler has not been told that it may be gone.
    pub(super) fn live_twin(&self, task: &TaskId, worker: &str) -> Option<TaskId> {
        let tasks = self.agents.iter().flat_map(|agent| &agent.tasks);
        let mut twins = tasks.filter(|(other, entry)| {
            *other != task && entry.worker == worker && !entry.state.is_terminal() && !entry.excused
        });
        twins.next().map(|(other, _)| other.clone())
    }

    /// Whether the worker's process runs, whoever can see it.
    pub(super) fn runs(&self, worker: &str) -> bool {
        let mut tasks = self.agents.iter().flat_map(|agent| agent.tasks.values());
        tasks.any(|task| task.worker == worker && task.state == TaskState::Running)
            || self.orphans.contains(worker)
    }

    pub(super) fn state_of(&self, uuid: &[u8]) -> TaskState {
        let index = u64::from_be_bytes(uuid[..8].try_into().unwrap());
        self.uuids[usize::try_from(index).unwrap()].clone()
    }

    /// The workers that run, sorted; nothing if a task is in any other state.
    pub(super) fn running(&self) -> Option<Vec<String>> {
        let tasks = self.agents.iter().flat_map(|agent| agent.tasks.values());
        let mut running = Vec::new();
        for task in tasks {
            if task.state != TaskState::Running || !task.updates.is_empty() {
                return None;
            }
            running.push(task.worker.clone());
        }
        running.sort_by_key(|worker| worker.parse::<flugs_model::WorkerId>().unwrap());
        Some(running)
    }

    /// Takes a call; false: it is refused, or its connection is gone.
    pub(super) fn receive(&mut self, generation: u64, call: &Call, now: Duration) -> bool {
        if let CallBody::Subscribe(subscribe) = &call.body {
            assert_eq!(call.framework_id, subscribe.framework_info.id);
            self.subscribe(generation, call.framework_id.clone(), now);
            return true;
        }
        if self.stream != Some(generation) || call.framework_id != self.framework {
            return false;
        }
        match &call.body {
            CallBody::Accept(accept) => self.accept(accept, now),
            CallBody::Decline(decline) => {
                let seconds = decline.filters.as_ref().and_then(|one| one.refuse_seconds);
                for offer in &decline.offer_ids {
                    if let Some((agent, cpus)) = self.offers.remove(offer) {
                        let until = now + Duration::from_secs_f64(seconds.unwrap_or(5.0));
                        self.filters.insert(agent, (until, cpus));
                    }
                }
            }
            CallBody::Revive(_) => {
                self.suppressed = false;
                self.filters.clear();
                self.inverse_filters.clear();
            }
            CallBody::Suppress(_) => self.suppressed = true,
            CallBody::Kill(kill) => self.kill(&kill.task_id, kill.agent_id.as_ref()),
            CallBody::Acknowledge(acknowledge) => {
                self.acknowledge(
                    &acknowledge.agent_id,
                    &acknowledge.task_id,
                    &acknowledge.uuid.0,
                );
            }
            CallBody::Reconcile(reconcile) => self.reconcile(reconcile),
            CallBody::Teardown => self.remove_framework(),
            CallBody::AcceptInverseOffers(answer) => self.answered(answer, "left", now),
            CallBody::DeclineInverseOffers(answer) => self.answered(answer, "not left yet", now),
            CallBody::Subscribe(_) | CallBody::UpdateFramework(_) => {}
        }
        true
    }

    fn subscribe(&mut self, generation: u64, id: Option<FrameworkId>, now: Duration) {
        self.hang_up();
        self.stream = Some(generation);
        if id.as_ref().is_some_and(|id| self.completed.contains(id)) {
            let message = "Framework has been removed".to_owned();
            self.say(Event::Error(ErrorEvent { message }));
            return;
        }
        let id = id.unwrap_or_else(|| FrameworkId::new(format!("F{}", self.number())));
        self.framework = Some(id.clone());
        self.suppressed = false;
        self.say(Event::Subscribed(Box::new(Subscribed {
            framework_id: id,
            ..Subscribed::default()
        })));
        for agent in &mut self.agents {
            agent.tasks.values_mut().for_each(|task| task.sent = None);
        }
        self.send_updates(now);
    }

    fn answered(&mut self, answer: &AnswerInverseOffers, what: &'static str, now: Duration) {
        let seconds = answer.filters.as_ref().and_then(|one| one.refuse_seconds);
        for offer in &answer.inverse_offer_ids {
            if let Some(agent) = self.inverse_offers.remove(offer) {
                self.reach(what);
                let until = now + Duration::from_secs_f64(seconds.unwrap_or(5.0));
                self.inverse_filters.insert(agent, until);
            }
        }
    }

    fn accept(&mut self, accept: &Accept, now: Duration) {
        let launches = accept
            .operations
            .iter()
            .filter_map(|one| one.launch.as_ref());
        let infos: Vec<_> = launches
            .flat_map(|launch| launch.task_infos.clone())
            .collect();
        let Some((agent, cpus)) = self.offers.remove(&accept.offer_ids[0]) else {
            self.reach("stale offer");
            for info in infos {
                self.ever.insert(info.task_id.clone());
                let reason = Some(Reason::InvalidOffers);
                self.tell(status(&info.task_id, TaskState::Dropped, reason));
            }
            return;
        };
        self.reach("accept");
        assert!(infos.len() <= cpus, "more than was offered");
        let until = now + Duration::from_secs(120);
        self.filters
            .insert(agent.clone(), (until, cpus - infos.len()));
        let entry = self.agents.iter_mut().find(|one| one.id == agent).unwrap();
        for info in infos {
            assert_eq!(info.agent_id, agent);
            self.ever.insert(info.task_id.clone());
            let task = AgentTask {
                worker: info.name,
                state: TaskState::Staging,
                told: TaskState::Staging,
                updates: VecDeque::new(),
                sent: None,
                excused: false,
            };
            entry.tasks.insert(info.task_id, task);
        }
    }

    fn kill(&mut self, task: &TaskId, agent: Option<&AgentId>) {
        self.reach("kill");
        self.kills += 1;
        // Taken with 202, and never seen again.
        if self.kills.is_multiple_of(LOST_KILL) {
            self.reach("lost kill");
            return;
        }
        for at in 0..self.agents.len() {
            let there = &self.agents[at];
            let reachable = there.link == Link::Registered;
            let meant = reachable && agent.is_none_or(|id| *id == there.id);
            let lives = |entry: &AgentTask| !entry.state.is_terminal();
            if meant && there.tasks.get(task).is_some_and(lives) {
                self.transition(at, task, TaskState::Killed);
                return;
            }
        }
        self.answer(task, agent);
    }

    fn acknowledge(&mut self, agent: &AgentId, task: &TaskId, uuid: &[u8]) {
        self.reach("acknowledge");
        let index = u64::from_be_bytes(uuid[..8].try_into().unwrap());
        let agents = self.agents.iter_mut();
        let Some(agent) = agents
            .filter(|one| one.link == Link::Registered)
            .find(|one| one.id == *agent)
        else {
            return;
        };
        let Some(entry) = agent.tasks.get_mut(task) else {
            return;
        };
        if entry
            .updates
            .front()
            .is_some_and(|(front, _)| *front == index)
        {
            entry.updates.pop_front();
            entry.sent = None;
            if entry.updates.is_empty() && entry.state.is_terminal() {
                agent.tasks.remove(task);
            }
        }
    }

    fn reconcile(&mut self, reconcile: &Reconcile) {
        if reconcile.tasks.is_empty() {
            let registered = self
                .agents
                .iter()
                .filter(|agent| agent.link == Link::Registered);
            let tasks: Vec<_> = registered
                .flat_map(|agent| {
                    agent
                        .tasks
                        .iter()
                        .map(|(id, task)| (id.clone(), task.told.clone(), agent.id.clone()))
                })
                .collect();
            for (task, state, agent) in tasks {
                let mut status = status(&task, state, Some(Reason::Reconciliation));
                status.agent_id = Some(agent);
                self.tell(status);
            }
        }
        for one in &reconcile.tasks {
            self.answer(&one.task_id, one.agent_id.as_ref());
        }
    }

    fn answer(&mut self, task: &TaskId, agent: Option<&AgentId>) {
        if let Some(agent) = agent.filter(|agent| self.gone.contains(agent)) {
            self.reach("gone by operator");
            let reason = Some(Reason::Reconciliation);
            let mut status = status(task, TaskState::GoneByOperator, reason);
            status.agent_id = Some(agent.clone());
            return self.tell(status);
        }
        let at = self.agents.iter().position(|one| Some(&one.id) == agent);
        let Some(at) = at else {
            self.reach("unknown agent");
            self.tell(status(
                task,
                TaskState::Unknown,
                Some(Reason::Reconciliation),
            ));
            return;
        };
        let agent_id = Some(self.agents[at].id.clone());
        let link = self.agents[at].link;
        let entry = self.agents[at].tasks.get_mut(task);
        let state = match (link, entry) {
            (Link::Recovering, _) => {
                self.reach("silence");
                return;
            }
            (Link::Unreachable, entry) => {
                if let Some(entry) = entry {
                    entry.excused = true;
                }
                TaskState::Unreachable
            }
            (Link::Unknown | Link::Down, entry) => {
                if let Some(entry) = entry {
                    entry.excused = true;
                    self.reached
                        .entry("unknown and alive")
                        .and_modify(|n| *n += 1)
                        .or_insert(1);
                }
                TaskState::Unknown
            }
            (Link::Registered, Some(entry)) => entry.told.clone(),
            (Link::Registered, None) => {
                self.reach("gone");
                TaskState::Gone
            }
        };
        let mut status = status(task, state, Some(Reason::Reconciliation));
        status.agent_id = agent_id;
        self.tell(status);
    }

    fn transition(&mut self, at: usize, task: &TaskId, state: TaskState) {
        let uuid = self.uuids.len() as u64;
        self.uuids.push(state.clone());
        let entry = self.agents[at].tasks.get_mut(task).unwrap();
        entry.state = state.clone();
        entry.updates.push_back((uuid, state));
    }

    /// Tasks start, fail and repeat what was not acknowledged.
    pub(super) fn progress(&mut self, random: &mut Random, now: Duration, faults: bool) {
        for at in 0..self.agents.len() {
            let tasks: Vec<TaskId> = self.agents[at].tasks.keys().cloned().collect();
            for task in tasks {
                if faults && random.below(3) == 0 {
                    continue;
                }
                let fails = faults && random.below(40) == 0;
                let next = match self.agents[at].tasks[&task].state {
                    TaskState::Staging | TaskState::Starting | TaskState::Running if fails => {
                        TaskState::Failed
                    }
                    TaskState::Staging => TaskState::Starting,
                    TaskState::Starting => TaskState::Running,
                    _ => continue,
                };
                self.transition(at, &task, next);
            }
        }
        self.send_updates(now);
    }

    /// One update of each task is on its way, and is repeated after ten seconds.
    fn send_updates(&mut self, now: Duration) {
        if self.stream.is_none() || self.framework.is_none() {
            return;
        }
        let (mut due, mut repeated) = (Vec::new(), 0);
        for agent in self
            .agents
            .iter_mut()
            .filter(|agent| agent.link == Link::Registered)
        {
            for (id, task) in &mut agent.tasks {
                let ready = task
                    .sent
                    .is_none_or(|sent| sent + Duration::from_secs(10) <= now);
                if let Some((uuid, state)) = task.updates.front().filter(|_| ready) {
                    let mut status = status(id, state.clone(), None);
                    status.source = Some(Source::Executor);
                    status.agent_id = Some(agent.id.clone());
                    let bytes = [uuid.to_be_bytes(), [7; 8]].concat();
                    status.uuid = Some(Base64Bytes(bytes));
                    status.reason = self.reasons.get(uuid).cloned();
                    due.push(status);
                    repeated += usize::from(task.sent.is_some());
                    task.sent = Some(now);
                    task.told = state.clone();
                }
            }
        }
        for _ in 0..repeated {
            self.reach("repeated update");
        }
        for status in due {
            self.tell(status);
        }
    }

    pub(super) fn allocate(&mut self, now: Duration) {
        self.ask_to_leave(now);
        let Some(stream) = self.stream else {
            return;
        };
        if self.framework.is_none() || self.suppressed {
            return;
        }
        let mut offers = Vec::new();
        for at in 0..self.agents.len() {
            let (id, hostname) = (self.agents[at].id.clone(), self.agents[at].hostname.clone());
            let agent = &self.agents[at];
            let used = agent
                .tasks
                .values()
                .filter(|task| !task.state.is_terminal())
                .count();
            let free = CPUS - used;
            let outstanding = self.offers.values().any(|(other, _)| *other == id);
            let filter = self.filters.get(&id);
            let filtered = filter.is_some_and(|(until, cpus)| *until > now && free <= *cpus);
            if agent.link != Link::Registered
                || agent.drained
                || free == 0
                || outstanding
                || filtered
            {
                continue;
            }
            let offer = OfferId::new(format!("O{}", self.number()));
            self.offers.insert(offer.clone(), (id.clone(), free));
            self.offered.insert(offer.clone(), stream);
            let resource = Resource {
                name: "cpus".into(),
                scalar: Some(Scalar {
                    value: f64::from(u32::try_from(free).unwrap()),
                }),
                ..Resource::default()
            };
            offers.push(Offer {
                id: offer,
                agent_id: id,
                hostname,
                resources: vec![resource],
                unavailability: self.agents[at].window.clone(),
                ..Offer::default()
            });
        }
        if !offers.is_empty() {
            self.say(Event::Offers(Offers { offers }));
        }
    }

    fn rescind(&mut self, agent: &AgentId) {
        let gone = self.offers.iter().filter(|(_, (of, _))| of == agent);
        let gone: Vec<OfferId> = gone.map(|(offer, _)| offer.clone()).collect();
        for offer_id in gone {
            self.offers.remove(&offer_id);
            self.say(Event::Rescind(Rescind { offer_id }));
        }
        let asked = self.inverse_offers.iter().filter(|(_, of)| *of == agent);
        let asked: Vec<OfferId> = asked.map(|(offer, _)| offer.clone()).collect();
        for inverse_offer_id in asked {
            self.inverse_offers.remove(&inverse_offer_id);
            self.say(Event::RescindInverseOffer(RescindInverseOffer {
                inverse_offer_id,
            }));
        }
    }
}
