//! Numbers on the command line. One that cannot be is wrong usage, told with what could be.

use std::time::Duration;

use clap::builder::RangedU64ValueParser;

/// The longest time that can be asked for: some thirty years. Whoever wants more wants no limit,
/// and this is none.
const LONGEST: u64 = 1_000_000_000;

/// The most TaskManagers of one machine: each needs ports and a gigabyte or so.
const MOST_WORKERS: u64 = 10_000;

/// The most threads of one kind.
pub(super) const MOST_THREADS: usize = 1024;

/// Reads a number of seconds, parts of them included.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<f64>();
    number
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|span| *span <= Duration::from_secs(LONGEST))
        .ok_or_else(|| format!("a number of seconds from 0 to {LONGEST} is expected"))
}

/// The same, where no time at all makes no sense.
pub(super) fn some_seconds(text: &str) -> Result<Duration, String> {
    let span = seconds(text).ok().filter(|span| !span.is_zero());
    span.ok_or_else(|| format!("a number of seconds above 0 is expected, {LONGEST} at most"))
}

/// Reads a number of TaskManagers.
pub(super) fn workers() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(0..=MOST_WORKERS)
}

/// Reads a number of slots: what Flink has a number for.
pub(super) fn slots() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(1..=u64::from(i32::MAX.unsigned_abs()))
}

/// Reads a number of threads.
pub(super) fn threads() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=MOST_THREADS as u64)
}

/// Reads a log file's size in MiB: at most a TiB.
pub(super) fn log_size() -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(1..=1 << 20)
}

/// Reads how many older log files there are: each is renamed whenever the newest is full.
pub(super) fn generations() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(0..=10_000)
}

/// Reads how often something has to happen to count.
pub(super) fn times() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(1..=u64::from(u32::MAX))
}

/// Reads a number of cores.
pub(super) fn cores(text: &str) -> Result<f64, String> {
    let cores = text.parse().ok();
    let cores = cores.filter(|cores: &f64| (0.01..=65_536.0).contains(cores));
    cores.ok_or_else(|| "a number of cores from 0.01 to 65536 is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_parts_and_an_end() {
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2500)));
        assert_eq!(seconds("3s"), Ok(Duration::from_secs(3)));
        assert_eq!(seconds("1e9"), Ok(Duration::from_secs(LONGEST)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        for text in [
            "",
            "s",
            "-1",
            "-0.5",
            "nan",
            "inf",
            "1e400",
            "1000000001",
            "18446744073709551615",
            "1e10",
            "5m",
            "0x10",
        ] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert!(some_seconds("0").is_err() && some_seconds("0.0001").is_ok());
    }

    #[test]
    fn cores_are_a_number_that_a_machine_can_have() {
        assert_eq!(cores("1.5"), Ok(1.5));
        for text in ["0", "-1", "nan", "inf", "1e300", ""] {
            assert!(cores(text).is_err(), "{text}");
        }
    }
}
