//! `CommandInfo`: its environment.

use crate::call::{objects, text};
use serde_json::{Map, Value};

/// The first fault of a command.
pub(crate) fn validate(command: &Map<String, Value>) -> Result<(), String> {
    let empty = Map::new();
    let environment = command
        .get("environment")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    objects(environment, "variables").try_for_each(validate_variable)
}

fn validate_variable(variable: &Map<String, Value>) -> Result<(), String> {
    let name = text(variable, "name").unwrap_or_default();
    let has_value = variable.contains_key("value");
    match text(variable, "type").unwrap_or("VALUE") {
        "SECRET" => {
            let Some(secret) = variable.get("secret").and_then(Value::as_object) else {
                return Err(format!(
                    "Environment variable '{name}' of type 'SECRET' must have a secret set"
                ));
            };
            if has_value {
                return Err(format!(
                    "Environment variable '{name}' of type 'SECRET' must not have a value set"
                ));
            }
            validate_secret(secret).map_err(|reason| {
                format!("Environment variable '{name}' specifies an invalid secret: {reason}")
            })
        }
        "UNKNOWN" => Err("Environment variable of type 'UNKNOWN' is not allowed".to_owned()),
        _ if !has_value => Err(format!(
            "Environment variable '{name}' of type 'VALUE' must have a value set"
        )),
        _ if variable.contains_key("secret") => Err(format!(
            "Environment variable '{name}' of type 'VALUE' must not have a secret set"
        )),
        _ => Ok(()),
    }
}

/// The first fault of a `Secret`.
pub(crate) fn validate_secret(secret: &Map<String, Value>) -> Result<(), String> {
    match text(secret, "type") {
        Some("REFERENCE") => {
            let Some(reference) = secret.get("reference").and_then(Value::as_object) else {
                return Err(
                    "Secret of type REFERENCE must have the 'reference' field set".to_owned(),
                );
            };
            if secret.contains_key("value") {
                return Err(format!(
                    "Secret '{}' of type REFERENCE must not have the 'value' field set",
                    text(reference, "name").unwrap_or_default()
                ));
            }
        }
        Some("VALUE") if !secret.contains_key("value") => {
            return Err("Secret of type VALUE must have the 'value' field set".to_owned());
        }
        Some("VALUE") if secret.contains_key("reference") => {
            return Err("Secret of type VALUE must not have the 'reference' field set".to_owned());
        }
        _ => {}
    }
    Ok(())
}
