use super::*;
use crate::fleet::{Ending, default_policy};
use flugs_supervise::RestartWhen;
use proptest::prelude::*;

fn id(role: Role, number: usize) -> WorkerId {
    format!("{role}-{number}").parse().unwrap()
}

fn desired(task_managers: usize) -> Desired {
    let members = [(Role::JobManager, 1), (Role::TaskManager, task_managers)].into();
    Desired {
        members,
        restart: default_policy(),
        starts: None,
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
    fleet.add(id(Role::JobManager, 1), Role::JobManager, Duration::ZERO);
    let now = Duration::from_secs(10);
    fleet.add(id(Role::TaskManager, 1), Role::TaskManager, Duration::ZERO);
    fleet.ended(
        &id(Role::TaskManager, 1),
        &Ending::Exited { code: 137 },
        now,
    );
    assert_eq!(
        plan(&desired(1), &fleet, now).actions,
        [Action::Launch(Role::TaskManager)]
    );

    fleet.add(id(Role::TaskManager, 2), Role::TaskManager, Duration::ZERO);
    fleet.ended(&id(Role::TaskManager, 2), &Ending::Exited { code: 1 }, now);
    let waiting = plan(&desired(1), &fleet, now);
    assert_eq!(waiting.actions, []);
    assert_eq!(waiting.next, Some(Duration::from_secs(11)));
}

#[test]
fn a_member_that_was_told_to_stop_is_no_failure_whatever_its_exit_code() {
    let mut fleet = Fleet::default();
    let worker = id(Role::TaskManager, 1);
    fleet.add(worker.clone(), Role::TaskManager, Duration::ZERO);
    fleet.observe(&worker, MemberState::Stopping, Duration::ZERO);
    fleet.observe(&worker, MemberState::Registered, Duration::ZERO);
    fleet.ended(&worker, &Ending::Exited { code: 143 }, Duration::ZERO);
    assert!(fleet.ends(Role::TaskManager).is_empty());
}

#[test]
fn a_job_manager_that_served_and_exits_with_0_has_finished_and_a_worker_never_does() {
    let mut fleet = Fleet::default();
    let job_manager = id(Role::JobManager, 1);
    fleet.add(job_manager.clone(), Role::JobManager, Duration::ZERO);
    fleet.observe(&job_manager, MemberState::Registered, Duration::ZERO);
    // Its web server closes before its process ends.
    fleet.observe(&job_manager, MemberState::Starting, Duration::ZERO);
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
    fleet.add(id(Role::JobManager, 1), Role::JobManager, Duration::ZERO);
    let worker = id(Role::TaskManager, 1);
    fleet.add(worker.clone(), Role::TaskManager, Duration::ZERO);
    fleet.observe(&worker, MemberState::Registered, Duration::ZERO);
    fleet.ended(&worker, &clean, Duration::ZERO);
    let replaced = plan(&desired(1), &fleet, Duration::ZERO);
    assert_eq!(replaced.actions, [Action::Launch(Role::TaskManager)]);
}

#[test]
fn a_launcher_that_refuses_its_input_is_not_tried_again() {
    let mut fleet = Fleet::default();
    let worker = id(Role::TaskManager, 1);
    fleet.add(worker.clone(), Role::TaskManager, Duration::ZERO);
    let code = flugs_base::ExitCode::Configuration.code();
    fleet.ended(&worker, &Ending::Exited { code }, Duration::ZERO);
    let plan = plan(&desired(1), &fleet, Duration::ZERO);
    assert_eq!(plan.give_up, Some(GiveUp::Refused { id: worker, code }));
    assert_eq!(plan.actions, []);
}

#[test]
fn the_same_failure_twice_gives_up_on_the_role() {
    let mut fleet = Fleet::default();
    let job_manager = id(Role::JobManager, 1);
    let likeness = flugs_base::Sha256Digest::of(b"BindException");
    for second in [5, 10] {
        let now = Duration::from_secs(second);
        fleet.add(job_manager.clone(), Role::JobManager, now);
        assert_eq!(plan(&desired(0), &fleet, now).give_up, None);
        let failed = Ending::Failed { code: 1, likeness };
        fleet.ended(&job_manager, &failed, now + Duration::from_secs(3));
    }
    let role = Role::JobManager;
    let plan = plan(&desired(0), &fleet, Duration::from_secs(13));
    assert_eq!(plan.give_up, Some(GiveUp::Hopeless { role }));
    assert_eq!(plan.actions, []);
}

#[test]
fn scaling_down_stops_unregistered_workers_first_and_never_the_job_manager() {
    let mut fleet = Fleet::default();
    fleet.add(id(Role::JobManager, 1), Role::JobManager, Duration::ZERO);
    for number in 1..=3 {
        fleet.add(
            id(Role::TaskManager, number),
            Role::TaskManager,
            Duration::ZERO,
        );
    }
    fleet.observe(
        &id(Role::TaskManager, 1),
        MemberState::Registered,
        Duration::ZERO,
    );
    fleet.observe(
        &id(Role::TaskManager, 3),
        MemberState::Registered,
        Duration::ZERO,
    );
    let plan = plan(&desired(1), &fleet, Duration::ZERO);
    let stops = [id(Role::TaskManager, 2), id(Role::TaskManager, 3)].map(Action::Stop);
    assert_eq!(plan.actions, stops);
}

fn starts() -> StartPolicy {
    StartPolicy {
        registration_timeout: Duration::from_secs(300),
        return_timeout: Duration::from_secs(60),
        loss_timeout: Duration::from_secs(1),
        failures_per_minute: 10,
        retry_interval: Duration::from_secs(3),
        maximum_failed: None,
    }
}

fn elsewhere(task_managers: usize, starts: StartPolicy) -> Desired {
    Desired {
        starts: Some(starts),
        ..desired(task_managers)
    }
}

/// A JobManager that serves since then, and one worker.
fn fleet_of_one(worker: &WorkerId, serves_since: u64) -> Fleet {
    let mut fleet = Fleet::default();
    let job_manager = id(Role::JobManager, 1);
    fleet.add(job_manager.clone(), Role::JobManager, Duration::ZERO);
    let since = Duration::from_secs(serves_since);
    fleet.observe(&job_manager, MemberState::Registered, since);
    fleet.add(worker.clone(), Role::TaskManager, Duration::ZERO);
    fleet
}

#[test]
fn a_worker_that_waits_for_a_place_is_never_late_and_one_that_runs_unregistered_is() {
    let worker = id(Role::TaskManager, 1);
    let mut fleet = fleet_of_one(&worker, 1);
    fleet.observe(&worker, MemberState::Waiting, Duration::ZERO);
    let wanted = elsewhere(1, starts());
    let hours = Duration::from_secs(9999);
    assert_eq!(plan(&wanted, &fleet, hours), Plan::default());

    fleet.observe(&worker, MemberState::Running, hours);
    let due = hours + Duration::from_secs(300);
    let waiting = plan(&wanted, &fleet, hours);
    assert_eq!((waiting.next, waiting.actions.len()), (Some(due), 0));
    let late = plan(&wanted, &fleet, due);
    assert_eq!(late.actions, [Action::GiveUpOn(worker.clone())]);

    fleet.overdue(&worker, due);
    let replaced = plan(&wanted, &fleet, due);
    assert_eq!(replaced.actions, [Action::Launch(Role::TaskManager)]);
    fleet.ended(&worker, &Ending::Elsewhere { blameless: false }, due);
    assert_eq!(fleet.failures(Role::TaskManager), 1);
}

#[test]
fn time_without_a_job_manager_is_no_workers_fault() {
    let worker = id(Role::TaskManager, 1);
    let mut fleet = fleet_of_one(&worker, 1000);
    fleet.observe(&worker, MemberState::Running, Duration::from_secs(1));
    let wanted = elsewhere(1, starts());
    let at = |seconds| plan(&wanted, &fleet, Duration::from_secs(seconds)).actions;
    assert_eq!(at(1299), []);
    assert_eq!(at(1300), [Action::GiveUpOn(worker.clone())]);
    fleet.observe(
        &id(Role::JobManager, 1),
        MemberState::Running,
        Duration::ZERO,
    );
    assert_eq!(plan(&wanted, &fleet, Duration::from_secs(9999)).actions, []);
}

#[test]
fn a_worker_that_had_registered_and_does_not_find_a_new_job_manager_is_given_up_sooner() {
    let worker = id(Role::TaskManager, 1);
    let mut fleet = fleet_of_one(&worker, 150);
    fleet.observe(&worker, MemberState::Registered, Duration::from_secs(5));
    fleet.observe(&worker, MemberState::Running, Duration::from_secs(100));
    let wanted = elsewhere(1, starts());
    let at = |seconds| plan(&wanted, &fleet, Duration::from_secs(seconds)).actions;
    assert_eq!(at(209), []);
    assert_eq!(at(210), [Action::GiveUpOn(worker)]);
}

/// So many workers, each on one of the machines in turn, registered since the tenth second.
fn served(workers: usize, machines: usize) -> Fleet {
    let mut fleet = fleet_of_one(&id(Role::TaskManager, 1), 1);
    for number in 1..=workers {
        let worker = id(Role::TaskManager, number);
        fleet.add(worker.clone(), Role::TaskManager, Duration::ZERO);
        fleet.placed(&worker, &format!("S{}", number % machines));
        fleet.observe(&worker, MemberState::Registered, Duration::from_secs(10));
    }
    fleet
}

fn miss(fleet: &mut Fleet, numbers: impl IntoIterator<Item = usize>, at: u64) {
    for number in numbers {
        let worker = id(Role::TaskManager, number);
        fleet.observe(&worker, MemberState::Running, Duration::from_secs(at));
    }
}

#[test]
fn a_machine_that_is_missed_while_the_rest_is_well_is_lost_within_seconds_and_its_workers_replaced()
{
    let mut fleet = served(4, 2);
    // Both workers of one of the two machines.
    miss(&mut fleet, [2, 4], 100);
    let wanted = elsewhere(4, starts());
    let first = plan(&wanted, &fleet, Duration::from_secs(100));
    assert_eq!(
        (first.actions, first.next),
        (vec![], Some(Duration::from_secs(101)))
    );
    let now = Duration::from_secs(101);
    let lost = [2, 4].map(|number| Action::Lose(id(Role::TaskManager, number)));
    let then = plan(&wanted, &fleet, now);
    assert_eq!(then.actions, lost);
    carry_out(&then, &mut fleet, &mut 10, now);
    let launch = Action::Launch(Role::TaskManager);
    assert_eq!(plan(&wanted, &fleet, now).actions, [launch.clone(), launch]);
    // Nobody's fault: starting does not pause.
    assert_eq!(plan(&wanted, &fleet, now).paused, None);
}

#[test]
fn the_only_machine_may_be_lost_and_of_a_network_that_breaks_nobody_is() {
    let mut alone = served(2, 1);
    miss(&mut alone, 1..=2, 100);
    let lost = plan(&elsewhere(2, starts()), &alone, Duration::from_secs(101));
    assert_eq!(lost.actions.len(), 2);
    let mut broken = served(8, 4);
    // Three of four machines.
    miss(&mut broken, (1..=8).filter(|number| number % 4 > 0), 100);
    let wanted = elsewhere(8, starts());
    assert_eq!(plan(&wanted, &broken, Duration::from_secs(159)).actions, []);
    let later = plan(&wanted, &broken, Duration::from_secs(160));
    assert!(matches!(
        later.actions.as_slice(),
        [Action::GiveUpOn(_), ..]
    ));
}

#[test]
fn one_machine_after_the_other_never_makes_more_than_half_of_them_lost() {
    let mut fleet = served(6, 6);
    let wanted = elsewhere(6, starts());
    for number in 1..=6 {
        let now = Duration::from_secs(100 + 10 * number as u64);
        miss(&mut fleet, [number], now.as_secs());
        let then = plan(&wanted, &fleet, now + Duration::from_secs(5));
        for action in then.actions {
            if let Action::Lose(worker) = action {
                fleet.lost(&worker, now);
            }
        }
    }
    let lost = fleet
        .members()
        .filter(|(_, one)| one.state == MemberState::Lost);
    assert_eq!(lost.count(), 3);
}

#[test]
fn who_comes_back_has_not_failed_and_of_too_many_the_idle_one_goes() {
    for idle in [1, 2] {
        let mut fleet = served(1, 1);
        let old = id(Role::TaskManager, 1);
        let new = id(Role::TaskManager, 2);
        fleet.lost(&old, Duration::from_secs(100));
        assert_eq!(fleet.failures(Role::TaskManager), 1);
        fleet.add(new.clone(), Role::TaskManager, Duration::from_secs(100));
        fleet.observe(&new, MemberState::Registered, Duration::from_secs(110));
        // Until Flink knows it again, it is lost, whatever its process does.
        fleet.observe(&old, MemberState::Running, Duration::from_secs(115));
        let wanted = elsewhere(1, starts());
        assert_eq!(plan(&wanted, &fleet, Duration::from_secs(115)).actions, []);
        fleet.observe(&old, MemberState::Registered, Duration::from_secs(120));
        assert_eq!(fleet.failures(Role::TaskManager), 0);
        let goes = id(Role::TaskManager, idle);
        fleet.idles(&goes, true);
        let then = plan(&wanted, &fleet, Duration::from_secs(120));
        assert_eq!(then.actions, [Action::Stop(goes)]);
    }
}

#[test]
fn nobody_who_runs_is_stopped_for_being_too_many_before_it_is_known_who_works() {
    let mut fleet = served(2, 2);
    miss(&mut fleet, [1], 100);
    let wanted = elsewhere(1, starts());
    assert_eq!(
        plan(&wanted, &fleet, Duration::from_secs(100)).actions,
        [Action::Stop(id(Role::TaskManager, 2))]
    );
    miss(&mut fleet, [2], 100);
    fleet.observe(
        &id(Role::JobManager, 1),
        MemberState::Running,
        Duration::from_secs(100),
    );
    assert_eq!(plan(&wanted, &fleet, Duration::from_secs(9999)).actions, []);
}

#[test]
fn what_is_lost_and_runs_without_serving_is_stopped_and_what_is_unreachable_is_not() {
    let mut fleet = served(1, 1);
    let worker = id(Role::TaskManager, 1);
    fleet.lost(&worker, Duration::from_secs(100));
    fleet.reached(&worker, false, Duration::from_secs(100));
    let wanted = elsewhere(0, starts());
    assert_eq!(plan(&wanted, &fleet, Duration::from_secs(9999)).actions, []);
    fleet.reached(&worker, true, Duration::from_secs(9999));
    let at = |seconds| plan(&wanted, &fleet, Duration::from_secs(seconds)).actions;
    assert_eq!(at(9999 + 59), []);
    assert_eq!(at(9999 + 60), [Action::Stop(worker.clone())]);
    fleet.overdue(&worker, Duration::from_secs(9999));
    assert_eq!(fleet.failures(Role::TaskManager), 1);
}

#[test]
fn workers_are_moved_off_a_machine_one_by_one_and_never_fewer_serve() {
    let mut fleet = served(4, 2);
    // Two on S1, two on S0; S1 is to be left.
    fleet.leave("S1", true);
    let wanted = elsewhere(4, starts());
    let mut now = Duration::from_secs(100);
    let mut next = 10;
    let mut moved = Vec::new();
    while fleet.members().any(|(_, one)| fleet.is_leaving(one)) {
        now += Duration::from_secs(1);
        let step = plan(&wanted, &fleet, now);
        assert_eq!(step.actions.len(), 1, "{step:?}");
        moved.push(format!("{:?}", step.actions[0]));
        let before = next;
        carry_out(&step, &mut fleet, &mut next, now);
        if next > before {
            // Until it serves nothing else happens.
            assert_eq!(plan(&wanted, &fleet, now).actions, []);
            let new = id(Role::TaskManager, next);
            fleet.placed(&new, "S0");
            fleet.observe(&new, MemberState::Registered, now);
        }
        let serve =
            |one: &Member| one.role == Role::TaskManager && one.state == MemberState::Registered;
        assert!(fleet.members().filter(|(_, one)| serve(one)).count() >= 4);
    }
    assert_eq!(moved.len(), 4, "{moved:?}");
    assert_eq!(plan(&wanted, &fleet, now).actions, []);
    assert_eq!(fleet.failures(Role::TaskManager), 0);
}

#[test]
fn without_room_elsewhere_a_worker_stays_where_it_is_and_a_plan_that_is_dropped_moves_nobody() {
    let mut fleet = served(1, 1);
    fleet.leave("S0", true);
    let wanted = elsewhere(1, starts());
    let now = Duration::from_secs(100);
    let step = plan(&wanted, &fleet, now);
    assert_eq!(step.actions, [Action::Launch(Role::TaskManager)]);
    carry_out(&step, &mut fleet, &mut 1, now);
    let new = id(Role::TaskManager, 2);
    fleet.observe(&new, MemberState::Waiting, now);
    assert_eq!(plan(&wanted, &fleet, Duration::from_secs(9999)).actions, []);
    fleet.leave("S0", false);
    assert_eq!(plan(&wanted, &fleet, now).actions, [Action::Stop(new)]);
}

#[test]
fn a_planned_end_is_no_failure_and_is_replaced_at_once() {
    let mut fleet = served(1, 1);
    let policy = StartPolicy {
        maximum_failed: Some(0),
        ..starts()
    };
    let now = Duration::from_secs(100);
    fleet.ended(&id(Role::TaskManager, 1), &Ending::Planned, now);
    assert_eq!(fleet.failures(Role::TaskManager), 0);
    assert!(fleet.ends(Role::TaskManager).is_empty());
    let then = plan(&elsewhere(1, policy), &fleet, now);
    assert_eq!(then.actions, [Action::Launch(Role::TaskManager)]);
    assert_eq!(then.give_up, None);
}

#[test]
fn mesos_maximum_failed_tasks_ends_the_cluster_with_the_first_failure_above_it() {
    let policy = StartPolicy {
        maximum_failed: Some(2),
        ..starts()
    };
    let mut fleet = Fleet::default();
    fleet.add(id(Role::JobManager, 1), Role::JobManager, Duration::ZERO);
    for number in 1..=3 {
        assert_eq!(
            plan(&elsewhere(1, policy), &fleet, Duration::ZERO).give_up,
            None
        );
        let worker = id(Role::TaskManager, number);
        fleet.add(worker.clone(), Role::TaskManager, Duration::ZERO);
        let lost = Ending::Elsewhere { blameless: true };
        fleet.ended(&worker, &lost, Duration::ZERO);
    }
    let given_up = plan(&elsewhere(1, policy), &fleet, Duration::ZERO);
    let too_many = GiveUp::TooManyFailed {
        failed: 3,
        allowed: 2,
    };
    assert_eq!(given_up.give_up, Some(too_many));
    assert_eq!(given_up.actions, []);
}

#[test]
fn starts_that_fail_over_and_over_pause_and_never_exhaust_anything() {
    let mut fleet = Fleet::default();
    fleet.add(id(Role::JobManager, 1), Role::JobManager, Duration::ZERO);
    let now = Duration::from_secs(7);
    for number in 1..=50 {
        let worker = id(Role::TaskManager, number);
        fleet.add(worker.clone(), Role::TaskManager, now);
        fleet.ended(&worker, &Ending::Elsewhere { blameless: false }, now);
    }
    let plan = plan(&elsewhere(4, starts()), &fleet, now);
    assert_eq!((plan.actions.len(), plan.paused), (0, Some(50)));
    assert_eq!(plan.next, Some(Duration::from_secs(67)));
    assert_eq!(plan.give_up, None);
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
                fleet.add(id(*role, *next), *role, now);
            }
            Action::Stop(worker) => {
                fleet.observe(worker, MemberState::Stopping, now);
                fleet.ended(worker, &Ending::Stopped, now);
            }
            Action::GiveUpOn(worker) => {
                fleet.overdue(worker, now);
                fleet.ended(worker, &Ending::Stopped, now);
            }
            Action::Lose(worker) => fleet.lost(worker, now),
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
                    fleet.observe(id, MemberState::Registered, Duration::ZERO);
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
