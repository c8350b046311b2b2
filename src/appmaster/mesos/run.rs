//! The application master at work: keeps a JobManager and the wanted workers running.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::AppMasterError;
use super::super::registration::until;
use super::super::sandbox::{self, LastReport};
use super::super::signals::{StopRequest, StopSignals};
use super::api::Question;
use super::event::{MesosEvent, NotifyMesos, Placed};
use super::failures::Failures;
use super::job_manager::JobManager;
use super::report::RecentFailure;
use super::watch::Watch;
use super::zookeeper::ZooKeeperContacts;
use crate::fleet::demand::Demand;
use crate::fleet::{Action, Desired, Ending, Fleet, GiveUp, Plan, plan};
use crate::provider::mesos::failure::{FailureKind, TaskFailure};
use crate::provider::mesos::scheduling::{Link, Publish};
use crate::provider::mesos::workers::{MesosWorkers, WorkerTask, WorkersEvent};
use crate::store::{ClusterPhase, ClusterState, Election, FileStore, Leave, Standing};
use flugs_artifact::server::Metrics;
use flugs_base::{ExitCode, Failure as _};
use flugs_flink::JOB_FAILED;
use flugs_mesos::matching::Profile;
use flugs_mesos::scheduler::{Describe, Stop};
use flugs_mesos::wire::{FrameworkId, TaskId, TaskState};
use flugs_model::{MemberState, Role, WorkerId};

/// What is asked of an application master beside the workers that it keeps.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) directory: PathBuf,
    /// How long the JobManager has between the request to stop and SIGKILL.
    pub(super) grace: Duration,
    /// How the framework ends on SIGTERM.
    pub(super) on_terminate: Stop,
    /// How the framework ends on SIGINT.
    pub(super) on_interrupt: Stop,
    /// The operator says that a framework which the master has removed may be forgotten.
    pub(super) forget_framework: bool,
    /// The framework's role, or its roles.
    pub(super) role: String,
    /// The kinds of workers, and how many of each are wanted.
    pub(super) profiles: BTreeMap<String, (Profile, usize)>,
}

/// An application master. Made by [`super::prepare`].
#[derive(Debug)]
pub struct MesosCluster<D, L, P> {
    pub(super) terms: Terms,
    pub(super) job_manager: JobManager,
    pub(super) workers: MesosWorkers<D, L, P>,
    pub(super) zookeeper: ZooKeeperContacts,
    pub(super) desired: Desired,
    /// How many workers jobs want; absent: their number is fixed.
    pub(super) demand: Option<Demand>,
    pub(super) fleet: Fleet,
    pub(super) state: ClusterState,
    pub(super) file: FileStore,
    pub(super) watch: Watch,
    /// When jobs are looked at next.
    pub(super) jobs_at: Instant,
    pub(super) questions: mpsc::Receiver<Question>,
    /// The place in the line of those who may lead, if there is one.
    pub(super) election: Option<Election>,
    pub(super) started: Instant,
    pub(super) framework: Option<FrameworkId>,
    pub(super) slots: BTreeMap<WorkerId, u32>,
    pub(super) failures: Failures,
    /// What the artifact server counts.
    pub(super) served: Arc<Metrics>,
    pub(super) last_plan: Plan,
    pub(super) last_reason: Option<String>,
}

/// Why the application master stops keeping its cluster up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// It was told to.
    Asked(StopRequest),
    /// The JobManager has ended because its work is done; its exit code.
    Done(u8),
}

impl<D: Describe, L: Link, P: Publish> MesosCluster<D, L, P> {
    /// Runs until it is told to stop, or its work is done, or it cannot go on. Gives the exit
    /// code that the JobManager's end asks for.
    pub async fn run(
        mut self,
        signals: &mut StopSignals,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<u8, AppMasterError> {
        let in_line = self.election.is_some();
        let mut kept = self.keep(signals, notify).await;
        if let Err(error) = &kept
            && in_line
            && error.exit_code() == ExitCode::FrameworkSuperseded
        {
            kept = Err(AppMasterError::Overtaken);
        }
        let how = self.how_to_end(&kept);
        let stopped = self.stop(how, signals, notify).await;
        let finish = kept?;
        stopped?;
        Ok(match finish {
            Finish::Done(code) => code,
            Finish::Asked(_) => 0,
        })
    }

    /// What becomes of the framework. Where the scheduler itself has ended there is nothing to
    /// say; where only the JobManager cannot be kept up, the workers stay for the next try.
    fn how_to_end(&self, kept: &Result<Finish, AppMasterError>) -> Option<Stop> {
        match kept {
            Ok(Finish::Asked(StopRequest::Terminate)) => Some(self.terms.on_terminate),
            Ok(Finish::Asked(StopRequest::Interrupt)) => Some(self.terms.on_interrupt),
            Ok(Finish::Done(_)) | Err(AppMasterError::TooManyFailed { .. }) => Some(Stop::Teardown),
            Err(
                AppMasterError::Exhausted { .. }
                | AppMasterError::Hopeless { .. }
                | AppMasterError::Refused { .. },
            ) => Some(Stop::Failover),
            Err(_) => None,
        }
    }

    async fn keep(
        &mut self,
        signals: &mut StopSignals,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<Finish, AppMasterError> {
        let mut look = Box::pin(self.next_look());
        loop {
            self.desire();
            let plan = plan(&self.desired, &self.fleet, self.started.elapsed());
            if plan.finished {
                notify(&MesosEvent::Finished);
                return Ok(Finish::Done(0));
            }
            self.carry_out(&plan, notify).await?;
            let next = plan.next.map(|next| self.started + next);
            let next = next.into_iter().chain(self.failures.due()).min();
            self.failures
                .tell(Instant::now())
                .iter()
                .for_each(&mut *notify);
            self.last_plan = plan;
            self.settle_phase(notify)?;
            tokio::select! {
                request = signals.next() => return Ok(Finish::Asked(request)),
                code = self.job_manager.ended() => {
                    if let Some(finish) = self.job_manager_ended(code, notify)? {
                        return Ok(finish);
                    }
                }
                event = self.workers.event() => self.worker(event?, notify)?,
                seen = &mut look => {
                    self.observe(&seen.registered, notify)?;
                    self.weigh(seen, notify)?;
                    look = Box::pin(self.next_look());
                }
                event = self.zookeeper.event() => notify(&MesosEvent::ZooKeeper(event)),
                Some(question) = self.questions.recv() => self.answer(question),
                () = overtaken(self.election.as_mut()) => return Err(AppMasterError::Superseded),
                () = until(next) => {}
            }
        }
    }

    /// Leaves the line, if it is not left yet: to the next, or for good.
    pub(super) async fn leave(&mut self, how: Leave) {
        if let Some(election) = self.election.take() {
            election.leave(how).await;
        }
    }

    async fn carry_out(
        &mut self,
        plan: &Plan,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<(), AppMasterError> {
        if let Some(reason) = &plan.give_up {
            return Err(self.gave_up(reason));
        }
        for action in &plan.actions {
            match action {
                Action::Launch(Role::TaskManager) => self.want_worker()?,
                Action::Launch(_) => self.launch_job_manager(notify).await?,
                Action::Stop(id) => self.stop_worker(id)?,
                Action::Lose(id) => self.lose(id, "Flink has given it up", notify),
                Action::GiveUpOn(id) => self.give_up_on(id, notify)?,
            }
        }
        Ok(())
    }

    /// Wants one worker more, of the kind that lacks most.
    fn want_worker(&mut self) -> Result<(), AppMasterError> {
        let present = self.present();
        let lacking = |name: &&String| {
            let present = present.get(name.as_str()).copied().unwrap_or(0);
            self.wanted_of(name).saturating_sub(present)
        };
        let Some(profile) = self.terms.profiles.keys().max_by_key(lacking) else {
            return Ok(());
        };
        self.state.last_number += 1;
        let id = WorkerId::of(Role::TaskManager, Some(self.state.last_number));
        let now = self.started.elapsed();
        self.fleet.add(id.clone(), Role::TaskManager, now);
        self.fleet.observe(&id, MemberState::Waiting, now);
        let profile = profile.clone();
        Ok(self.workers.launch(id, &profile)?)
    }

    async fn launch_job_manager(
        &mut self,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<(), AppMasterError> {
        let now = self.started.elapsed();
        let (fleet, state) = (&mut self.fleet, &mut self.state);
        let started = self
            .job_manager
            .start(fleet, state, &self.file, now, notify);
        Ok(started.await?)
    }

    /// The JobManager has ended by itself.
    fn job_manager_ended(
        &mut self,
        code: u8,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<Option<Finish>, AppMasterError> {
        let id = self.job_manager.id().clone();
        let served = self.fleet.member(&id).is_some_and(|member| member.served);
        let report = LastReport::read(self.job_manager.sandbox());
        self.fleet
            .ended(&id, &report.ending(code), self.started.elapsed());
        self.state.members.clear();
        self.file.save(&self.state)?;
        sandbox::prune(self.job_manager.sandbox());
        let reason = report.reason;
        notify(&MesosEvent::JobManagerEnded { code, reason });
        let failed = self.job_manager.role() == Role::StandaloneJob && code == JOB_FAILED && served;
        Ok(failed.then_some(Finish::Done(code)))
    }

    /// Takes in what happened to workers.
    fn worker(
        &mut self,
        event: WorkersEvent,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<(), AppMasterError> {
        let now = self.started.elapsed();
        match event {
            WorkersEvent::Subscribed(framework) => {
                self.last_reason = None;
                notify(&MesosEvent::Subscribed {
                    framework: framework.value.clone(),
                });
                self.framework = Some(framework);
                if self.state.framework_removed.take().is_some() {
                    self.file.save(&self.state)?;
                }
            }
            // The same reason over and over is said once.
            WorkersEvent::Disconnected(reason) => {
                if self.last_reason.as_ref() != Some(&reason) {
                    notify(&MesosEvent::Disconnected {
                        reason: reason.clone(),
                    });
                    self.last_reason = Some(reason);
                }
            }
            WorkersEvent::Launched(id) => {
                self.fleet.observe(&id, MemberState::Starting, now);
                if let Some(task) = self.task(&id) {
                    notify(&MesosEvent::Launched(Placed::of(task)));
                    let agent = task.agent.value.clone();
                    self.fleet.placed(&id, &agent);
                }
            }
            WorkersEvent::State(id) => self.task_state(&id, notify),
            WorkersEvent::WaitsAgain(id) => {
                self.fleet.observe(&id, MemberState::Waiting, now);
                self.failures.count(FailureKind::NeverLaunched);
            }
            WorkersEvent::Stopped(id) => {
                self.slots.remove(&id);
                self.fleet.ended(&id, &Ending::Stopped, now);
            }
            WorkersEvent::Failed(id, task, failure) => {
                self.worker_failed(&id, &task, &failure, notify);
            }
            WorkersEvent::Maintenance(agent, leaves) => {
                self.fleet.leave(&agent.value, leaves);
                notify(&MesosEvent::Notice(self.maintenance_notice(&agent, leaves)));
            }
            WorkersEvent::Lost(id) => {
                self.lose(&id, "its agent has not answered for too long", notify);
            }
            WorkersEvent::FrameworkRemoved(framework, tasks) => {
                self.framework_removed(framework, tasks, notify)?;
            }
            WorkersEvent::Superseded => return Err(AppMasterError::Superseded),
            WorkersEvent::Refused(message) => {
                return Err(AppMasterError::FrameworkRefused { message });
            }
            WorkersEvent::Notice(text) => notify(&MesosEvent::Notice(text)),
            WorkersEvent::Ended => {}
        }
        Ok(())
    }

    fn worker_failed(
        &mut self,
        id: &WorkerId,
        task: &WorkerTask,
        failure: &TaskFailure,
        notify: &mut NotifyMesos<'_>,
    ) {
        let ending = if failure.kind.is_planned() {
            Ending::Planned
        } else {
            let blameless = failure.kind.is_blameless();
            Ending::Elsewhere { blameless }
        };
        self.slots.remove(id);
        let lost = self.is_lost(id);
        self.fleet.ended(id, &ending, self.started.elapsed());
        // That it is lost was told when it was.
        if !(lost && failure.kind.is_blameless()) {
            self.remember(id, task, failure, notify);
        }
    }

    /// The master has removed the framework: it is forgotten only if the operator said so.
    fn framework_removed(
        &mut self,
        framework: FrameworkId,
        tasks: Vec<TaskId>,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<(), AppMasterError> {
        if !self.terms.forget_framework {
            self.state.framework_removed = Some(framework.value.clone());
            return Err(AppMasterError::FrameworkRemoved {
                framework: framework.value,
                tasks: tasks.into_iter().map(|task| task.value).collect(),
            });
        }
        notify(&MesosEvent::Notice(format!(
            "the master has removed the framework {}: it and its tasks are forgotten, as was asked",
            framework.value
        )));
        Ok(self.workers.forget_framework()?)
    }

    pub(super) fn task(&self, id: &WorkerId) -> Option<&WorkerTask> {
        self.workers.workers().get(id)?.task.as_ref()
    }

    /// A worker is lost: it is not stopped, for it may come back, but not waited for either.
    fn lose(&mut self, id: &WorkerId, why: &str, notify: &mut NotifyMesos<'_>) {
        if self.is_lost(id) {
            return;
        }
        self.fleet.lost(id, self.started.elapsed());
        self.slots.remove(id);
        if let Some(task) = self.task(id).cloned() {
            let state = task.state.as_ref();
            let state = state.map_or("no state yet", TaskState::as_str);
            let failure = TaskFailure::lost(format!("{why}, and Mesos says {state}"));
            self.remember(id, &task, &failure, notify);
        }
    }

    pub(super) fn is_lost(&self, id: &WorkerId) -> bool {
        let member = self.fleet.member(id);
        member.is_some_and(|member| member.state == MemberState::Lost)
    }

    fn give_up_on(
        &mut self,
        id: &WorkerId,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<(), AppMasterError> {
        let now = self.started.elapsed();
        if let (Some(task), Some(member)) = (self.task(id).cloned(), self.fleet.member(id)) {
            let state = task
                .state
                .as_ref()
                .map_or("no state yet", TaskState::as_str);
            let seconds = now.saturating_sub(member.since).as_secs();
            let how = if member.served { "again " } else { "" };
            let failure = TaskFailure::not_registered(format!(
                "it has not been registered {how}for {seconds} s, and Mesos says {state}"
            ));
            self.remember(id, &task, &failure, notify);
        }
        self.fleet.overdue(id, now);
        self.slots.remove(id);
        Ok(self.workers.stop(id)?)
    }

    fn remember(
        &mut self,
        id: &WorkerId,
        task: &WorkerTask,
        failure: &TaskFailure,
        notify: &mut NotifyMesos<'_>,
    ) {
        let told = self.failures.remember(id, task, failure, Instant::now());
        told.iter().for_each(notify);
    }

    fn settle_phase(&mut self, notify: &mut NotifyMesos<'_>) -> Result<(), AppMasterError> {
        let serving = |id: &WorkerId| {
            let member = self.fleet.member(id);
            member.is_some_and(|member| member.state == MemberState::Registered)
        };
        let phase = if serving(self.job_manager.id()) && self.registered() >= self.wanted() {
            ClusterPhase::Ready
        } else {
            ClusterPhase::Starting
        };
        if self.state.phase != phase {
            self.state.phase = phase;
            self.file.save(&self.state)?;
            if phase == ClusterPhase::Ready {
                notify(&MesosEvent::Ready);
            }
        }
        Ok(())
    }

    fn gave_up(&self, reason: &GiveUp) -> AppMasterError {
        let last_words = || LastReport::read(self.job_manager.sandbox()).last_words();
        match reason {
            GiveUp::TooManyFailed { failed, allowed } => AppMasterError::TooManyFailed {
                failed: *failed,
                allowed: *allowed,
                last: self.failures.last().map_or_else(String::new, |last| {
                    let RecentFailure {
                        task,
                        hostname,
                        text,
                        ..
                    } = last;
                    format!("; the last was {task} on {hostname}: {text}")
                }),
            },
            GiveUp::Refused { id, code } => AppMasterError::Refused {
                id: id.clone(),
                code: *code,
                last_words: last_words(),
            },
            GiveUp::Hopeless { role } => AppMasterError::Hopeless {
                role: *role,
                reason: last_words(),
                logs: self.terms.directory.join("sandboxes"),
            },
            GiveUp::Exhausted { role, failures } => AppMasterError::Exhausted {
                role: *role,
                failures: *failures,
                last_words: last_words(),
                logs: self.terms.directory.join("sandboxes"),
            },
        }
    }
}

/// Waits until another one leads: this one's session had ended. It would learn so from the state or
/// from the master as well, later.
async fn overtaken(election: Option<&mut Election>) {
    let Some(election) = election else {
        return std::future::pending().await;
    };
    while !matches!(election.changed().await, Standing::Behind { .. }) {}
}
