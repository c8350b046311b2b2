//! The time that the double lives in: the machine's, or one that only moves when it is told to.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Which time a double lives in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Time {
    /// The machine's.
    #[default]
    Real,
    /// Stands still until `MesosDouble::advance`.
    Virtual,
}

/// Now, as time since the double started.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    /// Seconds since 1970 at the start.
    epoch: Duration,
    /// Where a virtual clock stands.
    standing: Option<Duration>,
}

impl Clock {
    pub(crate) fn new(time: Time) -> Self {
        Self {
            started: Instant::now(),
            epoch: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
            standing: (time == Time::Virtual).then_some(Duration::ZERO),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.standing.unwrap_or_else(|| self.started.elapsed())
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.standing.is_some()
    }

    /// Puts a virtual clock forward; a real one goes by itself.
    pub(crate) fn set(&mut self, now: Duration) {
        if let Some(standing) = &mut self.standing {
            *standing = now.max(*standing);
        }
    }

    /// Seconds since 1970, as `timestamp` in a status.
    pub(crate) fn timestamp(&self) -> f64 {
        self.since_1970().as_secs_f64()
    }

    /// Time since 1970.
    pub(crate) fn since_1970(&self) -> Duration {
        self.epoch + self.now()
    }
}
