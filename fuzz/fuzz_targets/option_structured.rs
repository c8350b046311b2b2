//! Values that are lists and maps: no text panics, and a list with one more element is a list exactly
//! if that element is one of its type.

use flugs_flink_conf::options::{OptionTable, ValueType};

pub(crate) fn run(bytes: &[u8]) {
    let text = crate::text(bytes);
    let types = [ValueType::Integer, ValueType::Text, ValueType::Map];
    let types = types.map(|element| ValueType::List(Box::new(element)));
    for (major, minor) in [(1, 20), (2, 3)] {
        let rules = OptionTable::for_line(major, minor).rules;
        for value_type in types.iter().chain(&[ValueType::Map]) {
            let _ = value_type.accepts(text, rules);
        }
    }
    // Before lists could be written as in YAML, whose whole value is one.
    let rules = OptionTable::for_line(1, 13).rules;
    let [numbers, texts, _] = &types;
    // Two delimiters would have an empty element between them.
    let ends_open = text.trim_end().ends_with(';');
    if numbers.accepts(text, rules) && !ends_open {
        assert!(numbers.accepts(&format!("{text};7"), rules), "{text:?}");
        assert!(!numbers.accepts(&format!("{text};x"), rules), "{text:?}");
        assert!(texts.accepts(text, rules), "{text:?}");
    }
    let quoted = format!("'{}'", text.replace('\'', "''"));
    assert!(texts.accepts(&quoted, rules), "{text:?}");
    let pair = format!("{quoted}:{quoted}");
    // A pair is taken out of its map before it is taken apart: its quotes have to be quoted again.
    let whole = format!("'{}'", pair.replace('\'', "''"));
    assert!(ValueType::Map.accepts(&whole, rules), "{text:?}");
}
