//! How long to wait before starting a failed member again, and when to stop trying.

use std::time::Duration;

/// The rule for one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the second failure in a row; the first is replaced at once.
    pub first: Duration,
    /// The longest wait.
    pub ceiling: Duration,
    /// Running this long clears the record of failures.
    pub stable: Duration,
    /// So many failures within [`Backoff::window`] end the cluster.
    pub failures: usize,
    /// The window in which failures are counted.
    pub window: Duration,
}

/// What to do about a role that has just lost a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Start a replacement at this time (on the planner's clock).
    At(Duration),
    /// Too many failures in too short a time.
    Exhausted {
        /// How many failures were counted.
        failures: usize,
    },
}

impl Default for Backoff {
    /// One second, doubling to thirty; forgiven after a minute; ten failures in five minutes
    /// are too many.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            ceiling: Duration::from_secs(30),
            stable: Duration::from_secs(60),
            failures: 10,
            window: Duration::from_secs(300),
        }
    }
}

impl Backoff {
    /// Judges the times at which members of one role failed, oldest first.
    pub fn judge(&self, failed_at: &[Duration], now: Duration) -> Retry {
        let since = now.saturating_sub(self.window);
        let recent = failed_at.iter().filter(|&&at| at >= since).count();
        if recent >= self.failures {
            return Retry::Exhausted { failures: recent };
        }
        match failed_at.last() {
            None => Retry::At(now),
            Some(&last) => Retry::At(last.saturating_add(self.wait(self.streak(failed_at)))),
        }
    }

    /// How many failures at the end followed one another closer than the stable period.
    fn streak(&self, failed_at: &[Duration]) -> u32 {
        let close = failed_at.windows(2).rev().take_while(|pair| match pair {
            [before, after] => after.saturating_sub(*before) < self.stable,
            _ => false,
        });
        u32::try_from(close.count()).unwrap_or(u32::MAX)
    }

    fn wait(&self, repeats: u32) -> Duration {
        match repeats.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => {
                let factor = 1_u32.checked_shl(doublings.min(31)).unwrap_or(u32::MAX);
                self.first.saturating_mul(factor).min(self.ceiling)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(values: &[u64]) -> Vec<Duration> {
        values.iter().copied().map(Duration::from_secs).collect()
    }

    fn judge(failed_at: &[u64], now: u64) -> Retry {
        Backoff::default().judge(&seconds(failed_at), Duration::from_secs(now))
    }

    #[test]
    fn the_first_failure_is_replaced_at_once_and_repeats_wait_twice_as_long_each_time() {
        assert_eq!(judge(&[100], 100), Retry::At(Duration::from_secs(100)));
        assert_eq!(judge(&[100, 101], 101), Retry::At(Duration::from_secs(102)));
        assert_eq!(
            judge(&[100, 101, 103], 103),
            Retry::At(Duration::from_secs(105))
        );
        assert_eq!(
            judge(&[100, 101, 103, 106], 106),
            Retry::At(Duration::from_secs(110))
        );
    }

    #[test]
    fn a_minute_of_running_forgives() {
        assert_eq!(
            judge(&[100, 101, 103, 200], 200),
            Retry::At(Duration::from_secs(200))
        );
    }

    #[test]
    fn the_wait_never_exceeds_the_ceiling() {
        let many: Vec<Duration> = (0..60).map(Duration::from_secs).collect();
        let patient = Backoff {
            failures: 100,
            ..Backoff::default()
        };
        let now = Duration::from_secs(60);
        assert_eq!(
            patient.judge(&many, now),
            Retry::At(Duration::from_secs(59 + 30))
        );
    }

    #[test]
    fn ten_failures_in_five_minutes_are_too_many_but_old_ones_do_not_count() {
        let burst: Vec<u64> = (0..10).map(|n| 1000 + n * 20).collect();
        assert_eq!(judge(&burst, 1180), Retry::Exhausted { failures: 10 });
        let spread: Vec<u64> = (0..10).map(|n| 1000 + n * 61).collect();
        assert!(matches!(judge(&spread, 1549), Retry::At(_)));
    }
}
