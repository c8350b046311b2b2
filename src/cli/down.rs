//! `flugs down`: stops a cluster.

use std::path::{Path, PathBuf};
use std::process::ExitCode as ProcessExit;
use std::time::Duration;

use crate::appmaster::mesos::api::Topic;
use crate::appmaster::mesos::report::StateReport;
use crate::appmaster::{TornDown, tear_down};
use crate::store::ClusterState;

use super::left::LeftOnMesos;
use super::{Ending, number, output, why};

/// Stop the cluster in a directory; its logs stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs down
  flugs down --dir /var/lib/flugs/orders --patience 60

Stopping a cluster that is stopped already is no error. Workers on Mesos are ended by their
application master: where that is gone and they may run on, the exit code is 121.")]
pub(super) struct Args {
    /// The cluster's directory.
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DIRECTORY)]
    dir: PathBuf,
    /// Seconds after which whatever still runs is killed.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = number::seconds)]
    patience: Duration,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let directory = super::absolute(&args.dir)?;
    let state = super::load_cluster(&directory)?;
    let resumed = Resumed::by(&directory, &state);
    let done = super::runtime()?.block_on(tear_down(&directory, state, args.patience))?;
    // The scheduler forgets a framework only when the master has confirmed its end.
    let state = super::load_cluster(&directory)?;
    if let Some(left) = LeftOnMesos::by(&state, &directory)? {
        return Err(Ending {
            code: left.code(),
            message: left.text(&args.dir),
        });
    }
    output::note(match done {
        TornDown::Stopped => "flugs: stopped",
        TornDown::AlreadyStopped => "flugs: it was stopped already",
        TornDown::CleanedUp => "flugs: its process was gone; nothing of the cluster runs any more",
    });
    if let Some(resumed) = resumed.filter(|_| done != TornDown::AlreadyStopped) {
        output::note(&resumed.text());
    }
    Ok(ProcessExit::SUCCESS)
}

/// The jobs that Flink keeps beyond the cluster's end, and resumes.
#[derive(Debug, PartialEq, Eq)]
struct Resumed {
    /// The cluster's id.
    id: String,
    /// The jobs' names; absent if they are not known.
    jobs: Option<Vec<String>>,
}

impl Resumed {
    /// Those of a cluster that is about to be stopped; `None` if Flink keeps none.
    fn by(directory: &Path, state: &ClusterState) -> Option<Self> {
        let id = state.resumes_under.clone()?;
        let master = why::running(directory).ok().flatten();
        // Whoever does not answer is stopped all the same.
        let report = master.and_then(|master| why::ask::<StateReport>(&master, Topic::State).ok());
        let jobs = report.and_then(|report| report.demand).map(|demand| {
            let names = demand.jobs.into_iter().map(|job| job.name);
            names.collect::<Vec<_>>()
        });
        (jobs.as_ref() != Some(&Vec::new())).then_some(Self { id, jobs })
    }

    fn text(&self) -> String {
        let jobs = match self.jobs.as_deref() {
            None => "jobs that had not ended are".to_owned(),
            Some([one]) => format!("the job {one} is"),
            Some(many) => format!("{} jobs ({}) are", many.len(), many.join(", ")),
        };
        format!(
            "flugs: with high availability, {jobs} kept, and resumed by the next start under \
             high-availability.cluster-id={}. To avoid that, cancel jobs before `flugs down` \
             (`flink cancel`), or shut the cluster down through its REST API (DELETE /cluster), \
             which keeps nothing; to start afresh now, set another id",
            self.id
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_that_the_next_start_resumes_are_told_with_how_to_avoid_it() {
        let resumed = |jobs: Option<&[&str]>| {
            let jobs = jobs.map(|jobs| jobs.iter().map(|job| (*job).to_owned()).collect());
            let id = "/orders".to_owned();
            Resumed { id, jobs }.text()
        };
        insta::assert_snapshot!(resumed(Some(&["clicks"])), @"flugs: with high availability, the job clicks is kept, and resumed by the next start under high-availability.cluster-id=/orders. To avoid that, cancel jobs before `flugs down` (`flink cancel`), or shut the cluster down through its REST API (DELETE /cluster), which keeps nothing; to start afresh now, set another id");
        let many = resumed(Some(&["clicks", "orders"]));
        assert!(many.contains("2 jobs (clicks, orders) are kept"), "{many}");
        let unknown = resumed(None);
        assert!(
            unknown.contains("jobs that had not ended are kept"),
            "{unknown}"
        );
    }
}
