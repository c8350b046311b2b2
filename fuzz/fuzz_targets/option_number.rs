//! Values that are numbers, durations and sizes: no text panics, and what one type takes, every wider one
//! takes.

use flugs_flink_conf::options::{OptionTable, ValueType};

pub(crate) fn run(bytes: &[u8]) {
    let text = crate::text(bytes);
    for (major, minor) in [(1, 13), (1, 15), (2, 3)] {
        let rules = OptionTable::for_line(major, minor).rules;
        let takes = |value_type: &ValueType| value_type.accepts(text, rules);
        if takes(&ValueType::Integer) {
            assert!(takes(&ValueType::Long), "{text:?}");
        }
        if takes(&ValueType::Long) {
            assert!(takes(&ValueType::Float), "{text:?}");
            // A size and a duration have no sign.
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            assert!(!is_plain || takes(&ValueType::MemorySize), "{text:?}");
        }
        if takes(&ValueType::MemorySize) || takes(&ValueType::Duration) {
            assert!(text.bytes().any(|byte| byte.is_ascii_digit()), "{text:?}");
        }
    }
}
