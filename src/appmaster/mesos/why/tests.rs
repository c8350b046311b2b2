use super::*;
use crate::appmaster::mesos::report::{PauseReport, RecentFailure, WaitingWorker};
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
    }
}

fn why() -> WhyReport {
    WhyReport {
        wanted: 4,
        registered: 1,
        starting: 1,
        mesos: subscribed(),
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
                kind: FailureKind::ImagePull,
                text: "the agent could not get the image: no such host".to_owned(),
            }],
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
