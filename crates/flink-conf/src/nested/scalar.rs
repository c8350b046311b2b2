//! Plain scalars, resolved by the YAML 1.2 core schema as snakeyaml-engine does it, and printed as
//! Java prints what they resolve to.

use std::fmt::Write as _;

/// A scalar after resolution. Numbers are kept as the text Java prints for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false` in one of three spellings.
    Boolean(bool),
    /// An integer of any size, in decimal.
    Integer(String),
    /// A double, as `Double.toString` prints it, or `.inf`, `-.inf`, `.nan`.
    Float(String),
    /// Everything else.
    Text(String),
}

impl Scalar {
    /// What a plain (unquoted, untagged) scalar means.
    pub(crate) fn resolve(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "true" | "True" | "TRUE" => return Self::Boolean(true),
            "false" | "False" | "FALSE" => return Self::Boolean(false),
            _ => {}
        }
        if let Some(digits) = integer(text) {
            return Self::Integer(digits);
        }
        if let Some(printed) = float(text) {
            return Self::Float(printed);
        }
        Self::Text(text.to_owned())
    }

    /// The text that Flink's `Configuration.toMap` gives for a scalar that is not in a list.
    pub(crate) fn print(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(text) | Self::Float(text) | Self::Text(text) => text.clone(),
        }
    }

    /// What a person would call it.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
        }
    }
}

/// The decimal digits of an integer: `[-+]?[0-9]+`, `0o[0-7]+` or `0x[0-9a-fA-F]+`.
pub(super) fn integer(text: &str) -> Option<String> {
    if let Some(digits) = text.strip_prefix("0o") {
        return radix_to_decimal(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix_to_decimal(digits, 16);
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    Some(match (digits, negative) {
        ("", _) => "0".to_owned(),
        (digits, true) => format!("-{digits}"),
        (digits, false) => digits.to_owned(),
    })
}

/// The most digits of a hexadecimal or octal number that are converted; a longer one stays text.
/// (The conversion is quadratic; no option of Flink takes a number of this length.)
const RADIX_DIGITS: usize = 1_000;

/// The base of the little-endian groups of nine decimal digits.
const GROUP: u64 = 1_000_000_000;

fn radix_to_decimal(digits: &str, radix: u32) -> Option<String> {
    if digits.is_empty() || digits.len() > RADIX_DIGITS {
        return None;
    }
    let mut groups: Vec<u64> = vec![0];
    for digit in digits.chars() {
        let mut carry = u64::from(digit.to_digit(radix)?);
        for group in &mut groups {
            let value = *group * u64::from(radix) + carry;
            *group = value % GROUP;
            carry = value / GROUP;
        }
        if carry > 0 {
            groups.push(carry);
        }
    }
    let mut groups = groups.iter().rev();
    let mut printed = groups.next()?.to_string();
    for group in groups {
        let _ = write!(printed, "{group:09}");
    }
    Some(printed)
}

/// What Java prints for a float: `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?` and the
/// infinities and not-a-number of the core schema.
pub(super) fn float(text: &str) -> Option<String> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(".inf".to_owned()),
        "-.inf" | "-.Inf" | "-.INF" => return Some("-.inf".to_owned()),
        ".nan" | ".NaN" | ".NAN" => return Some(".nan".to_owned()),
        _ => {}
    }
    if !is_float(text) {
        return None;
    }
    text.parse::<f64>().ok().map(java_double)
}

fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

/// `Double.toString`: plain digits from 10^-3 up to 10^7, computerised scientific notation
/// outside of it, always with a digit on each side of the point. The digits are the shortest that
/// tell the value apart, as in JDK 19 and later; older ones print a digit more now and then.
pub(super) fn java_double(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let magnitude = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{value:?}");
    }
    let scientific = format!("{value:e}");
    match scientific.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => format!("{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => format!("{mantissa}.0E{exponent}"),
        None => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> String {
        Scalar::resolve(text).print()
    }

    #[test]
    fn integers_print_in_decimal_whatever_their_base_and_size() {
        assert_eq!(printed("007"), "7");
        assert_eq!(printed("-0"), "0");
        assert_eq!(printed("+1"), "1");
        assert_eq!(printed("0o17"), "15");
        assert_eq!(printed("0x1F"), "31");
        assert_eq!(
            printed("0xffffffffffffffffffff"),
            "1208925819614629174706175"
        );
        assert_eq!(printed("0x3b9aca00"), "1000000000");
        assert_eq!(Scalar::resolve("-0x1F"), Scalar::Text("-0x1F".into()));
        assert_eq!(Scalar::resolve("0o8"), Scalar::Text("0o8".into()));
        assert_eq!(Scalar::resolve("1_000"), Scalar::Text("1_000".into()));
    }

    #[test]
    fn floats_print_as_double_to_string_does() {
        assert_eq!(printed("0.10"), "0.1");
        assert_eq!(printed("1e3"), "1000.0");
        assert_eq!(printed(".5"), "0.5");
        assert_eq!(printed("1."), "1.0");
        assert_eq!(printed("1e7"), "1.0E7");
        assert_eq!(printed("12345678.9"), "1.23456789E7");
        assert_eq!(printed("0.0001"), "1.0E-4");
        assert_eq!(printed("-0.0"), "-0.0");
        assert_eq!(printed("1e400"), ".inf");
        assert_eq!(printed("-1e400"), "-.inf");
        assert_eq!(Scalar::resolve("."), Scalar::Text(".".into()));
        assert_eq!(Scalar::resolve("1e"), Scalar::Text("1e".into()));
        assert_eq!(Scalar::resolve("inf"), Scalar::Text("inf".into()));
    }

    #[test]
    fn words_of_yaml_1_1_stay_text() {
        for word in [
            "yes",
            "no",
            "on",
            "off",
            "y",
            "n",
            "12:30:45",
            "2020-01-01",
            "tRue",
            "nULL",
        ] {
            assert_eq!(Scalar::resolve(word), Scalar::Text(word.into()));
        }
    }
}
