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
use crate::mesos::scheduler::{Describe, Stop};
use crate::provider::mesos::scheduling::{Link, Publish};
use crate::provider::mesos::workers::WorkersEvent;
use crate::spec::MemberState;
use crate::store::{ClusterPhase, Leave};

/// How long a master has to answer a framework that it has never told of. One that was never
/// reached does not, and one that has just been asked does: then there is something to end.
const FIRST_ANSWER: Duration = Duration::from_secs(2);

impl<D: Describe, L: Link, P: Publish> MesosCluster<D, L, P> {
    /// Stops the JobManager, and ends the framework as `how` says. A second signal kills what is
    /// left and waits for nobody.
    pub(super) async fn stop(
        &mut self,
        how: Option<Stop>,
        signals: &mut StopSignals,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<(), AppMasterError> {
        self.state.phase = ClusterPhase::Stopping;
        self.file.save(&self.state)?;
        match how {
            Some(Stop::Teardown) => notify(&MesosEvent::TearingDown),
            _ => notify(&MesosEvent::HandingOver),
        }
        let id = self.job_manager.id().clone();
        self.fleet
            .observe(&id, MemberState::Stopping, self.started.elapsed());
        self.job_manager.stop(self.terms.grace);
        let mut scheduling = how.is_some();
        if let Some(how) = how {
            self.workers.end(how)?;
        }
        if !scheduling {
            self.leave(Leave::ToTheNext).await;
        }
        let unknown = scheduling && self.framework.is_none();
        let give_up = unknown.then(|| Instant::now() + FIRST_ANSWER);
        let mut hurried = false;
        while self.fleet.member(&id).is_some() || (scheduling && !hurried) {
            tokio::select! {
                _ = self.job_manager.ended() => {
                    self.fleet.ended(&id, &Ending::Stopped, self.started.elapsed());
                    sandbox::prune(self.job_manager.sandbox());
                }
                () = until(give_up), if scheduling && self.framework.is_none() => {
                    scheduling = false;
                    self.leave(left(how, &WorkersEvent::Ended)).await;
                }
                event = self.workers.event(), if scheduling => {
                    let event = event?;
                    if let WorkersEvent::Subscribed(framework) = &event {
                        self.framework = Some(framework.clone());
                    }
                    scheduling = !is_end(&event, notify);
                    if !scheduling {
                        // Whoever is next need not wait for the JobManager's end.
                        self.leave(left(how, &event)).await;
                    }
                }
                Some(question) = self.questions.recv() => self.answer(question),
                _ = signals.next() => {
                    notify(&MesosEvent::Hurrying);
                    hurried = true;
                    self.job_manager.kill();
                }
            }
        }
        // It may have been hurried.
        self.leave(Leave::ToTheNext).await;
        // Workers that stay may still fetch what they were promised.
        if how == Some(Stop::Teardown) {
            sandbox::sweep(&self.terms.directory);
            if !scheduling {
                self.state.tasks_recorded_in = None;
            }
        }
        self.state.phase = ClusterPhase::Stopped;
        self.state.members.clear();
        self.state.application_master = None;
        self.file.save(&self.state)?;
        match how {
            Some(Stop::Teardown) if scheduling => Err(AppMasterError::NotTornDown {
                framework: self.framework.as_ref().map(|id| id.value.clone()),
            }),
            _ => Ok(()),
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

/// Whether there is nothing further to be heard of the framework. One that is refused, removed or
/// taken over while it ends has ended as well.
fn is_end(event: &WorkersEvent, notify: &mut NotifyMesos<'_>) -> bool {
    match event {
        WorkersEvent::Ended
        | WorkersEvent::Superseded
        | WorkersEvent::Refused(_)
        | WorkersEvent::FrameworkRemoved(..) => true,
        WorkersEvent::Disconnected(reason) => {
            notify(&MesosEvent::Disconnected {
                reason: reason.clone(),
            });
            false
        }
        _ => false,
    }
}
