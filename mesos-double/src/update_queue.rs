//! An agent's status updates of one task: one in flight, repeated until it is acknowledged.

use crate::status::Status;
use std::collections::VecDeque;
use std::time::Duration;

/// `STATUS_UPDATE_RETRY_INTERVAL_MIN` and `_MAX` of the agent.
const FIRST_RETRY: Duration = Duration::from_secs(10);
const LONGEST_RETRY: Duration = Duration::from_secs(600);

/// The updates that are not acknowledged, the first of them in flight.
#[derive(Clone, Debug)]
pub(crate) struct UpdateQueue {
    pending: VecDeque<Status>,
    /// Of the next repetition.
    delay: Duration,
    /// Tells the timer of the newest delivery from older ones.
    serial: u64,
}

impl Default for UpdateQueue {
    fn default() -> Self {
        Self {
            pending: VecDeque::new(),
            delay: FIRST_RETRY,
            serial: 0,
        }
    }
}

impl UpdateQueue {
    /// Whether the new update is to be sent now: nothing is before it.
    pub(crate) fn push(&mut self, status: Status) -> bool {
        self.pending.push_back(status);
        self.pending.len() == 1
    }

    pub(crate) fn front(&self) -> Option<&Status> {
        self.pending.front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes the one in flight out if it has this uuid; a late or a wrong one is ignored.
    pub(crate) fn acknowledge(&mut self, uuid: &str) -> Option<Status> {
        if self.front()?.uuid() != Some(uuid) {
            return None;
        }
        self.delay = FIRST_RETRY;
        self.pending.pop_front()
    }

    /// Starts a delivery: when it will be repeated, and under which number.
    pub(crate) fn deliver(&mut self) -> (Duration, u64) {
        let delay = self.delay;
        self.delay = (delay * 2).min(LONGEST_RETRY);
        self.serial += 1;
        (delay, self.serial)
    }

    /// As after a registration: the times start anew.
    pub(crate) fn restart(&mut self) {
        self.delay = FIRST_RETRY;
    }

    pub(crate) fn is_current(&self, serial: u64) -> bool {
        self.serial == serial
    }
}
