//! A network of containers of one test, which is gone with the test.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::docker_images::{Images, docker, docker_ok, flink_home, images, text};

/// How long anything may take before a test gives up: generous, for loaded machines.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Scene {
    pub(super) images: Images,
    pub(super) directory: TempDir,
    version: String,
    network: String,
    containers: RefCell<Vec<String>>,
}

impl Scene {
    pub(super) fn new(version: &str) -> Self {
        let images = images(version);
        let directory = tempfile::tempdir().unwrap();
        // Containers of any user work in it.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        let network = format!("flugs-e2e-{}", std::process::id());
        docker_ok(&["network", "create", &network]);
        Self {
            images,
            directory,
            version: version.to_owned(),
            network,
            containers: RefCell::default(),
        }
    }

    /// Starts a container that others find by `name`.
    pub(super) fn start(&self, name: &str, options: &[&str], image: &str, command: &[&str]) {
        let options = [&["--hostname", name], options].concat();
        self.start_nameless(name, &options, image, command);
    }

    /// Starts a container that others find by `name`, and that does not know of it.
    pub(super) fn start_nameless(
        &self,
        name: &str,
        options: &[&str],
        image: &str,
        command: &[&str],
    ) {
        let shared = format!("{}:/shared", self.directory.path().display());
        let full = self.full(name);
        let mut words = vec!["run", "--detach", "--name", &full];
        words.extend(["--network", &self.network, "--network-alias", name]);
        words.extend(["--volume", &shared]);
        words.extend(options);
        words.push(image);
        words.extend(command);
        docker_ok(&words);
        self.containers.borrow_mut().push(name.to_owned());
    }

    /// The container's name with the engine.
    pub(super) fn full(&self, name: &str) -> String {
        format!("{}-{name}", self.network)
    }

    /// `docker exec`, which must succeed.
    #[track_caller]
    pub(super) fn exec(&self, name: &str, command: &[&str]) -> String {
        let full = self.full(name);
        let mut words = vec!["exec", &full];
        words.extend(command);
        docker_ok(&words)
    }

    /// How a container's log ends: a report of a failure may be cut after its first lines.
    pub(super) fn end_of_logs(&self, name: &str) -> String {
        text(&docker(&["logs", "--tail", "40", &self.full(name)]))
    }

    #[track_caller]
    pub(super) fn inspect(&self, name: &str, format: &str) -> String {
        docker_ok(&["inspect", "--format", format, &self.full(name)])
    }

    /// Waits until `holds`; a container that has ended fails the test.
    #[track_caller]
    pub(super) fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            for name in self.containers.borrow().iter() {
                let running = self.inspect(name, "{{.State.Running}}");
                assert_eq!(
                    running,
                    "true",
                    "waiting until {what}: {name} ended: {}",
                    self.end_of_logs(name)
                );
            }
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
            sleep(Duration::from_millis(200));
        }
    }

    /// Waits until so many TaskManagers are registered with the JobManager `name`.
    #[track_caller]
    pub(super) fn wait_for_workers(&self, name: &str, workers: usize) {
        self.wait_for_workers_at(name, 8081, workers);
    }

    /// The same with a JobManager that serves at another port.
    #[track_caller]
    pub(super) fn wait_for_workers_at(&self, name: &str, port: u16, workers: usize) {
        let wanted = format!("\"taskmanagers\":{workers},");
        let address = self.inspect(
            name,
            "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        );
        self.wait_until("the TaskManagers are registered", || {
            overview(&address, port).is_some_and(|answer| answer.contains(&wanted))
        });
    }

    /// `docker stop`, and the exit code.
    pub(super) fn stop(&self, name: &str) -> String {
        let began = Instant::now();
        docker_ok(&["stop", "--time", "20", &self.full(name)]);
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "{name} had to be killed"
        );
        self.exit_code(name)
    }

    /// Waits for the container's end.
    pub(super) fn exit_code(&self, name: &str) -> String {
        self.containers.borrow_mut().retain(|one| one != name);
        docker_ok(&["wait", &self.full(name)])
    }

    /// The streaming example as a jar that every container can read.
    pub(super) fn job_jar(&self) -> PathBuf {
        let jar = self.directory.path().join("job.jar");
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/streaming-job/build.sh");
        let compiled = Command::new(build)
            .arg(flink_home(&self.version))
            .arg(&jar)
            .output()
            .unwrap();
        assert!(compiled.status.success(), "{}", text(&compiled));
        fs::set_permissions(&jar, fs::Permissions::from_mode(0o644)).unwrap();
        jar
    }

    /// An empty file of the shared directory that every user may append to.
    pub(super) fn make_open_file(&self, file: &str) {
        let path = self.directory.path().join(file);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    }

    /// How many lines the job has written to a file of the shared directory.
    pub(super) fn lines(&self, file: &str) -> usize {
        let path = self.directory.path().join(file);
        fs::read_to_string(path).map_or(0, |text| text.lines().count())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let network = format!("network={}", self.network);
        let found = docker(&["ps", "--all", "--quiet", "--filter", &network]);
        let found = String::from_utf8_lossy(&found.stdout).into_owned();
        let mut words = vec!["rm", "--force", "--volumes"];
        words.extend(found.lines());
        if words.len() > 3 {
            docker(&words);
        }
        docker(&["network", "rm", &self.network]);
    }
}

/// The JobManager's overview, by plain HTTP.
fn overview(address: &str, port: u16) -> Option<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect((address, port)).ok()?;
    let request = "GET /overview HTTP/1.1\r\nHost: jm\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
