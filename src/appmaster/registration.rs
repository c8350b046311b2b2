//! What Flink itself says of the members: whether the JobManager serves and which TaskManagers
//! are registered with it.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::fleet::Fleet;
use flugs_flink::rest::RestClient;
use flugs_model::{MemberState, Role, WorkerId};

/// How often a cluster that is not whole is looked at, and one that is.
const EAGER: Duration = Duration::from_millis(200);
const CALM: Duration = Duration::from_secs(2);

/// What Flink said last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Registered {
    /// Whether the JobManager answered.
    pub job_manager: bool,
    /// The slots of each registered TaskManager, by resource id.
    pub task_managers: BTreeMap<String, u32>,
    /// Those of its slots that no job has.
    pub free: BTreeMap<String, u32>,
}

/// Asks the JobManager once: whether it serves and how many workers it counts (`/overview`), and
/// which those are (`/taskmanagers`). Where the two disagree the list is not complete yet, and
/// what it lacks is not registered.
async fn ask(client: &RestClient) -> Registered {
    let Ok(overview) = client.overview().await else {
        return Registered::default();
    };
    let listed = match overview.taskmanagers {
        0 => Vec::new(),
        // No answer is not the answer that there is none.
        _ => match client.task_managers().await {
            Ok(listed) => listed,
            Err(_) => return Registered::default(),
        },
    };
    // A worker is listed a moment before it has reported its slots, and of no use until then.
    let serving = || listed.iter().filter(|one| one.slots_number > 0);
    Registered {
        job_manager: true,
        task_managers: serving()
            .map(|one| (one.id.clone(), one.slots_number))
            .collect(),
        free: serving()
            .map(|one| (one.id.clone(), one.free_slots))
            .collect(),
    }
}

impl Registered {
    /// The same by the workers' own names; resource ids end in `suffix` beyond them, and what ends
    /// otherwise is somebody else's.
    pub(super) fn by_name(self, suffix: &str) -> Self {
        let names = |ids: BTreeMap<String, u32>| {
            let name =
                |(id, slots): (String, u32)| Some((id.strip_suffix(suffix)?.to_owned(), slots));
            ids.into_iter().filter_map(name).collect()
        };
        Self {
            job_manager: self.job_manager,
            task_managers: names(self.task_managers),
            free: names(self.free),
        }
    }
}

/// Asks when the time has come.
pub(super) async fn ask_at(client: &RestClient, at: Instant) -> Registered {
    sleep_until(at).await;
    ask(client).await
}

/// Waits until then; for ever, if there is no then.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

/// The pause before the next question.
pub(super) const fn pause(whole: bool) -> Duration {
    if whole { CALM } else { EAGER }
}

/// The state of each member whose process is known to run, as Flink sees it.
pub(super) fn states(fleet: &Fleet, registered: &Registered) -> Vec<(WorkerId, MemberState)> {
    let seen = |id: &WorkerId, role: Role| match role {
        Role::TaskManager => registered.task_managers.contains_key(id.as_str()),
        _ => registered.job_manager,
    };
    fleet
        .members()
        .filter(|(_, member)| member.state != MemberState::Stopping)
        .map(|(id, member)| {
            let serves = seen(id, member.role);
            (
                id.clone(),
                if serves {
                    MemberState::Registered
                } else {
                    MemberState::Running
                },
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_of_another_cluster_is_not_counted_for_one_of_this() {
        let registered = Registered {
            job_manager: true,
            task_managers: [
                ("taskmanager-1-0a".to_owned(), 1),
                ("taskmanager-2-0b".to_owned(), 4),
            ]
            .into(),
            free: [("taskmanager-1-0a".to_owned(), 1)].into(),
        };
        let seen = registered.clone().by_name("-0b");
        assert_eq!(seen.task_managers, [("taskmanager-2".to_owned(), 4)].into());
        assert!(seen.job_manager && seen.free.is_empty());
        assert_eq!(registered.clone().by_name(""), registered);
    }

    #[test]
    fn a_worker_that_a_restarted_job_manager_does_not_know_is_running_and_not_registered() {
        let mut fleet = Fleet::default();
        for number in 1..=2 {
            fleet.add(
                format!("taskmanager-{number}").parse().unwrap(),
                Role::TaskManager,
                Duration::ZERO,
            );
        }
        let registered = Registered {
            job_manager: true,
            task_managers: [("taskmanager-2".to_owned(), 1)].into(),
            free: BTreeMap::new(),
        };
        let states: Vec<MemberState> = states(&fleet, &registered)
            .into_iter()
            .map(|(_, state)| state)
            .collect();
        assert_eq!(states, [MemberState::Running, MemberState::Registered]);
    }
}
