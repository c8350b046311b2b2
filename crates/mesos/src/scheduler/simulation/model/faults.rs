//! What goes wrong by itself: agents and masters that go silent, forget, or come back as others.

use super::*;

impl Master {
    pub(in crate::scheduler::simulation) fn partition(&mut self, random: &mut Random) {
        let at = random.below(self.agents.len());
        if self.agents[at].link != Link::Registered {
            return;
        }
        self.reach("unreachable");
        self.agents[at].link = Link::Unreachable;
        let id = self.agents[at].id.clone();
        let failure = Failure {
            agent_id: Some(id.clone()),
            ..Failure::default()
        };
        let first = random.below(2) == 0;
        if first {
            self.say(Event::Failure(failure.clone()));
        }
        let listening = self.stream.is_some();
        let mut told = Vec::new();
        for (task, entry) in &mut self.agents[at].tasks {
            entry.excused |= listening;
            let mut status = status(task, TaskState::Unreachable, Some(Reason::AgentRemoved));
            status.agent_id = Some(id.clone());
            told.push(status);
        }
        for status in told {
            self.tell(status);
        }
        self.rescind(&id);
        if !first {
            self.say(Event::Failure(failure));
        }
    }

    pub(in crate::scheduler::simulation) fn heal_one(
        &mut self,
        random: &mut Random,
        now: Duration,
    ) {
        let at = random.below(self.agents.len());
        self.heal(at, now);
    }

    pub(in crate::scheduler::simulation) fn heal_all(&mut self, now: Duration) {
        (0..self.agents.len()).for_each(|at| self.heal(at, now));
    }

    fn heal(&mut self, at: usize, now: Duration) {
        self.agents[at].drained = false;
        self.replan(at, None);
        let link = std::mem::replace(&mut self.agents[at].link, Link::Registered);
        if link == Link::Registered {
            return;
        }
        if link == Link::Down {
            let number = self.number();
            self.agents[at].id = AgentId::new(format!("S{number}"));
            return;
        }
        let id = self.agents[at].id.clone();
        let mut told = Vec::new();
        for (task, entry) in &mut self.agents[at].tasks {
            entry.sent = None;
            let mut status = status(task, entry.told.clone(), Some(Reason::AgentReregistered));
            status.agent_id = Some(id.clone());
            told.push(status);
        }
        if matches!(link, Link::Unreachable | Link::Unknown) {
            self.reach("returned");
            for status in told {
                self.tell(status);
            }
        }
        self.send_updates(now);
    }

    /// Another master leads: it knows what agents tell it, and nothing else.
    pub(in crate::scheduler::simulation) fn fail_over(&mut self) {
        self.hang_up();
        self.completed.clear();
        self.filters.clear();
        self.suppressed = false;
        for agent in &mut self.agents {
            if agent.link == Link::Registered {
                agent.link = Link::Recovering;
            }
        }
    }

    /// Another master leads, without a registry: it knows no agent before that is back.
    pub(in crate::scheduler::simulation) fn lose_registry(&mut self) {
        self.reach("registry lost");
        self.hang_up();
        self.completed.clear();
        self.filters.clear();
        self.gone.clear();
        self.suppressed = false;
        for agent in &mut self.agents {
            agent.drained = false;
            agent.window = None;
            if agent.link != Link::Down {
                agent.link = Link::Unknown;
            }
        }
    }

    /// Another agent is at the place of one. Its host has started anew, and the tasks are gone; or
    /// only the agent has, without what it had written down: then they go on, and Mesos knows
    /// nothing of them.
    pub(in crate::scheduler::simulation) fn replace_agent(&mut self, random: &mut Random) {
        let at = random.below(self.agents.len());
        let old = self.agents[at].id.clone();
        let number = self.number();
        let agent = &mut self.agents[at];
        let was_registered = agent.link == Link::Registered;
        agent.id = AgentId::new(format!("S{number}"));
        agent.link = Link::Registered;
        agent.drained = false;
        let mut tasks = std::mem::take(&mut agent.tasks);
        tasks.retain(|_, task| !task.state.is_terminal());
        if random.below(2) == 0 {
            let workers = tasks.values().filter(|it| it.state == TaskState::Running);
            let workers: Vec<String> = workers.map(|it| it.worker.clone()).collect();
            for _ in &workers {
                self.reach("orphaned");
            }
            self.orphans.extend(workers);
        }
        self.rescind(&old);
        if was_registered {
            self.tell_replaced(&old, tasks.keys());
        }
    }

    fn tell_replaced<'a>(&mut self, old: &AgentId, tasks: impl Iterator<Item = &'a TaskId>) {
        for task in tasks {
            self.reach("agent replaced");
            let mut status = status(task, TaskState::Lost, Some(Reason::AgentRemoved));
            status.agent_id = Some(old.clone());
            status.message =
                Some("Agent h removed: a new agent registered at the same address".to_owned());
            self.tell(status);
        }
        self.say(Event::Failure(Failure {
            agent_id: Some(old.clone()),
            ..Failure::default()
        }));
    }

    /// Whoever lost its agent gives up waiting for it.
    pub(in crate::scheduler::simulation) fn end_orphans(&mut self) {
        self.orphans.clear();
    }

    /// A task of the framework that nobody has in a store: somebody had an older one restored.
    pub(in crate::scheduler::simulation) fn stray(&mut self, random: &mut Random) {
        let at = random.below(self.agents.len());
        let live = |task: &&AgentTask| !task.state.is_terminal();
        let used = self.agents[at].tasks.values().filter(live).count();
        let offered = self
            .offers
            .values()
            .any(|(id, _)| *id == self.agents[at].id);
        if self.framework.is_none() || used == CPUS || offered {
            return;
        }
        self.reach("stray");
        let task = AgentTask {
            worker: "stray-1".to_owned(),
            state: TaskState::Running,
            told: TaskState::Running,
            updates: VecDeque::new(),
            sent: None,
            excused: false,
        };
        let id = TaskId::new(format!("stray-{}", self.number()));
        self.agents[at].tasks.insert(id, task);
    }

    /// The framework was away for too long, or is torn down: its tasks end without a word.
    pub(in crate::scheduler::simulation) fn remove_framework(&mut self) {
        if let Some(id) = self.framework.take() {
            self.reach("framework removed");
            self.completed.insert(id);
        }
        self.agents.iter_mut().for_each(|agent| agent.tasks.clear());
        self.end_orphans();
        self.hang_up();
    }
}
