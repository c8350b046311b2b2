//! `flugs status`: what runs in a cluster's directory.

use std::path::{Path, PathBuf};
use std::process::ExitCode as ProcessExit;

use serde::Serialize;

use crate::provider::process::is_alive;
use crate::store::{ClusterPhase, ClusterState, DirectoryLock};
use flugs_model::MemberState;

use crate::appmaster::mesos::api::Topic;
use crate::appmaster::mesos::report::{StateReport, WorkerReport, ZooKeeperReport};

use super::left::LeftOnMesos;
use super::{Ending, output, table, why};

/// Show what runs in a cluster's directory.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs status
  flugs status --dir /var/lib/flugs/orders --json

Exit code: 0 if all that is wanted serves, 93 if not, 77 if there is no cluster.")]
pub(super) struct Args {
    /// The cluster's directory.
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DIRECTORY)]
    dir: PathBuf,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

/// A cluster as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    phase: ClusterPhase,
    flink_version: String,
    web_url: String,
    directory: PathBuf,
    members: Vec<MemberReport>,
    /// The cluster's name with the engine, if its process ended without stopping its containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    containers_left: Option<String>,
    /// Workers on Mesos that wait for a successor of their application master.
    #[serde(skip_serializing_if = "Option::is_none")]
    mesos_left: Option<LeftOnMesos>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberReport {
    id: String,
    role: String,
    pid: Option<i32>,
    sandbox: PathBuf,
    slots: Option<u32>,
    state: MemberState,
    alive: bool,
}

/// How many ends of workers that are not alike are told.
const MOST_FAILURES: usize = 3;

/// How many agents that go into maintenance are named.
const MOST_AGENTS: usize = 10;

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let state = super::load_cluster(&args.dir)?;
    if let Some(master) = why::running(&args.dir)? {
        return Ok(show_mesos(&why::ask(&master, Topic::State)?, args.json));
    }
    let running = DirectoryLock::is_held(&args.dir);
    let mut report = Report::new(&args.dir, &state, running);
    if !running {
        report.mesos_left = LeftOnMesos::by(&state, &args.dir)?;
    }
    report.print(args.json);
    let ready = report.phase == ClusterPhase::Ready;
    Ok(if ready {
        ProcessExit::SUCCESS
    } else {
        flugs_base::ExitCode::NotReady.code().into()
    })
}

/// A cluster on Mesos, as its application master tells it.
fn show_mesos(report: &StateReport, json: bool) -> ProcessExit {
    if json {
        output::json(report);
    } else if let Some(leader) = &report.leader {
        output::line(&format!("Stands by: {leader} leads."));
    } else {
        let header = ["WORKER", "TASK", "STATE", "MESOS", "SLOTS", "HOST"];
        output::line(&table::render(
            &header,
            report.workers.iter().map(worker_row),
        ));
        let job_manager = report.job_manager.state.map_or("down", state_word);
        output::line(&format!(
            "{} of {} workers registered; JobManager {job_manager}. Flink {}: {}",
            report.registered, report.wanted, report.flink_version, report.web_url
        ));
        if let Some(demand) = &report.demand {
            output::line(&demand.text());
        }
    }
    if !json {
        let outages = report.zookeeper.iter().filter_map(ZooKeeperReport::outage);
        outages.for_each(|outage| output::line(&outage));
        for maintenance in report.maintenance.iter().take(MOST_AGENTS) {
            output::line(&format!("{}.", maintenance.text()));
        }
        let failures = report.failures.text(MOST_FAILURES);
        if !failures.is_empty() {
            output::text(&failures);
        }
    }
    match report.phase {
        ClusterPhase::Ready => ProcessExit::SUCCESS,
        _ => flugs_base::ExitCode::NotReady.code().into(),
    }
}

fn worker_row(worker: &WorkerReport) -> [String; 6] {
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    [
        worker.id.clone(),
        or_dash(&worker.task),
        state_word(worker.state).to_owned(),
        or_dash(&worker.task_state),
        or_dash(&worker.slots.map(|slots| slots.to_string())),
        or_dash(&worker.hostname),
    ]
}

impl Report {
    /// The report of a state; `running` says whether the cluster's process holds its lock. If it
    /// does not, the state is what was last written before it ended.
    pub(super) fn new(directory: &Path, state: &ClusterState, running: bool) -> Self {
        let members = state.members.iter().map(|member| MemberReport {
            id: member.id.to_string(),
            role: member.role.to_string(),
            pid: member.process.map(|process| process.pid),
            sandbox: member.sandbox.clone(),
            slots: member.slots,
            state: member.state,
            alive: member.process.is_some_and(is_alive),
        });
        // A process that stopped its members has said so.
        let deserted = !running && state.phase != ClusterPhase::Stopped;
        Self {
            containers_left: state.containers.clone().filter(|_| deserted),
            mesos_left: None,
            phase: if running {
                state.phase
            } else {
                ClusterPhase::Stopped
            },
            flink_version: state.flink_version.clone(),
            web_url: state.web_url.clone(),
            directory: directory.to_owned(),
            members: members.collect(),
        }
    }

    /// Prints the report as a table with the web address below, or as JSON.
    pub(super) fn print(&self, json: bool) {
        if json {
            output::json(self);
            return;
        }
        let header = ["ROLE", "ID", "PID", "SLOTS", "STATE", "SANDBOX"];
        let rows = self.members.iter().map(MemberReport::row);
        output::line(&table::render(&header, rows));
        output::line(&match (self.phase, &self.containers_left) {
            (ClusterPhase::Stopped, Some(cluster)) => format!(
                "Its process is gone and did not stop the containers of {cluster}: they may go on. \
                 `flugs down` removes them."
            ),
            (ClusterPhase::Stopped, None) => "Not running.".to_owned(),
            _ => format!("Flink {}: {}", self.flink_version, self.web_url),
        });
        if let Some(left) = &self.mesos_left {
            output::line(&left.text(&self.directory));
        }
    }
}

impl MemberReport {
    fn row(&self) -> [String; 6] {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        [
            self.role.clone(),
            self.id.clone(),
            or_dash(self.pid.map(|pid| pid.to_string())),
            or_dash(self.slots.map(|slots| slots.to_string())),
            if self.alive {
                state_word(self.state)
            } else {
                "gone"
            }
            .to_owned(),
            self.sandbox.display().to_string(),
        ]
    }
}

/// A member's state as people read it.
const fn state_word(state: MemberState) -> &'static str {
    match state {
        MemberState::Waiting => "waiting",
        MemberState::Starting => "starting",
        MemberState::Running => "running",
        MemberState::Registered => "registered",
        MemberState::Lost => "lost",
        MemberState::Stopping => "stopping",
    }
}
