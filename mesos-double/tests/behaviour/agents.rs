//! Agents: silent, lost, back.

use super::framework::{Framework, task};
use super::scene::Scene;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn behaviour_16_a_lost_agent_is_told_of_once_and_its_tasks_come_back() {
    for (capabilities, state) in [
        (json!([]), "TASK_LOST"),
        (json!([{"type": "PARTITION_AWARE"}]), "TASK_UNREACHABLE"),
    ] {
        let scene = Scene::pretended(1);
        scene.set_faults(|faults| faults.shuffle_agent_loss = true);
        let framework = Framework::with(&scene.address(), &json!({"capabilities": capabilities}));
        let offer = framework.offer();
        framework.run(&offer, "t");
        scene.pass(2.0);
        framework.offer();
        scene.cut_agent(0);
        scene.pass(74.0);
        let before = framework.stream.at_hand(Duration::from_millis(50));
        assert_eq!(before, Vec::<Value>::new());
        scene.pass(1.0);
        let events = framework.stream.at_hand(Duration::from_millis(100));
        let kinds: BTreeSet<&str> = events
            .iter()
            .map(|event| event["type"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, BTreeSet::from(["FAILURE", "RESCIND", "UPDATE"]));
        assert_eq!(events.len(), 3);
        let update = events.iter().find(|event| event["type"] == "UPDATE");
        let status = &update.unwrap()["update"]["status"];
        assert_eq!(status["state"], state);
        assert_eq!(status["reason"], "REASON_AGENT_REMOVED");
        assert!(status["unreachable_time"]["nanoseconds"].is_u64());
        // Not in an implicit reconciliation; in an explicit one with the agent's id.
        framework.tell("RECONCILE", &json!({"tasks": []}));
        framework.tell(
            "RECONCILE",
            &json!({"tasks": [{"task_id": {"value": "t"}, "agent_id": offer["agent_id"]}]}),
        );
        let answer = framework.status();
        assert_eq!(answer["state"], state);
        assert_eq!(answer["message"], "Reconciliation: Task is unreachable");
        scene.return_agent(0);
        let back = framework.status();
        assert_eq!(back["state"], "TASK_RUNNING");
        assert_eq!(back["reason"], "REASON_AGENT_REREGISTERED");
        assert!(back.get("uuid").is_none());
    }
}

#[test]
fn an_agent_that_comes_back_in_time_was_never_away() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    framework.run(&offer, "t");
    scene.cut_agent(0);
    // What happens meanwhile is told when the agent can be heard again.
    scene.end_task("t", 1);
    scene.pass(30.0);
    assert!(
        framework
            .stream
            .at_hand(Duration::from_millis(50))
            .iter()
            .all(|event| event["type"] == "OFFERS")
    );
    scene.return_agent(0);
    framework.expect("TASK_FAILED");
    scene.pass(100.0);
    let later = framework.stream.at_hand(Duration::from_millis(50));
    assert!(
        later.iter().all(|event| event["type"] == "OFFERS"),
        "{later:?}"
    );
}

#[test]
fn a_launch_that_never_reached_its_agent_is_dropped_when_that_is_back() {
    let scene = Scene::pretended(1);
    let framework = Framework::with(
        &scene.address(),
        &json!({"capabilities": [{"type": "PARTITION_AWARE"}]}),
    );
    let offer = framework.offer();
    scene.cut_agent(0);
    framework.accept(&[&offer], &[task(&offer, "t")], 600.0);
    scene.pass(10.0);
    scene.return_agent(0);
    let dropped = framework.expect("TASK_DROPPED");
    assert_eq!(dropped["reason"], "REASON_RECONCILIATION");
}

#[test]
fn a_kill_that_an_agent_could_not_hear_is_repeated_when_it_is_back() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    framework.run(&offer, "t");
    scene.cut_agent(0);
    framework.tell("KILL", &json!({"task_id": {"value": "t"}}));
    scene.pass(10.0);
    scene.return_agent(0);
    framework.expect("TASK_KILLED");
}

#[test]
fn a_crashed_machine_comes_back_as_another_agent() {
    let scene = Scene::pretended(1);
    let framework = Framework::with(
        &scene.address(),
        &json!({"capabilities": [{"type": "PARTITION_AWARE"}]}),
    );
    let offer = framework.offer();
    framework.run(&offer, "t");
    scene.crash_agent(0);
    scene.return_agent(0);
    let lost = framework.status();
    assert_eq!(lost["state"], "TASK_LOST");
    assert_eq!(lost["reason"], "REASON_AGENT_REMOVED");
    let new = framework.offer();
    assert_ne!(new["agent_id"], offer["agent_id"]);
    framework.run(&new, "t2");
}

/// `Master::_registerSlave` and `Master::_removeSlave` of Mesos 1.12: not from a recording.
#[test]
fn an_agent_that_starts_without_its_own_past_is_another_and_leaves_its_tasks_to_nobody() {
    let scene = Scene::pretended(1);
    let framework = Framework::with(
        &scene.address(),
        &json!({"capabilities": [{"type": "PARTITION_AWARE"}]}),
    );
    let offer = framework.offer();
    framework.run(&offer, "t");
    scene.replace_agent(0);
    let lost = framework.status();
    assert_eq!(lost["state"], "TASK_LOST");
    assert!(
        lost["message"]
            .as_str()
            .unwrap()
            .ends_with("removed: a new agent registered at the same address")
    );
    // All that it has is offered, though the old task goes on.
    let new = framework.offer();
    assert_ne!(new["agent_id"], offer["agent_id"]);
    assert_eq!(new["resources"], offer["resources"]);
    framework.tell(
        "KILL",
        &json!({"task_id": {"value": "t"}, "agent_id": offer["agent_id"]}),
    );
    framework.expect("TASK_UNKNOWN");
}
