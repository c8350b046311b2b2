use super::*;
use crate::appmaster::mesos::report::{
    DemandReport, JobDemandReport, LostWorker, PauseReport, RecentFailure, SlotLimitReport,
    WaitingWorker,
};
use crate::provider::mesos::failure::FailureKind;

fn subscribed() -> ContactReport {
    ContactReport {
        phase: ContactPhaseReport::Subscribed,
        seconds: 754,
        framework: Some("F".to_owned()),
        reason: None,
        offers: 31,
        last_offer_seconds: Some(4),
    }
}

fn refusal(hostname: &str, reasons: &[&str]) -> RefusalReport {
    RefusalReport {
        agent: format!("{hostname}-S0"),
        hostname: hostname.to_owned(),
        reasons: reasons.iter().map(|one| (*one).to_owned()).collect(),
    }
}

fn waiting(refusals: Vec<RefusalReport>) -> WaitingReport {
    WaitingReport {
        profile: "default".to_owned(),
        wants: "2 cpus, 1728 mem, 2 ports".to_owned(),
        workers: vec![
            WaitingWorker {
                id: "taskmanager-3".to_owned(),
                seconds: 65,
                again: None,
            },
            WaitingWorker {
                id: "taskmanager-4".to_owned(),
                seconds: 3,
                again: Some("the launch did not happen: Offer O41 is no longer valid".to_owned()),
            },
        ],
        refusals,
        held_back: None,
    }
}

fn why() -> WhyReport {
    WhyReport {
        leader: None,
        wanted: 4,
        registered: 1,
        demand: None,
        starting: 1,
        lost: Vec::new(),
        maintenance: Vec::new(),
        mesos: subscribed(),
        zookeeper: Vec::new(),
        paused: None,
        waiting: Vec::new(),
        failures: FailuresReport::default(),
    }
}

#[test]
fn refusals_stand_together_by_reason_and_name_what_is_missing() {
    let scarce = "cpus: 2 wanted, 1 offered";
    let report = WhyReport {
        waiting: vec![waiting(vec![
            refusal("agent1", &[scarce]),
            refusal(
                "agent2",
                &["the constraint rack:IS:r1", "mem: 1728 wanted, 512 offered"],
            ),
            refusal("agent3", &[scarce]),
            refusal("agent4", &[scarce]),
            refusal("agent5", &[scarce]),
        ])],
        ..why()
    };
    insta::assert_snapshot!(report.text());
}

#[test]
fn a_master_that_makes_no_offers_is_named_as_the_reason() {
    let report = WhyReport {
        mesos: ContactReport {
            offers: 0,
            last_offer_seconds: None,
            ..subscribed()
        },
        waiting: vec![waiting(Vec::new())],
        ..why()
    };
    insta::assert_snapshot!(report.text());
}

#[test]
fn without_contact_the_way_to_the_master_is_the_reason() {
    let report = WhyReport {
        mesos: ContactReport {
            phase: ContactPhaseReport::Disconnected,
            seconds: 12,
            reason: Some("the master m1:5050 cannot be reached: connection refused".to_owned()),
            ..subscribed()
        },
        waiting: vec![waiting(Vec::new())],
        ..why()
    };
    insta::assert_snapshot!(report.text());
}

#[test]
fn failed_starts_pause_and_are_told_with_their_causes() {
    let report = WhyReport {
        starting: 0,
        paused: Some(PauseReport {
            failed: 10,
            seconds: 42,
            missing: 3,
        }),
        failures: FailuresReport {
            total: 12,
            allowed: Some(20),
            recent: vec![RecentFailure {
                seconds_ago: 18,
                worker: "taskmanager-9".to_owned(),
                task: "taskmanager-9-17".to_owned(),
                hostname: "agent1".to_owned(),
                agent: "A-S1".to_owned(),
                kind: FailureKind::ImagePull,
                text: "the agent could not get the image: no such host".to_owned(),
            }],
            planned: Vec::new(),
        },
        ..why()
    };
    insta::assert_snapshot!(report.text());
}

#[test]
fn nothing_is_wrong_when_all_are_there() {
    let report = WhyReport {
        registered: 4,
        starting: 0,
        ..why()
    };
    assert_eq!(report.text(), "4 of 4 workers are registered.");
}

fn demand() -> DemandReport {
    DemandReport {
        required_slots: 0,
        least_slots: 0,
        used_slots: 0,
        profile: "default".to_owned(),
        slots_per_worker: 2,
        workers: 1,
        minimum: 1,
        redundant: 0,
        limit: None,
        held: false,
        jobs: Vec::new(),
    }
}

fn job(name: &str, slots: u32, least: u32) -> JobDemandReport {
    JobDemandReport {
        id: "f808a16a".to_owned(),
        name: name.to_owned(),
        state: "RUNNING".to_owned(),
        slots,
        least,
        known: true,
    }
}

#[test]
fn without_jobs_the_workers_are_those_that_are_always_kept() {
    let report = WhyReport {
        wanted: 1,
        registered: 3,
        starting: 0,
        demand: Some(demand()),
        ..why()
    };
    insta::assert_snapshot!(report.text(), @"
    3 workers are registered, of which 1 is wanted.
    No job requires slots: 1 worker of the profile default is always kept.
    ");
}

#[test]
fn jobs_are_told_with_their_slots_and_what_stands_in_their_way() {
    let told = DemandReport {
        required_slots: 9,
        least_slots: 5,
        workers: 2,
        redundant: 1,
        limit: Some(SlotLimitReport {
            option: "slotmanager.number-of-slots.max".to_owned(),
            slots: 4,
            workers_without: 6,
        }),
        jobs: vec![job("orders", 4, 4), job("clicks", 5, 1)],
        ..demand()
    };
    insta::assert_snapshot!(told.text(), @"
    2 jobs require 9 slots (orders 4, clicks 1 to 5): 2 workers of the profile default with 2 slots each, 1 of them redundant.
    slotmanager.number-of-slots.max allows 4 slots: 2 of the 6 workers that this takes are wanted. Jobs cannot run with fewer than 5 slots.
    ");
}

#[test]
fn a_job_whose_needs_are_not_known_is_named_as_what_is_waited_for() {
    let unknown = JobDemandReport {
        state: "INITIALIZING".to_owned(),
        known: false,
        ..job("orders", 0, 0)
    };
    let told = DemandReport {
        held: true,
        jobs: vec![unknown],
        ..demand()
    };
    insta::assert_snapshot!(told.text(), @"
    No job requires slots: 1 worker of the profile default is always kept.
    No worker goes at the moment: it is not known yet what these need: orders (INITIALIZING).
    ");
}

#[test]
fn who_stands_by_says_who_leads_and_nothing_of_workers() {
    let leader = crate::store::Contender {
        host: "master1".to_owned(),
        web_url: "http://master1:8081".to_owned(),
        pid: 7,
    };
    let report = WhyReport {
        leader: Some(leader),
        ..why()
    };
    assert_eq!(
        report.text(),
        "This application master stands by: the one on master1 (process 7, http://master1:8081) leads."
    );
}

#[test]
fn a_job_that_wants_more_than_is_allowed_is_told_behind_the_workers() {
    let report = WhyReport {
        wanted: 2,
        registered: 2,
        starting: 0,
        demand: Some(DemandReport {
            required_slots: 3,
            least_slots: 1,
            slots_per_worker: 1,
            workers: 2,
            limit: Some(SlotLimitReport {
                option: "slotmanager.number-of-slots.max".to_owned(),
                slots: 2,
                workers_without: 3,
            }),
            jobs: vec![job("orders", 3, 1)],
            ..demand()
        }),
        ..why()
    };
    insta::assert_snapshot!(report.text(), @"
    2 of 2 workers are registered.
    1 job requires 3 slots (orders 1 to 3): 2 workers of the profile default with 1 slot each.
    slotmanager.number-of-slots.max allows 2 slots: 2 of the 3 workers that this takes are wanted.
    ");
}

#[test]
fn what_is_lost_and_what_operators_ended_is_told_as_that() {
    let report = WhyReport {
        starting: 0,
        lost: vec![LostWorker {
            id: "taskmanager-2".to_owned(),
            task: "taskmanager-2-7".to_owned(),
            hostname: "agent2".to_owned(),
            seconds: 63,
            task_state: Some("TASK_RUNNING".to_owned()),
        }],
        failures: FailuresReport {
            total: 1,
            planned: vec![RecentFailure {
                seconds_ago: 5,
                worker: "taskmanager-1".to_owned(),
                task: "taskmanager-1-1".to_owned(),
                hostname: "agent1".to_owned(),
                agent: "A-S1".to_owned(),
                kind: FailureKind::Drained,
                text: "its agent is being drained".to_owned(),
            }],
            ..FailuresReport::default()
        },
        ..why()
    };
    insta::assert_snapshot!(report.text(), @"
    1 of 4 workers are registered, 1 is lost.
    taskmanager-2-7 on agent2 has been lost for 1 min 3 s: Flink does not know it, and Mesos says TASK_RUNNING. Another one is wanted in its place.

    Ended by those who run the agents, which is no failure; the last:
      taskmanager-1-1 on agent1, 5 s ago: its agent is being drained
    ");
}

fn failed(number: usize, text: &str) -> RecentFailure {
    RecentFailure {
        seconds_ago: 10 * number as u64,
        worker: format!("taskmanager-{number}"),
        task: format!("taskmanager-{number}-{number}"),
        hostname: format!("agent{number}"),
        agent: format!("A-S{number}"),
        kind: FailureKind::Exited,
        text: text.to_owned(),
    }
}

#[test]
fn equal_failures_are_folded_and_what_they_exited_with_tells_them_apart() {
    let late = |number: usize| {
        format!(
            "it has not been registered for {}{number} s, and Mesos says TASK_RUNNING",
            number * 7
        )
    };
    let report = FailuresReport {
        total: 17,
        recent: (1..=12)
            .map(|number| failed(number, "its process ended: Command exited with status 1"))
            .chain([failed(
                13,
                "its process ended: Command exited with status 2",
            )])
            .chain((14..=15).map(|number| failed(number, &late(number))))
            .collect(),
        planned: (16..=17)
            .map(|number| failed(number, "its agent is being drained"))
            .collect(),
        allowed: None,
    };
    insta::assert_snapshot!(report.text(10), @"
    Ended by those who run the agents, which is no failure; the last:
      2 workers ended likewise, the last 2 min 40 s ago: its agent is being drained
        taskmanager-16-16 on agent16, taskmanager-17-17 on agent17

    17 workers have failed; the last:
      12 workers failed likewise, the last 10 s ago: its process ended: Command exited with status 1
        taskmanager-1-1 on agent1, taskmanager-2-2 on agent2, taskmanager-3-3 on agent3, taskmanager-4-4 on agent4, taskmanager-5-5 on agent5, taskmanager-6-6 on agent6, taskmanager-7-7 on agent7, taskmanager-8-8 on agent8, taskmanager-9-9 on agent9, taskmanager-10-10 on agent10 and 2 more
      taskmanager-13-13 on agent13, 2 min 10 s ago: its process ended: Command exited with status 2
      2 workers failed likewise, the last 2 min 20 s ago: it has not been registered for 9814 s, and Mesos says TASK_RUNNING
        taskmanager-14-14 on agent14, taskmanager-15-15 on agent15
    ");
    assert!(!report.text(1).contains("status 2"));
}

#[test]
fn a_quota_is_suspected_where_an_agent_has_offered_more_before() {
    let mut waiting = waiting(vec![refusal("agent1", &["cpus: 2 wanted, 1 offered"])]);
    waiting.workers.truncate(1);
    waiting.held_back = Some(HeldBackReport {
        agent: "A-S1".to_owned(),
        hostname: "agent1".to_owned(),
        resource: "cpus".to_owned(),
        before: 4.0,
        now: 1.0,
        role: "flink".to_owned(),
    });
    let report = WhyReport {
        waiting: vec![waiting],
        ..why()
    };
    insta::assert_snapshot!(report.text(), @"
    1 of 4 workers are registered, 1 is on the way, 1 waits for an offer.
    The Mesos master has made 31 offers in 12 min 34 s, the last 4 s ago.

    Profile default, which wants 2 cpus, 1728 mem, 2 ports:
      taskmanager-3 has waited 1 min 5 s
      The last offers were not used:
        agent1: cpus: 2 wanted, 1 offered
      Of agent1 this framework could have cpus: 4 before, and can have 1 now, its own tasks included: a quota of the role flink may limit what it is offered (GET_QUOTA on the master says), or others hold the rest.
    ");
}
