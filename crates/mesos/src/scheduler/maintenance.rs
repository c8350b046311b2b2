//! Maintenance: agents that are going to be away, and what is asked back for it.
//!
//! Owns when an agent is too close to its maintenance to be used, and the answers to inverse offers.
//! The master asks again and again while tasks of the framework are on the agent; it says that a
//! plan was dropped only by taking back what it has asked and got no answer to, and otherwise by
//! asking no more. So an agent is left only while the master asks, and the last question is kept
//! open until nothing is left there, for then the master asks no more. Who is moved off, and in
//! which order, is not the scheduler's to say.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Describe, Goal, Report, Scheduler, Session};
use crate::wire::{
    AgentId, AnswerInverseOffers, CallBody, Filters, InverseOffers, Offer, OfferId, Unavailability,
};

/// How soon the master is to ask again while workers are moved off.
const MOVING: Duration = Duration::from_secs(5);

/// How long a question stays open before it is declined: whoever can go at once is gone by then.
const OPEN: Duration = Duration::from_secs(1);

/// For how long a master that is not waiting for an answer may say nothing of an agent that tasks
/// are on before its maintenance is taken to be off.
const SILENCE: Duration = Duration::from_secs(60);

/// An agent that goes into maintenance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// Its host name.
    pub hostname: String,
    /// When that begins, since the epoch.
    pub start: Duration,
    /// How long it lasts, if that is known.
    pub duration: Option<Duration>,
    /// What was asked and is not answered, and since when.
    asked: Vec<OfferId>,
    asked_at: Duration,
    /// When the master last spoke of it, and how long after that it was told to ask again.
    heard: Duration,
    again: Duration,
    /// The master knows that tasks have to be moved off first.
    declined: bool,
    /// Others were told that it is time to leave.
    told: bool,
}

/// The agents that go into maintenance.
#[derive(Debug, Default)]
pub(super) struct Maintenance {
    agents: BTreeMap<AgentId, Leaving>,
    /// The time since the epoch at the scheduler's zero.
    epoch: Duration,
}

/// The tasks on an agent.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    all: usize,
    /// Those that are to run.
    wanted: usize,
}

/// What to say to what was asked of an agent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    /// Nothing is left there.
    Accept,
    /// Not now: to be asked again after so long.
    Decline(Duration),
    /// Nothing yet, and something at this time if nothing changes before.
    Later(Option<Duration>),
}

impl Leaving {
    fn of(hostname: String, unavailability: &Unavailability, now: Duration) -> Self {
        let nanoseconds =
            |nanoseconds: i64| Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default());
        let duration = unavailability.duration.as_ref();
        Self {
            hostname,
            start: nanoseconds(unavailability.start.nanoseconds),
            duration: duration.map(|duration| nanoseconds(duration.nanoseconds)),
            asked: Vec::new(),
            asked_at: now,
            heard: now,
            again: Duration::ZERO,
            declined: false,
            told: false,
        }
    }

    /// Whether it is time to leave it.
    pub const fn is_told(&self) -> bool {
        self.told
    }

    fn is_same_time(&self, other: &Self) -> bool {
        self.start == other.start && self.duration == other.duration
    }

    fn end(&self) -> Option<Duration> {
        Some(self.start.saturating_add(self.duration?))
    }

    /// Whether it was to be back by now, and nobody asks any more.
    fn is_over(&self, wall_clock: Duration) -> bool {
        self.asked.is_empty() && self.end().is_some_and(|end| end <= wall_clock)
    }

    /// When the master should have asked again.
    fn silent_at(&self) -> Option<Duration> {
        let at = self.heard + self.again + SILENCE;
        self.asked.is_empty().then_some(at)
    }
}

impl<D: Describe> Scheduler<D> {
    /// The agents that go into maintenance, and in how long each does; zero: it is time already.
    pub fn leaving(&self) -> impl Iterator<Item = (&AgentId, &Leaving, Duration)> {
        let now = self.wall_clock();
        let agents = self.maintenance.agents.iter();
        agents.map(move |(id, leaving)| (id, leaving, leaving.start.saturating_sub(now)))
    }

    fn wall_clock(&self) -> Duration {
        self.maintenance.epoch.saturating_add(self.now)
    }

    pub(super) fn set_wall_clock(&mut self, since_epoch: Duration) {
        self.maintenance.epoch = since_epoch.saturating_sub(self.now);
    }

    /// A new subscription: what was asked is void, and what is still planned is said anew.
    pub(super) fn ask_again(&mut self) {
        for leaving in self.maintenance.agents.values_mut() {
            leaving.asked.clear();
            leaving.heard = self.now;
        }
    }

    /// What offers say of their agents' maintenance; silence is news, too.
    pub(super) fn note_unavailability(&mut self, offers: &[Offer]) {
        for offer in offers {
            let planned = offer.unavailability.as_ref();
            let planned = planned.map(|one| Leaving::of(offer.hostname.clone(), one, self.now));
            self.plan_leave(offer.agent_id.clone(), planned, None);
        }
    }

    pub(super) fn inverse_offers(&mut self, asked: InverseOffers) {
        for one in asked.inverse_offers {
            let hostname = one.url.and_then(|url| url.address.hostname);
            let Some(agent) = one.agent_id else {
                continue;
            };
            let hostname = hostname.unwrap_or_else(|| agent.value.clone());
            let planned = Leaving::of(hostname, &one.unavailability, self.now);
            self.plan_leave(agent, Some(planned), Some(one.id));
        }
    }

    fn plan_leave(&mut self, agent: AgentId, planned: Option<Leaving>, asked: Option<OfferId>) {
        let known = self.maintenance.agents.remove(&agent);
        let Some(mut planned) = planned else {
            if let Some(known) = known {
                self.stays(agent, &known);
            }
            return;
        };
        if let Some(known) = known {
            if known.is_same_time(&planned) {
                planned.told = known.told;
                planned.declined = known.declined;
                planned.again = known.again;
            } else {
                self.stays(agent.clone(), &known);
            }
            if !known.asked.is_empty() {
                planned.asked_at = known.asked_at;
            }
            planned.asked = known.asked;
        }
        planned.asked.extend(asked);
        self.maintenance.agents.insert(agent, planned);
    }

    pub(super) fn inverse_offer_rescinded(&mut self, id: &OfferId) {
        let asked = |(_, leaving): &(&AgentId, &Leaving)| leaving.asked.contains(id);
        let agent = self.maintenance.agents.iter().find(asked);
        if let Some(agent) = agent.map(|(agent, _)| agent.clone()) {
            self.agent_stays(&agent);
        }
    }

    /// An agent is gone, or its maintenance is off.
    pub(super) fn agent_stays(&mut self, agent: &AgentId) {
        if let Some(leaving) = self.maintenance.agents.remove(agent) {
            self.stays(agent.clone(), &leaving);
        }
    }

    fn stays(&mut self, agent: AgentId, leaving: &Leaving) {
        if leaving.told {
            let leaves = false;
            self.report(Report::Maintenance { agent, leaves });
        }
    }

    /// Agents on which nothing is started any more, and how long they are there still: a worker
    /// that would be moved off soon after its start is not worth it.
    pub(super) fn leaving_soon(&self) -> BTreeMap<AgentId, Duration> {
        let now = self.wall_clock();
        let until = now.saturating_add(self.settings.maintenance_lead.saturating_mul(2));
        let soon = |leaving: &Leaving| leaving.start <= until && !leaving.is_over(now);
        let agents = self.maintenance.agents.iter();
        agents
            .filter(|(_, leaving)| soon(leaving))
            .map(|(id, leaving)| (id.clone(), leaving.start.saturating_sub(now)))
            .collect()
    }

    /// When an agent has to be looked at.
    pub(super) fn next_leave(&self) -> Option<Duration> {
        if self.session != Session::Up {
            return None;
        }
        let held = self.held();
        let agents = self.maintenance.agents.iter();
        let due = agents.flat_map(|(agent, leaving)| {
            let held = held.get(agent).copied().unwrap_or_default();
            if !leaving.asked.is_empty() {
                let answer = match self.answer(leaving, held) {
                    Answer::Later(at) => at,
                    Answer::Accept | Answer::Decline(_) => Some(self.now),
                };
                return [answer, None];
            }
            let end = leaving.end();
            let end = end.map(|end| end.saturating_sub(self.maintenance.epoch));
            [end, leaving.silent_at().filter(|_| held.all > 0)]
        });
        due.flatten().min()
    }

    /// The tasks on the agents that go into maintenance.
    fn held(&self) -> BTreeMap<AgentId, Held> {
        let mut held: BTreeMap<AgentId, Held> = BTreeMap::new();
        if self.maintenance.agents.is_empty() {
            return held;
        }
        for entry in self.tasks.values() {
            let agent = entry.agent.as_ref();
            if let Some(agent) = agent.filter(|id| self.maintenance.agents.contains_key(*id)) {
                let there = held.entry(agent.clone()).or_default();
                there.all += 1;
                there.wanted += usize::from(entry.goal == Goal::Run);
            }
        }
        held
    }

    fn answer(&self, leaving: &Leaving, held: Held) -> Answer {
        if held.all == 0 {
            return Answer::Accept;
        }
        if !leaving.told {
            let lead = self
                .wall_clock()
                .saturating_add(self.settings.maintenance_lead);
            let rest = leaving.start.saturating_sub(lead);
            return Answer::Decline(rest.clamp(OPEN, self.settings.refuse.max(OPEN)));
        }
        let last = held.wanted == 0 || held.wanted == 1 && leaving.declined;
        if last {
            return Answer::Later(None);
        }
        let due = leaving.asked_at + OPEN;
        if due > self.now {
            return Answer::Later(Some(due));
        }
        Answer::Decline(MOVING)
    }

    /// Says whose time has come, or is over, and answers what was asked.
    pub(super) fn pass_maintenance(&mut self) {
        if self.maintenance.agents.is_empty() || self.session != Session::Up {
            return;
        }
        let held = self.held();
        self.drop_what_is_over(&held);
        self.tell_whose_time_has_come();
        let mut accepted = Vec::new();
        let mut declined: BTreeMap<Duration, Vec<OfferId>> = BTreeMap::new();
        let mut agents = std::mem::take(&mut self.maintenance.agents);
        for (agent, leaving) in &mut agents {
            let held = held.get(agent).copied().unwrap_or_default();
            match self.answer(leaving, held) {
                Answer::Accept => accepted.append(&mut leaving.asked),
                Answer::Decline(time) if !leaving.asked.is_empty() => {
                    leaving.declined = leaving.told;
                    leaving.again = time;
                    let those = declined.entry(time).or_default();
                    those.append(&mut leaving.asked);
                }
                Answer::Decline(_) | Answer::Later(_) => {}
            }
        }
        self.maintenance.agents = agents;
        if !accepted.is_empty() {
            let answer = answered(accepted, self.settings.refuse);
            // It is in the store that nothing is there.
            self.send_after(self.ticket, CallBody::AcceptInverseOffers(answer));
        }
        for (time, offers) in declined {
            self.send(CallBody::DeclineInverseOffers(answered(offers, time)));
        }
    }

    fn drop_what_is_over(&mut self, held: &BTreeMap<AgentId, Held>) {
        let now = self.wall_clock();
        let is_over = |agent: &AgentId, leaving: &Leaving| {
            let silent = leaving.silent_at().is_some_and(|at| at <= self.now);
            silent && held.contains_key(agent) || leaving.is_over(now)
        };
        let agents = self.maintenance.agents.iter();
        let over = agents.filter(|(agent, leaving)| is_over(agent, leaving));
        let over: Vec<AgentId> = over.map(|(agent, _)| agent.clone()).collect();
        for agent in over {
            self.agent_stays(&agent);
            // What was declined for it may be used.
            self.waiting.fresh = true;
        }
    }

    /// A plan that was only heard of some time ago may be off.
    fn tell_whose_time_has_come(&mut self) {
        let now = self.wall_clock();
        let until = now.saturating_add(self.settings.maintenance_lead);
        let mut due = Vec::new();
        for (agent, leaving) in &mut self.maintenance.agents {
            let holds = leaving.heard == self.now || !leaving.asked.is_empty();
            let holds = holds && !leaving.is_over(now);
            if !leaving.told && holds && leaving.start <= until {
                leaving.told = true;
                due.push(agent.clone());
            }
        }
        for agent in due {
            let leaves = true;
            self.report(Report::Maintenance { agent, leaves });
        }
    }
}

fn answered(inverse_offer_ids: Vec<OfferId>, again: Duration) -> AnswerInverseOffers {
    let refuse_seconds = Some(again.as_secs_f64());
    AnswerInverseOffers {
        inverse_offer_ids,
        filters: Some(Filters { refuse_seconds }),
    }
}
