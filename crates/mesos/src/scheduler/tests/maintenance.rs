//! Agents that go into maintenance: what is started there, and what is answered.

use super::*;
use crate::wire::{InverseOffer, InverseOffers, Nanoseconds, RescindInverseOffer, Unavailability};

/// The time since the epoch at the scheduler's zero.
const EPOCH: i64 = 1_796_014_537;

fn unavailability(after: i64, lasts: Option<i64>) -> Unavailability {
    let nanoseconds = |seconds: i64| Nanoseconds {
        nanoseconds: seconds * 1_000_000_000,
    };
    Unavailability {
        start: nanoseconds(EPOCH + after),
        duration: lasts.map(nanoseconds),
    }
}

impl Bench {
    fn planned(mut self) -> Self {
        let since_epoch = Duration::from_secs(EPOCH.unsigned_abs());
        self.tell(Input::WallClock(since_epoch));
        self
    }

    fn offer_until(&mut self, id: &str, agent: &str, after: i64, lasts: Option<i64>) {
        let offer = Offer {
            agent_id: AgentId::new(agent),
            unavailability: Some(unavailability(after, lasts)),
            ..offer(id, 4.0)
        };
        let offers = vec![offer];
        self.event(Event::Offers(Offers { offers }));
    }

    fn ask(&mut self, id: &str, after: i64) {
        let asked = InverseOffer {
            id: OfferId::new(id),
            agent_id: Some(AgentId::new("S0")),
            unavailability: unavailability(after, Some(60)),
            ..InverseOffer::default()
        };
        self.event(Event::InverseOffers(InverseOffers {
            inverse_offers: vec![asked],
        }));
    }

    fn reasons(&self) -> String {
        let refusals = self.scheduler.refusals("p");
        let reasons = refusals.flat_map(|one| one.reasons.iter().map(ToString::to_string));
        reasons.collect::<Vec<_>>().join(", ")
    }
}

#[test]
fn of_two_offers_the_one_whose_agent_stays_is_taken() {
    let mut bench = Bench::new().planned();
    bench.subscribe();
    bench.want(1);
    bench.log.clear();
    let soon = Offer {
        unavailability: Some(unavailability(16, None)),
        ..offer("O1", 4.0)
    };
    let late = Offer {
        agent_id: AgentId::new("S1"),
        unavailability: Some(unavailability(86_400, None)),
        ..offer("O2", 4.0)
    };
    let free = Offer {
        agent_id: AgentId::new("S2"),
        ..offer("O3", 4.0)
    };
    bench.event(Event::Offers(Offers {
        offers: vec![soon, late, free],
    }));
    let task = bench.scheduler.tasks.values().next().unwrap();
    assert_eq!(task.agent, Some(AgentId::new("S2")));
}

#[test]
fn an_agent_is_used_until_a_worker_is_not_worth_its_start_and_again_afterwards() {
    let mut bench = Bench::new().planned();
    bench.subscribe();
    bench.want(1);
    bench.offer_until("O1", "S0", 16, None);
    bench.offer_until("O2", "S1", 600, None);
    bench.offer_until("O3", "S2", -7, Some(60));
    assert_eq!(
        bench.reasons(),
        "this agent goes into maintenance in 16 s, this agent goes into maintenance in 600 s, \
         this agent is in maintenance"
    );
    assert!(bench.scheduler.tasks.is_empty());
    bench.offer_until("O4", "S3", 601, None);
    assert_eq!(bench.scheduler.tasks.len(), 1);
    // It was to be back by now.
    bench.want(2);
    bench.pass(60);
    bench.offer_until("O5", "S2", -7, Some(60));
    assert_eq!(bench.scheduler.tasks.len(), 2);
}

#[test]
fn the_master_is_told_to_ask_again_until_the_last_worker_is_gone_and_then_that_it_may() {
    let mut bench = Bench::running().planned();
    bench.want(2);
    bench.offer("O2", 4.0);
    bench.update("w-2-2", TaskState::Running, Some(16), None);
    bench.log.clear();
    bench.ask("I1", 200);
    insta::assert_snapshot!(bench.log(), @r#"Maintenance { agent: AgentId { value: "S0" }, leaves: true }"#);
    bench.pass(1);
    insta::assert_snapshot!(bench.log(), @"DECLINE_INVERSE_OFFERS, again in 5 s");
    bench.pass(5);
    bench.ask("I2", 200);
    bench.tell(Input::Release(worker(2)));
    bench.update("w-2-2", TaskState::Killed, Some(16), None);
    bench.pass(20);
    insta::assert_snapshot!(bench.log(), @r"
    store 6: w-2-2 End TASK_RUNNING
    KILL w-2-2
    store 7: forget w-2-2
    w-2 ended
    ACKNOWLEDGE
    ");
    // The last question stays open: once nothing is there the master does not ask any more.
    bench.tell(Input::Release(worker(1)));
    insta::assert_snapshot!(bench.log(), @r"
    store 8: w-1-1 End TASK_RUNNING
    KILL w-1-1
    ");
    bench.update("w-1-1", TaskState::Killed, Some(16), None);
    insta::assert_snapshot!(bench.log(), @r"
    store 9: forget w-1-1
    w-1 ended
    ACKNOWLEDGE
    ACCEPT_INVERSE_OFFERS
    ");
}

#[test]
fn whoever_can_go_at_once_has_not_declined_before() {
    let mut bench = Bench::running().planned();
    bench.ask("I1", 16);
    bench.tell(Input::Release(worker(1)));
    bench.pass(4);
    bench.update("w-1-1", TaskState::Killed, Some(16), None);
    insta::assert_snapshot!(bench.log(), @r#"
    Maintenance { agent: AgentId { value: "S0" }, leaves: true }
    store 4: w-1-1 End TASK_RUNNING
    KILL w-1-1
    store 5: forget w-1-1
    w-1 ended
    ACKNOWLEDGE
    ACCEPT_INVERSE_OFFERS
    "#);
}

#[test]
fn maintenance_that_is_far_away_moves_nobody_before_it_is_asked_for_again() {
    let mut bench = Bench::running().planned();
    bench.ask("I1", 400);
    insta::assert_snapshot!(bench.log(), @"DECLINE_INVERSE_OFFERS, again in 100 s");
    bench.pass(100);
    // It may be off: the master does not say so of what is answered.
    insta::assert_snapshot!(bench.log(), @"");
    bench.ask("I2", 400);
    insta::assert_snapshot!(bench.log(), @r#"Maintenance { agent: AgentId { value: "S0" }, leaves: true }"#);
}

#[test]
fn an_agent_is_not_left_any_more_when_its_maintenance_is_off() {
    let leaves = r#"Maintenance { agent: AgentId { value: "S0" }, leaves: true }"#;
    let stays = r#"Maintenance { agent: AgentId { value: "S0" }, leaves: false }"#;
    // The question is taken back.
    let mut bench = Bench::running().planned();
    bench.ask("I1", 16);
    bench.event(Event::RescindInverseOffer(RescindInverseOffer {
        inverse_offer_id: OfferId::new("I1"),
    }));
    assert_eq!(bench.log(), format!("{leaves}\n{stays}"));
    // Offers do not speak of it any more.
    bench.ask("I2", 16);
    bench.offer("O2", 4.0);
    assert_eq!(bench.log(), format!("{leaves}\n{stays}\nDECLINE"));
    // The agent is gone.
    bench.ask("I3", 16);
    bench.event(Event::Failure(Failure {
        agent_id: Some(AgentId::new("S0")),
        ..Failure::default()
    }));
    assert!(bench.log().starts_with(&format!("{leaves}\n{stays}")));
    bench.update("w-1-1", TaskState::Running, Some(16), None);
    bench.log.clear();
    // Nobody asks again.
    bench.ask("I4", 16);
    bench.pass(1);
    bench.pass(63);
    let declined = "DECLINE_INVERSE_OFFERS, again in 5 s";
    assert_eq!(bench.log(), format!("{leaves}\n{declined}"));
    bench.pass(1);
    assert_eq!(bench.log(), stays);
}

#[test]
fn a_new_connection_voids_what_was_asked_and_moves_nobody_back() {
    let mut bench = Bench::running().planned();
    bench.ask("I1", 16);
    bench.log.clear();
    bench.tell(Input::Disconnected(bench.scheduler.generation));
    bench.pass(30);
    bench.subscribe();
    bench.update(
        "w-1-1",
        TaskState::Running,
        None,
        Some(Reason::Reconciliation),
    );
    bench.ask("I1b", 16);
    bench.pass(1);
    let log = bench.log();
    assert!(
        log.ends_with("DECLINE_INVERSE_OFFERS, again in 5 s"),
        "{log}"
    );
    assert!(!log.contains("leaves"), "{log}");
}
