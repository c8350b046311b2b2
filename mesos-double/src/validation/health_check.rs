//! `HealthCheck` and `CheckInfo`.

use super::command;
use crate::call::text;
use serde_json::{Map, Value};

/// The first fault of a health check.
pub(crate) fn validate(check: &Map<String, Value>) -> Result<(), String> {
    let part = |field: &str| check.get(field).and_then(Value::as_object);
    match text(check, "type") {
        None => return Err("HealthCheck must specify 'type'".to_owned()),
        Some("COMMAND") => match part("command") {
            None => {
                return Err("Expecting 'command' to be set for COMMAND health check".to_owned());
            }
            Some(command) => validate_command(command, "Command health check", "Health check")?,
        },
        Some("HTTP") => match part("http") {
            None => return Err("Expecting 'http' to be set for HTTP health check".to_owned()),
            Some(http) => validate_http(http)?,
        },
        Some("TCP") if part("tcp").is_none() => {
            return Err("Expecting 'tcp' to be set for TCP health check".to_owned());
        }
        Some("TCP") => {}
        Some(kind) => return Err(format!("'{kind}' is not a valid health check type")),
    }
    validate_times(
        check,
        &[
            "delay_seconds",
            "grace_period_seconds",
            "interval_seconds",
            "timeout_seconds",
        ],
    )
}

/// The first fault of a check, which only reports.
pub(crate) fn validate_check(check: &Map<String, Value>) -> Result<(), String> {
    let part = |field: &str| {
        check.get(field).and_then(Value::as_object).ok_or_else(|| {
            format!(
                "Expecting '{field}' to be set for {} check",
                field.to_uppercase()
            )
        })
    };
    match text(check, "type") {
        None => return Err("CheckInfo must specify 'type'".to_owned()),
        Some("COMMAND") => {
            let empty = Map::new();
            let command = part("command")?
                .get("command")
                .and_then(Value::as_object)
                .unwrap_or(&empty);
            validate_command(command, "Command check", "Check")?;
        }
        Some("HTTP") => {
            let path = text(part("http")?, "path");
            if let Some(path) = path.filter(|path| !path.starts_with('/')) {
                return Err(format!(
                    "The path '{path}' of HTTP check must start with '/'"
                ));
            }
        }
        Some("TCP") => drop(part("tcp")?),
        Some(kind) => return Err(format!("'{kind}' is not a valid check type")),
    }
    validate_times(
        check,
        &["delay_seconds", "interval_seconds", "timeout_seconds"],
    )
}

fn validate_command(check: &Map<String, Value>, what: &str, whose: &str) -> Result<(), String> {
    if !check.contains_key("value") {
        let shell = check.get("shell").and_then(Value::as_bool).unwrap_or(true);
        let kind = if shell {
            "'shell command'"
        } else {
            "'executable path'"
        };
        return Err(format!("{what} must contain {kind}"));
    }
    command::validate(check)
        .map_err(|reason| format!("{whose}'s `CommandInfo` is invalid: {reason}"))
}

fn validate_http(http: &Map<String, Value>) -> Result<(), String> {
    if let Some(scheme) = text(http, "scheme").filter(|one| !matches!(*one, "http" | "https")) {
        return Err(format!("Unsupported HTTP health check scheme: '{scheme}'"));
    }
    match text(http, "path").filter(|path| !path.starts_with('/')) {
        Some(path) => Err(format!(
            "The path '{path}' of HTTP health check must start with '/'"
        )),
        None => Ok(()),
    }
}

fn validate_times(check: &Map<String, Value>, fields: &[&str]) -> Result<(), String> {
    for field in fields {
        if check
            .get(*field)
            .and_then(Value::as_f64)
            .is_some_and(|seconds| seconds < 0.0)
        {
            return Err(format!("Expecting '{field}' to be non-negative"));
        }
    }
    Ok(())
}
