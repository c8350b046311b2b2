//! Agents that operators empty, switch off or give up, and tasks that their agent takes away.

use super::Cluster;
use super::registration::Farewell;
use crate::executor::Order;
use crate::operations::Drain;
use crate::status::is_terminal;
use std::time::Duration;

impl Cluster {
    /// DRAIN_AGENT: no offers any more, and all tasks are killed. The error is the text of the 400.
    pub(crate) fn drain_agent(
        &mut self,
        id: &str,
        grace: Option<Duration>,
        mark_gone: bool,
    ) -> Result<(), String> {
        self.check_admitted(id)?;
        let drain = Drain {
            grace,
            mark_gone,
            done: false,
            since: self.clock.timestamp(),
        };
        self.operations.drains.insert(id.to_owned(), drain);
        self.deactivate(id);
        if let Some(index) = self.agent_index(id) {
            self.tell_of_drain(index);
        }
        self.note_drained(id);
        Ok(())
    }

    /// DEACTIVATE_AGENT: no offers any more; its tasks go on.
    pub(crate) fn deactivate_agent(&mut self, id: &str) -> Result<(), String> {
        self.check_admitted(id)?;
        self.deactivate(id);
        Ok(())
    }

    /// REACTIVATE_AGENT: of one that is switched off, or drained.
    pub(crate) fn reactivate_agent(&mut self, id: &str) -> Result<(), String> {
        self.check_admitted(id)?;
        if !self.operations.deactivated.contains(id) {
            return Err(format!("Agent {id} is not deactivated"));
        }
        let drains = &mut self.operations.drains;
        if drains.get(id).is_some_and(|drain| !drain.done) {
            return Err(format!("Agent {id} is still in the DRAINING state"));
        }
        drains.remove(id);
        self.operations.deactivated.remove(id);
        if let Some(agent) = self
            .agents
            .iter_mut()
            .find(|it| it.id.as_deref() == Some(id))
        {
            agent.drain = None;
        }
        // Its resources are offered by the allocator's next batch.
        if let Some(registered) = self.registered_mut(id) {
            registered.deactivated = false;
        }
        Ok(())
    }

    /// MARK_AGENT_GONE: for good.
    pub(crate) fn mark_agent_gone(&mut self, id: &str) -> Result<(), String> {
        self.check_admitted(id)?;
        self.mark_gone(id);
        Ok(())
    }

    fn mark_gone(&mut self, id: &str) {
        self.remove_agent(id, &Farewell::Gone);
        self.unreachable.remove(id);
        self.gone.insert(id.to_owned());
        self.operations.drains.remove(id);
        self.operations.deactivated.remove(id);
        let index = self.agent_index(id);
        let hears = |index: &usize| self.agents.get(*index).is_some_and(|agent| agent.online);
        if let Some(index) = index.filter(hears) {
            self.agent_leaves(index);
        }
    }

    fn check_admitted(&self, id: &str) -> Result<(), String> {
        let master = self.master.as_ref();
        let known = master.is_some_and(|master| {
            master.registered.contains_key(id) || master.recovered.contains(id)
        });
        if known || self.unreachable.contains_key(id) {
            return Ok(());
        }
        Err(format!("Unknown agent {id}"))
    }

    fn deactivate(&mut self, id: &str) {
        self.operations.deactivated.insert(id.to_owned());
        if let Some(registered) = self.registered_mut(id) {
            registered.deactivated = true;
        }
        let Some(master) = &mut self.master else {
            return;
        };
        for offer in master.offers_where(|offer| offer.agent_id == id) {
            master.rescind(&offer);
        }
        for (framework, event) in master.withdraw_inverse_offers(|one| one.agent_id == id) {
            master.send(&framework, &event);
        }
    }

    fn registered_mut(&mut self, id: &str) -> Option<&mut crate::master::Registered> {
        self.master.as_mut()?.registered.get_mut(id)
    }

    /// The agent hears that it is to be emptied, if it can, and kills what it runs.
    pub(super) fn tell_of_drain(&mut self, index: usize) {
        let Some(agent) = self.agents.get_mut(index).filter(|agent| agent.online) else {
            return;
        };
        let id = agent.id.clone().unwrap_or_default();
        let Some(drain) = self.operations.drains.get(&id).filter(|drain| !drain.done) else {
            return;
        };
        agent.drain = Some(drain.clone());
        let grace = drain.grace;
        let live = agent
            .runs
            .iter()
            .filter(|(_, run)| !is_terminal(&run.latest_state));
        let live: Vec<_> = live
            .map(|(key, run)| (key.clone(), run.info.clone()))
            .collect();
        for ((framework, task), info) in live {
            let own = super::grace_of(&info);
            let grace = grace.map(|most| own.map_or(most, |own| own.min(most)));
            self.agent_kill(index, &framework, &task, grace.or(own));
        }
    }

    /// An agent that is to be emptied is so once the last of its tasks is acknowledged.
    pub(super) fn note_drained(&mut self, id: &str) {
        let Some(master) = &self.master else {
            return;
        };
        let mut tasks = master.frameworks.values().flat_map(|it| it.tasks.values());
        if !master.registered.contains_key(id) || tasks.any(|task| task.agent_id == id) {
            return;
        }
        let Some(drain) = self.operations.drains.get_mut(id) else {
            return;
        };
        drain.done = true;
        if drain.mark_gone {
            self.mark_gone(id);
        }
    }

    /// The agent takes a task's resources away, as its QoS controller does with revocable ones.
    /// Whether there is such a task.
    pub(crate) fn preempt(&mut self, task: &str) -> bool {
        let found = self.agents.iter().enumerate().find_map(|(index, agent)| {
            let (key, run) = agent.runs.iter().find(|((_, id), _)| id == task)?;
            Some((index, key.0.clone(), run.container))
        });
        let Some((index, framework_id, container)) = found else {
            return false;
        };
        self.orders.push(Order::Destroy { container });
        let state = self.framework(&framework_id);
        let state = state.map_or("TASK_GONE", |framework| framework.state_for("TASK_GONE"));
        let status = self
            .agent_status(index, task, state)
            .with("reason", "REASON_CONTAINER_PREEMPTED")
            .with("message", "Container preempted by QoS correction");
        self.agent_update(index, &framework_id, task, status);
        true
    }

    /// The master has told the agent to go: its executors end, and so does it. Whoever starts it
    /// again starts a new agent.
    pub(super) fn agent_leaves(&mut self, index: usize) {
        let Some(agent) = self.agents.get_mut(index) else {
            return;
        };
        for run in std::mem::take(&mut agent.runs).into_values() {
            self.orders.push(Order::Shutdown {
                container: run.container,
            });
        }
        agent.frameworks.clear();
        agent.online = false;
        agent.epoch += 1;
        agent.id = None;
        agent.drain = None;
    }
}
