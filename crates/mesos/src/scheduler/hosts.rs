//! What constraints can see of agents, once for all tasks of each.
//!
//! Owns the sharing, nothing else: an agent's attributes may be long, and its tasks many.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use crate::constraint::Host;
use crate::wire::AgentId;

/// The hosts that tasks refer to.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    known: BTreeMap<AgentId, Weak<Host>>,
    /// How many were known when the unused ones were last forgotten.
    swept: usize,
}

impl Hosts {
    /// The host of this agent, shared with its tasks that see the same of it.
    pub(super) fn share(&mut self, agent: &AgentId, host: &Arc<Host>) -> Arc<Host> {
        let known = self.known.get(agent).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| known == host) {
            return known;
        }
        if self.known.len() > 2 * self.swept + 16 {
            self.known.retain(|_, host| host.strong_count() > 0);
            self.swept = self.known.len();
        }
        self.known.insert(agent.clone(), Arc::downgrade(host));
        Arc::clone(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> Arc<Host> {
        Arc::new(Host {
            hostname: name.to_owned(),
            ..Host::default()
        })
    }

    #[test]
    fn tasks_of_an_agent_share_what_is_the_same_and_see_what_has_changed() {
        let mut hosts = Hosts::default();
        let agent = AgentId::new("S1");
        let first = hosts.share(&agent, &host("a"));
        assert!(Arc::ptr_eq(&first, &hosts.share(&agent, &host("a"))));
        let changed = hosts.share(&agent, &host("b"));
        assert_eq!(
            (first.hostname.as_str(), changed.hostname.as_str()),
            ("a", "b")
        );
        assert!(Arc::ptr_eq(&changed, &hosts.share(&agent, &host("b"))));
    }

    #[test]
    fn agents_without_tasks_are_forgotten() {
        let mut hosts = Hosts::default();
        let kept = hosts.share(&AgentId::new("kept"), &host("kept"));
        for number in 0..1000 {
            hosts.share(&AgentId::new(format!("S{number}")), &host("gone"));
        }
        assert!(hosts.known.len() < 40, "{}", hosts.known.len());
        assert!(Arc::ptr_eq(
            &kept,
            &hosts.share(&AgentId::new("kept"), &host("kept"))
        ));
    }
}
