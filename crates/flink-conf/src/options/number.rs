//! Numbers as Java parses them.

use super::super::flat::java_trim;

/// Whether `Integer.parseInt` or `Long.parseLong` takes a text: nothing around the digits, and
/// perhaps a sign before them. (They take the digits of every script; those are refused here.)
pub(super) fn is_integer<N: std::str::FromStr>(text: &str) -> bool {
    text.is_ascii() && text.parse::<N>().is_ok()
}

/// Whether `Double.parseDouble` takes a text.
pub(super) fn is_float(text: &str) -> bool {
    let text = java_trim(text);
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    if number == "NaN" || number == "Infinity" {
        return true;
    }
    let number = number.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(number);
    match number
        .strip_prefix("0x")
        .or_else(|| number.strip_prefix("0X"))
    {
        Some(hexadecimal) => has_parts(hexadecimal, ['p', 'P'], true, char::is_ascii_hexdigit),
        None => has_parts(number, ['e', 'E'], false, char::is_ascii_digit),
    }
}

/// Whether a number has digits, at most one point among them, and an exponent that may or must be.
fn has_parts(number: &str, marks: [char; 2], needed: bool, is_digit: fn(&char) -> bool) -> bool {
    let (mantissa, exponent) = match number.split_once(marks) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (number, None),
    };
    let digits = mantissa.replacen('.', "", 1);
    let is_exponent = |exponent: &str| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    !digits.is_empty()
        && digits.chars().all(|c| is_digit(&c))
        && exponent.map_or(!needed, is_exponent)
}

/// The number and the unit of a quantity such as `10 s`, the unit in lower case.
pub(super) fn quantity(text: &str) -> Option<(&str, String)> {
    let text = java_trim(text);
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text.strip_suffix(unit)?;
    (!number.is_empty()).then(|| (number, java_trim(unit).to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_as_java_prints_them_are_numbers(
            whole in any::<i64>(), half in any::<i32>(), number in any::<f64>(),
        ) {
            prop_assert!(is_integer::<i64>(&whole.to_string()));
            let (half, float) = (format!("{half:+}"), format!(" {whole}d"));
            prop_assert!(is_integer::<i32>(&half));
            prop_assert!(is_float(&float));
            let text = if number.is_nan() { "NaN".to_owned() } else { format!("{number:E}") };
            let text = text.replace("inf", "Infinity");
            prop_assert!(is_float(&text), "{text}");
        }

        #[test]
        fn what_is_taken_is_a_number_to_others_too(text in "[-+0-9.eEdDfFxXpPaN ]{0,12}") {
            if is_integer::<i32>(&text) {
                prop_assert!(is_integer::<i64>(&text) && is_float(&text));
            }
            let decimal = java_trim(&text).trim_end_matches(['d', 'D', 'f', 'F']);
            if is_float(&text) && !decimal.contains(['x', 'X']) {
                prop_assert!(decimal.parse::<f64>().is_ok(), "{text}");
            }
        }

        #[test]
        fn a_quantity_is_its_digits_and_its_unit(number in any::<u64>(), unit in "[a-zA-Z]{0,5}") {
            let text = format!(" {number} {unit} ");
            let digits = number.to_string();
            prop_assert_eq!(quantity(&text), Some((digits.as_str(), unit.to_lowercase())));
        }
    }
}
