//! What operators do: maintenance, drains, agents that are given up, quota, a registry that is lost.

use super::framework::{Framework, amount, headers};
use super::scene::{Scene, options};
use crate::support::{Item, request};
use mesos_double::{AgentOptions, Executors, Options};
use serde_json::{Value, json};
use std::time::Duration;

const AWARE: &str = r#"{"capabilities": [{"type": "PARTITION_AWARE"}]}"#;

fn aware(scene: &Scene) -> Framework {
    Framework::with(&scene.address(), &serde_json::from_str(AWARE).unwrap())
}

/// A call of an operator; status and body of the answer.
fn operate(scene: &Scene, kind: &str, message: &Value) -> (u16, String) {
    let mut call = json!({ "type": kind });
    if !message.is_null() {
        call[kind.to_lowercase()] = message.clone();
    }
    let call = call.to_string();
    let reply = request(
        &scene.address(),
        "POST",
        "/api/v1",
        &headers(None),
        Some(&call),
    );
    (reply.head.status, reply.body)
}

#[track_caller]
fn done(scene: &Scene, kind: &str, message: &Value) {
    assert_eq!(
        operate(scene, kind, message),
        (200, String::new()),
        "{kind}"
    );
}

fn kinds(events: &[Value]) -> Vec<&str> {
    let kinds = events.iter().map(|event| event["type"].as_str().unwrap());
    kinds.collect()
}

fn at_hand(framework: &Framework) -> Vec<Value> {
    framework.stream.at_hand(Duration::from_millis(50))
}

fn machine() -> Value {
    json!({"hostname": "127.0.0.1", "ip": "127.0.0.1"})
}

fn window(seconds: u64) -> Value {
    let start = json!({"nanoseconds": seconds * 1_000_000_000});
    json!({"schedule": {"windows": [
        {"machine_ids": [machine()], "unavailability": {"start": start}},
    ]}})
}

#[test]
fn an_agent_without_tasks_is_offered_anew_with_its_unavailability_and_the_offer_is_asked_back() {
    let scene = Scene::pretended(1);
    let framework = aware(&scene);
    assert!(framework.offer().get("unavailability").is_none());
    done(
        &scene,
        "UPDATE_MAINTENANCE_SCHEDULE",
        &window(2_000_000_000),
    );
    let events = at_hand(&framework);
    assert_eq!(kinds(&events), ["RESCIND", "OFFERS", "INVERSE_OFFERS"]);
    let offered = &events[1]["offers"]["offers"][0]["unavailability"];
    assert_eq!(
        offered["start"]["nanoseconds"],
        2_000_000_000_000_000_000_u64
    );
    // A schedule without the machine takes all of that back.
    done(
        &scene,
        "UPDATE_MAINTENANCE_SCHEDULE",
        &json!({"schedule": {}}),
    );
    let events = at_hand(&framework);
    assert_eq!(
        kinds(&events),
        ["RESCIND", "RESCIND_INVERSE_OFFER", "OFFERS"]
    );
    let offer = &events[2]["offers"]["offers"][0];
    assert!(offer.get("unavailability").is_none());
}

#[test]
fn only_scheduled_machines_go_down_and_only_those_that_are_down_come_up() {
    let scene = Scene::pretended(1);
    let machines = json!({"machines": [machine()]});
    let refused = |kind: &str, message: &Value, words: &str| {
        let (status, body) = operate(&scene, kind, message);
        assert!(
            status == 400 && body.contains(words),
            "{kind}: {status} {body}"
        );
    };
    refused(
        "START_MAINTENANCE",
        &machines,
        "not part of a maintenance schedule",
    );
    refused(
        "START_MAINTENANCE",
        &json!({"machines": []}),
        "List of machines is empty",
    );
    let twice = json!({"machines": [machine(), machine()]});
    refused("START_MAINTENANCE", &twice, "more than once");
    done(
        &scene,
        "UPDATE_MAINTENANCE_SCHEDULE",
        &window(2_000_000_000),
    );
    refused("STOP_MAINTENANCE", &machines, "not in DOWN mode");
    done(&scene, "START_MAINTENANCE", &machines);
    refused("START_MAINTENANCE", &machines, "not in DRAINING mode");
    let empty = json!({"schedule": {}});
    refused("UPDATE_MAINTENANCE_SCHEDULE", &empty, "cannot be removed");
    // An agent of a machine that is down is sent away; when that is up again, it is a new one.
    scene.return_agent(0);
    let framework = aware(&scene);
    scene.pass(5.0);
    assert_eq!(at_hand(&framework), Vec::<Value>::new());
    done(&scene, "STOP_MAINTENANCE", &machines);
    scene.return_agent(0);
    let offer = framework.offer();
    assert!(
        offer["agent_id"]["value"]
            .as_str()
            .unwrap()
            .ends_with("-S1"),
        "{offer}"
    );
}

#[test]
fn a_drained_agent_gets_no_offers_until_it_is_reactivated_and_a_failover_does_not_forget_it() {
    let scene = Scene::pretended(1);
    let framework = aware(&scene);
    let offer = framework.offer();
    framework.run(&offer, "t");
    scene.pass(2.0);
    framework.offer();
    let agent = json!({"agent_id": offer["agent_id"]});
    done(&scene, "DRAIN_AGENT", &agent);
    assert_eq!(framework.stream.event()["type"], "RESCIND");
    // Not drained before its last task is acknowledged.
    let killed = framework.status();
    assert_eq!(killed["state"], "TASK_KILLED");
    assert_eq!(killed["reason"], "REASON_AGENT_DRAINING");
    let (status, body) = operate(&scene, "REACTIVATE_AGENT", &agent);
    assert!(status == 400 && body.contains("DRAINING"), "{body}");
    framework.acknowledge(&killed);
    scene.elect(Some(0));
    scene.pass(2.0);
    let framework = framework.again(&serde_json::from_str(AWARE).unwrap());
    scene.pass(5.0);
    assert_eq!(at_hand(&framework), Vec::<Value>::new());
    done(&scene, "REACTIVATE_AGENT", &agent);
    scene.pass(1.0);
    assert_eq!(framework.offer()["agent_id"], offer["agent_id"]);
}

#[test]
fn a_deactivated_agent_keeps_its_tasks() {
    let scene = Scene::pretended(1);
    let framework = aware(&scene);
    let offer = framework.offer();
    framework.run(&offer, "t");
    let agent = json!({"agent_id": offer["agent_id"]});
    done(&scene, "DEACTIVATE_AGENT", &agent);
    scene.pass(5.0);
    assert_eq!(at_hand(&framework), Vec::<Value>::new());
    framework.tell("RECONCILE", &json!({"tasks": []}));
    assert_eq!(framework.status()["state"], "TASK_RUNNING");
    done(&scene, "REACTIVATE_AGENT", &agent);
    scene.pass(1.0);
    framework.offer();
}

#[test]
fn an_unreachable_agent_that_was_marked_gone_is_sent_away_when_it_returns() {
    let scene = Scene::pretended(1);
    let framework = aware(&scene);
    let offer = framework.offer();
    framework.run(&offer, "t");
    scene.lose_agent(0);
    assert_eq!(framework.status()["state"], "TASK_UNREACHABLE");
    let agent = json!({"agent_id": offer["agent_id"]});
    done(&scene, "MARK_AGENT_GONE", &agent);
    assert_eq!(framework.status()["state"], "TASK_GONE_BY_OPERATOR");
    assert_eq!(operate(&scene, "MARK_AGENT_GONE", &agent).0, 400);
    scene.return_agent(0);
    scene.return_agent(0);
    let new = framework.offer();
    assert_ne!(new["agent_id"], offer["agent_id"]);
}

#[test]
fn a_preempted_task_is_gone() {
    let scene = Scene::pretended(1);
    let framework = aware(&scene);
    let offer = framework.offer();
    framework.run(&offer, "t");
    assert!(scene.preempt_task("t") && !scene.preempt_task("other"));
    let gone = framework.expect("TASK_GONE");
    assert_eq!(gone["reason"], "REASON_CONTAINER_PREEMPTED");
    assert_eq!(gone["source"], "SOURCE_AGENT");
}

#[test]
fn a_limit_makes_offers_smaller_and_ends_nothing() {
    let scene = Scene::pretended(1);
    let more = json!({"roles": ["flink"], "capabilities": [{"type": "MULTI_ROLE"}]});
    let framework = Framework::with(&scene.address(), &more);
    let offer = framework.offer();
    assert!((amount(&offer, "cpus") - 4.0).abs() < 1e-9);
    framework.run(&offer, "t");
    let quota = |cpus: f64, force: bool| {
        json!({"force": force, "quota_configs": [
            {"role": "flink", "limits": {"cpus": {"value": cpus}}},
        ]})
    };
    let (status, body) = operate(&scene, "UPDATE_QUOTA", &quota(0.2, false));
    assert!(
        status == 400 && body.contains("already consuming"),
        "{body}"
    );
    done(&scene, "UPDATE_QUOTA", &quota(1.5, false));
    scene.pass(2.0);
    let offer = framework.offer();
    assert!((amount(&offer, "cpus") - 1.0).abs() < 1e-9, "{offer}");
    done(&scene, "UPDATE_QUOTA", &quota(0.2, true));
    assert_eq!(framework.stream.event()["type"], "RESCIND");
    framework.tell("RECONCILE", &json!({"tasks": []}));
    assert_eq!(framework.status()["state"], "TASK_RUNNING");
}

#[test]
fn a_reservation_changes_what_is_offered_to_whom_and_ends_nothing() {
    let scene = Scene::pretended(1);
    let more = json!({"roles": ["flink"], "capabilities": [
        {"type": "MULTI_ROLE"}, {"type": "RESERVATION_REFINEMENT"},
    ]});
    let framework = Framework::with(&scene.address(), &more);
    let offer = framework.offer();
    framework.run(&offer, "t");
    let cpus = |role: &str, cpus: f64| {
        json!({"agent_id": offer["agent_id"], "resources": [{
            "name": "cpus", "type": "SCALAR", "scalar": {"value": cpus},
            "reservations": [{"type": "DYNAMIC", "role": role}],
        }]})
    };
    scene.pass(2.0);
    let before = amount(&framework.offer(), "cpus");
    let reserved = operate(&scene, "RESERVE_RESOURCES", &cpus("other", 1.0));
    assert_eq!(reserved, (202, String::new()));
    assert_eq!(framework.stream.event()["type"], "RESCIND");
    scene.pass(2.0);
    let after = amount(&framework.offer(), "cpus");
    assert!((before - after - 1.0).abs() < 1e-9, "{before} {after}");
    let (status, _) = operate(&scene, "RESERVE_RESOURCES", &cpus("other", 4.0));
    assert_eq!(status, 409, "a task has some of them");
    let freed = operate(&scene, "UNRESERVE_RESOURCES", &cpus("other", 1.0));
    assert_eq!(freed, (202, String::new()));
    assert_eq!(framework.stream.event()["type"], "RESCIND");
    scene.pass(2.0);
    assert!((amount(&framework.offer(), "cpus") - before).abs() < 1e-9);
    let own = operate(&scene, "RESERVE_RESOURCES", &cpus("flink", 1.0));
    assert_eq!(own.0, 202);
    framework.stream.event();
    scene.pass(2.0);
    let offer = framework.offer();
    assert!((amount(&offer, "cpus") - before).abs() < 1e-9);
    assert!(offer.to_string().contains("DYNAMIC"), "{offer}");
    framework.tell("RECONCILE", &json!({"tasks": []}));
    assert_eq!(framework.status()["state"], "TASK_RUNNING");
    for message in [
        json!({"agent_id": {"value": "nobody"}, "resources": cpus("flink", 1.0)["resources"]}),
        json!({"agent_id": offer["agent_id"], "resources": []}),
    ] {
        assert_eq!(operate(&scene, "RESERVE_RESOURCES", &message).0, 400);
    }
}

#[test]
fn a_master_without_registry_knows_no_agent_until_it_is_back_and_then_says_so() {
    let scene = Scene::pretended(2);
    let framework = aware(&scene);
    let offers = framework.offers();
    framework.run(&offers[0], "t");
    scene.cut_agent(0);
    scene.lose_registry();
    let framework = framework.again(&serde_json::from_str(AWARE).unwrap());
    let asked = json!({"tasks": [{"task_id": {"value": "t"}, "agent_id": offers[0]["agent_id"]}]});
    framework.tell("RECONCILE", &asked);
    assert_eq!(framework.status()["state"], "TASK_UNKNOWN");
    framework.tell("RECONCILE", &json!({"tasks": []}));
    scene.pass(2.0);
    assert!(
        kinds(&at_hand(&framework))
            .iter()
            .all(|kind| *kind == "OFFERS")
    );
    scene.return_agent(0);
    let back = framework.status();
    assert_eq!(back["state"], "TASK_RUNNING");
    assert_eq!(back["message"], "Unknown agent reregistered");
}

#[test]
fn offers_may_come_before_the_first_heartbeat() {
    let scene = Scene::pretended(1);
    scene.set_faults(|faults| faults.offers_before_heartbeat = true);
    let stream = super::framework::open(&scene.address(), &super::framework::info(&json!({})));
    let mut first = Vec::new();
    while first.len() < 3 {
        let Item::Event(event) = stream.next_of_all() else {
            panic!("the stream ended: {first:?}");
        };
        first.push(event["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(first, ["SUBSCRIBED", "OFFERS", "HEARTBEAT"]);
}

#[test]
fn what_operators_may_not_do_is_refused() {
    let scene = Scene::with(Options {
        agents: vec![AgentOptions {
            executors: Executors::Pretended,
            ..AgentOptions::default()
        }],
        credentials: [("op".to_owned(), "s".to_owned())].into(),
        ..options(1)
    });
    assert_eq!(
        operate(&scene, "GET_MAINTENANCE_STATUS", &Value::Null).0,
        401
    );
    let scene = Scene::pretended(1);
    let unknown = json!({"agent_id": {"value": "nobody"}});
    for kind in [
        "DRAIN_AGENT",
        "DEACTIVATE_AGENT",
        "REACTIVATE_AGENT",
        "MARK_AGENT_GONE",
    ] {
        assert_eq!(operate(&scene, kind, &unknown).0, 400, "{kind}");
        assert_eq!(operate(&scene, kind, &Value::Null).0, 400, "{kind}");
    }
}
