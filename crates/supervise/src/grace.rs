//! The default grace period: a second less than what the engine around us allows.

use std::time::Duration;

/// What is left to the engine's own deadline when ours has passed: time to reap, write the exit
/// report and end.
const MARGIN: Duration = Duration::from_secs(1);

/// Docker's and Podman's `stop` default.
const DOCKER: Duration = Duration::from_secs(10);

/// The Mesos command executor's and default executor's (`src/launcher/executor.cpp`).
const MESOS: Duration = Duration::from_secs(3);

/// The grace period when nobody configured one. `engine` is what the launch manifest says the
/// engine waits; `variable` looks up the environment.
///
/// Under Mesos, `MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD` (a stout duration such as `5secs`) says
/// how long an executor has; without it, a task with a sandbox has its executor's 3 s.
pub fn default_grace(
    engine: Option<Duration>,
    variable: impl Fn(&str) -> Option<String>,
) -> Duration {
    let declared = || {
        variable("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD")
            .and_then(|text| stout_duration(text.trim()))
    };
    let mesos = || variable("MESOS_SANDBOX").map(|_| MESOS);
    let allowed = engine.or_else(declared).or_else(mesos).unwrap_or(DOCKER);
    if allowed >= MARGIN * 2 {
        allowed.saturating_sub(MARGIN)
    } else {
        allowed / 2
    }
}

/// A duration as Mesos writes it: a number and a unit of `ns us ms secs mins hrs days weeks`
/// (`3rdparty/stout/include/stout/duration.hpp`).
fn stout_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(split)?;
    let seconds = match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "secs" => 1.0,
        "mins" => 60.0,
        "hrs" => 3600.0,
        "days" => 86_400.0,
        "weeks" => 604_800.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grace(engine: Option<u64>, variables: &[(&str, &str)]) -> f64 {
        default_grace(engine.map(Duration::from_secs), |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
        .as_secs_f64()
    }

    #[test]
    fn a_second_is_left_inside_the_engines_own_grace() {
        let period = "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD";
        assert!((grace(None, &[]) - 9.0).abs() < 1e-9);
        assert!((grace(None, &[("MESOS_SANDBOX", "/x")]) - 2.0).abs() < 1e-9);
        assert!((grace(None, &[("MESOS_SANDBOX", "/x"), (period, "5secs")]) - 4.0).abs() < 1e-9);
        assert!((grace(None, &[(period, "2mins")]) - 119.0).abs() < 1e-9);
        assert!((grace(Some(30), &[(period, "5secs")]) - 29.0).abs() < 1e-9);
    }

    #[test]
    fn a_grace_too_short_for_the_margin_is_halved_and_nonsense_is_passed_over() {
        let period = "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD";
        assert!((grace(None, &[(period, "500ms")]) - 0.25).abs() < 1e-9);
        for text in ["", "5", "secs", "5 s", "-5secs", "1.2.3secs"] {
            assert!(
                (grace(None, &[(period, text)]) - 9.0).abs() < 1e-9,
                "{text}"
            );
        }
    }
}
