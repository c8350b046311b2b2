//! A streaming job on an embedded cluster: spread over slots, recovered from its own failure and
//! from the loss of a worker.

use std::process::Command;

use super::cluster::{TestCluster, kill, text, wait_until};
use super::counts::{expected, highest};
use super::flink_homes::flink_home;
use super::streaming_job::{job_jar, written};

const COUNT: u64 = 400;

/// Restarts of a failed job: at once, and more often than these tests make it fail. Both the
/// spelling of Flink 1.x and that of 2.x.
const RESTART: [&str; 6] = [
    "-D",
    "restart-strategy.type=fixed-delay",
    "-D",
    "restart-strategy.fixed-delay.attempts=20",
    "-D",
    "restart-strategy.fixed-delay.delay=500 ms",
];

/// Submits the job detached, with Flink's own client.
fn submit(version: &str, cluster: &TestCluster, arguments: &[&str]) {
    let jar = job_jar(&flink_home(version), &cluster.path(""));
    let run = Command::new(flink_home(version).join("bin/flink"))
        .args(["run", "--detached"])
        .arg(jar)
        .args(arguments)
        .args(["--count", &COUNT.to_string(), "--output"])
        .arg(cluster.path("counts"))
        .arg("--checkpoint-dir")
        .arg(format!("file://{}", cluster.path("checkpoints").display()))
        .args(["--checkpoint-interval", "200"])
        .env("FLINK_CONF_DIR", cluster.path("client-conf"))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", text(&run));
}

fn lines(cluster: &TestCluster) -> usize {
    written(&cluster.path("counts")).len()
}

#[test]
fn a_job_that_fails_once_is_restarted_on_every_slot_and_counts_exactly() {
    let cluster = TestCluster::detached(
        "1.13.6",
        &[&["--taskmanagers", "2", "--slots", "2"], &RESTART[..]].concat(),
    );
    submit(
        "1.13.6",
        &cluster,
        &["--parallelism", "4", "--rate", "200", "--fail-at", "150"],
    );
    wait_until("every number is counted", || {
        highest(&cluster.path("counts")) == expected(COUNT)
    });
    let marker = cluster.path("counts.failed");
    assert!(marker.exists(), "the job failed once");
    cluster.down_leaves_nothing();
}

#[test]
fn a_job_survives_the_loss_of_a_worker_and_counts_exactly() {
    let cluster =
        TestCluster::detached("2.3.0", &[&["--taskmanagers", "2"], &RESTART[..]].concat());
    submit("2.3.0", &cluster, &["--parallelism", "2", "--rate", "25"]);
    wait_until("the job runs", || lines(&cluster) > 40);
    kill(cluster.jvm("taskmanager-1"), "KILL");
    wait_until("every number is counted", || {
        highest(&cluster.path("counts")) == expected(COUNT)
    });
    assert!(
        lines(&cluster) as u64 >= COUNT,
        "lines may repeat, never lack"
    );
    let workers = cluster.members("taskmanager");
    assert!(
        workers.iter().all(|worker| worker["id"] != "taskmanager-1"),
        "{workers:?}"
    );
    cluster.down_leaves_nothing();
}
