//! When members are not started again: by policy, because the work is done, or at a second Ctrl-C.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cluster::{TestCluster, is_running, kill, wait_until};

impl TestCluster {
    /// What the foreground process ended with, and what it said.
    fn foreground_ended(&mut self) -> (Option<i32>, String) {
        let status = self.foreground.take().unwrap().wait().unwrap();
        let log = fs::read_to_string(self.path("foreground.log")).unwrap();
        (status.code(), log)
    }
}

#[test]
fn with_restart_never_the_first_failure_ends_the_cluster_with_its_own_code_and_names_it() {
    let arguments = ["--taskmanagers", "1", "--restart", "never"];
    let mut cluster = TestCluster::in_foreground("2.3.0", &arguments);
    cluster.wait_until_ready(|_| true);
    kill(cluster.jvm("taskmanager-1"), "KILL");
    let (code, log) = cluster.foreground_ended();
    assert_eq!(code, Some(91), "{log}");
    assert!(
        log.contains("taskmanager-1 ended by itself with code 137"),
        "{log}"
    );
    assert!(
        log.contains("gave up: taskmanager processes failed 1 times"),
        "{log}"
    );
    cluster.nothing_is_left();

    // The report of the one that was killed tells how far it got, and how long each step took.
    let report = cluster.path("sandboxes/taskmanager-1/exit-report.json");
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["reason"], "signaled");
    let phases: Vec<&str> = report["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["phase"].as_str().unwrap())
        .collect();
    assert_eq!(phases, ["manifest", "fetch", "render"]);
    assert!(report["phases"][1]["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_job_manager_that_a_client_shuts_down_ends_the_cluster_with_0() {
    let mut cluster = TestCluster::in_foreground("1.20.5", &["--taskmanagers", "1"]);
    cluster.wait_until_ready(|_| true);
    let web_url = cluster.status()["webUrl"].as_str().unwrap().to_owned();
    let address = web_url.trim_start_matches("http://").trim_end_matches('/');
    let mut connection = TcpStream::connect(address).unwrap();
    write!(
        connection,
        "DELETE /cluster HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    let _ = connection.read_to_string(&mut answer);
    let (code, log) = cluster.foreground_ended();
    assert_eq!(code, Some(0), "{answer}\n{log}");
    assert!(log.contains("the JobManager has finished"), "{log}");
    cluster.nothing_is_left();
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_the_grace_of_a_worker_that_hangs() {
    let arguments = ["--taskmanagers", "1", "--grace", "600"];
    let mut cluster = TestCluster::in_foreground("2.3.0", &arguments);
    cluster.wait_until_ready(|_| true);
    let hanging = cluster.jvm("taskmanager-1");
    kill(hanging, "STOP");
    let asked = Instant::now();
    kill(cluster.master(), "INT");
    std::thread::sleep(Duration::from_secs(1));
    assert!(is_running(hanging), "nobody has hurried yet");
    kill(cluster.master(), "INT");
    let (code, log) = cluster.foreground_ended();
    assert_eq!(code, Some(0), "{log}");
    assert!(asked.elapsed() < Duration::from_secs(120), "{log}");
    wait_until("the hanging worker is gone", || !is_running(hanging));
    cluster.nothing_is_left();
}

#[test]
fn a_flink_that_dies_of_itself_twice_the_same_way_ends_the_cluster_with_its_own_root_cause() {
    let factory = "high-availability.type=org.example.NoSuchFactory";
    let arguments = ["--taskmanagers", "0", "-D", factory];
    let mut cluster = TestCluster::in_foreground("2.3.0", &arguments);
    let (code, log) = cluster.foreground_ended();
    assert_eq!(code, Some(91), "{log}");
    assert!(
        log.contains("failed twice in the same way at their start"),
        "{log}"
    );
    let root = "root cause: java.lang.ClassNotFoundException: org.example.NoSuchFactory";
    let message = log.lines().find(|line| line.contains("gave up")).unwrap();
    assert!(message.contains(root), "{log}");
    assert!(!log.contains("slow machine"), "{log}");
    assert!(log.matches("jobmanager started").count() <= 2, "{log}");
    // Each end was told with its reason, and stands in the member's exit report.
    let ended = log
        .lines()
        .find(|line| line.contains("ended by itself with code"));
    assert!(ended.unwrap().contains(root), "{log}");
    let report = cluster.path("sandboxes/jobmanager/exit-report.json");
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert!(
        report["cause"]["text"].as_str().unwrap().contains(root),
        "{report}"
    );
    assert!(
        report["message"].as_str().unwrap().contains(root),
        "{report}"
    );
    cluster.nothing_is_left();
}
