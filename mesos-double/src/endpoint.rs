//! A master's endpoints: who answers what.

mod operator;
mod scheduler;

use crate::cluster::Cluster;
use crate::double::Shared;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::identity::random_below;
use crate::stream::Records;
use serde_json::json;
use std::sync::Arc;

/// An answer to a request.
pub(crate) enum Answer {
    Now(Response),
    /// A stream; `framework` unless it holds nothing but an ERROR.
    Events {
        framework: Option<String>,
        stream_id: String,
        records: Records,
    },
}

/// Answers as the master `node`.
pub(crate) fn answer(request: &Request, node: usize, shared: &Arc<Shared>) -> Answer {
    shared.with(|cluster| {
        let path = request
            .path
            .strip_prefix("/master")
            .unwrap_or(&request.path);
        match path {
            "/api/v1/scheduler" => scheduler::answer(request, node, cluster),
            "/api/v1" => Answer::Now(operator::answer(request, node, cluster)),
            "/health" => Answer::Now(Response::ok()),
            "/version" => Answer::Now(Response::json(&json!({
                "build_date": "2026-11-21 09:48:37",
                "build_time": 1_795_254_517.0,
                "build_user": "",
                "version": cluster.options.version,
            }))),
            "/redirect" => Answer::Now(redirect(cluster, "")),
            "/state" | "/state-summary" | "/state.json" | "/slaves" => {
                if let Err(refusal) = authenticate(request, cluster, "mesos-master-readonly") {
                    return Answer::Now(refusal);
                }
                if cluster.leader() != Some(node) {
                    return Answer::Now(redirect(cluster, path));
                }
                Answer::Now(Response::json(&match path {
                    "/state-summary" => cluster.state_summary(),
                    "/slaves" => cluster.slaves(),
                    _ => cluster.state(),
                }))
            }
            _ => Answer::Now(Response::not_found()),
        }
    })
}

/// To the leader; without a path to its root.
fn redirect(cluster: &Cluster, path: &str) -> Response {
    let Some(leader) = cluster.leader_address() else {
        return Response::unavailable("No leader elected");
    };
    let scheme = if cluster.faults.absolute_locations {
        "http:"
    } else {
        ""
    };
    let path = if path.is_empty() {
        String::new()
    } else {
        format!("/master{path}")
    };
    Response::redirect(format!("{scheme}//{leader}{path}"))
}

/// Who asks, where anybody has to say so.
fn authenticate(
    request: &Request,
    cluster: &Cluster,
    realm: &str,
) -> Result<Option<String>, Response> {
    let credentials = &cluster.options.credentials;
    if credentials.is_empty() {
        return Ok(None);
    }
    let principal = request
        .header("Authorization")
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(decode)
        .filter(|(principal, secret)| credentials.get(principal) == Some(secret))
        .map(|(principal, _)| principal);
    match principal {
        Some(principal) => Ok(Some(principal)),
        None => Err(Response::unauthorized(realm)),
    }
}

/// Principal and secret: exactly two parts, so that neither can hold a colon.
fn decode(encoded: &str) -> Option<(String, String)> {
    use base64::Engine;
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    match decoded.split(':').collect::<Vec<&str>>().as_slice() {
        [principal, secret] => Some(((*principal).to_owned(), (*secret).to_owned())),
        _ => None,
    }
}

/// Whether this call meets the fault of being refused.
fn is_refused(cluster: &Cluster) -> bool {
    random_below(100) < u64::from(cluster.faults.refused_calls)
}
