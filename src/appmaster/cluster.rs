//! The running cluster: carries plans out, watches, and writes everything down.

use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use crate::fleet::{Action, Desired, Ending, Fleet, GiveUp, Plan, plan};
use crate::provider::{Provider, ProviderError, WorkerEvent};
use crate::store::{ClusterPhase, ClusterState, FileStore, MemberRecord};
use flugs_artifact::server::ObjectUrls;
use flugs_artifact::{Server, Store};
use flugs_flink::rest::RestClient;
use flugs_model::{MemberState, Role, WorkerId, WorkerSpec};

use super::manifests::{ClusterTerms, manifest};
use super::registration::{Registered, ask_at, pause, states, until};
use super::sandbox::LastReport;
use super::signals::{StopRequest, StopSignals};
use super::{AppMasterError, ClusterEvent, sandbox};

/// Told of everything worth a line, with the state as it then is.
pub type Notify<'a> = dyn FnMut(&ClusterEvent, &ClusterState) + 'a;

/// A cluster of this machine. Made by [`super::prepare`].
#[derive(Debug)]
pub struct Cluster<P> {
    pub(super) directory: PathBuf,
    pub(super) terms: ClusterTerms,
    pub(super) desired: Desired,
    pub(super) fleet: Fleet,
    pub(super) state: ClusterState,
    pub(super) file: FileStore,
    pub(super) artifacts: Store,
    pub(super) server: Option<Server>,
    pub(super) urls: ObjectUrls,
    pub(super) token_file: PathBuf,
    pub(super) provider: P,
    pub(super) rest: RestClient,
    pub(super) started: Instant,
    pub(super) was_ready: bool,
    /// How the member that ended last did, in words.
    pub(super) last_death: Option<String>,
    pub(super) timeout: Duration,
    pub(super) grace: Duration,
}

impl<P: Provider> Cluster<P> {
    /// Runs the cluster until it is told to stop or cannot be kept up, then stops every member.
    pub async fn run(
        mut self,
        signals: &mut StopSignals,
        notify: &mut Notify<'_>,
    ) -> Result<(), AppMasterError> {
        let serving = self
            .server
            .take()
            .map(|server| tokio::spawn(server.serve(pending())));
        let kept = self.keep(signals, notify).await;
        let stopped = self.stop(signals, notify).await;
        if let Some(serving) = serving {
            serving.abort();
        }
        kept.and(stopped)
    }

    /// Keeps what is wanted running. Returns when asked to stop, or when the work is done.
    async fn keep(
        &mut self,
        signals: &mut StopSignals,
        notify: &mut Notify<'_>,
    ) -> Result<(), AppMasterError> {
        let mut look_at = Instant::now();
        loop {
            let plan = plan(&self.desired, &self.fleet, self.started.elapsed());
            if plan.finished {
                notify(&ClusterEvent::Finished, &self.state);
                return Ok(());
            }
            self.carry_out(&plan, notify).await?;
            self.settle_phase(notify)?;
            let retry_at = plan.next.map(|next| self.started + next);
            tokio::select! {
                _ = signals.next() => return Ok(()),
                event = self.provider.event() => self.ended(&event, notify)?,
                registered = ask_at(&self.rest, look_at) => {
                    let registered = registered.by_name(&self.terms.resource_suffix);
                    self.observe(&registered, notify)?;
                    look_at = Instant::now() + pause(self.state.phase == ClusterPhase::Ready);
                }
                () = until(retry_at) => {}
            }
        }
    }

    async fn carry_out(
        &mut self,
        plan: &Plan,
        notify: &mut Notify<'_>,
    ) -> Result<(), AppMasterError> {
        if let Some(reason) = &plan.give_up {
            return Err(self.gave_up(reason));
        }
        for action in &plan.actions {
            match action {
                Action::Lose(id) => self.fleet.lost(id, self.started.elapsed()),
                Action::Launch(role) => self.launch(*role, notify).await?,
                Action::Stop(id) => {
                    let now = self.started.elapsed();
                    self.fleet.observe(id, MemberState::Stopping, now);
                    self.provider.stop(id, self.grace);
                }
                Action::GiveUpOn(id) => {
                    self.fleet.overdue(id, self.started.elapsed());
                    self.provider.stop(id, self.grace);
                }
            }
        }
        Ok(())
    }

    /// Writes a member down, then starts it: a crash between the two leaves a record without a
    /// process, never a process without a record.
    async fn launch(&mut self, role: Role, notify: &mut Notify<'_>) -> Result<(), AppMasterError> {
        let id = self.next_id(role);
        let document = manifest(&self.terms, role, &id).to_json();
        let stored = self.artifacts.add_bytes(&document)?;
        let spec = WorkerSpec {
            id: id.clone(),
            role,
            manifest_url: self.urls.of(&stored.digest),
            manifest_sha256: stored.digest,
            token_file: self.token_file.clone(),
            sandbox: sandbox::path(&self.directory, &id),
            cache: self.directory.join("cache"),
            resources: self.terms.resources_of(role),
        };
        sandbox::forget_end(&spec.sandbox);
        self.fleet.add(id.clone(), role, self.started.elapsed());
        self.state.members.push(MemberRecord {
            id: id.clone(),
            role,
            state: MemberState::Starting,
            process: None,
            sandbox: spec.sandbox.clone(),
            slots: None,
        });
        self.file.save(&self.state)?;
        let process = match self.provider.launch(&spec).await {
            Ok(process) => process,
            // What the engine does not take at first it never takes: nobody waits for that.
            Err(error @ ProviderError::Container { .. }) if !self.was_ready => {
                self.fleet.ended(
                    &id,
                    &Ending::NotStarted {
                        reason: error.to_string(),
                    },
                    self.started.elapsed(),
                );
                self.state.members.retain(|record| record.id != id);
                self.file.save(&self.state)?;
                return Err(error.into());
            }
            Err(error) => return self.not_started(&id, &error, notify),
        };
        if let Some(record) = self.state.members.iter_mut().find(|record| record.id == id) {
            record.process = Some(process);
        }
        self.file.save(&self.state)?;
        notify(
            &ClusterEvent::Started {
                id,
                pid: process.pid,
            },
            &self.state,
        );
        Ok(())
    }

    /// A member that could not be started counts as one that failed: it is tried again later.
    fn not_started(
        &mut self,
        id: &WorkerId,
        error: &ProviderError,
        notify: &mut Notify<'_>,
    ) -> Result<(), AppMasterError> {
        let reason = match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        let ending = Ending::NotStarted {
            reason: reason.clone(),
        };
        self.last_death = Some(format!("{id} could not be started: {reason}"));
        self.fleet.ended(id, &ending, self.started.elapsed());
        self.state.members.retain(|record| record.id != *id);
        self.file.save(&self.state)?;
        notify(&ClusterEvent::NotStarted { reason }, &self.state);
        Ok(())
    }

    /// A TaskManager's number is never given twice, so that Flink never takes a replacement for
    /// the worker it replaces. The one JobManager keeps its name, its directory and its ports.
    fn next_id(&mut self, role: Role) -> WorkerId {
        let number = match role {
            Role::TaskManager => {
                self.state.last_number += 1;
                Some(self.state.last_number)
            }
            _ => None,
        };
        WorkerId::of(role, number)
    }

    fn ended(
        &mut self,
        event: &WorkerEvent,
        notify: &mut Notify<'_>,
    ) -> Result<(), AppMasterError> {
        let WorkerEvent::Exited { id, code } = event;
        let told = self
            .fleet
            .member(id)
            .is_none_or(|one| one.state == MemberState::Stopping);
        let report = LastReport::read(&sandbox::path(&self.directory, id));
        self.fleet
            .ended(id, &report.ending(*code), self.started.elapsed());
        if let Some(at) = self
            .state
            .members
            .iter()
            .position(|record| record.id == *id)
        {
            let record = self.state.members.remove(at);
            sandbox::prune(&record.sandbox);
        }
        self.file.save(&self.state)?;
        if !told {
            let words = match report.last_words() {
                none if none.is_empty() => String::new(),
                some => format!(": {some}"),
            };
            self.last_death = Some(format!("{id} ended by itself with code {code}{words}"));
            notify(
                &ClusterEvent::Lost {
                    id: id.clone(),
                    code: *code,
                    reason: report.reason,
                },
                &self.state,
            );
        }
        Ok(())
    }

    /// Takes in what Flink says, and writes it down if it is news.
    fn observe(
        &mut self,
        registered: &Registered,
        notify: &mut Notify<'_>,
    ) -> Result<(), AppMasterError> {
        let mut news = false;
        let mut serving = Vec::new();
        for (id, state) in states(&self.fleet, registered) {
            self.fleet.observe(&id, state, self.started.elapsed());
            let Some(record) = self.state.members.iter_mut().find(|record| record.id == id) else {
                continue;
            };
            if record.state != state {
                news = true;
                record.state = state;
                record.slots = registered.task_managers.get(id.as_str()).copied();
                serving.extend((state == MemberState::Registered).then_some(id));
            }
        }
        if news {
            self.file.save(&self.state)?;
        }
        for id in serving {
            notify(&ClusterEvent::Registered { id }, &self.state);
        }
        Ok(())
    }

    /// Decides whether the cluster is whole, and whether it took too long to become so.
    fn settle_phase(&mut self, notify: &mut Notify<'_>) -> Result<(), AppMasterError> {
        let wanted = self.desired.members.values().sum();
        let serving = self.serving();
        if serving < wanted && !self.was_ready && self.started.elapsed() > self.timeout {
            return Err(AppMasterError::NotReady {
                timeout: self.timeout,
                serving,
                wanted,
                logs: self.directory.join("sandboxes"),
                why: self.last_death.clone(),
            });
        }
        let phase = if serving < wanted {
            ClusterPhase::Starting
        } else {
            ClusterPhase::Ready
        };
        if self.state.phase == phase {
            return Ok(());
        }
        self.state.phase = phase;
        self.file.save(&self.state)?;
        if phase == ClusterPhase::Ready {
            self.was_ready = true;
            notify(&ClusterEvent::Ready, &self.state);
        }
        Ok(())
    }

    fn serving(&self) -> usize {
        let serves = |state| state == MemberState::Registered;
        self.fleet
            .members()
            .filter(|(_, member)| serves(member.state))
            .count()
    }

    fn gave_up(&self, reason: &GiveUp) -> AppMasterError {
        let logs = self.directory.join("sandboxes");
        let stderr =
            |id: &WorkerId| sandbox::last_words(&sandbox::path(&self.directory, id), LAST_WORDS);
        match reason {
            GiveUp::TooManyFailed { failed, allowed } => AppMasterError::TooManyFailed {
                failed: *failed,
                allowed: *allowed,
                last: String::new(),
            },
            GiveUp::Refused { id, code } => AppMasterError::Refused {
                id: id.clone(),
                code: *code,
                last_words: stderr(id),
            },
            GiveUp::Hopeless { role } => AppMasterError::Hopeless {
                role: *role,
                reason: self.last_report(*role).last_words(),
                logs,
            },
            GiveUp::Exhausted { role, failures } => AppMasterError::Exhausted {
                role: *role,
                failures: *failures,
                last_words: match self.last_report(*role).reason {
                    Some(reason) => reason,
                    None => stderr(&self.last_of(*role)),
                },
                logs,
            },
        }
    }

    /// The member of a role that was started last.
    fn last_of(&self, role: Role) -> WorkerId {
        let number = (role == Role::TaskManager).then_some(self.state.last_number);
        WorkerId::of(role, number)
    }

    /// What the members of a role that ended said last.
    fn last_report(&self, role: Role) -> LastReport {
        LastReport::read(&sandbox::path(&self.directory, &self.last_of(role)))
    }

    /// Stops the workers, then the JobManager, each within the grace period. A second Ctrl-C
    /// kills what is left.
    async fn stop(
        &mut self,
        signals: &mut StopSignals,
        notify: &mut Notify<'_>,
    ) -> Result<(), AppMasterError> {
        self.state.phase = ClusterPhase::Stopping;
        self.file.save(&self.state)?;
        notify(&ClusterEvent::Stopping, &self.state);
        for of_workers in [true, false] {
            self.stop_some(of_workers, signals, notify).await?;
        }
        self.provider.close().await;
        sandbox::sweep(&self.directory);
        self.state.phase = ClusterPhase::Stopped;
        self.file.save(&self.state)?;
        Ok(())
    }

    async fn stop_some(
        &mut self,
        of_workers: bool,
        signals: &mut StopSignals,
        notify: &mut Notify<'_>,
    ) -> Result<(), AppMasterError> {
        let chosen = |role: Role| (role == Role::TaskManager) == of_workers;
        let ids: Vec<WorkerId> = self
            .fleet
            .members()
            .filter(|(_, member)| chosen(member.role))
            .map(|(id, _)| id.clone())
            .collect();
        for id in &ids {
            self.fleet
                .observe(id, MemberState::Stopping, self.started.elapsed());
            self.provider.stop(id, self.grace);
        }
        while ids.iter().any(|id| self.fleet.member(id).is_some()) {
            tokio::select! {
                event = self.provider.event() => self.ended(&event, notify)?,
                request = signals.next() => if request == StopRequest::Interrupt {
                    notify(&ClusterEvent::Hurrying, &self.state);
                    for id in &ids { self.provider.kill(id); }
                },
            }
        }
        Ok(())
    }
}

/// How much of a failed member's standard error goes into a message.
const LAST_WORDS: usize = 12;
