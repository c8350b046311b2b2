//! The machine's decisions, one behaviour a test, on a clock of the test's own.

use super::super::Reason;
use super::*;

const GRACE: u64 = 9;

fn at(seconds: u64) -> Moment {
    Moment::at(Duration::from_secs(seconds))
}

fn killed() -> Ended {
    Ended::Signaled {
        signal: Signal::KILL,
        core: false,
    }
}

fn terminated() -> Ended {
    Ended::Signaled {
        signal: Signal::TERM,
        core: false,
    }
}

fn machine_with(stop: StopPolicy, when: RestartWhen, interactive: bool) -> Machine {
    let restart = RestartPolicy {
        when,
        jitter: 0.0,
        ceiling: 2,
        ..RestartPolicy::default()
    };
    let mut machine = Machine::new(stop, restart, Duration::from_secs(3), interactive);
    assert_eq!(machine.begin(), [Action::Start]);
    machine.started(7, at(0));
    machine
}

fn machine(when: RestartWhen) -> Machine {
    machine_with(StopPolicy::default(), when, false)
}

/// The leader ends and nothing else is left.
fn end(machine: &mut Machine, ended: Ended, now: u64) -> Vec<Action> {
    machine.leader_ended(ended);
    machine.reaped(false, at(now), 0.0)
}

fn finished(actions: &[Action]) -> Verdict {
    match actions.last() {
        Some(Action::Finish(verdict)) => *verdict,
        other => panic!("not finished: {other:?}"),
    }
}

#[test]
fn exit_codes_and_deaths_pass_through() {
    for code in 0..=255 {
        let verdict = finished(&end(
            &mut machine(RestartWhen::Never),
            Ended::Exited(code),
            1,
        ));
        assert_eq!(verdict.code(), code);
    }
    let verdict = finished(&end(&mut machine(RestartWhen::Never), killed(), 1));
    assert_eq!((verdict.code(), verdict.reason()), (137, Reason::Signaled));
}

#[test]
fn signals_other_than_term_and_int_are_passed_on_and_nothing_else() {
    let mut machine = machine(RestartWhen::Never);
    for signal in Signal::forwarded().filter(|s| *s != Signal::TERM && *s != Signal::INT) {
        assert_eq!(
            machine.signal(signal, at(1)),
            [Action::SignalGroup(7, signal)]
        );
        assert_eq!(machine.deadline(), None, "{signal}");
    }
}

#[test]
fn term_is_passed_on_and_after_the_grace_the_group_and_then_the_rest_are_killed() {
    let mut machine = machine(RestartWhen::Never);
    let term = [Action::SignalGroup(7, Signal::TERM)];
    assert_eq!(machine.signal(Signal::TERM, at(1)), term);
    assert_eq!(machine.deadline(), Some(at(1 + GRACE)));
    assert_eq!(machine.tick(at(GRACE), 0.0), []);
    let actions = machine.tick(at(1 + GRACE), 0.0);
    assert_eq!(actions[0], Action::SignalGroup(7, Signal::KILL));
    assert_eq!(actions[1], Action::SignalOthers(Signal::KILL));
    assert!(matches!(actions[3], Action::ReportEarly(_)), "{actions:?}");
    let verdict = finished(&end(&mut machine, killed(), 11));
    assert_eq!((verdict.code(), verdict.reason()), (137, Reason::Killed));
}

#[test]
fn a_second_term_is_passed_on_and_does_not_change_the_deadline() {
    let mut machine = machine_with(StopPolicy::default(), RestartWhen::Never, true);
    machine.signal(Signal::TERM, at(1));
    for second in 2..9 {
        let term = [Action::SignalGroup(7, Signal::TERM)];
        assert_eq!(machine.signal(Signal::TERM, at(second)), term);
        assert_eq!(machine.deadline(), Some(at(1 + GRACE)));
    }
}

#[test]
fn a_second_int_kills_at_once_at_a_terminal_only() {
    for interactive in [true, false] {
        let mut machine = machine_with(StopPolicy::default(), RestartWhen::Never, interactive);
        machine.signal(Signal::INT, at(1));
        let actions = machine.signal(Signal::INT, at(2));
        let kill = actions[0] == Action::SignalGroup(7, Signal::KILL);
        assert_eq!(kill, interactive, "{actions:?}");
    }
}

#[test]
fn a_clean_stop_on_request_is_0_whether_the_program_handles_the_signal_or_dies_of_it() {
    for ended in [Ended::Exited(0), Ended::Exited(143), terminated()] {
        let mut machine = machine(RestartWhen::Always);
        machine.signal(Signal::TERM, at(1));
        let verdict = finished(&end(&mut machine, ended, 2));
        assert_eq!((verdict.code(), verdict.reason()), (0, Reason::Stopped));
    }
}

#[test]
fn exit_code_on_stop_can_be_the_programs_own_or_any_other() {
    for (on_stop, code) in [(ExitOnStop::Child, 143), (ExitOnStop::Code(7), 7)] {
        let stop = StopPolicy {
            exit_code_on_stop: on_stop,
            ..StopPolicy::default()
        };
        let mut machine = machine_with(stop, RestartWhen::Never, false);
        machine.signal(Signal::TERM, at(1));
        assert_eq!(
            finished(&end(&mut machine, Ended::Exited(143), 2)).code(),
            code
        );
    }
}

#[test]
fn a_failure_while_stopping_is_not_hidden() {
    let mut machine = machine(RestartWhen::Never);
    machine.signal(Signal::TERM, at(1));
    let verdict = finished(&end(&mut machine, Ended::Exited(1), 2));
    assert_eq!((verdict.code(), verdict.reason()), (1, Reason::StopFailed));
}

#[test]
fn the_stop_signal_replaces_the_one_that_came_and_counts_as_clean() {
    let stop = StopPolicy {
        signal: Some(Signal::QUIT),
        ..StopPolicy::default()
    };
    let mut machine = machine_with(stop, RestartWhen::Never, false);
    let quit = [Action::SignalGroup(7, Signal::QUIT)];
    assert_eq!(machine.signal(Signal::TERM, at(1)), quit);
    assert_eq!(
        finished(&end(&mut machine, Ended::Exited(131), 2)).code(),
        0
    );
}

#[test]
fn processes_left_behind_get_term_and_then_kill_before_the_exit() {
    let mut machine = machine(RestartWhen::Never);
    machine.leader_ended(Ended::Exited(3));
    let asked = [Action::SignalOthers(Signal::TERM)];
    assert_eq!(machine.reaped(true, at(5), 0.0), asked);
    assert_eq!(machine.reaped(true, at(6), 0.0), [], "asked once");
    assert_eq!(machine.deadline(), Some(at(5 + GRACE)));
    let actions = machine.tick(at(5 + GRACE), 0.0);
    assert_eq!(actions[0], Action::SignalOthers(Signal::KILL));
    let again = [Action::SignalOthers(Signal::KILL)];
    assert_eq!(
        machine.reaped(true, at(15), 0.0),
        again,
        "a fork may have raced"
    );
    assert_eq!(
        finished(&machine.reaped(false, at(15), 0.0)),
        Verdict::Ended(Ended::Exited(3))
    );
}

#[test]
fn what_a_stopped_program_leaves_behind_has_only_the_rest_of_the_same_grace() {
    let mut machine = machine(RestartWhen::Never);
    machine.signal(Signal::TERM, at(1));
    machine.leader_ended(Ended::Exited(0));
    machine.reaped(true, at(6), 0.0);
    assert_eq!(machine.deadline(), Some(at(1 + GRACE)));
}

#[test]
fn a_process_that_survives_sigkill_does_not_hold_the_exit_for_ever() {
    let mut machine = machine(RestartWhen::Always);
    machine.signal(Signal::TERM, at(0));
    machine.tick(at(GRACE), 0.0);
    let mut now = at(GRACE);
    let mut rounds = 0;
    while machine.deadline().is_some() {
        now = machine.deadline().unwrap();
        machine.tick(now, 0.0);
        rounds += 1;
    }
    assert!(now <= at(GRACE) + KILL_PATIENCE + KILL_AGAIN);
    assert!(rounds > 10, "{rounds}");
}

#[test]
fn a_stop_before_the_start_starts_nothing() {
    let mut machine = Machine::new(
        StopPolicy::default(),
        RestartPolicy::default(),
        Duration::ZERO,
        false,
    );
    assert_eq!(machine.signal(Signal::HUP, at(0)), []);
    let verdict = finished(&machine.signal(Signal::TERM, at(0)));
    assert_eq!(verdict.code(), 95);
    assert_eq!(machine.begin(), []);
}

#[test]
fn never_on_failure_and_always_restart_after_the_ends_they_name() {
    for (when, ended, restarts) in [
        (RestartWhen::Never, Ended::Exited(1), false),
        (RestartWhen::OnFailure, Ended::Exited(0), false),
        (RestartWhen::OnFailure, Ended::Exited(1), true),
        (RestartWhen::OnFailure, killed(), true),
        (RestartWhen::Always, Ended::Exited(0), true),
    ] {
        let mut machine = machine(when);
        let actions = end(&mut machine, ended, 1);
        assert_eq!(
            matches!(actions[0], Action::Note(Note::Restarting { .. })),
            restarts
        );
        if restarts {
            assert_eq!(
                machine.tick(machine.deadline().unwrap(), 0.0),
                [Action::Start]
            );
        }
    }
}

#[test]
fn restarting_gives_up_at_the_ceiling_with_its_own_code() {
    let mut machine = machine(RestartWhen::OnFailure);
    for run in 0..2 {
        end(&mut machine, Ended::Exited(1), run);
        assert_eq!(machine.tick(at(1000), 0.0), [Action::Start]);
        machine.started(8, at(1000));
    }
    let verdict = finished(&end(&mut machine, Ended::Exited(5), 1001));
    assert_eq!(verdict.code(), 91);
    assert_eq!(verdict.ended(), Some(Ended::Exited(5)));
}

#[test]
fn two_brief_runs_that_failed_alike_are_the_last_and_one_is_not() {
    let ended = Some(Ended::Exited(1));
    let mut machine = machine(RestartWhen::OnFailure);
    assert_eq!(machine.failed_alike(ended), [], "it is running");
    end(&mut machine, Ended::Exited(1), 1);
    assert_eq!(machine.failed_alike(ended), [], "the first of its kind");
    machine.tick(at(100), 0.0);
    machine.started(8, at(100));
    end(&mut machine, Ended::Exited(1), 103);
    let verdict = finished(&machine.failed_alike(ended));
    assert_eq!(
        (verdict.code(), verdict.reason()),
        (91, Reason::RestartsExhausted)
    );
    assert_eq!(verdict.ended(), ended);

    let mut machine = self::machine(RestartWhen::OnFailure);
    end(&mut machine, Ended::Exited(1), 1);
    machine.tick(at(100), 0.0);
    machine.started(8, at(100));
    end(&mut machine, Ended::Exited(1), 1000);
    assert_eq!(machine.failed_alike(ended), [], "it ran for a while");
}

#[test]
fn a_stop_between_two_runs_ends_at_once_and_clean() {
    let mut machine = machine(RestartWhen::Always);
    end(&mut machine, Ended::Exited(1), 1);
    assert_eq!(finished(&machine.signal(Signal::TERM, at(1))).code(), 0);
}

#[test]
fn nothing_is_restarted_once_a_stop_was_asked_for() {
    let mut machine = machine(RestartWhen::Always);
    machine.leader_ended(Ended::Exited(1));
    machine.reaped(true, at(1), 0.0);
    machine.signal(Signal::TERM, at(2));
    assert_eq!(finished(&machine.reaped(false, at(3), 0.0)).code(), 1);
}

#[test]
fn a_program_that_cannot_be_started_is_not_tried_again_at_first_but_is_later() {
    let restart = RestartPolicy {
        when: RestartWhen::Always,
        ..RestartPolicy::default()
    };
    let mut machine = Machine::new(StopPolicy::default(), restart, Duration::ZERO, false);
    assert_eq!(finished(&machine.start_failed(at(0), 0.0)).code(), 90);
    let mut machine = self::machine(RestartWhen::Always);
    end(&mut machine, Ended::Exited(1), 1);
    machine.tick(at(100), 0.0);
    let actions = machine.start_failed(at(100), 0.0);
    assert!(matches!(actions[0], Action::Note(Note::Restarting { .. })));
}

#[test]
fn an_unhealthy_program_is_dumped_then_stopped_then_reported_or_restarted() {
    for (when, restarts) in [(RestartWhen::Never, false), (RestartWhen::OnFailure, true)] {
        let mut machine = machine(when);
        assert_eq!(
            machine.unhealthy(at(10)),
            [Action::SignalLeader(7, Signal::QUIT)]
        );
        assert_eq!(machine.unhealthy(at(11)), [], "told once");
        let term = [Action::SignalGroup(7, Signal::TERM)];
        assert_eq!(machine.tick(at(13), 0.0), term);
        machine.tick(at(13 + GRACE), 0.0);
        let actions = end(&mut machine, killed(), 23);
        if restarts {
            assert!(matches!(actions[0], Action::Note(Note::Restarting { .. })));
        } else {
            assert_eq!(finished(&actions).code(), 92);
        }
    }
}

#[test]
fn a_program_whose_peer_died_is_started_anew_at_once_and_has_not_failed() {
    for (when, ended) in [
        (RestartWhen::Never, terminated()),
        (RestartWhen::OnFailure, Ended::Exited(143)),
        (RestartWhen::Never, Ended::Exited(0)),
    ] {
        let mut machine = machine(when);
        let term = [Action::SignalGroup(7, Signal::TERM)];
        assert_eq!(machine.renew(at(10)), term);
        assert_eq!(machine.renew(at(11)), [], "told once");
        assert_eq!(machine.deadline(), Some(at(12)), "it has nothing to save");
        assert_eq!(end(&mut machine, ended, 11), []);
        assert_eq!(machine.tick(at(11), 0.0), [Action::Start]);
        machine.started(8, at(11));
        assert_eq!(machine.restarts(), 0);
        let actions = end(&mut machine, Ended::Exited(3), 90);
        if when == RestartWhen::Never {
            assert_eq!(finished(&actions).code(), 3, "its own end is its own");
        }
    }
}

#[test]
fn a_stop_while_a_program_is_being_started_anew_is_a_stop() {
    for ended_before in [false, true] {
        let mut machine = machine(RestartWhen::Never);
        machine.renew(at(10));
        if ended_before {
            end(&mut machine, terminated(), 11);
            let actions = machine.signal(Signal::TERM, at(11));
            assert_eq!(finished(&actions).code(), 0);
        } else {
            machine.signal(Signal::TERM, at(11));
            let actions = end(&mut machine, terminated(), 12);
            assert_eq!(finished(&actions).code(), 0);
        }
    }
}

#[test]
fn a_stop_during_the_dump_or_the_stop_of_an_unhealthy_program_is_a_stop() {
    for ticks in [false, true] {
        let mut machine = machine(RestartWhen::Always);
        machine.unhealthy(at(10));
        if ticks {
            machine.tick(at(13), 0.0);
        }
        machine.signal(Signal::TERM, at(14));
        assert!(machine.deadline().unwrap() <= at(14 + GRACE));
        assert_eq!(
            finished(&end(&mut machine, Ended::Exited(143), 15)).code(),
            0
        );
    }
}

#[test]
fn the_parents_end_stops_the_program_in_order_with_its_own_code() {
    let mut machine = machine(RestartWhen::Always);
    let actions = machine.parent_gone(at(1));
    assert_eq!(actions[1], Action::SignalGroup(7, Signal::TERM));
    assert_eq!(machine.parent_gone(at(2)), []);
    assert_eq!(finished(&end(&mut machine, terminated(), 3)).code(), 94);
}

#[test]
fn a_thousand_terms_change_nothing_after_the_first() {
    let mut machine = machine(RestartWhen::Never);
    for _ in 0..1000 {
        machine.signal(Signal::TERM, at(1));
    }
    assert_eq!(machine.deadline(), Some(at(1 + GRACE)));
    assert_eq!(finished(&end(&mut machine, Ended::Exited(0), 2)).code(), 0);
}
