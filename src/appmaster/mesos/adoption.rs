//! Taking over the workers that an earlier application master of this cluster left.

use std::time::Duration;

use crate::fleet::Fleet;
use flugs_mesos::scheduler::{Goal, Snapshot};
use flugs_mesos::wire::TaskState;
use flugs_model::{MemberState, Role};

/// The fleet of the recorded workers that are to run, and the highest number that any recorded
/// worker has.
pub(super) fn adopt(snapshot: &Snapshot, now: Duration) -> (Fleet, u64) {
    let mut fleet = Fleet::default();
    let mut last = 0;
    for record in snapshot.tasks.values() {
        last = last.max(record.worker.number().unwrap_or(0));
        if record.goal == Goal::Run {
            let state = match record.state {
                Some(TaskState::Running) => MemberState::Running,
                _ => MemberState::Starting,
            };
            fleet.add(record.worker.clone(), Role::TaskManager, now);
            fleet.observe(&record.worker, state, now);
            fleet.placed(&record.worker, &record.agent.value);
            // Its predecessor may have wanted another one in its place already.
            if record.state == Some(TaskState::Unreachable) {
                fleet.adopt_lost(&record.worker, now);
            }
        }
    }
    (fleet, last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_mesos::constraint::Host;
    use flugs_mesos::scheduler::{Change, TaskRecord};
    use flugs_mesos::wire::{AgentId, TaskId};
    use flugs_model::WorkerId;

    fn record(serial: u64, worker: u64, goal: Goal, state: Option<TaskState>) -> Change {
        let worker = WorkerId::of(Role::TaskManager, Some(worker));
        Change::Task(Box::new(TaskRecord {
            task: TaskId::new(format!("{worker}-{serial}")),
            serial,
            worker,
            profile: "default".to_owned(),
            agent: AgentId::new("S1"),
            host: Host::default().into(),
            ports: Vec::new(),
            goal,
            state,
        }))
    }

    #[test]
    fn workers_that_are_to_run_are_adopted_and_no_number_is_given_again() {
        let mut snapshot = Snapshot::default();
        for change in [
            record(11, 4, Goal::Run, Some(TaskState::Running)),
            record(12, 5, Goal::Run, None),
            record(13, 9, Goal::End, Some(TaskState::Running)),
            record(14, 6, Goal::Run, Some(TaskState::Unreachable)),
        ] {
            snapshot.apply(&change);
        }
        let (fleet, last) = adopt(&snapshot, Duration::ZERO);
        assert_eq!(last, 9);
        let states: Vec<(String, MemberState)> = fleet
            .members()
            .map(|(id, member)| (id.to_string(), member.state))
            .collect();
        assert_eq!(
            states,
            [
                ("taskmanager-4".to_owned(), MemberState::Running),
                ("taskmanager-5".to_owned(), MemberState::Starting),
                ("taskmanager-6".to_owned(), MemberState::Lost),
            ]
        );
    }
}
