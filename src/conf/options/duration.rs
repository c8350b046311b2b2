//! Durations as Flink writes them (`TimeUtils.parseDuration`).

use std::time::Duration;

/// Reads a duration: digits and a unit of time, in any case, with or without space between; bare
/// digits are milliseconds. ISO 8601 (`PT5M`) is read as well, as newer Flinks do.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.starts_with('P') {
        let signed: jiff::SignedDuration = text.parse().ok()?;
        let span = Duration::try_from(signed).ok();
        // Flink counts milliseconds.
        return span.filter(|span| i64::try_from(span.as_millis()).is_ok());
    }
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let nanoseconds: u64 = match unit.trim().to_lowercase().as_str() {
        "d" | "day" | "days" => 86_400_000_000_000,
        "h" | "hour" | "hours" => 3_600_000_000_000,
        "m" | "min" | "minute" | "minutes" => 60_000_000_000,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000_000_000,
        "" | "ms" | "msec" | "milli" | "millis" | "millisecond" | "milliseconds" => 1_000_000,
        "µs" | "μs" | "micro" | "micros" | "microsecond" | "microseconds" => 1000,
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1,
        _ => return None,
    };
    number.checked_mul(nanoseconds).map(Duration::from_nanos)
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
            ("2 h", 7_200_000),
            ("1 d", 86_400_000),
            (" 7 msec ", 7),
            ("PT5M", 300_000),
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
            "Px",
            "-PT5M",
            "9e9",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_a_duration_to_the_check_as_well(text in "[0-9]{0,21} ?[a-zµ]{0,8}|P[A-Z0-9.]{0,6}") {
            if parse_duration(&text).is_some() {
                prop_assert!(ValueType::Duration.accepts(&text));
            }
        }
    }
}
