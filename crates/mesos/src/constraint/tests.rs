use proptest::prelude::*;
use serde_json::json;

use super::*;

fn host(hostname: &str, rack: &str) -> Host {
    Host {
        hostname: hostname.into(),
        attributes: [("rack".to_owned(), rack.to_owned())].into(),
        ..Host::default()
    }
}

fn one(text: &str) -> Constraint {
    parse_list(text).unwrap().remove(0)
}

fn placed(constraint: &Constraint, racks: &[&str]) -> Placed {
    let mut placed = Placed::default();
    for rack in racks {
        placed.add(&host("h", rack), [constraint]);
    }
    placed
}

/// Which racks are allowed once tasks run on these.
fn allowed(text: &str, racks: &[&str]) -> String {
    let constraint = one(text);
    let placed = placed(&constraint, racks);
    let candidates = ["a", "b", "c"].into_iter();
    candidates
        .filter(|rack| constraint.allows(&host("h", rack), &placed))
        .collect()
}

#[test]
fn operators_mean_what_they_mean_in_marathon() {
    assert_eq!(allowed("rack:UNIQUE", &["a", "b"]), "c");
    assert_eq!(allowed("rack:CLUSTER", &[]), "abc");
    assert_eq!(allowed("rack:CLUSTER", &["b"]), "b");
    assert_eq!(allowed("rack:CLUSTER:c", &["b"]), "c");
    assert_eq!(allowed("rack:GROUP_BY", &["a"]), "abc");
    assert_eq!(allowed("rack:GROUP_BY", &["a", "a", "b"]), "bc");
    assert_eq!(allowed("rack:GROUP_BY:3", &["a", "b"]), "c");
    assert_eq!(allowed("rack:GROUP_BY:3", &["a", "b", "c"]), "abc");
    assert_eq!(allowed("rack:LIKE:[ab]", &[]), "ab");
    assert_eq!(allowed("rack:LIKE:a|b", &[]), "ab");
    assert_eq!(allowed("rack:UNLIKE:[ab]", &[]), "c");
    assert_eq!(allowed("rack:IS:b", &["b"]), "b");
    assert_eq!(allowed("rack:MAX_PER:2", &["a", "a", "b"]), "bc");
}

#[test]
fn an_agent_without_the_attribute_satisfies_unlike_alone() {
    for word in [
        "UNIQUE",
        "CLUSTER",
        "GROUP_BY",
        "LIKE:.*",
        "IS:",
        "MAX_PER:9",
    ] {
        let constraint = one(&format!("gpu:{word}"));
        assert!(
            !constraint.allows(&host("h", "a"), &Placed::default()),
            "{word}"
        );
    }
    assert!(one("gpu:UNLIKE:.*").allows(&host("h", "a"), &Placed::default()));
}

#[test]
fn hostname_zone_region_and_every_kind_of_attribute_can_be_looked_at() {
    let offer: Offer = serde_json::from_value(json!({
        "id": {"value": "o"}, "framework_id": {"value": "f"}, "agent_id": {"value": "a"},
        "hostname": "h1", "domain": {"fault_domain":
            {"region": {"name": "eu"}, "zone": {"name": "eu-1"}}},
        "attributes": [
            {"name": "cores", "type": "SCALAR", "scalar": {"value": 8.0}},
            {"name": "slots", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 4}]}},
            {"name": "rack", "type": "TEXT", "text": {"value": "r1"}},
            {"name": "rack", "type": "TEXT", "text": {"value": "r2"}}],
    }))
    .unwrap();
    let host = Host::of(&offer);
    for text in [
        "hostname:IS:h1",
        "@hostname:LIKE:h\\d",
        "@zone:IS:eu-1",
        "@region:CLUSTER:eu",
        "cores:IS:8",
        "cores:IS:8.000",
        "slots:IS:[1-4]",
        "rack:IS:r1",
    ] {
        assert!(one(text).allows(&host, &Placed::default()), "{text}");
    }
    for text in ["cores:IS:9", "rack:IS:r", "@zone:UNLIKE:eu.*"] {
        assert!(!one(text).allows(&host, &Placed::default()), "{text}");
    }
}

#[test]
fn host_attributes_are_read_as_flink_read_them_but_nothing_is_dropped() {
    let read = parse_host_attributes(" rack:r1, HOSTNAME:h1 ,").unwrap();
    let host = host("h1", "r1");
    assert_eq!(read.len(), 2);
    assert!(read.iter().all(|one| one.allows(&host, &Placed::default())));
    for wrong in ["rack", "rack:", "rack:a:b", ":x"] {
        let error = parse_host_attributes(wrong).unwrap_err();
        assert_eq!(
            error,
            ConstraintError::HostAttribute {
                found: wrong.into()
            }
        );
    }
}

#[test]
fn lists_are_read_in_both_forms() {
    let words = parse_list("hostname:UNIQUE, rack:LIKE:a{1\\,2}:b\\\\d ,").unwrap();
    let json = parse_list(r#"[["hostname","UNIQUE"],["rack","LIKE","a{1,2}:b\\d"]]"#).unwrap();
    assert_eq!(words, json);
    assert!(one("rack:LIKE:a{1\\,2}").allows(&host("h", "aa"), &Placed::default()));
}

#[test]
fn what_is_wrong_is_said() {
    let errors = [
        "hostname",
        "hostname:NEAR",
        "hostname:UNIQUE:1",
        "rack:MAX_PER",
        "rack:MAX_PER:0",
        "rack:GROUP_BY:x",
        "rack:LIKE:(",
        "rack:LIKE:a)|(b",
        ":UNIQUE",
        "[[1]]",
        "[[\"a\"]]",
    ];
    let texts = errors.map(|text| parse_list(text).unwrap_err().to_string());
    insta::assert_snapshot!(texts.join("\n"));
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same(
        field in "[a-z@:,\\\\]{1,6}", word in 0usize..7, value in "[a-z:,\\\\. ]{1,8}",
    ) {
        let operator = match word {
            0 => Operator::Unique,
            1 => Operator::Cluster(Some(value.clone())),
            2 => Operator::GroupBy(Some(3)),
            3 => Operator::MaxPer(2),
            4 => Operator::Cluster(None),
            _ => Operator::Is(value.clone()),
        };
        let constraint = Constraint { field: Field::from(field.as_str()), operator };
        prop_assume!(value.trim() == value);
        prop_assert_eq!(parse_list(&constraint.to_string()), Ok(vec![constraint]));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-zA-Z_:,\\\\\\[\\]\"()*+|0-9 ]{0,40}") {
        prop_assert!(probe(&text));
        parse_host_attributes(&text).ok();
    }

    /// Tasks placed one by one, each where all constraints allow it, never break them together.
    #[test]
    fn placing_under_constraints_keeps_them(
        offers in prop::collection::vec((0u8..4, 0u8..4), 0..40), most in 1u32..4,
    ) {
        let constraints = parse_list(&format!("rack:MAX_PER:{most},hostname:UNIQUE")).unwrap();
        let (mut placed, mut chosen) = (Placed::default(), Vec::new());
        for (name, rack) in offers {
            let host = host(&name.to_string(), &rack.to_string());
            if constraints.iter().all(|one| one.allows(&host, &placed)) {
                placed.add(&host, &constraints);
                chosen.push((name, rack));
            }
        }
        for (name, rack) in &chosen {
            prop_assert_eq!(chosen.iter().filter(|(other, _)| other == name).count(), 1);
            let beside = chosen.iter().filter(|(_, other)| other == rack).count();
            prop_assert!(beside <= most as usize);
        }
    }
}

/// Found by fuzzing: what such a field was printed as would be read as JSON.
#[test]
fn a_field_that_begins_like_json_is_refused() {
    let error = parse_list(",[a:UNIQUE").unwrap_err();
    assert!(matches!(error, ConstraintError::Form { .. }), "{error}");
}

#[test]
fn blanks_around_fields_and_values_do_not_count() {
    let json = parse_list(r#"[[" rack ","IS"," a "],["b","CLUSTER"," "]]"#).unwrap();
    assert_eq!(json, parse_list("rack :IS: a , b:CLUSTER").unwrap());
}
