//! Offers and the filters that refusals leave.

use crate::resources::Resources;
use std::time::Duration;

/// Resources of one agent, offered to one role of one framework.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) id: String,
    pub(crate) framework_id: String,
    pub(crate) agent_id: String,
    pub(crate) role: String,
    /// Allocated to the role.
    pub(crate) resources: Resources,
}

/// Resources of an agent that a framework does not want for a while, for one role.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) agent_id: String,
    pub(crate) role: String,
    /// Not allocated. What is part of it is not offered; more than it is.
    pub(crate) refused: Resources,
    pub(crate) until: Duration,
}

impl Filter {
    pub(crate) fn holds_back(&self, agent: &str, role: &str, free: &Resources) -> bool {
        self.agent_id == agent && self.role == role && self.refused.contains(free)
    }
}

/// How long a filter holds: `refuse_seconds` as a master takes it. `None`: no filter.
pub(crate) fn filter_time(refuse_seconds: Option<f64>, interval: Duration) -> Option<Duration> {
    const DEFAULT: f64 = 5.0;
    const YEAR: f64 = 365.0 * 24.0 * 3600.0;
    let seconds = refuse_seconds.unwrap_or(DEFAULT);
    if seconds == 0.0 {
        return None;
    }
    let seconds = if seconds < 0.0 || seconds.is_nan() {
        DEFAULT
    } else {
        seconds.min(YEAR)
    };
    Some(Duration::from_secs_f64(seconds).max(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_five_seconds_and_nothing_is_longer_than_a_year() {
        let second = Duration::from_secs(1);
        assert_eq!(filter_time(None, second), Some(5 * second));
        assert_eq!(filter_time(Some(-3.0), second), Some(5 * second));
        assert_eq!(filter_time(Some(0.0), second), None);
        assert_eq!(filter_time(Some(0.2), second), Some(second));
        assert_eq!(
            filter_time(Some(1e300), second),
            Some(365 * 24 * 3600 * second)
        );
    }
}
