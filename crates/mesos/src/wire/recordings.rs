//! Every exchange recorded from a real master, read into typed values and written again.

use serde_json::{Value, json};

use super::*;

const RECORDINGS: [(&str, &str); 17] = [
    (
        "01-status-codes",
        include_str!("../../../../tests/data/mesos/01-status-codes.jsonl"),
    ),
    (
        "02-offers",
        include_str!("../../../../tests/data/mesos/02-offers.jsonl"),
    ),
    (
        "03-command-tasks",
        include_str!("../../../../tests/data/mesos/03-command-tasks.jsonl"),
    ),
    (
        "04-docker-tasks",
        include_str!("../../../../tests/data/mesos/04-docker-tasks.jsonl"),
    ),
    (
        "05-image-tasks",
        include_str!("../../../../tests/data/mesos/05-image-tasks.jsonl"),
    ),
    (
        "06-invalid-tasks",
        include_str!("../../../../tests/data/mesos/06-invalid-tasks.jsonl"),
    ),
    (
        "07-acknowledge-failover-reconcile",
        include_str!("../../../../tests/data/mesos/07-acknowledge-failover-reconcile.jsonl"),
    ),
    (
        "08-failover-timeout",
        include_str!("../../../../tests/data/mesos/08-failover-timeout.jsonl"),
    ),
    (
        "09-roles-reservations",
        include_str!("../../../../tests/data/mesos/09-roles-reservations.jsonl"),
    ),
    (
        "10-health-checks",
        include_str!("../../../../tests/data/mesos/10-health-checks.jsonl"),
    ),
    (
        "11-agent-loss",
        include_str!("../../../../tests/data/mesos/11-agent-loss.jsonl"),
    ),
    (
        "12-authentication",
        include_str!("../../../../tests/data/mesos/12-authentication.jsonl"),
    ),
    (
        "13-redirect",
        include_str!("../../../../tests/data/mesos/13-redirect.jsonl"),
    ),
    (
        "14-maintenance",
        include_str!("../../../../tests/data/mesos/14-maintenance.jsonl"),
    ),
    (
        "15-drain",
        include_str!("../../../../tests/data/mesos/15-drain.jsonl"),
    ),
    (
        "16-marked-gone",
        include_str!("../../../../tests/data/mesos/16-marked-gone.jsonl"),
    ),
    (
        "17-registry-lost",
        include_str!("../../../../tests/data/mesos/17-registry-lost.jsonl"),
    ),
];

fn entries() -> impl Iterator<Item = (String, Value)> {
    RECORDINGS.iter().flat_map(|(name, text)| {
        text.lines().enumerate().map(move |(number, line)| {
            let place = format!("{name}:{}", number + 1);
            (place, serde_json::from_str(line).unwrap())
        })
    })
}

/// Without empty lists, which are the same as absent ones.
fn compact(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(compact).collect(),
        Value::Object(fields) => {
            let full = fields.iter().filter(|(_, field)| **field != json!([]));
            full.map(|(key, field)| (key.clone(), compact(field)))
                .collect()
        }
        other => other.clone(),
    }
}

/// Numbers are equal if they mean the same: a master takes `60` for `60.0`.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

/// Calls that were sent to see them refused, and that cannot be written with these types.
fn is_malformed(body: &Value) -> bool {
    let kind = body.get("type").and_then(Value::as_str);
    match kind {
        None | Some("NONSENSE") => true,
        Some("ACCEPT") => body.get("accept").is_none(),
        Some("SUBSCRIBE") => {
            let info = body.pointer("/subscribe/framework_info");
            info.is_none_or(|info| info.get("user").is_none())
        }
        Some("ACKNOWLEDGE") => {
            let uuid = body.pointer("/acknowledge/uuid").cloned();
            let bytes: Base64Bytes = serde_json::from_value(uuid.unwrap()).unwrap();
            bytes.0.len() != 16
        }
        Some(_) => false,
    }
}

#[test]
fn every_recorded_event_is_read_into_typed_values_and_nothing_of_it_is_lost() {
    let mut seen = 0;
    for (place, entry) in entries() {
        let Some(recorded) = entry.get("event") else {
            continue;
        };
        let event: Event = serde_json::from_value(recorded.clone())
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        assert!(!matches!(event, Event::Other(_)), "{place}");
        let mut recorded = recorded.clone();
        if let Some(Value::Object(info)) = recorded.pointer_mut("/subscribed/master_info") {
            // These two are in `address` and `pid`, in a form that can be used.
            info.remove("ip");
            info.remove("port");
        }
        let written = serde_json::to_value(&event).unwrap();
        assert!(same(&recorded, &written), "{place}: {recorded} {written}");
        seen += 1;
    }
    assert_eq!(seen, 283);
}

#[test]
fn every_recorded_call_is_reproduced_from_typed_values() {
    let (mut seen, mut malformed) = (0, 0);
    for (place, entry) in entries() {
        let Some(body) = entry.pointer("/call/body").filter(|body| !body.is_null()) else {
            continue;
        };
        // What operators order is no call of a framework's.
        if entry.pointer("/call/path") == Some(&json!("/api/v1")) {
            continue;
        }
        if is_malformed(body) {
            malformed += 1;
            continue;
        }
        let call: Call =
            serde_json::from_value(body.clone()).unwrap_or_else(|error| panic!("{place}: {error}"));
        let written = serde_json::to_value(&call).unwrap();
        let equal = same(&compact(body), &compact(&written));
        assert!(equal, "{place}: {body} {written}");
        seen += 1;
    }
    eprintln!("{seen} calls, {malformed} malformed");
    assert!(seen > 200 && malformed < 10, "{seen} {malformed}");
}

#[test]
fn unknown_fields_enum_values_and_events_do_not_fail_a_message() {
    let update = json!({"type": "UPDATE", "later": {"x": [1]}, "update": {"status": {
        "task_id": {"value": "t", "more": 1}, "state": "TASK_HIBERNATING",
        "reason": "REASON_NEW", "source": null, "uuid": null, "labels": {"labels": null},
    }}});
    let Event::Update(update) = serde_json::from_value(update).unwrap() else {
        panic!("not an update");
    };
    assert_eq!(
        update.status.state,
        TaskState::Other("TASK_HIBERNATING".into())
    );
    assert!(!update.status.state.is_terminal());
    assert_eq!(update.status.uuid, None);
    for other in [
        json!({"type": "UPDATE_OPERATION_STATUS", "update_operation_status": {"status": {}}}),
        json!({"type": "UPDATED_WEATHER", "offers": "not even an object"}),
        json!({"offers": {}}),
        json!({}),
    ] {
        let event: Event = serde_json::from_value(other.clone()).unwrap();
        assert!(matches!(event, Event::Other(_)), "{other}");
    }
    let hollow = serde_json::from_value::<Event>(json!({"type": "UPDATE"}));
    assert!(hollow.unwrap_err().to_string().contains("without its body"));
}

#[test]
fn numbers_arrive_as_numbers_or_as_text_and_infinity_as_text() {
    for range in [
        json!({"begin": 1, "end": 2}),
        json!({"begin": "1", "end": 2.0}),
    ] {
        let range: Range = serde_json::from_value(range).unwrap();
        assert_eq!(range, Range { begin: 1, end: 2 });
    }
    for refused in [
        json!({"begin": 1.5, "end": 2}),
        json!({"begin": -1, "end": 2}),
    ] {
        serde_json::from_value::<Range>(refused).unwrap_err();
    }
    let scalar: Scalar = serde_json::from_value(json!({"value": "Infinity"})).unwrap();
    assert!(scalar.value.is_infinite());
    assert_eq!(
        serde_json::to_value(&scalar).unwrap(),
        json!({"value": "Infinity"})
    );
}

#[test]
fn an_acknowledgement_of_anything_but_sixteen_bytes_is_not_written() {
    let body = CallBody::Acknowledge(Acknowledge {
        uuid: Base64Bytes(vec![0; 15]),
        ..Acknowledge::default()
    });
    serde_json::to_string(&Call {
        framework_id: None,
        body,
    })
    .unwrap_err();
}
