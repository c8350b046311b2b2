//! `TaskInfo` in a LAUNCH: whether the task may start on this agent with what is offered.

use super::{command, container, framework, health_check, resource};
use crate::call::{identifier, objects, text};
use crate::resources::Resources;
use serde_json::{Map, Value};

/// What a task is judged against.
pub(crate) struct Ground<'a> {
    pub(crate) agent_id: &'a str,
    /// Ids that the framework's live tasks have.
    pub(crate) is_live: &'a dyn Fn(&str) -> bool,
    /// Ids of its tasks on agents that are unreachable.
    pub(crate) is_unreachable: &'a dyn Fn(&str) -> bool,
    /// The role that the offers are allocated to.
    pub(crate) role: &'a str,
    /// What is left of the offers, with its allocation.
    pub(crate) available: &'a Resources,
}

/// The task's resources with their allocation, or why it is TASK_ERROR.
pub(crate) fn validate(task: &Map<String, Value>, ground: &Ground) -> Result<Resources, String> {
    validate_identity(task, ground)?;
    validate_times(task)?;
    let part = |field: &str| task.get(field).and_then(Value::as_object);
    if let Some(check) = part("check") {
        health_check::validate_check(check)
            .map_err(|reason| format!("Task uses invalid check: {reason}"))?;
    }
    if let Some(check) = part("health_check") {
        health_check::validate(check)
            .map_err(|reason| format!("Task uses invalid health check: {reason}"))?;
    }
    let resources = validate_resources(task, ground)?;
    if let Some(command) = part("command") {
        command::validate(command)
            .map_err(|reason| format!("Task's `CommandInfo` is invalid: {reason}"))?;
    }
    if let Some(container) = part("container") {
        container::validate(container)
            .map_err(|reason| format!("Task's `ContainerInfo` is invalid: {reason}"))?;
    }
    validate_limits(task, &resources)?;
    validate_executor(task, resources, ground)
}

fn validate_identity(task: &Map<String, Value>, ground: &Ground) -> Result<(), String> {
    let id = identifier(task, "task_id").unwrap_or_default();
    framework::validate_id(id)?;
    if (ground.is_live)(id) {
        return Err(format!("Task has duplicate ID: {id}"));
    }
    if (ground.is_unreachable)(id) {
        return Err(format!("Task reuses the ID of an unreachable task: {id}"));
    }
    let agent = identifier(task, "agent_id").unwrap_or_default();
    if agent != ground.agent_id {
        return Err(format!(
            "Task uses invalid agent {agent} while agent {} is expected",
            ground.agent_id
        ));
    }
    Ok(())
}

fn validate_times(task: &Map<String, Value>) -> Result<(), String> {
    let is_negative = |duration: Option<&Value>| {
        duration
            .and_then(|duration| duration.get("nanoseconds"))
            .and_then(Value::as_i64)
            .is_some_and(|nanoseconds| nanoseconds < 0)
    };
    let grace = task
        .get("kill_policy")
        .and_then(|policy| policy.get("grace_period"));
    if is_negative(grace) {
        return Err("Task's 'kill_policy.grace_period' must be non-negative".to_owned());
    }
    if is_negative(task.get("max_completion_time")) {
        return Err("Task's `max_completion_time` must be non-negative".to_owned());
    }
    Ok(())
}

fn validate_resources(task: &Map<String, Value>, ground: &Ground) -> Result<Resources, String> {
    if objects(task, "resources").next().is_none() {
        return Err("Task uses no resources".to_owned());
    }
    resource::validate(objects(task, "resources"))
        .map_err(|reason| format!("Task uses invalid resources: {reason}"))?;
    let mut resources = Resources::read(task, "resources");
    resources.inject_allocation(ground.role);
    let mut roles: Vec<&str> = resources
        .iter()
        .filter_map(|resource| resource.allocation.as_deref())
        .collect();
    roles.dedup();
    if let [first, second, ..] = roles.as_slice() {
        return Err(format!(
            "Invalid task resources: The resources have multiple allocation roles ('{second}' and '{first}') but only one allocation role is allowed"
        ));
    }
    for resource in resources.iter() {
        let revocable = resource.properties.contains_key("revocable");
        let other_way = resources.iter().any(|other| {
            other.name == resource.name && other.properties.contains_key("revocable") != revocable
        });
        if other_way {
            return Err(format!(
                "Task mixes revocable and non-revocable resources: Cannot use both revocable and non-revocable '{}' at the same time",
                resource.name
            ));
        }
    }
    Ok(resources)
}

fn validate_limits(task: &Map<String, Value>, resources: &Resources) -> Result<(), String> {
    let Some(limits) = task.get("limits").and_then(Value::as_object) else {
        return Ok(());
    };
    if limits.keys().any(|name| name != "cpus" && name != "mem") {
        return Err("Only cpus and mem may be included in a task's resource limits".to_owned());
    }
    for (name, long, short) in [("cpus", "CPU", "cpu"), ("mem", "memory", "memory")] {
        let Some(limit) = limits.get(name).and_then(|limit| limit.get("value")) else {
            continue;
        };
        if !resources.has(name) {
            return Err(format!(
                "When a {long} limit is specified, a {long} request must also be specified"
            ));
        }
        #[expect(clippy::cast_precision_loss, reason = "compared at three decimals")]
        let request = resources.thousandths(name) as f64;
        // Infinity is a text, and no number.
        if limit.as_f64().is_some_and(|limit| limit * 1000.0 < request) {
            return Err(format!(
                "The {short} limit must be greater than or equal to the {short} request"
            ));
        }
    }
    Ok(())
}

fn validate_executor(
    task: &Map<String, Value>,
    resources: Resources,
    ground: &Ground,
) -> Result<Resources, String> {
    if task.contains_key("executor") == task.contains_key("command") {
        return Err(
            "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
                .to_owned(),
        );
    }
    let mut total = resources;
    if let Some(executor) = task.get("executor").and_then(Value::as_object) {
        if text(executor, "type").is_some_and(|kind| kind != "CUSTOM") {
            return Err("'ExecutorInfo.type' must be 'CUSTOM'".to_owned());
        }
        if !executor.contains_key("command") {
            return Err("'ExecutorInfo.command' must be set".to_owned());
        }
        let mut own = Resources::read(executor, "resources");
        own.inject_allocation(ground.role);
        total.add(&own);
    }
    if !ground.available.contains(&total) {
        return Err(format!(
            "Total resources {total} required by task and its executor is more than available {}",
            ground.available
        ));
    }
    let shares = task
        .get("container")
        .and_then(|container| container.get("linux_info"))
        .and_then(|info| info.get("share_cgroups"))
        .and_then(Value::as_bool);
    if shares == Some(false) {
        return Err(
            "Only tasks in a task group may have 'share_cgroups' set to 'false'".to_owned(),
        );
    }
    Ok(total)
}
