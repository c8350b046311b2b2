//! What operators set aside for a role on one agent. It moves free resources alone, and ends nothing that
//! runs.

use super::Cluster;
use crate::call::{identifier, objects};
use crate::resources::Resources;
use crate::validation::resource;
use serde_json::{Map, Value};

/// Why a reservation is not changed.
pub(crate) enum Refusal {
    /// The call is wrong: a 400.
    Invalid(String),
    /// The agent does not have that: a 409.
    Conflict(String),
}

/// RESERVE_RESOURCES, or its contrary.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Reserving {
    Reserve,
    Unreserve,
}

impl Cluster {
    /// `resources` are as they are reserved, in either call. Offers of the agent are rescinded for
    /// it, and what tasks have stays theirs.
    pub(crate) fn change_reservation(
        &mut self,
        message: &Map<String, Value>,
        how: Reserving,
    ) -> Result<(), Refusal> {
        let missing = || Refusal::Invalid("Missing required fields: agent_id".to_owned());
        let id = identifier(message, "agent_id").ok_or_else(missing)?;
        resource::validate(objects(message, "resources")).map_err(Refusal::Invalid)?;
        let reserved = Resources::read(message, "resources");
        if reserved.is_empty() || reserved.iter().any(|one| !one.is_dynamically_reserved()) {
            let reason = "Invalid operation: resources are not dynamically reserved";
            return Err(Refusal::Invalid(reason.to_owned()));
        }
        let before = reserved.without_last_reservation();
        let (from, to) = match how {
            Reserving::Reserve => (&before, &reserved),
            Reserving::Unreserve => (&reserved, &before),
        };
        let index = self.agent_index(id);
        let Some(master) = &mut self.master else {
            return Err(Refusal::Conflict("No leader".to_owned()));
        };
        let Some(registered) = master.registered.get(id) else {
            return Err(Refusal::Invalid(
                "No agent found with specified ID".to_owned(),
            ));
        };
        if !registered.total.minus(&registered.used).contains(from) {
            let reason = format!("Insufficient resources on agent {id}");
            return Err(Refusal::Conflict(reason));
        }
        for offer in master.offers_where(|offer| offer.agent_id == id) {
            master.rescind(&offer);
        }
        if let Some(registered) = master.registered.get_mut(id) {
            registered.total.subtract(from);
            registered.total.add(to);
        }
        if let Some(agent) = index.and_then(|index| self.agents.get_mut(index)) {
            agent.resources.subtract(from);
            agent.resources.add(to);
        }
        Ok(())
    }
}
