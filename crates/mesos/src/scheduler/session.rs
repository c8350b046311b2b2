//! The connection as the scheduler sees it, and what waits to be sent over it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::wire::{Call, OfferId, TaskId};

/// How far the subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    /// There is none; the next try.
    Down(Duration),
    /// It was asked for.
    Subscribing,
    /// The master has accepted it.
    Up,
    /// There will be none: the framework is refused, taken over or removed, or all is done.
    Over,
}

/// A call that waits.
#[derive(Debug, Clone)]
pub(super) struct Queued {
    /// What has to be in the store before.
    pub(super) ticket: u64,
    pub(super) call: Call,
    /// The offer it uses.
    pub(super) offer: Option<OfferId>,
    /// The tasks it launches.
    pub(super) tasks: Vec<TaskId>,
}

/// Calls of the current connection. Those that wait for the store keep their order, and so do
/// those that do not: a declined offer is not held up by a launch.
#[derive(Debug, Clone, Default)]
pub(super) struct Outbox {
    immediate: VecDeque<Queued>,
    queue: VecDeque<Queued>,
}

impl Outbox {
    pub(super) fn push(&mut self, queued: Queued) {
        if queued.ticket == 0 {
            self.immediate.push_back(queued);
        } else {
            self.queue.push_back(queued);
        }
    }

    /// What has to be in the store before everything that waits for it now is sent.
    pub(super) fn last_ticket(&self) -> u64 {
        self.queue.back().map_or(0, |last| last.ticket)
    }

    /// The next call that may be sent.
    pub(super) fn pop(&mut self, stored: u64) -> Option<Queued> {
        let ready = |first: &Queued| first.ticket <= stored;
        if self.immediate.is_empty() && self.queue.front().is_some_and(ready) {
            return self.queue.pop_front();
        }
        self.immediate.pop_front()
    }

    /// The offers that wait to be used.
    #[cfg(test)]
    pub(super) fn offers(&self) -> Vec<&OfferId> {
        self.queue
            .iter()
            .filter_map(|one| one.offer.as_ref())
            .collect()
    }

    /// Takes out the launch that would use this offer; the tasks that it would have launched.
    pub(super) fn rescind(&mut self, offer: &OfferId) -> Vec<TaskId> {
        let at = self
            .queue
            .iter()
            .position(|queued| queued.offer.as_ref() == Some(offer));
        let queued = at.and_then(|at| self.queue.remove(at));
        queued.map(|queued| queued.tasks).unwrap_or_default()
    }

    /// Empties it; the tasks that were not launched.
    pub(super) fn clear(&mut self) -> Vec<TaskId> {
        self.queue
            .drain(..)
            .flat_map(|queued| queued.tasks)
            .collect()
    }
}

/// A wait that doubles with each try, from `least` to `most`, and is up to a quarter longer.
pub(super) fn back_off(least: Duration, most: Duration, tries: u32, seed: u64) -> Duration {
    let wait = least
        .saturating_mul(2u32.saturating_pow(tries.min(20)))
        .min(most);
    wait + wait.mul_f64(0.25 * fraction(seed))
}

/// SplitMix64's output function, as a fraction of one.
#[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
fn fraction(seed: u64) -> f64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}
