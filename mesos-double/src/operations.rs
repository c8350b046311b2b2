//! What operators have ordered, as the registry keeps it over a master's failover: maintenance,
//! drains, quota.

use crate::call::{objects, text};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A machine as operators name it. An agent's is the one with both its host name and its address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Machine {
    pub(crate) hostname: String,
    pub(crate) ip: String,
}

/// Machines that go down together.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) machines: Vec<Machine>,
    /// As it was posted: `start` and perhaps `duration`.
    pub(crate) unavailability: Value,
}

/// An agent that is being emptied, or has been.
#[derive(Clone, Debug)]
pub(crate) struct Drain {
    /// The most grace that a task gets; unset: its own.
    pub(crate) grace: Option<Duration>,
    pub(crate) mark_gone: bool,
    /// Nothing of it is left.
    pub(crate) done: bool,
    /// Seconds since 1970.
    pub(crate) since: f64,
}

/// How much a role may hold, in thousandths by the scalar's name.
pub(crate) type Limits = BTreeMap<String, i64>;

/// Everything that was ordered and holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations {
    pub(crate) schedule: Vec<Window>,
    pub(crate) down: BTreeSet<Machine>,
    pub(crate) drains: BTreeMap<String, Drain>,
    /// Agents that get no offers; drained ones are among them.
    pub(crate) deactivated: BTreeSet<String>,
    pub(crate) limits: BTreeMap<String, Limits>,
}

impl Operations {
    /// When a machine goes down, or went.
    pub(crate) fn unavailability(&self, machine: &Machine) -> Option<&Value> {
        let windows = self.schedule.iter();
        let mut windows = windows.filter(|window| window.machines.contains(machine));
        windows.next().map(|window| &window.unavailability)
    }

    pub(crate) fn scheduled(&self) -> impl Iterator<Item = &Machine> {
        self.schedule.iter().flat_map(|window| &window.machines)
    }

    /// `maintenance.Schedule`.
    pub(crate) fn schedule_json(&self) -> Value {
        if self.schedule.is_empty() {
            return json!({});
        }
        let windows = self.schedule.iter().map(|window| {
            let machines: Vec<Value> = window.machines.iter().map(Machine::json).collect();
            json!({"machine_ids": machines, "unavailability": window.unavailability})
        });
        json!({"windows": windows.collect::<Vec<_>>()})
    }
}

impl Machine {
    /// The error is the text of the 400.
    fn read(object: &Map<String, Value>) -> Result<Self, String> {
        let field = |name| text(object, name).unwrap_or_default();
        // Host names know no upper case.
        let machine = Self {
            hostname: field("hostname").to_lowercase(),
            ip: field("ip").to_owned(),
        };
        if machine.hostname.is_empty() && machine.ip.is_empty() {
            return Err("Both 'hostname' and 'ip' for a machine are empty".to_owned());
        }
        Ok(machine)
    }

    /// The machines of a repeated field: at least one, none of them twice.
    pub(crate) fn read_all(object: &Map<String, Value>, field: &str) -> Result<Vec<Self>, String> {
        let mut machines = Vec::new();
        for one in objects(object, field) {
            let machine = Self::read(one)?;
            if machines.contains(&machine) {
                return Err(format!("{machine} appears more than once"));
            }
            machines.push(machine);
        }
        if machines.is_empty() {
            return Err("List of machines is empty".to_owned());
        }
        Ok(machines)
    }

    pub(crate) fn json(&self) -> Value {
        let mut machine = Map::new();
        for (name, value) in [("hostname", &self.hostname), ("ip", &self.ip)] {
            if !value.is_empty() {
                machine.insert(name.to_owned(), value.as_str().into());
            }
        }
        Value::Object(machine)
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Machine '{} ({})'", self.hostname, self.ip)
    }
}

impl Window {
    /// The windows of a schedule, in which no machine is twice.
    pub(crate) fn read_all(schedule: &Map<String, Value>) -> Result<Vec<Self>, String> {
        let mut windows: Vec<Self> = Vec::new();
        for one in objects(schedule, "windows") {
            let machines = Machine::read_all(one, "machine_ids")?;
            let known = |machine: &&Machine| {
                let mut before = windows.iter();
                before.any(|window| window.machines.contains(machine))
            };
            if let Some(twice) = machines.iter().find(known) {
                return Err(format!("{twice} appears more than once in the schedule"));
            }
            let unavailability = one.get("unavailability").cloned().unwrap_or_default();
            let at = |field: &str| {
                let value = unavailability.get(field)?.get("nanoseconds")?;
                value.as_i64()
            };
            if at("start").is_none() {
                return Err("Missing required fields: unavailability.start".to_owned());
            }
            if at("duration").is_some_and(|duration| duration < 0) {
                return Err("Unavailability 'duration' is negative".to_owned());
            }
            windows.push(Self {
                machines,
                unavailability,
            });
        }
        Ok(windows)
    }
}
