//! Who gets which resources offered, and when.
//!
//! The hierarchical allocator with as much of its fairness as two frameworks need: whoever holds the
//! smaller dominant share comes first.

use super::Cluster;
use super::quota::within_limits;
use crate::agent::Attribute;
use crate::framework::Framework;
use crate::identity::random_below;
use crate::master::Master;
use crate::offer::Offer;
use crate::operations::Limits;
use crate::resources::{Resource, Resources};
use crate::timer::Due;
use crate::validation::role::is_within;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// `--min_allocatable_resources`: `cpus:0.01|mem:32`, in thousandths.
const LEAST_CPUS: i64 = 10;
const LEAST_MEM: i64 = 32_000;

impl Cluster {
    /// Offers what is free, on one agent or on all.
    pub(super) fn allocate(&mut self, only: Option<&str>) {
        let now = self.now();
        let Some(master) = &mut self.master else {
            return;
        };
        if master.allocation_paused() {
            return;
        }
        for framework in master.frameworks.values_mut() {
            framework.forget_old_filters(now);
        }
        let agents: Vec<String> = master
            .registered
            .iter()
            .filter(|(id, agent)| only.is_none_or(|only| only == *id) && !agent.deactivated)
            .map(|(id, _)| id.clone())
            .collect();
        let mut made: BTreeMap<String, Vec<Offer>> = BTreeMap::new();
        for agent in agents {
            // One agent's resources may go to several roles: reserved ones to theirs first.
            while let Some(offer) = next_offer(master, &agent, &self.operations.limits) {
                made.entry(offer.framework_id.clone())
                    .or_default()
                    .push(offer);
            }
        }
        for (framework, offers) in made {
            self.send_offers(&framework, offers);
        }
        self.make_inverse_offers(only);
    }

    fn send_offers(&mut self, id: &str, offers: Vec<Offer>) {
        let stale = random_below(100) < u64::from(self.faults.stale_offers);
        let timeout = self
            .options
            .offer_timeout
            .map(|timeout| self.now() + timeout);
        let messages: Vec<Value> = offers
            .iter()
            .filter_map(|offer| self.offer_message(offer))
            .collect();
        if let Some(framework) = self.framework(id) {
            framework.send(&json!({"type": "OFFERS", "offers": {"offers": messages}}));
        }
        for offer in offers {
            if let Some(at) = timeout {
                let due = Due::OfferTimeout {
                    offer: offer.id.clone(),
                };
                self.timers.set(at, due);
            }
            if let Some(master) = self.master.as_mut().filter(|_| stale) {
                master.withdraw(&offer.id);
            }
        }
    }

    fn offer_message(&self, offer: &Offer) -> Option<Value> {
        let framework = self.framework(&offer.framework_id)?;
        let index = self.agent_index(&offer.agent_id)?;
        let agent = self.agents.get(index)?;
        let mut message = json!({
            "id": {"value": offer.id},
            "framework_id": {"value": offer.framework_id},
            "agent_id": {"value": offer.agent_id},
            "hostname": agent.options.hostname,
            "url": self.agent_url(index),
            "resources": offer.resources.json(framework.sight()),
        });
        let fields = message.as_object_mut()?;
        if !agent.attributes.is_empty() {
            let attributes: Vec<Value> = agent.attributes.iter().map(Attribute::json).collect();
            fields.insert("attributes".to_owned(), attributes.into());
        }
        if let Some((region, zone)) = &agent.options.domain {
            fields.insert(
                "domain".to_owned(),
                json!({"fault_domain": {"region": {"name": region}, "zone": {"name": zone}}}),
            );
        }
        if framework.sight().multi_role {
            fields.insert("allocation_info".to_owned(), json!({ "role": offer.role }));
        }
        if let Some(unavailability) = self.unavailability(index) {
            fields.insert("unavailability".to_owned(), unavailability.clone());
        }
        Some(message)
    }

    /// Where a real agent would answer.
    pub(super) fn agent_url(&self, index: usize) -> Option<Value> {
        let agent = self.agents.get(index)?;
        let address = agent.address(&self.options.host);
        Some(json!({
            "scheme": "http",
            "address": {"hostname": agent.options.hostname, "ip": address, "port": agent.port},
            "path": "/slave(1)",
        }))
    }

    /// Takes all offers back and tells nobody.
    pub(crate) fn spoil_offers(&mut self) {
        if let Some(master) = &mut self.master {
            for offer in master.offers_where(|_| true) {
                master.withdraw(&offer);
            }
        }
    }

    /// Takes all offers back.
    pub(crate) fn rescind_offers(&mut self) {
        if let Some(master) = &mut self.master {
            for offer in master.offers_where(|_| true) {
                master.rescind(&offer);
            }
        }
    }

    pub(super) fn offer_timeout(&mut self, offer: &str) {
        if let Some(master) = &mut self.master {
            master.rescind(offer);
        }
    }
}

/// Makes the next offer of what one agent has free, and takes the resources.
fn next_offer(
    master: &mut Master,
    agent_id: &str,
    limits: &BTreeMap<String, Limits>,
) -> Option<Offer> {
    let agent = master.registered.get(agent_id)?;
    let free = agent.free();
    if free.is_empty() {
        return None;
    }
    let has_gpus = agent.total.thousandths("gpus") > 0;
    let mut candidates: Vec<(f64, &str, String, Resources)> = Vec::new();
    for framework in master.frameworks.values() {
        if !framework.is_connected() || (has_gpus && !framework.can("GPU_RESOURCES")) {
            continue;
        }
        for role in framework.roles() {
            let share = free.filter(|one| is_offerable(one, framework, &role));
            let share = within_limits(limits, master, &role, share);
            let held_back = framework
                .filters
                .iter()
                .any(|filter| filter.holds_back(agent_id, &role, &share));
            let suppressed = framework.suppressed.contains(&role);
            if is_allocatable(&share) && !held_back && !suppressed {
                let held = dominant_share(master, framework);
                candidates.push((held, &framework.id, role, share));
            }
        }
    }
    candidates.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(other.1)));
    let (_, framework, role, share) = candidates.into_iter().next()?;
    let framework_id = framework.to_owned();
    let offer = Offer {
        id: master.new_offer_id(),
        framework_id,
        agent_id: agent_id.to_owned(),
        resources: share.allocated(Some(&role)),
        role,
    };
    if let Some(agent) = master.registered.get_mut(agent_id) {
        agent.offered.add(&share);
    }
    master.offers.insert(offer.id.clone(), offer.clone());
    Some(offer)
}

fn is_offerable(resource: &Resource, framework: &Framework, role: &str) -> bool {
    let reserved = resource.role();
    let revocable = resource.properties.contains_key("revocable");
    (reserved == "*" || is_within(role, reserved))
        && (!revocable || framework.can("REVOCABLE_RESOURCES"))
}

fn is_allocatable(resources: &Resources) -> bool {
    resources.thousandths("cpus") >= LEAST_CPUS || resources.thousandths("mem") >= LEAST_MEM
}

/// The largest part of any resource that the framework holds, in tasks and offers.
fn dominant_share(master: &Master, framework: &Framework) -> f64 {
    // With one framework there is nobody to be fair to.
    if master.frameworks.len() < 2 {
        return 0.0;
    }
    let mut held = Resources::default();
    for task in framework.tasks.values().filter(|task| !task.is_over()) {
        held.add(&task.resources.allocated(None));
    }
    for offer in master.offers.values() {
        if offer.framework_id == framework.id {
            held.add(&offer.resources.allocated(None));
        }
    }
    let mut share = 0.0_f64;
    for name in ["cpus", "mem"] {
        let total: i64 = master
            .registered
            .values()
            .map(|agent| agent.total.thousandths(name))
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "shares are only compared")]
        if total > 0 {
            share = share.max(held.thousandths(name) as f64 / total as f64);
        }
    }
    share
}
