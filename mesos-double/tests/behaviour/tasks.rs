//! Tasks: launched, updated, reconciled, killed.

use super::framework::{Framework, amount, scalar, task};
use super::scene::{Scene, options, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

fn nothing(framework: &Framework) {
    let came = framework.stream.at_hand(Duration::from_millis(50));
    let updates: Vec<&Value> = came
        .iter()
        .filter(|event| event["type"] == "UPDATE")
        .collect();
    assert_eq!(updates, Vec::<&Value>::new());
}

#[test]
fn behaviour_10_one_update_is_in_flight_until_it_is_acknowledged() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    framework.accept(&[&offer], &[task(&offer, "t")], 600.0);
    let first = framework.status();
    assert_eq!(first["state"], "TASK_STARTING");
    // Again after 10 s, 20 s, … up to ten minutes.
    for delay in [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0] {
        scene.pass(delay - 0.5);
        nothing(&framework);
        scene.pass(0.5);
        assert_eq!(framework.status(), first);
    }
    // Of another's uuid nobody takes notice.
    let mut wrong = first.clone();
    wrong["uuid"] = "AAAAAAAAAAAAAAAAAAAAAA==".into();
    framework.acknowledge(&wrong);
    nothing(&framework);
    framework.acknowledge(&first);
    let second = framework.status();
    assert_eq!(second["state"], "TASK_RUNNING");
    // A new stream gets it at once.
    let framework = framework.again(&json!({}));
    assert_eq!(framework.status(), second);
    framework.acknowledge(&second);
    scene.pass(700.0);
    nothing(&framework);
}

#[test]
fn behaviour_10_updates_can_come_twice_and_late() {
    let scene = Scene::pretended(1);
    scene.set_faults(|faults| {
        faults.duplicate_updates = true;
        faults.update_delay = Duration::from_secs(3);
    });
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    // The master has the update before it is late.
    let is_told = |state: &str| {
        let task = &scene.state()["frameworks"][0]["tasks"][0];
        task["status_update_state"] == state
    };
    framework.accept(&[&offer], &[task(&offer, "t")], 600.0);
    wait_until(|| is_told("TASK_STARTING"));
    scene.pass(2.9);
    nothing(&framework);
    scene.pass(0.1);
    let first = framework.status();
    assert_eq!(framework.status(), first);
    framework.acknowledge(&first);
    framework.acknowledge(&first);
    wait_until(|| is_told("TASK_RUNNING"));
    scene.pass(3.0);
    assert_eq!(framework.status()["state"], "TASK_RUNNING");
    assert_eq!(framework.status()["state"], "TASK_RUNNING");
}

#[test]
fn behaviour_11_the_masters_updates_have_no_uuid_and_bad_ones_are_refused() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    let mut bad = task(&offer, "bad");
    bad["resources"] = json!([]);
    framework.accept(&[&offer], &[bad], 1.0);
    let status = framework.status();
    assert_eq!(status["state"], "TASK_ERROR");
    assert!(status.get("uuid").is_none());
    let message = |uuid: &str| json!({"agent_id": offer["agent_id"], "task_id": {"value": "bad"}, "uuid": uuid});
    let reply = framework.call("ACKNOWLEDGE", &message("AAAAAAAAAAAAAAAAAAAA"));
    assert_eq!(reply.head.status, 400, "15 bytes");
    let mut without = message("");
    without.as_object_mut().unwrap().remove("uuid");
    let reply = framework.call("ACKNOWLEDGE", &without);
    let text =
        "Failed to convert JSON into Call protobuf: Missing required fields: acknowledge.uuid";
    assert_eq!((reply.head.status, reply.body.as_str()), (400, text));
    // For a task that nobody knows: taken, and nothing follows.
    framework.tell("ACKNOWLEDGE", &message("AAAAAAAAAAAAAAAAAAAAAA=="));
    nothing(&framework);
}

#[test]
fn behaviour_12_a_bad_task_errs_and_its_siblings_start() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    let mut bad = task(&offer, "bad");
    bad["container"] = json!({"type": "DOCKER", "docker": {"image": "x", "parameters": [{"key": "name", "value": "y"}]}});
    let tasks = [task(&offer, "one"), bad, task(&offer, "two")];
    framework.accept(&[&offer], &tasks, 1.0);
    let mut states: Vec<(String, String)> = (0..3)
        .map(|_| framework.status())
        .map(|status| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&status["task_id"]["value"]), text(&status["state"]))
        })
        .collect();
    states.sort();
    let expected = [
        ("bad", "TASK_ERROR"),
        ("one", "TASK_STARTING"),
        ("two", "TASK_STARTING"),
    ];
    let expected = expected.map(|(task, state)| (task.to_owned(), state.to_owned()));
    assert_eq!(states, expected);
}

/// No agent here has a default executor, so that every group is a bad one.
#[test]
fn behaviour_12_a_bad_group_errs_as_a_whole() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    let group = json!({"tasks": [task(&offer, "one"), task(&offer, "two")]});
    let executor = json!({"type": "DEFAULT", "executor_id": {"value": "e"}});
    framework.tell(
        "ACCEPT",
        &json!({
            "offer_ids": [offer["id"]],
            "operations": [{"type": "LAUNCH_GROUP", "launch_group": {"executor": executor, "task_group": group}}],
            "filters": {"refuse_seconds": 0},
        }),
    );
    for id in ["one", "two"] {
        let status = framework.expect("TASK_ERROR");
        assert_eq!(status["task_id"]["value"], id);
        assert_eq!(status["reason"], "REASON_TASK_GROUP_INVALID");
    }
    // Nothing of it was started: all is offered again.
    scene.pass(1.0);
    assert!((amount(&framework.offer(), "cpus") - 4.0).abs() < 1e-9);
    framework.tell("RECONCILE", &json!({"tasks": []}));
    nothing(&framework);
}

#[test]
fn behaviour_13_ids_are_unique_among_live_and_unreachable_tasks_only() {
    let scene = Scene::pretended(2);
    let framework = Framework::new(&scene.address());
    let offers = framework.offers();
    framework.run(&offers[0], "t");
    framework.accept(&[&offers[1]], &[task(&offers[1], "t")], 0.0);
    assert_eq!(framework.status()["message"], "Task has duplicate ID: t");
    let agent = offers[0]["agent_id"]["value"].as_str().unwrap();
    let lost = usize::from(agent.ends_with("S1"));
    scene.lose_agent(lost);
    framework.expect("TASK_LOST");
    scene.pass(1.0);
    let offer = framework.offer();
    framework.accept(&[&offer], &[task(&offer, "t")], 0.0);
    let text = "Task reuses the ID of an unreachable task: t";
    assert_eq!(framework.status()["message"], text);
    scene.return_agent(lost);
    framework.expect("TASK_RUNNING");
    scene.end_task("t", 0);
    framework.expect("TASK_FINISHED");
    // Over is over.
    scene.pass(1.0);
    let offer = framework.offer();
    framework.run(&offer, "t");
}

#[test]
fn behaviour_14_a_task_whose_end_is_not_acknowledged_frees_its_resources_and_is_still_known() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    framework.run(&offer, "t");
    scene.pass(2.0);
    let rest = framework.offer();
    framework.decline(&rest, json!({"refuse_seconds": 0}));
    scene.end_task("t", 3);
    let status = framework.status();
    assert_eq!(status["state"], "TASK_FAILED");
    scene.pass(1.0);
    assert!((amount(&framework.offer(), "cpus") - 4.0).abs() < 1e-9);
    framework.tell("RECONCILE", &json!({"tasks": []}));
    assert_eq!(framework.status()["state"], "TASK_FAILED");
    framework.acknowledge(&status);
    framework.tell("RECONCILE", &json!({"tasks": []}));
    nothing(&framework);
}

#[test]
fn behaviour_15_reconciliation_tells_the_state_that_was_told_last() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    framework.accept(&[&offer], &[task(&offer, "t")], 600.0);
    let starting = framework.status();
    // It runs already, but the framework has not been told.
    framework.tell(
        "RECONCILE",
        &json!({"tasks": [{"task_id": {"value": "t"}}]}),
    );
    let answer = framework.status();
    assert_eq!(answer["state"], "TASK_STARTING");
    assert_eq!(answer["reason"], "REASON_RECONCILIATION");
    for field in ["uuid", "data", "labels", "executor_id"] {
        assert!(answer.get(field).is_none(), "{field}");
    }
    framework.acknowledge(&starting);
    framework.expect("TASK_RUNNING");
}

/// What is answered about a task that nobody knows, to a question and to a KILL alike.
#[test]
fn behaviour_15_17_what_is_not_there_has_a_name_for_those_who_know_partitions() {
    for (capabilities, states) in [
        (
            json!([{"type": "PARTITION_AWARE"}]),
            [
                "TASK_UNKNOWN",
                "TASK_GONE",
                "TASK_UNREACHABLE",
                "TASK_UNKNOWN",
            ],
        ),
        (json!([]), ["TASK_LOST"; 4]),
    ] {
        let scene = Scene::pretended(2);
        let framework = Framework::with(&scene.address(), &json!({"capabilities": capabilities}));
        let agents = framework
            .offers()
            .into_iter()
            .map(|offer| offer["agent_id"].clone());
        let mut agents: Vec<Value> = agents.collect();
        agents.sort_by_key(ToString::to_string);
        scene.lose_agent(1);
        framework.stream.event_of("FAILURE");
        let stranger = json!({"value": "nobody-S7"});
        let questions = [None, Some(&agents[0]), Some(&agents[1]), Some(&stranger)];
        for (agent, state) in questions.into_iter().zip(states) {
            let mut asked = json!({"task_id": {"value": "t"}});
            if let Some(agent) = agent {
                asked["agent_id"] = agent.clone();
            }
            framework.tell("RECONCILE", &json!({ "tasks": [asked] }));
            let answer = framework.expect(state);
            assert_eq!(answer["reason"], "REASON_RECONCILIATION");
            framework.tell("KILL", &asked);
            assert_eq!(framework.expect(state)["message"], answer["message"]);
        }
        // There is no sign of the end of an answer, and none at all to a question about nothing.
        framework.tell("RECONCILE", &json!({"tasks": []}));
        nothing(&framework);
    }
}

#[test]
fn behaviour_17_kills_of_what_is_unknown_elsewhere_or_still_on_its_way() {
    let mut options = options(1);
    options.agents[0].executors = mesos_double::Executors::Real;
    options.faults.pull_delay = Duration::from_secs(30);
    let scene = Scene::with(options);
    let framework = Framework::with(
        &scene.address(),
        &json!({"capabilities": [{"type": "PARTITION_AWARE"}, {"type": "TASK_KILLING_STATE"}]}),
    );
    let offer = framework.offer();
    let agent = &offer["agent_id"];
    framework.tell("KILL", &json!({"task_id": {"value": "t"}}));
    assert_eq!(framework.status()["state"], "TASK_UNKNOWN");
    framework.tell(
        "KILL",
        &json!({"task_id": {"value": "t"}, "agent_id": agent}),
    );
    assert_eq!(framework.status()["state"], "TASK_GONE");
    // A container whose image is pulled slowly.
    let mut slow = task(&offer, "slow");
    slow["container"] = json!({"type": "DOCKER", "docker": {"image": "nobody.invalid/x:1"}});
    framework.accept(&[&offer], &[slow], 600.0);
    let elsewhere = json!({"task_id": {"value": "slow"}, "agent_id": {"value": "S77"}});
    framework.tell("KILL", &elsewhere);
    nothing(&framework);
    framework.tell("KILL", &json!({"task_id": {"value": "slow"}}));
    let status = framework.status();
    assert_eq!(status["state"], "TASK_KILLED");
    assert_eq!(status["source"], "SOURCE_AGENT");
    assert_eq!(status["reason"], "REASON_TASK_KILLED_DURING_LAUNCH");
    assert!(status.get("uuid").is_some());
}

#[test]
fn behaviour_17_killing_is_told_to_those_who_know_it() {
    let scene = Scene::pretended(1);
    for knows in [false, true] {
        let capabilities = if knows {
            json!([{"type": "TASK_KILLING_STATE"}])
        } else {
            json!([])
        };
        let framework = Framework::with(&scene.address(), &json!({"capabilities": capabilities}));
        let offer = framework.offer();
        framework.run(&offer, "t");
        framework.tell("KILL", &json!({"task_id": {"value": "t"}}));
        if knows {
            let status = framework.expect("TASK_KILLING");
            assert_eq!(status["source"], "SOURCE_EXECUTOR");
        }
        framework.expect("TASK_KILLED");
        framework.tell("TEARDOWN", &Value::Null);
    }
}

#[test]
fn launches_can_be_made_to_fail() {
    let scene = Scene::pretended(1);
    scene.set_faults(|faults| faults.failed_launches = 100);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    framework.accept(&[&offer], &[task(&offer, "t")], 600.0);
    let failed = framework.expect("TASK_FAILED");
    assert_eq!(failed["reason"], "REASON_CONTAINER_LAUNCH_FAILED");
}

#[test]
fn resources_of_a_wrong_form_are_told_apart() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    for (resources, text) in [
        (json!([scalar("cpus", -1.0)]), "value <= 0"),
        (json!([scalar("cpus", 0.0001)]), "value <= 0"),
        (
            json!([{"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 5, "end": 4}]}}]),
            "begin > end",
        ),
        (
            json!([scalar("cpus", 0.1), scalar("gpus", 0.5)]),
            "The 'gpus' resource must be an unsigned integer",
        ),
    ] {
        let offer = framework.offer();
        let mut bad = task(&offer, "t");
        bad["resources"] = resources;
        framework.accept(&[&offer], &[bad], 0.0);
        let message = framework.status()["message"].as_str().unwrap().to_owned();
        assert!(
            message.starts_with("Task uses invalid resources: "),
            "{message}"
        );
        assert!(message.contains(text), "{message}");
        scene.pass(1.0);
    }
}
