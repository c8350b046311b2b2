//! Offers: who has them, when they come back, what makes them void.

use super::framework::{Framework, amount, scalar, task};
use super::scene::Scene;
use serde_json::{Value, json};
use std::time::Duration;

/// Nothing comes within so many (virtual) seconds.
fn nothing_for(scene: &Scene, framework: &Framework, seconds: f64) {
    scene.pass(seconds);
    let came = framework.stream.at_hand(Duration::from_millis(50));
    assert_eq!(came, Vec::<Value>::new());
}

#[test]
fn behaviour_7_one_stale_offer_kills_every_launch_and_frees_the_other_offers() {
    let scene = Scene::pretended(2);
    for (capabilities, state) in [
        (json!([]), "TASK_LOST"),
        (json!([{"type": "PARTITION_AWARE"}]), "TASK_DROPPED"),
    ] {
        let framework = Framework::with(&scene.address(), &json!({"capabilities": capabilities}));
        let offers = framework.offers();
        scene.spoil_offers();
        scene.pass(1.0);
        let fresh = framework.offers();
        framework.accept(
            &[&offers[0], &fresh[0]],
            &[task(&fresh[0], "a"), task(&fresh[0], "b")],
            600.0,
        );
        for id in ["a", "b"] {
            let status = framework.status();
            assert_eq!(status["task_id"]["value"], id);
            assert_eq!(status["state"], state);
            assert_eq!(status["source"], "SOURCE_MASTER");
            assert_eq!(status["reason"], "REASON_INVALID_OFFERS");
            assert!(status.get("uuid").is_none());
        }
        // Unfiltered, whatever the call asked for.
        scene.pass(1.0);
        assert_eq!(framework.offer()["agent_id"], fresh[0]["agent_id"]);
        framework.tell("TEARDOWN", &Value::Null);
    }
}

#[test]
fn behaviour_7_what_else_makes_an_acceptance_invalid() {
    let scene = Scene::pretended(2);
    let framework = Framework::new(&scene.address());
    for (pick, text) in [
        (vec![], "No offers specified"),
        (vec![0, 0], "Duplicate offer "),
        (
            vec![0, 1],
            "Aggregated offers must belong to one single agent",
        ),
    ] {
        let offers = framework.offers();
        let picked: Vec<&Value> = pick.iter().map(|position| &offers[*position]).collect();
        framework.accept(&picked, &[task(&offers[0], "t")], 1.0);
        let message = framework.status()["message"].as_str().unwrap().to_owned();
        let start = format!("Task launched with invalid offers: {text}");
        assert!(message.starts_with(&start), "{message}");
        framework.tell("REVIVE", &Value::Null);
        for offer in &offers {
            framework.decline(offer, json!({"refuse_seconds": 0}));
        }
        framework.stream.at_hand(Duration::from_millis(50));
        scene.rescind_offers();
        framework.stream.at_hand(Duration::from_millis(50));
        scene.pass(1.0);
    }
}

#[test]
fn behaviour_7_unknown_offers_are_declined_in_silence() {
    let scene = Scene::pretended(0);
    let framework = Framework::new(&scene.address());
    framework.decline(&json!({"id": {"value": "nobody-O7"}}), Value::Null);
    nothing_for(&scene, &framework, 1.0);
}

#[test]
fn behaviour_8_offers_are_exclusive() {
    let scene = Scene::pretended(1);
    let first = Framework::new(&scene.address());
    first.offer();
    let second = Framework::new(&scene.address());
    nothing_for(&scene, &second, 30.0);
}

#[test]
fn behaviour_8_leftovers_come_back_after_the_filter_and_on_a_tick() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    // No filters at all are five seconds.
    framework.tell(
        "ACCEPT",
        &json!({
            "offer_ids": [offer["id"]],
            "operations": [{"type": "LAUNCH", "launch": {"task_infos": [task(&offer, "t")]}}],
        }),
    );
    framework.expect("TASK_STARTING");
    framework.expect("TASK_RUNNING");
    nothing_for(&scene, &framework, 4.9);
    scene.pass(1.1);
    let rest = framework.offer();
    assert!((amount(&rest, "cpus") - 3.5).abs() < 1e-9);
    // A refusal of no time: on the next tick.
    framework.decline(&rest, json!({"refuse_seconds": 0}));
    scene.pass(1.0);
    framework.offer();
}

#[test]
fn behaviour_8_more_than_was_refused_passes_the_filter() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    framework.run(&offer, "t");
    scene.pass(2.0);
    let rest = framework.offer();
    framework.decline(&rest, json!({"refuse_seconds": 600}));
    nothing_for(&scene, &framework, 30.0);
    scene.end_task("t", 0);
    framework.expect("TASK_FINISHED");
    scene.pass(1.0);
    assert!((amount(&framework.offer(), "cpus") - 4.0).abs() < 1e-9);
}

#[test]
fn behaviour_8_suppress_takes_nothing_back_and_revive_clears_filters() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    framework.tell("SUPPRESS", &Value::Null);
    // Still good.
    framework.run(&offer, "t");
    nothing_for(&scene, &framework, 60.0);
    framework.tell("REVIVE", &Value::Null);
    let rest = framework.offer();
    framework.decline(&rest, json!({"refuse_seconds": 600}));
    nothing_for(&scene, &framework, 30.0);
    framework.tell("REVIVE", &Value::Null);
    framework.offer();
}

#[test]
fn behaviour_9_leftovers_are_new_offers_with_coalesced_ports_and_three_decimals() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    let mut one = task(&offer, "t");
    one["resources"] = json!([
        scalar("cpus", 0.1),
        scalar("mem", 32.0),
        {"name": "ports", "type": "RANGES", "ranges": {"range": [
            {"begin": 31100, "end": 31100}, {"begin": 31000, "end": 31001}, {"begin": 31002, "end": 31002},
        ]}},
    ]);
    framework.accept(&[&offer], &[one], 1.0);
    framework.expect("TASK_STARTING");
    scene.pass(2.0);
    let rest = framework.offer();
    assert_ne!(rest["id"], offer["id"]);
    assert_eq!(
        rest["resources"][0]["ranges"],
        json!({"range": [{"begin": 31003, "end": 31099}, {"begin": 31101, "end": 31500}]})
    );
    assert_eq!(rest["resources"][1]["scalar"]["value"], 3.9);
}

#[test]
fn behaviour_24_one_role_that_is_not_the_frameworks_drops_the_call() {
    let scene = Scene::pretended(1);
    let framework = Framework::with(
        &scene.address(),
        &json!({"roles": ["a", "b"], "capabilities": [{"type": "MULTI_ROLE"}]}),
    );
    let offer = framework.offer();
    framework.decline(&offer, json!({"refuse_seconds": 600}));
    // Refused for one role, it is offered to the other.
    scene.pass(1.0);
    let offer = framework.offer();
    framework.decline(&offer, json!({"refuse_seconds": 600}));
    for roles in [json!(["a", "c"]), json!(["a", "-"])] {
        framework.tell("REVIVE", &json!({ "roles": roles }));
        nothing_for(&scene, &framework, 5.0);
    }
    framework.tell("REVIVE", &json!({"roles": ["a"]}));
    assert_eq!(framework.offer()["allocation_info"]["role"], "a");
}

#[test]
fn offers_are_taken_back_when_their_time_is_over() {
    let options = mesos_double::Options {
        offer_timeout: Some(Duration::from_secs(10)),
        ..super::scene::options(1)
    };
    let scene = Scene::with(options);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    scene.pass(10.0);
    let rescind = framework.stream.event_of("RESCIND");
    assert_eq!(rescind["rescind"]["offer_id"], offer["id"]);
    scene.pass(1.0);
    framework.offer();
}

#[test]
fn gpus_are_offered_to_those_who_ask_for_them() {
    let mut options = super::scene::options(1);
    options.agents[0].resources = "cpus:4;mem:1024;gpus:2".to_owned();
    let scene = Scene::with(options);
    let plain = Framework::new(&scene.address());
    nothing_for(&scene, &plain, 5.0);
    let capable = Framework::with(
        &scene.address(),
        &json!({"capabilities": [{"type": "GPU_RESOURCES"}]}),
    );
    assert!((amount(&capable.offer(), "gpus") - 2.0).abs() < 1e-9);
}

#[test]
fn two_frameworks_share_agents_by_their_dominant_share() {
    let scene = Scene::pretended(2);
    let first = Framework::new(&scene.address());
    for offer in first.offers() {
        first.decline(&offer, json!({"refuse_seconds": 0}));
    }
    let second = Framework::new(&scene.address());
    second.stream.at_hand(Duration::from_millis(50));
    scene.rescind_offers();
    scene.pass(1.0);
    first.stream.event_of("OFFERS");
    second.stream.event_of("OFFERS");
}

#[test]
fn stale_offers_are_void_before_they_arrive() {
    let scene = Scene::pretended(1);
    scene.set_faults(|faults| faults.stale_offers = 100);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    framework.accept(&[&offer], &[task(&offer, "t")], 1.0);
    assert_eq!(framework.status()["reason"], "REASON_INVALID_OFFERS");
}
