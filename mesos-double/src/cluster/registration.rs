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

impl Cluster {
    /// An agent registers with the leader, for the first time or anew.
    pub(super) fn register(&mut self, index: usize) {
        let Some(agent) = self.agents.get_mut(index) else {
            return;
        };
        let Some(master) = &mut self.master else {
            return;
        };
        if !agent.online {
            return;
        }
        if let Some(former) = agent.former_id.take() {
            self.mark_unreachable(&former);
            return self.register(index);
        }
        let id = agent
            .id
            .get_or_insert_with(|| master.new_agent_id())
            .clone();
        if self.gone.contains(&id) {
            return;
        }
        let was_unreachable = self.unreachable.remove(&id).is_some();
        master.recovered.remove(&id);
        self.registry.insert(id.clone());
        let known = master.registered.remove(&id);
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
                deactivated: known.as_ref().is_some_and(|known| known.deactivated),
                killed: BTreeSet::new(),
                at: self.clock.since_1970(),
            },
        );
        self.learn_tasks(index, &id, was_unreachable);
        if let Some(known) = known {
            self.dispute_tasks(index, &id);
            for (framework, task) in known.killed {
                self.agent_kill(index, &framework, &task, None);
            }
        }
        self.resend_updates(index, None);
        if !is_known {
            self.allocate(Some(&id));
        }
    }

    /// The master takes over what the agent says it runs.
    fn learn_tasks(&mut self, index: usize, id: &str, was_unreachable: bool) {
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
            if was_unreachable {
                let status = Status::of_master(
                    task_id,
                    &run.latest_state,
                    "REASON_AGENT_REREGISTERED",
                    "Unreachable agent re-reregistered",
                    timestamp,
                )
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
        let timestamp = self.clock.timestamp();
        let shuffle = self.faults.shuffle_agent_loss;
        let Some(master) = &mut self.master else {
            return;
        };
        let was_recovered = master.recovered.remove(id);
        if master.registered.remove(id).is_none() && !was_recovered {
            return;
        }
        self.registry.remove(id);
        self.unreachable.insert(id.to_owned(), since);
        let nanoseconds = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        // Updates, RESCINDs and the FAILURE, each to whom it concerns.
        let mut events: Vec<(String, Value)> = Vec::new();
        for framework in master.frameworks.values_mut() {
            let state = framework.state_for("TASK_UNREACHABLE");
            let (here, elsewhere) = std::mem::take(&mut framework.tasks)
                .into_iter()
                .partition(|(_, task)| task.agent_id == id);
            framework.tasks = elsewhere;
            for (task_id, mut task) in here {
                let status = Status::of_master(
                    &task_id,
                    state,
                    "REASON_AGENT_REMOVED",
                    "health check timed out",
                    timestamp,
                )
                .with_id("agent_id", id)
                .with("unreachable_time", json!({ "nanoseconds": nanoseconds }));
                task.note(&status, state);
                framework.unreachable_tasks.insert(task_id, task);
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
        let failure = json!({"type": "FAILURE", "failure": {"agent_id": {"value": id}}});
        for framework in master.frameworks.keys() {
            events.push((framework.clone(), failure.clone()));
        }
        while !events.is_empty() {
            let position = if shuffle {
                usize::try_from(random_below(events.len() as u64)).unwrap_or(0)
            } else {
                0
            };
            let (framework, event) = events.remove(position);
            if let Some(framework) = master.frameworks.get(&framework) {
                framework.send(&event);
            }
        }
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
