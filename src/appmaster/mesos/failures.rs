//! The workers that ended without being asked to: what is remembered of them, and how they are told.
//!
//! Pure: the clock is passed in. Ends that are alike and come close together are told once, and the
//! further ones in one line.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::event::{MesosEvent, Placed};
use super::report::RecentFailure;
use crate::provider::mesos::failure::{FailureKind, TaskFailure};
use crate::provider::mesos::workers::WorkerTask;
use flugs_model::WorkerId;

/// How many are remembered for people, of each sort.
const MOST: usize = 50;

/// How long ends like one that was told of are gathered.
const WINDOW: Duration = Duration::from_secs(10);

/// The ends of workers.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// The last that failed, newest first.
    failed: VecDeque<Past>,
    /// The last that others ended whose business that is, newest first.
    planned: VecDeque<Past>,
    /// How many, by reason, since the start.
    counts: BTreeMap<FailureKind, u64>,
    gathered: Option<Gathered>,
}

/// An end, to be told of later.
#[derive(Debug)]
struct Past {
    at: Instant,
    report: RecentFailure,
}

/// Ends like one that was told of.
#[derive(Debug)]
struct Gathered {
    likeness: (FailureKind, String),
    until: Instant,
    workers: Vec<Placed>,
}

impl Failures {
    /// Remembers an end. Gives what is to be told at once.
    pub(super) fn remember(
        &mut self,
        id: &WorkerId,
        task: &WorkerTask,
        failure: &TaskFailure,
        now: Instant,
    ) -> Vec<MesosEvent> {
        self.count(failure.kind);
        let planned = failure.kind.is_planned();
        let worker = Placed::of(task);
        let report = RecentFailure {
            seconds_ago: 0,
            worker: id.to_string(),
            task: worker.task.clone(),
            hostname: worker.hostname.clone(),
            agent: worker.agent.clone(),
            kind: failure.kind,
            text: failure.to_string(),
        };
        let likeness = report.likeness();
        let text = report.text.clone();
        let past = if planned {
            &mut self.planned
        } else {
            &mut self.failed
        };
        past.truncate(MOST - 1);
        past.push_front(Past { at: now, report });
        if let Some(gathered) = &mut self.gathered
            && gathered.likeness == likeness
            && now < gathered.until
        {
            gathered.workers.push(worker);
            return Vec::new();
        }
        let mut events: Vec<MesosEvent> = self.told().into_iter().collect();
        self.gathered = Some(Gathered {
            likeness,
            until: now + WINDOW,
            workers: Vec::new(),
        });
        events.push(MesosEvent::Failed {
            worker,
            text,
            planned,
        });
        events
    }

    /// One more of this kind.
    pub(super) fn count(&mut self, kind: FailureKind) {
        *self.counts.entry(kind).or_default() += 1;
    }

    /// How many there were of this kind.
    pub(super) fn counted(&self, kind: FailureKind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// When those that were gathered are told.
    pub(super) fn due(&self) -> Option<Instant> {
        let gathered = self.gathered.as_ref()?;
        (!gathered.workers.is_empty()).then_some(gathered.until)
    }

    /// Those that were gathered, if it is time.
    pub(super) fn tell(&mut self, now: Instant) -> Option<MesosEvent> {
        self.due().filter(|due| *due <= now)?;
        self.told()
    }

    /// Those that were gathered.
    pub(super) fn told(&mut self) -> Option<MesosEvent> {
        let gathered = self.gathered.take()?;
        let planned = gathered.likeness.0.is_planned();
        let workers = gathered.workers;
        (!workers.is_empty()).then_some(MesosEvent::Likewise { workers, planned })
    }

    /// The last that failed, newest first.
    pub(super) fn recent(&self, now: Instant) -> Vec<RecentFailure> {
        self.failed.iter().map(|past| past.seen_at(now)).collect()
    }

    /// The last that others ended whose business that is, newest first.
    pub(super) fn planned(&self, now: Instant) -> Vec<RecentFailure> {
        self.planned.iter().map(|past| past.seen_at(now)).collect()
    }

    /// The last that failed.
    pub(super) fn last(&self) -> Option<&RecentFailure> {
        self.failed.front().map(|past| &past.report)
    }
}

impl Past {
    fn seen_at(&self, now: Instant) -> RecentFailure {
        RecentFailure {
            seconds_ago: now.saturating_duration_since(self.at).as_secs(),
            ..self.report.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_mesos::scheduler::Ending;
    use flugs_mesos::wire::{AgentId, TaskId, TaskState};
    use flugs_model::Role;

    fn end(failures: &mut Failures, number: u64, message: &str, now: Instant) -> Vec<String> {
        let id = WorkerId::of(Role::TaskManager, Some(number));
        let task = WorkerTask {
            task: TaskId::new(format!("{id}-{number}")),
            agent: AgentId::new("A-S1"),
            hostname: "agent1".to_owned(),
            ports: Vec::new(),
            state: None,
        };
        let failure = TaskFailure::of(
            &Ending {
                state: Some(TaskState::Failed),
                reason: None,
                message: Some(message.to_owned()),
                healthy: None,
                wanted: false,
            },
            None,
        );
        let told = failures.remember(&id, &task, &failure, now);
        told.iter().map(ToString::to_string).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn equal_failures_are_told_once_and_the_further_ones_together() {
        let mut failures = Failures::default();
        let now = Instant::now();
        let words = "Container exited with status 1";
        assert_eq!(end(&mut failures, 1, words, now).len(), 1);
        assert_eq!(failures.due(), None);
        for number in 2..=4 {
            assert_eq!(end(&mut failures, number, words, now), [""; 0]);
        }
        assert_eq!(failures.due(), Some(now + WINDOW));
        assert_eq!(failures.tell(now), None);
        let told = failures.tell(now + WINDOW).unwrap().to_string();
        insta::assert_snapshot!(told, @"3 workers more have failed likewise: taskmanager-2-2 on agent1 (agent A-S1), taskmanager-3-3 on agent1 (agent A-S1), taskmanager-4-4 on agent1 (agent A-S1)");
        assert_eq!(failures.due(), None);
        assert_eq!(failures.recent(now).len(), 4);
        assert_eq!(failures.counted(FailureKind::Exited), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn another_failure_is_told_at_once_and_what_was_gathered_before_it() {
        let mut failures = Failures::default();
        let now = Instant::now();
        end(&mut failures, 1, "Container exited with status 1", now);
        end(&mut failures, 2, "Container exited with status 1", now);
        let told = end(
            &mut failures,
            3,
            "Command terminated with signal Killed",
            now,
        );
        insta::assert_snapshot!(told.join("\n"), @"
        1 worker more has failed likewise: taskmanager-2-2 on agent1 (agent A-S1)
        taskmanager-3-3 on agent1 (agent A-S1) failed: its process ended: Command terminated with signal Killed
        ");
    }
}
