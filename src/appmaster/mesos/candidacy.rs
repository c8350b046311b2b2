//! An application master that has settled everything and may lead.
//!
//! Owns the wait for its turn, and what it says of itself meanwhile. Until then nothing of the
//! cluster is touched: neither the state nor a process nor the master. Without high availability
//! there is nobody to wait for.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::AppMasterError;
use super::super::registration::until;
use super::super::signals::StopSignals;
use super::adoption::adopt;
use super::api::{Question, Topic};
use super::event::{MesosEvent, NotifyMesos};
use super::failures::Failures;
use super::job_manager::JobManager;
use super::memory::{Coordination, PATIENCE};
use super::metrics::{write_general, write_zookeeper};
use super::preparation::RealMesosCluster;
use super::report::{
    ContactPhaseReport, ContactReport, FailuresReport, HealthReport, JobManagerReport, StateReport,
    WhyReport,
};
use super::run::{MesosCluster, Terms};
use super::shipment::{Served, Shipment};
use super::watch::Watch;
use super::zookeeper::ZooKeeperContacts;
use crate::fleet::demand::Demand;
use crate::fleet::{Desired, Fleet, Plan};
use crate::provider::mesos::scheduling::Scheduling;
use crate::provider::mesos::workers::MesosWorkers;
use crate::store::{
    ClusterPhase, ClusterState, Contender, DirectoryLock, Election, FileStore, Leave,
    SchedulerStore, Standing, StoreError,
};
use flugs_base::exposition::Exposition;
use flugs_mesos::connection::Connection;
use flugs_mesos::scheduler::{Settings, Snapshot};
use flugs_model::Role;

/// An application master that has settled everything. Made by [`super::prepare`].
#[derive(Debug)]
pub struct Candidate {
    pub(super) terms: Terms,
    pub(super) desired: Desired,
    pub(super) scheduler: Settings,
    pub(super) connection: Connection,
    pub(super) zookeeper: ZooKeeperContacts,
    pub(super) memory: SchedulerStore,
    pub(super) shipment: Shipment,
    pub(super) job_manager: JobManager,
    pub(super) state: ClusterState,
    pub(super) file: FileStore,
    pub(super) demand: Option<Demand>,
    pub(super) watch: Watch,
    pub(super) questions: mpsc::Receiver<Question>,
    pub(super) started: Instant,
    /// Where to stand in line, if several may lead.
    pub(super) coordination: Option<Coordination>,
    pub(super) contender: Contender,
    pub(super) lock: DirectoryLock,
}

/// How a wait ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// This one leads.
    Leads,
    /// There is nothing to lead any more, or it was told to stop.
    Over,
}

impl Candidate {
    /// Waits for this one's turn, and takes over what there is of the cluster. `None` if it was
    /// told to stop before, or the cluster has ended for good.
    pub async fn lead(
        mut self,
        signals: &mut StopSignals,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<Option<(RealMesosCluster, DirectoryLock)>, AppMasterError> {
        let election = match self.coordination.clone() {
            None => None,
            Some(coordination) => {
                let id = place_id(&self.terms.directory)?;
                let mut election = coordination.stand(&id, &self.contender);
                if self
                    .wait(&coordination, &mut election, signals, notify)
                    .await?
                    == Turn::Over
                {
                    election.leave(Leave::ToTheNext).await;
                    give_up(&mut self.state, &self.file)?;
                    return Ok(None);
                }
                Some(election)
            }
        };
        // ZooKeeper may be gone again by now.
        let snapshot = tokio::select! {
            snapshot = self.memory.load() => snapshot?,
            _ = signals.next() => {
                if let Some(election) = &election {
                    election.leave(Leave::ToTheNext).await;
                }
                give_up(&mut self.state, &self.file)?;
                return Ok(None);
            }
        };
        self.take_over(snapshot, election, notify).await.map(Some)
    }

    async fn wait(
        &mut self,
        coordination: &Coordination,
        election: &mut Election,
        signals: &mut StopSignals,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<Turn, AppMasterError> {
        let mut deadline = Some(Instant::now() + PATIENCE);
        let mut leading: Option<Contender> = None;
        let mut stood_by = false;
        let mut trouble = None;
        loop {
            match election.standing() {
                Standing::Entering(None) => {}
                // The same reason over and over is said once.
                Standing::Entering(reason) => {
                    if let Some(new) = reason.as_ref().filter(|_| reason != trouble) {
                        let place = coordination.place();
                        let text = format!("waiting for {}: {new}", place.display());
                        notify(&MesosEvent::Notice(text));
                    }
                    trouble = reason;
                }
                Standing::Leads => {
                    if stood_by {
                        notify(&MesosEvent::Leads);
                    }
                    return Ok(Turn::Leads);
                }
                Standing::Behind { leader, .. } => {
                    deadline = None;
                    if !stood_by || leader != leading {
                        notify(&MesosEvent::StandsBy(leader.clone()));
                    }
                    if !stood_by {
                        self.state.phase = ClusterPhase::Standby;
                        self.file.save(&self.state)?;
                    }
                    stood_by = true;
                    leading = leader;
                }
                Standing::Dissolved => {
                    notify(&MesosEvent::Dissolved);
                    self.state.tasks_recorded_in = None;
                    return Ok(Turn::Over);
                }
                Standing::Refused(reason) => {
                    let place = coordination.place();
                    return Err(StoreError::Refused { place, reason }.into());
                }
            }
            tokio::select! {
                _ = election.changed() => {}
                _ = signals.next() => return Ok(Turn::Over),
                event = self.zookeeper.event(), if stood_by => notify(&MesosEvent::ZooKeeper(event)),
                Some(question) = self.questions.recv() => self.answer(question, leading.as_ref()),
                () = until(deadline) => {
                    let place = coordination.place();
                    let reason = match election.standing() {
                        Standing::Entering(Some(reason)) => reason,
                        _ => "no answer".to_owned(),
                    };
                    return Err(StoreError::Away { place, reason }.into());
                }
            }
        }
    }

    /// Goes on where the last leader was.
    async fn take_over(
        mut self,
        snapshot: Snapshot,
        election: Option<Election>,
        notify: &mut NotifyMesos<'_>,
    ) -> Result<(RealMesosCluster, DirectoryLock), AppMasterError> {
        let now = self.started.elapsed();
        let (mut fleet, last) = adopt(&snapshot, now);
        self.state.phase = ClusterPhase::Starting;
        self.state.last_number = self.state.last_number.max(last);
        let place = self.coordination.as_ref().map(Coordination::place);
        self.state.tasks_recorded_in = place.map(|place| place.display().to_string());
        // It takes a while to start, in which what travels to the workers is made ready.
        let (state, file) = (&mut self.state, &self.file);
        self.job_manager
            .start(&mut fleet, state, file, now, notify)
            .await?;
        let served = self.shipment.metrics();
        let directory = &self.terms.directory;
        let Served {
            describer,
            documents,
            reports,
        } = match self.shipment.serve(directory, &snapshot, notify).await {
            Ok(ready) => ready,
            Err(error) => {
                abandon(&mut self.job_manager, &fleet).await;
                self.state.members.clear();
                give_up(&mut self.state, &self.file)?;
                return Err(error);
            }
        };
        let scheduling = Scheduling::new(
            self.scheduler,
            describer,
            &snapshot,
            self.connection,
            documents,
            self.memory,
        );
        tell_adopted(&snapshot, fleet.count(Role::TaskManager), notify);
        let cluster = MesosCluster {
            terms: self.terms,
            job_manager: self.job_manager,
            workers: MesosWorkers::new(scheduling, &snapshot).hearing(reports),
            zookeeper: self.zookeeper,
            desired: self.desired,
            fleet,
            state: self.state,
            file: self.file,
            demand: self.demand,
            watch: self.watch,
            jobs_at: Instant::now(),
            questions: self.questions,
            election,
            started: self.started,
            framework: snapshot.framework,
            slots: BTreeMap::new(),
            failures: Failures::default(),
            served,
            last_plan: Plan::default(),
            last_reason: None,
        };
        Ok((cluster, self.lock))
    }

    /// Answers while another one leads. Who asked may be gone: that is no matter.
    fn answer(&self, question: Question, leader: Option<&Contender>) {
        let document = match question.topic {
            Topic::State => serde_json::to_vec(&self.state_report(leader)),
            Topic::Why => serde_json::to_vec(&self.why_report(leader)),
            Topic::Metrics => Ok(self.metrics().into_bytes()),
            Topic::Health | Topic::Readiness => serde_json::to_vec(&self.health_report()),
        };
        let _ = question.answer.send(document.unwrap_or_default());
    }

    /// Standing by is all that is asked of it; not knowing yet who leads is not.
    fn health_report(&self) -> HealthReport {
        let stands_by = self.state.phase == ClusterPhase::Standby;
        HealthReport::of((!stands_by).then_some("it waits to be told who leads"))
    }

    fn metrics(&self) -> String {
        let mut text = Exposition::default();
        let seconds = self.started.elapsed();
        write_general(&mut text, &self.state, seconds, false);
        write_zookeeper(&mut text, &self.zookeeper.reports());
        text.finish()
    }

    fn state_report(&self, leader: Option<&Contender>) -> StateReport {
        StateReport {
            phase: self.state.phase,
            leader: leader.cloned(),
            flink_version: self.state.flink_version.clone(),
            web_url: self.state.web_url.clone(),
            seconds: self.started.elapsed().as_secs(),
            mesos: self.contact(),
            zookeeper: self.zookeeper.reports(),
            job_manager: JobManagerReport {
                state: None,
                pid: None,
                failures: 0,
            },
            wanted: 0,
            registered: 0,
            demand: None,
            workers: Vec::new(),
            maintenance: Vec::new(),
            failures: FailuresReport::default(),
        }
    }

    fn why_report(&self, leader: Option<&Contender>) -> WhyReport {
        WhyReport {
            leader: leader.cloned(),
            wanted: 0,
            registered: 0,
            demand: None,
            starting: 0,
            lost: Vec::new(),
            maintenance: Vec::new(),
            mesos: self.contact(),
            zookeeper: self.zookeeper.reports(),
            paused: None,
            waiting: Vec::new(),
            failures: FailuresReport::default(),
        }
    }

    fn contact(&self) -> ContactReport {
        ContactReport {
            phase: ContactPhaseReport::Disconnected,
            seconds: self.started.elapsed().as_secs(),
            framework: None,
            reason: Some("this application master stands by".to_owned()),
            offers: 0,
            last_offer_seconds: None,
        }
    }
}

/// Writes down that nothing runs here.
fn give_up(state: &mut ClusterState, file: &FileStore) -> Result<(), StoreError> {
    state.phase = ClusterPhase::Stopped;
    state.application_master = None;
    file.save(state)
}

/// Ends a JobManager that nothing can be launched for.
async fn abandon(job_manager: &mut JobManager, fleet: &Fleet) {
    // One that could not be started never ends.
    if fleet.member(job_manager.id()).is_some() {
        job_manager.kill();
        job_manager.ended().await;
    }
}

/// Whose place in the line it is: this directory's. Its lock says that whoever had it before is
/// gone, so that nobody has to wait for the end of a session that a killed process has left.
fn place_id(directory: &Path) -> Result<String, StoreError> {
    let path = directory.join("contender");
    let failed = |action, source| StoreError::InputOutput {
        action,
        path: path.clone(),
        source,
    };
    match fs::read_to_string(&path) {
        Ok(id) if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            return Ok(id);
        }
        // One that was cut off is nobody's.
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(failed("read", source)),
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| failed("write", io::Error::other(error)))?;
    let id = format!("{:032x}", u128::from_le_bytes(random));
    fs::write(&path, &id).map_err(|source| failed("write", source))?;
    Ok(id)
}

fn tell_adopted(snapshot: &Snapshot, workers: usize, notify: &mut NotifyMesos<'_>) {
    if let Some(framework) = &snapshot.framework {
        notify(&MesosEvent::Notice(format!(
            "going on with the framework {} and its {workers} workers",
            framework.value
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_place_and_another_one_another() {
        let directory = tempfile::tempdir().unwrap();
        let id = place_id(directory.path()).unwrap();
        assert_eq!(place_id(directory.path()).unwrap(), id);
        fs::write(directory.path().join("contender"), "0123abc").unwrap();
        let anew = place_id(directory.path()).unwrap();
        assert_ne!(anew, id);
        assert_eq!(anew.len(), 32);
    }
}
