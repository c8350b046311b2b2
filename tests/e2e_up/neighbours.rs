//! Two clusters on one ZooKeeper, with all of Flink's defaults.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::cluster::TestCluster;
use super::zookeeper::Server;

/// The id that the cluster's clients find it under.
fn cluster_id(cluster: &TestCluster) -> String {
    let text = fs::read_to_string(cluster.path("client-conf/config.yaml")).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("high-availability.cluster-id:"));
    let (_, id) = line.expect("a cluster id").split_once(": ").unwrap();
    id.to_owned()
}

/// The workers that the cluster's JobManager has, by Flink's names for them.
fn workers(cluster: &TestCluster) -> Vec<String> {
    let url = cluster.status()["webUrl"].as_str().unwrap().to_owned();
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--fail"])
        .arg(format!("{url}/taskmanagers"))
        .output()
        .unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let workers = document["taskmanagers"].as_array().unwrap().iter();
    workers
        .map(|worker| worker["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn two_clusters_on_one_zookeeper_do_not_meet_and_each_keeps_its_own_id() {
    let zookeeper = Server::start();
    let storage = tempfile::tempdir().unwrap();
    let options = [
        "high-availability.type=zookeeper".to_owned(),
        format!("high-availability.zookeeper.quorum={}", zookeeper.address()),
        format!(
            "high-availability.storageDir=file://{}",
            storage.path().display()
        ),
        "jobmanager.memory.process.size=700m".to_owned(),
        "taskmanager.memory.process.size=700m".to_owned(),
        "taskmanager.memory.managed.size=32m".to_owned(),
    ];
    let mut arguments = vec!["--taskmanagers", "1"];
    arguments.extend(options.iter().flat_map(|option| ["-D", option.as_str()]));

    let one = TestCluster::detached("2.3.0", &arguments);
    let first = workers(&one);
    let other = TestCluster::detached("2.3.0", &arguments);
    let second = workers(&other);
    assert_eq!((first.len(), second.len()), (1, 1), "{first:?} {second:?}");
    assert_ne!(first, second);
    assert_eq!(workers(&one), first, "its worker is still its own");
    for cluster in [&one, &other] {
        let members = cluster.members("taskmanager");
        assert_eq!(members[0]["id"], "taskmanager-1");
        assert_eq!(members[0]["state"], "registered");
    }
    let id = cluster_id(&one);
    assert_ne!(id, cluster_id(&other));
    assert_eq!(
        fs::read_to_string(one.path("cluster-id")).unwrap().trim(),
        id
    );
    assert!(other.flugs("down").status().unwrap().success());

    assert!(one.flugs("down").status().unwrap().success());
    let again = one.up(&arguments).arg("--detach").output().unwrap();
    assert!(again.status.success());
    assert_eq!(cluster_id(&one), id);
    assert!(
        !String::from_utf8_lossy(&again.stderr).contains("cluster-id"),
        "what is known is not said again"
    );
}
