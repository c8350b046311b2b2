//! `POST /api/v1/scheduler`: the checks of a master in their order, and what follows from a call.

use super::{Answer, authenticate, is_refused, redirect};
use crate::call::Call;
use crate::cluster::{Cluster, Reply};
use crate::http::request::Request;
use crate::http::response::Response;
use crate::identity::Uuid;

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";

pub(super) fn answer(request: &Request, node: usize, cluster: &mut Cluster) -> Answer {
    match call(request, node, cluster) {
        Ok(answer) => answer,
        Err(refusal) => Answer::Now(refusal),
    }
}

fn call(request: &Request, node: usize, cluster: &mut Cluster) -> Result<Answer, Response> {
    let principal = authenticate(request, cluster, "mesos-master-scheduler")?;
    let principal = principal.as_deref();
    if cluster.leader() != Some(node) {
        return Err(redirect(cluster, "/api/v1/scheduler"));
    }
    if cluster.nodes.get(node).is_some_and(|node| node.recovering) || is_refused(cluster) {
        return Err(Response::unavailable("Master has not finished recovery"));
    }
    if request.method != "POST" {
        return Err(Response::method_not_allowed("POST", &request.method));
    }
    match request.header("Content-Type") {
        None => {
            return Err(Response::bad_request(
                "Expecting 'Content-Type' to be present",
            ));
        }
        Some(JSON) => {}
        // Known and not spoken: no schema of field numbers is held here.
        Some(PROTOBUF) => {
            return Err(Response::bad_request(
                "Failed to parse body into Call protobuf",
            ));
        }
        Some(_) => {
            return Err(Response::unsupported_media_type(&format!(
                "Expecting 'Content-Type' of {JSON} or {PROTOBUF}"
            )));
        }
    }
    let call = Call::read(&request.body, principal).map_err(Response::bad_request)?;
    if matches!(call.kind.as_str(), "SUBSCRIBE" | "RECONCILE_OPERATIONS") {
        check_accept(request)?;
    }
    let stream_id = request.header("Mesos-Stream-Id");
    if call.kind == "SUBSCRIBE" {
        if stream_id.is_some() {
            return Err(Response::bad_request(
                "Subscribe calls should not include the 'Mesos-Stream-Id' header",
            ));
        }
        return Ok(subscribe(&call, principal, cluster));
    }
    Ok(Answer::Now(
        match cluster.call(&call, stream_id, principal) {
            Reply::Accepted => Response::accepted(),
            Reply::Done => Response::ok(),
            Reply::BadRequest(reason) => Response::bad_request(reason),
            Reply::Forbidden(reason) => Response::forbidden(reason),
        },
    ))
}

/// Events come in JSON; whoever takes only protobuf is not served as it wishes, so not at all.
fn check_accept(request: &Request) -> Result<(), Response> {
    let accepted = request.header("Accept").is_none_or(|accept| {
        accept.split(',').any(|kind| {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            matches!(kind, "*/*" | "application/*" | JSON)
        })
    });
    if accepted {
        return Ok(());
    }
    Err(Response::not_acceptable(&format!(
        "Expecting 'Accept' to allow '{PROTOBUF}' or '{JSON}'"
    )))
}

fn subscribe(call: &Call, principal: Option<&str>, cluster: &mut Cluster) -> Answer {
    let stream_id = Uuid::random().to_string();
    let message = call.message();
    let records = cluster.subscribe(&message, principal, &stream_id);
    let framework = cluster.framework_of_stream(&stream_id);
    Answer::Events {
        framework,
        stream_id,
        records,
    }
}
