//! Agents come, go silent, are given up and come back.

use super::Cluster;
use crate::agent::RunKey;
use crate::executor::Order;
use crate::framework::Framework;
use crate::identity::random_below;
use crate::master::Registered;
use crate::resources::Resources;
use crate::status::{Status, is_terminal};
use crate::task::Task;
use crate::timer::Due;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Why the master takes an agent out.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Farewell {
    /// It has not been heard of since then (after 1970), and may come back.
    Unreachable(Duration),
    /// An operator takes its machine down.
    MachineDown,
    /// Another agent registers at its address: one that was started without what this one had
    /// written down (`Master::_registerSlave`, master.cpp).
    Replaced,
    /// An operator says that it is gone for good.
    Gone,
}

impl Farewell {
    fn status(&self, framework: &Framework, task: &str, hostname: &str, timestamp: f64) -> Status {
        let removed = "REASON_AGENT_REMOVED";
        // Lost also for whoever knows better words (`Master::_removeSlave`, master.cpp).
        let lost = |cause: &str| {
            let message = format!("Agent {hostname} removed: {cause}");
            Status::of_master(task, "TASK_LOST", removed, &message, timestamp)
        };
        match self {
            Self::Unreachable(since) => {
                let nanoseconds = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
                let state = framework.state_for("TASK_UNREACHABLE");
                let message = "health check timed out";
                Status::of_master(task, state, removed, message, timestamp)
                    .with("unreachable_time", json!({ "nanoseconds": nanoseconds }))
            }
            Self::MachineDown => lost("Operator initiated 'Machine DOWN'"),
            Self::Replaced => lost("a new agent registered at the same address"),
            Self::Gone => {
                let state = framework.state_for("TASK_GONE_BY_OPERATOR");
                let reason = "REASON_AGENT_REMOVED_BY_OPERATOR";
                let message = "Agent has been marked gone";
                Status::of_master(task, state, reason, message, timestamp)
            }
        }
    }
}

impl Framework {
    /// Takes out the tasks of an agent; those of an unreachable one are elsewhere.
    fn take_tasks(&mut self, agent: &str, unreachable: bool) -> Vec<Task> {
        let all = if unreachable {
            &mut self.unreachable_tasks
        } else {
            &mut self.tasks
        };
        let here = all.values().filter(|task| task.agent_id == agent);
        let here: Vec<String> = here.map(|task| task.id.clone()).collect();
        here.iter().filter_map(|id| all.remove(id)).collect()
    }

    fn part_with(&mut self, task: Task, farewell: &Farewell) {
        match farewell {
            Farewell::Unreachable(_) => {
                self.unreachable_tasks.insert(task.id.clone(), task);
            }
            Farewell::MachineDown | Farewell::Replaced | Farewell::Gone => {
                self.completed_tasks.push(task);
            }
        }
    }
}

impl Cluster {
    /// An agent registers with the leader, for the first time or anew.
    pub(super) fn register(&mut self, index: usize) {
        let Some(agent) = self.agents.get_mut(index) else {
            return;
        };
        if self.master.is_none() || !agent.online {
            return;
        }
        if let Some(former) = agent.former_id.clone() {
            // One that the registry alone knows of is waited for.
            let master = self.master.as_ref();
            if master.is_some_and(|master| master.registered.contains_key(&former)) {
                self.remove_agent(&former, &Farewell::Replaced);
            }
            if let Some(agent) = self.agents.get_mut(index) {
                agent.former_id = None;
            }
        }
        let Some(agent) = self.agents.get(index) else {
            return;
        };
        let gone = agent.id.as_ref().is_some_and(|id| self.gone.contains(id));
        if gone || self.is_down(index) {
            return self.agent_leaves(index);
        }
        let (Some(agent), Some(master)) = (self.agents.get_mut(index), &mut self.master) else {
            return;
        };
        let is_new = agent.id.is_none();
        let id = agent
            .id
            .get_or_insert_with(|| master.new_agent_id())
            .clone();
        let was_unreachable = self.unreachable.remove(&id).is_some();
        let was_recovered = master.recovered.remove(&id);
        self.registry.insert(id.clone());
        let known = master.registered.remove(&id);
        let news = match known {
            _ if was_unreachable => Some("Unreachable agent re-reregistered"),
            None if !is_new && !was_recovered => Some("Unknown agent reregistered"),
            _ => None,
        };
        let is_known = known.is_some();
        master.registered.insert(
            id.clone(),
            Registered {
                index,
                total: agent.resources.clone(),
                used: Resources::default(),
                offered: known
                    .as_ref()
                    .map(|known| known.offered.clone())
                    .unwrap_or_default(),
                deactivated: self.operations.deactivated.contains(&id),
                killed: BTreeSet::new(),
                at: self.clock.since_1970(),
            },
        );
        self.learn_tasks(index, &id, news);
        if let Some(known) = known {
            self.dispute_tasks(index, &id);
            for (framework, task) in known.killed {
                self.agent_kill(index, &framework, &task, None);
            }
        }
        self.resend_updates(index, None);
        self.tell_of_drain(index);
        self.note_drained(&id);
        if !is_known {
            self.allocate(Some(&id));
        }
    }

    /// The master takes over what the agent says it runs. `news`: what it says of an agent that it
    /// did not expect.
    fn learn_tasks(&mut self, index: usize, id: &str, news: Option<&str>) {
        let timestamp = self.clock.timestamp();
        let (Some(agent), Some(master)) = (self.agents.get_mut(index), &mut self.master) else {
            return;
        };
        let mut shut_down = Vec::new();
        for ((framework_id, task_id), run) in &agent.runs {
            if master.completed.contains(framework_id) {
                shut_down.push(framework_id.clone());
                continue;
            }
            let framework = master
                .frameworks
                .entry(framework_id.clone())
                .or_insert_with(|| {
                    let info = agent.frameworks.get(framework_id).cloned();
                    let mut framework = Framework::new(framework_id, info.unwrap_or_default());
                    framework.recovered = true;
                    framework
                });
            framework.unreachable_tasks.remove(task_id);
            let told = run.updates.front();
            let task = framework
                .tasks
                .entry(task_id.clone())
                .or_insert_with(|| Task {
                    id: task_id.clone(),
                    name: crate::call::text(&run.info, "name")
                        .unwrap_or_default()
                        .to_owned(),
                    agent_id: id.to_owned(),
                    resources: run.resources.clone(),
                    latest_state: run.latest_state.clone(),
                    status_state: Some(
                        told.map_or(run.latest_state.as_str(), Status::state)
                            .to_owned(),
                    ),
                    status_uuid: None,
                    container_status: run.container_status.clone(),
                    healthy: None,
                    statuses: Vec::new(),
                    info: run.info.clone(),
                });
            if !is_terminal(&run.latest_state) {
                run.latest_state.clone_into(&mut task.latest_state);
                if let Some(registered) = master.registered.get_mut(id) {
                    registered.used.add(&run.resources.allocated(None));
                }
            }
            if let Some(message) = news {
                let reason = "REASON_AGENT_REREGISTERED";
                let state = &run.latest_state;
                let status = Status::of_master(task_id, state, reason, message, timestamp)
                    .with_id("agent_id", id)
                    .with_any("container_status", run.container_status.clone());
                framework.send(&status.event());
            }
        }
        for framework in shut_down {
            self.agent_shutdown(index, &framework);
        }
    }

    /// Tasks that the master believes in and the agent does not know: their launch was lost.
    fn dispute_tasks(&mut self, index: usize, id: &str) {
        let (Some(agent), Some(master)) = (self.agents.get(index), &self.master) else {
            return;
        };
        let mut lost: Vec<(RunKey, &'static str)> = Vec::new();
        for framework in master.frameworks.values() {
            for task in framework.tasks.values().filter(|task| task.agent_id == id) {
                let key = (framework.id.clone(), task.id.clone());
                if !agent.runs.contains_key(&key) {
                    lost.push((key, framework.state_for("TASK_DROPPED")));
                }
            }
        }
        for ((framework, task), state) in lost {
            let status = self
                .agent_status(index, &task, state)
                .with("reason", "REASON_RECONCILIATION")
                .with("message", "Reconciliation: task unknown to the agent");
            self.receive(index, &framework, &status, state);
        }
    }

    /// An agent's messages no longer come through, or do again.
    pub(crate) fn set_online(&mut self, index: usize, online: bool) {
        let now = self.now();
        let term = self.term;
        let timeout = self.options.agent_timeout;
        let Some(agent) = self.agents.get_mut(index) else {
            return;
        };
        if agent.online == online {
            return;
        }
        agent.online = online;
        agent.epoch += 1;
        let epoch = agent.epoch;
        let id = agent.id.clone().unwrap_or_default();
        if online {
            self.timers.set(now, Due::Reregister { agent: index, term });
            self.fire_due();
        } else {
            self.timers.set(
                now + timeout,
                Due::AgentTimeout {
                    agent: index,
                    id,
                    epoch,
                },
            );
        }
    }

    /// The master gives an agent up: nothing was heard of it for too long.
    pub(super) fn mark_unreachable(&mut self, id: &str) {
        let since = self.clock.since_1970();
        if self.remove_agent(id, &Farewell::Unreachable(since)) {
            self.unreachable.insert(id.to_owned(), since);
        }
    }

    /// The master takes an agent out, with what it says of that: the tasks' updates, RESCINDs and
    /// the FAILURE, each to whom it concerns. Whether it was there.
    pub(super) fn remove_agent(&mut self, id: &str, farewell: &Farewell) -> bool {
        let timestamp = self.clock.timestamp();
        let shuffle = self.faults.shuffle_agent_loss;
        let agent = self.agents.iter().find(|agent| {
            [&agent.id, &agent.former_id]
                .iter()
                .any(|one| one.as_deref() == Some(id))
        });
        let hostname = agent.map_or("", |agent| agent.options.hostname.as_str());
        let Some(master) = &mut self.master else {
            return false;
        };
        let was_recovered = master.recovered.remove(id);
        let was_registered = master.registered.remove(id).is_some();
        let was_unreachable = self.unreachable.contains_key(id);
        if !was_registered && !was_recovered && *farewell != Farewell::Gone {
            return false;
        }
        self.registry.remove(id);
        master.responses.remove(id);
        let mut events: Vec<(String, Value)> = Vec::new();
        for framework in master.frameworks.values_mut() {
            let here = framework.take_tasks(id, was_unreachable);
            for mut task in here {
                let status = farewell.status(framework, &task.id, hostname, timestamp);
                let status = status.with_id("agent_id", id);
                let state = status.state().to_owned();
                task.note(&status, &state);
                framework.part_with(task, farewell);
                events.push((framework.id.clone(), status.event()));
            }
        }
        for offer in master.offers_where(|offer| offer.agent_id == id) {
            if let Some(offer) = master.withdraw(&offer) {
                let event =
                    json!({"type": "RESCIND", "rescind": {"offer_id": {"value": offer.id}}});
                events.push((offer.framework_id, event));
            }
        }
        events.extend(master.withdraw_inverse_offers(|offer| offer.agent_id == id));
        if was_registered || was_recovered {
            let failure = json!({"type": "FAILURE", "failure": {"agent_id": {"value": id}}});
            for framework in master.frameworks.keys() {
                events.push((framework.clone(), failure.clone()));
            }
        }
        while !events.is_empty() {
            let position = if shuffle {
                usize::try_from(random_below(events.len() as u64)).unwrap_or(0)
            } else {
                0
            };
            let (framework, event) = events.remove(position);
            master.send(&framework, &event);
        }
        was_registered || was_recovered
    }

    /// The master gives an agent up before its time.
    pub(crate) fn give_up_agent(&mut self, index: usize) {
        if let Some(id) = self.agents.get(index).and_then(|agent| agent.id.clone()) {
            self.mark_unreachable(&id);
        }
    }

    /// The machine of an agent dies with all that runs on it; the agent may come back empty.
    pub(crate) fn crash_agent(&mut self, index: usize) {
        let Some(agent) = self.agents.get_mut(index) else {
            return;
        };
        for run in std::mem::take(&mut agent.runs).into_values() {
            self.orders.push(Order::Destroy {
                container: run.container,
            });
        }
        agent.frameworks.clear();
        // A rebooted machine registers under a new id, and the old one is never heard of again.
        agent.former_id = agent.id.take().or(agent.former_id.take());
    }

    /// The agent's process is started anew without what it had written down: it is another agent, and
    /// knows nothing of the executors that go on beside it.
    pub(crate) fn replace_agent(&mut self, index: usize) {
        let Some(agent) = self.agents.get_mut(index) else {
            return;
        };
        let runs = std::mem::take(&mut agent.runs).into_values();
        agent.orphans.extend(runs.map(|run| run.container));
        agent.frameworks.clear();
        agent.drain = None;
        agent.former_id = agent.id.take().or(agent.former_id.take());
        self.register(index);
    }

    /// Executors whose agent did not come back end themselves with their tasks, as they do after
    /// the agent's `--recovery_timeout`.
    pub(crate) fn end_orphans(&mut self, index: usize) {
        let Some(agent) = self.agents.get_mut(index) else {
            return;
        };
        let orphans = std::mem::take(&mut agent.orphans).into_iter();
        self.orders
            .extend(orphans.map(|container| Order::Shutdown { container }));
    }

    /// The framework is over: its tasks on this agent are ended, and nobody is told.
    pub(super) fn agent_shutdown(&mut self, index: usize, framework: &str) {
        let Some(agent) = self.agents.get_mut(index) else {
            return;
        };
        agent.frameworks.remove(framework);
        let keys: Vec<RunKey> = agent
            .runs
            .keys()
            .filter(|(of, _)| of == framework)
            .cloned()
            .collect();
        for key in keys {
            if let Some(run) = agent.runs.remove(&key) {
                self.orders.push(Order::Shutdown {
                    container: run.container,
                });
            }
        }
    }
}
