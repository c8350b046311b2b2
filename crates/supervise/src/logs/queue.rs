//! What waits for a slow reader: a bounded queue, and the rule for what happens when it is full.
//!
//! The rule: a program is held up for half a second at most. A reader that has not made room for
//! half the queue by then is slow, and output is dropped, and counted, until it has.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::clock::Moment;

/// How many bytes wait for a reader at most.
pub(super) const LIMIT: usize = 1024 * 1024;

/// How long the program is held up by a full queue.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the queue does with more output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Flow {
    #[default]
    Open,
    /// Nothing more is read from the program.
    Held { until: Moment },
    /// What is read is dropped.
    Dropping,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Queue {
    chunks: VecDeque<Vec<u8>>,
    /// How much of the first chunk has been written.
    written: usize,
    bytes: usize,
    flow: Flow,
    /// Dropped since the last time somebody was told.
    dropped: u64,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Takes the bytes in, or drops them.
    pub(super) fn push(&mut self, bytes: &[u8], now: Moment) {
        if self.flow == Flow::Dropping {
            self.dropped = self.dropped.saturating_add(bytes.len() as u64);
            return;
        }
        self.push_anyway(bytes);
        if self.flow == Flow::Open && self.bytes >= LIMIT {
            self.flow = Flow::Held {
                until: now + PATIENCE,
            };
        }
    }

    /// Takes the bytes in although the queue may be full: for the supervisor's own few words.
    pub(super) fn push_anyway(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.chunks.push_back(bytes.to_vec());
        }
    }

    /// Whether the program's output is to be read.
    pub(super) fn takes_more(&self) -> bool {
        !matches!(self.flow, Flow::Held { .. })
    }

    /// When [`Queue::tick`] is due.
    pub(super) const fn deadline(&self) -> Option<Moment> {
        match self.flow {
            Flow::Held { until } => Some(until),
            Flow::Open | Flow::Dropping => None,
        }
    }

    /// Ends the program's wait when its time is over.
    pub(super) fn tick(&mut self, now: Moment) {
        if let Flow::Held { until } = self.flow
            && now >= until
        {
            self.flow = Flow::Dropping;
        }
    }

    /// The next bytes to write.
    pub(super) fn front(&self) -> Option<&[u8]> {
        self.chunks.front()?.get(self.written..)
    }

    /// That many bytes of [`Queue::front`] were written.
    pub(super) fn advance(&mut self, count: usize) {
        self.written += count;
        self.bytes = self.bytes.saturating_sub(count);
        if self
            .chunks
            .front()
            .is_some_and(|first| self.written >= first.len())
        {
            self.chunks.pop_front();
            self.written = 0;
        }
        if self.chunks.is_empty() {
            self.chunks = VecDeque::new(); // Idle, it costs nothing.
        }
        if self.bytes <= LIMIT / 2 {
            self.flow = Flow::Open;
        }
    }

    /// The reader is gone: everything that waits is dropped.
    pub(super) fn clear(&mut self) {
        self.dropped = self.dropped.saturating_add(self.bytes as u64);
        self.chunks = VecDeque::new();
        self.written = 0;
        self.bytes = 0;
        self.flow = Flow::Open;
    }

    /// Bytes dropped since the last call, once the dropping is over.
    pub(super) fn take_dropped(&mut self) -> u64 {
        if self.flow == Flow::Dropping {
            return 0;
        }
        std::mem::take(&mut self.dropped)
    }

    /// Bytes dropped and not told of yet.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::at(Duration::from_millis(milliseconds))
    }

    fn full() -> Queue {
        let mut queue = Queue::default();
        for _ in 0..16 {
            assert!(queue.takes_more());
            queue.push(&vec![b'x'; LIMIT / 16], at(0));
        }
        queue
    }

    fn drain(queue: &mut Queue, mut bytes: usize) {
        while bytes > 0 {
            let step = bytes.min(queue.front().unwrap().len());
            queue.advance(step);
            bytes -= step;
        }
    }

    #[test]
    fn what_goes_in_comes_out_however_it_is_taken() {
        let mut queue = Queue::default();
        queue.push(b"hello ", at(0));
        queue.push(b"", at(0));
        queue.push(b"world", at(0));
        let mut out = Vec::new();
        while let Some(front) = queue.front() {
            let step = front.len().min(4);
            out.extend_from_slice(&front[..step]);
            queue.advance(step);
        }
        assert_eq!(out, b"hello world");
        assert!(queue.is_empty());
    }

    #[test]
    fn a_reader_that_is_only_late_loses_nothing() {
        let mut queue = full();
        assert!(!queue.takes_more());
        drain(&mut queue, LIMIT / 2);
        assert!(queue.takes_more());
        queue.tick(at(10_000));
        assert_eq!((queue.take_dropped(), queue.deadline()), (0, None));
    }

    #[test]
    fn a_reader_that_stopped_holds_the_program_up_for_half_a_second_at_most() {
        let mut queue = full();
        assert_eq!(queue.deadline(), Some(at(500)));
        queue.tick(at(499));
        assert!(!queue.takes_more());
        queue.tick(at(500));
        assert!(queue.takes_more());
        queue.push(b"lost", at(501));
        assert_eq!(queue.take_dropped(), 0, "told when it is over");
        drain(&mut queue, LIMIT / 2);
        assert_eq!(queue.take_dropped(), 4);
        queue.push(b"kept", at(502));
        assert_eq!(queue.dropped(), 0);
    }

    #[test]
    fn a_reader_that_is_gone_leaves_a_count() {
        let mut queue = full();
        queue.clear();
        assert_eq!(queue.take_dropped(), LIMIT as u64);
        assert!(queue.is_empty() && queue.takes_more());
    }
}
