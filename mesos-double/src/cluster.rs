//! The whole double as a state machine: masters, agents, offers, tasks, timers.
//!
//! It hears calls, executors and time, and answers with events on streams and with orders to
//! executors. It opens no socket and starts no process.

mod acceptance;
mod allocation;
mod calls;
mod draining;
mod killing;
mod leadership;
mod maintenance;
mod quota;
mod reconciliation;
mod registration;
mod reserving;
mod subscription;
mod time;
mod updates;
mod view;

pub(crate) use calls::Reply;
pub(crate) use killing::grace_of;
pub(crate) use leadership::Node;
pub(crate) use reserving::{Refusal, Reserving};
pub(crate) use updates::Report;

use crate::agent::Agent;
use crate::clock::Clock;
use crate::executor::Order;
use crate::faults::Faults;
use crate::identity::Uuid;
use crate::master::Master;
use crate::operations::Operations;
use crate::options::Options;
use crate::timer::{Due, Timers};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// Masters, agents and everything between them.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) options: Options,
    pub(crate) faults: Faults,
    pub(crate) work_dir: PathBuf,
    clock: Clock,
    timers: Timers,
    pub(crate) nodes: Vec<Node>,
    master: Option<Master>,
    /// Counts elections.
    term: u64,
    agents: Vec<Agent>,
    /// Agents that a new master will expect.
    registry: BTreeSet<String>,
    /// Agents that are unreachable, and since when after 1970.
    unreachable: BTreeMap<String, Duration>,
    /// Agents that an operator gave up.
    gone: BTreeSet<String>,
    /// What operators have ordered.
    operations: Operations,
    orders: Vec<Order>,
}

impl Cluster {
    /// The error says which agent's options cannot be read.
    pub(crate) fn new(
        options: Options,
        nodes: Vec<Node>,
        work_dir: PathBuf,
    ) -> Result<Self, String> {
        let first_port = nodes.first().map_or(5050, |node| node.address.port());
        let mut agents = Vec::new();
        for (agent, offset) in options.agents.iter().zip(1u16..) {
            agents.push(Agent::new(
                agent.clone(),
                first_port.saturating_add(offset),
            )?);
        }
        let mut cluster = Self {
            faults: options.faults.clone(),
            clock: Clock::new(options.time),
            timers: Timers::default(),
            nodes,
            master: None,
            term: 0,
            agents,
            registry: BTreeSet::new(),
            unreachable: BTreeMap::new(),
            gone: BTreeSet::new(),
            operations: Operations::default(),
            orders: Vec::new(),
            work_dir,
            options,
        };
        cluster.master = Some(Master::new(Uuid::random().to_string(), 0, BTreeSet::new()));
        for index in 0..cluster.agents.len() {
            cluster.register(index);
        }
        let interval = cluster.options.allocation_interval;
        cluster.timers.set(interval, Due::Allocate);
        Ok(cluster)
    }

    /// What executors are to do, since the last time this was asked.
    pub(crate) fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn agent_index(&self, id: &str) -> Option<usize> {
        self.agents
            .iter()
            .position(|agent| agent.id.as_deref() == Some(id))
    }
}
