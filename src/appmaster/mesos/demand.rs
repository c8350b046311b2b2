//! Workers on demand, carried out: what jobs want becomes the planner's number, and who may go is
//! stopped.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::super::AppMasterError;
use super::super::registration::{Registered, pause};
use super::event::{MesosEvent, NotifyMesos};
use super::report::{DemandReport, JobDemandReport, SlotLimitReport};
use super::run::MesosCluster;
use super::watch::{Jobs, Seen};
use crate::fleet::demand::{
    Demand, DemandPolicy, Findings, FixedWorkers, JobNeeds, Release, SeenWorker, Sight, Stage,
};
use crate::provider::mesos::options::{DEFAULT_PROFILE, MesosOptions, WorkerProfile};
use crate::provider::mesos::scheduling::{Link, Publish};
use crate::provider::mesos::workers::MesosWorker;
use crate::store::ClusterPhase;
use flugs_mesos::scheduler::Describe;
use flugs_model::{MemberState, Role, WorkerId};

/// How often jobs are looked at: how long the first worker of a new job has to wait for no other
/// reason, at most.
const JOBS: Duration = Duration::from_millis(500);

/// The demand that the options ask for, unless the number of workers is fixed.
pub(super) fn demand(options: &MesosOptions) -> Option<Demand> {
    let scaling = options.scaling.on_demand.then_some(&options.scaling)?;
    let default = options.workers.get(DEFAULT_PROFILE)?;
    let others = options.workers.iter();
    let others = others.filter(|(name, _)| *name != DEFAULT_PROFILE);
    let fixed = |worker: &WorkerProfile| FixedWorkers {
        workers: worker.workers as usize,
        slots: worker.slots,
    };
    Some(Demand::new(DemandPolicy {
        profile: DEFAULT_PROFILE.to_owned(),
        slots: default.slots,
        minimum: default.workers as usize,
        others: others
            .map(|(name, worker)| (name.clone(), fixed(worker)))
            .collect(),
        least_slots: scaling.least_slots,
        most_slots: scaling.most_slots,
        redundant: scaling.redundant as usize,
        idle: scaling.idle,
    }))
}

impl<D: Describe, L: Link, P: Publish> MesosCluster<D, L, P> {
    /// The next look at Flink.
    pub(super) fn next_look(&mut self) -> impl Future<Output = Seen> + use<D, L, P> {
        let now = Instant::now();
        let Some(demand) = &self.demand else {
            let at = now + pause(self.state.phase == ClusterPhase::Ready);
            return self.watch.look(at, false);
        };
        if demand.is_urgent() {
            self.jobs_at = now + JOBS;
            return self.watch.look(now, true);
        }
        let at = (now + pause(self.state.phase == ClusterPhase::Ready)).min(self.jobs_at.max(now));
        let jobs = at >= self.jobs_at;
        if jobs {
            self.jobs_at = at + JOBS;
        }
        self.watch.look(at, jobs)
    }

    /// Has the planner keep as many workers as jobs want, and those that may not go yet.
    pub(super) fn desire(&mut self) {
        if let Some(demand) = &self.demand {
            let desired = demand.desired(&self.present());
            self.desired.members.insert(Role::TaskManager, desired);
        }
    }

    /// Whether a worker is one that jobs can count on: neither lost nor about to be moved.
    fn counts(&self, id: &WorkerId) -> bool {
        let member = self.fleet.member(id);
        member.is_none_or(|one| one.state != MemberState::Lost && !self.fleet.is_leaving(one))
    }

    /// How many workers there are of each profile; those that are lost or about to be moved do not
    /// count.
    pub(super) fn present(&self) -> BTreeMap<&str, usize> {
        let mut present = BTreeMap::new();
        let workers = self.workers.workers().iter();
        for (_, worker) in workers.filter(|(id, _)| self.counts(id)) {
            *present.entry(worker.profile.as_str()).or_default() += 1;
        }
        present
    }

    /// How many workers are wanted.
    pub(super) fn wanted(&self) -> usize {
        let fixed = || self.desired.members.get(&Role::TaskManager).copied();
        let demand = self.demand.as_ref();
        demand.map_or_else(|| fixed().unwrap_or(0), Demand::total)
    }

    /// How many workers of a profile are wanted.
    pub(super) fn wanted_of(&self, profile: &str) -> usize {
        let fixed = || {
            self.terms
                .profiles
                .get(profile)
                .map_or(0, |(_, many)| *many)
        };
        let demand = self.demand.as_ref();
        demand.map_or_else(fixed, |demand| demand.wanted(profile))
    }

    /// Takes in what Flink was seen to want, and has those go that may.
    pub(super) fn weigh(
        &mut self,
        seen: Seen,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<(), AppMasterError> {
        let Some(demand) = &mut self.demand else {
            return Ok(());
        };
        let jobs = match seen.jobs {
            Jobs::Need(jobs) if seen.registered.job_manager => jobs,
            Jobs::NotAsked if seen.registered.job_manager => return Ok(()),
            _ => {
                demand.see_nothing();
                return Ok(());
            }
        };
        let age = |id: &WorkerId| self.fleet.member(id).map(|member| member.added);
        let fleet = &self.fleet;
        let counts = |id: &WorkerId| {
            let member = fleet.member(id);
            member.is_none_or(|one| one.state != MemberState::Lost && !fleet.is_leaving(one))
        };
        let mut workers: Vec<(Option<u64>, SeenWorker)> = self
            .workers
            .workers()
            .iter()
            .filter(|(id, _)| counts(id))
            .map(|(id, worker)| (age(id), seen_worker(id, worker, &seen.registered)))
            .collect();
        workers.sort_by_key(|(age, _)| *age);
        let workers = workers.into_iter().map(|(_, worker)| worker).collect();
        let before = demand.findings().wanted;
        let releases = demand.see(&Sight { jobs, workers }, self.started.elapsed());
        let findings = demand.findings();
        if findings.wanted != before {
            notify(&MesosEvent::Demand {
                slots: findings.required,
                jobs: findings.jobs.len(),
                workers: findings.wanted.workers,
                unlimited: findings.wanted.unlimited,
                before: before.workers,
            });
        }
        for release in releases {
            self.let_go(&release, notify)?;
        }
        Ok(())
    }

    fn let_go(
        &mut self,
        release: &Release,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<(), AppMasterError> {
        let id = release.id();
        let task = self.task(id).map(|task| task.task.value.clone());
        notify(&match (release, task) {
            (Release::Idle { since, .. }, Some(task)) => MesosEvent::Idle {
                task,
                seconds: since.as_secs(),
            },
            _ => MesosEvent::Withdrawn {
                worker: id.to_string(),
            },
        });
        self.stop_worker(id)
    }

    /// Stops a worker that is not wanted any more.
    pub(super) fn stop_worker(&mut self, id: &WorkerId) -> Result<(), AppMasterError> {
        let now = self.started.elapsed();
        self.fleet.observe(id, MemberState::Stopping, now);
        self.slots.remove(id);
        Ok(self.workers.stop(id)?)
    }

    /// How many workers jobs want, and why.
    pub(super) fn demand_report(&self) -> Option<DemandReport> {
        let demand = self.demand.as_ref()?;
        Some(report(demand.policy(), demand.findings()))
    }
}

fn seen_worker(id: &WorkerId, worker: &MesosWorker, registered: &Registered) -> SeenWorker {
    let stage = match &worker.task {
        None => Stage::Waiting,
        Some(task) => {
            let slots = registered.task_managers.get(&task.task.value);
            let free = registered.free.get(&task.task.value);
            slots.map_or(Stage::Starting, |slots| Stage::Registered {
                slots: *slots,
                free: free.copied().unwrap_or(0),
            })
        }
    };
    SeenWorker {
        id: id.clone(),
        profile: worker.profile.clone(),
        stage,
    }
}

fn report(policy: &DemandPolicy, findings: &Findings) -> DemandReport {
    let wanted = findings.wanted;
    let limit = policy
        .most_slots
        .filter(|_| wanted.unlimited > wanted.workers);
    DemandReport {
        required_slots: findings.required,
        least_slots: findings.least,
        used_slots: findings.used,
        profile: policy.profile.clone(),
        slots_per_worker: policy.slots,
        workers: wanted.workers,
        minimum: policy.minimum,
        redundant: policy.redundant,
        limit: limit.map(|slots| SlotLimitReport {
            option: "slotmanager.number-of-slots.max".to_owned(),
            slots,
            workers_without: wanted.unlimited,
        }),
        held: findings.held,
        jobs: findings.jobs.iter().map(job_report).collect(),
    }
}

fn job_report(job: &JobNeeds) -> JobDemandReport {
    JobDemandReport {
        id: job.id.clone(),
        name: job.name.clone(),
        state: job.state.as_str().to_owned(),
        slots: job.slots,
        least: job.least,
        known: job.known,
    }
}
