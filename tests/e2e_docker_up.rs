//! `flugs up --on docker`: a cluster of containers comes up, computes, heals, and leaves nothing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a failed test panics, and it waits for the programs that it runs"
)]

mod docker_images;
mod everybody;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use docker_images::{docker, docker_ok, flink_home, images, text};
use everybody::Everybodys;

const VERSION: &str = "2.3.0";

/// How long anything may take before a test gives up: generous, for loaded machines.
const PATIENCE: Duration = Duration::from_secs(120);

struct Cluster {
    directory: TempDir,
}

impl Cluster {
    /// A cluster that is up.
    fn up(taskmanagers: &str) -> Self {
        // Below a home that nobody else may enter, and whose name the images know as well: root's.
        let home = std::env::home_dir().unwrap();
        let cluster = Self {
            directory: tempfile::tempdir_in(home).unwrap(),
        };
        let images = images(VERSION);
        let up = cluster
            .flugs("up")
            .args(["--on", "docker", "--detach", "--taskmanagers", taskmanagers])
            .args([
                "--appmaster-image",
                &images.appmaster,
                "--worker-image",
                &images.worker,
            ])
            .arg("--flink-home")
            .arg(flink_home(VERSION))
            .args(["--cpus", "1.5", "-D", "jobmanager.memory.process.size=900m"])
            .args(["-D", "taskmanager.memory.process.size=1200m"])
            .output()
            .unwrap();
        assert!(
            up.status.success(),
            "{}\n{}",
            text(&up),
            cluster.last_words()
        );
        cluster
    }

    fn flugs(&self, command: &str) -> Command {
        let mut flugs = Command::new(env!("CARGO_BIN_EXE_flugs"));
        flugs.arg(command).arg("--dir").arg(self.directory.path());
        for variable in ["FLINK_HOME", "FLINK_CONF_DIR", "FLINK_PROPERTIES"] {
            flugs.env_remove(variable);
        }
        // The images have a Java; the machine need not, nor any other program.
        flugs.env_remove("JAVA_HOME").env("PATH", "/nonexistent");
        flugs
    }

    fn last_words(&self) -> String {
        let sandboxes = fs::read_dir(self.directory.path().join("sandboxes"));
        let entries = sandboxes.into_iter().flatten().flatten();
        let said = entries.map(|entry| {
            let said = fs::read_to_string(entry.path().join("stderr")).unwrap_or_default();
            format!("{}: {said}", entry.path().display())
        });
        said.collect()
    }

    fn status(&self) -> Value {
        let output = self.flugs("status").arg("--json").output().unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", text(&output)))
    }

    /// The names of the workers that serve.
    fn workers(&self) -> Vec<String> {
        let status = self.status();
        let members = status["members"].as_array().unwrap().iter();
        members
            .filter(|member| member["role"] == "taskmanager" && member["state"] == "registered")
            .map(|member| member["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What of the cluster is with the engine: containers and networks, by its label.
    fn with_engine(&self) -> Vec<String> {
        let label = format!(
            "label=org.flugs.directory={}",
            self.directory.path().display()
        );
        let containers = docker_ok(&["ps", "--all", "--format", "{{.Names}}", "--filter", &label]);
        let networks = docker_ok(&["network", "ls", "--format", "{{.Name}}", "--filter", &label]);
        let names = containers.lines().chain(networks.lines());
        names.map(str::to_owned).collect()
    }

    fn container(&self, id: &str) -> String {
        let found = self.with_engine();
        let suffix = format!("-{id}");
        let name = found.iter().find(|name| name.ends_with(&suffix));
        name.unwrap_or_else(|| panic!("no {id} in {found:?}"))
            .clone()
    }

    #[track_caller]
    fn down_leaves_nothing(&self) {
        let down = self.flugs("down").output().unwrap();
        assert!(down.status.success(), "{}", text(&down));
        assert_eq!(self.with_engine(), Vec::<String>::new());
        for entry in fs::read_dir(self.directory.path().join("sandboxes")).unwrap() {
            let sandbox = entry.unwrap().path();
            assert!(
                sandbox.join("log").is_dir(),
                "no logs in {}",
                sandbox.display()
            );
            for gone in ["flink", "conf", "tmp", "token"] {
                assert!(
                    !sandbox.join(gone).exists(),
                    "{gone} left in {}",
                    sandbox.display()
                );
            }
        }
    }

    fn master(&self) -> String {
        let state = fs::read(self.directory.path().join("cluster.json")).unwrap();
        let state: Value = serde_json::from_slice(&state).unwrap();
        state["master"]["pid"].to_string()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.flugs("down").args(["--patience", "2"]).output();
    }
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(200));
    }
}

fn run_flink(cluster: &Cluster, arguments: &[&str]) -> Output {
    Command::new(flink_home(VERSION).join("bin/flink"))
        .args(arguments)
        .env(
            "FLINK_CONF_DIR",
            cluster.directory.path().join("client-conf"),
        )
        .output()
        .unwrap()
}

#[test]
fn a_cluster_of_containers_computes_replaces_a_killed_worker_and_goes_down() {
    let cluster = Cluster::up("2");
    let limits = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.ReadonlyRootfs}}";
    let worker = cluster.container("taskmanager-1");
    let inspected = docker_ok(&["inspect", "--format", limits, &worker]);
    assert_eq!(inspected, format!("{} 1500000000 true", 1200 * 1024 * 1024));
    // Nothing secret is in what everybody with access to the engine sees.
    let token = fs::read_to_string(cluster.directory.path().join("token")).unwrap();
    assert!(!docker_ok(&["inspect", &worker]).contains(token.trim()));

    let jar = cluster.directory.path().join("job.jar");
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/streaming-job/build.sh");
    let compiled = Command::new(build)
        .arg(flink_home(VERSION))
        .arg(&jar)
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", text(&compiled));
    let job = [
        "run",
        jar.to_str().unwrap(),
        "--count",
        "100",
        "--parallelism",
        "2",
    ];
    let ran = run_flink(&cluster, &job);
    assert!(ran.status.success(), "{}", text(&ran));
    // What the job printed reached the sandboxes through the engine's log.
    let printed = |id: &str| {
        let path = cluster
            .directory
            .path()
            .join("sandboxes")
            .join(id)
            .join("stdout");
        let text = fs::read_to_string(path).unwrap();
        let counts = |line: &&str| line.contains("> ") && line.split(' ').count() == 4;
        text.lines().filter(counts).count()
    };
    wait_until("every count is in the logs", || {
        printed("taskmanager-1") + printed("taskmanager-2") == 100
    });

    docker_ok(&["kill", &worker]);
    wait_until("the killed worker is replaced", || {
        let workers = cluster.workers();
        workers.len() == 2 && !workers.contains(&"taskmanager-1".to_owned())
    });
    wait_until("the containers are healthy", || {
        let format = "{{.State.Health.Status}}";
        docker_ok(&[
            "inspect",
            "--format",
            format,
            &cluster.container("jobmanager"),
        ]) == "healthy"
    });
    cluster.down_leaves_nothing();
}

#[test]
fn after_a_kill_9_of_up_a_down_removes_every_container_and_nothing_else() {
    let bystander = format!("flugs-e2e-bystander-{}", std::process::id());
    let label = "org.flugs.cluster=somebody-elses";
    docker_ok(&["network", "create", "--label", label, &bystander]);
    let cluster = Cluster::up("1");
    let pid = cluster.master();
    let killed = Command::new("kill").args(["-9", &pid]).output().unwrap();
    assert!(killed.status.success(), "{}", text(&killed));
    let proc = format!("/proc/{pid}");
    wait_until("up is gone", || !Path::new(&proc).exists());
    assert_eq!(
        cluster.with_engine().len(),
        3,
        "{:?}",
        cluster.with_engine()
    );
    // Whoever looks is told, and told what to do.
    let told = text(&cluster.flugs("status").output().unwrap());
    assert!(told.contains("`flugs down` removes them"), "{told}");
    assert!(cluster.status()["containersLeft"].is_string());
    cluster.down_leaves_nothing();
    assert!(cluster.status()["containersLeft"].is_null());
    let removed = docker(&["network", "rm", &bystander]);
    assert!(removed.status.success(), "{}", text(&removed));
}

#[test]
fn a_container_that_the_engine_refuses_ends_the_start_with_the_engines_words() {
    let cluster = Cluster {
        directory: tempfile::tempdir().unwrap(),
    };
    let images = images(VERSION);
    let up = cluster
        .flugs("up")
        .args(["--on", "docker", "--cpus", "60000", "--flink-home"])
        .arg(flink_home(VERSION))
        .args(["--worker-image", &images.worker])
        .args(["--appmaster-image", &images.appmaster])
        .output()
        .unwrap();
    let refused = flugs_base::ExitCode::Engine.code();
    assert_eq!(up.status.code(), Some(refused.into()), "{}", text(&up));
    let said = text(&up);
    assert!(said.contains("the container of jobmanager"), "{said}");
    assert!(said.contains("CPUs"), "{said}");
    assert_eq!(cluster.with_engine(), Vec::<String>::new());
}

#[test]
fn an_image_that_is_not_there_is_named_and_nothing_is_left() {
    let cluster = Cluster {
        directory: tempfile::tempdir().unwrap(),
    };
    images(VERSION);
    let up = cluster
        .flugs("up")
        .args(["--on", "docker", "--worker-image", "flugs-e2e-none:1"])
        .args(["--appmaster-image", "flugs-e2e-none:1", "--flink-home"])
        .arg(flink_home(VERSION))
        .output()
        .unwrap();
    assert_eq!(up.status.code(), Some(98), "{}", text(&up));
    assert!(
        text(&up).contains("no image flugs-e2e-none:1"),
        "{}",
        text(&up)
    );
    assert_eq!(cluster.with_engine(), Vec::<String>::new());
}

/// An engine of a test's own that takes the users of its containers for others (`userns-remap`), in
/// a network of its own: two engines in one would undo each other's rules.
struct RemappingEngine {
    place: TempDir,
    network: String,
    daemon: Child,
}

/// Subordinate ids for an ordinary user, and what the engine mounts, are seen by the engine and its own
/// containerd alone.
const REMAPPING_ENGINE: &str = "set -e; mount --make-rprivate /; cd \"$1\"; \
    for file in subuid subgid; do mount --bind ids /etc/$file; done; \
    containerd --config /dev/null --root \"$1/containerd\" --state \"$1/containerd-state\" \
    --address \"$1/containerd-socket\" & echo $! > containerd-pid; \
    until [ -S containerd-socket ]; do sleep 0.2; done; \
    exec dockerd --containerd \"$1/containerd-socket\" --userns-remap=nobody:nogroup --data-root \"$1/data\" --exec-root \"$1/exec\" \
    --pidfile \"$1/pid\" --host \"unix://$1/socket\"";

impl RemappingEngine {
    fn start() -> Self {
        let place = tempfile::tempdir().unwrap();
        // The user that is root in containers goes through here.
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let ids = "nobody:200000:65536\nnogroup:200000:65536\n";
        fs::write(place.path().join("ids"), ids).unwrap();
        let network = format!("flugs-e2e-{}", std::process::id());
        let added = Command::new("ip")
            .args(["netns", "add", &network])
            .output()
            .unwrap();
        assert!(added.status.success(), "{}", text(&added));
        let log = fs::File::create(place.path().join("log")).unwrap();
        let daemon = inside(&network, "unshare")
            .args(["--mount", "sh", "-c", REMAPPING_ENGINE, "sh"])
            .arg(place.path())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let engine = Self {
            place,
            network,
            daemon,
        };
        let up = inside(&engine.network, "ip")
            .args(["link", "set", "lo", "up"])
            .output()
            .unwrap();
        assert!(up.status.success(), "{}", text(&up));
        wait_until("the engine answers", || {
            let log = fs::read_to_string(engine.place.path().join("log")).unwrap();
            log.contains("API listen on")
        });
        engine
    }

    fn host(&self) -> String {
        format!("unix://{}/socket", self.place.path().display())
    }

    /// A program that has this engine and no other.
    fn command(&self, program: &str) -> Command {
        let mut command = inside(&self.network, program);
        command.env("DOCKER_HOST", self.host());
        command
    }

    /// Gives it images of the other engine.
    fn load(&self, names: &[&str]) {
        let script = "docker save \"$@\" | DOCKER_HOST=$ENGINE docker load";
        let loaded = Command::new("sh")
            .args(["-c", script, "sh"])
            .args(names)
            .env("ENGINE", self.host())
            .output()
            .unwrap();
        assert!(loaded.status.success(), "{}", text(&loaded));
    }
}

impl Drop for RemappingEngine {
    fn drop(&mut self) {
        let stop = |pid: &str| Command::new("kill").arg(pid).output();
        let _ = stop(&self.daemon.id().to_string());
        let _ = self.daemon.wait();
        let containerd = fs::read_to_string(self.place.path().join("containerd-pid"));
        let _ = containerd.map(|pid| stop(pid.trim()));
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.network])
            .output();
    }
}

/// A program in a network namespace, without a shell in between.
fn inside(network: &str, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{network}"));
    command.args(["--", program]);
    command
}

#[test]
fn nightly_an_engine_that_remaps_users_runs_roots_cluster_and_refuses_everybody_elses() {
    let images = images(VERSION);
    let engine = RemappingEngine::start();
    engine.load(&[&images.appmaster, &images.worker]);
    let directory = tempfile::tempdir().unwrap();
    let flugs = |program: &[&str], command: &str, directory: &Path| {
        let (first, words) = program.split_first().unwrap();
        let mut flugs = engine.command(first);
        flugs.args(words).arg(command).arg("--dir").arg(directory);
        flugs
    };
    let up = |program: &[&str], directory: &Path| {
        flugs(program, "up", directory)
            .args(["--on", "docker", "--detach", "--taskmanagers", "1"])
            .args(["--appmaster-image", &images.appmaster])
            .args(["--worker-image", &images.worker])
            .arg("--flink-home")
            .arg(flink_home(VERSION))
            .args(["-D", "jobmanager.memory.process.size=900m"])
            .args(["-D", "taskmanager.memory.process.size=1000m"])
            .output()
            .unwrap()
    };
    let own = [env!("CARGO_BIN_EXE_flugs")];
    let started = up(&own, directory.path());
    let sandbox = directory.path().join("sandboxes/taskmanager-1");
    let words = || fs::read_to_string(sandbox.join("stderr")).unwrap_or_default();
    assert!(started.status.success(), "{}{}", text(&started), words());
    // What the user of the images writes, and the secret that it alone reads, is the mapped one's.
    for file in ["", "token", "log", "conf/config.yaml"] {
        let found = fs::metadata(sandbox.join(file)).unwrap();
        assert_eq!((found.uid(), found.gid()), (209_999, 209_999), "{file}");
    }
    let token = fs::metadata(sandbox.join("token")).unwrap();
    assert_eq!(token.mode() & 0o777, 0o600);
    let down = flugs(&own, "down", directory.path()).output().unwrap();
    assert!(down.status.success(), "{}", text(&down));

    // Whoever may use the engine and is not root cannot give files to its users.
    let socket = engine.place.path().join("socket");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let reached = Everybodys::new();
    let reached = reached.flugs();
    let somebodys = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(somebodys.path(), Some(65534), Some(65534)).unwrap();
    let somebody = [
        "setpriv",
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
    ];
    let program = [&somebody[..], &[reached.to_str().unwrap()]].concat();
    let refused = up(&program, somebodys.path());
    let said = text(&refused);
    let code = flugs_base::ExitCode::Engine.code();
    assert_eq!(refused.status.code(), Some(code.into()), "{said}");
    assert!(
        said.contains("userns-remap") && said.contains("user 200000"),
        "{said}"
    );
    let label = ["ps", "--all", "--quiet"];
    let left = engine.command("docker").args(label).output().unwrap();
    assert!(
        left.status.success() && left.stdout.is_empty(),
        "{}",
        text(&left)
    );
}
