//! What happens because time passes.

use super::Cluster;
use crate::timer::Due;
use serde_json::json;
use std::time::Duration;

impl Cluster {
    /// When something is due next.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.timers
            .next()
            .map(|at| at.saturating_sub(self.clock.now()))
    }

    /// Does all that is due by now.
    pub(crate) fn fire_due(&mut self) {
        while let Some(due) = self.timers.pop(self.clock.now()) {
            self.fire(due);
        }
    }

    /// Puts a virtual clock forward, through everything that falls due on the way; whether there
    /// is one.
    pub(crate) fn advance(&mut self, by: Duration) -> bool {
        if !self.clock.is_virtual() {
            return false;
        }
        let target = self.clock.now() + by;
        while let Some(at) = self.timers.next().filter(|at| *at <= target) {
            self.clock.set(at);
            self.fire_due();
        }
        self.clock.set(target);
        true
    }

    fn fire(&mut self, due: Due) {
        match due {
            Due::Allocate => {
                self.allocate(None);
                let at = self.now() + self.options.allocation_interval;
                self.timers.set(at, Due::Allocate);
            }
            Due::Heartbeat { framework, stream } => self.heartbeat(framework, stream),
            Due::Retry {
                agent,
                framework,
                task,
                serial,
            } => self.retry(agent, &framework, &task, serial),
            Due::FailoverTimeout { framework, epoch } => self.failover_timeout(&framework, epoch),
            Due::AgentTimeout { agent, id, epoch } => {
                let came_back = self
                    .agents
                    .get(agent)
                    .is_some_and(|agent| agent.epoch != epoch && agent.id.as_ref() == Some(&id));
                // A master that has not seen the agent yet does not ping it.
                let is_pinged = self
                    .master
                    .as_ref()
                    .is_some_and(|master| master.registered.contains_key(&id));
                if is_pinged && !came_back {
                    self.mark_unreachable(&id);
                }
            }
            Due::Reregister { agent, term } => self.reregister(agent, term),
            Due::RecoveredAgentsTimeout { term } => self.recovered_agents_timeout(term),
            Due::OfferTimeout { offer } => self.offer_timeout(&offer),
            Due::Late { framework, event } => {
                if let Some(framework) = self.framework(&framework) {
                    framework.send(&event);
                }
            }
        }
    }

    /// A heartbeat for a stream that is still the framework's, and the time of the next one.
    fn heartbeat(&mut self, framework_id: String, stream_id: String) {
        let mute = self.faults.mute_heartbeats;
        let interval = self.options.heartbeat_interval;
        let Some(framework) = self.framework(&framework_id) else {
            return;
        };
        if framework
            .stream
            .as_ref()
            .is_none_or(|stream| stream.id != stream_id)
        {
            return;
        }
        if !mute {
            framework.send(&json!({"type": "HEARTBEAT"}));
        }
        let at = self.now() + interval;
        self.timers.set(
            at,
            Due::Heartbeat {
                framework: framework_id,
                stream: stream_id,
            },
        );
    }
}
