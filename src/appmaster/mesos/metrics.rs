//! `GET /metrics`: what the application master is and has done, for a monitoring system.
//!
//! Owns the names of what only it knows; the scheduler and the artifact server name their own.
//! Names and labels are read by dashboards and alerts: they are added, never changed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::report::ZooKeeperReport;
use super::run::MesosCluster;
use crate::fleet::Fleet;
use crate::provider::mesos::failure::FailureKind;
use crate::provider::mesos::scheduling::{ContactPhase, Link, Publish};
use crate::provider::mesos::workers::MesosWorker;
use crate::store::{ClusterPhase, ClusterState};
use flugs_base::exposition::{Exposition, Family};
use flugs_mesos::scheduler::Describe;
use flugs_model::{MemberState, WorkerId};

/// How far a worker is; each has exactly one of these.
const STATES: [&str; 5] = ["waiting", "launched", "running", "registered", "lost"];

/// The workers of one profile.
#[derive(Debug, Clone, Default, PartialEq)]
struct Kind {
    wanted: usize,
    /// In the order of [`STATES`].
    states: [usize; STATES.len()],
    slots: u64,
    /// How long the one that has waited longest for an offer has done so.
    longest_wait: Duration,
}

/// What there is of every application master, whether it leads or stands by.
pub(super) fn write_general(
    text: &mut Exposition,
    state: &ClusterState,
    running: Duration,
    leads: bool,
) {
    let flink = state.flink_version.as_str();
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("flink", flink)];
    text.gauge(
        "flugs_build_info",
        "1; the labels say what runs here: flugs' version and Flink's.",
    )
    .sample(&labels, 1_u32);
    text.gauge(
        "flugs_uptime_seconds",
        "How long the application master has been running.",
    )
    .only(running);
    text.gauge(
        "flugs_leader",
        "1 if this application master leads its cluster, 0 if it stands by.",
    )
    .only(leads);
    text.gauge(
        "flugs_cluster_ready",
        "1 if the JobManager serves and every wanted worker is registered with it.",
    )
    .only(state.phase == ClusterPhase::Ready);
}

/// The contact with ZooKeeper, once for each use of it.
pub(super) fn write_zookeeper(text: &mut Exposition, reports: &[ZooKeeperReport]) {
    let mut reachable = text.gauge(
        "flugs_zookeeper_reachable",
        "1 while a session with ZooKeeper is connected, by what it is used for; absent: it is not used.",
    );
    for report in reports {
        reachable.sample(&[("purpose", report.purpose.name())], report.reachable);
    }
    let mut seconds = text.gauge(
        "flugs_zookeeper_contact_seconds",
        "For how long the contact with ZooKeeper has been as flugs_zookeeper_reachable says.",
    );
    for report in reports {
        seconds.sample(&[("purpose", report.purpose.name())], report.seconds);
    }
}

impl<D: Describe, L: Link, P: Publish> MesosCluster<D, L, P> {
    /// The whole document.
    pub(super) fn metrics(&self) -> String {
        let mut text = Exposition::default();
        write_general(&mut text, &self.state, self.started.elapsed(), true);
        self.write_job_manager(&mut text);
        self.write_workers(&mut text);
        self.write_demand(&mut text);
        self.write_contact(&mut text);
        write_zookeeper(&mut text, &self.zookeeper.reports());
        self.workers.tally().write(&mut text);
        self.served.write(&mut text);
        text.finish()
    }

    fn write_job_manager(&self, text: &mut Exposition) {
        let serves = self.job_manager.state(&self.fleet) == Some(MemberState::Registered);
        text.gauge(
            "flugs_jobmanager_up",
            "1 if the JobManager answers to its REST interface.",
        )
        .only(serves);
        text.counter(
            "flugs_jobmanager_failures_total",
            "How often the JobManager's process has ended by itself.",
        )
        .only(self.fleet.failures(self.job_manager.role()));
    }

    fn write_workers(&self, text: &mut Exposition) {
        let profiles = self.terms.profiles.iter();
        let wanted = profiles.map(|(name, _)| (name.as_str(), self.wanted_of(name)));
        let all = self.workers.workers().iter();
        write_kinds(&kinds(wanted, all, &self.fleet, &self.slots), text);
        text.gauge(
            "flugs_workers_stopping",
            "Workers that were told to stop and have not yet.",
        )
        .only(self.workers.stopping().len());
        let mut failures = text.counter(
            "flugs_worker_failures_total",
            "Workers that ended without being asked to, or did not register in time, by reason. \
             \"never-launched\" are launches that are repeated: no worker was lost.",
        );
        for kind in FailureKind::ALL
            .into_iter()
            .filter(|kind| !kind.is_planned())
        {
            let number = self.failures.counted(kind);
            failures.sample(&[("reason", kind.name())], number);
        }
        let mut planned = text.counter(
            "flugs_worker_planned_ends_total",
            "Workers that were ended by those who run the agents, by reason: no failures.",
        );
        for kind in FailureKind::ALL
            .into_iter()
            .filter(|kind| kind.is_planned())
        {
            let number = self.failures.counted(kind);
            planned.sample(&[("reason", kind.name())], number);
        }
        text.gauge(
            "flugs_worker_starts_paused",
            "1 while no worker is started, because too many starts have failed.",
        )
        .only(self.last_plan.paused.is_some());
        text.gauge(
            "flugs_mesos_avoided_agents",
            "Agents that are left alone for a while, because workers failed there.",
        )
        .only(self.workers.avoided_agents());
    }

    fn write_demand(&self, text: &mut Exposition) {
        let demand = self.demand_report();
        let mut slots = text.gauge(
            "flugs_demand_slots",
            "Slots that jobs want; absent: the number of workers is fixed.",
        );
        if let Some(demand) = &demand {
            slots.only(demand.required_slots);
        }
        let mut limited = text.gauge(
            "flugs_demand_limited",
            "1 while slotmanager.number-of-slots.max stands in the way of further workers; absent: \
             the number of workers is fixed.",
        );
        if let Some(demand) = &demand {
            limited.only(demand.limit.is_some());
        }
    }

    fn write_contact(&self, text: &mut Exposition) {
        let contact = self.workers.contact();
        text.gauge(
            "flugs_mesos_subscribed",
            "1 while the Mesos master has accepted the framework and the stream is open.",
        )
        .only(contact.phase == ContactPhase::Subscribed);
        text.gauge(
            "flugs_mesos_contact_seconds",
            "For how long the contact with the master has been as flugs_mesos_subscribed says.",
        )
        .only(contact.since.elapsed());
        let mut last = text.gauge(
            "flugs_mesos_last_offer_seconds",
            "How long ago the last offer came; absent: none has since the framework subscribed.",
        );
        if let Some(at) = contact.last_offer {
            last.only(at.elapsed());
        }
    }
}

/// The workers by profile, those profiles included of which there is none.
fn kinds<'a>(
    wanted: impl Iterator<Item = (&'a str, usize)>,
    workers: impl Iterator<Item = (&'a WorkerId, &'a MesosWorker)>,
    fleet: &Fleet,
    slots: &BTreeMap<WorkerId, u32>,
) -> BTreeMap<&'a str, Kind> {
    let mut kinds: BTreeMap<&str, Kind> = BTreeMap::new();
    for (profile, wanted) in wanted {
        kinds.entry(profile).or_default().wanted = wanted;
    }
    for (id, worker) in workers {
        let kind = kinds.entry(&worker.profile).or_default();
        let state = fleet.member(id).map(|member| member.state);
        let at = match (&worker.task, state) {
            (None, _) => 0,
            (Some(_), Some(MemberState::Lost)) => 4,
            (Some(_), Some(MemberState::Registered)) => 3,
            (Some(_), Some(MemberState::Running)) => 2,
            (Some(_), _) => 1,
        };
        if let Some(count) = kind.states.get_mut(at) {
            *count += 1;
        }
        kind.slots += slots.get(id).copied().map_or(0, u64::from);
        if worker.task.is_none() {
            kind.longest_wait = kind.longest_wait.max(worker.since.elapsed());
        }
    }
    kinds
}

fn write_kinds(kinds: &BTreeMap<&str, Kind>, text: &mut Exposition) {
    let each = |mut family: Family<'_>, number: &dyn Fn(&Kind) -> u64| {
        for (profile, kind) in kinds {
            family.sample(&[("profile", profile)], number(kind));
        }
    };
    each(
        text.gauge(
            "flugs_workers_wanted",
            "Workers that are wanted, by profile.",
        ),
        &|kind| kind.wanted as u64,
    );
    let mut states = text.gauge(
        "flugs_workers",
        "Workers that there are, by profile and state: waiting for an offer, launched, running as \
         Mesos says, registered with the JobManager, lost.",
    );
    for (profile, kind) in kinds {
        for (state, number) in STATES.iter().zip(kind.states) {
            states.sample(&[("profile", profile), ("state", state)], number);
        }
    }
    each(
        text.gauge(
            "flugs_worker_slots",
            "Slots of registered workers, by profile.",
        ),
        &|kind| kind.slots,
    );
    let mut waits = text.gauge(
        "flugs_worker_longest_wait_seconds",
        "For how long the worker has waited that has waited longest for an offer, by profile.",
    );
    for (profile, kind) in kinds {
        waits.sample(&[("profile", profile)], kind.longest_wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::mesos::workers::WorkerTask;
    use flugs_base::exposition::grammar::read;
    use flugs_mesos::wire::{AgentId, TaskId};
    use flugs_model::Role;
    use tokio::time::Instant;

    fn worker(profile: &str, task: Option<&str>) -> MesosWorker {
        MesosWorker {
            profile: profile.to_owned(),
            since: Instant::now(),
            task: task.map(|task| WorkerTask {
                task: TaskId::new(task),
                agent: AgentId::new("S1"),
                hostname: "agent1".to_owned(),
                ports: Vec::new(),
                state: None,
            }),
            again: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_worker_is_counted_once_and_every_profile_is_there() {
        let id = |number| WorkerId::of(Role::TaskManager, Some(number));
        let mut fleet = Fleet::default();
        let workers: BTreeMap<WorkerId, MesosWorker> = [
            (id(1), worker("default", Some("taskmanager-1-1"))),
            (id(2), worker("default", Some("taskmanager-2-2"))),
            (id(3), worker("default", Some("taskmanager-3-3"))),
            (id(4), worker("default", None)),
            (
                id(5),
                worker("one that is not wanted any more", Some("taskmanager-5-5")),
            ),
        ]
        .into();
        for (number, state) in [
            (1, MemberState::Registered),
            (2, MemberState::Running),
            (3, MemberState::Starting),
            (4, MemberState::Waiting),
            (5, MemberState::Registered),
        ] {
            fleet.add(id(number), Role::TaskManager, Duration::ZERO);
            fleet.observe(&id(number), state, Duration::ZERO);
        }
        tokio::time::advance(Duration::from_secs(90)).await;
        let slots = [(id(1), 4), (id(5), 2)].into();
        let wanted = [("big", 1), ("default", 4)].into_iter();
        let kinds = kinds(wanted, workers.iter(), &fleet, &slots);
        let mut text = Exposition::default();
        write_kinds(&kinds, &mut text);
        let text = text.finish();
        read(&text).unwrap();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_reason_has_the_name_that_the_other_documents_give_it() {
        for kind in FailureKind::ALL {
            assert_eq!(serde_json::json!(kind), serde_json::json!(kind.name()));
        }
    }
}
