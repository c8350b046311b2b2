//! `FrameworkInfo` and what comes with it in a SUBSCRIBE.

use super::role;
use crate::call::{identifier, objects, text, texts};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Whether `info` asks for the capability.
pub(crate) fn has_capability(info: &Map<String, Value>, capability: &str) -> bool {
    objects(info, "capabilities").any(|one| text(one, "type") == Some(capability))
}

/// The roles that the framework subscribes to.
pub(crate) fn roles(info: &Map<String, Value>) -> Vec<String> {
    if has_capability(info, "MULTI_ROLE") {
        texts(info, "roles")
    } else {
        vec![text(info, "role").unwrap_or("*").to_owned()]
    }
}

/// The first fault of a `Subscribe` or `UpdateFramework` message.
pub(crate) fn validate(message: &Map<String, Value>) -> Result<(), String> {
    let empty = Map::new();
    let info = message
        .get("framework_info")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    validate_roles(info)?;
    if let Some(id) = identifier(info, "id").filter(|id| !id.is_empty()) {
        validate_id(id)?;
    }
    let timeout = info.get("failover_timeout").and_then(Value::as_f64);
    // A duration is 64 bits of nanoseconds.
    if let Some(timeout) = timeout.filter(|timeout| timeout.abs() > 9_223_372_036.0) {
        return Err(format!(
            "The framework failover_timeout ({timeout}) is invalid"
        ));
    }
    let subscribed: BTreeSet<String> = roles(info).into_iter().collect();
    let strangers: Vec<String> = texts(message, "suppressed_roles")
        .into_iter()
        .filter(|role| !subscribed.contains(role))
        .collect();
    if !strangers.is_empty() {
        return Err(format!(
            "Suppressed roles {{ {} }} are not contained in the set of roles",
            strangers.join(", ")
        ));
    }
    Ok(())
}

fn validate_roles(info: &Map<String, Value>) -> Result<(), String> {
    if has_capability(info, "MULTI_ROLE") {
        if info.contains_key("role") {
            return Err(
                "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
                    .to_owned(),
            );
        }
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<String> = texts(info, "roles")
            .into_iter()
            .filter(|role| !seen.insert(role.clone()))
            .collect();
        if !twice.is_empty() {
            let twice: Vec<String> = twice.into_iter().collect();
            return Err(format!(
                "'FrameworkInfo.roles' contains duplicate items: {{ {} }}",
                twice.join(", ")
            ));
        }
        for role in texts(info, "roles") {
            role::validate(&role).map_err(|reason| {
                format!("'FrameworkInfo.roles' contains invalid role: {reason}")
            })?;
        }
        return Ok(());
    }
    if !texts(info, "roles").is_empty() {
        return Err(
            "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
                .to_owned(),
        );
    }
    role::validate(text(info, "role").unwrap_or("*"))
        .map_err(|reason| format!("'FrameworkInfo.role' is not a valid role: {reason}"))
}

/// Ids of frameworks, agents, executors and tasks are file names.
pub(crate) fn validate_id(id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err("ID must not be empty".to_owned());
    }
    if id.len() > 255 {
        return Err("ID must not be greater than 255 characters".to_owned());
    }
    if matches!(id, "." | "..") {
        return Err(format!("'{id}' is disallowed"));
    }
    if id
        .chars()
        .any(|one| one.is_ascii_control() || matches!(one, '/' | '\\'))
    {
        return Err(format!("'{id}' contains invalid characters"));
    }
    Ok(())
}
