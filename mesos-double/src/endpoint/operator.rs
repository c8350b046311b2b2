//! `POST /api/v1`: what operators order. Of its calls those that frameworks feel.

use super::authenticate;
use crate::call::{identifier, text};
use crate::cluster::{Cluster, Refusal, Reserving};
use crate::http::request::Request;
use crate::http::response::Response;
use serde_json::{Map, Value, json};
use std::time::Duration;

pub(super) fn answer(request: &Request, node: usize, cluster: &mut Cluster) -> Response {
    carry_out(request, node, cluster).unwrap_or_else(|refusal| refusal)
}

fn carry_out(request: &Request, node: usize, cluster: &mut Cluster) -> Result<Response, Response> {
    authenticate(request, cluster, "mesos-master-readwrite")?;
    if cluster.leader() != Some(node) {
        return Err(super::redirect(cluster, "/api/v1"));
    }
    if cluster.nodes.get(node).is_some_and(|node| node.recovering) {
        return Err(Response::unavailable("Master has not finished recovery"));
    }
    if request.method != "POST" {
        return Err(Response::method_not_allowed("POST", &request.method));
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|error| {
        Response::bad_request(format!("Failed to parse body into JSON: {error}"))
    })?;
    let Some(body) = body.as_object() else {
        return Err(Response::bad_request("Expecting a JSON object"));
    };
    let kind = text(body, "type").unwrap_or_default();
    let document =
        |name: &str, document: Value| Ok(Response::json(&json!({"type": kind, name: document})));
    match kind {
        "GET_MAINTENANCE_STATUS" => {
            let status = json!({"status": cluster.maintenance_status()});
            return document("get_maintenance_status", status);
        }
        "GET_MAINTENANCE_SCHEDULE" => {
            let schedule = json!({"schedule": cluster.schedule_json()});
            return document("get_maintenance_schedule", schedule);
        }
        _ => {}
    }
    let name = kind.to_lowercase();
    let message = body.get(&name).and_then(Value::as_object);
    let outcome = match (kind, message) {
        ("", _) => {
            Err("Failed to validate master::Call: Expecting 'type' to be present".to_owned())
        }
        (_, None) => Err(format!(
            "Failed to validate master::Call: Expecting '{name}' to be present"
        )),
        ("RESERVE_RESOURCES", Some(message)) => {
            return reservation(message, Reserving::Reserve, cluster);
        }
        ("UNRESERVE_RESOURCES", Some(message)) => {
            return reservation(message, Reserving::Unreserve, cluster);
        }
        (_, Some(message)) => order(kind, message, cluster),
    };
    outcome.map_or_else(
        |reason| Err(Response::bad_request(reason)),
        |()| Ok(Response::ok()),
    )
}

fn reservation(
    message: &Map<String, Value>,
    how: Reserving,
    cluster: &mut Cluster,
) -> Result<Response, Response> {
    let changed = cluster.change_reservation(message, how);
    changed.map_err(|refusal| match refusal {
        Refusal::Invalid(reason) => Response::bad_request(reason),
        Refusal::Conflict(reason) => Response::conflict(reason),
    })?;
    Ok(Response::accepted())
}

/// The error is the text of the 400.
fn order(kind: &str, message: &Map<String, Value>, cluster: &mut Cluster) -> Result<(), String> {
    let agent = || {
        let missing = || "Missing required fields: agent_id".to_owned();
        identifier(message, "agent_id").ok_or_else(missing)
    };
    match kind {
        "UPDATE_MAINTENANCE_SCHEDULE" => {
            let schedule = message.get("schedule").and_then(Value::as_object);
            cluster.update_schedule(&schedule.cloned().unwrap_or_default())
        }
        "START_MAINTENANCE" => cluster.start_maintenance(message),
        "STOP_MAINTENANCE" => cluster.stop_maintenance(message),
        "DRAIN_AGENT" => {
            let gone = message.get("mark_gone").and_then(Value::as_bool) == Some(true);
            cluster.drain_agent(agent()?, grace(message), gone)
        }
        "DEACTIVATE_AGENT" => cluster.deactivate_agent(agent()?),
        "REACTIVATE_AGENT" => cluster.reactivate_agent(agent()?),
        "MARK_AGENT_GONE" => cluster.mark_agent_gone(agent()?),
        "UPDATE_QUOTA" => cluster.update_quota(message),
        _ => Err(format!("the double has no call {kind}")),
    }
}

/// A `google.protobuf.Duration`: seconds and nanos. Other fields, `nanoseconds` say, are dropped, and
/// what is left is no grace at all.
fn grace(message: &Map<String, Value>) -> Option<Duration> {
    let grace = message.get("max_grace_period")?;
    let part = |name| grace.get(name).and_then(Value::as_u64).unwrap_or(0);
    Some(Duration::from_secs(part("seconds")) + Duration::from_nanos(part("nanos")))
}
