use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::wire::ReservationInfo;

fn scalar(name: &str, value: f64, role: &str) -> Resource {
    Resource {
        name: name.into(),
        scalar: Some(Scalar { value }),
        role: Some(role.into()),
        ..Resource::default()
    }
}

fn ports(ranges: &[(u64, u64)], role: &str) -> Resource {
    let range = ranges
        .iter()
        .map(|&(begin, end)| Range { begin, end })
        .collect();
    Resource {
        name: "ports".into(),
        kind: ValueType::Ranges,
        ranges: Some(Ranges { range }),
        role: Some(role.into()),
        ..Resource::default()
    }
}

fn demand(scalars: &[(&str, f64)], ports: &[Option<u16>]) -> Demand {
    Demand {
        scalars: scalars
            .iter()
            .map(|&(name, value)| (name.to_owned(), Thousandths::nearest(value)))
            .collect(),
        ports: ports
            .iter()
            .enumerate()
            .map(|(at, &number)| PortDemand {
                name: format!("p{at}"),
                number,
            })
            .collect(),
        revocable: false,
    }
}

#[test]
fn a_tenth_taken_ten_times_leaves_nothing() {
    let mut remaining = Remaining::of(&[scalar("cpus", 1.0, "*")]);
    for _ in 0..10 {
        remaining.take(&demand(&[("cpus", 0.1)], &[]), 0).unwrap();
    }
    assert!(remaining.resources().is_empty());
}

#[test]
fn the_own_role_is_used_up_before_what_is_unreserved() {
    let offered = [scalar("cpus", 3.0, "*"), scalar("cpus", 2.0, "flink")];
    let taken = Remaining::of(&offered)
        .take(&demand(&[("cpus", 2.5)], &[]), 0)
        .unwrap();
    assert_eq!(
        taken.resources,
        [scalar("cpus", 2.0, "flink"), scalar("cpus", 0.5, "*")]
    );
}

#[test]
fn refined_reservations_come_first_and_are_repeated_as_they_were_offered() {
    let offered: Vec<Resource> = serde_json::from_value(json!([
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 3072.0},
         "allocation_info": {"role": "flink"}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 1024.0},
         "allocation_info": {"role": "flink"}, "later": {"field": 1},
         "reservations": [{"type": "STATIC", "role": "org"},
            {"type": "DYNAMIC", "role": "org/flink", "principal": "ops"}]},
    ]))
    .unwrap();
    let taken = Remaining::of(&offered)
        .take(&demand(&[("mem", 1536.0)], &[]), 0)
        .unwrap();
    assert_eq!(
        serde_json::to_value(&taken.resources).unwrap(),
        json!([
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 1024.0},
             "allocation_info": {"role": "flink"}, "later": {"field": 1},
             "reservations": [{"type": "STATIC", "role": "org"},
                {"type": "DYNAMIC", "role": "org/flink", "principal": "ops"}]},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 512.0},
             "allocation_info": {"role": "flink"}},
        ])
    );
    let plain = Resource::default();
    let reserved = Resource {
        reservations: vec![ReservationInfo::default()],
        ..plain.clone()
    };
    assert!(is_unreserved(&plain) && !is_unreserved(&reserved));
}

#[test]
fn revocable_resources_are_taken_only_if_allowed_and_never_mixed() {
    let revocable = Resource {
        revocable: Some(json!({})),
        ..scalar("cpus", 4.0, "*")
    };
    let offered = [scalar("cpus", 1.0, "*"), revocable];
    let plain = demand(&[("cpus", 2.0)], &[]);
    let opted = Demand {
        revocable: true,
        ..plain.clone()
    };
    let missing = Remaining::of(&offered).take(&plain, 0).unwrap_err();
    insta::assert_snapshot!(missing[0], @"cpus: 2 wanted, 1 offered");
    let taken = Remaining::of(&offered).take(&opted, 0).unwrap();
    assert!(taken.resources.iter().all(|one| one.revocable.is_some()));
    let both = Demand {
        revocable: true,
        ..demand(&[("cpus", 4.5)], &[])
    };
    Remaining::of(&offered).take(&both, 0).unwrap_err();
}

#[test]
fn volumes_disks_of_their_own_and_shared_resources_are_no_plain_disk() {
    let disk = |extra: serde_json::Value| {
        let mut one = json!({"name": "disk", "type": "SCALAR", "scalar": {"value": 100}});
        one.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        serde_json::from_value::<Resource>(one).unwrap()
    };
    let offered = [
        disk(json!({"disk": {"persistence": {"id": "v"}, "volume": {}}})),
        disk(json!({"disk": {"source": {"type": "MOUNT"}}})),
        disk(json!({"shared": {}})),
        disk(json!({})),
    ];
    let mut remaining = Remaining::of(&offered);
    assert_eq!(remaining.scalar("disk"), Thousandths::whole(100));
    remaining
        .take(&demand(&[("disk", 101.0)], &[]), 0)
        .unwrap_err();
}

#[test]
fn gpus_come_whole() {
    let mut remaining = Remaining::of(&[scalar("gpus", 2.0, "*")]);
    let missing = remaining
        .take(&demand(&[("gpus", 0.5)], &[]), 0)
        .unwrap_err();
    insta::assert_snapshot!(missing[0], @"gpus: 0.5 wanted, but they come whole");
    remaining.take(&demand(&[("gpus", 2.0)], &[]), 0).unwrap();
}

#[test]
fn fixed_ports_are_kept_from_being_given_to_others_and_neighbours_are_joined() {
    let offered = [
        ports(&[(31000, 31004)], "*"),
        ports(&[(8081, 8081)], "flink"),
    ];
    let mut remaining = Remaining::of(&offered);
    let wanted = [None, Some(31000), None, None];
    let taken = remaining.take(&demand(&[], &wanted), 0).unwrap();
    let numbers: Vec<u16> = taken.ports.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [8081, 31000, 31001, 31002]);
    assert_eq!(
        taken.resources,
        [
            ports(&[(8081, 8081)], "flink"),
            ports(&[(31000, 31002)], "*")
        ]
    );
    assert_eq!(remaining.resources(), [ports(&[(31003, 31004)], "*")]);
}

#[test]
fn ports_of_which_any_will_do_are_counted_from_where_the_caller_says_and_round() {
    let offered = [ports(&[(31000, 31001), (32000, 32001)], "*")];
    for (first, expected) in [
        (0, [31000, 31001]),
        (1, [31001, 32000]),
        (3, [32001, 31000]),
        (4, [31000, 31001]),
    ] {
        let taken = Remaining::of(&offered)
            .take(&demand(&[], &[None, None]), first)
            .unwrap();
        let numbers: Vec<u16> = taken.ports.iter().map(|(_, number)| *number).collect();
        assert_eq!(numbers, expected, "{first}");
    }
}

#[test]
fn everything_that_is_missing_is_said_at_once_and_nothing_is_taken() {
    let offered = [scalar("cpus", 1.0, "*"), ports(&[(31000, 31000)], "*")];
    let mut remaining = Remaining::of(&offered);
    let wanted = demand(&[("cpus", 1.5), ("mem", 512.0)], &[None, None, Some(80)]);
    let missing = remaining.take(&wanted, 0).unwrap_err();
    let texts: Vec<String> = missing.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(texts.join("\n"), @r"
    cpus: 1.5 wanted, 1 offered
    mem: 512 wanted, 0 offered
    port 80 (p2) is not offered
    ports: 2 wanted, 1 offered
    ");
    assert_eq!(remaining, Remaining::of(&offered));
}

fn sum(resources: &[Resource], name: &str) -> u64 {
    let named = resources.iter().filter(|one| one.name == name);
    named.map(|one| amount(one).get()).sum()
}

fn numbers(resources: &[Resource]) -> Vec<u64> {
    let mut all: Vec<u64> = resources
        .iter()
        .flat_map(ranges)
        .flat_map(|range| range.begin..=range.end)
        .collect();
    all.sort_unstable();
    all
}

prop_compose! {
    fn any_offer()(
        cpus in prop::collection::vec((0u32..5000, any::<bool>()), 0..4),
        starts in prop::collection::vec((0u64..3, 0u64..4, any::<bool>()), 0..5),
    ) -> Vec<Resource> {
        let role = |own: bool| if own { "flink" } else { "*" };
        let mut offered: Vec<Resource> = cpus.into_iter()
            .map(|(value, own)| scalar("cpus", f64::from(value) / 1000.0, role(own)))
            .collect();
        let mut begin = 31000;
        for (gap, length, own) in starts {
            begin += gap;
            offered.push(ports(&[(begin, begin + length)], role(own)));
            begin += length + 1;
        }
        offered
    }
}

proptest! {
    #[test]
    fn nothing_is_given_that_was_not_offered_and_the_sum_is_exact(
        offered in any_offer(),
        wanted in prop::collection::vec(
            (0u64..4000, prop::collection::vec(prop::option::of(30999u16..31012), 0..4)), 0..6),
        first_port in 0u64..40,
    ) {
        let mut remaining = Remaining::of(&offered);
        let (mut cpus, mut given) = (0, Vec::new());
        for (thousandths, fixed) in wanted {
            let mut wanted = demand(&[], &fixed);
            wanted.scalars.insert("cpus".into(), Thousandths::new(thousandths));
            let before = remaining.clone();
            match remaining.take(&wanted, first_port) {
                Ok(taken) => {
                    prop_assert_eq!(sum(&taken.resources, "cpus"), thousandths);
                    cpus += thousandths;
                    let mut ports: Vec<u64> =
                        taken.ports.iter().map(|(_, number)| u64::from(*number)).collect();
                    ports.sort_unstable();
                    prop_assert_eq!(&ports, &numbers(&taken.resources));
                    for (port, (_, number)) in wanted.ports.iter().zip(&taken.ports) {
                        prop_assert!(port.number.is_none_or(|fixed| fixed == *number));
                    }
                    given.extend(ports);
                }
                Err(missing) => {
                    prop_assert!(!missing.is_empty());
                    prop_assert_eq!(&remaining, &before);
                }
            }
        }
        prop_assert_eq!(sum(&offered, "cpus"), sum(remaining.resources(), "cpus") + cpus);
        given.extend(numbers(remaining.resources()));
        given.sort_unstable();
        prop_assert_eq!(given, numbers(&offered));
    }

    #[test]
    fn amounts_survive_the_wire(thousandths in 0u64..1_000_000_000_000) {
        let amount = Thousandths::new(thousandths);
        prop_assert_eq!(Thousandths::nearest(amount.value()), amount);
    }
}
