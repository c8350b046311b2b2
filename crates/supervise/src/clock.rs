//! Time, as the supervisor sees it: through one small trait, so that tests own it.

use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

/// A point on the monotonic clock: the time since some fixed moment, never set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Moment(Duration);

impl Moment {
    #[cfg(test)]
    /// The moment this long after the clock's start.
    pub(super) const fn at(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// How long after `earlier` this is; zero if it is before.
    pub(super) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// Where time comes from.
pub(super) trait Clock {
    /// Now, for deadlines.
    fn now(&self) -> Moment;
    /// Now, for people.
    fn wall(&self) -> SystemTime;
}

/// The kernel's clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct KernelClock;

impl Clock for KernelClock {
    fn now(&self) -> Moment {
        // The monotonic clock exists on every Linux; a zero would only make deadlines late.
        clock_gettime(ClockId::CLOCK_MONOTONIC)
            .map(|time| Moment(Duration::from(time)))
            .unwrap_or_default()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// `Duration` as a JSON number of seconds, for `#[serde(with = "seconds")]`.
pub(super) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        span: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(span.as_secs_f64())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let number = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(number).map_err(|_| {
            serde::de::Error::custom(format!(
                "{number} is no span of time: seconds, zero or more, are expected"
            ))
        })
    }
}
