//! When missing workers are started on machines that come and go, and when starting pauses.
//!
//! A worker that was lost with its machine, or that had served, is replaced at once. Starts that
//! fail slow down the starts that follow: a broken image must not be pulled ten times a second.

use std::time::Duration;

use super::MemberEnd;

/// The time over which failed starts are counted, as Flink counts them.
const WINDOW: Duration = Duration::from_secs(60);

/// How workers are started and judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartPolicy {
    /// How long a worker that was launched may take to register
    /// (`resourcemanager.taskmanager-registration.timeout`).
    pub registration_timeout: Duration,
    /// How long a worker that had registered may be away from a JobManager that serves.
    pub return_timeout: Duration,
    /// How long it may be so while the rest is well, before it is called lost and another one is
    /// wanted.
    pub loss_timeout: Duration,
    /// How many starts may fail within a minute before starts pause
    /// (`resourcemanager.start-worker.max-failure-rate`).
    pub failures_per_minute: usize,
    /// The shortest pause (`resourcemanager.start-worker.retry-interval`).
    pub retry_interval: Duration,
    /// How many workers may fail in all before the cluster ends (`mesos.maximum-failed-tasks`).
    pub maximum_failed: Option<usize>,
}

/// Whether missing workers are started now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Start {
        /// At most so many: more failures than these would exceed the rate.
        most: Option<usize>,
    },
    /// Not before that time.
    Pause {
        /// When, on the planner's clock.
        until: Duration,
        /// How many starts have failed within the last minute.
        failed: usize,
    },
}

/// Judges how workers have ended, oldest first. Only ends of workers that never served count, and
/// of these only such as were the worker's own.
pub fn judge_starts(policy: &StartPolicy, ends: &[MemberEnd], now: Duration) -> Verdict {
    let recent = |end: &&MemberEnd| end.at + WINDOW > now;
    let failed: Vec<Duration> = ends
        .iter()
        .rev()
        .take_while(recent)
        .filter(|end| !end.served && !end.blameless)
        .map(|end| end.at)
        .collect();
    let Some(last) = failed.first() else {
        return Verdict::Start { most: None };
    };
    let rate = policy.failures_per_minute.max(1);
    // As many may be tried as may fail; the failure that is the first to be a minute old makes
    // room for the next.
    if let Some(room) = rate.checked_sub(failed.len()).filter(|room| *room > 0) {
        return Verdict::Start { most: Some(room) };
    }
    let oldest_that_counts = failed.get(rate - 1).unwrap_or(last);
    Verdict::Pause {
        until: (*oldest_that_counts + WINDOW).max(*last + policy.retry_interval),
        failed: failed.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: StartPolicy = StartPolicy {
        registration_timeout: Duration::from_secs(300),
        return_timeout: Duration::from_secs(60),
        loss_timeout: Duration::from_secs(1),
        failures_per_minute: 3,
        retry_interval: Duration::from_secs(3),
        maximum_failed: None,
    };

    fn failure(at: u64) -> MemberEnd {
        MemberEnd {
            at: Duration::from_secs(at),
            ..MemberEnd::default()
        }
    }

    fn judged(ends: &[MemberEnd], now: u64) -> Verdict {
        judge_starts(&POLICY, ends, Duration::from_secs(now))
    }

    #[test]
    fn a_lost_agent_with_a_hundred_workers_is_no_reason_to_wait() {
        let lost = MemberEnd {
            blameless: true,
            ..failure(10)
        };
        assert_eq!(judged(&[lost; 100], 10), Verdict::Start { most: None });
    }

    #[test]
    fn workers_that_had_served_are_replaced_at_once() {
        let served = MemberEnd {
            served: true,
            ..failure(10)
        };
        assert_eq!(judged(&[served; 100], 10), Verdict::Start { most: None });
    }

    #[test]
    fn failed_starts_leave_room_for_fewer_tries_and_then_pause_until_the_oldest_is_a_minute_old() {
        let ends = [failure(10), failure(20), failure(31)];
        assert_eq!(judged(&ends[..1], 20), Verdict::Start { most: Some(2) });
        let paused = Verdict::Pause {
            until: Duration::from_secs(70),
            failed: 3,
        };
        assert_eq!(judged(&ends, 31), paused);
        assert_eq!(judged(&ends, 70), Verdict::Start { most: Some(1) });
    }

    #[test]
    fn a_burst_of_failures_pauses_until_all_but_the_allowed_are_old() {
        let burst = [failure(10); 100];
        let paused = Verdict::Pause {
            until: Duration::from_secs(70),
            failed: 100,
        };
        assert_eq!(judged(&burst, 10), paused);
        assert_eq!(judged(&burst, 70), Verdict::Start { most: None });
    }
}
