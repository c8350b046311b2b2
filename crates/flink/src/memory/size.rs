//! Sizes of memory as Flink reads and writes them.
//!
//! Source: Flink's `MemorySize`. A size is a whole number of bytes from 0 to 2^63 - 1.

use std::fmt;

/// A number of bytes, never more than 2^63 - 1, as in Flink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MemorySize(u64);

/// Text that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// The text is empty or white space.
    #[error("the size is empty")]
    Empty,
    /// The text does not start with a digit. Signs are not allowed.
    #[error("it does not start with a whole number")]
    NoNumber,
    /// The unit is none of Flink's. Decimals end up here: `1.5g` has the unit `.5g`.
    #[error(
        "\"{unit}\" is not a unit of memory: use b, k, m, g or t after a whole number (1536m, not 1.5g)"
    )]
    UnknownUnit {
        /// The unit, in lower case.
        unit: String,
    },
    /// The number alone is above 2^63 - 1.
    #[error("the number {number} is larger than 2^63 - 1")]
    NumberTooLarge {
        /// The digits.
        number: String,
    },
    /// The number of bytes is above 2^63 - 1.
    #[error("{text} is more than 2^63 - 1 bytes")]
    TooLarge {
        /// The whole text.
        text: String,
    },
}

/// A unit: how it is printed in full, every spelling, and its size in bytes.
struct Unit {
    name: &'static str,
    spellings: &'static [&'static str],
    bytes: u64,
}

const UNITS: [Unit; 5] = [
    Unit {
        name: "bytes",
        spellings: &["b", "bytes"],
        bytes: 1,
    },
    Unit {
        name: "kb",
        spellings: &["k", "kb", "kibibytes"],
        bytes: 1 << 10,
    },
    Unit {
        name: "mb",
        spellings: &["m", "mb", "mebibytes"],
        bytes: 1 << 20,
    },
    Unit {
        name: "gb",
        spellings: &["g", "gb", "gibibytes"],
        bytes: 1 << 30,
    },
    Unit {
        name: "tb",
        spellings: &["t", "tb", "tebibytes"],
        bytes: 1 << 40,
    },
];

const LARGEST: u64 = i64::MAX.unsigned_abs();

/// White space as Java's `String.trim` sees it: everything up to the blank.
pub(super) fn java_trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

impl MemorySize {
    /// No bytes.
    pub const ZERO: Self = Self(0);
    /// The largest size there is.
    pub const MAX: Self = Self(LARGEST);

    /// A size of this many bytes, unless that is above [`Self::MAX`].
    pub const fn of_bytes(bytes: u64) -> Option<Self> {
        if bytes <= LARGEST {
            Some(Self(bytes))
        } else {
            None
        }
    }

    /// A size of this many mebibytes.
    pub const fn of_mebibytes(mebibytes: u32) -> Self {
        Self((mebibytes as u64) << 20)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Reads a size: optional white space, digits, optional white space, optional unit in any
    /// case (`b`, `k`, `kb`, `kibibytes`, …). Units are powers of 1024; no unit means bytes.
    pub fn parse(text: &str) -> Result<Self, SizeError> {
        let trimmed = java_trim(text);
        if trimmed.is_empty() {
            return Err(SizeError::Empty);
        }
        let digits_end = trimmed
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(trimmed.len());
        let (digits, rest) = trimmed.split_at(digits_end);
        if digits.is_empty() {
            return Err(SizeError::NoNumber);
        }
        let number = digits
            .parse::<u64>()
            .ok()
            .filter(|&number| number <= LARGEST)
            .ok_or_else(|| SizeError::NumberTooLarge {
                number: digits.to_owned(),
            })?;
        number
            .checked_mul(unit_bytes(rest)?)
            .and_then(Self::of_bytes)
            .ok_or_else(|| SizeError::TooLarge {
                text: text.to_owned(),
            })
    }

    /// The sum, unless it is above [`Self::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::of_bytes)
    }

    /// The difference, unless it is negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The size in the largest unit that it is more than one of, with three decimals, and in
    /// bytes: `128.000mb (134217730 bytes)`. A whole gibibyte reads `1024.000mb`. This is the
    /// form of Flink's own messages.
    pub fn to_flink_text(self) -> String {
        let unit = UNITS.iter().rev().find(|unit| self.0 > unit.bytes);
        match unit {
            Some(unit) if unit.bytes > 1 => {
                let approximate = three_decimals(self.0, unit.bytes);
                format!("{approximate}{} ({} bytes)", unit.name, self.0)
            }
            _ => format!("{} bytes", self.0),
        }
    }
}

fn unit_bytes(text: &str) -> Result<u64, SizeError> {
    let unit = java_trim(text).to_lowercase();
    if unit.is_empty() {
        return Ok(1);
    }
    UNITS
        .iter()
        .find(|candidate| candidate.spellings.contains(&unit.as_str()))
        .map(|candidate| candidate.bytes)
        .ok_or(SizeError::UnknownUnit { unit })
}

/// `bytes / unit` with three decimals, halves rounded up. Flink divides as doubles and Java
/// rounds the shortest decimal text of the quotient, so that is what is rounded here.
fn three_decimals(bytes: u64, unit: u64) -> String {
    #[expect(
        clippy::cast_precision_loss,
        reason = "Flink divides as doubles, and the text must be the same"
    )]
    let quotient = format!("{}", bytes as f64 / unit as f64);
    let (whole, decimals) = quotient.split_once('.').unwrap_or((&quotient, ""));
    let mut thousandths = whole.parse::<u64>().unwrap_or(0).saturating_mul(1000);
    let mut weight = 100;
    for (position, digit) in decimals.bytes().enumerate() {
        let digit = u64::from(digit.saturating_sub(b'0'));
        if position == 3 {
            thousandths += u64::from(digit >= 5);
            break;
        }
        thousandths += digit * weight;
        weight /= 10;
    }
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

impl fmt::Display for MemorySize {
    /// The size for people: bytes alone, or a rounded size with the exact bytes behind it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(&str, u64); 4] = [
            ("TiB", 1 << 40),
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
        ];
        let unit = NAMES.iter().find(|(_, bytes)| self.0 >= *bytes);
        formatter.pad(&match unit {
            None => format!("{} B", self.0),
            Some((name, bytes)) if self.0.is_multiple_of(*bytes) => {
                format!("{} {name}", self.0 / bytes)
            }
            Some((name, bytes)) => {
                let rounded = three_decimals(self.0, *bytes);
                let short = rounded.trim_end_matches('0').trim_end_matches('.');
                format!("{short} {name}")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(text: &str) -> Result<u64, SizeError> {
        MemorySize::parse(text).map(MemorySize::bytes)
    }

    #[test]
    fn every_spelling_of_a_unit_is_read_in_any_case_with_blanks_around() {
        assert_eq!(bytes("1728m"), Ok(1_811_939_328));
        assert_eq!(bytes(" 1728 MB "), Ok(1_811_939_328));
        assert_eq!(bytes("2097152 kibibytes"), Ok(1 << 31));
        assert_eq!(bytes("7"), Ok(7));
        assert_eq!(bytes("7b"), Ok(7));
        assert_eq!(bytes("1 TeBiBytes"), Ok(1 << 40));
    }

    #[test]
    fn sizes_that_flink_refuses_are_refused_for_the_same_reason() {
        assert_eq!(bytes(" \t"), Err(SizeError::Empty));
        assert_eq!(bytes("-1g"), Err(SizeError::NoNumber));
        assert_eq!(bytes("abc"), Err(SizeError::NoNumber));
        let unknown = |unit: &str| Err(SizeError::UnknownUnit { unit: unit.into() });
        assert_eq!(bytes("1.5g"), unknown(".5g"));
        assert_eq!(bytes("10q"), unknown("q"));
        assert_eq!(
            bytes("9223372036854775808"),
            Err(SizeError::NumberTooLarge {
                number: "9223372036854775808".into()
            })
        );
        assert_eq!(
            bytes("8388608t"),
            Err(SizeError::TooLarge {
                text: "8388608t".into()
            })
        );
        assert_eq!(bytes("9223372036854775807"), Ok(LARGEST));
    }

    #[test]
    fn flink_text_uses_the_largest_unit_that_is_exceeded() {
        let text = |bytes| MemorySize(bytes).to_flink_text();
        assert_eq!(text(0), "0 bytes");
        assert_eq!(text(1024), "1024 bytes");
        assert_eq!(text(1025), "1.001kb (1025 bytes)");
        assert_eq!(text(1 << 30), "1024.000mb (1073741824 bytes)");
        assert_eq!(text(181_193_935), "172.800mb (181193935 bytes)");
        assert_eq!(text(LARGEST), "8388608.000tb (9223372036854775807 bytes)");
    }

    #[test]
    fn people_read_round_sizes_without_decimals() {
        assert_eq!(MemorySize(0).to_string(), "0 B");
        assert_eq!(MemorySize(1 << 30).to_string(), "1 GiB");
        assert_eq!(MemorySize(1728 << 20).to_string(), "1.688 GiB");
        assert_eq!(MemorySize(1536 << 20).to_string(), "1.5 GiB");
    }

    proptest! {
        #[test]
        fn the_parser_never_panics_and_never_exceeds_the_largest_size(text in "\\PC{0,24}") {
            if let Ok(size) = MemorySize::parse(&text) {
                prop_assert!(size <= MemorySize::MAX);
            }
        }

        #[test]
        fn a_size_reads_back_from_its_bytes(bytes in 0..=LARGEST) {
            prop_assert_eq!(MemorySize::parse(&format!("{bytes}b")), Ok(MemorySize(bytes)));
            prop_assert!(MemorySize(bytes).to_flink_text().contains(&bytes.to_string()));
        }
    }
}
