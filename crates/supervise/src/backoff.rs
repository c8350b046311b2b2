//! When a program that ended is started again: exponential backoff with jitter, reset after a
//! stable run, and a ceiling within a time window.
//!
//! A function of the policy, the history and the clock; starts nothing.

use std::collections::VecDeque;
use std::time::Duration;

use super::clock::Moment;
use super::supervision::RestartPolicy;

/// What to do after a failed run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// Start again after this wait.
    After(Duration),
    /// The ceiling is reached.
    GiveUp,
}

/// The restarts so far.
#[derive(Debug, Default)]
pub(super) struct History {
    recent: VecDeque<Moment>,
    in_a_row: u32,
    total: u32,
}

impl History {
    /// Restarts granted since the beginning.
    pub(super) const fn total(&self) -> u32 {
        self.total
    }

    /// The restart that was granted last does not happen.
    pub(super) fn take_back(&mut self) {
        self.total = self.total.saturating_sub(1);
        self.recent.pop_back();
    }

    /// Decides on one more restart and remembers it. `chance` is a number in `[0, 1)`.
    pub(super) fn retry(
        &mut self,
        policy: &RestartPolicy,
        uptime: Duration,
        now: Moment,
        chance: f64,
    ) -> Retry {
        if uptime >= policy.stable {
            self.in_a_row = 0;
        }
        while self
            .recent
            .front()
            .is_some_and(|at| now.since(*at) > policy.window)
        {
            self.recent.pop_front();
        }
        if self.recent.len() >= usize::try_from(policy.ceiling).unwrap_or(usize::MAX) {
            return Retry::GiveUp;
        }
        let wait = policy.wait(self.in_a_row, chance);
        self.recent.push_back(now);
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.total = self.total.saturating_add(1);
        Retry::After(wait)
    }
}

impl RestartPolicy {
    /// How long to wait before the restart number `attempt`, from 0: `backoff × 2^attempt`, at
    /// most `backoff_max`, less a random part of it. `chance` is a number in `[0, 1)`.
    pub fn wait(&self, attempt: u32, chance: f64) -> Duration {
        let factor = 1_u32.checked_shl(attempt).unwrap_or(u32::MAX);
        let full = self.backoff.saturating_mul(factor).min(self.backoff_max);
        let kept = 1.0 - self.jitter.clamp(0.0, 1.0) * chance.clamp(0.0, 1.0);
        full.mul_f64(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    fn policy() -> RestartPolicy {
        RestartPolicy {
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(8),
            jitter: 0.0,
            stable: Duration::from_secs(100),
            ceiling: 6,
            window: Duration::from_secs(1000),
            ..RestartPolicy::default()
        }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_start_over_after_a_stable_run() {
        let mut history = History::default();
        let mut waits = Vec::new();
        for uptime in [0, 0, 0, 0, 0, 100] {
            match history.retry(&policy(), Duration::from_secs(uptime), at(1), 0.5) {
                Retry::After(wait) => waits.push(wait.as_secs()),
                Retry::GiveUp => panic!("gave up after {waits:?}"),
            }
        }
        assert_eq!(waits, [1, 2, 4, 8, 8, 1]);
        assert_eq!(history.total(), 6);
    }

    #[test]
    fn the_ceiling_counts_only_what_is_inside_the_window() {
        let mut history = History::default();
        for _ in 0..6 {
            assert!(matches!(
                history.retry(&policy(), Duration::ZERO, at(0), 0.0),
                Retry::After(_)
            ));
        }
        let again =
            |history: &mut History, now| history.retry(&policy(), Duration::ZERO, at(now), 0.0);
        assert_eq!(again(&mut history, 1000), Retry::GiveUp);
        assert!(matches!(again(&mut history, 1001), Retry::After(_)));
    }

    proptest! {
        #[test]
        fn jitter_only_shortens_the_wait_and_by_no_more_than_its_share(
            attempt in 0_u32..80, jitter in 0.0..=1.0_f64, chance in 0.0..1.0_f64,
        ) {
            let policy = RestartPolicy { jitter, ..policy() };
            let exact = policy.wait(attempt, 0.0).as_secs_f64();
            let drawn = policy.wait(attempt, chance).as_secs_f64();
            prop_assert!(drawn <= exact + 1e-9);
            prop_assert!(drawn >= exact * (1.0 - jitter) - 1e-9);
            prop_assert!(exact <= 8.0);
        }
    }
}
