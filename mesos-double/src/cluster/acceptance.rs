//! ACCEPT, DECLINE, SUPPRESS and REVIVE: what becomes of offers.

use super::Cluster;
use crate::agent::Run;
use crate::call::{identifier, identifiers, objects, text};
use crate::executor::{Launch, Order};
use crate::identity::Uuid;
use crate::offer::{Filter, filter_time};
use crate::resources::Resources;
use crate::status::Status;
use crate::task::Task;
use crate::update_queue::UpdateQueue;
use crate::validation::role;
use crate::validation::task::{Ground, validate};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What is left of accepted offers, and where.
struct Purse {
    agent_id: String,
    role: String,
    left: Resources,
}

impl Cluster {
    pub(super) fn accept(&mut self, framework: &str, message: &Map<String, Value>) {
        let ids = identifiers(message, "offer_ids");
        if let Err(reason) = self.check_offers(framework, &ids) {
            self.refuse_acceptance(framework, message, &ids, &reason);
            return;
        }
        let mut purse: Option<Purse> = None;
        if let Some(master) = &mut self.master {
            for offer in ids.iter().filter_map(|id| master.withdraw(id)) {
                let purse = purse.get_or_insert_with(|| Purse {
                    agent_id: offer.agent_id.clone(),
                    role: offer.role.clone(),
                    left: Resources::default(),
                });
                purse.left.add(&offer.resources);
            }
        }
        let Some(mut purse) = purse else {
            return;
        };
        for operation in objects(message, "operations") {
            self.operate(framework, operation, &mut purse);
        }
        self.set_filter(
            framework,
            &purse.agent_id,
            &purse.role,
            &purse.left,
            message,
        );
    }

    /// One bad id spoils all of them.
    fn check_offers(&self, framework: &str, ids: &[String]) -> Result<(), String> {
        let Some(master) = &self.master else {
            return Ok(());
        };
        if ids.is_empty() {
            return Err("No offers specified".to_owned());
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = ids.iter().find(|id| !seen.insert(*id)) {
            return Err(format!("Duplicate offer {twice} in offer list"));
        }
        let mut first = None;
        for id in ids {
            let offer = master
                .offers
                .get(id)
                .ok_or_else(|| format!("Offer {id} is no longer valid"))?;
            if offer.framework_id != framework {
                return Err(format!(
                    "Offer {id} has invalid framework {} while framework {framework} is expected",
                    offer.framework_id
                ));
            }
            let first = first.get_or_insert(offer);
            if first.agent_id != offer.agent_id {
                return Err(format!(
                    "Aggregated offers must belong to one single agent. Offer {id} uses agent {} and agent {}",
                    offer.agent_id, first.agent_id
                ));
            }
            if first.role != offer.role {
                return Err(format!(
                    "Aggregated offers must be allocated to the same role. Offer {id} uses role '{}' but another is using role '{}'",
                    offer.role, first.role
                ));
            }
        }
        Ok(())
    }

    /// The good offers go back unfiltered, and every task is lost.
    fn refuse_acceptance(
        &mut self,
        framework: &str,
        message: &Map<String, Value>,
        ids: &[String],
        reason: &str,
    ) {
        if let Some(master) = &mut self.master {
            for id in ids {
                let own = master
                    .offers
                    .get(id)
                    .is_some_and(|offer| offer.framework_id == framework);
                if own {
                    master.withdraw(id);
                }
            }
        }
        let reason = format!("Task launched with invalid offers: {reason}");
        for operation in objects(message, "operations") {
            for task in tasks(operation) {
                self.refuse_task(
                    framework,
                    task,
                    "TASK_DROPPED",
                    "REASON_INVALID_OFFERS",
                    &reason,
                );
            }
        }
    }

    fn operate(&mut self, framework: &str, operation: &Map<String, Value>, purse: &mut Purse) {
        let kind = text(operation, "type").unwrap_or_default();
        let (reason, has_id) = match kind {
            "LAUNCH" => ("REASON_TASK_INVALID", operation.contains_key("id")),
            "LAUNCH_GROUP" => ("REASON_TASK_GROUP_INVALID", operation.contains_key("id")),
            // Reservations and volumes: nothing here changes an agent's resources.
            _ => return,
        };
        if has_id {
            let message = format!("The `id` field cannot be set on {kind} operations");
            for task in tasks(operation) {
                self.refuse_task(framework, task, "TASK_ERROR", reason, &message);
            }
            return;
        }
        if kind == "LAUNCH_GROUP" {
            for task in tasks(operation) {
                let message = "Task group is invalid: the agent has no default executor";
                self.refuse_task(framework, task, "TASK_ERROR", reason, message);
            }
            return;
        }
        for task in tasks(operation) {
            match self.judge(framework, task, purse) {
                Ok(resources) => {
                    purse.left.subtract(&resources);
                    self.launch(framework, task, &purse.agent_id, &purse.role, resources);
                }
                Err(message) => {
                    self.refuse_task(framework, task, "TASK_ERROR", reason, &message);
                }
            }
        }
    }

    fn judge(
        &self,
        framework: &str,
        task: &Map<String, Value>,
        purse: &Purse,
    ) -> Result<Resources, String> {
        let framework = self
            .framework(framework)
            .ok_or_else(|| "Framework cannot be found".to_owned())?;
        validate(
            task,
            &Ground {
                agent_id: &purse.agent_id,
                is_live: &|id| framework.tasks.contains_key(id),
                is_unreachable: &|id| framework.unreachable_tasks.contains_key(id),
                role: &purse.role,
                available: &purse.left,
            },
        )
    }

    fn refuse_task(
        &mut self,
        framework_id: &str,
        task: &Map<String, Value>,
        state: &'static str,
        reason: &str,
        message: &str,
    ) {
        let timestamp = self.clock.timestamp();
        let Some(framework) = self.framework(framework_id) else {
            return;
        };
        let state = match state {
            "TASK_DROPPED" => framework.state_for("TASK_DROPPED"),
            state => state,
        };
        let id = identifier(task, "task_id").unwrap_or_default();
        let agent = identifier(task, "agent_id").unwrap_or_default();
        let status =
            Status::of_master(id, state, reason, message, timestamp).with_id("agent_id", agent);
        self.send_update(framework_id, &status.event());
    }

    /// The task is the master's and on its way to the agent.
    fn launch(
        &mut self,
        framework_id: &str,
        info: &Map<String, Value>,
        agent_id: &str,
        role: &str,
        resources: Resources,
    ) {
        let id = identifier(info, "task_id").unwrap_or_default().to_owned();
        let Some(master) = &mut self.master else {
            return;
        };
        let Some(registered) = master.registered.get_mut(agent_id) else {
            return;
        };
        registered.used.add(&resources.allocated(None));
        let index = registered.index;
        let Some(framework) = master.frameworks.get_mut(framework_id) else {
            return;
        };
        let task = Task {
            id: id.clone(),
            name: text(info, "name").unwrap_or_default().to_owned(),
            agent_id: agent_id.to_owned(),
            resources: resources.clone(),
            latest_state: "TASK_STAGING".to_owned(),
            status_state: None,
            status_uuid: None,
            container_status: None,
            healthy: None,
            statuses: Vec::new(),
            info: info.clone(),
        };
        framework.tasks.insert(id.clone(), task);
        let framework_info = framework.info.clone();
        let Some(agent) = self.agents.get_mut(index).filter(|agent| agent.online) else {
            // Lost on the way to an agent that nobody knows to be gone.
            return;
        };
        let container = Uuid::random();
        agent
            .frameworks
            .insert(framework_id.to_owned(), framework_info.clone());
        agent.runs.insert(
            (framework_id.to_owned(), id.clone()),
            Run {
                container,
                info: info.clone(),
                resources,
                latest_state: "TASK_STAGING".to_owned(),
                container_status: None,
                updates: UpdateQueue::default(),
                delivered: false,
            },
        );
        self.orders.push(Order::Launch(Box::new(Launch {
            container,
            agent_id: agent_id.to_owned(),
            agent_pid: agent.pid(),
            agent_endpoint: format!("{}:{}", agent.options.hostname, agent.port),
            address: agent.address(&self.options.host),
            options: agent.options.clone(),
            framework_id: framework_id.to_owned(),
            framework_info,
            role: role.to_owned(),
            task_id: id,
            task: info.clone(),
            work_dir: self.work_dir.clone(),
            faults: self.faults.clone(),
        })));
    }

    pub(super) fn decline(&mut self, framework: &str, message: &Map<String, Value>) {
        for id in identifiers(message, "offer_ids") {
            let Some(master) = &mut self.master else {
                return;
            };
            let own = master
                .offers
                .get(&id)
                .is_some_and(|offer| offer.framework_id == framework);
            // What is not there any more needs no declining.
            if !own {
                continue;
            }
            if let Some(offer) = master.withdraw(&id) {
                self.set_filter(
                    framework,
                    &offer.agent_id,
                    &offer.role,
                    &offer.resources,
                    message,
                );
            }
        }
    }

    fn set_filter(
        &mut self,
        framework: &str,
        agent: &str,
        role: &str,
        refused: &Resources,
        message: &Map<String, Value>,
    ) {
        let seconds = message
            .get("filters")
            .and_then(|filters| filters.get("refuse_seconds"))
            .and_then(Value::as_f64);
        let now = self.now();
        let time = filter_time(seconds, self.options.allocation_interval);
        if let (Some(time), Some(framework)) = (time, self.framework_mut(framework))
            && !refused.is_empty()
        {
            framework.filters.push(Filter {
                agent_id: agent.to_owned(),
                role: role.to_owned(),
                refused: refused.allocated(None),
                until: now + time,
            });
        }
    }

    /// SUPPRESS, or REVIVE if `revive`. One role that the framework does not have drops the call.
    pub(super) fn suppress(&mut self, framework: &str, message: &Map<String, Value>, revive: bool) {
        let Some(framework) = self.framework_mut(framework) else {
            return;
        };
        let subscribed = framework.roles();
        let named = crate::call::texts(message, "roles");
        if named
            .iter()
            .any(|one| role::validate(one).is_err() || !subscribed.contains(one))
        {
            return;
        }
        let roles = if named.is_empty() { subscribed } else { named };
        if revive {
            framework
                .filters
                .retain(|filter| !roles.contains(&filter.role));
            framework.suppressed.retain(|role| !roles.contains(role));
            self.allocate(None);
        } else {
            framework.suppressed.extend(roles);
        }
    }
}

/// The tasks of a LAUNCH or a LAUNCH_GROUP.
fn tasks(operation: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    let launch = operation.get("launch").and_then(Value::as_object);
    let group = operation
        .get("launch_group")
        .and_then(|group| group.get("task_group"))
        .and_then(Value::as_object);
    launch
        .into_iter()
        .flat_map(|launch| objects(launch, "task_infos"))
        .chain(group.into_iter().flat_map(|group| objects(group, "tasks")))
}
