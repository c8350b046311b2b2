//! The real thing: Debian's packages, a real Flink, two containers.

use std::path::Path;
use std::process::Command;

use crate::workshop::{Workshop, debian_base, engine, flink_home, run, said};

/// The real thing: Debian's packages as base, a real Flink, a JVM that was trained on it, and a
/// cluster of two containers.
#[test]
fn a_cluster_of_images_built_without_a_daemon_comes_up() {
    engine();
    let shop = Workshop::new();
    let cluster = Cluster::of_images(&shop, &debian_base(), &flink_home());
    let (network, tag) = (&cluster.network, &cluster.tag);
    run(&["docker", "network", "create", network]);
    let manager = format!("{network}-jm");
    run(&[
        "docker",
        "run",
        "--detach",
        "--name",
        &manager,
        "--network",
        network,
        "--env",
        &format!("JOB_MANAGER_RPC_ADDRESS={manager}"),
        &format!("{tag}-appmaster"),
        "jobmanager",
    ]);
    run(&[
        "docker",
        "run",
        "--detach",
        "--name",
        &format!("{network}-tm"),
        "--network",
        network,
        "--user",
        "4711:0",
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--tmpfs",
        "/run/flugs:mode=1777",
        "--env",
        &format!("JOB_MANAGER_RPC_ADDRESS={manager}"),
        &format!("{tag}-worker"),
        "taskmanager",
    ]);
    let address = run(&[
        "docker",
        "inspect",
        "--format",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        &manager,
    ]);
    cluster.wait_for_a_task_manager(&address);
    cluster.uses_class_data("jm", "jobmanager");
    cluster.uses_class_data("tm", "taskmanager");
}

/// Removes what the test made, however it ends.
struct Cluster {
    network: String,
    tag: String,
}

impl Cluster {
    fn of_images(shop: &Workshop, base: &Path, home: &Path) -> Self {
        let tag = format!("flugs-image-test:{}", std::process::id());
        for role in ["appmaster", "worker"] {
            let name = format!("{tag}-{role}");
            let definition = format!("images/{role}.yaml");
            shop.ok(&[
                "image",
                "build",
                &definition,
                "--base",
                base.to_str().unwrap(),
                "--flink-home",
                home.to_str().unwrap(),
                "--train",
                "--compression",
                "none",
                "--name",
                &name,
                "--output",
                "docker",
            ]);
        }
        let network = format!("flugs-image-test-{}", std::process::id());
        Self { network, tag }
    }

    fn wait_for_a_task_manager(&self, address: &str) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(90);
        loop {
            let overview = Command::new("curl")
                .args(["-s", "-m", "2", &format!("http://{address}:8081/overview")])
                .output()
                .unwrap();
            if String::from_utf8_lossy(&overview.stdout).contains("\"taskmanagers\":1") {
                break;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "no TaskManager: {}\n{}",
                said(&overview),
                self.logs()
            );
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
    }

    /// A launch in the container finds the archive, and its JVM has it mapped.
    fn uses_class_data(&self, name: &str, role: &str) {
        let container = format!("{}-{name}", self.network);
        let inside = |words: &[&str]| run(&[&["docker", "exec", &container], words].concat());
        // The ports of the one that runs are taken.
        let mut check = vec!["flugs", "launch", role, "--check", "--json"];
        for free in ["jobmanager.rpc.port=0", "blob.server.port=0", "rest.port=0"] {
            check.extend(["-D", free]);
        }
        let check = inside(&check);
        let check: serde_json::Value = serde_json::from_str(&check).unwrap();
        let used = check["classData"].as_str().unwrap();
        assert!(
            used.starts_with(&format!("/opt/flink/class-data/{role}-"))
                && used.ends_with(".jsa (fits this JVM and class path)"),
            "{used}"
        );
        let archive = used.split(' ').next().unwrap();
        let maps = inside(&["sh", "-c", "cat /proc/[0-9]*/maps 2>/dev/null || true"]);
        assert!(maps.contains(archive), "no JVM has {archive} mapped");
    }

    fn logs(&self) -> String {
        let log = |role: &str| {
            said(
                &Command::new("docker")
                    .args(["logs", "--tail", "40", &format!("{}-{role}", self.network)])
                    .output()
                    .unwrap(),
            )
        };
        format!("{}\n{}", log("jm"), log("tm"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let docker = |words: &[&str]| drop(Command::new("docker").args(words).output());
        docker(&[
            "rm",
            "--force",
            &format!("{}-jm", self.network),
            &format!("{}-tm", self.network),
        ]);
        docker(&["network", "rm", &self.network]);
        docker(&[
            "image",
            "rm",
            &format!("{}-appmaster", self.tag),
            &format!("{}-worker", self.tag),
        ]);
    }
}
