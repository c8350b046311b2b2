//! Masters: followers, failover, removal of frameworks.

use super::framework::{Framework, RawStream, headers, info, open, task};
use super::scene::{Scene, options, wait_until};
use crate::support::{Item, request};
use mesos_double::Options;
use serde_json::{Value, json};
use std::time::Duration;

fn two_masters(agents: usize) -> Scene {
    Scene::with(Options {
        ports: vec![0, 0],
        ..options(agents)
    })
}

/// A framework whose task runs when another master begins to lead: what it was, and the offer that
/// the task was launched with.
fn deposed(scene: &Scene) -> (Framework, Value) {
    let framework = Framework::new(&scene.addresses()[0]);
    let offer = framework.offers().remove(0);
    framework.run(&offer, "t");
    scene.elect(Some(1));
    assert_eq!(framework.stream.next(), Item::End);
    (framework, offer)
}

/// The same framework at the second master.
fn moved(scene: &Scene, framework: &Framework) -> Framework {
    let id = json!({"id": {"value": framework.id}});
    Framework::with(&scene.addresses()[1], &id)
}

#[test]
fn behaviour_18_followers_redirect_with_or_without_a_scheme() {
    let scene = two_masters(0);
    let addresses = scene.addresses();
    for (absolute, scheme) in [(false, ""), (true, "http:")] {
        scene.set_faults(|faults| faults.absolute_locations = absolute);
        for (method, path, to) in [
            ("POST", "/api/v1/scheduler", "/master/api/v1/scheduler"),
            (
                "POST",
                "/master/api/v1/scheduler",
                "/master/api/v1/scheduler",
            ),
            ("GET", "/redirect", ""),
            ("GET", "/state", "/master/state"),
        ] {
            let reply = request(&addresses[1], method, path, &headers(None), Some("{}"));
            assert_eq!(reply.head.status, 307, "{path}");
            let expected = format!("{scheme}//{}{to}", addresses[0]);
            assert_eq!(reply.head.header("Location"), Some(expected.as_str()));
        }
    }
    scene.elect(None);
    let reply = request(&addresses[1], "GET", "/redirect", &[], None);
    assert_eq!(reply.head.status, 503);
}

#[test]
fn behaviour_19_a_framework_that_does_not_return_is_removed_without_a_word() {
    let scene = Scene::pretended(1);
    let framework = Framework::with(&scene.address(), &json!({"failover_timeout": 60.0}));
    let offer = framework.offer();
    framework.run(&offer, "t");
    scene.cut_connections();
    assert!(framework.ends());
    wait_until(|| scene.state()["frameworks"][0]["connected"] == false);
    scene.pass(59.0);
    assert_eq!(
        scene.state()["frameworks"][0]["tasks"][0]["state"],
        "TASK_RUNNING"
    );
    scene.pass(1.0);
    assert_eq!(scene.state()["frameworks"], json!([]));
    let back = open(
        &scene.address(),
        &info(&json!({"id": {"value": framework.id}})),
    );
    assert_eq!(
        back.event()["error"]["message"],
        "Framework has been removed"
    );
    // Its resources are whole again.
    let other = Framework::new(&scene.address());
    assert_eq!(other.offer()["resources"][1]["scalar"]["value"], 4.0);
}

/// The framework is away while its task ends.
fn finish_unseen(scene: &Scene, framework: &Framework) {
    framework.stream.close();
    wait_until(|| scene.state()["frameworks"][0]["connected"] == false);
    scene.end_task("t", 0);
    wait_until(|| scene.state()["frameworks"][0]["tasks"][0]["state"] == "TASK_FINISHED");
}

#[test]
fn a_framework_that_returns_in_time_keeps_its_tasks_and_sees_what_it_missed() {
    let scene = Scene::pretended(1);
    let framework = Framework::with(&scene.address(), &json!({"failover_timeout": 60.0}));
    let offer = framework.offer();
    framework.run(&offer, "t");
    finish_unseen(&scene, &framework);
    scene.pass(30.0);
    let framework = framework.again(&json!({}));
    framework.expect("TASK_FINISHED");
    scene.pass(120.0);
    assert_eq!(scene.state()["frameworks"][0]["connected"], true);
}

#[test]
fn behaviour_29_offers_come_before_or_after_what_was_missed() {
    for offers_first in [false, true] {
        let scene = Scene::pretended(1);
        scene.set_faults(|faults| faults.offers_before_updates = offers_first);
        let framework = Framework::new(&scene.address());
        let offer = framework.offer();
        framework.run(&offer, "t");
        finish_unseen(&scene, &framework);
        scene.pass(2.0);
        let framework = framework.again(&json!({}));
        let kinds = [(); 2].map(|()| framework.stream.event()["type"].clone());
        let expected = if offers_first {
            ["OFFERS", "UPDATE"]
        } else {
            ["UPDATE", "OFFERS"]
        };
        assert_eq!(kinds, expected);
    }
}

#[test]
fn behaviour_15_a_new_master_is_silent_about_agents_that_are_not_back_yet() {
    let scene = two_masters(1);
    let (framework, offer) = deposed(&scene);
    let framework = moved(&scene, &framework);
    for asked in [
        json!({"task_id": {"value": "t"}, "agent_id": offer["agent_id"]}),
        json!({"task_id": {"value": "t"}}),
    ] {
        framework.tell("RECONCILE", &json!({"tasks": [asked]}));
    }
    let silence = framework.stream.at_hand(Duration::from_millis(50));
    assert_eq!(silence, Vec::<Value>::new());
    scene.pass(1.0);
    framework.offer();
    framework.tell("RECONCILE", &json!({"tasks": []}));
    assert_eq!(framework.status()["state"], "TASK_RUNNING");
}

#[test]
fn a_framework_that_agents_brought_back_is_known_and_not_subscribed() {
    let scene = two_masters(1);
    let (framework, _) = deposed(&scene);
    let call = json!({"type": "REVIVE", "framework_id": {"value": framework.id}}).to_string();
    let ask = || {
        let headers = headers(Some(&framework.stream_id));
        request(
            &scene.addresses()[1],
            "POST",
            "/api/v1/scheduler",
            &headers,
            Some(&call),
        )
    };
    assert_eq!(ask().head.status, 400, "nobody knows it yet");
    scene.pass(1.0);
    assert_eq!(ask().head.status, 403, "an agent spoke of it");
    assert_eq!(scene.state()["frameworks"][0]["recovered"], true);
}

#[test]
fn offers_of_a_master_that_went_are_void_at_the_next_one() {
    let scene = two_masters(1);
    let framework = Framework::new(&scene.addresses()[0]);
    let offer = framework.offer();
    scene.elect(Some(1));
    scene.pass(1.0);
    let framework = moved(&scene, &framework);
    framework.accept(&[&offer], &[task(&offer, "t")], 1.0);
    assert_eq!(framework.status()["reason"], "REASON_INVALID_OFFERS");
}

#[test]
fn a_master_that_stops_refuses_connections_until_it_starts_again() {
    let scene = Scene::pretended(1);
    let address = scene.address();
    let framework = Framework::new(&address);
    let offer = framework.offer();
    framework.run(&offer, "t");
    scene.stop_master(0);
    assert!(framework.ends());
    wait_until(|| std::net::TcpStream::connect(&address).is_err());
    scene.start_master(0);
    scene.elect(Some(0));
    scene.pass(1.0);
    let framework = framework.again(&json!({}));
    framework.tell("RECONCILE", &json!({"tasks": []}));
    assert_eq!(framework.status()["state"], "TASK_RUNNING");
}

#[test]
fn agents_that_stay_away_from_a_new_master_are_unreachable_in_the_end() {
    let scene = two_masters(2);
    let framework = Framework::new(&scene.addresses()[0]);
    let offers = framework.offers();
    let agent = offers[0]["agent_id"].clone();
    framework.run(&offers[0], "t");
    scene.cut_agent(usize::from(
        agent["value"].as_str().unwrap().ends_with("S1"),
    ));
    scene.elect(Some(1));
    let framework = moved(&scene, &framework);
    scene.pass(599.0);
    let asked = json!({"tasks": [{"task_id": {"value": "t"}, "agent_id": agent}]});
    framework.tell("RECONCILE", &asked);
    let silence = framework.stream.at_hand(Duration::from_millis(50));
    // One of two agents is not enough for the allocator.
    assert_eq!(silence, Vec::<Value>::new());
    scene.pass(2.0);
    framework.tell("RECONCILE", &asked);
    assert_eq!(
        framework.status()["message"],
        "Reconciliation: Task is unreachable"
    );
}

#[test]
fn calls_can_be_made_to_meet_a_master_that_is_not_ready() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    scene.set_faults(|faults| faults.refused_calls = 100);
    assert_eq!(framework.call("REVIVE", &Value::Null).head.status, 503);
    scene.set_faults(|faults| faults.refused_calls = 0);
    assert_eq!(framework.call("REVIVE", &Value::Null).head.status, 202);
}

#[test]
fn behaviour_30_older_masters_say_less_and_escape_more() {
    for (version, has_info, starts, gone) in [
        ("1.0.4", false, false, "TASK_UNKNOWN"),
        ("1.4.3", true, false, "TASK_UNKNOWN"),
        ("1.5.0", true, true, "TASK_GONE"),
    ] {
        let scene = || {
            Scene::with(Options {
                version: version.to_owned(),
                ..options(1)
            })
        };
        let more = json!({"capabilities": [{"type": "PARTITION_AWARE"}]});
        // A master of its own: this framework would be offered what the next one waits for.
        let first = open(&scene().address(), &info(&more)).event();
        let subscribed = &first["subscribed"];
        assert_eq!(
            subscribed.get("master_info").is_some(),
            has_info,
            "{version}"
        );
        let scene = scene();
        let framework = Framework::with(&scene.address(), &more);
        scene.pass(1.0);
        let offer = framework.offer();
        framework.accept(&[&offer], &[task(&offer, "t")], 600.0);
        if starts {
            framework.expect("TASK_STARTING");
        }
        framework.expect("TASK_RUNNING");
        let asked = json!({"task_id": {"value": "u"}, "agent_id": offer["agent_id"]});
        framework.tell("RECONCILE", &json!({"tasks": [asked]}));
        assert_eq!(framework.expect(gone)["reason"], "REASON_RECONCILIATION");
    }
}

#[test]
fn behaviour_30_masters_before_1_7_escape_slashes() {
    for (version, written) in [
        ("1.6.2", r#""path":"\/slave(1)""#),
        ("1.7.0", r#""path":"/slave(1)""#),
    ] {
        let scene = Scene::with(Options {
            version: version.to_owned(),
            ..options(1)
        });
        let mut stream = RawStream::open(&scene.address());
        stream.read_until(written);
    }
}
