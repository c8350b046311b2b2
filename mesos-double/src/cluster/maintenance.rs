//! Maintenance: the schedule, machines that go down and come up, and what frameworks say to it.

use super::Cluster;
use super::registration::Farewell;
use crate::call::identifiers;
use crate::framework::Framework;
use crate::master::{InverseOffer, Master, Response};
use crate::offer::filter_time;
use crate::operations::{Machine, Window};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

impl Cluster {
    /// The schedule is replaced as a whole. The error is the text of the 400.
    pub(crate) fn update_schedule(&mut self, schedule: &Map<String, Value>) -> Result<(), String> {
        let windows = Window::read_all(schedule)?;
        let named = |machine: &Machine| {
            let mut windows = windows.iter();
            windows.any(|window| window.machines.contains(machine))
        };
        if let Some(down) = self.operations.down.iter().find(|one| !named(one)) {
            return Err(format!(
                "{down} is deactivated and cannot be removed from the schedule"
            ));
        }
        let mut touched: Vec<Machine> = self.operations.scheduled().cloned().collect();
        self.operations.schedule = windows;
        touched.extend(self.operations.scheduled().cloned());
        touched.sort();
        touched.dedup();
        for machine in touched {
            self.unavailability_changed(&machine);
        }
        Ok(())
    }

    /// START_MAINTENANCE: the machines' agents are removed with their tasks.
    pub(crate) fn start_maintenance(&mut self, message: &Map<String, Value>) -> Result<(), String> {
        let machines = Machine::read_all(message, "machines")?;
        for machine in &machines {
            if self.operations.unavailability(machine).is_none() {
                return Err(format!("{machine} is not part of a maintenance schedule"));
            }
            if self.operations.down.contains(machine) {
                return Err(format!(
                    "{machine} is not in DRAINING mode and cannot be brought down"
                ));
            }
        }
        for machine in machines {
            let agents = self.agents_of(&machine);
            self.operations.down.insert(machine);
            for (index, id) in agents {
                self.remove_agent(&id, &Farewell::MachineDown);
                self.agent_leaves(index);
            }
        }
        Ok(())
    }

    /// STOP_MAINTENANCE: agents may register again, which somebody has to start.
    pub(crate) fn stop_maintenance(&mut self, message: &Map<String, Value>) -> Result<(), String> {
        let machines = Machine::read_all(message, "machines")?;
        for machine in &machines {
            if self.operations.unavailability(machine).is_none() {
                return Err(format!("{machine} is not part of a maintenance schedule"));
            }
            if !self.operations.down.contains(machine) {
                return Err(format!(
                    "{machine} is not in DOWN mode and cannot be brought up"
                ));
            }
        }
        for machine in machines {
            self.operations.down.remove(&machine);
            for window in &mut self.operations.schedule {
                window.machines.retain(|one| *one != machine);
            }
            let windows = &mut self.operations.schedule;
            windows.retain(|window| !window.machines.is_empty());
            self.unavailability_changed(&machine);
        }
        Ok(())
    }

    /// `maintenance.ClusterStatus`.
    pub(crate) fn maintenance_status(&self) -> Value {
        let operations = &self.operations;
        let draining = operations.scheduled();
        let draining = draining.filter(|machine| !operations.down.contains(machine));
        let draining: Vec<Value> = draining.map(|machine| self.draining(machine)).collect();
        let down: Vec<Value> = operations.down.iter().map(Machine::json).collect();
        let mut status = Map::new();
        for (name, machines) in [("draining_machines", draining), ("down_machines", down)] {
            if !machines.is_empty() {
                status.insert(name.to_owned(), machines.into());
            }
        }
        Value::Object(status)
    }

    /// `maintenance.Schedule`.
    pub(crate) fn schedule_json(&self) -> Value {
        self.operations.schedule_json()
    }

    fn draining(&self, machine: &Machine) -> Value {
        let mut statuses = Vec::new();
        for (_, agent) in self.agents_of(machine) {
            let responses = self.master.as_ref().and_then(|it| it.responses.get(&agent));
            for (framework, response) in responses.into_iter().flatten() {
                statuses.push(json!({
                    "status": response.status,
                    "framework_id": {"value": framework},
                    "timestamp": {"nanoseconds": response.at},
                }));
            }
        }
        let mut status = Map::new();
        status.insert("id".to_owned(), machine.json());
        if !statuses.is_empty() {
            status.insert("statuses".to_owned(), statuses.into());
        }
        Value::Object(status)
    }

    /// Offers are taken back, and made anew with what is known now.
    fn unavailability_changed(&mut self, machine: &Machine) {
        for (_, id) in self.agents_of(machine) {
            let Some(master) = &mut self.master else {
                return;
            };
            for offer in master.offers_where(|offer| offer.agent_id == id) {
                master.rescind(&offer);
            }
            for (framework, event) in master.withdraw_inverse_offers(|one| one.agent_id == id) {
                master.send(&framework, &event);
            }
            master.responses.remove(&id);
            for framework in master.frameworks.values_mut() {
                framework.inverse_filters.remove(&id);
            }
            self.allocate(Some(&id));
        }
    }

    /// The registered agents of a machine.
    fn agents_of(&self, machine: &Machine) -> Vec<(usize, String)> {
        let registered = self.master.iter().flat_map(|it| it.registered.iter());
        registered
            .filter(|(_, agent)| self.machine(agent.index).as_ref() == Some(machine))
            .map(|(id, agent)| (agent.index, id.clone()))
            .collect()
    }

    pub(super) fn machine(&self, index: usize) -> Option<Machine> {
        let agent = self.agents.get(index)?;
        Some(Machine {
            hostname: agent.options.hostname.to_lowercase(),
            ip: agent.address(&self.options.host),
        })
    }

    /// When an agent's machine goes down.
    pub(super) fn unavailability(&self, index: usize) -> Option<&Value> {
        self.operations.unavailability(&self.machine(index)?)
    }

    pub(super) fn is_down(&self, index: usize) -> bool {
        let machine = self.machine(index);
        machine.is_some_and(|machine| self.operations.down.contains(&machine))
    }

    /// Asks whoever holds something of a machine that goes down to give it up.
    pub(super) fn make_inverse_offers(&mut self, only: Option<&str>) {
        let now = self.now();
        let registered = self.master.iter().flat_map(|it| it.registered.iter());
        let going: Vec<(usize, String, Value)> = registered
            .filter(|(id, _)| only.is_none_or(|only| only == *id))
            .filter_map(|(id, agent)| {
                let unavailability = self.unavailability(agent.index)?.clone();
                Some((agent.index, id.clone(), unavailability))
            })
            .collect();
        let mut made: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (index, agent_id, unavailability) in going {
            let url = self.agent_url(index);
            let Some(master) = &mut self.master else {
                return;
            };
            for framework in asked(master, &agent_id, now) {
                let id = master.new_offer_id();
                made.entry(framework.clone()).or_default().push(json!({
                    "id": {"value": id},
                    "url": url,
                    "framework_id": {"value": framework},
                    "agent_id": {"value": agent_id},
                    "unavailability": unavailability,
                }));
                let offer = InverseOffer {
                    framework_id: framework,
                    agent_id: agent_id.clone(),
                };
                master.inverse_offers.insert(id, offer);
            }
        }
        for (framework, offers) in made {
            if let Some(framework) = self.framework(&framework) {
                framework.send(
                    &json!({"type": "INVERSE_OFFERS", "inverse_offers": {"inverse_offers": offers}}),
                );
            }
        }
    }

    /// ACCEPT_INVERSE_OFFERS and DECLINE_INVERSE_OFFERS: noted, and not asked again for a while.
    pub(super) fn answer_inverse_offers(
        &mut self,
        framework_id: &str,
        message: &Map<String, Value>,
        status: &'static str,
    ) {
        let now = self.now();
        let at = u64::try_from(self.clock.since_1970().as_nanos()).unwrap_or(u64::MAX);
        let seconds = message
            .get("filters")
            .and_then(|filters| filters.get("refuse_seconds"))
            .and_then(Value::as_f64);
        let time = filter_time(seconds, self.options.allocation_interval);
        let Some(master) = &mut self.master else {
            return;
        };
        for id in identifiers(message, "inverse_offer_ids") {
            let own = |offer: &InverseOffer| offer.framework_id == framework_id;
            if !master.inverse_offers.get(&id).is_some_and(own) {
                continue;
            }
            let Some(offer) = master.inverse_offers.remove(&id) else {
                continue;
            };
            let responses = master.responses.entry(offer.agent_id.clone()).or_default();
            responses.insert(framework_id.to_owned(), Response { status, at });
            if let (Some(time), Some(framework)) = (time, master.frameworks.get_mut(framework_id)) {
                let filters = &mut framework.inverse_filters;
                filters.insert(offer.agent_id, now + time);
            }
        }
    }
}

/// The frameworks that hold something of an agent, have not been asked, and may be.
fn asked(master: &Master, agent: &str, now: std::time::Duration) -> Vec<String> {
    let holds = |framework: &Framework| {
        let mut tasks = framework.tasks.values();
        let mut offers = master.offers.values();
        tasks.any(|task| task.agent_id == agent && !task.is_over())
            || offers.any(|offer| offer.agent_id == agent && offer.framework_id == framework.id)
    };
    let waits = |framework: &Framework| {
        let mut offers = master.inverse_offers.values();
        offers.any(|offer| offer.agent_id == agent && offer.framework_id == framework.id)
    };
    let filtered = |framework: &Framework| {
        let until = framework.inverse_filters.get(agent);
        until.is_some_and(|until| *until > now)
    };
    let frameworks = master.frameworks.values();
    frameworks
        .filter(|one| one.is_connected() && holds(one) && !waits(one) && !filtered(one))
        .map(|one| one.id.clone())
        .collect()
}
