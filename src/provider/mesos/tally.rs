//! What has passed between the scheduler, the master and the store, in numbers.
//!
//! Owns the counts since the start. Told of every call, event and write; decides nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use flugs_base::exposition::{Exposition, Histogram};
use flugs_mesos::wire::{Accept, CallBody, Event, TaskState};

/// How long writes to the store take: a local disk needs milliseconds, a quorum of ZooKeeper
/// tens of them, and one that is away seconds.
const WRITE_SECONDS: [f64; 12] = [
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// The calls that are made, so that each has a number from the start.
const CALLS: [&str; 9] = [
    "SUBSCRIBE",
    "TEARDOWN",
    "ACCEPT",
    "DECLINE",
    "REVIVE",
    "SUPPRESS",
    "KILL",
    "ACKNOWLEDGE",
    "RECONCILE",
];

/// Counts since the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    calls: BTreeMap<&'static str, u64>,
    subscriptions: u64,
    disconnections: u64,
    offers_received: u64,
    offers_rescinded: u64,
    offers_declined: u64,
    offers_accepted: u64,
    launches: u64,
    reconciled_all: u64,
    reconciled_tasks: u64,
    updates: BTreeMap<String, u64>,
    agent_failures: u64,
    writes: Histogram,
    changes: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            calls: CALLS.map(|call| (call, 0)).into(),
            subscriptions: 0,
            disconnections: 0,
            offers_received: 0,
            offers_rescinded: 0,
            offers_declined: 0,
            offers_accepted: 0,
            launches: 0,
            reconciled_all: 0,
            reconciled_tasks: 0,
            updates: BTreeMap::new(),
            agent_failures: 0,
            writes: Histogram::new(&WRITE_SECONDS),
            changes: 0,
        }
    }
}

impl Tally {
    /// A call is handed to the connection.
    pub(super) fn called(&mut self, call: &CallBody) {
        *self.calls.entry(call.name()).or_default() += 1;
        match call {
            CallBody::Decline(decline) => self.offers_declined += decline.offer_ids.len() as u64,
            CallBody::Accept(accept) => {
                self.offers_accepted += accept.offer_ids.len() as u64;
                self.launches += launched(accept);
            }
            CallBody::Reconcile(reconcile) if reconcile.tasks.is_empty() => {
                self.reconciled_all += 1;
            }
            CallBody::Reconcile(_) => self.reconciled_tasks += 1,
            _ => {}
        }
    }

    /// The master says something.
    pub(super) fn heard(&mut self, event: &Event) {
        match event {
            Event::Subscribed(_) => self.subscriptions += 1,
            Event::Offers(offers) => self.offers_received += offers.offers.len() as u64,
            Event::Rescind(_) => self.offers_rescinded += 1,
            Event::Update(update) => {
                let state = match &update.status.state {
                    // A word of the master's is no label: there may be any number of them.
                    TaskState::Other(_) => "other",
                    known => known.as_str(),
                };
                *self.updates.entry(state.to_owned()).or_default() += 1;
            }
            Event::Failure(failure) if failure.executor_id.is_none() => self.agent_failures += 1,
            _ => {}
        }
    }

    /// There is no connection, or none any more.
    pub(super) fn disconnected(&mut self) {
        self.disconnections += 1;
    }

    /// So many changes were written at once.
    pub(super) fn wrote(&mut self, changes: usize, took: Duration) {
        self.changes += changes as u64;
        self.writes.observe(took.as_secs_f64());
    }

    /// Writes all counts.
    pub fn write(&self, text: &mut Exposition) {
        let mut calls = text.counter("flugs_mesos_calls_total", "Calls to the master, by type.");
        for (call, number) in &self.calls {
            calls.sample(&[("call", call)], *number);
        }
        let mut updates = text.counter(
            "flugs_mesos_updates_total",
            "Status updates of tasks that the master sent, repeated ones included, by state.",
        );
        for (state, number) in &self.updates {
            updates.sample(&[("state", state)], *number);
        }
        let mut reconciliations = text.counter(
            "flugs_mesos_reconciliations_total",
            "Questions to the master: about all tasks that it knows, or about named ones.",
        );
        reconciliations.sample(&[("kind", "implicit")], self.reconciled_all);
        reconciliations.sample(&[("kind", "explicit")], self.reconciled_tasks);
        for (name, help, number) in [
            (
                "flugs_mesos_subscriptions_total",
                "How often the master has accepted the framework.",
                self.subscriptions,
            ),
            (
                "flugs_mesos_disconnections_total",
                "How often a connection to the master failed or ended.",
                self.disconnections,
            ),
            (
                "flugs_mesos_offers_received_total",
                "Offers that the master made.",
                self.offers_received,
            ),
            (
                "flugs_mesos_offers_rescinded_total",
                "Offers that the master took back.",
                self.offers_rescinded,
            ),
            (
                "flugs_mesos_offers_declined_total",
                "Offers that were given back.",
                self.offers_declined,
            ),
            (
                "flugs_mesos_offers_accepted_total",
                "Offers that were used.",
                self.offers_accepted,
            ),
            (
                "flugs_mesos_launches_total",
                "Tasks that the master was asked to launch.",
                self.launches,
            ),
            (
                "flugs_mesos_agent_failures_total",
                "Agents that the master called lost.",
                self.agent_failures,
            ),
            (
                "flugs_store_changes_total",
                "Changes that were written to the store.",
                self.changes,
            ),
        ] {
            text.counter(name, help).only(number);
        }
        text.histogram(
            "flugs_store_write_duration_seconds",
            "How long writes to the store took; one write may hold several changes.",
            &self.writes,
        );
    }
}

fn launched(accept: &Accept) -> u64 {
    let launches = accept
        .operations
        .iter()
        .filter_map(|one| one.launch.as_ref());
    launches.map(|launch| launch.task_infos.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_base::exposition::grammar::read;
    use flugs_mesos::wire::{
        Decline, Launch, Offer, OfferId, Offers, Operation, OperationType, Reconcile,
        ReconcileTask, TaskInfo, TaskStatus, Update,
    };

    fn text(tally: &Tally) -> String {
        let mut text = Exposition::default();
        tally.write(&mut text);
        text.finish()
    }

    #[test]
    fn offers_launches_updates_and_questions_are_counted_by_what_they_are() {
        let mut tally = Tally::default();
        let offers = vec![Offer::default(), Offer::default(), Offer::default()];
        tally.heard(&Event::Offers(Offers { offers }));
        for state in [
            TaskState::Running,
            TaskState::Running,
            TaskState::Other("TASK_HIBERNATING".to_owned()),
        ] {
            let status = TaskStatus {
                state,
                ..TaskStatus::default()
            };
            tally.heard(&Event::Update(Box::new(Update { status })));
        }
        tally.called(&CallBody::Decline(Decline {
            offer_ids: vec![OfferId::new("O1"), OfferId::new("O2")],
            filters: None,
        }));
        let launch = Launch {
            task_infos: vec![TaskInfo::default(); 4],
        };
        tally.called(&CallBody::Accept(Accept {
            offer_ids: vec![OfferId::new("O3")],
            operations: vec![Operation {
                kind: OperationType::Launch,
                launch: Some(launch),
                launch_group: None,
            }],
            filters: None,
        }));
        tally.called(&CallBody::Reconcile(Reconcile::default()));
        tally.called(&CallBody::Reconcile(Reconcile {
            tasks: vec![ReconcileTask::default()],
        }));
        tally.wrote(5, Duration::from_millis(3));
        let text = text(&tally);
        read(&text).unwrap();
        let above_zero = |line: &&str| !line.starts_with('#') && !line.ends_with(" 0");
        let lines: Vec<&str> = text.lines().filter(above_zero).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
