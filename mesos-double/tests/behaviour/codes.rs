//! Which code a call is answered with: who comes first when several things are wrong.

use super::framework::{Framework, headers, info};
use super::scene::{Scene, options, wait_until};
use crate::support::{Reply, Stream, request, subscribe};
use mesos_double::Options;
use serde_json::{Value, json};

fn post(address: &str, stream_id: Option<&str>, body: &Value) -> (u16, String) {
    let reply = request(
        address,
        "POST",
        "/api/v1/scheduler",
        &headers(stream_id),
        Some(&body.to_string()),
    );
    (reply.head.status, reply.body)
}

/// A request with everything wrong that can be, mended one thing after the other.
struct Wrong {
    address: String,
    method: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Value,
}

impl Wrong {
    #[track_caller]
    fn is(&self, status: u16, words: &str) -> Reply {
        let named = |(name, value): &(&str, String)| ((*name).to_owned(), value.clone());
        let headers: Vec<(String, String)> = self.headers.iter().map(named).collect();
        let path = "/api/v1/scheduler";
        let body = match &self.body {
            Value::String(text) => text.clone(),
            body => body.to_string(),
        };
        let reply = request(&self.address, self.method, path, &headers, Some(&body));
        assert_eq!(reply.head.status, status, "{}", reply.body);
        assert!(reply.body.contains(words), "{}", reply.body);
        reply
    }

    fn with(&mut self, name: &'static str, value: &str) {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
    }
}

/// "flink:right" and "other:right".
const FLINK: &str = "Basic Zmxpbms6cmlnaHQ=";
const OTHER: &str = "Basic b3RoZXI6cmlnaHQ=";

/// A stream of the principal's.
fn open_as(address: &str, authorization: &str, info: &Value) -> Stream {
    let call = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}});
    let mut headers = headers(None);
    headers.push(("Authorization".to_owned(), authorization.to_owned()));
    let path = "/api/v1/scheduler";
    subscribe(address, path, &headers, &call.to_string()).unwrap()
}

/// The rows of §1.3, in their order.
#[test]
fn behaviour_1_the_first_thing_that_is_wrong_decides() {
    let principals = ["flink", "other"].map(|name| (name.to_owned(), "right".to_owned()));
    let scene = Scene::with(Options {
        ports: vec![0, 0],
        credentials: principals.into(),
        ..options(0)
    });
    let addresses = scene.addresses();
    scene.set_recovering(0, true);
    let mut call = Wrong {
        address: addresses[1].clone(),
        method: "GET",
        headers: vec![("Mesos-Stream-Id", "x".to_owned())],
        body: json!("{"),
    };
    call.is(401, "");
    call.with("Authorization", FLINK);
    call.is(307, "");
    call.address.clone_from(&addresses[0]);
    call.is(503, "Master has not finished recovery");
    scene.set_recovering(0, false);
    assert_eq!(call.is(405, "").head.header("Allow"), Some("POST"));
    call.method = "POST";
    call.is(400, "Expecting 'Content-Type' to be present");
    call.with("Content-Type", "application/json; charset=utf-8");
    call.is(415, "Expecting 'Content-Type' of application/json");
    call.with("Content-Type", "application/json");
    call.with("Accept", "text/html");
    call.is(400, "Failed to parse body into JSON");
    call.body = json!({"subscribe": {}});
    call.is(400, "Missing required fields");
    call.body = json!({"type": "SUBSCRIBE"});
    call.is(
        400,
        "Failed to validate scheduler::Call: Expecting 'subscribe' to be present",
    );
    call.body["subscribe"] = json!({"framework_info": info(&json!({"principal": "flink"}))});
    call.is(406, "Expecting 'Accept' to allow");
    call.with("Accept", "*/*");
    call.is(
        400,
        "Subscribe calls should not include the 'Mesos-Stream-Id' header",
    );

    call.headers.retain(|(name, _)| *name != "Mesos-Stream-Id");
    call.body = json!({"type": "REVIVE", "framework_id": {"value": "nobody"}});
    call.is(400, "Framework cannot be found");
    let stream = open_as(&addresses[0], OTHER, &info(&json!({"principal": "other"})));
    let id = stream.event()["subscribed"]["framework_id"].clone();
    let stream_id = stream.head.header("Mesos-Stream-Id").unwrap().to_owned();
    stream.close();
    wait_until(|| scene.state()["frameworks"][0]["connected"] == false);
    call.body["framework_id"] = id.clone();
    call.is(
        400,
        "Authenticated principal 'flink' does not match principal 'other'",
    );
    call.with("Authorization", OTHER);
    call.is(403, "Framework is not subscribed");
    let again = json!({"principal": "other", "id": id});
    let mut subscription = call.body.clone();
    subscription["type"] = json!("SUBSCRIBE");
    subscription["subscribe"] = json!({"framework_info": info(&again)});
    let mut headers = headers(None);
    headers.push(("Authorization".to_owned(), OTHER.to_owned()));
    let path = "/api/v1/scheduler";
    let body = subscription.to_string();
    let stream = subscribe(&addresses[0], path, &headers, &body).unwrap();
    call.is(
        400,
        "All non-subscribe calls should include the 'Mesos-Stream-Id' header",
    );
    call.with("Mesos-Stream-Id", &stream_id);
    call.is(
        400,
        "didn't match the stream ID currently associated with framework ID",
    );
    call.with(
        "Mesos-Stream-Id",
        stream.head.header("Mesos-Stream-Id").unwrap(),
    );
    assert_eq!(call.is(202, "").body, "");
}

/// Not even a call that fails in every other way: there is no 409 and no 429.
#[test]
fn behaviour_1_nobody_leads_and_a_framework_that_left() {
    let scene = Scene::pretended(1);
    let address = scene.address();
    let framework = Framework::new(&address);
    framework.stream.close();
    let call = json!({"type": "REVIVE", "framework_id": {"value": framework.id}});
    let not_subscribed = (403, "Framework is not subscribed".to_owned());
    wait_until(|| post(&address, None, &call) == not_subscribed);
    scene.elect(None);
    assert_eq!(
        post(&address, None, &call),
        (503, "No leader elected".to_owned())
    );
}

#[test]
fn behaviour_1_a_call_that_is_malformed_is_refused_with_what_is_wrong() {
    let scene = Scene::pretended(1);
    let address = scene.address();
    let task = json!({"task_id": {"value": "t"}, "name": "t", "agent_id": {"value": "a"}});
    for (part, text) in [
        (
            json!({"resources": [{"name": "cpus"}]}),
            "Missing required fields: accept.operations[0].launch.task_infos[0].resources[0].type",
        ),
        (
            json!({"resources": [{"name": "cpus", "type": "SCALER"}]}),
            "Failed to find enum for 'SCALER'",
        ),
        (
            json!({"container": {"type": "DOCKER", "docker": {}}}),
            "Missing required fields: accept.operations[0].launch.task_infos[0].container.docker.image",
        ),
        (
            json!({"command": "sleep"}),
            "Not expecting a JSON string for field 'command'",
        ),
        (
            json!({"data": "~"}),
            "Failed to base64 decode bytes field 'data': Invalid symbol 126, offset 0.",
        ),
    ] {
        let mut task = task.clone();
        task.as_object_mut()
            .unwrap()
            .extend(part.as_object().unwrap().clone());
        let call = json!({"type": "ACCEPT", "framework_id": {"value": "f"}, "accept": {
            "offer_ids": [{"value": "o"}],
            "operations": [{"type": "LAUNCH", "launch": {"task_infos": [task]}}],
        }});
        let expected = format!("Failed to convert JSON into Call protobuf: {text}");
        assert_eq!(post(&address, Some("s"), &call), (400, expected));
    }
}
