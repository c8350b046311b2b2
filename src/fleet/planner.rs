//! The planner: from desired and observed to actions.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::spec::{MemberState, Role, WorkerId};
use crate::supervise::RestartPolicy;

use super::{Fleet, Retry, judge};

/// How many members of each role there should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// Members by role; a role that is absent is not wanted.
    pub members: BTreeMap<Role, usize>,
    /// Which members that ended are replaced, how soon, and how often.
    pub restart: RestartPolicy,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start one more member of this role.
    Launch(Role),
    /// Stop this member.
    Stop(WorkerId),
}

/// Why the cluster cannot be kept up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GiveUp {
    /// A role's members failed more often than the policy allows.
    Exhausted {
        /// The role.
        role: Role,
        /// How many failures were counted within the window.
        failures: usize,
    },
    /// A member's launcher refused its input; another try would end the same way.
    Refused {
        /// The member.
        id: WorkerId,
        /// Its launcher's exit code.
        code: u8,
    },
}

/// What to do now, and when to look again if nothing happens before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to do, in this order.
    pub actions: Vec<Action>,
    /// When a waiting replacement becomes due.
    pub next: Option<Duration>,
    /// Set when nothing further should be tried.
    pub give_up: Option<GiveUp>,
    /// A JobManager ended because its work is done: the cluster's is, too.
    pub finished: bool,
}

/// Decides. Pure: the same arguments give the same plan, and a plan that was carried out and
/// observed leads to an empty one.
pub fn plan(desired: &Desired, fleet: &Fleet, now: Duration) -> Plan {
    if let Some((id, code)) = fleet.hopeless() {
        let give_up = Some(GiveUp::Refused {
            id: id.clone(),
            code,
        });
        return Plan {
            give_up,
            ..Plan::default()
        };
    }
    let mut plan = Plan::default();
    for role in Role::ALL {
        let wanted = desired.members.get(&role).copied().unwrap_or(0);
        let present = fleet.count(role);
        if present < wanted {
            add(&mut plan, desired, fleet, role, wanted - present, now);
        } else {
            remove(&mut plan, fleet, role, present - wanted);
        }
    }
    plan
}

fn add(plan: &mut Plan, desired: &Desired, fleet: &Fleet, role: Role, few: usize, now: Duration) {
    match judge(&desired.restart, fleet.ends(role), now) {
        Retry::Exhausted { failures } => {
            plan.give_up
                .get_or_insert(GiveUp::Exhausted { role, failures });
        }
        Retry::Finished => plan.finished = true,
        Retry::At(due) if due <= now => {
            plan.actions
                .extend(std::iter::repeat_n(Action::Launch(role), few));
        }
        Retry::At(due) => plan.next = Some(plan.next.map_or(due, |next| next.min(due))),
    }
}

/// Stops those that do not serve yet before those that do, and the youngest of each first.
fn remove(plan: &mut Plan, fleet: &Fleet, role: Role, surplus: usize) {
    let mut candidates: Vec<_> = fleet
        .members()
        .filter(|(_, member)| member.role == role && member.state != MemberState::Stopping)
        .collect();
    candidates.sort_by_key(|(_, member)| {
        (
            member.state == MemberState::Registered,
            std::cmp::Reverse(member.added),
        )
    });
    plan.actions.extend(
        candidates
            .into_iter()
            .take(surplus)
            .map(|(id, _)| Action::Stop(id.clone())),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{Ending, default_policy};
    use crate::supervise::RestartWhen;
    use proptest::prelude::*;

    fn id(role: Role, number: usize) -> WorkerId {
        format!("{role}-{number}").parse().unwrap()
    }

    fn desired(task_managers: usize) -> Desired {
        let members = [(Role::JobManager, 1), (Role::TaskManager, task_managers)].into();
        Desired {
            members,
            restart: default_policy(),
        }
    }

    #[test]
    fn an_empty_fleet_starts_the_job_manager_first_and_then_the_workers() {
        let plan = plan(&desired(2), &Fleet::default(), Duration::ZERO);
        let launch = Action::Launch;
        assert_eq!(
            plan.actions,
            [
                launch(Role::JobManager),
                launch(Role::TaskManager),
                launch(Role::TaskManager)
            ]
        );
    }

    #[test]
    fn a_lost_worker_is_replaced_at_once_and_one_that_keeps_dying_waits() {
        let mut fleet = Fleet::default();
        fleet.add(id(Role::JobManager, 1), Role::JobManager);
        let now = Duration::from_secs(10);
        fleet.add(id(Role::TaskManager, 1), Role::TaskManager);
        fleet.ended(
            &id(Role::TaskManager, 1),
            &Ending::Exited { code: 137 },
            now,
        );
        assert_eq!(
            plan(&desired(1), &fleet, now).actions,
            [Action::Launch(Role::TaskManager)]
        );

        fleet.add(id(Role::TaskManager, 2), Role::TaskManager);
        fleet.ended(&id(Role::TaskManager, 2), &Ending::Exited { code: 1 }, now);
        let waiting = plan(&desired(1), &fleet, now);
        assert_eq!(waiting.actions, []);
        assert_eq!(waiting.next, Some(Duration::from_secs(11)));
    }

    #[test]
    fn a_member_that_was_told_to_stop_is_no_failure_whatever_its_exit_code() {
        let mut fleet = Fleet::default();
        let worker = id(Role::TaskManager, 1);
        fleet.add(worker.clone(), Role::TaskManager);
        fleet.observe(&worker, MemberState::Stopping);
        fleet.observe(&worker, MemberState::Registered);
        fleet.ended(&worker, &Ending::Exited { code: 143 }, Duration::ZERO);
        assert!(fleet.ends(Role::TaskManager).is_empty());
    }

    #[test]
    fn a_job_manager_that_served_and_exits_with_0_has_finished_and_a_worker_never_does() {
        let mut fleet = Fleet::default();
        let job_manager = id(Role::JobManager, 1);
        fleet.add(job_manager.clone(), Role::JobManager);
        fleet.observe(&job_manager, MemberState::Registered);
        // Its web server closes before its process ends.
        fleet.observe(&job_manager, MemberState::Starting);
        let clean = Ending::Exited { code: 0 };
        fleet.ended(&job_manager, &clean, Duration::ZERO);
        let after_failures = plan(&desired(0), &fleet, Duration::ZERO);
        assert!(after_failures.finished && after_failures.actions.is_empty());
        let mut always = desired(0);
        always.restart.when = RestartWhen::Always;
        let again = plan(&always, &fleet, Duration::ZERO);
        assert_eq!(again.actions, [Action::Launch(Role::JobManager)]);
        assert!(!again.finished);

        let mut fleet = Fleet::default();
        fleet.add(id(Role::JobManager, 1), Role::JobManager);
        let worker = id(Role::TaskManager, 1);
        fleet.add(worker.clone(), Role::TaskManager);
        fleet.observe(&worker, MemberState::Registered);
        fleet.ended(&worker, &clean, Duration::ZERO);
        let replaced = plan(&desired(1), &fleet, Duration::ZERO);
        assert_eq!(replaced.actions, [Action::Launch(Role::TaskManager)]);
    }

    #[test]
    fn a_launcher_that_refuses_its_input_is_not_tried_again() {
        let mut fleet = Fleet::default();
        let worker = id(Role::TaskManager, 1);
        fleet.add(worker.clone(), Role::TaskManager);
        let code = crate::spec::ExitCode::Configuration.code();
        fleet.ended(&worker, &Ending::Exited { code }, Duration::ZERO);
        let plan = plan(&desired(1), &fleet, Duration::ZERO);
        assert_eq!(plan.give_up, Some(GiveUp::Refused { id: worker, code }));
        assert_eq!(plan.actions, []);
    }

    #[test]
    fn scaling_down_stops_unregistered_workers_first_and_never_the_job_manager() {
        let mut fleet = Fleet::default();
        fleet.add(id(Role::JobManager, 1), Role::JobManager);
        for number in 1..=3 {
            fleet.add(id(Role::TaskManager, number), Role::TaskManager);
        }
        fleet.observe(&id(Role::TaskManager, 1), MemberState::Registered);
        fleet.observe(&id(Role::TaskManager, 3), MemberState::Registered);
        let plan = plan(&desired(1), &fleet, Duration::ZERO);
        let stops = [id(Role::TaskManager, 2), id(Role::TaskManager, 3)].map(Action::Stop);
        assert_eq!(plan.actions, stops);
    }

    /// What can happen to a fleet between two looks of the planner.
    #[derive(Debug, Clone)]
    enum Happening {
        Dies(usize, u8),
        Serves(usize),
        Wait(u64),
        Want(usize),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            (0..8_usize, prop_oneof![Just(1_u8), Just(137), Just(239)])
                .prop_map(|(who, code)| Happening::Dies(who, code)),
            (0..8_usize).prop_map(Happening::Serves),
            (1..90_u64).prop_map(Happening::Wait),
            (0..5_usize).prop_map(Happening::Want),
        ]
    }

    /// Carries a plan out as a perfect provider would.
    fn carry_out(plan: &Plan, fleet: &mut Fleet, next: &mut usize, now: Duration) {
        for action in &plan.actions {
            match action {
                Action::Launch(role) => {
                    *next += 1;
                    fleet.add(id(*role, *next), *role);
                }
                Action::Stop(worker) => {
                    fleet.observe(worker, MemberState::Stopping);
                    fleet.ended(worker, &Ending::Stopped, now);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn never_more_than_wanted_and_always_enough_once_failures_stop(
            happenings in prop::collection::vec(happening(), 0..60)
        ) {
            let mut fleet = Fleet::default();
            let (mut wanted, mut now, mut next) = (desired(2), Duration::ZERO, 0);
            for happening in happenings {
                let ids: Vec<WorkerId> = fleet.members().map(|(id, _)| id.clone()).collect();
                match happening {
                    Happening::Dies(who, code) => if let Some(id) = ids.get(who) {
                        fleet.ended(id, &Ending::Exited { code }, now);
                    },
                    Happening::Serves(who) => if let Some(id) = ids.get(who) {
                        fleet.observe(id, MemberState::Registered);
                    },
                    Happening::Wait(seconds) => now += Duration::from_secs(seconds),
                    Happening::Want(workers) => wanted = desired(workers),
                }
                let plan = plan(&wanted, &fleet, now);
                carry_out(&plan, &mut fleet, &mut next, now);
                for (role, many) in &wanted.members {
                    prop_assert!(fleet.count(*role) <= *many);
                }
            }
            // Failures have stopped: after the longest wait everything that is wanted is there,
            // and the planner has nothing left to say.
            now += Duration::from_secs(600);
            let last = plan(&wanted, &fleet, now);
            prop_assert_eq!(&last.give_up, &None);
            carry_out(&last, &mut fleet, &mut next, now);
            prop_assert_eq!(plan(&wanted, &fleet, now), Plan::default());
            for (role, many) in &wanted.members {
                prop_assert_eq!(fleet.count(*role), *many);
            }
        }
    }
}
