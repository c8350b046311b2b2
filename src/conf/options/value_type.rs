//! What a value must look like, as Flink's `ConfigurationUtils`, `TimeUtils` and `MemorySize`
//! parse it.

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
    /// Several values; what they are is not checked.
    List,
}

const TIME_UNITS: [&str; 33] = [
    "",
    "d",
    "day",
    "days",
    "h",
    "hour",
    "hours",
    "m",
    "min",
    "minute",
    "minutes",
    "s",
    "sec",
    "secs",
    "second",
    "seconds",
    "ms",
    "milli",
    "millis",
    "millisecond",
    "milliseconds",
    "µs",
    "μs",
    "micro",
    "micros",
    "microsecond",
    "microseconds",
    "ns",
    "nano",
    "nanos",
    "nanosecond",
    "nanoseconds",
    "msec",
];

const MEMORY_UNITS: [&str; 15] = [
    "",
    "b",
    "bytes",
    "k",
    "kb",
    "kibibytes",
    "m",
    "mb",
    "mebibytes",
    "g",
    "gb",
    "gibibytes",
    "t",
    "tb",
    "tebibytes",
];

impl ValueType {
    /// The type of a column of the option tables.
    pub(super) fn parse(text: &'static str) -> Self {
        match text {
            _ if text.ends_with("[]") => Self::List,
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

    /// Whether Flink could make this type of the text.
    pub fn accepts(&self, value: &str) -> bool {
        let text = value.trim();
        match self {
            Self::Boolean => matches!(text.to_ascii_lowercase().as_str(), "true" | "false"),
            Self::Integer => text.parse::<i32>().is_ok(),
            Self::Long => text.parse::<i64>().is_ok(),
            Self::Float => text
                .trim_end_matches(['d', 'D', 'f', 'F'])
                .parse::<f64>()
                .is_ok(),
            Self::Duration => text.starts_with('P') || has_unit(text, &TIME_UNITS),
            Self::MemorySize => has_unit(text, &MEMORY_UNITS),
            Self::Enumeration(words) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
            Self::Map => text.is_empty() || text.contains(':'),
            Self::Text | Self::List => true,
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
            Self::List => "a list such as a;b".to_owned(),
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
            Self::List => "list",
        }
    }
}

/// Whether a text is digits and one of the units, in any case, with or without space between.
fn has_unit(text: &str, units: &[&str]) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    unit.len() < text.len() && units.contains(&unit.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_flink() {
        let accepts = |kind: &ValueType, text: &str| kind.accepts(text);
        for text in ["500", "500 ms", "10s", "5 min", "1 d", "PT5M"] {
            assert!(accepts(&ValueType::Duration, text), "{text}");
        }
        for text in ["", "s", "-1 s", "1.5 s", "10 fortnights", "1728m ib"] {
            assert!(!accepts(&ValueType::Duration, text), "{text}");
        }
        for text in ["1728m", "1 gb", "1024", "2 GIBIBYTES"] {
            assert!(accepts(&ValueType::MemorySize, text), "{text}");
        }
        for text in ["1.5g", "1728 mib", "-1", "g"] {
            assert!(!accepts(&ValueType::MemorySize, text), "{text}");
        }
    }

    #[test]
    fn words_and_numbers_are_told_apart() {
        assert!(ValueType::Boolean.accepts("TRUE"));
        assert!(!ValueType::Boolean.accepts("yes"));
        assert!(ValueType::Integer.accepts("8081"));
        assert!(!ValueType::Integer.accepts("8081-8090"));
        assert!(ValueType::Float.accepts("0.4"));
        assert!(ValueType::parse("A_B|C").accepts("a_b"));
        assert!(!ValueType::parse("A_B|C").accepts("d"));
        assert_eq!(ValueType::parse("Map[]"), ValueType::List);
    }
}
