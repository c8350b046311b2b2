//! How much of each agent the framework could ever have, and whether it can have less now.
//!
//! A framework is not told of quotas: the master only makes its offers smaller. Nor is it told how
//! large an agent is. What it can know is that of an agent, together with what its own tasks there
//! hold, there was more before. Pure; a suspicion, and it is said only where it would explain why
//! somebody waits.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Describe, Scheduler};
use crate::matching::{Refusal, RefusalReason};
use crate::resources::{Remaining, Shortage, Thousandths};
use crate::wire::{AgentId, Offer};

/// How long offers have to be smaller before they stay so: what a task held comes back a moment
/// after the task has ended.
const STAYS: Duration = Duration::from_secs(10);

type Scalars = BTreeMap<String, Thousandths>;

/// What was to be had of each agent.
#[derive(Debug, Default)]
pub(super) struct AgentCapacities {
    agents: BTreeMap<AgentId, AgentCapacity>,
}

#[derive(Debug)]
struct AgentCapacity {
    hostname: String,
    /// The most of each resource, of whatever offer.
    most: Scalars,
    /// What the last offer had, and the framework's own tasks there.
    last: Scalars,
    /// Since when there has been less than the most of some resource.
    smaller_since: Option<Duration>,
}

/// An agent that could be had more of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// The agent.
    pub agent: AgentId,
    /// Its host name.
    pub hostname: String,
    /// The resource.
    pub resource: String,
    /// How much of it there was for this framework, its own tasks included.
    pub before: Thousandths,
    /// How much there is now.
    pub now: Thousandths,
}

impl AgentCapacities {
    /// Takes note of offers; `held` is what the framework's own tasks hold of an agent.
    fn offered(&mut self, offers: &[Offer], held: &BTreeMap<AgentId, Scalars>, now: Duration) {
        let mut sums: BTreeMap<&AgentId, (&str, Scalars)> = BTreeMap::new();
        for offer in offers {
            let (_, sum) = sums.entry(&offer.agent_id).or_insert_with(|| {
                let held = held.get(&offer.agent_id).cloned().unwrap_or_default();
                (&offer.hostname, held)
            });
            let remaining = Remaining::of(&offer.resources);
            for one in remaining.resources() {
                // Several of a name (reserved ones) are counted together, and once.
                sum.entry(one.name.clone()).or_default();
            }
            for (name, amount) in &mut *sum {
                *amount = amount.plus(remaining.scalar(name));
            }
        }
        for (agent, (hostname, last)) in sums {
            let capacity = self
                .agents
                .entry(agent.clone())
                .or_insert_with(|| AgentCapacity {
                    hostname: hostname.to_owned(),
                    most: Scalars::new(),
                    last: Scalars::new(),
                    smaller_since: None,
                });
            for (name, amount) in &last {
                let most = capacity.most.entry(name.clone()).or_default();
                *most = (*most).max(*amount);
            }
            let less = |(name, most): (&String, &Thousandths)| {
                last.get(name).copied().unwrap_or_default() < *most
            };
            let smaller = capacity.most.iter().any(less);
            capacity.smaller_since = smaller.then(|| capacity.smaller_since.unwrap_or(now));
            capacity.last = last;
        }
    }

    fn gone(&mut self, agent: &AgentId) {
        self.agents.remove(agent);
    }

    /// What an agent lacks that it did not lack before, and that would be enough.
    fn held_back(&self, refusal: &Refusal, now: Duration) -> Option<HeldBack> {
        let capacity = self.agents.get(&refusal.agent)?;
        let since = capacity.smaller_since?;
        if since + STAYS > now {
            return None;
        }
        let mut found = None;
        for reason in &refusal.reasons {
            let RefusalReason::Shortage(Shortage::Scalar {
                name,
                wanted,
                offered,
            }) = reason
            else {
                return None;
            };
            let before = capacity.most.get(name).copied().unwrap_or_default();
            let last = capacity.last.get(name).copied().unwrap_or_default();
            let back = before.minus(last);
            if back == Thousandths::ZERO || offered.plus(back) < *wanted {
                return None;
            }
            found = found.or_else(|| {
                Some(HeldBack {
                    agent: refusal.agent.clone(),
                    hostname: capacity.hostname.clone(),
                    resource: name.clone(),
                    before,
                    now: last,
                })
            });
        }
        found
    }
}

impl<D: Describe> Scheduler<D> {
    /// Takes note of how much is offered. With several roles an agent's resources come in offers
    /// of their own for each, at different times: then nothing can be told.
    pub(super) fn note_room(&mut self, offers: &[Offer]) {
        if self.settings.framework.roles.len() > 1 {
            return;
        }
        let mut held: BTreeMap<AgentId, Scalars> = BTreeMap::new();
        for record in self.tasks.values().filter_map(|task| task.record.as_ref()) {
            let Some(profile) = self.settings.profiles.get(&record.profile) else {
                continue;
            };
            let sums = held.entry(record.agent.clone()).or_default();
            for (name, amount) in &profile.demand.scalars {
                let sum = sums.entry(name.clone()).or_default();
                *sum = sum.plus(*amount);
            }
        }
        self.capacities.offered(offers, &held, self.now);
    }

    /// An agent is gone, and with it what it had.
    pub(super) fn forget_room(&mut self, agent: &AgentId) {
        self.capacities.gone(agent);
    }

    /// An agent that had capacity for a worker of this profile before, and offers less now, if that is
    /// all that the worker lacks there.
    pub fn held_back(&self, profile: &str, now: Duration) -> Option<HeldBack> {
        self.refusals(profile)
            .find_map(|refusal| self.capacities.held_back(refusal, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{OfferId, Resource};

    fn scalar(name: &str, value: f64) -> Resource {
        let json = serde_json::json!({"name": name, "type": "SCALAR", "scalar": {"value": value}});
        serde_json::from_value(json).unwrap()
    }

    fn offer(cpus: f64) -> Offer {
        Offer {
            id: OfferId::new("O1"),
            agent_id: AgentId::new("S1"),
            hostname: "agent1".to_owned(),
            resources: vec![scalar("cpus", cpus), scalar("mem", 4096.0)],
            ..Offer::default()
        }
    }

    fn refusal(wanted: u32, offered: u32) -> Refusal {
        Refusal {
            agent: AgentId::new("S1"),
            hostname: "agent1".to_owned(),
            reasons: vec![RefusalReason::Shortage(Shortage::Scalar {
                name: "cpus".to_owned(),
                wanted: Thousandths::whole(wanted),
                offered: Thousandths::whole(offered),
            })],
        }
    }

    fn held(cpus: u32) -> BTreeMap<AgentId, Scalars> {
        let scalars = [("cpus".to_owned(), Thousandths::whole(cpus))].into();
        [(AgentId::new("S1"), scalars)].into()
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn offers_that_stay_smaller_than_they_were_are_noticed_and_a_moment_of_it_is_not() {
        let mut capacities = AgentCapacities::default();
        capacities.offered(&[offer(4.0)], &BTreeMap::new(), at(0));
        assert_eq!(capacities.held_back(&refusal(2, 4), at(60)), None);
        // Two of the four are the framework's own now, and one is missing.
        capacities.offered(&[offer(1.0)], &held(2), at(60));
        assert_eq!(capacities.held_back(&refusal(2, 1), at(61)), None);
        let found = capacities.held_back(&refusal(2, 1), at(70)).unwrap();
        assert_eq!(
            (found.before, found.now),
            (Thousandths::whole(4), Thousandths::whole(3))
        );
        assert_eq!(
            (found.hostname.as_str(), found.resource.as_str()),
            ("agent1", "cpus")
        );
        // What is missing would not be enough, either.
        assert_eq!(capacities.held_back(&refusal(8, 1), at(70)), None);
        capacities.offered(&[offer(2.0)], &held(2), at(80));
        assert_eq!(capacities.held_back(&refusal(3, 2), at(100)), None);
    }

    #[test]
    fn an_agent_that_its_own_tasks_fill_is_no_evidence() {
        let mut capacities = AgentCapacities::default();
        capacities.offered(&[offer(4.0)], &BTreeMap::new(), at(0));
        capacities.offered(&[offer(0.5)], &held(4), at(10));
        assert_eq!(capacities.held_back(&refusal(2, 0), at(60)), None);
    }

    #[test]
    fn what_else_speaks_against_an_agent_is_reason_enough() {
        let mut capacities = AgentCapacities::default();
        capacities.offered(&[offer(4.0)], &BTreeMap::new(), at(0));
        capacities.offered(&[offer(1.0)], &BTreeMap::new(), at(1));
        let mut avoided = refusal(2, 1);
        assert!(capacities.held_back(&avoided, at(60)).is_some());
        avoided.reasons.push(RefusalReason::AgentAvoided);
        assert_eq!(capacities.held_back(&avoided, at(60)), None);
        capacities.gone(&AgentId::new("S1"));
        assert_eq!(capacities.held_back(&refusal(2, 1), at(60)), None);
    }
}
