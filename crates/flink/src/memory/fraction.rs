//! Fractions of memory, with Flink's own arithmetic.
//!
//! Flink reads a fraction as a 32-bit float and widens it to a double: a configured `0.4` is
//! 0.4000000059604645. A size times a double is the exact decimal product of the size and the
//! double's shortest decimal text, cut to whole bytes. 1280 MiB x 0.4 is therefore 536870920.

use super::size::{MemorySize, java_trim};

/// The double that Flink works with for the text of a fraction option, or `None` where Java's
/// `Float.parseFloat` would not read it. Hexadecimal floats, which Java also reads, are refused.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    decimal_float(text)?.parse::<f32>().ok().map(f64::from)
}

/// The double that Java's `Double.parseDouble` reads, hexadecimal forms apart.
pub(super) fn parse_double(text: &str) -> Option<f64> {
    decimal_float(text)?.parse::<f64>().ok()
}

/// The part of a Java floating-point literal that Rust reads with the same meaning.
fn decimal_float(text: &str) -> Option<&str> {
    let text = java_trim(text);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return Some(text);
    }
    let text = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    let has_digit = text.contains(|c: char| c.is_ascii_digit());
    (has_digit && text.chars().all(allowed)).then_some(text)
}

/// `size` times `factor`, cut to whole bytes; `None` if that is above [`MemorySize::MAX`].
/// `factor` must be finite and not negative, as every checked fraction is.
pub(super) fn multiply(size: MemorySize, factor: f64) -> Option<MemorySize> {
    let (digits, exponent) = shortest_decimal(factor)?;
    // At most 2^63 x 10^17, which fits.
    let product = u128::from(size.bytes()).checked_mul(digits)?;
    let whole = match u32::try_from(exponent) {
        Ok(up) => product.checked_mul(10_u128.checked_pow(up)?)?,
        Err(_) => match 10_u128.checked_pow(exponent.unsigned_abs()) {
            Some(down) => product.checked_div(down)?,
            None => 0,
        },
    };
    u64::try_from(whole).ok().and_then(MemorySize::of_bytes)
}

/// The shortest decimal text of a double as digits and a power of ten: 0.25 is (25, -2).
fn shortest_decimal(value: f64) -> Option<(u128, i32)> {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let decimals = mantissa.split_once('.').map_or(0, |(_, after)| after.len());
    let digits: u128 = mantissa.replace('.', "").parse().ok()?;
    Some((digits, exponent - i32::try_from(decimals).ok()?))
}

/// A positive double cut to eight decimals of its shortest decimal text.
pub(super) fn cut_to_eight_decimals(value: f64) -> f64 {
    let text = format!("{value}");
    let cut = match text.split_once('.') {
        Some((whole, decimals)) => {
            let kept: String = decimals.chars().take(8).collect();
            format!("{whole}.{kept}")
        }
        None => text,
    };
    cut.parse().unwrap_or(value)
}

/// A double as Java's `Double.toString` writes it: `1.0`, `0.10000000149011612`, `1.0E-5`.
pub(super) fn java_double_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}E{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_fraction_is_rounded_to_a_float_before_it_is_used() {
        let fraction = parse_float("0.4").unwrap();
        assert_eq!(java_double_text(fraction), "0.4000000059604645");
        let flink = MemorySize::of_mebibytes(1280);
        assert_eq!(multiply(flink, fraction).unwrap().bytes(), 536_870_920);
    }

    #[test]
    fn products_are_cut_and_never_exceed_the_largest_size() {
        let size = MemorySize::of_bytes(7).unwrap();
        assert_eq!(multiply(size, 0.5).unwrap().bytes(), 3);
        assert_eq!(multiply(size, 1e-300).unwrap().bytes(), 0);
        assert_eq!(multiply(size, 2e1).unwrap().bytes(), 140);
        assert_eq!(multiply(MemorySize::MAX, 1.5), None);
        assert_eq!(multiply(MemorySize::MAX, 1.0), Some(MemorySize::MAX));
    }

    #[test]
    fn doubles_are_written_as_java_writes_them() {
        for (value, text) in [
            (1.0, "1.0"),
            (2.5, "2.5"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (12_345_678.9, "1.23456789E7"),
            (1e7, "1.0E7"),
            (-0.1, "-0.1"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(java_double_text(value), text);
        }
    }

    #[test]
    fn processors_are_cut_and_not_rounded() {
        for (value, cut) in [(1.662_322_139_9, 1.662_322_13), (1e-11, 0.0), (16.0, 16.0)] {
            assert_eq!(
                java_double_text(cut_to_eight_decimals(value)),
                java_double_text(cut)
            );
        }
    }

    #[test]
    fn floats_are_read_as_java_reads_them() {
        assert_eq!(parse_double(" 2.5f "), Some(2.5));
        assert_eq!(parse_double("1e-1d"), Some(0.1));
        assert_eq!(parse_double(".5"), Some(0.5));
        assert_eq!(parse_double("5."), Some(5.0));
        assert!(parse_double("NaN").unwrap().is_nan());
        for text in ["", "inf", "nan", "0,4", "f", "1e", "--1", "40%"] {
            assert_eq!(parse_double(text), None, "{text}");
        }
    }
}
