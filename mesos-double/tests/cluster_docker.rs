//! The Docker containerizer with the local engine: what is to be seen of it through the master.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a failed test panics, and waits for what other programs do"
)]

mod behaviour {
    #[expect(dead_code, reason = "the behaviours need more of it")]
    pub(crate) mod framework;
    #[expect(dead_code, reason = "the behaviours need more of it")]
    pub(crate) mod scene;
}
mod replay {
    #[expect(dead_code, reason = "the recordings need more of it")]
    pub(crate) mod image;
}
#[expect(dead_code, reason = "the recordings need more of it")]
mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use behaviour::framework::{Framework, task};
use behaviour::scene::Scene;
use mesos_double::{Chunking, Options, Time};
use replay::image::busybox_image;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn real() -> Scene {
    Scene::with(Options {
        time: Time::Real,
        allocation_interval: Duration::from_millis(100),
        ..Options::default()
    })
}

/// A container of busybox with this line for its shell.
fn container(offer: &Value, id: &str, line: &str) -> Value {
    let mut container = task(offer, id);
    container["command"]["value"] = line.into();
    container["container"] = json!({"type": "DOCKER", "docker": {"image": busybox_image()}});
    container
}

/// Launches it on the next offer; its TASK_RUNNING.
fn run(framework: &Framework, id: &str, line: &str, more: &Value) -> Value {
    let offer = framework.offer();
    let mut container = container(&offer, id, line);
    let fields = more.as_object().unwrap().clone();
    container.as_object_mut().unwrap().extend(fields);
    framework.accept(&[&offer], &[container], 0.0);
    framework.expect("TASK_STARTING");
    framework.expect("TASK_RUNNING")
}

#[test]
fn behaviour_22_a_running_container_is_told_with_all_that_docker_knows_of_it() {
    let scene = real();
    // As much in one record, however it is cut.
    scene.set_faults(|faults| faults.chunking = Chunking::Random);
    let framework = Framework::new(&scene.address());
    let mut labels = serde_json::Map::new();
    for number in 0..400 {
        labels.insert(format!("{number}"), json!("ä".repeat(40)));
    }
    let offer = framework.offer();
    let mut one = container(&offer, "t", "sleep 600");
    let parameters = labels.iter().map(|(name, value)| {
        let value = value.as_str().unwrap();
        json!({"key": "label", "value": format!("l{name}={value}")})
    });
    one["container"]["docker"]["parameters"] = parameters.collect::<Vec<Value>>().into();
    framework.accept(&[&offer], &[one], 0.0);
    framework.expect("TASK_STARTING");
    let running = framework.expect("TASK_RUNNING");
    let data = running["data"].as_str().unwrap();
    assert!(data.len() > 40_000, "{}", data.len());
    let inspected: Value = serde_json::from_slice(&STANDARD.decode(data).unwrap()).unwrap();
    let name = inspected[0]["Name"].as_str().unwrap();
    assert!(name.starts_with("/mesos-"), "{name}");
    assert_eq!(
        inspected[0]["Config"]["Labels"].as_object().unwrap().len(),
        400
    );
    // What is asked later is answered without it.
    framework.tell("RECONCILE", &json!({"tasks": []}));
    assert!(framework.expect("TASK_RUNNING").get("data").is_none());
}

#[test]
fn behaviour_27_an_image_that_is_not_there_fails_the_launch_and_too_much_memory_the_container() {
    let scene = real();
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    let mut missing = container(&offer, "missing", "true");
    missing["container"]["docker"]["image"] = "127.0.0.1:1/nobody/has:this".into();
    framework.accept(&[&offer], &[missing], 0.0);
    let failed = framework.expect("TASK_FAILED");
    assert_eq!(failed["source"], "SOURCE_AGENT");
    assert_eq!(failed["reason"], "REASON_CONTAINER_LAUNCH_FAILED");
    let message = failed["message"].as_str().unwrap();
    assert!(
        message.contains("pull 127.0.0.1:1/nobody/has:this"),
        "{message}"
    );

    // Docker's executor does not know why the kernel killed it (§8.7).
    run(&framework, "greedy", "tail /dev/zero", &json!({}));
    let failed = framework.expect("TASK_FAILED");
    assert_eq!(failed["message"], "Container exited with status 137");
    assert!(failed.get("limitation").is_none(), "{failed}");
    assert_ne!(failed["reason"], "REASON_CONTAINER_LIMITATION_MEMORY");
}

/// §7.5: only the first process hears of it, and another KILL begins the grace anew.
#[test]
fn a_kill_stops_the_container_by_its_first_process_and_a_second_one_begins_anew() {
    let scene = real();
    let framework = Framework::with(
        &scene.address(),
        &json!({"capabilities": [{"type": "TASK_KILLING_STATE"}]}),
    );
    let line = "sh -c 'trap \"echo child >> $MESOS_SANDBOX/heard\" TERM; while :; do sleep 0.1; done' & \
         trap 'echo first >> $MESOS_SANDBOX/heard' TERM; while :; do sleep 0.1; done";
    let policy = json!({"kill_policy": {"grace_period": {"nanoseconds": 60_000_000_000_u64}}});
    run(&framework, "t", line, &policy);
    std::thread::sleep(Duration::from_millis(500));
    framework.tell("KILL", &json!({"task_id": {"value": "t"}}));
    framework.expect("TASK_KILLING");
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(500));
    let sooner = json!({"grace_period": {"nanoseconds": 1_000_000_000}});
    framework.tell(
        "KILL",
        &json!({"task_id": {"value": "t"}, "kill_policy": sooner}),
    );
    let killed = framework.expect("TASK_KILLED");
    assert_eq!(killed["message"], "Container exited with status 137");
    assert!(start.elapsed() > Duration::from_secs(1));
    assert!(start.elapsed() < Duration::from_secs(30));
    let heard = heard(&scene);
    assert!(heard.iter().all(|who| who == "first"), "{heard:?}");
    assert_eq!(heard.len(), 2, "one for each stop");
}

fn heard(scene: &Scene) -> Vec<String> {
    let find = std::process::Command::new("find")
        .arg(scene.work_dir())
        .args(["-name", "heard", "-exec", "cat", "{}", "+"])
        .output()
        .unwrap();
    let text = String::from_utf8(find.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}
