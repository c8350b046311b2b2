//! The kinds of workers: what each takes of an agent, and where it may run.

use std::collections::{BTreeMap, BTreeSet};

use flugs_flink::FlinkVersion;
use flugs_flink::memory::{Breakdown, MemorySize, derive};
use flugs_mesos::constraint::{Constraint, parse_host_attributes, parse_list};
use flugs_mesos::matching::Profile;
use flugs_mesos::resources::{Demand, PortDemand, Thousandths};
use flugs_model::{Role, WorkerId};

use super::MesosOptionReason;
use super::reader::Reader;
use super::tasks::TaskOptions;

/// The profile of those workers that no profile is named for: that of `mesos.resourcemanager.tasks.*`.
pub const DEFAULT_PROFILE: &str = "default";

/// What the options of named profiles begin with.
pub(super) const PREFIX: &str = "flugs.mesos.profile.";

/// A kind of workers.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerProfile {
    /// How many are kept running.
    pub workers: u32,
    /// The slots of each.
    pub slots: u32,
    /// CPUs.
    pub cpus: Thousandths,
    /// Memory of the whole process in bytes: the task's, and Flink's memory model's total.
    pub memory_bytes: u64,
    /// GPUs.
    pub gpus: u32,
    /// Disk in MiB; 0: none is asked for.
    pub disk: u32,
    /// Network bandwidth in MB/s; 0: none is asked for.
    pub network_bandwidth: u32,
    /// The scalar that network bandwidth is offered as.
    pub network_resource: String,
    /// Whether resources will do that may be taken away.
    pub revocable: bool,
    /// What an agent has to satisfy.
    pub hard: Vec<Constraint>,
    /// What an agent should satisfy.
    pub soft: Vec<Constraint>,
    /// Flink options of these workers alone.
    pub properties: BTreeMap<String, String>,
}

impl WorkerProfile {
    /// What a worker wants of an agent.
    pub(super) fn profile(&self, ports: Vec<PortDemand>) -> Profile {
        let mut scalars = BTreeMap::from([
            ("cpus".to_owned(), self.cpus),
            ("mem".to_owned(), Thousandths::whole(self.mebibytes())),
            ("gpus".to_owned(), Thousandths::whole(self.gpus)),
            ("disk".to_owned(), Thousandths::whole(self.disk)),
        ]);
        let bandwidth = Thousandths::whole(self.network_bandwidth);
        scalars.insert(self.network_resource.clone(), bandwidth);
        scalars.retain(|_, amount| *amount > Thousandths::ZERO);
        Profile {
            demand: Demand {
                scalars,
                ports,
                revocable: self.revocable,
            },
            hard: self.hard.clone(),
            soft: self.soft.clone(),
        }
    }

    /// The memory as Mesos counts it; less would end in a kill.
    fn mebibytes(&self) -> u32 {
        u32::try_from(self.memory_bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX)
    }
}

/// Where the options of a profile are: its own name for each, and what stands in for it.
struct Source<'a> {
    reader: &'a Reader<'a>,
    name: Option<&'a str>,
}

impl Source<'_> {
    /// The key to read: the profile's own if it is set, else that of all workers.
    fn key(&self, own: &str, of_all: &str) -> String {
        let own = self.name.map(|name| format!("{PREFIX}{name}.{own}"));
        let is_set = |key: &String| self.reader.configuration().contains(key);
        own.filter(is_set).unwrap_or_else(|| of_all.to_owned())
    }
}

pub(super) fn read(
    reader: &Reader<'_>,
    tasks: &TaskOptions,
    version: &FlinkVersion,
    environment: &dyn Fn(&str) -> Option<String>,
) -> BTreeMap<String, WorkerProfile> {
    let mut names = names(reader);
    names.insert(DEFAULT_PROFILE.to_owned());
    let mut profiles = BTreeMap::new();
    for name in names {
        let is_default = name == DEFAULT_PROFILE;
        let source = Source {
            reader,
            name: (!is_default || has_own(reader, &name)).then_some(&name),
        };
        let profile = one(&source, is_default, tasks, version, environment);
        profiles.insert(name, profile);
    }
    profiles
}

fn has_own(reader: &Reader<'_>, name: &str) -> bool {
    let prefix = format!("{PREFIX}{name}.");
    reader
        .configuration()
        .iter()
        .any(|(key, _)| key.starts_with(&prefix))
}

/// The names of the profiles that have options of their own.
fn names(reader: &Reader<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (key, _) in reader.configuration().iter() {
        let Some((name, option)) = key
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('.'))
        else {
            continue;
        };
        if !OPTIONS.contains(&option) && !option.starts_with("conf.") {
            let known = OPTIONS.join(", ");
            let problem = format!("a profile has no such option; it has {known} and conf.OPTION");
            reader.contradict(key, problem);
        }
        if !names.contains(name)
            && let Err(error) = name.parse::<WorkerId>()
        {
            reader.refuse(key, error);
        }
        names.insert(name.to_owned());
    }
    names
}

/// The options of a profile, and any option of Flink below `conf.`.
const OPTIONS: [&str; 10] = [
    "constraints.hard",
    "constraints.soft",
    "cpus",
    "disk",
    "gpus",
    "memory",
    "network-bandwidth",
    "revocable",
    "slots",
    "workers",
];

fn one(
    source: &Source<'_>,
    is_default: bool,
    tasks: &TaskOptions,
    version: &FlinkVersion,
    environment: &dyn Fn(&str) -> Option<String>,
) -> WorkerProfile {
    let reader = source.reader;
    let task =
        |own: &str, name: &str| source.key(own, &format!("mesos.resourcemanager.tasks.{name}"));
    let properties = properties(source);
    let workers = match source.name {
        Some(name) if !is_default => format!("{PREFIX}{name}.workers"),
        _ => source.key("workers", "mesos.initial-tasks"),
    };
    let mut profile = WorkerProfile {
        workers: reader.workers(&workers),
        slots: slots(source, &properties),
        cpus: cpus(source, &properties),
        memory_bytes: memory(source, &properties, version, environment).unwrap_or_default(),
        gpus: reader.count(&task("gpus", "gpus")),
        disk: reader.count(&task("disk", "disk")),
        network_bandwidth: reader.count(&task("network-bandwidth", "network.bandwidth")),
        network_resource: reader
            .text("mesos.resourcemanager.network.resource.name")
            .unwrap_or_default(),
        revocable: reader.flag(&source.key("revocable", "flugs.mesos.revocable")),
        hard: constraints(
            reader,
            &source.key("constraints.hard", "flugs.mesos.constraints.hard"),
        ),
        soft: constraints(
            reader,
            &source.key("constraints.soft", "flugs.mesos.constraints.soft"),
        ),
        properties,
    };
    let attributes = "mesos.constraints.hard.hostattribute";
    let attributes = reader.parsed(attributes, parse_host_attributes);
    profile.hard.extend(attributes.unwrap_or_default());
    check_ports(source, &profile, tasks);
    profile
}

fn constraints(reader: &Reader<'_>, key: &str) -> Vec<Constraint> {
    reader.parsed(key, parse_list).unwrap_or_default()
}

/// The profile's own Flink options: those below `conf.`, and the two that have names of their own.
fn properties(source: &Source<'_>) -> BTreeMap<String, String> {
    let (Some(name), reader) = (source.name, source.reader) else {
        return BTreeMap::new();
    };
    let prefix = format!("{PREFIX}{name}.conf.");
    let mut properties = BTreeMap::new();
    for (key, setting) in reader.configuration().iter() {
        if let Some(option) = key.strip_prefix(&prefix) {
            properties.insert(option.to_owned(), setting.value.clone());
        }
    }
    for (own, option) in [
        ("memory", "taskmanager.memory.process.size"),
        ("slots", "taskmanager.numberOfTaskSlots"),
    ] {
        if let Some(value) = reader.set(&format!("{PREFIX}{name}.{own}")) {
            properties.insert(option.to_owned(), value.to_owned());
        }
    }
    properties
}

/// As Flink's integration decided: `taskmanager.cpu.cores`, else the task's own option, else the
/// number of slots. A profile's own option goes first.
fn cpus(source: &Source<'_>, properties: &BTreeMap<String, String>) -> Thousandths {
    let reader = source.reader;
    let of_all = "mesos.resourcemanager.tasks.cpus";
    let key = source.key("cpus", of_all);
    let flink = |key: &str| {
        let value = properties.get(key).map(String::as_str);
        let value = value.or_else(|| reader.configuration().get(key));
        value.and_then(|value| value.trim().parse::<f64>().ok())
    };
    let own = reader.amount(&key).filter(|cpus| *cpus > 0.0);
    let of_flink = flink("taskmanager.cpu.cores").filter(|cpus| *cpus > 0.0);
    let slots = || flink("taskmanager.numberOfTaskSlots").unwrap_or(1.0);
    let cpus = if key == of_all { of_flink.or(own) } else { own };
    let cpus = Thousandths::nearest(cpus.unwrap_or_else(slots));
    if cpus == Thousandths::ZERO {
        reader.refuse(
            &key,
            MesosOptionReason::Range {
                found: "0".to_owned(),
                expected: "at least a thousandth of a CPU",
            },
        );
    }
    cpus
}

/// As Flink reads it (`TaskManagerOptions.NUM_TASK_SLOTS`).
fn slots(source: &Source<'_>, properties: &BTreeMap<String, String>) -> u32 {
    let (reader, key) = (source.reader, "taskmanager.numberOfTaskSlots");
    let own = properties.get(key).map(String::as_str);
    let Some(text) = own.or_else(|| reader.configuration().get(key)) else {
        return 1;
    };
    let slots = text.trim().parse::<u32>().ok().filter(|slots| *slots > 0);
    slots.unwrap_or_else(|| {
        let of_profile = |name: &str| format!("{PREFIX}{name}.slots");
        let named = source.name.map(of_profile);
        let named = named.filter(|name| reader.configuration().contains(name));
        let (found, expected) = (text.to_owned(), "a whole number from 1 on");
        let key = named.as_deref().unwrap_or(key);
        reader.refuse(key, MesosOptionReason::Range { found, expected });
        1
    })
}

/// The memory of the whole process, by Flink's own memory model.
fn memory(
    source: &Source<'_>,
    properties: &BTreeMap<String, String>,
    version: &FlinkVersion,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<u64> {
    let configuration = source.reader.configuration();
    let lookup = |key: &str| {
        let own = properties.get(key).map(String::as_str);
        own.or_else(|| configuration.get(key)).map(str::to_owned)
    };
    let key = source.key("memory", "taskmanager.memory.process.size");
    match derive(Role::TaskManager, version, &lookup, environment) {
        Ok(plan) => match plan.breakdown {
            Breakdown::TaskManager(memory) => Some(MemorySize::bytes(memory.total_process)),
            Breakdown::JobManager(_) | Breakdown::Unset => None,
        },
        Err(error) => {
            source
                .reader
                .refuse(&key, MesosOptionReason::Memory(Box::new(error)));
            None
        }
    }
}

/// A port that is given to every worker of a host can be given there once only.
fn check_ports(source: &Source<'_>, profile: &WorkerProfile, tasks: &TaskOptions) {
    let key = "flugs.mesos.tasks.ports.static";
    let shared = tasks.network.mode == super::NetworkMode::Host;
    let own = tasks
        .ports
        .fixed_in_container
        .keys()
        .find(|key| profile.properties.contains_key(*key));
    if let (true, Some(own)) = (shared, own) {
        source.reader.contradict(
            key,
            format!("a profile sets {own} as well; remove one of them"),
        );
    }
}
