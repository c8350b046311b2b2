//! What a value must look like, as Flink's `ConfigurationUtils`, `TimeUtils` and `MemorySize`
//! parse it.

use super::duration::parse_duration_by;
use super::number::{is_float, is_integer, quantity};
use super::rules::ReadingRules;
use super::structured::{is_filled_map, is_list, is_map};
use crate::nested::Content;

/// The type of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueType {
    /// `true` or `false` in any case.
    Boolean,
    /// A 32-bit integer.
    Integer,
    /// A 64-bit integer.
    Long,
    /// A floating point number of either size.
    Float,
    /// A number with a unit of time; bare, it is milliseconds.
    Duration,
    /// A number with a unit of memory; bare, it is bytes.
    MemorySize,
    /// One of a few words, in any case.
    Enumeration(Vec<&'static str>),
    /// `key:value` pairs.
    Map,
    /// Any text.
    Text,
    /// Several values of one type.
    List(Box<ValueType>),
}

impl ValueType {
    /// The type of a column of the option tables.
    pub(super) fn parse(text: &'static str) -> Self {
        match text {
            _ if text.ends_with("[]") => {
                Self::List(Box::new(Self::parse(text.trim_end_matches("[]"))))
            }
            "Boolean" => Self::Boolean,
            "Integer" => Self::Integer,
            "Long" => Self::Long,
            "Float" | "Double" => Self::Float,
            "Duration" => Self::Duration,
            "MemorySize" => Self::MemorySize,
            "Map" => Self::Map,
            "String" => Self::Text,
            words => Self::Enumeration(words.split('|').collect()),
        }
    }

    /// Whether the options of a release line make this type of the text.
    pub fn accepts(&self, text: &str, rules: ReadingRules) -> bool {
        match self {
            Self::Boolean => {
                text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
            }
            Self::Integer => is_integer::<i32>(text),
            Self::Long => is_integer::<i64>(text),
            Self::Float => is_float(text),
            Self::Duration => parse_duration_by(text, rules).is_some(),
            Self::MemorySize => is_memory_size(text),
            Self::Enumeration(words) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
            Self::Map => is_map(text, rules.has_yaml()),
            Self::Text => true,
            Self::List(element) => is_list(
                text,
                rules.has_yaml(),
                |node| element.accepts_node(node, rules),
                |part| match &**element {
                    Self::Map => is_map(part, rules.has_yaml_within_lists()),
                    element => element.accepts(part, rules),
                },
            ),
        }
    }

    /// Whether an element of a list in YAML is of this type.
    fn accepts_node(&self, node: &Content, rules: ReadingRules) -> bool {
        match (self, node) {
            (Self::Text, _) => true,
            (Self::Map, node) => is_filled_map(node),
            (_, Content::Scalar(scalar)) => self.accepts(&scalar.print(), rules),
            _ => false,
        }
    }

    /// What a person should write.
    pub fn expected(&self) -> String {
        match self {
            Self::Boolean => "true or false".to_owned(),
            Self::Integer | Self::Long => "a whole number".to_owned(),
            Self::Float => "a number".to_owned(),
            Self::Duration => "a duration such as 500 ms, 10 s or 5 min".to_owned(),
            Self::MemorySize => "a memory size such as 512m or 1728 mb".to_owned(),
            Self::Enumeration(words) => format!("one of {}", words.join(", ")),
            Self::Map => "pairs such as a:1,b:2".to_owned(),
            Self::Text => "text".to_owned(),
            Self::List(_) => "a list such as a;b".to_owned(),
        }
    }

    /// A short name for `explain`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer | Self::Long => "integer",
            Self::Float => "number",
            Self::Duration => "duration",
            Self::MemorySize => "memory size",
            Self::Enumeration(_) => "enumeration",
            Self::Map => "map",
            Self::Text => "text",
            Self::List(_) => "list",
        }
    }
}

/// Whether a text is digits and a unit of memory, and as many bytes as a Java `long` can hold.
fn is_memory_size(text: &str) -> bool {
    let Some((number, unit)) = quantity(text) else {
        return false;
    };
    let shift = match unit.as_str() {
        "" | "b" | "bytes" => 0,
        "k" | "kb" | "kibibytes" => 10,
        "m" | "mb" | "mebibytes" => 20,
        "g" | "gb" | "gibibytes" => 30,
        "t" | "tb" | "tebibytes" => 40,
        _ => return false,
    };
    let number = number.parse::<i64>().ok();
    number.is_some_and(|number| number.checked_mul(1 << shift).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(value_type: &ValueType, text: &str) -> bool {
        value_type.accepts(text, ReadingRules::NEWEST)
    }

    #[test]
    fn units_are_those_of_flink() {
        for text in ["1728m", "1 gb", "1024", "2 GIBIBYTES", " 5 "] {
            assert!(accepts(&ValueType::MemorySize, text), "{text}");
        }
        for text in ["1.5g", "1728 mib", "-1", "g", "9999999999 tb"] {
            assert!(!accepts(&ValueType::MemorySize, text), "{text}");
        }
    }

    #[test]
    fn words_and_numbers_are_told_apart() {
        assert!(accepts(&ValueType::Boolean, "TRUE"));
        assert!(!accepts(&ValueType::Boolean, "yes"));
        assert!(accepts(&ValueType::Integer, "+8081"));
        assert!(!accepts(&ValueType::Integer, "8081-8090"));
        assert!(!accepts(&ValueType::Integer, " 8081"));
        assert!(accepts(&ValueType::Float, "0.4"));
        for word in ["inf", "Inf", "infinite", "nan", "0x1"] {
            assert!(!accepts(&ValueType::Float, word), "{word}");
        }
        assert!(accepts(&ValueType::parse("A_B|C"), "a_b"));
        assert!(!accepts(&ValueType::parse("A_B|C"), "d"));
        let list = ValueType::parse("Map[]");
        assert_eq!(list, ValueType::List(Box::new(ValueType::Map)));
        assert!(accepts(&list, "a:1;b:2,c:3"));
        assert!(!accepts(&list, "a;b"));
    }
}
