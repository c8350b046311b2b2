//! Which master leads, and what is lost when another one does.

use super::Cluster;
use crate::election::Standing;
use crate::identity::{Uuid, random_below};
use crate::master::Master;
use crate::operations::Operations;
use crate::timer::Due;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// One master process.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    /// While it does not lead.
    pub(crate) id: String,
    /// Whether it listens at all.
    pub(crate) up: bool,
    /// It leads and still reads its registry.
    pub(crate) recovering: bool,
}

impl Cluster {
    pub(crate) fn leader(&self) -> Option<usize> {
        self.master.as_ref().map(|master| master.node)
    }

    /// The address of the leader as it is told to others.
    pub(crate) fn leader_address(&self) -> Option<String> {
        let node = self.nodes.get(self.leader()?)?;
        Some(format!("{}:{}", self.options.host, node.address.port()))
    }

    /// Another master leads from now on, or none. All streams end; agents find the new one by and by.
    pub(crate) fn elect(&mut self, node: Option<usize>) {
        self.term += 1;
        let term = self.term;
        let now = self.now();
        self.master =
            node.map(|node| Master::new(Uuid::random().to_string(), node, self.registry.clone()));
        if self.master.is_none() {
            return;
        }
        let delay = self.options.agent_reregister_delay;
        for index in 0..self.agents.len() {
            let spread = u64::try_from(delay.as_millis()).unwrap_or(0);
            let jitter = if self.clock.is_virtual() {
                0
            } else {
                random_below(spread / 2 + 1)
            };
            self.timers.set(
                now + delay + Duration::from_millis(jitter),
                Due::Reregister { agent: index, term },
            );
        }
        self.timers.set(
            now + self.options.agent_reregister_timeout,
            Due::RecoveredAgentsTimeout { term },
        );
    }

    /// What the registry had is gone: agents, lost and marked ones, the orders of operators.
    pub(crate) fn lose_registry(&mut self) {
        self.registry.clear();
        self.unreachable.clear();
        self.gone.clear();
        self.operations = Operations::default();
    }

    pub(super) fn reregister(&mut self, index: usize, term: u64) {
        if term == self.term {
            self.register(index);
        }
    }

    /// Who did not come back in time is unreachable from now on.
    pub(super) fn recovered_agents_timeout(&mut self, term: u64) {
        if term != self.term {
            return;
        }
        let silent = self
            .master
            .as_ref()
            .map(|master| master.recovered.clone())
            .unwrap_or_default();
        for id in silent {
            self.mark_unreachable(&id);
        }
    }

    /// The masters that stand for election in ZooKeeper: the leader first, and nobody without one.
    pub(crate) fn standing(&self) -> Standing {
        let Some(master) = &self.master else {
            return Standing::new();
        };
        let followers = self.nodes.iter().enumerate();
        let followers = followers.filter(|(node, one)| *node != master.node && one.up);
        let info = |node: usize, id: &str| Some((node, self.node_info(node, id)?));
        let mut standing: Standing = info(master.node, &master.id).into_iter().collect();
        standing.extend(followers.filter_map(|(node, one)| info(node, &one.id)));
        standing
    }

    /// The leader as `master_info` and ZooKeeper tell of it.
    pub(crate) fn master_info(&self) -> Option<Value> {
        let master = self.master.as_ref()?;
        self.node_info(master.node, &master.id)
    }

    fn node_info(&self, node: usize, id: &str) -> Option<Value> {
        let address = self.nodes.get(node)?.address;
        let host = &self.options.host;
        let ip = match address {
            SocketAddr::V4(address) => u32::from_le_bytes(address.ip().octets()),
            SocketAddr::V6(_) => 0,
        };
        Some(json!({
            "id": id,
            "ip": ip,
            "port": address.port(),
            "pid": format!("master@{host}:{}", address.port()),
            "hostname": host,
            "version": self.options.version,
            "address": {"hostname": host, "ip": host, "port": address.port()},
            "capabilities": [
                {"type": "AGENT_UPDATE"},
                {"type": "AGENT_DRAINING"},
                {"type": "QUOTA_V2"},
            ],
        }))
    }
}
