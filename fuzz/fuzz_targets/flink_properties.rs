//! `FLINK_PROPERTIES`: nothing panics, no key is empty, and a variable's value adds no setting.

use flugs_flink_conf::parse_flink_properties;

pub(crate) fn run(bytes: &[u8]) {
    let text = crate::text(bytes);
    let without = parse_flink_properties(text, &|_| None);
    let with = parse_flink_properties(text, &|_| Some("x\ny: z # $A".to_owned()));
    assert_eq!(without.settings.len(), with.settings.len());
    for setting in &with.settings {
        assert!(!setting.key.is_empty());
        assert!(setting.line <= text.lines().count());
    }
}
