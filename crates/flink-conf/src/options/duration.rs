//! Durations as Flink writes them (`TimeUtils.parseDuration`).

use std::time::Duration;

use super::number::quantity;
use super::rules::ReadingRules;

/// Reads a duration as the newest Flink does: digits and a unit of time, in any case, with or
/// without space between; bare digits are milliseconds. ISO 8601 (`PT5M`) is read as well.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let duration = parse_duration_by(text, ReadingRules::NEWEST);
    // Flink counts milliseconds where it waits, and so can a clock be moved by no more than that.
    duration.filter(|duration| i64::try_from(duration.as_millis()).is_ok())
}

/// Reads a duration as a release line does.
pub(super) fn parse_duration_by(text: &str, rules: ReadingRules) -> Option<Duration> {
    let trimmed = super::super::flat::java_trim(text);
    if rules.has_iso_durations() && trimmed.starts_with(['P', 'p']) {
        return parse_iso(&trimmed.to_ascii_uppercase());
    }
    let (number, unit) = quantity(text)?;
    let nanoseconds: u128 = match unit.as_str() {
        "m" if !rules.has_minutes_as_m() => return None,
        "d" | "day" | "days" => 86_400_000_000_000,
        "h" | "hour" | "hours" => 3_600_000_000_000,
        "m" | "min" | "minute" | "minutes" => 60_000_000_000,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000_000_000,
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1_000_000,
        "µs" | "micro" | "micros" | "microsecond" | "microseconds" => 1000,
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1,
        _ => return None,
    };
    if !rules.has_wide_durations() {
        number.parse::<i64>().ok()?;
    }
    let number: u128 = number.parse().ok()?;
    of_nanoseconds(number.checked_mul(nanoseconds)?)
}

const SECOND: u128 = 1_000_000_000;

/// A duration whose seconds Java can hold.
fn of_nanoseconds(nanoseconds: u128) -> Option<Duration> {
    let seconds = u64::try_from(i64::try_from(nanoseconds / SECOND).ok()?).ok()?;
    let rest = u32::try_from(nanoseconds % SECOND).ok()?;
    Some(Duration::new(seconds, rest))
}

/// `P1DT2H3M4.5S`, as `Duration.parse` takes it: any part may be missing but not all, each may have
/// a sign. What is negative in all is no duration to Flink.
fn parse_iso(text: &str) -> Option<Duration> {
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (text.strip_prefix('P')?, None),
    };
    if (days.is_empty() && time.is_none()) || time == Some("") {
        return None;
    }
    let mut rest = days;
    let mut nanoseconds = part(&mut rest, 'D', 86_400)?;
    if !rest.is_empty() {
        return None;
    }
    let mut rest = time.unwrap_or_default();
    for (unit, seconds) in [('H', 3600), ('M', 60), ('S', 1)] {
        nanoseconds = nanoseconds.checked_add(part(&mut rest, unit, seconds)?)?;
    }
    if !rest.is_empty() {
        return None;
    }
    of_nanoseconds(u128::try_from(nanoseconds).ok()?)
}

/// Takes one part off the front, if it is there, and gives its nanoseconds.
fn part(rest: &mut &str, unit: char, seconds: i128) -> Option<i128> {
    let Some((text, behind)) = rest.split_once(unit) else {
        return Some(0);
    };
    *rest = behind;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = match digits.split_once(['.', ',']) {
        Some((whole, fraction)) if unit == 'S' => (whole, fraction),
        Some(_) => return None,
        None => (digits, ""),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 9 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole = i128::from(whole.parse::<i64>().ok()?).checked_mul(seconds * 1_000_000_000)?;
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    Some(sign * (whole + fraction))
}

#[cfg(test)]
mod tests {
    use super::super::ValueType;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_have_flinks_units() {
        for (text, milliseconds) in [
            ("500", 500),
            ("0 s", 0),
            ("10s", 10_000),
            ("5 MIN", 300_000),
            ("5 m", 300_000),
            ("2 h", 7_200_000),
            ("1 d", 86_400_000),
            (" 7 millis ", 7),
            ("PT5M", 300_000),
            ("p1dt-1h", 82_800_000),
            ("PT1.5S", 1500),
        ] {
            let expected = Duration::from_millis(milliseconds);
            assert_eq!(parse_duration(text), Some(expected), "{text}");
        }
        for text in [
            "PT9223372036854775807S",
            "",
            "s",
            "-1 s",
            "1.5 s",
            "10 fortnights",
            "7 msec",
            "infinite",
            "P",
            "PT",
            "P1DT",
            "Px",
            "-PT5M",
            "PT-5M",
            "PT1M1H",
            "P1.5D",
            "9e9",
            "106751991167301 d",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_a_duration_to_the_check_as_well(text in "[0-9]{0,21} ?[a-zµ]{0,8}|P[A-Z0-9.]{0,6}") {
            let accepted = ValueType::Duration.accepts(&text, ReadingRules::NEWEST);
            let flinks = parse_duration_by(&text, ReadingRules::NEWEST);
            prop_assert_eq!(flinks.is_some(), accepted);
            let waited = |duration: &Duration| i64::try_from(duration.as_millis()).is_ok();
            prop_assert_eq!(parse_duration(&text), flinks.filter(waited));
        }
    }
}
