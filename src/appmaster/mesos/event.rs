//! What an application master tells whoever watches it.

use std::fmt;

use super::zookeeper::ZooKeeperEvent;
use crate::store::Contender;

/// Told of everything worth a line.
pub type NotifyMesos<'a> = dyn FnMut(&MesosEvent) + 'a;

/// Something worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MesosEvent {
    /// Files are being added to the artifact store.
    Publishing(super::super::Progress),
    /// The JobManager's process was started.
    JobManagerStarted {
        /// Its launcher's process id.
        pid: i32,
    },
    /// The JobManager answers.
    JobManagerServes,
    /// The JobManager ended by itself.
    JobManagerEnded {
        /// Its exit code.
        code: u8,
        /// Why, if it said so.
        reason: Option<String>,
    },
    /// The Mesos master accepted the framework.
    Subscribed {
        /// The framework's id.
        framework: String,
    },
    /// There is no contact with the Mesos master.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// ZooKeeper is away, or back.
    ZooKeeper(ZooKeeperEvent),
    /// A worker is being launched.
    Launched {
        /// Its task.
        task: String,
        /// The agent's host name.
        hostname: String,
    },
    /// A worker is registered.
    Registered {
        /// Its task.
        task: String,
    },
    /// A worker ended by itself, or was given up.
    Failed {
        /// Its task.
        task: String,
        /// The agent's host name.
        hostname: String,
        /// Why.
        text: String,
        /// It did not fail: somebody ended it whose business that is.
        planned: bool,
    },
    /// Jobs want another number of workers.
    Demand {
        /// The slots that they want.
        slots: u32,
        /// How many jobs there are.
        jobs: usize,
        /// How many workers of the default profile that makes.
        workers: usize,
        /// How many it would be if the number of slots were not limited.
        unlimited: usize,
        /// How many it was.
        before: usize,
    },
    /// A worker had nothing to do, and goes.
    Idle {
        /// Its task.
        task: String,
        /// For how many seconds.
        seconds: u64,
    },
    /// A worker that was not launched yet is not wanted any more.
    Withdrawn {
        /// Its name.
        worker: String,
    },
    /// Another application master leads; who, if that can be read.
    StandsBy(Option<Contender>),
    /// This one leads now.
    Leads,
    /// The cluster that this one stood by for has ended for good.
    Dissolved,
    /// All that is wanted serves.
    Ready,
    /// The JobManager ended because its work is done.
    Finished,
    /// The framework is being torn down.
    TearingDown,
    /// The application master leaves, the workers stay.
    HandingOver,
    /// What is left is not waited for.
    Hurrying,
    /// Something else.
    Notice(String),
}

/// A reason behind a sentence, if there is one.
fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

impl fmt::Display for MesosEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publishing(step) => write!(
                formatter,
                "reading the Flink distribution: {}/{} files",
                step.files, step.total
            ),
            Self::JobManagerStarted { pid } => {
                write!(formatter, "the JobManager was started (process {pid})")
            }
            Self::JobManagerServes => write!(formatter, "the JobManager serves"),
            Self::JobManagerEnded { code, reason } => {
                let reason = because(reason.as_deref());
                write!(formatter, "the JobManager ended with code {code}{reason}")
            }
            Self::Subscribed { framework } => {
                write!(
                    formatter,
                    "the Mesos master has accepted the framework {framework}"
                )
            }
            Self::Disconnected { reason } => {
                write!(formatter, "no contact with the Mesos master: {reason}")
            }
            Self::ZooKeeper(event) => event.fmt(formatter),
            Self::Launched { task, hostname } => {
                write!(formatter, "{task} is launched on {hostname}")
            }
            Self::Registered { task } => write!(formatter, "{task} is registered"),
            Self::Failed {
                task,
                hostname,
                text,
                planned,
            } => {
                let how = if *planned { "has ended" } else { "failed" };
                write!(formatter, "{task} on {hostname} {how}: {text}")
            }
            Self::Demand {
                slots,
                jobs,
                workers,
                unlimited,
                before,
            } => write!(
                formatter,
                "slots that jobs want: {slots} (jobs: {jobs}); workers that are wanted: {workers} \
                 (before: {before}){}",
                limited(*workers, *unlimited)
            ),
            Self::Idle { task, seconds } => {
                write!(formatter, "{task} has been idle for {seconds} s and goes")
            }
            Self::Withdrawn { worker } => {
                write!(
                    formatter,
                    "{worker} is not wanted any more and was not launched"
                )
            }
            Self::StandsBy(Some(leader)) => write!(
                formatter,
                "standing by: of this cluster's application masters, {leader} leads"
            ),
            Self::StandsBy(None) => write!(
                formatter,
                "standing by: another application master of this cluster leads"
            ),
            Self::Leads => write!(formatter, "this application master leads now"),
            Self::Dissolved => write!(
                formatter,
                "the cluster has ended for good, and so has standing by"
            ),
            Self::Ready => write!(formatter, "all that is wanted serves"),
            Self::Finished => write!(formatter, "the JobManager has finished"),
            Self::TearingDown => write!(formatter, "stopping: the framework and its workers end"),
            Self::HandingOver => write!(formatter, "stopping: the workers stay for a successor"),
            Self::Hurrying => write!(formatter, "not waiting for what is left"),
            Self::Notice(text) => formatter.write_str(text),
        }
    }
}

/// What stands in the way of more workers, if anything does.
fn limited(workers: usize, unlimited: usize) -> String {
    if unlimited > workers {
        format!("; slotmanager.number-of-slots.max stands in the way of {unlimited}")
    } else {
        String::new()
    }
}
