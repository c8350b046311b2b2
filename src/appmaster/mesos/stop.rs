//! The end of an application master: of its JobManager, and of its framework or not.

use std::time::Duration;

use tokio::time::Instant;

use super::super::AppMasterError;
use super::super::registration::until;
use super::super::sandbox;
use super::super::signals::StopSignals;
use super::event::{MesosEvent, NotifyMesos};
use super::run::MesosCluster;
use crate::fleet::Ending;
use crate::provider::mesos::scheduling::{Link, Publish};
use crate::provider::mesos::workers::WorkersEvent;
use crate::store::{ClusterPhase, Leave};
use flugs_mesos::scheduler::{Describe, Stop};
use flugs_model::MemberState;

/// How long a master has to answer a framework that it has never told of. One that was never
/// reached does not, and one that has just been asked does: then there is something to end.
const FIRST_ANSWER: Duration = Duration::from_secs(2);

/// How long there may be no contact with the master before that is worth a line: a master hangs up
/// when a framework has ended.
const WORTH_A_LINE: Duration = Duration::from_secs(2);

/// An end that is under way.
struct Stopping {
    how: Option<Stop>,
    since: Instant,
    /// The scheduler has not ended yet.
    scheduling: bool,
    /// When a framework that no master has told of counts as none.
    give_up: Option<Instant>,
    /// There is no contact with the master: since when, and why.
    trouble: Option<(Instant, String)>,
    hurried: bool,
}

impl<D: Describe, L: Link, P: Publish> MesosCluster<D, L, P> {
    /// Stops the JobManager, and ends the framework as `how` says. A second signal kills what is
    /// left and waits for nobody.
    pub(super) async fn stop(
        &mut self,
        how: Option<Stop>,
        signals: &mut StopSignals,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<(), AppMasterError> {
        let mut stopping = self.begin_to_stop(how, notify).await?;
        let id = self.job_manager.id().clone();
        while self.fleet.member(&id).is_some() || (stopping.scheduling && !stopping.hurried) {
            let unknown = stopping.scheduling && self.framework.is_none();
            tokio::select! {
                code = self.job_manager.ended() => self.job_manager_stopped(code, &stopping, notify),
                () = until(stopping.give_up), if unknown => {
                    stopping.scheduling = false;
                    self.leave(left(how, &WorkersEvent::Ended)).await;
                }
                event = self.workers.event(), if stopping.scheduling => {
                    let event = event?;
                    if let WorkersEvent::Subscribed(framework) = &event {
                        self.framework = Some(framework.clone());
                    }
                    stopping.heard(&event);
                    if !stopping.scheduling {
                        // Whoever is next need not wait for the JobManager's end.
                        self.leave(left(how, &event)).await;
                    }
                }
                () = until(stopping.trouble_due()) => stopping.tell_trouble(notify),
                Some(question) = self.questions.recv() => self.answer(question),
                _ = signals.next() => {
                    notify(&MesosEvent::Hurrying);
                    stopping.hurried = true;
                    self.job_manager.kill();
                }
            }
        }
        // It may have been hurried.
        self.leave(Leave::ToTheNext).await;
        self.stopped(&stopping)
    }

    async fn begin_to_stop(
        &mut self,
        how: Option<Stop>,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<Stopping, AppMasterError> {
        self.state.phase = ClusterPhase::Stopping;
        self.file.save(&self.state)?;
        self.failures.told().iter().for_each(&mut *notify);
        let workers = self.workers.workers().values();
        let leaves_workers = workers.clone().any(|worker| worker.task.is_some());
        notify(&match how {
            Some(Stop::Teardown) => MesosEvent::TearingDown,
            Some(Stop::Failover) if leaves_workers => MesosEvent::HandingOver,
            _ => MesosEvent::Leaving,
        });
        let id = self.job_manager.id().clone();
        self.fleet
            .observe(&id, MemberState::Stopping, self.started.elapsed());
        self.job_manager.stop(self.terms.grace);
        let since = Instant::now();
        if let Some(how) = how {
            self.workers.end(how)?;
        } else {
            self.leave(Leave::ToTheNext).await;
        }
        let scheduling = how.is_some();
        let unknown = scheduling && self.framework.is_none();
        Ok(Stopping {
            how,
            since,
            scheduling,
            give_up: unknown.then(|| Instant::now() + FIRST_ANSWER),
            trouble: None,
            hurried: false,
        })
    }

    /// The JobManager has ended, as it was asked to. Whatever its code is, that is no failure.
    fn job_manager_stopped(&mut self, code: u8, stopping: &Stopping, notify: &mut NotifyMesos<'_>) {
        let id = self.job_manager.id().clone();
        self.fleet
            .ended(&id, &Ending::Stopped, self.started.elapsed());
        sandbox::prune(self.job_manager.sandbox());
        if code != 0 && !stopping.hurried {
            let seconds = stopping.since.elapsed().as_secs();
            notify(&MesosEvent::JobManagerStopped { code, seconds });
        }
    }

    /// Writes down what has become of it all.
    fn stopped(&mut self, stopping: &Stopping) -> Result<(), AppMasterError> {
        let teardown = stopping.how == Some(Stop::Teardown);
        // Workers that stay may still fetch what they were promised.
        if teardown {
            sandbox::sweep(&self.terms.directory);
            if !stopping.scheduling {
                self.state.tasks_recorded_in = None;
            }
        }
        self.state.phase = ClusterPhase::Stopped;
        self.state.members.clear();
        self.state.application_master = None;
        self.file.save(&self.state)?;
        if teardown && stopping.scheduling {
            return Err(AppMasterError::NotTornDown {
                framework: self.framework.as_ref().map(|id| id.value.clone()),
            });
        }
        Ok(())
    }
}

impl Stopping {
    /// Takes in what is heard of the framework. One that is refused, removed or taken over while it
    /// ends has ended as well: there is nothing further to be heard.
    fn heard(&mut self, event: &WorkersEvent) {
        match event {
            WorkersEvent::Ended
            | WorkersEvent::Superseded
            | WorkersEvent::Refused(_)
            | WorkersEvent::FrameworkRemoved(..) => {
                self.scheduling = false;
                self.trouble = None;
            }
            WorkersEvent::Disconnected(reason) if self.trouble.is_none() => {
                self.trouble = Some((Instant::now(), reason.clone()));
            }
            WorkersEvent::Subscribed(_) => self.trouble = None,
            _ => {}
        }
    }

    /// When the missing contact is told of, if it is not told of yet.
    fn trouble_due(&self) -> Option<Instant> {
        let (since, reason) = self.trouble.as_ref()?;
        (!reason.is_empty()).then(|| *since + WORTH_A_LINE)
    }

    fn tell_trouble(&mut self, notify: &mut NotifyMesos<'_>) {
        if let Some((_, reason)) = &mut self.trouble {
            // Once is enough.
            let reason = std::mem::take(reason);
            notify(&MesosEvent::Disconnected { reason });
        }
    }
}

/// Whether others have something to lead. A framework that was torn down was the cluster's end.
fn left(how: Option<Stop>, event: &WorkersEvent) -> Leave {
    match (how, event) {
        (Some(Stop::Teardown), WorkersEvent::Ended) => Leave::Dissolve,
        _ => Leave::ToTheNext,
    }
}
