//! What operators do to agents: maintenance, draining, marking gone, taking resources back.

use super::*;

impl Master {
    /// An operator plans maintenance of an agent, or changes what was planned.
    pub(in crate::scheduler::simulation) fn schedule(
        &mut self,
        random: &mut Random,
        now: Duration,
    ) {
        let at = random.below(self.agents.len());
        let ahead = [0, 20, 250, 400, 700, 5000][random.below(6)];
        let lasts = [60, 300, 3600][random.below(3)];
        let window = Unavailability {
            start: nanoseconds(wall_clock(now) + Duration::from_secs(ahead)),
            duration: (random.below(4) > 0).then(|| nanoseconds(Duration::from_secs(lasts))),
        };
        self.replan(at, Some(window));
    }

    pub(in crate::scheduler::simulation) fn unschedule(&mut self, random: &mut Random) {
        let at = random.below(self.agents.len());
        self.replan(at, None);
    }

    /// Everything that was offered and asked before is void.
    pub(super) fn replan(&mut self, at: usize, window: Option<Unavailability>) {
        if self.agents[at].window == window {
            return;
        }
        self.agents[at].window = window;
        let id = self.agents[at].id.clone();
        self.rescind(&id);
        self.inverse_filters.remove(&id);
    }

    /// The agent that this asks to leave before then, if it is still asked.
    pub(in crate::scheduler::simulation) fn leaves(
        &self,
        offer: &OfferId,
        now: Duration,
        until: Duration,
    ) -> Option<&AgentId> {
        let id = self.inverse_offers.get(offer)?;
        let agent = self.agents.iter().find(|agent| agent.id == *id)?;
        let planned = agent.window.as_ref()?;
        is_soon(planned, now, until).then_some(id)
    }

    /// Asks the framework to leave the agents that go into maintenance.
    pub(super) fn ask_to_leave(&mut self, now: Duration) {
        let Some(stream) = self.stream.filter(|_| self.framework.is_some()) else {
            return;
        };
        let live = |agent: &Agent| agent.tasks.values().any(|task| !task.state.is_terminal());
        let asks = |agent: &&Agent| {
            let filter = self.inverse_filters.get(&agent.id);
            agent.link == Link::Registered
                && agent.window.is_some()
                && live(agent)
                && filter.is_none_or(|until| *until <= now)
                && !self.inverse_offers.values().any(|one| *one == agent.id)
        };
        let asked: Vec<_> = self.agents.iter().filter(asks).collect();
        let asked = asked.iter().map(|one| (one.id.clone(), one.window.clone()));
        let asked: Vec<(AgentId, Option<Unavailability>)> = asked.collect();
        for (agent, window) in asked {
            self.reach("asked to leave");
            let id = OfferId::new(format!("I{}", self.number()));
            self.inverse_offers.insert(id.clone(), agent.clone());
            self.offered.insert(id.clone(), stream);
            let one = InverseOffer {
                id,
                agent_id: Some(agent),
                unavailability: window.unwrap(),
                ..InverseOffer::default()
            };
            let inverse_offers = vec![one];
            self.say(Event::InverseOffers(InverseOffers { inverse_offers }));
        }
    }

    /// An operator empties an agent.
    pub(in crate::scheduler::simulation) fn drain(&mut self, random: &mut Random, now: Duration) {
        let at = random.below(self.agents.len());
        if self.agents[at].link != Link::Registered {
            return;
        }
        self.reach("drained");
        self.agents[at].drained = true;
        let id = self.agents[at].id.clone();
        self.rescind(&id);
        let live = |(_, task): &(&TaskId, &AgentTask)| !task.state.is_terminal();
        let tasks = self.agents[at].tasks.iter().filter(live);
        let tasks: Vec<TaskId> = tasks.map(|(task, _)| task.clone()).collect();
        for task in tasks {
            self.end_for(at, &task, TaskState::Killed, Reason::AgentDraining);
        }
        self.send_updates(now);
    }

    /// An agent takes one task's resources back.
    pub(in crate::scheduler::simulation) fn preempt(&mut self, random: &mut Random) {
        let at = random.below(self.agents.len());
        let live = |(_, task): &(&TaskId, &AgentTask)| !task.state.is_terminal();
        let task = self.agents[at].tasks.iter().find(live);
        if let Some(task) = task.map(|(task, _)| task.clone()) {
            self.reach("preempted");
            self.end_for(at, &task, TaskState::Gone, Reason::ContainerPreempted);
        }
    }

    fn end_for(&mut self, at: usize, task: &TaskId, state: TaskState, reason: Reason) {
        self.reasons.insert(self.uuids.len() as u64, reason);
        self.transition(at, task, state);
    }

    /// An operator takes a machine down, or gives its agent up: its tasks end, and the master says so
    /// if anybody listens.
    pub(in crate::scheduler::simulation) fn take_away(&mut self, random: &mut Random) {
        let at = random.below(self.agents.len());
        if self.agents[at].link != Link::Registered {
            return;
        }
        let id = self.agents[at].id.clone();
        let gone = random.below(2) == 0;
        self.reach(if gone { "marked gone" } else { "machine down" });
        let (state, reason, message) = if gone {
            self.gone.insert(id.clone());
            let reason = Reason::AgentRemovedByOperator;
            (
                TaskState::GoneByOperator,
                reason,
                "Agent has been marked gone",
            )
        } else {
            let message = "Agent h removed: Operator initiated 'Machine DOWN'";
            (TaskState::Lost, Reason::AgentRemoved, message)
        };
        self.agents[at].link = Link::Down;
        for (task, _) in std::mem::take(&mut self.agents[at].tasks) {
            let mut status = status(&task, state.clone(), Some(reason.clone()));
            status.agent_id = Some(id.clone());
            status.message = Some(message.to_owned());
            self.tell(status);
        }
        self.rescind(&id);
        self.say(Event::Failure(Failure {
            agent_id: Some(id),
            ..Failure::default()
        }));
    }
}
