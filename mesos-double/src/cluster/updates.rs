//! Status updates: from executors to the agent, from the agent to the master, to the framework, and
//! the acknowledgements all the way back.

use super::Cluster;
use crate::identity::Uuid;
use crate::status::{Status, is_terminal};
use crate::timer::Due;
use serde_json::{Value, json};
use std::time::Duration;

/// What an executor, or the agent in its place, says about a task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) state: &'static str,
    /// `SOURCE_EXECUTOR` unless the agent speaks.
    pub(crate) by_agent: bool,
    pub(crate) reason: Option<&'static str>,
    pub(crate) message: Option<String>,
    /// Base64.
    pub(crate) data: Option<String>,
    pub(crate) healthy: Option<bool>,
    /// Unset: the agent's own.
    pub(crate) address: Option<String>,
    pub(crate) executor_pid: Option<u32>,
    pub(crate) limitation: Option<Value>,
}

impl Cluster {
    /// An executor speaks. What comes from a container that is no more is not heard.
    pub(crate) fn report(&mut self, container: Uuid, report: Report) {
        let found = self.agents.iter().enumerate().find_map(|(index, agent)| {
            let (key, _) = agent
                .runs
                .iter()
                .find(|(_, run)| run.container == container)?;
            Some((index, key.clone()))
        });
        let Some((index, (framework, task))) = found else {
            return;
        };
        let Some(run) = self.run_mut(index, &framework, &task) else {
            return;
        };
        if is_terminal(&run.latest_state) {
            return;
        }
        run.delivered |= !report.by_agent;
        if report.state == "TASK_STARTING" && self.options.is_before(1, 5) {
            return;
        }
        let address = report.address.clone();
        let report = self.of_drain(index, &framework, report);
        let mut status = self.agent_status(index, &task, report.state);
        if !report.by_agent {
            status = status.with("source", "SOURCE_EXECUTOR").with(
                "container_status",
                self.container_status(index, container, address, report.executor_pid),
            );
        }
        let status = status
            .with_any("reason", report.reason.map(Value::from))
            .with_any("message", report.message.map(Value::from))
            .with_any("data", report.data.map(Value::from))
            .with_any("healthy", report.healthy.map(Value::from))
            .with_any("limitation", report.limitation);
        self.agent_update(index, &framework, &task, status);
    }

    /// An agent that empties itself says so of what it kills. Where it is to be marked gone, the
    /// task is as soon as it is being killed, as a real agent has it.
    fn of_drain(&self, index: usize, framework: &str, mut report: Report) -> Report {
        let agent = self.agents.get(index);
        let drain = agent.and_then(|agent| agent.drain.as_ref());
        if let Some(drain) = drain
            && matches!(report.state, "TASK_KILLING" | "TASK_KILLED")
        {
            report.reason = Some("REASON_AGENT_DRAINING");
            if drain.mark_gone {
                let gone = "TASK_GONE_BY_OPERATOR";
                let state = self.framework(framework).map(|one| one.state_for(gone));
                report.state = state.unwrap_or(gone);
            }
        }
        report
    }

    fn container_status(
        &self,
        index: usize,
        container: Uuid,
        address: Option<String>,
        executor_pid: Option<u32>,
    ) -> Value {
        let own = self.agents.get(index);
        let own = own.map(|agent| agent.address(&self.options.host));
        let address = address.or(own).unwrap_or_default();
        let mut status = json!({
            "container_id": {"value": container.to_string()},
            "network_infos": [{"ip_addresses": [{"protocol": "IPv4", "ip_address": address}]}],
        });
        if let (Some(status), Some(pid)) = (status.as_object_mut(), executor_pid) {
            status.insert("executor_pid".to_owned(), pid.into());
        }
        status
    }

    /// The agent's own word about a task: with a uuid, to be acknowledged.
    pub(super) fn agent_status(&self, index: usize, task: &str, state: &str) -> Status {
        let agent = self.agents.get(index).and_then(|agent| agent.id.clone());
        Status::new(task, state, "SOURCE_AGENT", self.clock.timestamp())
            .with_id("agent_id", &agent.unwrap_or_default())
            .with_id("executor_id", task)
            .with("uuid", Uuid::random().base64())
    }

    /// The agent takes an update into its queue and sends it if none is before it.
    pub(super) fn agent_update(
        &mut self,
        index: usize,
        framework: &str,
        task: &str,
        status: Status,
    ) {
        let Some(run) = self.run_mut(index, framework, task) else {
            return;
        };
        status.state().clone_into(&mut run.latest_state);
        if let Some(container) = status.get("container_status") {
            run.container_status = Some(container.clone());
        }
        if run.updates.push(status) {
            self.deliver(index, framework, task);
        } else if is_terminal(&self.latest_state(index, framework, task)) {
            // The master learns of the latest state with each update; here, when it matters.
            self.free_resources(index, framework, task);
        }
    }

    fn latest_state(&self, index: usize, framework: &str, task: &str) -> String {
        self.agents
            .get(index)
            .and_then(|agent| agent.runs.get(&(framework.to_owned(), task.to_owned())))
            .map(|run| run.latest_state.clone())
            .unwrap_or_default()
    }

    /// Sends the update in flight and sets the time of its repetition.
    fn deliver(&mut self, index: usize, framework: &str, task: &str) {
        let now = self.now();
        let Some(run) = self.run_mut(index, framework, task) else {
            return;
        };
        let Some(status) = run.updates.front().cloned() else {
            return;
        };
        let (delay, serial) = run.updates.deliver();
        let latest = run.latest_state.clone();
        self.timers.set(
            now + delay,
            Due::Retry {
                agent: index,
                framework: framework.to_owned(),
                task: task.to_owned(),
                serial,
            },
        );
        self.receive(index, framework, &status, &latest);
    }

    pub(super) fn retry(&mut self, index: usize, framework: &str, task: &str, serial: u64) {
        let is_current = self
            .run_mut(index, framework, task)
            .is_some_and(|run| run.updates.is_current(serial));
        if is_current {
            self.deliver(index, framework, task);
        }
    }

    /// After a registration every update in flight is sent anew, of one framework or of all.
    pub(super) fn resend_updates(&mut self, index: usize, framework: Option<&str>) {
        let Some(agent) = self.agents.get_mut(index) else {
            return;
        };
        let mut waiting = Vec::new();
        for (key, run) in &mut agent.runs {
            if framework.is_none_or(|framework| key.0 == framework) && !run.updates.is_empty() {
                run.updates.restart();
                waiting.push(key.clone());
            }
        }
        for (framework, task) in waiting {
            self.deliver(index, &framework, &task);
        }
    }

    /// The master hears an agent's update and passes it on. An agent that is cut off is not heard.
    pub(super) fn receive(
        &mut self,
        index: usize,
        framework_id: &str,
        status: &Status,
        latest_state: &str,
    ) {
        let (Some(agent), Some(master)) = (self.agents.get(index), &mut self.master) else {
            return;
        };
        let Some(id) = agent.id.clone().filter(|_| agent.online) else {
            return;
        };
        let Some(registered) = master.registered.get_mut(&id) else {
            return;
        };
        let Some(framework) = master.frameworks.get_mut(framework_id) else {
            return;
        };
        let task = crate::status::task_id(status);
        if let Some(task) = framework.tasks.get_mut(task)
            && task.note(status, latest_state)
        {
            registered.used.subtract(&task.resources.allocated(None));
        }
        self.send_update(framework_id, &status.event());
    }

    /// The terminal state overtakes the updates before it as far as resources go.
    fn free_resources(&mut self, index: usize, framework: &str, task: &str) {
        let (Some(agent), Some(master)) = (self.agents.get(index), &mut self.master) else {
            return;
        };
        let Some(run) = agent.runs.get(&(framework.to_owned(), task.to_owned())) else {
            return;
        };
        let registered = agent
            .id
            .as_ref()
            .filter(|_| agent.online)
            .and_then(|id| master.registered.get_mut(id));
        let task = master
            .frameworks
            .get_mut(framework)
            .and_then(|framework| framework.tasks.get_mut(task));
        if let (Some(registered), Some(task)) = (registered, task)
            && !task.is_over()
        {
            run.latest_state.clone_into(&mut task.latest_state);
            registered.used.subtract(&task.resources.allocated(None));
        }
    }

    /// An UPDATE on its way to the framework: late or twice if that is asked for.
    pub(super) fn send_update(&mut self, framework: &str, event: &Value) {
        let copies = if self.faults.duplicate_updates { 2 } else { 1 };
        for _ in 0..copies {
            if self.faults.update_delay == Duration::ZERO {
                if let Some(framework) = self.framework(framework) {
                    framework.send(event);
                }
            } else {
                let at = self.now() + self.faults.update_delay;
                let due = Due::Late {
                    framework: framework.to_owned(),
                    event: Box::new(event.clone()),
                };
                self.timers.set(at, due);
            }
        }
    }

    /// ACKNOWLEDGE: to the agent, and the task is forgotten if this was its end.
    pub(super) fn acknowledge(&mut self, framework: &str, agent: &str, task: &str, uuid: &str) {
        let Some(master) = &mut self.master else {
            return;
        };
        let Some(registered) = master.registered.get(agent) else {
            return;
        };
        let index = registered.index;
        if self.agents.get(index).is_none_or(|agent| !agent.online) {
            return;
        }
        let known = master
            .frameworks
            .get(framework)
            .and_then(|framework| framework.tasks.get(task))
            .filter(|task| task.agent_id == agent);
        if let Some(known) = known {
            let Some(told) = &known.status_state else {
                return;
            };
            if is_terminal(told) && known.status_uuid.as_deref() == Some(uuid) {
                master.forget_task(framework, task);
            }
        }
        self.agent_acknowledge(index, framework, task, uuid);
        self.note_drained(agent);
    }

    fn agent_acknowledge(&mut self, index: usize, framework: &str, task: &str, uuid: &str) {
        let Some(run) = self.run_mut(index, framework, task) else {
            return;
        };
        let Some(done) = run.updates.acknowledge(uuid) else {
            return;
        };
        if is_terminal(done.state()) && run.updates.is_empty() {
            self.forget_run(index, framework, task);
        } else {
            self.deliver(index, framework, task);
        }
    }

    fn forget_run(&mut self, index: usize, framework: &str, task: &str) {
        if let Some(agent) = self.agents.get_mut(index) {
            agent.runs.remove(&(framework.to_owned(), task.to_owned()));
            if !agent.runs.keys().any(|(of, _)| of == framework) {
                agent.frameworks.remove(framework);
            }
        }
    }

    /// The container of a task that is on some agent.
    pub(crate) fn container_of(&self, task: &str) -> Option<Uuid> {
        self.agents.iter().find_map(|agent| {
            let (_, run) = agent.runs.iter().find(|((_, id), _)| id == task)?;
            Some(run.container)
        })
    }

    pub(super) fn run_mut(
        &mut self,
        index: usize,
        framework: &str,
        task: &str,
    ) -> Option<&mut crate::agent::Run> {
        self.agents
            .get_mut(index)?
            .runs
            .get_mut(&(framework.to_owned(), task.to_owned()))
    }
}
