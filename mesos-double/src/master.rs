//! What the elected master holds in memory. All of it is lost when it goes.

use crate::framework::Framework;
use crate::offer::Offer;
use crate::resources::Resources;
use crate::task::Task;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// `--max_completed_frameworks`.
const COMPLETED_FRAMEWORKS: usize = 50;
/// `--max_completed_tasks_per_framework`.
const COMPLETED_TASKS: usize = 1000;

/// The leading master.
#[derive(Debug)]
pub(crate) struct Master {
    pub(crate) id: String,
    /// Which of the cluster's nodes it is.
    pub(crate) node: usize,
    pub(crate) frameworks: BTreeMap<String, Framework>,
    /// Ids that may not come back; the oldest is forgotten first.
    pub(crate) completed: VecDeque<String>,
    pub(crate) offers: BTreeMap<String, Offer>,
    pub(crate) inverse_offers: BTreeMap<String, InverseOffer>,
    /// What frameworks last said to inverse offers, by agent and framework.
    pub(crate) responses: BTreeMap<String, BTreeMap<String, Response>>,
    pub(crate) registered: BTreeMap<String, Registered>,
    /// Agents of the registry that have not come back since this master leads.
    pub(crate) recovered: BTreeSet<String>,
    /// How many those were at first: the allocator waits for most of them.
    pub(crate) recovered_at_first: usize,
    next_framework: u64,
    next_offer: u64,
    next_agent: u64,
}

/// The request to give up what a framework holds of an agent.
#[derive(Clone, Debug)]
pub(crate) struct InverseOffer {
    pub(crate) framework_id: String,
    pub(crate) agent_id: String,
}

/// What a framework said to an inverse offer.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// `ACCEPT` or `DECLINE`.
    pub(crate) status: &'static str,
    /// Nanoseconds since 1970.
    pub(crate) at: u64,
}

/// An agent as the master sees it.
#[derive(Debug)]
pub(crate) struct Registered {
    /// Which of the cluster's agents it is.
    pub(crate) index: usize,
    pub(crate) total: Resources,
    /// By tasks, not allocated.
    pub(crate) used: Resources,
    /// By offers, not allocated.
    pub(crate) offered: Resources,
    /// Not offered while set.
    pub(crate) deactivated: bool,
    /// Told to be killed while the agent could not hear it.
    pub(crate) killed: BTreeSet<(String, String)>,
    /// Since 1970.
    pub(crate) at: Duration,
}

impl Registered {
    pub(crate) fn free(&self) -> Resources {
        self.total.minus(&self.used).minus(&self.offered)
    }
}

impl Master {
    pub(crate) fn new(id: String, node: usize, recovered: BTreeSet<String>) -> Self {
        Self {
            id,
            node,
            frameworks: BTreeMap::new(),
            completed: VecDeque::new(),
            offers: BTreeMap::new(),
            inverse_offers: BTreeMap::new(),
            responses: BTreeMap::new(),
            registered: BTreeMap::new(),
            recovered_at_first: recovered.len(),
            recovered,
            next_framework: 0,
            next_offer: 0,
            next_agent: 0,
        }
    }

    pub(crate) fn new_framework_id(&mut self) -> String {
        let number = self.next_framework;
        self.next_framework += 1;
        format!("{}-{number:04}", self.id)
    }

    pub(crate) fn new_offer_id(&mut self) -> String {
        let number = self.next_offer;
        self.next_offer += 1;
        format!("{}-O{number}", self.id)
    }

    pub(crate) fn new_agent_id(&mut self) -> String {
        let number = self.next_agent;
        self.next_agent += 1;
        format!("{}-S{number}", self.id)
    }

    pub(crate) fn complete(&mut self, framework: &str) {
        self.completed.push_back(framework.to_owned());
        if self.completed.len() > COMPLETED_FRAMEWORKS {
            self.completed.pop_front();
        }
    }

    /// Takes an offer away from its framework and gives its resources back, without a word.
    pub(crate) fn withdraw(&mut self, offer: &str) -> Option<Offer> {
        let offer = self.offers.remove(offer)?;
        if let Some(agent) = self.registered.get_mut(&offer.agent_id) {
            agent.offered.subtract(&offer.resources.allocated(None));
        }
        Some(offer)
    }

    /// Takes an offer away and says so.
    pub(crate) fn rescind(&mut self, offer: &str) {
        if let Some(offer) = self.withdraw(offer)
            && let Some(framework) = self.frameworks.get(&offer.framework_id)
        {
            framework
                .send(&json!({"type": "RESCIND", "rescind": {"offer_id": {"value": offer.id}}}));
        }
    }

    /// Takes inverse offers away; who is to be told of each, and how.
    pub(crate) fn withdraw_inverse_offers(
        &mut self,
        which: impl Fn(&InverseOffer) -> bool,
    ) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        self.inverse_offers.retain(|id, offer| {
            let goes = which(offer);
            if goes {
                let event = json!({
                    "type": "RESCIND_INVERSE_OFFER",
                    "rescind_inverse_offer": {"inverse_offer_id": {"value": id}},
                });
                events.push((offer.framework_id.clone(), event));
            }
            !goes
        });
        events
    }

    /// Sends an event to a framework if it is there and listens.
    pub(crate) fn send(&self, framework: &str, event: &Value) {
        if let Some(framework) = self.frameworks.get(framework) {
            framework.send(event);
        }
    }

    /// The ids of the offers that `which` holds for.
    pub(crate) fn offers_where(&self, which: impl Fn(&Offer) -> bool) -> Vec<String> {
        self.offers
            .values()
            .filter(|offer| which(offer))
            .map(|offer| offer.id.clone())
            .collect()
    }

    /// A live task and its framework's memory of it are gone; what it held is free.
    pub(crate) fn forget_task(&mut self, framework: &str, task: &str) -> Option<Task> {
        let framework = self.frameworks.get_mut(framework)?;
        let task = framework.tasks.remove(task)?;
        if !task.is_over()
            && let Some(agent) = self.registered.get_mut(&task.agent_id)
        {
            agent.used.subtract(&task.resources.allocated(None));
        }
        if framework.completed_tasks.len() == COMPLETED_TASKS {
            framework.completed_tasks.remove(0);
        }
        framework.completed_tasks.push(task.clone());
        Some(task)
    }

    /// Whether the allocator waits for agents to come back after a failover.
    pub(crate) fn allocation_paused(&self) -> bool {
        let missing = self.recovered.len();
        // 80 % of the agents have to be back.
        missing * 5 > self.recovered_at_first
    }
}
