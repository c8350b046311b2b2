//! How a fetch shows itself: what takes less than a second is not worth a word; after that, a
//! line that renews itself on a terminal, a plain line now and then elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::{self, Report};
use flugs_artifact::fetch::FetchEvent;

/// A fetch that is over by then shows nothing.
const FIRST: Duration = Duration::from_secs(1);

/// Between two plain lines.
const BETWEEN: Duration = Duration::from_secs(10);

/// Shows the events of one fetch.
pub(super) struct FetchProgress {
    shown_as: ShownAs,
    meter: Mutex<Meter>,
}

enum ShownAs {
    /// One JSON document an event.
    Documents(Report),
    /// A line that renews itself.
    Bar(ProgressBar),
    /// Plain lines.
    Lines,
}

/// What is known of a fetch: all that is shown follows from it.
#[derive(Debug, Default)]
struct Meter {
    /// When it was known what is ahead.
    started: Option<Instant>,
    artifacts: usize,
    total: u64,
    done: u64,
    /// What has come of artifacts that are not whole yet.
    coming: BTreeMap<String, u64>,
    /// How long after the start the next line is due; `None` until the first was shown.
    next: Option<Duration>,
}

/// What to show now.
#[derive(Debug, PartialEq, Eq)]
enum Show {
    Nothing,
    /// How far it is.
    State(String),
    /// The last line of a fetch that has shown some.
    End(String),
}

impl FetchProgress {
    /// For a fetch that is about to begin; with JSON documents, if there is a place for them.
    pub(super) fn new(json: Option<Report>) -> Self {
        let shown_as = if let Some(report) = json {
            ShownAs::Documents(report)
        } else if output::renews_lines() {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
            let style = "{bytes} of {total_bytes}  {binary_bytes_per_sec}  {eta} left  {wide_bar}";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            ShownAs::Bar(bar)
        } else {
            ShownAs::Lines
        };
        Self {
            shown_as,
            meter: Mutex::default(),
        }
    }

    /// Takes note of an event, and shows what is due.
    pub(super) fn show(&self, event: &FetchEvent) {
        if let ShownAs::Documents(report) = self.shown_as {
            if let Ok(line) = serde_json::to_string(event) {
                report.line(&line);
            }
            return;
        }
        if let FetchEvent::Failed { url, why, .. } = event {
            self.say(&format!("flugs: {url}: {why}"));
        }
        let mut meter = self.meter.lock().unwrap_or_else(PoisonError::into_inner);
        let due = meter.take(event, Instant::now());
        match (&self.shown_as, due) {
            (ShownAs::Lines, Show::State(line) | Show::End(line)) => output::note(&line),
            (ShownAs::Bar(bar), due) => meter.draw(bar, &due),
            _ => {}
        }
    }

    fn say(&self, line: &str) {
        match &self.shown_as {
            ShownAs::Bar(bar) => bar.suspend(|| output::note(line)),
            ShownAs::Lines | ShownAs::Documents(_) => output::note(line),
        }
    }
}

impl Drop for FetchProgress {
    /// Whatever is said next begins on a line of its own, also after a fetch that failed.
    fn drop(&mut self) {
        if let ShownAs::Bar(bar) = &self.shown_as {
            bar.finish_and_clear();
        }
    }
}

impl Meter {
    fn take(&mut self, event: &FetchEvent, now: Instant) -> Show {
        match event {
            FetchEvent::Planned { artifacts, bytes } => {
                *self = Self {
                    started: Some(now),
                    artifacts: *artifacts,
                    total: *bytes,
                    ..Self::default()
                };
            }
            FetchEvent::Received { name, bytes } => {
                self.done += bytes;
                *self.coming.entry(name.clone()).or_default() += bytes;
            }
            FetchEvent::Finished { name, bytes, .. } if self.started.is_some() => {
                // What was resumed was never received here, and what came twice counts once.
                let received = self.coming.remove(name).unwrap_or(0);
                self.done = (self.done + bytes).saturating_sub(received);
                self.artifacts = self.artifacts.saturating_sub(1);
            }
            _ => {}
        }
        self.due(now)
    }

    fn due(&mut self, now: Instant) -> Show {
        let Some(elapsed) = self.started.map(|started| now.duration_since(started)) else {
            return Show::Nothing;
        };
        if self.artifacts == 0 {
            self.started = None;
            return match self.next {
                Some(_) => Show::End(self.summary(elapsed)),
                None => Show::Nothing,
            };
        }
        if elapsed < self.next.unwrap_or(FIRST) {
            return Show::Nothing;
        }
        self.next = Some(elapsed + BETWEEN);
        Show::State(self.state(elapsed))
    }

    fn state(&self, elapsed: Duration) -> String {
        let rate = self.rate(elapsed);
        let left = match self.total.saturating_sub(self.done).checked_div(rate) {
            Some(seconds) => format!("{seconds} s left"),
            None => "nothing has come yet".to_owned(),
        };
        let (done, total) = (BinaryBytes(self.done), BinaryBytes(self.total));
        let rate = BinaryBytes(rate);
        format!("flugs: fetched {done} of {total}, {rate}/s, {left}")
    }

    fn summary(&self, elapsed: Duration) -> String {
        let (total, rate) = (BinaryBytes(self.total), BinaryBytes(self.rate(elapsed)));
        let seconds = elapsed.as_secs_f64();
        format!("flugs: fetched {total} in {seconds:.1} s, {rate}/s")
    }

    /// Bytes a second since the start.
    fn rate(&self, elapsed: Duration) -> u64 {
        let milliseconds = elapsed.as_millis().max(1);
        u64::try_from(u128::from(self.done) * 1000 / milliseconds).unwrap_or(u64::MAX)
    }

    fn draw(&self, bar: &ProgressBar, due: &Show) {
        bar.set_length(self.total);
        bar.set_position(self.done);
        match due {
            Show::State(_) if bar.is_hidden() => bar.set_draw_target(ProgressDrawTarget::stderr()),
            Show::End(_) => bar.finish_and_clear(),
            Show::State(_) | Show::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_artifact::fetch::Origin;

    const MIB: u64 = 1 << 20;

    fn planned(artifacts: usize, bytes: u64) -> FetchEvent {
        FetchEvent::Planned { artifacts, bytes }
    }

    fn received(name: &str, bytes: u64) -> FetchEvent {
        let name = name.to_owned();
        FetchEvent::Received { name, bytes }
    }

    fn finished(name: &str, bytes: u64, from: Origin) -> FetchEvent {
        let name = name.to_owned();
        FetchEvent::Finished { name, bytes, from }
    }

    /// What is shown of events at these milliseconds.
    fn shown(events: &[(u64, FetchEvent)]) -> Vec<String> {
        let (mut meter, start) = (Meter::default(), Instant::now());
        let lines = events.iter().filter_map(|(at, event)| {
            match meter.take(event, start + Duration::from_millis(*at)) {
                Show::State(line) | Show::End(line) => Some(line),
                Show::Nothing => None,
            }
        });
        lines.collect()
    }

    #[test]
    fn a_fetch_of_less_than_a_second_shows_nothing() {
        let events = [
            (0, finished("here", 5, Origin::Present)),
            (0, planned(2, 3 * MIB)),
            (300, received("a", MIB)),
            (400, finished("a", MIB, Origin::Url)),
            (900, finished("b", 2 * MIB, Origin::Cache)),
        ];
        assert_eq!(shown(&events), Vec::<String>::new());
    }

    #[test]
    fn a_longer_one_shows_bytes_rate_and_time_left_now_and_then_and_once_at_its_end() {
        let mut events = vec![(0, planned(1, 100 * MIB))];
        events.extend((1..=50).map(|n| (n * 500, received("a", 2 * MIB))));
        events.push((25_000, finished("a", 100 * MIB, Origin::Url)));
        assert_eq!(
            shown(&events),
            [
                "flugs: fetched 4.00 MiB of 100.00 MiB, 4.00 MiB/s, 24 s left",
                "flugs: fetched 44.00 MiB of 100.00 MiB, 4.00 MiB/s, 14 s left",
                "flugs: fetched 84.00 MiB of 100.00 MiB, 4.00 MiB/s, 4 s left",
                "flugs: fetched 100.00 MiB in 25.0 s, 4.00 MiB/s",
            ]
        );
    }

    #[test]
    fn what_was_resumed_or_came_twice_counts_once() {
        let events = [
            (0, planned(3, 30 * MIB)),
            // The second half only: the first was there from an earlier run.
            (100, received("a", 5 * MIB)),
            (200, finished("a", 10 * MIB, Origin::Url)),
            // Wrong bytes first.
            (300, received("b", 10 * MIB)),
            (400, received("b", 10 * MIB)),
            (500, finished("b", 10 * MIB, Origin::Url)),
            (1000, received("c", MIB)),
        ];
        assert_eq!(
            shown(&events),
            ["flugs: fetched 21.00 MiB of 30.00 MiB, 21.00 MiB/s, 0 s left"]
        );
    }
}
