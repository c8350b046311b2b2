//! A recording, put into the order of causes.

use serde_json::Value;

/// How much later than its effects a call may have been written down.
const LAG: f64 = 0.02;

/// The lines of a recording; a call stands before what it brought about.
pub(crate) fn read(name: &str) -> Vec<Value> {
    let path = format!(
        "{}/../tests/data/mesos/{name}.jsonl",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut ordered: Vec<Value> = Vec::new();
    for line in lines {
        let mut position = ordered.len();
        if line.get("reply").is_some() {
            while position > 0 && may_follow(&ordered[position - 1], &line) {
                position -= 1;
            }
        }
        ordered.insert(position, line);
    }
    ordered
}

/// Whether what was written down before a call may be its effect.
fn may_follow(before: &Value, call: &Value) -> bool {
    if before.get("note").is_some() {
        return true;
    }
    let is_effect = before.get("event").is_some() || before.get("end").is_some();
    let late = call["t"].as_f64().unwrap() - before["t"].as_f64().unwrap();
    is_effect && late <= LAG && !is_about(&call["call"]["body"], before)
}

/// Whether a call speaks of what an event brought.
fn is_about(call: &Value, before: &Value) -> bool {
    let event = &before["event"];
    let mut brought: Vec<&Value> = vec![&event["update"]["status"]["uuid"]];
    brought.push(&event["subscribed"]["framework_id"]["value"]);
    for offer in event["offers"]["offers"].as_array().into_iter().flatten() {
        brought.push(&offer["id"]["value"]);
    }
    let text = call.to_string();
    // An agent that is back is a reason to ask what it brought.
    let status = &event["update"]["status"];
    if status["reason"] == "REASON_AGENT_REREGISTERED" && text.contains("RECONCILE") {
        brought.push(&status["task_id"]["value"]);
    }
    brought
        .into_iter()
        .filter_map(Value::as_str)
        .any(|id| text.contains(id))
}
