use proptest::prelude::*;

use super::*;
use crate::constraint::parse_list;
use crate::resources::Thousandths;
use crate::wire::{Attribute, Scalar, Text, ValueType};

fn offer(number: usize, cpus: f64, rack: &str) -> Offer {
    let attribute = Attribute {
        name: "rack".into(),
        kind: ValueType::Text,
        text: Some(Text { value: rack.into() }),
        ..Attribute::default()
    };
    let cpus = Resource {
        name: "cpus".into(),
        scalar: Some(Scalar { value: cpus }),
        ..Resource::default()
    };
    Offer {
        id: OfferId::new(format!("o{number}")),
        agent_id: AgentId::new(format!("a{number}")),
        hostname: format!("h{number}"),
        resources: vec![cpus],
        attributes: vec![attribute],
        ..Offer::default()
    }
}

fn profile(cpus: f64, hard: &str, soft: &str) -> Profile {
    let mut demand = Demand::default();
    demand
        .scalars
        .insert("cpus".into(), Thousandths::nearest(cpus));
    Profile {
        demand,
        hard: parse_list(hard).unwrap(),
        soft: parse_list(soft).unwrap(),
    }
}

fn workers(count: usize) -> VecDeque<WorkerId> {
    (0..count)
        .map(|number| format!("w-{number}").parse().unwrap())
        .collect()
}

struct Case {
    profiles: BTreeMap<String, Profile>,
    waiting: BTreeMap<String, VecDeque<WorkerId>>,
    placed: BTreeMap<String, Placed>,
    avoided: BTreeSet<AgentId>,
    leaving: BTreeMap<AgentId, Duration>,
}

impl Case {
    fn new(profile: Profile, count: usize) -> Self {
        Self {
            profiles: [("p".to_owned(), profile)].into(),
            waiting: [("p".to_owned(), workers(count))].into(),
            placed: BTreeMap::new(),
            avoided: BTreeSet::new(),
            leaving: BTreeMap::new(),
        }
    }

    fn matching(&self, offers: &[Offer]) -> Matching {
        let situation = Situation {
            profiles: &self.profiles,
            placed: &self.placed,
            avoided: &self.avoided,
            leaving: &self.leaving,
        };
        match_offers(offers, &self.waiting, situation)
    }
}

fn hosts(matching: &Matching) -> Vec<(String, usize)> {
    let count = |one: &Use| (one.host.hostname.clone(), one.placements.len());
    matching.uses.iter().map(count).collect()
}

#[test]
fn the_first_sufficient_offer_is_used_and_the_others_are_given_back() {
    let offers = [offer(0, 0.5, "a"), offer(1, 4.0, "a"), offer(2, 4.0, "a")];
    let matching = Case::new(profile(1.0, "", ""), 3).matching(&offers);
    assert_eq!(hosts(&matching), [("h1".to_owned(), 3)]);
    assert_eq!(matching.declines, [OfferId::new("o0"), OfferId::new("o2")]);
    assert!(matching.refusals.is_empty());
}

#[test]
fn whoever_waits_knows_why_each_offer_was_refused() {
    let offers = [offer(0, 0.5, "a"), offer(1, 4.0, "b"), offer(2, 4.0, "a")];
    let mut case = Case::new(profile(1.0, "rack:IS:a", ""), 2);
    case.avoided.insert(AgentId::new("a2"));
    let matching = case.matching(&offers);
    assert!(matching.uses.is_empty());
    assert_eq!(matching.declines.len(), 3);
    let line = |refusal: &Refusal| {
        let reasons: Vec<String> = refusal.reasons.iter().map(ToString::to_string).collect();
        format!("{}: {}", refusal.hostname, reasons.join("; "))
    };
    let lines: Vec<String> = matching.refusals["p"].iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    h0: cpus: 1 wanted, 0.5 offered
    h1: the constraint rack:IS:a
    h2: workers failed on this agent a short while ago
    ");
}

#[test]
fn an_agent_that_goes_into_maintenance_is_not_used_and_that_is_said() {
    let mut case = Case::new(profile(1.0, "", ""), 9);
    case.leaving
        .insert(AgentId::new("a0"), Duration::from_secs(16));
    case.leaving.insert(AgentId::new("a2"), Duration::ZERO);
    let offers = [offer(0, 4.0, "a"), offer(1, 4.0, "a"), offer(2, 4.0, "a")];
    let matching = case.matching(&offers);
    assert_eq!(hosts(&matching), [("h1".to_owned(), 4)]);
    let reasons = matching.refusals["p"]
        .iter()
        .map(|one| one.reasons[0].to_string());
    let reasons: Vec<String> = reasons.collect();
    assert_eq!(reasons[0], "this agent goes into maintenance in 16 s");
    assert_eq!(reasons[2], "this agent is in maintenance");
}

#[test]
fn unique_spreads_within_one_batch() {
    let offers = [offer(0, 8.0, "a"), offer(1, 8.0, "a")];
    let matching = Case::new(profile(1.0, "hostname:UNIQUE", ""), 3).matching(&offers);
    assert_eq!(
        hosts(&matching),
        [("h0".to_owned(), 1), ("h1".to_owned(), 1)]
    );
    assert_eq!(matching.refusals["p"].len(), 2);
}

#[test]
fn group_by_returns_to_a_group_once_the_others_have_grown() {
    let offers = [offer(0, 8.0, "a"), offer(1, 8.0, "b")];
    let matching = Case::new(profile(1.0, "rack:GROUP_BY:2", ""), 6).matching(&offers);
    assert_eq!(
        hosts(&matching),
        [("h0".to_owned(), 3), ("h1".to_owned(), 3)]
    );
}

#[test]
fn soft_constraints_choose_among_offers_and_never_refuse() {
    let offers = [offer(0, 8.0, "a"), offer(1, 2.0, "b")];
    let matching = Case::new(profile(1.0, "", "rack:IS:b"), 3).matching(&offers);
    assert_eq!(
        hosts(&matching),
        [("h0".to_owned(), 1), ("h1".to_owned(), 2)]
    );
    let spread = Case::new(profile(1.0, "", "hostname:UNIQUE"), 3).matching(&offers);
    assert_eq!(hosts(&spread).len(), 2);
}

#[test]
fn several_profiles_share_an_offer() {
    let mut case = Case::new(profile(1.0, "", ""), 1);
    case.profiles.insert("big".into(), profile(3.0, "", ""));
    case.waiting
        .insert("big".into(), ["b-1".parse().unwrap()].into());
    let matching = case.matching(&[offer(0, 4.0, "a")]);
    assert_eq!(matching.uses[0].placements.len(), 2);
}

proptest! {
    #[test]
    fn each_offer_is_used_or_declined_and_each_worker_is_placed_at_most_once(
        cpus in prop::collection::vec((0.0f64..4.0, 0usize..3), 0..12), count in 0usize..20,
        unique in any::<bool>(),
    ) {
        let offers: Vec<Offer> = cpus.iter().enumerate()
            .map(|(number, (cpus, rack))| offer(number, *cpus, ["a", "b", "c"][*rack]))
            .collect();
        let hard = if unique { "hostname:UNIQUE" } else { "" };
        let matching = Case::new(profile(0.7, hard, "rack:GROUP_BY"), count).matching(&offers);
        prop_assert_eq!(matching.uses.len() + matching.declines.len(), offers.len());
        let placed: Vec<&WorkerId> = matching.uses.iter()
            .flat_map(|one| &one.placements).map(|one| &one.worker).collect();
        let distinct: BTreeSet<&WorkerId> = placed.iter().copied().collect();
        prop_assert_eq!(placed.len(), distinct.len());
        prop_assert_eq!(matching.refusals.is_empty(), placed.len() == count);
        // Nobody waits while an offer would still do.
        if placed.len() < count {
            for (offer, (cpus, _)) in offers.iter().zip(&cpus) {
                let here = matching.uses.iter().find(|one| one.offer == offer.id)
                    .map_or(0, |one| one.placements.len());
                let room = (Thousandths::nearest(*cpus).get() / 700) as usize;
                prop_assert_eq!(here, if unique { room.min(1) } else { room });
            }
        }
    }
}
