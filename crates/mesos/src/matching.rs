//! Which offer is used for which waiting worker, and why an offer is not.
//!
//! Owns the decision. Pure. An offer is used by the first workers it suffices for, or it is given
//! back; none is kept for later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::constraint::{Constraint, Host, Placed};
use super::resources::{Demand, Remaining, Shortage};
use super::wire::{AgentId, Offer, OfferId, Resource};
use flugs_model::WorkerId;

/// What all workers of one kind want.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// What each takes of an agent.
    pub demand: Demand,
    /// What an agent has to satisfy.
    pub hard: Vec<Constraint>,
    /// What an agent should satisfy: of the offers that are there at once, the one that breaks
    /// the fewest is used.
    pub soft: Vec<Constraint>,
}

/// Why an offer was not used for a worker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalReason {
    /// Something is missing.
    Shortage(Shortage),
    /// A hard constraint does not allow the agent; the constraint as text.
    Constraint(String),
    /// Workers failed on the agent a short while ago.
    AgentAvoided,
    /// The agent goes into maintenance in so many seconds; with none left, it is in it.
    Maintenance(u64),
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shortage(shortage) => shortage.fmt(formatter),
            Self::Constraint(constraint) => write!(formatter, "the constraint {constraint}"),
            Self::Maintenance(0) => write!(formatter, "this agent is in maintenance"),
            Self::Maintenance(seconds) => {
                write!(formatter, "this agent goes into maintenance in {seconds} s")
            }
            Self::AgentAvoided => {
                write!(formatter, "workers failed on this agent a short while ago")
            }
        }
    }
}

/// An offer that was not used for a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The agent.
    pub agent: AgentId,
    /// Its host name.
    pub hostname: String,
    /// Everything that spoke against it.
    pub reasons: Vec<RefusalReason>,
}

/// Where a worker is going to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// The worker.
    pub worker: WorkerId,
    /// The name of its profile.
    pub profile: String,
    /// What it takes of the offer.
    pub resources: Vec<Resource>,
    /// The ports it is given, by the names of its demand, in its order.
    pub ports: Vec<(String, u16)>,
}

/// An offer that is used.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// The offer.
    pub offer: OfferId,
    /// Its agent.
    pub agent: AgentId,
    /// What constraints can see of it.
    pub host: Arc<Host>,
    /// The workers that are launched on it; at least one.
    pub placements: Vec<Placement>,
}

/// What becomes of a batch of offers: each is used or declined.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matching {
    /// Offers that are used.
    pub uses: Vec<Use>,
    /// Offers that are given back.
    pub declines: Vec<OfferId>,
    /// For each profile of which somebody still waits, why each offer was not used (any more).
    pub refusals: BTreeMap<String, Vec<Refusal>>,
}

/// What is known when offers arrive.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The profiles by name.
    pub profiles: &'a BTreeMap<String, Profile>,
    /// Where workers of each profile run.
    pub placed: &'a BTreeMap<String, Placed>,
    /// Agents that are to be left alone for now.
    pub avoided: &'a BTreeSet<AgentId>,
    /// Agents that go into maintenance too soon to be used, and in how long.
    pub leaving: &'a BTreeMap<AgentId, Duration>,
}

struct Open<'a> {
    offer: &'a Offer,
    host: Arc<Host>,
    remaining: Remaining,
    placements: Vec<Placement>,
}

/// Decides. `waiting` has the workers that want a task, by profile, first come first served;
/// profiles take turns in the order of their names.
pub fn match_offers(
    offers: &[Offer],
    waiting: &BTreeMap<String, VecDeque<WorkerId>>,
    situation: Situation<'_>,
) -> Matching {
    let mut open: Vec<Open<'_>> = offers
        .iter()
        .map(|offer| Open {
            offer,
            host: Arc::new(Host::of(offer)),
            remaining: Remaining::of(&offer.resources),
            placements: Vec::new(),
        })
        .collect();
    let mut matching = Matching::default();
    for (name, workers) in waiting {
        let Some(profile) = situation.profiles.get(name).filter(|_| !workers.is_empty()) else {
            continue;
        };
        let refusals = place(&mut open, name, profile, workers, situation);
        if let Some(refusals) = refusals {
            matching.refusals.insert(name.clone(), refusals);
        }
    }
    for one in open {
        if one.placements.is_empty() {
            matching.declines.push(one.offer.id.clone());
        } else {
            matching.uses.push(Use {
                offer: one.offer.id.clone(),
                agent: one.offer.agent_id.clone(),
                host: one.host,
                placements: one.placements,
            });
        }
    }
    matching
}

/// Places the workers of one profile; the refusals, if somebody is left.
fn place(
    open: &mut [Open<'_>],
    name: &str,
    profile: &Profile,
    workers: &VecDeque<WorkerId>,
    situation: Situation<'_>,
) -> Option<Vec<Refusal>> {
    let mut placed = situation.placed.get(name).cloned().unwrap_or_default();
    let mut refused: BTreeMap<usize, Vec<RefusalReason>> = BTreeMap::new();
    let relenting = profile.hard.iter().any(Constraint::relents);
    let (mut at, mut workers) = (0, workers.iter());
    let mut next = workers.next();
    while let Some(worker) = next {
        let Some(index) = candidate(open, profile, &placed, &refused, at) else {
            break;
        };
        let Some(one) = open.get_mut(index) else {
            break;
        };
        let first_port = first_port(worker, profile);
        match fit(one, profile, first_port, &placed, situation) {
            Ok(taken) => {
                one.placements.push(Placement {
                    worker: worker.clone(),
                    profile: name.to_owned(),
                    resources: taken.resources,
                    ports: taken.ports,
                });
                placed.add(&one.host, profile.hard.iter().chain(&profile.soft));
                // What a constraint refused before may be allowed now: groups have grown.
                if relenting {
                    refused.retain(|_, reasons| !only_constraints(reasons));
                }
                at = index;
                next = workers.next();
            }
            Err(reasons) => {
                refused.insert(index, reasons);
            }
        }
    }
    next?;
    let refusal = |(index, reasons): (usize, Vec<RefusalReason>)| {
        let offer = open.get(index)?.offer;
        Some(Refusal {
            agent: offer.agent_id.clone(),
            hostname: offer.hostname.clone(),
            reasons,
        })
    };
    Some(refused.into_iter().filter_map(refusal).collect())
}

/// The offer to try next: the one that breaks the fewest soft constraints; without any, the one
/// that the last worker was placed on, and those after it.
fn candidate(
    open: &[Open<'_>],
    profile: &Profile,
    placed: &Placed,
    refused: &BTreeMap<usize, Vec<RefusalReason>>,
    at: usize,
) -> Option<usize> {
    let mut untried = (at..open.len())
        .chain(0..at)
        .filter(|index| !refused.contains_key(index));
    if profile.soft.is_empty() {
        return untried.next();
    }
    let broken = |index: usize| {
        let host = open.get(index).map(|one| &one.host);
        let breaks = |one: &&Constraint| host.is_some_and(|host| !one.allows(host, placed));
        profile.soft.iter().filter(breaks).count()
    };
    let mut best = None;
    for index in untried {
        let broken = broken(index);
        // None is better than one that breaks nothing.
        if broken == 0 {
            return Some(index);
        }
        if best.is_none_or(|(fewest, _)| broken < fewest) {
            best = Some((broken, index));
        }
    }
    best.map(|(_, index)| index)
}

fn only_constraints(reasons: &[RefusalReason]) -> bool {
    reasons
        .iter()
        .all(|reason| matches!(reason, RefusalReason::Constraint(_)))
}

fn fit(
    one: &mut Open<'_>,
    profile: &Profile,
    first_port: u64,
    placed: &Placed,
    situation: Situation<'_>,
) -> Result<super::resources::Taken, Vec<RefusalReason>> {
    let mut reasons: Vec<RefusalReason> = Vec::new();
    let agent = &one.offer.agent_id;
    if situation.avoided.contains(agent) {
        reasons.push(RefusalReason::AgentAvoided);
    }
    let leaves = situation.leaving.get(agent);
    reasons.extend(leaves.map(|left| RefusalReason::Maintenance(left.as_secs())));
    let breaks = profile
        .hard
        .iter()
        .filter(|hard| !hard.allows(&one.host, placed));
    reasons.extend(breaks.map(|hard| RefusalReason::Constraint(hard.to_string())));
    if reasons.is_empty() {
        let taken = one.remaining.take(&profile.demand, first_port);
        return taken.map_err(|missing| missing.into_iter().map(RefusalReason::Shortage).collect());
    }
    // Everything that is wrong is said; nothing is taken.
    if let Err(missing) = one.remaining.clone().take(&profile.demand, first_port) {
        reasons.extend(missing.into_iter().map(RefusalReason::Shortage));
    }
    Err(reasons)
}

/// Where to look for ports: each worker after those of the one before it, so that one which
/// replaces another does not insist on a port that turned out to be in use.
fn first_port(worker: &WorkerId, profile: &Profile) -> u64 {
    let before = worker.number().unwrap_or(1).saturating_sub(1);
    before.saturating_mul(profile.demand.ports.len() as u64)
}

#[cfg(test)]
#[path = "matching/tests.rs"]
mod tests;
