//! What an application master tells whoever watches it.

use std::borrow::Cow;
use std::fmt;

use super::zookeeper::ZooKeeperEvent;
use crate::provider::mesos::workers::WorkerTask;
use crate::store::Contender;
use flugs_base::listed;
use flugs_flink::stop_reason;

/// How many workers are named in one line.
const MOST: usize = 10;

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
    Launched(Placed),
    /// A worker is registered.
    Registered {
        /// Its task.
        task: String,
    },
    /// A worker ended by itself, or was given up.
    Failed {
        /// Its task.
        worker: Placed,
        /// Why.
        text: String,
        /// It did not fail: somebody ended it whose business that is.
        planned: bool,
    },
    /// Further workers ended as the last one that was told of did.
    Likewise {
        /// Their tasks.
        workers: Vec<Placed>,
        /// They did not fail: somebody ended them whose business that is.
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
    /// The application master leaves, and there is nothing that somebody could take over from it.
    Leaving,
    /// The JobManager was asked to stop, and did not end in good order.
    JobManagerStopped {
        /// Its exit code.
        code: u8,
        /// How long it took, in seconds.
        seconds: u64,
    },
    /// What is left is not waited for.
    Hurrying,
    /// Something else.
    Notice(String),
}

/// A task and where it is, by the names that Mesos has for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The task's id.
    pub task: String,
    /// The agent's host name.
    pub hostname: String,
    /// The agent's id.
    pub agent: String,
}

impl Placed {
    pub(super) fn of(task: &WorkerTask) -> Self {
        Self {
            task: task.task.value.clone(),
            hostname: task.hostname.clone(),
            agent: task.agent.value.clone(),
        }
    }
}

impl Placed {
    fn launched(&self) -> String {
        let Self {
            task,
            hostname,
            agent,
        } = self;
        format!("{task} is launched on {hostname} (agent {agent})")
    }
}

impl fmt::Display for Placed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            task,
            hostname,
            agent,
        } = self;
        write!(formatter, "{task} on {hostname} (agent {agent})")
    }
}

/// A reason behind a sentence, if there is one.
fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

impl fmt::Display for MesosEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text())
    }
}

impl MesosEvent {
    fn text(&self) -> Cow<'_, str> {
        let text = match self {
            Self::JobManagerServes => return "the JobManager serves".into(),
            Self::Leads => return "this application master leads now".into(),
            Self::Dissolved => {
                return "the cluster has ended for good, and so has standing by".into();
            }
            Self::Ready => return "all that is wanted serves".into(),
            Self::Finished => return "the JobManager has finished".into(),
            Self::TearingDown => return "stopping: the framework and its workers end".into(),
            Self::HandingOver => return "stopping: the workers stay for a successor".into(),
            Self::Leaving => return "stopping".into(),
            Self::Hurrying => return "not waiting for what is left".into(),
            Self::Notice(text) => return text.into(),
            Self::Publishing(step) => format!(
                "reading the Flink distribution: {}/{} files",
                step.files, step.total
            ),
            Self::JobManagerStarted { pid } => {
                format!("the JobManager was started (process {pid})")
            }
            Self::JobManagerEnded { code, reason } => {
                let reason = because(reason.as_deref());
                format!("the JobManager ended with code {code}{reason}")
            }
            Self::JobManagerStopped { code, seconds } => job_manager_stopped(*code, *seconds),
            Self::Subscribed { framework } => {
                format!("the Mesos master has accepted the framework {framework}")
            }
            Self::Disconnected { reason } => {
                format!("no contact with the Mesos master: {reason}")
            }
            Self::ZooKeeper(event) => event.to_string(),
            Self::StandsBy(leader) => standing_by(leader.as_ref()),
            Self::Launched(worker) => worker.launched(),
            Self::Registered { task } => format!("{task} is registered"),
            Self::Failed {
                worker,
                text,
                planned: true,
            } => format!("{worker} has ended: {text}"),
            Self::Failed { worker, text, .. } => format!("{worker} failed: {text}"),
            Self::Likewise { workers, planned } => likewise(workers, *planned),
            Self::Demand {
                slots,
                jobs,
                workers,
                unlimited,
                before,
            } => format!(
                "slots that jobs want: {slots} (jobs: {jobs}); workers that are wanted: {workers} \
                 (before: {before}){}",
                limited(*workers, *unlimited)
            ),
            Self::Idle { task, seconds } => {
                format!("{task} has been idle for {seconds} s and goes")
            }
            Self::Withdrawn { worker } => {
                format!("{worker} is not wanted any more and was not launched")
            }
        };
        text.into()
    }
}

fn job_manager_stopped(code: u8, seconds: u64) -> String {
    let reason = because(stop_reason(code, seconds));
    format!("the JobManager was asked to stop and ended after {seconds} s with code {code}{reason}")
}

fn standing_by(leader: Option<&Contender>) -> String {
    match leader {
        Some(leader) => {
            format!("standing by: of this cluster's application masters, {leader} leads")
        }
        None => "standing by: another application master of this cluster leads".to_owned(),
    }
}

/// Workers that ended as another one did.
fn likewise(workers: &[Placed], planned: bool) -> String {
    let how = if planned { "ended" } else { "failed" };
    let number = match workers.len() {
        1 => "1 worker more has".to_owned(),
        many => format!("{many} workers more have"),
    };
    format!("{number} {how} likewise: {}", listed(workers, MOST))
}

/// What stands in the way of more workers, if anything does.
fn limited(workers: usize, unlimited: usize) -> String {
    if unlimited > workers {
        format!("; slotmanager.number-of-slots.max stands in the way of {unlimited}")
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(number: usize) -> Placed {
        Placed {
            task: format!("taskmanager-{number}-{number}"),
            hostname: "agent1".to_owned(),
            agent: "4d372258-9079-4d1b-b725-14fb58a22a2a-S0".to_owned(),
        }
    }

    #[test]
    fn tasks_and_agents_are_named_as_mesos_names_them() {
        let failed = MesosEvent::Failed {
            worker: placed(1),
            text: "its process ended".to_owned(),
            planned: false,
        };
        let more = MesosEvent::Likewise {
            workers: (2..=13).map(placed).collect(),
            planned: false,
        };
        let one = MesosEvent::Likewise {
            workers: vec![placed(2)],
            planned: true,
        };
        let launched = MesosEvent::Launched(placed(1));
        let lines: Vec<String> = [launched, failed, one]
            .iter()
            .map(ToString::to_string)
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        taskmanager-1-1 is launched on agent1 (agent 4d372258-9079-4d1b-b725-14fb58a22a2a-S0)
        taskmanager-1-1 on agent1 (agent 4d372258-9079-4d1b-b725-14fb58a22a2a-S0) failed: its process ended
        1 worker more has ended likewise: taskmanager-2-2 on agent1 (agent 4d372258-9079-4d1b-b725-14fb58a22a2a-S0)
        ");
        let more = more.to_string();
        assert!(more.starts_with("12 workers more have failed likewise: taskmanager-2-2 on agent1 (agent 4d372258-9079-4d1b-b725-14fb58a22a2a-S0), "), "{more}");
        assert!(more.ends_with(" and 2 more"), "{more}");
    }

    #[test]
    fn a_shutdown_that_flink_breaks_off_is_told_with_flinks_reason() {
        let stopped = |code, seconds| MesosEvent::JobManagerStopped { code, seconds }.to_string();
        let lines = [stopped(239, 5), stopped(239, 1), stopped(137, 11)];
        insta::assert_snapshot!(lines.join("\n"), @"
        the JobManager was asked to stop and ended after 5 s with code 239: its shutdown took longer than the 5 s that Flink allows (JvmShutdownSafeguard), as it does while ZooKeeper is away, and now and then in the midst of its start. No failure: what it holds in ZooKeeper ends with its session
        the JobManager was asked to stop and ended after 1 s with code 239: something in its shutdown was not caught (FatalExitExceptionHandler). No failure: it was to end
        the JobManager was asked to stop and ended after 11 s with code 137
        ");
    }
}
