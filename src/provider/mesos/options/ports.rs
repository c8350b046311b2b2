//! The network that tasks are on, and the ports that they listen on.

use std::collections::BTreeMap;

use flugs_mesos::resources::PortDemand;

use super::reader::Reader;
use super::text;

/// The ports that every TaskManager has, in the order in which Flink's integration gave them out,
/// each with the option that says where to bind instead, which Flink has for these two only.
pub(super) const OWN_PORTS: [(&str, &str); 2] = [
    ("taskmanager.data.port", "taskmanager.data.bind-port"),
    ("taskmanager.rpc.port", "taskmanager.rpc.bind-port"),
];

/// The network that tasks are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkMode {
    /// The host's.
    Host,
    /// The Docker engine's bridge.
    Bridge,
    /// One with a name.
    User,
}

/// The network that tasks are on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkOptions {
    /// Which kind.
    pub mode: NetworkMode,
    /// The name of a `User` network.
    pub name: Option<String>,
    /// Whether others reach a task under its agent's name: on the host's network always, on
    /// another one by ports of the host that lead to those of the container.
    pub published: bool,
}

/// The ports that tasks listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortOptions {
    /// The options that name ports, with the two of every TaskManager.
    pub keys: Vec<String>,
    /// Those that an option sets to one number, which has to be offered.
    pub fixed: BTreeMap<String, u16>,
    /// Those that listen on this number, whatever is offered.
    pub fixed_in_container: BTreeMap<String, u16>,
}

pub(super) fn network(reader: &Reader<'_>) -> NetworkOptions {
    let (mode_key, name_key, published_key) = (
        "flugs.mesos.tasks.network.mode",
        "flugs.mesos.tasks.network.name",
        "flugs.mesos.tasks.network.published",
    );
    let mode = match reader
        .text(mode_key)
        .unwrap_or_default()
        .to_lowercase()
        .as_str()
    {
        "bridge" => NetworkMode::Bridge,
        "user" => NetworkMode::User,
        _ => NetworkMode::Host,
    };
    let name = reader.text(name_key);
    match (mode, &name) {
        (NetworkMode::User, None) => {
            reader.contradict(
                mode_key,
                format!("a user network has a name; set {name_key}"),
            );
        }
        (NetworkMode::Host | NetworkMode::Bridge, Some(_)) => {
            reader.contradict(
                name_key,
                format!("only a user network has a name; set {mode_key} to user"),
            );
        }
        _ => {}
    }
    let published = reader.flag_if_set(published_key);
    if mode == NetworkMode::Host && published == Some(false) {
        let problem =
            format!("the host's network is always reached by the host's name; set {mode_key}");
        reader.contradict(published_key, problem);
    }
    NetworkOptions {
        mode,
        name,
        published: published.unwrap_or(mode != NetworkMode::User),
    }
}

pub(super) fn ports(reader: &Reader<'_>) -> PortOptions {
    let assignments = "mesos.resourcemanager.tasks.port-assignments";
    let further = reader.parsed(assignments, text::names).unwrap_or_default();
    let mut keys: Vec<String> = OWN_PORTS.map(|(key, _)| key.to_owned()).into();
    keys.extend(further);
    // Flink asked for one port too many if somebody named one of its own two.
    let mut seen = std::collections::BTreeSet::new();
    keys.retain(|key| seen.insert(key.clone()));
    let static_key = "flugs.mesos.tasks.ports.static";
    let statics = reader
        .parsed(static_key, text::static_ports)
        .unwrap_or_default();
    let mut fixed = BTreeMap::new();
    for key in &keys {
        fixed.extend(fixed_port(reader.configuration().get(key)).map(|port| (key.clone(), port)));
    }
    for (key, _) in &statics {
        if !keys.contains(key) {
            let problem = format!("{key} is no port of the task; name it in {assignments}");
            reader.contradict(static_key, problem);
        }
        if fixed.contains_key(key) {
            let problem =
                format!("{key} is set to a port as well, which is asked of Mesos; remove one");
            reader.contradict(static_key, problem);
        }
    }
    let mut numbers = std::collections::BTreeSet::new();
    for (key, port) in fixed
        .iter()
        .chain(statics.iter().map(|(key, port)| (key, port)))
    {
        if !numbers.insert(port) {
            reader.contradict(key, format!("port {port} is given to two options"));
        }
    }
    PortOptions {
        keys,
        fixed,
        fixed_in_container: statics.into_iter().collect(),
    }
}

/// A value that is one port. A range, or 0, leaves the choice to Mesos, as it always was.
fn fixed_port(value: Option<&str>) -> Option<u16> {
    value?.trim().parse().ok().filter(|port| *port > 0)
}

impl PortOptions {
    /// The ports to ask of an agent. `properties` are a profile's own settings.
    ///
    /// On the host's network a static port is used without asking: for agents that offer no
    /// ports, or other ones. On any other the port of the host that leads to it is asked for,
    /// and nothing is where nobody comes by the host.
    pub(super) fn demand(
        &self,
        network: &NetworkOptions,
        properties: &BTreeMap<String, String>,
    ) -> Vec<PortDemand> {
        if !network.published {
            return Vec::new();
        }
        let demanded = self.keys.iter().filter(|key| {
            network.mode != NetworkMode::Host || !self.fixed_in_container.contains_key(*key)
        });
        let demand = |key: &String| PortDemand {
            name: key.clone(),
            number: fixed_port(properties.get(key).map(String::as_str))
                .or_else(|| self.fixed.get(key).copied()),
        };
        demanded.map(demand).collect()
    }
}
