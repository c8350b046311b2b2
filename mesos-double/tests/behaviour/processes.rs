//! Tasks that really run, as processes of this machine: fetched, looked after, killed.

use super::framework::{Framework, task};
use super::scene::{Scene, wait_until};
use mesos_double::{AgentOptions, Options, Time};
use serde_json::json;
use std::time::{Duration, Instant};

fn real(agent: AgentOptions) -> Scene {
    Scene::with(Options {
        agents: vec![agent],
        time: Time::Real,
        allocation_interval: Duration::from_millis(100),
        ..Options::default()
    })
}

#[test]
fn behaviour_27_what_cannot_be_fetched_in_time_fails_the_launch() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let scene = real(AgentOptions {
        executor_registration_timeout: Duration::from_secs(1),
        ..AgentOptions::default()
    });
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    // A server that takes the request and never answers.
    let mut slow = task(&offer, "slow");
    slow["command"]["uris"] = json!([{"value": format!("http://{address}/x")}]);
    let mut bad = task(&offer, "bad");
    bad["command"]["uris"] = json!([{"value": "/nowhere/at/all"}]);
    framework.accept(&[&offer], &[bad, slow], 600.0);
    let failed = framework.expect("TASK_FAILED");
    assert_eq!(failed["task_id"]["value"], "bad");
    assert_eq!(failed["source"], "SOURCE_AGENT");
    assert_eq!(failed["reason"], "REASON_CONTAINER_LAUNCH_FAILED");
    let failed = framework.expect("TASK_FAILED");
    assert_eq!(failed["reason"], "REASON_EXECUTOR_REGISTRATION_TIMEOUT");
    assert_eq!(failed["message"], "Executor did not register within 1secs");
}

/// §8.2: who changed its group or session, and who was orphaned, is ended with the task.
#[test]
fn a_kill_ends_the_whole_tree_of_a_task() {
    let scene = real(AgentOptions::default());
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    let mark = format!("{}.5", std::process::id() + 100_000);
    let mut one = task(&offer, "t");
    one["command"]["value"] = format!(
        "trap '' TERM; sleep {mark} & setsid sleep {mark} & (setsid sh -c 'sleep {mark} & sleep {mark}' &) ; \
         (trap '' TERM; setsid -f sleep {mark}); touch up; wait; sleep {mark}"
    )
    .into();
    one["kill_policy"] = json!({"grace_period": {"nanoseconds": 300_000_000}});
    framework.accept(&[&offer], &[one], 600.0);
    framework.expect("TASK_STARTING");
    framework.expect("TASK_RUNNING");
    wait_until(|| sleepers(&mark) >= 4);
    framework.tell("KILL", &json!({"task_id": {"value": "t"}}));
    let killed = framework.expect("TASK_KILLED");
    assert_eq!(killed["message"], "Command terminated with signal Killed");
    wait_until(|| sleepers(&mark) == 0);
}

/// §8.2: a launcher and its children get SIGTERM at the same time.
#[test]
fn a_kill_reaches_everybody_in_the_tree_at_once() {
    let scene = real(AgentOptions::default());
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    let mut one = task(&offer, "t");
    // The child answers to SIGTERM only; its parent to nothing but the child's end.
    one["command"]["value"] =
        "trap 'echo parent >> heard' TERM; \
         sh -c 'trap \"echo child >> heard; exit 0\" TERM; touch up; while :; do sleep 0.05; done' & \
         child=$!; while kill -0 $child 2>/dev/null; do wait; done; exit 0"
            .into();
    framework.accept(&[&offer], &[one], 600.0);
    framework.expect("TASK_STARTING");
    framework.expect("TASK_RUNNING");
    let sandbox = sandbox(&scene);
    wait_until(|| sandbox.join("up").exists());
    framework.tell("KILL", &json!({"task_id": {"value": "t"}}));
    // Killed, though it ended well.
    let killed = framework.expect("TASK_KILLED");
    assert_eq!(killed["message"], "Command exited with status 0");
    let heard = std::fs::read_to_string(sandbox.join("heard")).unwrap();
    let mut heard: Vec<&str> = heard.lines().collect();
    heard.sort_unstable();
    assert_eq!(heard, ["child", "parent"]);
}

/// §8.2: not as with Docker, where it begins anew.
#[test]
fn a_second_kill_can_only_shorten_the_grace() {
    let scene = real(AgentOptions::default());
    let framework = Framework::new(&scene.address());
    let kill = |grace: u64| {
        let policy = json!({"grace_period": {"nanoseconds": grace * 1_000_000}});
        framework.tell(
            "KILL",
            &json!({"task_id": {"value": "t"}, "kill_policy": policy}),
        );
    };
    for (first, second) in [(60_000, 300), (300, 60_000)] {
        let offer = framework.offer();
        let mut one = task(&offer, "t");
        one["command"]["value"] = "trap '' TERM; touch up; sleep 600; sleep 600".into();
        framework.accept(&[&offer], &[one], 0.0);
        framework.expect("TASK_STARTING");
        framework.expect("TASK_RUNNING");
        wait_until(|| sandbox(&scene).join("up").exists());
        let start = Instant::now();
        kill(first);
        kill(second);
        let killed = framework.expect("TASK_KILLED");
        assert_eq!(killed["message"], "Command terminated with signal Killed");
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(250), "{took:?}");
        assert!(took < Duration::from_secs(30), "{took:?}");
    }
}

#[test]
fn behaviour_28_health_is_told_by_another_update_of_the_same_run() {
    let scene = real(AgentOptions::default());
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    let mut one = task(&offer, "t");
    one["command"]["value"] = "echo started >> starts; touch well; sleep 600".into();
    one["health_check"] = json!({
        "type": "COMMAND", "command": {"value": "test -e well"}, "consecutive_failures": 2,
        "delay_seconds": 0.2, "interval_seconds": 0.2, "grace_period_seconds": 0.0,
    });
    framework.accept(&[&offer], &[one], 600.0);
    framework.expect("TASK_STARTING");
    let running = framework.expect("TASK_RUNNING");
    assert!(running.get("healthy").is_none(), "{running}");
    let told = |healthy: bool| {
        let status = framework.expect("TASK_RUNNING");
        assert_eq!(status["healthy"], healthy);
        assert_eq!(status["reason"], "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED");
        assert_eq!(status["source"], "SOURCE_EXECUTOR");
        assert_ne!(status["uuid"], running["uuid"]);
        assert_eq!(status["container_status"], running["container_status"]);
    };
    told(true);
    // Nothing is news as long as nothing changes.
    std::thread::sleep(Duration::from_millis(700));
    let silence = framework.stream.at_hand(Duration::from_millis(10));
    assert!(
        silence.iter().all(|event| event["type"] == "OFFERS"),
        "{silence:?}"
    );
    let sandbox = sandbox(&scene);
    std::fs::remove_file(sandbox.join("well")).unwrap();
    told(false);
    std::fs::write(sandbox.join("well"), "").unwrap();
    let (mut well, start) = (false, Instant::now());
    // It may have failed once more meanwhile, which is once too often.
    while !well {
        assert!(start.elapsed() < Duration::from_secs(10));
        let status = framework.status();
        framework.acknowledge(&status);
        assert_eq!(status["state"], "TASK_RUNNING", "{status}");
        well = status["healthy"] == true;
    }
    std::fs::remove_file(sandbox.join("well")).unwrap();
    told(false);
    told(false);
    let killed = framework.expect("TASK_KILLED");
    assert_eq!(killed["healthy"], false);
    let starts = std::fs::read_to_string(sandbox.join("starts")).unwrap();
    assert_eq!(starts, "started\n");
}

/// The sandbox of the task that was launched last.
fn sandbox(scene: &Scene) -> std::path::PathBuf {
    let mut found = vec![scene.work_dir().to_owned()];
    loop {
        let below = |at: &std::path::PathBuf| std::fs::read_dir(at).unwrap().flatten();
        let next: Vec<std::path::PathBuf> = found
            .iter()
            .flat_map(below)
            .map(|entry| entry.path())
            .collect();
        if next
            .iter()
            .any(|path| path.file_name().is_some_and(|name| name == "stdout"))
        {
            let newest =
                |at: &std::path::PathBuf| std::fs::metadata(at).unwrap().modified().unwrap();
            return found.into_iter().max_by_key(newest).unwrap();
        }
        assert!(!next.is_empty(), "no sandbox");
        found = next.into_iter().filter(|path| path.is_dir()).collect();
    }
}

#[test]
fn a_failed_task_leaves_nothing_behind() {
    let scene = real(AgentOptions::default());
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    let mark = format!("{}.7", std::process::id() + 200_000);
    let mut one = task(&offer, "t");
    one["command"]["value"] = format!("setsid -f sleep {mark}; exit 4").into();
    framework.accept(&[&offer], &[one], 600.0);
    framework.expect("TASK_STARTING");
    framework.expect("TASK_RUNNING");
    let failed = framework.expect("TASK_FAILED");
    assert_eq!(failed["message"], "Command exited with status 4");
    wait_until(|| sleepers(&mark) == 0);
}

fn sleepers(mark: &str) -> usize {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| *line == format!("sleep\0{mark}\0").into_bytes())
        .count()
}

#[test]
fn a_task_is_in_its_agents_network_namespace() {
    let namespace = Namespace::make();
    let scene = real(AgentOptions {
        network_namespace: Some(namespace.0.clone()),
        address: Some("10.1.2.3".to_owned()),
        ..AgentOptions::default()
    });
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    assert_eq!(offer["url"]["address"]["ip"], "10.1.2.3");
    let mut one = task(&offer, "t");
    one["command"]["value"] =
        "test $LIBPROCESS_IP = 10.1.2.3 && test $(grep -c : /proc/net/dev) = 1".into();
    framework.accept(&[&offer], &[one], 600.0);
    framework.expect("TASK_STARTING");
    framework.expect("TASK_RUNNING");
    framework.expect("TASK_FINISHED");
}

/// A network namespace that goes with the test.
struct Namespace(String);

impl Namespace {
    fn make() -> Self {
        let name = format!("mesos-double-{}", std::process::id());
        ip(&["netns", "add", &name]);
        Self(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["netns", "del", &self.0]);
    }
}

fn ip(words: &[&str]) {
    let status = std::process::Command::new("ip").args(words).status();
    assert!(status.unwrap().success(), "ip {words:?}");
}
