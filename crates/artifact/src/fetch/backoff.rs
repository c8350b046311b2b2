//! How often and how long to try.

use std::time::Duration;

/// How a fetch is retried. Beside these bounds, a URL that refuses is not asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Rounds over all URLs of an artifact after the first.
    pub rounds: u32,
    /// The wait before the second round; it doubles with each one.
    pub first_wait: Duration,
    /// No wait is longer.
    pub longest_wait: Duration,
    /// All artifacts of one launch together may take so long.
    pub budget: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            rounds: 8,
            first_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(10),
            budget: Duration::from_secs(15 * 60),
        }
    }
}

impl Retry {
    /// The wait after round `round` (from 0). `random` (0 to 255) spreads it over its upper half,
    /// so that workers which failed together do not come back together.
    pub(super) fn wait(&self, round: u32, random: u8) -> Duration {
        let doubled = 2_u32.saturating_pow(round);
        let whole = self
            .first_wait
            .saturating_mul(doubled)
            .min(self.longest_wait);
        whole / 2 + whole / 2 * u32::from(random) / 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<_> = (0..8)
            .map(|round| Retry::default().wait(round, 255).as_millis())
            .collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(Retry::default().wait(0, 0).as_millis(), 100);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_longest(round: u32, random: u8) {
            let retry = Retry::default();
            let wait = retry.wait(round, random);
            prop_assert!(wait <= retry.longest_wait && wait >= retry.first_wait / 2);
        }
    }
}
