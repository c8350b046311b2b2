//! A Mesos double, an application master, and what is to be seen of them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flugs::store::FileStore;
use mesos_double::{AgentOptions, MesosDouble, Options};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::docker_images::flink_home;
use super::streaming_job::{job_jar, written};
use super::zookeeper::Server;

/// How long anything may take before a test gives up: generous, for loaded machines.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many numbers the job counts each second.
const RATE: &str = "50";

/// Where jobs write, the first one first.
pub(super) const OUTPUTS: [&str; 2] = ["counts", "counts-of-another"];

/// What a JVM that lives for half a minute is best started with.
const QUICK_JVM: &str = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC";

/// Some master, some agents, one cluster.
pub(super) struct Scene {
    pub(super) double: MesosDouble,
    /// The application master's directory.
    cluster: String,
    pub(super) directory: TempDir,
    version: String,
    home: PathBuf,
    runtime: Runtime,
    rest_port: u16,
    rpc_port: u16,
    settings: Vec<String>,
    appmaster: Option<Child>,
    starts: usize,
}

impl Scene {
    /// A double with these masters and agents, and no cluster yet.
    pub(super) fn new(version: &str, options: Options, settings: &[String]) -> Self {
        let runtime = Runtime::new().unwrap();
        let double = runtime.block_on(MesosDouble::start(options)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        // Containers run as another user.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(directory.path(), open).unwrap();
        Self {
            double,
            cluster: "cluster".to_owned(),
            directory,
            version: version.to_owned(),
            home: flink_home(version),
            runtime,
            rest_port: free_port(),
            rpc_port: free_port(),
            settings: settings.to_vec(),
            appmaster: None,
            starts: 0,
        }
    }

    /// Agents of this machine, each with an address and with ports of its own.
    pub(super) fn agents(number: usize) -> Options {
        let agent = |number: usize| AgentOptions {
            hostname: format!("127.0.0.{}", number + 1),
            resources: format!(
                "ports:[{}-{}];cpus:2;mem:2600;disk:10000",
                31000 + 100 * number,
                31099 + 100 * number
            ),
            ..AgentOptions::default()
        };
        Options {
            agents: (0..number).map(agent).collect(),
            agent_timeout: Duration::from_secs(3),
            ..Options::default()
        }
    }

    /// The same with further options.
    pub(super) fn with(mut self, settings: &[String]) -> Self {
        self.settings.extend(settings.iter().cloned());
        self
    }

    /// The same with Flink's high availability in this ZooKeeper.
    pub(super) fn highly_available(self, zookeeper: &Server) -> Self {
        let storage = self.path("ha");
        self.with(&[
            "high-availability.type=zookeeper".to_owned(),
            format!("high-availability.zookeeper.quorum={}", zookeeper.address()),
            format!("high-availability.storageDir=file://{}", storage.display()),
            "high-availability.cluster-id=/default".to_owned(),
        ])
    }

    /// Has the cluster run a home of its own: the real one's parts, and the job in `usrlib`.
    pub(super) fn bring_job(&mut self) {
        let home = self.path("flink");
        fs::create_dir_all(home.join("usrlib")).unwrap();
        for part in ["bin", "conf", "lib", "opt", "plugins"] {
            symlink(self.home.join(part), home.join(part)).unwrap();
        }
        let jar = job_jar(&self.home, self.directory.path());
        fs::rename(jar, home.join("usrlib/job.jar")).unwrap();
        self.home = home;
    }

    /// Has the cluster run a home of its own: the real one's parts, and more in its configuration.
    pub(super) fn configure(&mut self, lines: &str) {
        let home = self.path("flink");
        fs::create_dir_all(home.join("conf")).unwrap();
        for part in ["bin", "lib", "opt", "plugins"] {
            symlink(self.home.join(part), home.join(part)).unwrap();
        }
        for file in fs::read_dir(self.home.join("conf")).unwrap().flatten() {
            fs::copy(file.path(), home.join("conf").join(file.file_name())).unwrap();
        }
        let options = home.join("conf/config.yaml");
        let text = fs::read_to_string(&options).unwrap();
        fs::write(&options, format!("{text}\n{lines}")).unwrap();
        self.home = home;
    }

    /// The Flink home that the cluster runs.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    pub(super) fn masters(&self) -> String {
        self.double.addresses().join(",")
    }

    /// The first master, which was stopped, runs and leads again.
    pub(super) fn master_returns(&self) {
        let started = self.double.start_master(0);
        self.runtime.block_on(started).unwrap();
        self.double.elect(Some(0));
    }

    /// The options of the cluster: two small workers on this machine.
    pub(super) fn options(&self) -> Vec<String> {
        // Restarts of a failed job, as each release line spells it.
        let restart = match self.version.as_str() {
            "1.13.6" => "restart-strategy",
            _ => "restart-strategy.type",
        };
        let mut options = vec![
            format!("mesos.master={}", self.masters()),
            "mesos.initial-tasks=2".to_owned(),
            "mesos.resourcemanager.tasks.cpus=0.5".to_owned(),
            "jobmanager.rpc.address=127.0.0.1".to_owned(),
            format!("jobmanager.rpc.port={}", self.rpc_port),
            format!("rest.port={}", self.rest_port),
            "jobmanager.memory.process.size=900m".to_owned(),
            "taskmanager.memory.process.size=1000m".to_owned(),
            format!("env.java.opts.jobmanager={QUICK_JVM}"),
            format!("env.java.opts.taskmanager={QUICK_JVM}"),
            format!("{restart}=fixed-delay"),
            "restart-strategy.fixed-delay.attempts=1000".to_owned(),
            "restart-strategy.fixed-delay.delay=200 ms".to_owned(),
        ];
        options.extend(self.settings.iter().cloned());
        options
    }

    /// `flugs COMMAND --dir …`, without whatever Flink the machine's own environment names.
    pub(super) fn flugs(&self, command: &str) -> Command {
        let mut flugs = Command::new(env!("CARGO_BIN_EXE_flugs"));
        flugs
            .arg(command)
            .arg("--dir")
            .arg(self.path(&self.cluster))
            .stdin(Stdio::null());
        for variable in ["FLINK_HOME", "FLINK_CONF_DIR", "FLINK_PROPERTIES", "HOST"] {
            flugs.env_remove(variable);
        }
        flugs
    }

    /// The application master's command, as a process.
    pub(super) fn appmaster(&self) -> Command {
        let mut command = self.flugs("appmaster");
        command.arg("--flink-home").arg(&self.home);
        for option in self.options() {
            command.args(["-D", &option]);
        }
        command
    }

    /// Another application master of the same cluster, with a copy of its state in this directory
    /// and its JobManager elsewhere.
    pub(super) fn successor(&self, directory: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flugs"));
        command.args(["appmaster", "--dir"]).arg(directory);
        command.arg("--flink-home").arg(&self.home);
        for option in self.options() {
            command.args(["-D", &option]);
        }
        let ports = [
            ("jobmanager.rpc.port", free_port()),
            ("rest.port", free_port()),
        ];
        for (key, port) in ports {
            command.args(["-D", &format!("{key}={port}")]);
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// From now on the application master is the other one, and the other one is this.
    pub(super) fn swap(&mut self, other: &mut Other) {
        std::mem::swap(&mut self.cluster, &mut other.cluster);
        std::mem::swap(&mut self.rest_port, &mut other.rest_port);
        std::mem::swap(&mut self.rpc_port, &mut other.rpc_port);
        std::mem::swap(&mut self.appmaster, &mut other.process);
    }

    /// Starts a process as the application master.
    pub(super) fn start(&mut self, command: &mut Command) {
        self.starts += 1;
        let log = fs::File::create(self.path(&format!("appmaster-{}.log", self.starts))).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.appmaster = Some(command.spawn().unwrap());
    }

    /// What the application masters said.
    pub(super) fn log(&self) -> String {
        let logs = (1..=self.starts).map(|number| {
            let path = self.path(&format!("appmaster-{number}.log"));
            fs::read_to_string(path).unwrap_or_default()
        });
        logs.collect()
    }

    /// What the last of them said.
    pub(super) fn last_log(&self) -> String {
        let path = self.path(&format!("appmaster-{}.log", self.starts));
        fs::read_to_string(path).unwrap()
    }

    /// Asserts that each line of an application master, and of its JobManager's launcher, says
    /// when it was written. Flink's own lines among them are of Flink's layout.
    #[track_caller]
    fn every_line_has_its_time(&self) {
        let log = self.last_log();
        let own: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("flugs: "))
            .collect();
        assert!(!own.is_empty(), "{log}");
        for line in own {
            assert!(has_its_time(line), "without its time: {line}");
        }
    }

    fn own_lines(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("flugs: ") || line.contains("ERROR"))
            .collect();
        lines.join("\n")
    }

    pub(super) fn status(&self) -> Value {
        let output = self.flugs("status").arg("--json").output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    pub(super) fn why(&self) -> Output {
        self.flugs("why").output().unwrap()
    }

    /// Polls until `holds`, or fails the test with what was said.
    #[track_caller]
    pub(super) fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            if let Some(child) = &mut self.appmaster
                && let Some(status) = child.try_wait().unwrap()
            {
                panic!(
                    "waiting until {what}, the application master ended with {status}: {}",
                    self.log()
                );
            }
            let why = || String::from_utf8_lossy(&self.why().stdout).into_owned();
            assert!(
                Instant::now() < deadline,
                "not within {PATIENCE:?}: {what}\n{}\n{}\n{}",
                self.own_lines(),
                why(),
                self.status()
            );
            sleep(Duration::from_millis(200));
        }
    }

    /// Waits until all that is wanted serves.
    #[track_caller]
    pub(super) fn wait_until_whole(&mut self) {
        self.wait_until("the cluster is whole", |scene| {
            let status = scene.status();
            status["phase"] == "ready" && scene.tasks().len() == 2
        });
    }

    /// The tasks of the workers that are registered.
    pub(super) fn registered(&self) -> BTreeSet<String> {
        let status = self.status();
        let workers = status["workers"].as_array().cloned().unwrap_or_default();
        let registered = workers
            .iter()
            .filter(|worker| worker["state"] == "registered");
        registered
            .map(|worker| worker["task"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The tasks that the leading master believes to be running, of whichever framework.
    pub(super) fn tasks(&self) -> BTreeSet<String> {
        let state = self.double.state();
        let frameworks = state["frameworks"].as_array().cloned().unwrap_or_default();
        let tasks = frameworks
            .iter()
            .flat_map(|framework| framework["tasks"].as_array().cloned().unwrap_or_default());
        tasks
            .map(|task| task["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Whether no framework has ever subscribed with the leading master.
    pub(super) fn nobody_subscribed(&self) -> bool {
        let state = self.double.state();
        ["frameworks", "completed_frameworks"]
            .iter()
            .all(|frameworks| state[*frameworks].as_array().is_none_or(Vec::is_empty))
    }

    /// Which of the double's agents a task is on.
    pub(super) fn agent_of(&self, task: &str) -> usize {
        let status = self.status();
        let workers = status["workers"].as_array().unwrap();
        let worker = workers
            .iter()
            .find(|worker| worker["task"] == task)
            .unwrap();
        let host = worker["hostname"].as_str().unwrap();
        let last = host.rsplit('.').next().unwrap();
        last.parse::<usize>().unwrap() - 1
    }

    /// The id of one of the double's agents; the latest, if it has had several.
    pub(super) fn agent_id(&self, agent: usize) -> String {
        let state = self.double.state();
        let host = format!("127.0.0.{}", agent + 1);
        let agents = state["slaves"].as_array().cloned().unwrap_or_default();
        let found = agents.iter().rfind(|one| one["hostname"] == host.as_str());
        found.map_or_else(String::new, |one| one["id"].as_str().unwrap().to_owned())
    }

    /// The port of the JobManager's REST interface.
    pub(super) const fn rest_port(&self) -> u16 {
        self.rest_port
    }

    /// How often jobs that run went back to a checkpoint.
    pub(super) fn restarts(&self) -> usize {
        let jobs = self.rest_document("/jobs/overview");
        let restored = |job: &Value| {
            let id = job["jid"].as_str().unwrap();
            let checkpoints = self.rest_document(&format!("/jobs/{id}/checkpoints"));
            checkpoints["counts"]["restored"].as_u64().unwrap_or(0)
        };
        let all: u64 = jobs["jobs"].as_array().unwrap().iter().map(restored).sum();
        usize::try_from(all).unwrap()
    }

    /// The worker that the job runs on, as Flink knows it.
    pub(super) fn busy(&self) -> String {
        let body = self.rest_document("/taskmanagers");
        let workers = body["taskmanagers"].as_array().unwrap();
        let busy = workers.iter().find(|worker| worker["freeSlots"] == 0);
        let busy = busy.unwrap_or_else(|| panic!("no worker is busy: {body}"));
        busy["id"].as_str().unwrap().to_owned()
    }

    /// Has Flink cancel all jobs.
    pub(super) fn cancel_jobs(&self) {
        let jobs = self.rest_document("/jobs/overview");
        for job in jobs["jobs"].as_array().unwrap() {
            let id = job["jid"].as_str().unwrap();
            self.rest("PATCH", &format!("/jobs/{id}?mode=cancel"));
        }
    }

    fn rest_document(&self, path: &str) -> Value {
        let answer = self.rest("GET", path);
        let body = &answer[answer.find('{').unwrap()..];
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// An operator's call to the master; its answer.
    #[track_caller]
    pub(super) fn operate(&self, call: &Value) -> String {
        let url = format!("http://{}/api/v1", self.double.address());
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--json"])
            .args([&call.to_string(), &url])
            .output()
            .unwrap();
        assert!(output.status.success(), "{call}: {}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// An operator plans maintenance of this agent's machine, and of no other.
    pub(super) fn plan_maintenance(&self, agent: usize, ahead: Duration) {
        let machine = json!({"hostname": format!("127.0.0.{}", agent + 1), "ip": "127.0.0.1"});
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + ahead;
        let start = json!({"nanoseconds": u64::try_from(start.as_nanos()).unwrap()});
        self.schedule(&json!([
            {"machine_ids": [machine], "unavailability": {"start": start}},
        ]));
    }

    /// No maintenance is planned any more.
    pub(super) fn drop_maintenance(&self) {
        self.schedule(&json!([]));
    }

    fn schedule(&self, windows: &Value) {
        self.operate(&json!({
            "type": "UPDATE_MAINTENANCE_SCHEDULE",
            "update_maintenance_schedule": {"schedule": {"windows": windows}},
        }));
    }

    /// Asks the JobManager something; head and body of its answer.
    fn rest(&self, method: &str, path: &str) -> String {
        Self::http(&format!("127.0.0.1:{}", self.rest_port), method, path)
    }

    /// What a monitoring system is told.
    pub(super) fn metrics(&self) -> String {
        let state = FileStore::new(&self.path("cluster")).load().unwrap();
        let master = state.and_then(|state| state.application_master);
        let Some(master) = master else {
            return String::new();
        };
        Self::http(master.url.trim_start_matches("http://"), "GET", "/metrics")
    }

    fn http(address: &str, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Has a client shut the cluster down, and waits for the application master's end.
    #[track_caller]
    pub(super) fn shut_down(&mut self) -> ExitStatus {
        self.rest("DELETE", "/cluster");
        self.ended()
    }

    pub(super) fn framework(&self) -> String {
        let status = self.status();
        status["mesos"]["framework"].as_str().unwrap().to_owned()
    }

    /// The application master's process.
    pub(super) fn master(&self) -> i32 {
        let state = fs::read(self.path(&self.cluster).join("cluster.json")).unwrap();
        let state: Value = serde_json::from_slice(&state).unwrap();
        i32::try_from(state["master"]["pid"].as_i64().unwrap()).unwrap()
    }

    /// Submits the streaming job, detached: one slot, checkpoints, and no end in sight.
    #[track_caller]
    pub(super) fn submit(&self) {
        self.submit_over(1);
    }

    /// The same over so many slots.
    #[track_caller]
    pub(super) fn submit_over(&self, slots: usize) {
        let jar = job_jar(&self.home, self.directory.path());
        let run = Command::new(self.home.join("bin/flink"))
            .args(["run", "--detached"])
            .arg(jar)
            .args(self.job_arguments(slots, OUTPUTS[0]))
            .env(
                "FLINK_CONF_DIR",
                self.path(&self.cluster).join("client-conf"),
            )
            .env("JVM_ARGS", QUICK_JVM)
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", text(&run));
    }

    /// The same as [`Self::submit`] without Flink's client, whose JVM takes longer than the rest.
    #[track_caller]
    pub(super) fn submit_by_rest(&self) {
        self.submit_by_rest_to(OUTPUTS[0]);
    }

    /// The same with its output in this directory.
    #[track_caller]
    pub(super) fn submit_by_rest_to(&self, output: &str) {
        let jar = job_jar(&self.home, self.directory.path());
        let jobs = format!("http://127.0.0.1:{}/jars", self.rest_port);
        let form = format!("jarfile=@{};type=application/x-java-archive", jar.display());
        let uploaded = curl(&["--form", &form, &format!("{jobs}/upload")]);
        let file = PathBuf::from(uploaded["filename"].as_str().unwrap());
        let id = file.file_name().unwrap().to_str().unwrap();
        let arguments =
            serde_json::json!({ "programArgsList": self.job_arguments(1, output) }).to_string();
        let run = ["--json", &arguments, &format!("{jobs}/{id}/run")];
        assert!(curl(&run)["jobid"].is_string());
    }

    fn job_arguments(&self, slots: usize, output: &str) -> Vec<String> {
        let checkpoints = format!("file://{}", self.path("checkpoints").display());
        let (slots, output) = (slots.to_string(), self.path(output));
        let arguments = [
            ["--count", "1000000"],
            ["--rate", RATE],
            ["--parallelism", &slots],
            ["--output", output.to_str().unwrap()],
            ["--checkpoint-dir", &checkpoints],
            ["--checkpoint-interval", "200"],
        ];
        arguments.concat().into_iter().map(str::to_owned).collect()
    }

    /// The highest number that the job has counted.
    pub(super) fn counted(&self) -> u64 {
        self.counted_in(OUTPUTS[0])
    }

    fn counted_in(&self, output: &str) -> u64 {
        let counts = written(&self.path(output));
        counts
            .iter()
            .map(|[digit, count, _]| last_number(*digit, *count))
            .max()
            .unwrap_or(0)
    }

    /// Waits until the job goes on, which is to say: counts what it had not counted before.
    #[track_caller]
    pub(super) fn wait_until_counting(&mut self) {
        for output in OUTPUTS {
            if output == OUTPUTS[0] || self.path(output).exists() {
                let before = self.counted_in(output);
                self.wait_until("the job counts on", |scene| {
                    scene.counted_in(output) > before + 5
                });
            }
        }
    }

    /// Asserts that every number was counted once in the state that was ever checkpointed: each
    /// digit's sum is that of its first numbers.
    #[track_caller]
    pub(super) fn counted_exactly(&self) {
        let outputs = OUTPUTS.map(|output| written(&self.path(output)));
        for [digit, count, sum] in outputs.into_iter().flatten() {
            let last = last_number(digit, count);
            let first = if digit == 0 { 10 } else { digit };
            assert_eq!(
                sum,
                (first + last) * count / 2,
                "digit {digit}, count {count}"
            );
        }
    }

    /// Stops the application master with a signal and waits for its end.
    #[track_caller]
    pub(super) fn end(&mut self, signal: &str) -> ExitStatus {
        kill(self.master(), signal);
        self.ended()
    }

    #[track_caller]
    pub(super) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Kept until it has ended: whatever fails here leaves no process behind.
            if let Some(status) = self.appmaster.as_mut().unwrap().try_wait().unwrap() {
                self.appmaster = None;
                self.every_line_has_its_time();
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end: {}",
                self.own_lines()
            );
            sleep(Duration::from_millis(50));
        }
    }

    /// Kills the application master without a warning.
    pub(super) fn kill_master(&mut self) {
        kill(self.master(), "KILL");
        let mut child = self.appmaster.take().unwrap();
        child.wait().unwrap();
    }

    /// Every process that names a place of this scene on its command line or works there.
    pub(super) fn processes(&self) -> Vec<String> {
        self.pids().map(command_line).collect()
    }

    fn pids(&self) -> impl Iterator<Item = i32> {
        let places = [self.directory.path(), self.double.work_dir()];
        let belongs = move |pid: &i32| {
            let at = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            let words = command_line(*pid);
            let named = |place: &&Path| words.contains(place.to_str().unwrap());
            places.iter().any(|place| at.starts_with(place)) || places.iter().any(named)
        };
        let own = i32::try_from(std::process::id()).unwrap();
        let all = processes().into_iter();
        all.filter(move |pid| *pid != own && belongs(pid))
    }

    /// The JVM of this task, or of the JobManager: the scene's process with this word in its
    /// command line or in its sandbox's path. Tasks of other scenes have the same names.
    #[track_caller]
    pub(super) fn jvm(&self, sandbox: &str) -> i32 {
        let found = self.pids().find(|pid| {
            let words = command_line(*pid);
            let at = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            let there = at.to_string_lossy().contains(sandbox) || words.contains(sandbox);
            there && words.contains("org.apache.flink.")
        });
        found.unwrap_or_else(|| panic!("no JVM of {sandbox}"))
    }

    /// What there is of the cluster: frameworks and tasks that the master knows, and processes.
    pub(super) fn left_over(&self) -> Vec<String> {
        let state = self.double.state();
        let frameworks = state["frameworks"].as_array().cloned().unwrap_or_default();
        let frameworks = frameworks
            .iter()
            .map(|one| format!("framework {}", one["id"]));
        let tasks = self.tasks().into_iter().map(|task| format!("task {task}"));
        let processes = self.processes().into_iter();
        frameworks
            .chain(tasks)
            .chain(processes.map(|words| format!("process {words}")))
            .collect()
    }

    /// Asserts that nothing of the cluster runs, and that the master knows no framework of it.
    #[track_caller]
    pub(super) fn nothing_is_left(&mut self) {
        self.wait_until("nothing is left", |scene| scene.left_over().is_empty());
    }
}

/// An application master that is not looked at now.
pub(super) struct Other {
    cluster: String,
    rest_port: u16,
    rpc_port: u16,
    process: Option<Child>,
}

impl Other {
    /// Another application master of the same cluster, which is not started yet: with a
    /// directory and ports of its own, as on another machine.
    pub(super) fn new() -> Self {
        Self {
            cluster: "other".to_owned(),
            rest_port: free_port(),
            rpc_port: free_port(),
            process: None,
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(mut child) = self.appmaster.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.runtime.block_on(self.double.stop());
    }
}

/// How many workers a JobManager says are registered, if it answers.
pub(super) fn overview(rest_port: u16) -> Option<usize> {
    let mut stream = TcpStream::connect(("127.0.0.1", rest_port)).ok()?;
    let request = "GET /overview HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let body: Value = serde_json::from_str(answer.get(answer.find('{')?..)?).ok()?;
    usize::try_from(body["taskmanagers"].as_u64()?).ok()
}

/// Has curl ask something, and gives the document that it is answered with.
#[track_caller]
fn curl(words: &[&str]) -> Value {
    let output = Command::new("curl")
        .args(["--silent", "--show-error"])
        .args(words)
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    assert!(
        answer.is_object() && answer.get("errors").is_none(),
        "{}",
        text(&output)
    );
    answer
}

/// The number that is the `count`th of those that end in this digit.
fn last_number(digit: u64, count: u64) -> u64 {
    let first = if digit == 0 { 10 } else { digit };
    first + 10 * count.saturating_sub(1)
}

/// Whether a line begins with the time (RFC 3339, UTC, milliseconds).
pub(super) fn has_its_time(line: &str) -> bool {
    let (stamp, said) = line.split_once(' ').unwrap_or_default();
    let form = |(found, shape): (u8, u8)| match shape {
        b'0' => found.is_ascii_digit(),
        other => found == other,
    };
    let shape = b"0000-00-00T00:00:00.000Z";
    stamp.len() == shape.len() && stamp.bytes().zip(*shape).all(form) && !said.is_empty()
}

pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Sends a signal by name.
pub(super) fn kill(pid: i32, signal: &str) {
    let _ = Command::new("kill")
        .args([&format!("-{signal}"), &pid.to_string()])
        .output();
}

/// What a program printed, for a message.
pub(super) fn text(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    format!("{}\n{}", output.status, String::from_utf8_lossy(&all))
}

/// The processes that run; those that only wait to be reaped do not.
fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| !rest.starts_with('Z'))
    })
    .collect()
}

fn command_line(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}
