//! What the scheduler itself costs: from workers that are wanted to tasks that run.
//!
//! Run by `bench/scheduler.sh`. Prints one Markdown table; ends with 1 if a target is missed.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use flugs_mesos::constraint::parse_list;
use flugs_mesos::matching::Profile;
use flugs_mesos::resources::{Demand, PortDemand, Thousandths};
use flugs_mesos::scheduler::{
    Action, Change, Describe, Input, Launch, Scheduler, Settings, Snapshot,
};
use flugs_mesos::wire::{
    AgentId, Attribute, Base64Bytes, CallBody, Event, FrameworkId, FrameworkInfo, Offer, OfferId,
    Offers, Range, Ranges, Resource, Scalar, Source, Subscribed, TaskId, TaskInfo, TaskState,
    TaskStatus, Text, Update, ValueType,
};
use nix::time::{ClockId, clock_gettime};

/// Workers that fit on an agent.
const PER_AGENT: usize = 10;

/// Rounds of which the median counts.
const ROUNDS: usize = 5;

/// Agents are in so many zones.
const ZONES: usize = 5;

struct Plain;

impl Describe for Plain {
    fn describe(&self, launch: Launch<'_>) -> TaskInfo {
        TaskInfo {
            name: launch.worker.to_string(),
            ..TaskInfo::default()
        }
    }
}

/// CPU time of this process.
fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_ascii_whitespace().next());
    number
        .and_then(|number| number.parse::<usize>().ok())
        .unwrap_or(0)
        * 1024
}

fn scalar(name: &str, value: u32) -> Resource {
    Resource {
        name: name.into(),
        scalar: Some(Scalar {
            value: value.into(),
        }),
        ..Resource::default()
    }
}

fn offer(number: usize) -> Offer {
    let ports = Ranges {
        range: vec![Range {
            begin: 31_000,
            end: 32_000,
        }],
    };
    let zone = Attribute {
        name: "zone".into(),
        kind: ValueType::Text,
        text: Some(Text {
            value: format!("zone-{}", number % ZONES),
        }),
        ..Attribute::default()
    };
    Offer {
        id: OfferId::new(format!("9b0f6b0e-3e1c-4f5c-a8ac-3f0b9d9e9b52-O{number}")),
        agent_id: AgentId::new(format!("9b0f6b0e-3e1c-4f5c-a8ac-3f0b9d9e9b52-S{number}")),
        hostname: format!("agent-{number}.example"),
        resources: vec![
            scalar("cpus", 40),
            scalar("mem", 40_960),
            scalar("disk", 400_000),
            Resource {
                name: "ports".into(),
                kind: ValueType::Ranges,
                ranges: Some(ports),
                ..Resource::default()
            },
        ],
        attributes: vec![zone],
        ..Offer::default()
    }
}

fn settings(hard: &str, soft: &str) -> Settings {
    let mut demand = Demand::default();
    for (name, amount) in [("cpus", 4), ("mem", 4096), ("disk", 1000)] {
        demand
            .scalars
            .insert(name.into(), Thousandths::whole(amount));
    }
    let port = |name: &str| PortDemand {
        name: name.into(),
        number: None,
    };
    demand.ports = vec![port("rpc"), port("data")];
    let profile = Profile {
        demand,
        hard: parse_list(hard).unwrap_or_default(),
        soft: parse_list(soft).unwrap_or_default(),
    };
    let framework = FrameworkInfo {
        name: "bench".into(),
        ..FrameworkInfo::default()
    };
    Settings::new(framework, BTreeMap::from([("default".to_owned(), profile)]))
}

/// The scheduler, a store that keeps everything at once, and what was launched.
struct Bench {
    scheduler: Scheduler<Plain>,
    now: Duration,
    launched: Vec<(TaskId, AgentId)>,
    /// The bytes of the tasks' records as JSON, if they are counted.
    written: Option<usize>,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        Self {
            scheduler: Scheduler::new(settings, Plain, &Snapshot::default(), Duration::ZERO),
            now: Duration::from_millis(1),
            launched: Vec::new(),
            written: None,
        }
    }

    fn tell(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for action in self.scheduler.step(self.now, input) {
                match action {
                    Action::Store { ticket, changes } => {
                        if let Some(written) = &mut self.written {
                            *written += changes.iter().map(record_length).sum::<usize>();
                        }
                        inputs.push(Input::Stored(ticket));
                    }
                    Action::Send { call, .. } => {
                        if let CallBody::Accept(accept) = call.body {
                            let launches =
                                accept.operations.into_iter().filter_map(|one| one.launch);
                            let infos = launches.flat_map(|launch| launch.task_infos);
                            self.launched
                                .extend(infos.map(|info| (info.task_id, info.agent_id)));
                        }
                    }
                    Action::Connect { .. } | Action::Close | Action::Report(_) => {}
                }
            }
        }
    }

    fn event(&mut self, event: Event) {
        let event = Box::new(event);
        self.tell(Input::Event {
            generation: 1,
            event,
        });
    }

    fn want(&mut self, workers: usize) {
        for number in 0..workers {
            if let Ok(worker) = format!("taskmanager-{number}").parse() {
                let profile = "default".to_owned();
                self.tell(Input::Want { worker, profile });
            }
        }
    }

    fn subscribe(&mut self) {
        self.tell(Input::Tick);
        self.event(Event::Subscribed(Box::new(Subscribed {
            framework_id: FrameworkId::new("f"),
            ..Subscribed::default()
        })));
    }

    fn updates(&mut self, state: &TaskState) {
        for (task, agent) in self.launched.clone() {
            let status = TaskStatus {
                task_id: task,
                agent_id: Some(agent),
                state: state.clone(),
                source: Some(Source::Executor),
                uuid: Some(Base64Bytes(vec![7; 16])),
                ..TaskStatus::default()
            };
            self.event(Event::Update(Box::new(Update { status })));
        }
    }
}

/// How long a new task's record is as JSON: its ids, agent, host, attributes and ports.
fn record_length(change: &Change) -> usize {
    match change {
        Change::Task(record) if record.state.is_none() => {
            serde_json::to_vec(record).map_or(0, |json| json.len())
        }
        _ => 0,
    }
}

/// What one round cost.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    /// From the first wish to the last ACCEPT.
    placed: Duration,
    /// Until every task runs and every update is acknowledged.
    running: Duration,
}

fn round(workers: usize, hard: &str, soft: &str, batch: usize) -> Option<Cost> {
    let agents = workers.div_ceil(PER_AGENT);
    let offers: Vec<Offer> = (0..agents).map(offer).collect();
    let begun = cpu();
    let mut bench = Bench::new(settings(hard, soft));
    bench.want(workers);
    bench.subscribe();
    for batch in offers.chunks(batch.min(agents)) {
        let offers = batch.to_vec();
        bench.event(Event::Offers(Offers { offers }));
    }
    let placed = cpu().checked_sub(begun)?;
    bench.updates(&TaskState::Starting);
    bench.updates(&TaskState::Running);
    let running = cpu().checked_sub(begun)?;
    (bench.launched.len() == workers).then_some(Cost { placed, running })
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Bytes of memory for each task that runs, in a process that does nothing else, and bytes of its
/// record as JSON.
fn memory(workers: usize) -> Option<(usize, usize)> {
    let before = resident();
    let mut bench = Bench::new(settings("", ""));
    bench.written = Some(0);
    bench.want(workers);
    bench.subscribe();
    for number in 0..workers.div_ceil(PER_AGENT) {
        let offers = vec![offer(number)];
        bench.event(Event::Offers(Offers { offers }));
    }
    bench.updates(&TaskState::Running);
    bench.launched = Vec::new();
    let bytes = resident().checked_sub(before)? / workers;
    // The scheduler is alive until here.
    let written = bench.written.unwrap_or(0) / workers;
    (bench.scheduler.workers().count() == workers).then_some((bytes, written))
}

fn main() -> ExitCode {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    if arguments.next().as_deref() == Some("memory") {
        let workers = arguments
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or(10_000);
        return match memory(workers) {
            Some((bytes, written)) => say(&format!("{bytes} {written}")),
            None => ExitCode::FAILURE,
        };
    }
    let mut met = true;
    let mut lines = vec![
        "| workers | agents | offers an event | constraints | placed, CPU ms | CPU µs per offer | CPU µs per worker | all running, CPU ms |".to_owned(),
        "|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    let hard = "zone:LIKE:zone-[0-4],hostname:MAX_PER:10";
    let soft = "zone:GROUP_BY:5,hostname:MAX_PER:10";
    for (name, hard, soft) in [
        ("none", "", ""),
        ("two hard", hard, ""),
        ("two soft", "", soft),
    ] {
        for (workers, batch) in [(100, 1000), (1000, 1000), (10_000, 1000), (10_000, 1)] {
            let rounds: Option<Vec<Cost>> = (0..ROUNDS)
                .map(|_| round(workers, hard, soft, batch))
                .collect();
            let Some(rounds) = rounds else {
                return say(&format!(
                    "not all of {workers} workers were placed (constraints: {name})"
                ));
            };
            let placed = median(rounds.iter().map(|one| one.placed).collect());
            let running = median(rounds.iter().map(|one| one.running).collect());
            let agents = workers.div_ceil(PER_AGENT);
            let count = |number: usize| u32::try_from(number).map_or(f64::INFINITY, f64::from);
            let each = |number: usize| placed.as_secs_f64() * 1e6 / count(number);
            lines.push(format!(
                "| {workers} | {agents} | {} | {name} | {:.1} | {:.1} | {:.1} | {:.1} |",
                batch.min(agents),
                placed.as_secs_f64() * 1e3,
                each(agents),
                each(workers),
                running.as_secs_f64() * 1e3,
            ));
            met &= placed < Duration::from_secs(5);
        }
    }
    say(&lines.join("\n"));
    if met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn say(text: &str) -> ExitCode {
    use std::io::Write as _;
    let mut output = std::io::stdout().lock();
    match writeln!(output, "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
