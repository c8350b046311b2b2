//! Plays one recording against a double.

use super::files::serve_files;
use super::matching::{Names, normal};
use super::recording::read;
use crate::support::{Item, PATIENCE, Reply, Stream, request, subscribe};
use mesos_double::{MesosDouble, Options};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// What an effect may lag behind its cause in the recording; the clock is put forward as much.
const LAG: f64 = 0.06;

pub(crate) struct Player {
    lines: Vec<Value>,
    runtime: Runtime,
    double: MesosDouble,
    addresses: Vec<String>,
    target: usize,
    names: Names,
    streams: BTreeMap<u64, Stream>,
    /// Events that came before others were looked for.
    held: BTreeMap<u64, Vec<Value>>,
    /// Where the virtual clock stands, in the recording's time.
    now: f64,
    /// Frameworks with a stream, as the recording names them.
    subscribed: BTreeMap<u64, String>,
    /// The task that was launched last.
    last_task: String,
}

impl Player {
    /// `tick`: at which part of a second the recorded allocator worked.
    pub(crate) fn start(name: &str, options: Options, tick: f64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let double = runtime.block_on(MesosDouble::start(options)).unwrap();
        let addresses = double.addresses();
        double.advance(Duration::from_secs_f64(1.0 - tick));
        let mut names = Names::default();
        let (host, port) = addresses[0].rsplit_once(':').unwrap();
        let agent_port = port.parse::<u16>().unwrap() + 1;
        names.learn("127.0.0.1:5050", &addresses[0]);
        names.learn("127.0.0.1:5051", &format!("{host}:{agent_port}"));
        names.learn("127.0.0.1:8999", &serve_files());
        names.learn("/var/lib/mesos/agent", double.work_dir().to_str().unwrap());
        Self {
            lines: read(name),
            runtime,
            double,
            addresses,
            target: 0,
            names,
            streams: BTreeMap::new(),
            held: BTreeMap::new(),
            now: 0.0,
            subscribed: BTreeMap::new(),
            last_task: String::new(),
        }
    }

    /// The recorded calls went to a master that did not lead; the leader was at port 5051.
    pub(crate) fn of_follower(mut self) -> Self {
        self.target = 1;
        self.names = Names::default();
        self.names.learn("127.0.0.1:5051", &self.addresses[0]);
        self
    }

    /// What the recording calls something else.
    pub(crate) fn with_name(mut self, recorded: &str, own: &str) -> Self {
        self.names.learn(recorded, own);
        self
    }

    pub(crate) fn play(mut self) {
        let lines = std::mem::take(&mut self.lines);
        for (position, line) in lines.iter().enumerate() {
            let rest = &lines[position + 1..];
            // Shown if the test fails: the last one is what was not so.
            eprintln!("{}", line.to_string().chars().take(400).collect::<String>());
            if line.get("open").is_some() {
                self.pass(line, 0.0);
                self.subscribe(line, rest);
            } else if line.get("reply").is_some() {
                self.pass(line, 0.0);
                self.call(line);
            } else if line.get("event").is_some() {
                self.pass(line, LAG);
                self.event(line);
                self.cut_agent_if_it_is_time(line, rest);
            } else if line.get("end").is_some() {
                self.end(line);
            } else if line["note"]
                .as_str()
                .is_some_and(|note| note.contains("without registry"))
            {
                self.pass(line, 0.0);
                self.double.cut_agent(0);
                self.double.lose_registry();
            } else if line["note"] == "agent continues" {
                self.pass(line, 0.0);
                self.double.return_agent(0);
            } else if let Some(recorded) = line.get("docker_inspect") {
                self.inspect(recorded);
            } else if line["sandbox"] == "stdout" {
                self.sandbox(line);
            }
        }
        self.runtime.block_on(self.double.stop());
    }

    fn pass(&mut self, line: &Value, lag: f64) {
        let until = line["t"].as_f64().unwrap() + lag;
        if until > self.now {
            self.double
                .advance(Duration::from_secs_f64(until - self.now));
            self.now = until;
        }
    }

    fn headers(&self, line: &Value) -> Vec<(String, String)> {
        let headers = line["call"]["headers"].as_object().unwrap();
        headers
            .iter()
            .map(|(name, value)| (name.clone(), self.names.translate(value.as_str().unwrap())))
            .collect()
    }

    fn body(&self, line: &Value) -> Option<String> {
        match &line["call"]["body"] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            body => Some(self.names.translate_value(body).to_string()),
        }
    }

    fn call(&mut self, line: &Value) {
        let call = &line["call"];
        let reply = request(
            &self.addresses[self.target],
            call["method"].as_str().unwrap(),
            call["path"].as_str().unwrap(),
            &self.headers(line),
            self.body(line).as_deref(),
        );
        self.compare_reply(&line["reply"], &reply);
        let task = "/accept/operations/0/launch/task_infos/0/task_id/value";
        if let Some(task) = call["body"].pointer(task) {
            task.as_str().unwrap().clone_into(&mut self.last_task);
        }
    }

    fn compare_reply(&self, recorded: &Value, reply: &Reply) {
        assert_eq!(recorded["status"], reply.head.status);
        assert_eq!(recorded["reason"], reply.head.reason);
        let body = self.names.translate(recorded["body"].as_str().unwrap());
        match serde_json::from_str::<Value>(&body) {
            Ok(mut body) => {
                let mut own: Value = serde_json::from_str(&reply.body).unwrap();
                for body in [&mut body, &mut own] {
                    without_response_times(body);
                }
                assert_eq!(without_machine(body), without_machine(own));
            }
            Err(_) => assert_eq!(body, reply.body),
        }
        self.compare_headers(&recorded["headers"], &reply.head.headers);
    }

    /// The same headers with the same values, but for dates, lengths and ids.
    fn compare_headers(&self, recorded: &Value, own: &[(String, String)]) {
        let comparable = |name: &str, value: &str| {
            let value = match name {
                "Date" | "Content-Length" | "Mesos-Stream-Id" => "(of its kind)".to_owned(),
                _ => self.names.translate(value),
            };
            (name.to_owned(), value)
        };
        let recorded: BTreeMap<String, String> = recorded
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| comparable(pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        let own = own
            .iter()
            .map(|(name, value)| comparable(name, value))
            .collect();
        assert_eq!(recorded, own);
    }

    fn subscribe(&mut self, line: &Value, rest: &[Value]) {
        let number = line["stream"].as_u64().unwrap();
        let outcome = subscribe(
            &self.addresses[self.target],
            line["call"]["path"].as_str().unwrap(),
            &self.headers(line),
            &self.body(line).unwrap(),
        );
        match outcome {
            Ok(stream) => {
                assert_eq!(line["open"]["status"], stream.head.status);
                self.compare_headers(&line["open"]["headers"], &stream.head.headers);
                let headers = line["open"]["headers"].as_array().unwrap();
                let id = headers.iter().find(|pair| pair[0] == "Mesos-Stream-Id");
                let own = stream.head.header("Mesos-Stream-Id").unwrap();
                self.names.learn(id.unwrap()[1].as_str().unwrap(), own);
                self.streams.insert(number, stream);
            }
            Err(reply) => {
                assert_eq!(line["open"]["status"], reply.head.status);
                let body = rest.iter().find(|later| later["stream"] == number).unwrap();
                assert_eq!(body["body"], reply.body);
            }
        }
    }

    fn event(&mut self, line: &Value) {
        let number = line["stream"].as_u64().unwrap();
        let recorded = &line["event"];
        if recorded["type"] == "HEARTBEAT" {
            return;
        }
        let own = self.next_of_source(number, recorded);
        assert_eq!(recorded["type"], own["type"], "{own}");
        self.names.learn_event(recorded, &own);
        if recorded["type"] == "SUBSCRIBED" {
            let framework = &recorded["subscribed"]["framework_id"]["value"];
            self.subscribed
                .insert(number, framework.as_str().unwrap().to_owned());
        }
        let expected = normal(&self.names.translate_value(recorded));
        assert_eq!(without_machine(expected), without_machine(normal(&own)));
    }

    /// The next event from where the recorded one came from. Offers come from the allocator and
    /// updates from agents: their order among each other is nobody's promise, all other order is.
    fn next_of_source(&mut self, number: u64, recorded: &Value) -> Value {
        let kind = recorded["type"].as_str().unwrap();
        let held = self.held.entry(number).or_default();
        if let Some(position) = held.iter().position(|event| event["type"] == kind) {
            return held.remove(position);
        }
        loop {
            let Item::Event(own) = self.streams[&number].next() else {
                panic!("expected {recorded}, but the stream ended");
            };
            let other = own["type"].as_str().unwrap();
            if !matches!((kind, other), ("OFFERS", "UPDATE") | ("UPDATE", "OFFERS")) {
                return own;
            }
            held.push(own);
        }
    }

    /// Whoever ended the recorded stream ends this one.
    fn end(&mut self, line: &Value) {
        let number = line["stream"].as_u64().unwrap();
        let held = self.held.remove(&number).unwrap_or_default();
        assert_eq!(held, Vec::<Value>::new(), "more came than was recorded");
        let stream = &self.streams[&number];
        let framework = self.subscribed.get(&number);
        let own = framework.map(|id| self.names.translate(id));
        let is_connected = |double: &MesosDouble| {
            let state = double.state();
            let mut frameworks = state["frameworks"].as_array().unwrap().iter();
            frameworks.any(|one| {
                Some(one["id"].as_str().unwrap()) == own.as_deref() && one["connected"] == true
            })
        };
        // An ERROR is followed by the end; whoever failed over is connected by another stream.
        if stream.has_ended() {
            return;
        }
        stream.close();
        let start = Instant::now();
        while is_connected(&self.double) {
            assert!(start.elapsed() < PATIENCE, "the master keeps a dead stream");
            sleep(Duration::from_millis(5));
        }
    }

    /// The recorded agent was stopped between its last event and the loss of it.
    fn cut_agent_if_it_is_time(&mut self, line: &Value, rest: &[Value]) {
        let loss = rest.iter().find(|later| later.get("event").is_some());
        let is_loss = loss.is_some_and(|later| {
            later["event"]["update"]["status"]["reason"] == "REASON_AGENT_REMOVED"
        });
        if is_loss && line["event"]["type"] == "OFFERS" {
            self.double.cut_agent(0);
        }
    }

    /// What the agent asked of Docker.
    fn inspect(&self, recorded: &Value) {
        let recorded = self.names.translate_value(recorded);
        let name = recorded["Name"].as_str().unwrap().trim_start_matches('/');
        let output = Command::new("docker")
            .args(["inspect", name])
            .output()
            .unwrap();
        let own: Value = serde_json::from_slice(&output.stdout).unwrap();
        for path in [
            "/Path",
            "/Args",
            "/Config/User",
            "/Config/AttachStdin",
            "/Config/AttachStdout",
            "/Config/Tty",
            "/Config/OpenStdin",
            "/Config/ExposedPorts",
            "/Config/Cmd",
            "/Config/Image",
            "/Config/WorkingDir",
            "/Config/Entrypoint",
            "/Config/Labels",
            "/HostConfig/Binds",
            "/HostConfig/NetworkMode",
            "/HostConfig/PortBindings",
            "/HostConfig/RestartPolicy",
            "/HostConfig/CpuShares",
            "/HostConfig/Memory",
            "/HostConfig/MemorySwap",
        ] {
            let own = own.pointer(&format!("/0{path}"));
            let own = own.filter(|own| **own != serde_json::json!({}) || path.ends_with("Labels"));
            assert_eq!(recorded.pointer(path), own, "{path}");
        }
        // The engine keeps variables in no order, and adds the image's own.
        let variables = |of: &Value| {
            let all = of["Config"]["Env"].as_array().unwrap().iter();
            let all = all.map(|one| one.as_str().unwrap().to_owned());
            all.filter(|one| !one.starts_with("PATH="))
                .collect::<BTreeSet<String>>()
        };
        assert_eq!(variables(&recorded), variables(&own[0]));
    }

    /// What a task wrote, as far as it is not about processes, times and the machine.
    fn sandbox(&self, line: &Value) {
        let work_dir = self.double.work_dir().to_str().unwrap();
        let path = format!(
            "{work_dir}/slaves/*/frameworks/*/executors/{}",
            self.last_task
        );
        let own = glob(&path).join("runs/latest/stdout");
        let own = std::fs::read_to_string(&own).unwrap();
        let recorded = self.names.translate(line["text"].as_str().unwrap());
        assert_eq!(telling_lines(&recorded), telling_lines(&own));
    }
}

/// The one path that a pattern of `*` stands for.
fn glob(pattern: &str) -> PathBuf {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found
            .into_iter()
            .flat_map(|path| match part {
                "*" => std::fs::read_dir(path)
                    .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
                    .unwrap_or_default(),
                part => vec![path.join(part)],
            })
            .filter(|path: &PathBuf| path.exists())
            .collect();
    }
    assert_eq!(found.len(), 1, "{pattern}: {found:?}");
    found.remove(0)
}

/// Environment, directories, listings (mode and name) and plain words, sorted where they were.
fn telling_lines(text: &str) -> BTreeSet<String> {
    // Of the recorded machine and its agent's libraries; and the executor's own log.
    let foreign = [
        "LD_LIBRARY_PATH=",
        "HOSTNAME=",
        "pid=",
        "uid=",
        "/usr/libexec/",
        "total ",
    ];
    text.lines()
        .filter(|line| !foreign.iter().any(|start| line.starts_with(start)))
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [mode, _, user, group, .., name] if words.len() == 9 => {
                    Some(format!("{mode} {user} {group} {name}"))
                }
                [one] if one.contains('_') && one.contains('=') || one.starts_with('/') => {
                    Some((*one).to_owned())
                }
                ["tool", ..] => Some(line.to_owned()),
                _ => None,
            }
        })
        .filter(|line| !line.ends_with(" .") && !line.ends_with(" .."))
        .collect()
}

/// When frameworks answered inverse offers.
fn without_response_times(status: &mut Value) {
    let machines = "/get_maintenance_status/status/draining_machines/0/statuses/0/timestamp";
    if let Some(time) = status.pointer_mut(machines) {
        assert!(time["nanoseconds"].is_u64(), "{time}");
        *time = "(of its kind)".into();
    }
}

/// Ports and times of the machine that was recorded.
fn without_machine(mut value: Value) -> Value {
    match &mut value {
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                match key.as_str() {
                    "port" | "pid" | "registered_time" | "estimated_drain_start_time_seconds" => {
                        *value = "(of its kind)".into();
                    }
                    _ => *value = without_machine(value.take()),
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                *value = without_machine(value.take());
            }
        }
        _ => {}
    }
    value
}
