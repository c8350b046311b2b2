//! `Resource` messages, before any arithmetic is done with them.

use super::role;
use crate::call::{objects, text, texts};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The first fault in a list of resources.
pub(crate) fn validate<'a>(
    resources: impl Iterator<Item = &'a Map<String, Value>>,
) -> Result<(), String> {
    for resource in resources {
        validate_one(resource).map_err(|reason| {
            format!(
                "Resource '{}' is invalid: {reason}",
                Value::Object(resource.clone())
            )
        })?;
        let gpus = scalar(resource).filter(|_| text(resource, "name") == Some("gpus"));
        if gpus.is_some_and(|gpus| gpus.fract() != 0.0) {
            return Err("The 'gpus' resource must be an unsigned integer".to_owned());
        }
    }
    Ok(())
}

fn scalar(resource: &Map<String, Value>) -> Option<f64> {
    resource.get("scalar")?.get("value")?.as_f64()
}

fn validate_one(resource: &Map<String, Value>) -> Result<(), String> {
    if text(resource, "name").unwrap_or_default().is_empty() {
        return Err("Empty resource name".to_owned());
    }
    validate_quantity(resource)?;
    if resource.contains_key("disk") && text(resource, "name") != Some("disk") {
        return Err(format!(
            "DiskInfo should not be set for {} resource",
            text(resource, "name").unwrap_or_default()
        ));
    }
    validate_reservation(resource)
}

fn validate_quantity(resource: &Map<String, Value>) -> Result<(), String> {
    let kind = text(resource, "type").unwrap_or_default();
    let present: Vec<&str> = ["scalar", "ranges", "set"]
        .into_iter()
        .filter(|field| resource.contains_key(*field))
        .collect();
    let expected = kind.to_lowercase();
    if !matches!(kind, "SCALAR" | "RANGES" | "SET") {
        return Err("Unsupported resource type".to_owned());
    }
    if present != [expected.as_str()] {
        return Err(format!("Invalid {expected} resource"));
    }
    match kind {
        "SCALAR" => {
            let value = scalar(resource).unwrap_or(0.0);
            if value != 0.0 && (value * 1000.0).round() <= 0.0 {
                return Err("Invalid scalar resource: value <= 0".to_owned());
            }
        }
        "RANGES" => validate_ranges(resource)?,
        _ => {
            let items = resource.get("set").and_then(Value::as_object);
            let items = items.map(|set| texts(set, "item")).unwrap_or_default();
            let different: BTreeSet<&String> = items.iter().collect();
            if different.len() != items.len() {
                return Err("Invalid set resource: duplicated elements".to_owned());
            }
        }
    }
    Ok(())
}

fn validate_ranges(resource: &Map<String, Value>) -> Result<(), String> {
    let empty = Map::new();
    let ranges = resource
        .get("ranges")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let bounds: Vec<(u64, u64)> = objects(ranges, "range")
        .map(|range| {
            let bound = |field: &str| range.get(field).and_then(Value::as_u64).unwrap_or(0);
            (bound("begin"), bound("end"))
        })
        .collect();
    for (position, (begin, end)) in bounds.iter().enumerate() {
        if begin > end {
            return Err("Invalid ranges resource: begin > end".to_owned());
        }
        let overlaps = bounds
            .iter()
            .skip(position + 1)
            .any(|later| *begin <= later.0 && later.0 <= *end);
        if overlaps {
            return Err("Invalid ranges resource: overlapping ranges".to_owned());
        }
    }
    Ok(())
}

fn validate_reservation(resource: &Map<String, Value>) -> Result<(), String> {
    let own = text(resource, "role");
    let stack: Vec<&Map<String, Value>> = objects(resource, "reservations").collect();
    if stack.is_empty() {
        role::validate(own.unwrap_or("*"))?;
        if resource.contains_key("reservation") && own.unwrap_or("*") == "*" {
            return Err(
                "Invalid reservation: role \"*\" cannot be dynamically reserved".to_owned(),
            );
        }
        return Ok(());
    }
    for entry in &stack {
        for field in ["type", "role"] {
            if !entry.contains_key(field) {
                return Err(format!(
                    "Invalid reservation: 'Resource.ReservationInfo.{field}' field must be set."
                ));
            }
        }
        let role = text(entry, "role").unwrap_or_default();
        role::validate(role)?;
        if role == "*" {
            return Err("Invalid reservation: role \"*\" cannot be reserved".to_owned());
        }
    }
    for pair in stack.windows(2) {
        let [ancestor, descendant] = pair else {
            continue;
        };
        if text(descendant, "type") == Some("STATIC") {
            return Err(
                "Invalid refined reservation: A refined reservation cannot be STATIC".to_owned(),
            );
        }
        let ancestor = text(ancestor, "role").unwrap_or_default();
        let descendant = text(descendant, "role").unwrap_or_default();
        if ancestor == descendant || !role::is_within(descendant, ancestor) {
            return Err(format!(
                "Invalid refined reservation: role '{descendant}' is not a refinement of '{ancestor}'"
            ));
        }
    }
    match (own, stack.as_slice()) {
        (Some(own), [one]) if Some(own) != text(one, "role") => Err(format!(
            "Invalid resource format: 'Resource.role' field with '{own}' does not match the role '{}' in 'Resource.reservations'",
            text(one, "role").unwrap_or_default()
        )),
        (Some(_), [_, _, ..]) => Err("Invalid resource format: 'Resource.role' must not be set if there is more than one reservation in 'Resource.reservations'".to_owned()),
        _ => Ok(()),
    }
}
