//! A JobManager's JVM on a Java of choice: as flugs launches it, and by hand without what flugs refuses.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::flink_homes::flink_home;

/// What a JobManager says once it leads and serves.
const LEADS: &str = "was granted leadership";

const PATIENCE: Duration = Duration::from_secs(90);

/// The runtime of a release: `./test.sh` makes them.
pub(crate) fn java_home(release: u32) -> PathBuf {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("target/java/{release}"));
    assert!(
        home.join("bin/java").is_file(),
        "no Java {release}: make it with tools/java-home.sh {release} target/java/{release}"
    );
    home
}

/// A JobManager on a machine of its own directory.
pub(crate) struct JobManager {
    directory: tempfile::TempDir,
    flink: &'static str,
    java: PathBuf,
    properties: Vec<String>,
    hadoop: Option<String>,
}

/// How a JVM's start went.
#[derive(Debug)]
pub(crate) struct Went {
    /// Whether it came to lead.
    pub(crate) leads: bool,
    /// The code with which it ended by itself, if it did.
    pub(crate) code: Option<i32>,
    /// What it said.
    pub(crate) said: String,
}

impl JobManager {
    pub(crate) fn of(flink: &'static str, java: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let storage = directory.path().join("ha").display().to_string();
        let properties = [
            "rest.port=0",
            "rest.address=127.0.0.1",
            "rest.bind-address=127.0.0.1",
            "jobmanager.rpc.port=0",
            "jobmanager.rpc.address=127.0.0.1",
            "jobmanager.bind-host=127.0.0.1",
            "jobmanager.memory.process.size=700m",
            "jobmanager.memory.jvm-metaspace.size=128m",
            &format!("high-availability.storageDir=file://{storage}"),
        ];
        Self {
            directory,
            flink,
            java: java_home(java),
            properties: properties.map(str::to_owned).into(),
            hadoop: None,
        }
    }

    pub(crate) fn with(mut self, property: &str) -> Self {
        self.properties.push(property.to_owned());
        self
    }

    pub(crate) fn with_hadoop(mut self, class_path: &str) -> Self {
        self.hadoop = Some(class_path.to_owned());
        self
    }

    fn flugs(&self, further: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flugs"));
        command
            .args(["launch", "jobmanager", "--dir"])
            .arg(self.directory.path().join("sandbox"))
            .arg("--flink-home")
            .arg(flink_home(self.flink))
            .args(further);
        for property in &self.properties {
            command.args(["-D", property]);
        }
        command
            .env("JAVA_HOME", &self.java)
            .env("XDG_CACHE_HOME", self.directory.path().join("cache"))
            .env_remove("HADOOP_CLASSPATH")
            .envs(self.hadoop.iter().map(|path| ("HADOOP_CLASSPATH", path)));
        command
    }

    /// What flugs says when it refuses the launch, before anything starts.
    #[track_caller]
    pub(crate) fn refusal(&self, code: i32) -> String {
        let mut said = Vec::new();
        for further in [&["--check"] as &[&str], &[]] {
            let output = self.flugs(further).output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(code), "{text}");
            let told = text.lines().filter(|line| !line.contains("warning: "));
            said.push(told.collect::<Vec<_>>().join("\n"));
        }
        assert_eq!(said[0], said[1]);
        said.remove(0)
    }

    /// Launches it with flugs.
    pub(crate) fn launched(&self) -> Went {
        watch(self.flugs(&[]))
    }

    /// Runs the JVM that flugs would, but for what it refuses: `amend` puts that in.
    pub(crate) fn by_hand(&self, amend: impl FnOnce(&mut Vec<String>)) -> Went {
        let output = self.flugs(&["--prepare", "--json"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        let explained: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut words: Vec<String> = serde_json::from_value(explained["command"].clone()).unwrap();
        amend(&mut words);
        let environment: BTreeMap<String, String> =
            serde_json::from_value(explained["environment"].clone()).unwrap();
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .envs(environment)
            .current_dir(self.directory.path().join("sandbox"));
        watch(command)
    }
}

/// Runs until it leads, ends by itself, or has had its time.
fn watch(mut command: Command) -> Went {
    let process = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut process = Stopped(process.unwrap());
    let (sender, lines) = mpsc::channel();
    let streams: [Box<dyn std::io::Read + Send>; 2] = [
        Box::new(process.0.stdout.take().unwrap()),
        Box::new(process.0.stderr.take().unwrap()),
    ];
    for stream in streams {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
    }
    drop(sender);
    let begun = Instant::now();
    let mut said = String::new();
    let mut leads = false;
    while !leads {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        let Ok(line) = lines.recv_timeout(left) else {
            break;
        };
        leads = line.contains(LEADS);
        said.push_str(&line);
        said.push('\n');
    }
    let ended = !leads && begun.elapsed() < PATIENCE;
    let code = if ended {
        process.0.wait().unwrap().code()
    } else {
        None
    };
    Went { leads, code, said }
}

/// A process that does not outlive the test: flugs' own stops its JVM.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.id().try_into().unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let begun = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) {
            if begun.elapsed() > Duration::from_secs(20) {
                let _ = self.0.kill();
                let _ = self.0.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
