//! The masters' nodes in a real ZooKeeper, as those of two recorded masters.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a failed test panics, and waits for what other programs do"
)]

use mesos_double::{MesosDouble, Options};
use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use zookeeper_client::Client;

const JAR: &str = "/usr/share/java/zookeeper.jar";
const PATIENCE: Duration = Duration::from_secs(30);

/// A server for one test.
struct Server {
    address: String,
    process: Child,
    _directory: TempDir,
}

impl Server {
    fn start() -> Self {
        assert!(
            Path::new(JAR).exists(),
            "{JAR} is missing: run tools/install-packages.sh test"
        );
        let directory = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let configuration = format!(
            "tickTime=200\ndataDir={}\nclientPort={port}\nadmin.enableServer=false\n",
            directory.path().join("data").display()
        );
        let file = directory.path().join("zoo.cfg");
        std::fs::write(&file, configuration).unwrap();
        let process = Command::new("java")
            .args([
                "-Xmx128m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
            ])
            .arg(format!("{JAR}:/usr/share/java/slf4j-simple.jar"))
            .arg("org.apache.zookeeper.server.ZooKeeperServerMain")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        let start = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(start.elapsed() < PATIENCE, "ZooKeeper does not start");
            sleep(Duration::from_millis(50));
        }
        Self {
            address,
            process,
            _directory: directory,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the nodes tell, the smallest number first.
async fn told(client: &Client) -> Vec<Value> {
    let mut names = client.list_children("/mesos").await.unwrap();
    names.retain(|name| name.starts_with("json.info_"));
    names.sort();
    let mut all = Vec::new();
    for name in names {
        if let Ok((data, _)) = client.get_data(&format!("/mesos/{name}")).await {
            all.push(serde_json::from_slice(&data).unwrap());
        }
    }
    all
}

/// Waits until the masters with these ports stand, in this order.
async fn wait_for(client: &Client, addresses: &[String], order: &[usize]) -> Vec<Value> {
    let start = Instant::now();
    loop {
        let told = told(client).await;
        let pids: Vec<String> = told
            .iter()
            .map(|one| one["pid"].as_str().unwrap().to_owned())
            .collect();
        let expected: Vec<String> = order
            .iter()
            .map(|node| format!("master@{}", addresses[*node]))
            .collect();
        if pids == expected {
            return told;
        }
        assert!(start.elapsed() < PATIENCE, "{pids:?} and not {expected:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_stand_in_zookeeper_as_recorded_ones_did_and_the_leader_is_first() {
    let server = Server::start();
    let double = MesosDouble::start(Options {
        ports: vec![0, 0, 0],
        agents: Vec::new(),
        zookeeper: Some(format!("zk://{}/mesos", server.address)),
        ..Options::default()
    })
    .await
    .unwrap();
    let addresses = double.addresses();
    let client = Client::connect(&server.address).await.unwrap();
    let told = wait_for(&client, &addresses, &[0, 1, 2]).await;

    let recorded = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/data/mesos/zookeeper.json"
    );
    let recorded = std::fs::read_to_string(recorded).unwrap();
    let recorded: Value = serde_json::from_str(&recorded).unwrap();
    let node: Value = serde_json::from_str(recorded[1]["data"].as_str().unwrap()).unwrap();
    let mut own = told[0].clone();
    for path in ["/id", "/pid", "/port", "/address/port"] {
        *own.pointer_mut(path).unwrap() = node.pointer(path).unwrap().clone();
    }
    assert_eq!(own, node);
    let replicas = client.list_children("/mesos/log_replicas").await.unwrap();
    assert_eq!(replicas.len(), 3);

    double.elect(Some(2));
    wait_for(&client, &addresses, &[2, 0, 1]).await;
    double.stop_master(0);
    wait_for(&client, &addresses, &[2, 1]).await;
    double.elect(None);
    wait_for(&client, &addresses, &[]).await;
    double.start_master(0).await.unwrap();
    double.elect(Some(0));
    wait_for(&client, &addresses, &[0, 1, 2]).await;
    double.stop().await;
}
