//! From single answers to a verdict: start period, interval, failures in a row.

use std::time::Duration;

use super::super::clock::Moment;
use super::super::supervision::HealthPolicy;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Judge {
    interval: Duration,
    allowed: u32,
    start_period_ends: Moment,
    next: Moment,
    passed_once: bool,
    failures: u32,
    complaint: String,
}

impl Judge {
    /// A judge of a run that began now. The first check is due after one interval, or after a
    /// second if that is sooner: readiness should not wait for a long interval.
    pub(super) fn new(policy: &HealthPolicy, now: Moment) -> Self {
        Self {
            interval: policy.interval,
            allowed: policy.failures.max(1),
            start_period_ends: now + policy.start_period,
            next: now + policy.interval.min(Duration::from_secs(1)),
            passed_once: false,
            failures: 0,
            complaint: String::new(),
        }
    }

    /// When the next check is due.
    pub(super) const fn due(&self) -> Moment {
        self.next
    }

    /// Whether a check has passed, and none failed since.
    pub(super) const fn is_ready(&self) -> bool {
        self.passed_once && self.failures == 0
    }

    /// What the latest check said, if it failed.
    pub(super) fn complaint(&self) -> &str {
        &self.complaint
    }

    /// A check passed.
    pub(super) fn passed(&mut self, now: Moment) {
        self.passed_once = true;
        self.failures = 0;
        self.complaint.clear();
        self.next = now + self.interval;
    }

    /// A check failed. True: it is one too many. In the start period, until the first success,
    /// failures do not count, and checks come every second at least.
    pub(super) fn failed(&mut self, problem: String, now: Moment) -> bool {
        self.complaint = problem;
        if !self.passed_once && now < self.start_period_ends {
            self.next = now + self.interval.min(Duration::from_secs(1));
            return false;
        }
        self.next = now + self.interval;
        self.failures = self.failures.saturating_add(1);
        self.failures == self.allowed
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::supervision::HealthCheck;
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    fn judge() -> Judge {
        let policy = HealthPolicy {
            start_period: Duration::from_secs(30),
            interval: Duration::from_secs(10),
            failures: 2,
            ..HealthPolicy::of(HealthCheck::Alive)
        };
        Judge::new(&policy, at(0))
    }

    fn fail(judge: &mut Judge, now: u64) -> bool {
        judge.failed("down".to_owned(), at(now))
    }

    #[test]
    fn failures_in_the_start_period_do_not_count_and_checks_come_often() {
        let mut judge = judge();
        for now in 1..30 {
            assert!(judge.due() <= at(now), "{now}");
            assert!(!fail(&mut judge, now));
        }
        assert!(!fail(&mut judge, 30));
        assert!(fail(&mut judge, 40));
    }

    #[test]
    fn the_first_success_ends_the_start_period() {
        let mut judge = judge();
        judge.passed(at(3));
        assert!(judge.is_ready());
        assert_eq!(judge.due(), at(13));
        assert!(!fail(&mut judge, 13));
        assert!(!judge.is_ready());
        assert!(fail(&mut judge, 23));
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let mut judge = judge();
        judge.passed(at(1));
        for now in [11, 31, 51] {
            assert!(!fail(&mut judge, now));
            judge.passed(at(now + 10));
        }
        assert!(judge.is_ready());
    }

    #[test]
    fn who_is_ready_has_no_complaint_left() {
        let mut judge = judge();
        fail(&mut judge, 1);
        assert_eq!(judge.complaint(), "down");
        judge.passed(at(2));
        assert!(judge.is_ready());
        assert_eq!(judge.complaint(), "");
    }

    #[test]
    fn the_verdict_is_given_once() {
        let mut judge = judge();
        assert!(!fail(&mut judge, 30));
        assert!(fail(&mut judge, 40));
        assert!(!fail(&mut judge, 50));
        assert_eq!(judge.complaint(), "down");
    }
}
