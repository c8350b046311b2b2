//! Keys set in a configuration file that people own: what is written says what was asked and
//! everything else that stood there, the same edit again changes nothing, and taking it back gives
//! what stood there before. The parts of the input are separated by zero bytes: the text, then
//! keys and values in turn.

use std::collections::BTreeMap;

use flugs_flink_conf::{Dialect, Edit, Parsed, edited, unedited};

const NAME: &str = "config.yaml";

pub(crate) fn run(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == 0).map(crate::text);
    let text = parts.next().unwrap_or_default();
    let mut edits = Vec::new();
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        edits.push(Edit {
            key: key.to_owned(),
            value: value.to_owned(),
            source: "FLINK_PROPERTIES".to_owned(),
        });
    }
    for dialect in [Dialect::Flat, Dialect::Nested] {
        judge(text, dialect, &edits);
    }
}

fn judge(text: &str, dialect: Dialect, edits: &[Edit]) {
    let Ok(before) = unedited(text, dialect, NAME) else {
        assert!(edited(text, dialect, edits, NAME).is_err());
        return;
    };
    let before = in_effect(&before);
    let Ok(Some(after)) = edited(text, dialect, edits, NAME) else {
        return;
    };
    let mut wanted = before.clone();
    for edit in edits {
        wanted.insert(edit.key.clone(), edit.value.clone());
    }
    let found = match dialect {
        Dialect::Flat => flugs_flink_conf::parse_flat(&after, NAME),
        Dialect::Nested => flugs_flink_conf::parse_nested(&after, NAME).expect("what was written"),
    };
    assert_eq!(in_effect(&found), wanted, "{after}");
    let again = edited(&after, dialect, edits, NAME);
    assert_eq!(again.expect("an edited file"), Some(after.clone()));
    let restored = unedited(&after, dialect, NAME).expect("an edited file");
    assert_eq!(in_effect(&restored), before, "{after}");
}

fn in_effect(parsed: &Parsed) -> BTreeMap<String, String> {
    let settings = parsed.settings.iter();
    settings
        .map(|one| (one.key.clone(), one.value.clone()))
        .collect()
}
