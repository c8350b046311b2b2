//! What the master's read-only endpoints show: `/state` and `/state-summary`.

use super::Cluster;
use crate::call::{objects, text};
use crate::framework::Framework;
use crate::master::{Master, Registered};
use crate::resources::{Quantity, Resource, Resources, Sight};
use crate::task::Task;
use serde_json::{Map, Value, json};

const COUNTED_STATES: [&str; 10] = [
    "TASK_STAGING",
    "TASK_STARTING",
    "TASK_RUNNING",
    "TASK_KILLING",
    "TASK_FINISHED",
    "TASK_KILLED",
    "TASK_FAILED",
    "TASK_LOST",
    "TASK_ERROR",
    "TASK_UNREACHABLE",
];
const AGENT_CAPABILITIES: [&str; 8] = [
    "MULTI_ROLE",
    "HIERARCHICAL_ROLE",
    "RESERVATION_REFINEMENT",
    "RESOURCE_PROVIDER",
    "RESIZE_VOLUME",
    "AGENT_OPERATION_FEEDBACK",
    "AGENT_DRAINING",
    "TASK_RESOURCE_LIMITS",
];

impl Cluster {
    pub(crate) fn how_many_agents(&self) -> usize {
        self.agents.len()
    }

    /// `/state-summary`.
    pub(crate) fn state_summary(&self) -> Value {
        let Some(master) = &self.master else {
            return json!({});
        };
        let slaves = self.agents_summary(master);
        let frameworks = each_framework(master, framework_summary);
        json!({"hostname": self.options.host, "slaves": slaves, "frameworks": frameworks})
    }

    /// What the tasks that are not over were launched with.
    pub(crate) fn launched(&self) -> Vec<Value> {
        let frameworks = self.master.iter().flat_map(|it| it.frameworks.values());
        let tasks = frameworks.flat_map(|framework| framework.tasks.values());
        tasks
            .filter(|task| !task.is_over())
            .map(|task| Value::Object(task.info.clone()))
            .collect()
    }

    fn agents_summary(&self, master: &Master) -> Vec<Value> {
        let agents = master.registered.iter();
        agents
            .map(|(id, agent)| self.agent_summary(master, id, agent))
            .collect()
    }

    /// `/state`.
    pub(crate) fn state(&self) -> Value {
        let Some(master) = &self.master else {
            return json!({});
        };
        let info = self.master_info().unwrap_or_default();
        let slaves = self.agents_summary(master);
        let frameworks = each_framework(master, framework_state);
        let completed: Vec<Value> = master
            .completed
            .iter()
            .map(|id| json!({ "id": id }))
            .collect();
        json!({
            "version": self.options.version,
            "id": master.id,
            "pid": info.get("pid"),
            "hostname": self.options.host,
            "leader": info.get("pid"),
            "leader_info": {
                "id": master.id,
                "pid": info.get("pid"),
                "port": info.get("port"),
                "hostname": self.options.host,
            },
            "activated_slaves": master.registered.len(),
            "deactivated_slaves": 0,
            "unreachable_slaves": self.unreachable.len(),
            "slaves": slaves,
            "recovered_slaves": master.recovered.iter().map(|id| json!({"id": id})).collect::<Vec<_>>(),
            "frameworks": frameworks,
            "completed_frameworks": completed,
            "orphan_tasks": [],
            "unregistered_frameworks": [],
        })
    }

    /// `/slaves`.
    pub(crate) fn slaves(&self) -> Value {
        let master = self.master.as_ref();
        let agents = master.iter().flat_map(|master| master.registered.iter());
        let slaves: Vec<Value> = agents.map(|(id, agent)| self.slave(id, agent)).collect();
        let recovered = master.iter().flat_map(|master| &master.recovered);
        let recovered: Vec<Value> = recovered.map(|id| json!({ "id": id })).collect();
        json!({"slaves": slaves, "recovered_slaves": recovered})
    }

    /// An agent in `/slaves`: with whole resources, and with what operators do to it.
    fn slave(&self, id: &str, agent: &Registered) -> Value {
        // Scalars first, in the form of before reservations were refined.
        let whole = |resources: &Resources| -> Value {
            let is_scalar = |one: &Resource| matches!(one.quantity, Quantity::Scalar(_));
            let sight = Sight {
                refined: false,
                multi_role: false,
            };
            let scalars = resources.iter().filter(|one| is_scalar(one));
            let others = resources.iter().filter(|one| !is_scalar(one));
            scalars.chain(others).map(|one| one.json(sight)).collect()
        };
        let mut slave = self.agent_itself(id, agent);
        let Some(fields) = slave.as_object_mut() else {
            return slave;
        };
        let mut reserved = Map::new();
        for resource in agent.total.iter().filter(|one| one.role() != "*") {
            let role = resource.role().to_owned();
            let all = agent.total.filter(|one| one.role() == role);
            reserved.insert(role, whole(&all));
        }
        let unreserved = agent.total.filter(|one| one.role() == "*");
        fields.extend([
            ("active".to_owned(), (!agent.deactivated).into()),
            ("reserved_resources_full".to_owned(), reserved.into()),
            ("unreserved_resources_full".to_owned(), whole(&unreserved)),
            ("used_resources_full".to_owned(), whole(&agent.used)),
            ("offered_resources_full".to_owned(), whole(&agent.offered)),
        ]);
        if let Some(drain) = self.operations.drains.get(id) {
            let mut config = Map::new();
            if let Some(grace) = drain.grace {
                let nanoseconds = u64::try_from(grace.as_nanos()).unwrap_or(u64::MAX);
                let grace = json!({ "nanoseconds": nanoseconds });
                config.insert("max_grace_period".to_owned(), grace);
            }
            config.insert("mark_gone".to_owned(), drain.mark_gone.into());
            let state = if drain.done { "DRAINED" } else { "DRAINING" };
            let info = json!({"state": state, "config": config});
            fields.insert("drain_info".to_owned(), info);
            let since = drain.since.into();
            fields.insert("estimated_drain_start_time_seconds".to_owned(), since);
        }
        slave
    }

    /// What all documents say of an agent.
    fn agent_itself(&self, id: &str, agent: &Registered) -> Value {
        let Some(truth) = self.agents.get(agent.index) else {
            return Value::Null;
        };
        let attributes: Map<String, Value> = truth
            .attributes
            .iter()
            .map(|one| (one.name.clone(), one.summary()))
            .collect();
        let mut reserved = Map::new();
        for resource in agent.total.iter().filter(|one| one.role() != "*") {
            let role = resource.role().to_owned();
            let all = agent.total.filter(|one| one.role() == role);
            reserved.insert(role, all.summary());
        }
        json!({
            "id": id,
            "hostname": truth.options.hostname,
            "port": truth.port,
            "attributes": attributes,
            "pid": truth.pid(),
            "registered_time": agent.at.as_secs_f64(),
            "resources": agent.total.summary(),
            "used_resources": agent.used.summary(),
            "offered_resources": agent.offered.summary(),
            "reserved_resources": reserved,
            "unreserved_resources": agent.total.filter(|one| one.role() == "*").summary(),
            "active": truth.online && !agent.deactivated,
            "deactivated": agent.deactivated,
            "version": self.options.version,
            "capabilities": AGENT_CAPABILITIES,
        })
    }

    /// An agent in `/state` and `/state-summary`: with how many tasks it has of each state.
    fn agent_summary(&self, master: &Master, id: &str, agent: &Registered) -> Value {
        let mut framework_ids: Vec<&str> = Vec::new();
        let mut states = Map::new();
        for state in COUNTED_STATES {
            states.insert(state.to_owned(), 0.into());
        }
        for framework in master.frameworks.values() {
            let here = |task: &&Task| task.agent_id == id;
            if framework.tasks.values().any(|task| here(&task)) {
                framework_ids.push(&framework.id);
            }
            count_states(
                &mut states,
                framework
                    .tasks
                    .values()
                    .chain(&framework.completed_tasks)
                    .filter(here),
            );
        }
        let mut summary = self.agent_itself(id, agent);
        if let Some(summary) = summary.as_object_mut() {
            summary.insert("framework_ids".to_owned(), json!(framework_ids));
            summary.extend(states);
        }
        summary
    }
}

fn count_states<'a>(states: &mut Map<String, Value>, tasks: impl Iterator<Item = &'a Task>) {
    for task in tasks {
        if let Some(count) = states.get_mut(&task.latest_state) {
            *count = (count.as_u64().unwrap_or(0) + 1).into();
        }
    }
}

fn each_framework(master: &Master, told: fn(&Master, &Framework) -> Value) -> Vec<Value> {
    let frameworks = master.frameworks.values();
    frameworks
        .map(|framework| told(master, framework))
        .collect()
}

fn framework_summary(master: &Master, framework: &Framework) -> Value {
    let mut used = Resources::default();
    for task in framework.tasks.values().filter(|task| !task.is_over()) {
        used.add(&task.resources.allocated(None));
    }
    let mut offered = Resources::default();
    for offer in master.offers.values() {
        if offer.framework_id == framework.id {
            offered.add(&offer.resources.allocated(None));
        }
    }
    let capabilities: Vec<&str> = objects(&framework.info, "capabilities")
        .filter_map(|one| text(one, "type"))
        .collect();
    let mut slave_ids: Vec<&str> = framework
        .tasks
        .values()
        .map(|task| task.agent_id.as_str())
        .collect();
    slave_ids.sort_unstable();
    slave_ids.dedup();
    let mut states = Map::new();
    for state in COUNTED_STATES {
        states.insert(state.to_owned(), 0.into());
    }
    let unreachable = framework.unreachable_tasks.values();
    count_states(
        &mut states,
        framework
            .tasks
            .values()
            .chain(unreachable)
            .chain(&framework.completed_tasks),
    );
    let mut summary = json!({
        "id": framework.id,
        "name": text(&framework.info, "name"),
        "used_resources": used.summary(),
        "offered_resources": offered.summary(),
        "capabilities": capabilities,
        "hostname": text(&framework.info, "hostname").unwrap_or_default(),
        "webui_url": text(&framework.info, "webui_url").unwrap_or_default(),
        "active": framework.is_connected(),
        "connected": framework.is_connected(),
        "recovered": framework.recovered,
        "slave_ids": slave_ids,
    });
    if let Some(summary) = summary.as_object_mut() {
        summary.extend(states);
    }
    summary
}

fn framework_state(master: &Master, framework: &Framework) -> Value {
    let sight = Sight {
        refined: true,
        multi_role: true,
    };
    let task = |task: &Task| {
        json!({
            "id": task.id,
            "name": task.name,
            "framework_id": framework.id,
            "executor_id": "",
            "slave_id": task.agent_id,
            "state": task.latest_state,
            "status_update_state": task.status_state,
            "resources": task.resources.summary(),
            "role": task.resources.iter().find_map(|one| one.allocation.clone()),
            "statuses": task.statuses.iter().map(|status| json!({
                "state": status.state(),
                "timestamp": status.get("timestamp"),
                "container_status": status.get("container_status"),
                "healthy": status.get("healthy"),
            })).collect::<Vec<_>>(),
            "labels": task.info.get("labels").and_then(|labels| labels.get("labels")),
            "discovery": task.info.get("discovery"),
            "container": task.info.get("container"),
        })
    };
    let offers: Vec<Value> = master
        .offers
        .values()
        .filter(|offer| offer.framework_id == framework.id)
        .map(|offer| {
            json!({
                "id": offer.id,
                "framework_id": offer.framework_id,
                "slave_id": offer.agent_id,
                "resources": offer.resources.json(sight),
            })
        })
        .collect();
    let mut state = framework_summary(master, framework);
    if let Some(state) = state.as_object_mut() {
        let field = |name: &str| framework.info.get(name).cloned().unwrap_or_default();
        state.extend([
            ("user".to_owned(), field("user")),
            ("checkpoint".to_owned(), field("checkpoint")),
            ("failover_timeout".to_owned(), field("failover_timeout")),
            ("principal".to_owned(), field("principal")),
            ("roles".to_owned(), json!(framework.roles())),
            ("suppressed_roles".to_owned(), json!(framework.suppressed)),
            (
                "tasks".to_owned(),
                framework.tasks.values().map(task).collect(),
            ),
            (
                "unreachable_tasks".to_owned(),
                framework.unreachable_tasks.values().map(task).collect(),
            ),
            (
                "completed_tasks".to_owned(),
                framework.completed_tasks.iter().map(task).collect(),
            ),
            ("offers".to_owned(), offers.into()),
            ("executors".to_owned(), json!([])),
        ]);
    }
    state
}
