//! Answers to questions: documents made of what the loop knows.

use std::time::Duration;

use tokio::time::Instant;

use super::api::{Question, Topic};
use super::report::{
    ContactPhaseReport, ContactReport, FailuresReport, HealthReport, HeldBackReport,
    JobManagerReport, LostWorker, PauseReport, RefusalReport, StateReport, WaitingReport,
    WaitingWorker, WhyReport, WorkerReport,
};
use super::run::MesosCluster;
use crate::provider::mesos::scheduling::{ContactPhase, Link, Publish};
use crate::provider::mesos::workers::{MesosWorker, WorkerTask};
use flugs_mesos::matching::{Profile, Refusal};
use flugs_mesos::scheduler::{Describe, HeldBack};
use flugs_model::{MemberState, Role, WorkerId};

impl<D: Describe, L: Link, P: Publish> MesosCluster<D, L, P> {
    /// Answers. Who asked may be gone: that is no matter.
    pub(super) fn answer(&self, question: Question) {
        let document = match question.topic {
            Topic::State => serde_json::to_vec(&self.state_report()),
            Topic::Why => serde_json::to_vec(&self.why_report()),
            Topic::Metrics => Ok(self.metrics().into_bytes()),
            Topic::Health | Topic::Readiness => serde_json::to_vec(&self.health_report()),
        };
        let _ = question.answer.send(document.unwrap_or_default());
    }

    /// Workers are not its own health: they come and go with what jobs want and agents offer.
    fn health_report(&self) -> HealthReport {
        let serves = self.job_manager.state(&self.fleet) == Some(MemberState::Registered);
        HealthReport::of((!serves).then_some("the JobManager does not serve"))
    }

    fn state_report(&self) -> StateReport {
        let wanted = self.workers.workers().iter();
        let stopping = self.workers.stopping().iter();
        let workers = wanted.map(|(id, worker)| self.worker_report(id, worker));
        let stopping = stopping.map(|(id, task)| WorkerReport {
            id: id.to_string(),
            state: MemberState::Stopping,
            ..task_report(Some(task))
        });
        StateReport {
            phase: self.state.phase,
            leader: None,
            flink_version: self.state.flink_version.clone(),
            web_url: self.state.web_url.clone(),
            seconds: self.started.elapsed().as_secs(),
            mesos: self.contact_report(),
            zookeeper: self.zookeeper.reports(),
            job_manager: JobManagerReport {
                state: self.job_manager.state(&self.fleet),
                pid: self
                    .state
                    .members
                    .iter()
                    .find_map(|member| member.process)
                    .map(|process| process.pid),
                failures: self.fleet.failures(self.job_manager.role()),
            },
            wanted: self.wanted(),
            registered: self.registered(),
            demand: self.demand_report(),
            workers: workers.chain(stopping).collect(),
            failures: self.failures_report(),
            maintenance: self.maintenance_reports(),
        }
    }

    fn why_report(&self) -> WhyReport {
        let all = || self.workers.workers().iter();
        let waiting = |profile: &str| -> Vec<WaitingWorker> {
            let ours = all().filter(|(_, one)| one.profile == profile && one.task.is_none());
            ours.map(|(id, worker)| WaitingWorker {
                id: id.to_string(),
                seconds: worker.since.elapsed().as_secs(),
                again: worker.again.clone(),
            })
            .collect()
        };
        let profiles = self.terms.profiles.iter();
        let waiting = profiles
            .map(|(name, (profile, _))| WaitingReport {
                profile: name.clone(),
                wants: wants(profile),
                workers: waiting(name),
                refusals: self.workers.refusals(name).map(refusal).collect(),
                held_back: self.workers.held_back(name).map(|one| self.held_back(one)),
            })
            .filter(|report| !report.workers.is_empty());
        let lost: Vec<LostWorker> = all().filter_map(|(id, one)| self.lost(id, one)).collect();
        let with_task = all().filter(|(_, worker)| worker.task.is_some()).count();
        WhyReport {
            leader: None,
            wanted: self.wanted(),
            registered: self.registered(),
            demand: self.demand_report(),
            starting: with_task.saturating_sub(self.registered() + lost.len()),
            lost,
            maintenance: self.maintenance_reports(),
            mesos: self.contact_report(),
            zookeeper: self.zookeeper.reports(),
            paused: self.pause_report(),
            waiting: waiting.collect(),
            failures: self.failures_report(),
        }
    }

    fn held_back(&self, held_back: HeldBack) -> HeldBackReport {
        HeldBackReport {
            agent: held_back.agent.value,
            hostname: held_back.hostname,
            resource: held_back.resource,
            before: held_back.before.value(),
            now: held_back.now.value(),
            role: self.terms.role.clone(),
        }
    }

    fn lost(&self, id: &WorkerId, worker: &MesosWorker) -> Option<LostWorker> {
        let member = self.fleet.member(id).filter(|_| self.is_lost(id))?;
        let task = worker.task.as_ref()?;
        let now = self.started.elapsed();
        Some(LostWorker {
            id: id.to_string(),
            task: task.task.value.clone(),
            hostname: task.hostname.clone(),
            seconds: now.saturating_sub(member.since).as_secs(),
            task_state: task.state.as_ref().map(|state| state.as_str().to_owned()),
        })
    }

    pub(super) fn registered(&self) -> usize {
        let serves = |id: &&WorkerId| {
            let member = self.fleet.member(id);
            member.is_some_and(|member| member.state == MemberState::Registered)
        };
        self.workers.workers().keys().filter(serves).count()
    }

    fn worker_report(&self, id: &WorkerId, worker: &MesosWorker) -> WorkerReport {
        let member = self.fleet.member(id);
        WorkerReport {
            id: id.to_string(),
            profile: Some(worker.profile.clone()),
            state: member.map_or(MemberState::Waiting, |member| member.state),
            seconds: Some(worker.since.elapsed().as_secs()),
            slots: self.slots.get(id).copied(),
            ..task_report(worker.task.as_ref())
        }
    }

    fn contact_report(&self) -> ContactReport {
        let contact = self.workers.contact();
        let (phase, reason) = match &contact.phase {
            ContactPhase::Connecting => (ContactPhaseReport::Connecting, None),
            ContactPhase::Subscribed => (ContactPhaseReport::Subscribed, None),
            ContactPhase::Disconnected(reason) => {
                (ContactPhaseReport::Disconnected, Some(reason.clone()))
            }
        };
        ContactReport {
            phase,
            seconds: contact.since.elapsed().as_secs(),
            framework: self.framework.as_ref().map(|id| id.value.clone()),
            reason,
            offers: contact.offers,
            last_offer_seconds: contact.last_offer.map(|at| at.elapsed().as_secs()),
        }
    }

    fn pause_report(&self) -> Option<PauseReport> {
        let failed = self.last_plan.paused?;
        let until = self.last_plan.next.unwrap_or(Duration::ZERO);
        Some(PauseReport {
            failed,
            seconds: until.saturating_sub(self.started.elapsed()).as_secs(),
            missing: self
                .wanted()
                .saturating_sub(self.fleet.count(Role::TaskManager)),
        })
    }

    fn failures_report(&self) -> FailuresReport {
        let now = Instant::now();
        FailuresReport {
            total: self.fleet.failures(Role::TaskManager),
            allowed: self.desired.starts.and_then(|starts| starts.maximum_failed),
            recent: self.failures.recent(now),
            planned: self.failures.planned(now),
        }
    }
}

fn task_report(task: Option<&WorkerTask>) -> WorkerReport {
    WorkerReport {
        id: String::new(),
        profile: None,
        state: MemberState::Waiting,
        seconds: None,
        task: task.map(|task| task.task.value.clone()),
        task_state: task
            .and_then(|task| task.state.as_ref())
            .map(|state| state.as_str().to_owned()),
        agent: task.map(|task| task.agent.value.clone()),
        hostname: task.map(|task| task.hostname.clone()),
        ports: task.map(|task| task.ports.clone()).unwrap_or_default(),
        slots: None,
    }
}

fn refusal(refusal: &Refusal) -> RefusalReport {
    RefusalReport {
        agent: refusal.agent.value.clone(),
        hostname: refusal.hostname.clone(),
        reasons: refusal.reasons.iter().map(ToString::to_string).collect(),
    }
}

/// What a worker wants of an agent, in words.
fn wants(profile: &Profile) -> String {
    let scalars = profile.demand.scalars.iter();
    let mut wants: Vec<String> = scalars
        .map(|(name, amount)| format!("{amount} {name}"))
        .collect();
    match profile.demand.ports.len() {
        0 => {}
        1 => wants.push("1 port".to_owned()),
        many => wants.push(format!("{many} ports")),
    }
    wants.extend(
        profile
            .hard
            .iter()
            .map(|hard| format!("the constraint {hard}")),
    );
    wants.join(", ")
}
