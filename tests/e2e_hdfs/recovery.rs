//! A JobManager is killed while a job counts, and the next one finds on HDFS what it needs.

use std::process::Command;

use serde_json::Value;

use super::cluster::{TestCluster, kill, text, wait_until};
use super::counts::{expected, highest};
use super::flink_homes::flink_home;
use super::hdfs::{Hdfs, jars};
use super::streaming_job::{job_jar, written};
use super::zookeeper::Server;

const COUNT: u64 = 400;

#[test]
fn a_job_with_its_state_on_hdfs_survives_its_jobmanager_and_counts_exactly() {
    counts_exactly_over_a_killed_jobmanager("2.3.0", &Hdfs::plain(), &[]);
}

#[test]
fn with_kerberos_every_process_shows_the_keytab_that_travels_with_it() {
    let hdfs = Hdfs::with_kerberos();
    let files = ["flink.keytab", "krb5.conf"].map(|file| hdfs.path(file).display().to_string());
    let [keytab, configuration] = files;
    let options = [
        format!("security.kerberos.login.keytab={keytab}"),
        "security.kerberos.login.principal=flink@EXAMPLE.ORG".to_owned(),
        format!("security.kerberos.krb5-conf.path={configuration}"),
        // With a keytab for everybody, nobody needs tokens that the JobManager hands out.
        "security.delegation.tokens.enabled=false".to_owned(),
    ];
    counts_exactly_over_a_killed_jobmanager("1.20.5", &hdfs, &options);
    // The NameNode knows who wrote: whom the keytab names, and not whoever runs the test.
    let files = hdfs.listing("/flink");
    assert!(!files.is_empty());
    for file in files {
        let owner = file.split_whitespace().nth(2);
        assert_eq!(owner, Some("flink"), "{file}");
    }
}

fn counts_exactly_over_a_killed_jobmanager(version: &str, hdfs: &Hdfs, options: &[String]) {
    let zookeeper = Server::start();
    let cluster = TestCluster::new(version);
    let mut all = vec![
        "high-availability.type=zookeeper".to_owned(),
        format!("high-availability.zookeeper.quorum={}", zookeeper.address()),
        // The dead leader's seat is free after this.
        "high-availability.zookeeper.client.session-timeout=4000".to_owned(),
        format!("high-availability.storageDir={}", hdfs.uri("/flink/ha")),
        "execution.checkpointing.externalized-checkpoint-retention=RETAIN_ON_CANCELLATION"
            .to_owned(),
        "restart-strategy.type=fixed-delay".to_owned(),
        "restart-strategy.fixed-delay.attempts=20".to_owned(),
        "restart-strategy.fixed-delay.delay=500 ms".to_owned(),
    ];
    all.extend_from_slice(options);
    let mut arguments = vec!["--taskmanagers", "1"];
    arguments.extend(all.iter().flat_map(|one| ["-D", one.as_str()]));
    let up = with_hadoop(&mut cluster.up(&arguments), hdfs)
        .arg("--detach")
        .output()
        .unwrap();
    assert!(up.status.success(), "{}", text(&up));

    submit(version, &cluster, hdfs);
    let output = cluster.path("counts");
    wait_until("a checkpoint is on HDFS and the job has gone on", || {
        let checkpoints = checkpoints(&cluster);
        checkpoints["counts"]["completed"].as_u64() > Some(0) && written(&output).len() > 50
    });
    kill(cluster.jvm("jobmanager"), "KILL");
    let before = written(&output).len();
    assert!(highest(&output) != expected(COUNT), "killed in the middle");
    let left = hdfs.listing("/flink");
    for directory in ["/flink/ha/", "/flink/checkpoints/"] {
        assert!(
            left.iter().any(|file| file.contains(directory)),
            "nothing in {directory}: {left:?}"
        );
    }

    wait_until("every number is counted", || {
        highest(&output) == expected(COUNT)
    });
    assert!(written(&output).len() > before);
    let restored = &checkpoints(&cluster)["latest"]["restored"];
    let from = restored["external_path"].as_str().unwrap_or_default();
    assert!(
        from.starts_with(&hdfs.uri("/flink/checkpoints/")),
        "{restored}"
    );
    cluster.down_leaves_nothing();
}

/// Hadoop's configuration travels as an overlay, its classes are on the class path.
fn with_hadoop<'a>(command: &'a mut Command, hdfs: &Hdfs) -> &'a mut Command {
    command
        .env("HADOOP_CONF_DIR", hdfs.path("conf"))
        .env("HADOOP_CLASSPATH", jars().join("*"))
}

/// Submits the job detached, with Flink's own client.
fn submit(version: &str, cluster: &TestCluster, hdfs: &Hdfs) {
    let jar = job_jar(&flink_home(version), &cluster.path(""));
    let mut client = Command::new(flink_home(version).join("bin/flink"));
    client
        .args(["run", "--detached"])
        .arg(jar)
        .args(["--count", &COUNT.to_string(), "--rate", "40", "--output"])
        .arg(cluster.path("counts"))
        .arg("--checkpoint-dir")
        .arg(hdfs.uri("/flink/checkpoints"))
        .args(["--checkpoint-interval", "200"])
        .env("FLINK_CONF_DIR", cluster.path("client-conf"))
        .env("JVM_ARGS", hdfs.client_options());
    let run = with_hadoop(&mut client, hdfs).output().unwrap();
    assert!(run.status.success(), "{}", text(&run));
}

/// What the JobManager says of the checkpoints of its one job; nothing while it cannot.
fn checkpoints(cluster: &TestCluster) -> Value {
    let jobs = rest(cluster, "/jobs");
    jobs["jobs"][0]["id"].as_str().map_or(Value::Null, |job| {
        rest(cluster, &format!("/jobs/{job}/checkpoints"))
    })
}

fn rest(cluster: &TestCluster, path: &str) -> Value {
    let status = cluster.status();
    let url = status["webUrl"].as_str().unwrap_or_default();
    let answer = Command::new("curl")
        .args(["--silent", "--fail"])
        .arg(format!("{url}{path}"))
        .output()
        .unwrap();
    serde_json::from_slice(&answer.stdout).unwrap_or_default()
}
