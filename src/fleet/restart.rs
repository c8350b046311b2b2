//! When the members of a role are started again after they ended, and when to stop trying.
//!
//! The policy is the supervisor's own; here it judges members instead of the runs of one program.

use std::time::Duration;

use flugs_base::Sha256Digest;
use flugs_supervise::{RestartPolicy, RestartWhen, START_OF_A_RUN};

/// One end of a member that nobody had asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemberEnd {
    /// When, on the planner's clock.
    pub at: Duration,
    /// Whether it was the end of its work, as a JobManager's exit with 0 is, and no failure.
    pub finished: bool,
    /// Whether it had served before.
    pub served: bool,
    /// Whether its place was lost and not the member.
    pub blameless: bool,
    /// How long it had lived.
    pub lived: Duration,
    /// Stands for why it failed: the same for two that failed in the same way. Absent if that is
    /// not known, if another try may well fare better, or if it was a worker that had served.
    pub likeness: Option<Sha256Digest>,
}

/// What to do about a role that has just lost a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Start a replacement at this time (on the planner's clock).
    At(Duration),
    /// Start none: the member has done its work.
    Finished,
    /// Start none: the last two failed in the same way soon after their start. So would another.
    Hopeless,
    /// Start none: the policy allows no further one.
    Exhausted {
        /// How many ends were counted.
        failures: usize,
    },
}

/// The policy of a cluster unless told otherwise: after failures; the first replacement at once,
/// the next after a second, doubling to thirty; forgiven after a minute; more than ten in five
/// minutes are too many.
pub fn default_policy() -> RestartPolicy {
    RestartPolicy {
        when: RestartWhen::OnFailure,
        backoff: Duration::from_secs(1),
        backoff_max: Duration::from_secs(30),
        stable: Duration::from_secs(60),
        ceiling: 10,
        window: Duration::from_secs(300),
        ..RestartPolicy::default()
    }
}

/// Judges the ends of one role's members, oldest first.
pub fn judge(policy: &RestartPolicy, ends: &[MemberEnd], now: Duration) -> Retry {
    let Some(last) = ends.last() else {
        return Retry::At(now);
    };
    if last.finished && policy.when != RestartWhen::Always {
        return Retry::Finished;
    }
    let since = now.saturating_sub(policy.window);
    let recent = ends.iter().filter(|end| end.at >= since).count();
    let allowed = match policy.when {
        RestartWhen::Never => 0,
        RestartWhen::OnFailure | RestartWhen::Always => {
            usize::try_from(policy.ceiling).unwrap_or(usize::MAX)
        }
    };
    if recent > allowed {
        return Retry::Exhausted { failures: recent };
    }
    if let [.., before, last] = ends
        && before.was_brief()
        && last.was_brief()
        && last.likeness == before.likeness
    {
        return Retry::Hopeless;
    }
    let wait = match streak(policy, ends).checked_sub(1) {
        // The first is replaced at once: whatever ended it is over most of the time.
        None => Duration::ZERO,
        Some(attempt) => policy.wait(attempt, chance(last.at)),
    };
    Retry::At(last.at.saturating_add(wait))
}

impl MemberEnd {
    /// Whether it failed soon after its start, for a reason that can be compared.
    fn was_brief(&self) -> bool {
        self.likeness.is_some() && self.lived < START_OF_A_RUN
    }
}

/// How many ends at the end followed one another closer than the stable period.
fn streak(policy: &RestartPolicy, ends: &[MemberEnd]) -> u32 {
    let close = ends.windows(2).rev().take_while(|pair| match pair {
        [before, after] => after.at.saturating_sub(before.at) < policy.stable,
        _ => false,
    });
    u32::try_from(close.count()).unwrap_or(u32::MAX)
}

/// A number in `[0, 1)` for the jitter, drawn from the end's own nanoseconds: as good as chance,
/// and the same each time the planner looks.
fn chance(at: Duration) -> f64 {
    let mixed = at.subsec_nanos().wrapping_mul(0x9e37_79b9);
    f64::from(mixed) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failures(seconds: &[u64]) -> Vec<MemberEnd> {
        let end = |at: &u64| MemberEnd {
            at: Duration::from_secs(*at),
            ..MemberEnd::default()
        };
        seconds.iter().map(end).collect()
    }

    fn at(seconds: u64) -> Retry {
        Retry::At(Duration::from_secs(seconds))
    }

    /// Whole seconds have no nanoseconds to draw jitter from.
    fn judge_seconds(seconds: &[u64], now: u64) -> Retry {
        judge(
            &default_policy(),
            &failures(seconds),
            Duration::from_secs(now),
        )
    }

    #[test]
    fn the_first_failure_is_replaced_at_once_and_repeats_wait_twice_as_long_each_time() {
        assert_eq!(judge_seconds(&[100], 100), at(100));
        assert_eq!(judge_seconds(&[100, 101], 101), at(102));
        assert_eq!(judge_seconds(&[100, 101, 103], 103), at(105));
        assert_eq!(judge_seconds(&[100, 101, 103, 106], 106), at(110));
    }

    #[test]
    fn a_minute_of_running_forgives() {
        assert_eq!(judge_seconds(&[100, 101, 103, 200], 200), at(200));
    }

    #[test]
    fn the_wait_never_exceeds_the_longest() {
        let patient = RestartPolicy {
            ceiling: 100,
            ..default_policy()
        };
        let many = failures(&(0..60).collect::<Vec<_>>());
        assert_eq!(judge(&patient, &many, Duration::from_secs(60)), at(59 + 30));
    }

    #[test]
    fn more_than_ten_failures_in_five_minutes_are_too_many_but_old_ones_do_not_count() {
        let burst: Vec<u64> = (0..11).map(|n| 1000 + n * 20).collect();
        assert_eq!(
            judge_seconds(&burst, 1200),
            Retry::Exhausted { failures: 11 }
        );
        let spread: Vec<u64> = (0..11).map(|n| 1000 + n * 61).collect();
        assert!(matches!(judge_seconds(&spread, 1610), Retry::At(_)));
    }

    #[test]
    fn never_gives_up_at_the_first_failure_and_takes_a_finished_member_as_finished() {
        let never = RestartPolicy {
            when: RestartWhen::Never,
            ..default_policy()
        };
        let now = Duration::from_secs(1);
        assert_eq!(judge(&never, &[], now), Retry::At(now));
        assert_eq!(
            judge(&never, &failures(&[1]), now),
            Retry::Exhausted { failures: 1 }
        );
        let finished = [MemberEnd {
            at: now,
            finished: true,
            ..MemberEnd::default()
        }];
        assert_eq!(judge(&never, &finished, now), Retry::Finished);
        assert_eq!(judge(&default_policy(), &finished, now), Retry::Finished);
    }

    #[test]
    fn the_same_failure_twice_at_the_start_is_hopeless_and_nothing_else_is() {
        let reason = |text: &str| Some(Sha256Digest::of(text.as_bytes()));
        let end = |at: u64, likeness| MemberEnd {
            at: Duration::from_secs(at),
            lived: Duration::from_secs(5),
            likeness,
            ..MemberEnd::default()
        };
        let verdict = |ends: &[MemberEnd]| judge(&default_policy(), ends, Duration::from_secs(20));
        let (first, last) = (end(10, reason("x")), end(20, reason("x")));
        assert_eq!(verdict(&[first]), at(10));
        assert_eq!(verdict(&[first, last]), Retry::Hopeless);
        let others = [
            MemberEnd {
                likeness: reason("y"),
                ..last
            },
            MemberEnd {
                likeness: None,
                ..last
            },
            MemberEnd {
                lived: START_OF_A_RUN,
                ..last
            },
        ];
        for other in others {
            assert!(
                matches!(verdict(&[first, other]), Retry::At(_)),
                "{other:?}"
            );
        }
        let unknown = MemberEnd {
            likeness: None,
            ..first
        };
        assert!(matches!(verdict(&[unknown, unknown]), Retry::At(_)));
    }

    #[test]
    fn always_starts_a_finished_member_again() {
        let always = RestartPolicy {
            when: RestartWhen::Always,
            ..default_policy()
        };
        let now = Duration::from_secs(1);
        let finished = [MemberEnd {
            at: now,
            finished: true,
            ..MemberEnd::default()
        }];
        assert_eq!(judge(&always, &finished, now), Retry::At(now));
    }

    proptest! {
        #[test]
        fn jitter_shortens_the_wait_by_at_most_a_quarter_and_is_drawn_once(nanos in 0..1_000_000_000_u32) {
            let second = Duration::new(10, nanos);
            let ends = [Duration::from_secs(9), second].map(|at| MemberEnd { at, ..MemberEnd::default() });
            let due = |now| match judge(&default_policy(), &ends, now) {
                Retry::At(due) => due,
                other => panic!("{other:?}"),
            };
            let wait = due(second).saturating_sub(second);
            prop_assert!((750..=1000).contains(&wait.as_millis()), "{wait:?}");
            prop_assert_eq!(due(second), due(second + Duration::from_millis(300)));
        }
    }
}
