//! The shell around the pure scheduler: carries its actions out, and tells it what happened.
//!
//! Owns the clock, the order of things and what is known of the contact with the master. Decides
//! nothing: that is [`flugs_mesos::scheduler`]'s.

use std::collections::VecDeque;
use std::future::pending;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::tally::Tally;
use crate::store::StoreError;
use flugs_base::{ExitCode, Failure};
use flugs_mesos::scheduler::{
    Action, Change, Describe, HeldBack, Input, Report, Scheduler, Settings, Snapshot,
};
use flugs_mesos::wire::{Call, Event, TaskId, TaskState};

/// What carries calls to the master and events from it. No function waits but [`Link::next`].
pub trait Link {
    /// Connects to the leading master and subscribes; an older connection ends.
    fn connect(&mut self, generation: u64, subscribe: Call);
    /// Sends a call, in order with the others of its generation.
    fn send(&mut self, generation: u64, call: Call);
    /// Ends the connection.
    fn close(&mut self);
    /// Waits for the next thing to be heard; may be dropped at any time without losing one.
    fn next(&mut self) -> impl Future<Output = Heard>;
}

/// What is heard over a [`Link`].
#[derive(Debug)]
pub enum Heard {
    /// The master says something.
    Event {
        /// On which connection.
        generation: u64,
        /// What.
        event: Box<Event>,
    },
    /// There is no connection, or none any more.
    Disconnected {
        /// Which.
        generation: u64,
        /// Whether the master refuses the framework, and will again.
        refused: bool,
        /// Why, for people.
        reason: String,
    },
    /// The master took the TEARDOWN.
    TornDown {
        /// On which connection.
        generation: u64,
    },
    /// The master cannot be reached, or is not ready; it is tried again. Why, for people.
    Trouble(String),
    /// Something that only people care for.
    Notice(String),
}

/// What remembers the scheduler's changes.
pub trait Memory: Send + 'static {
    /// Remembers all of these changes, or none. Returns once they are safe.
    fn apply(&mut self, changes: &[Change]) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Puts the documents that were made for tasks where the tasks will find them.
pub trait Publish {
    /// Called before the tasks are launched for which documents were made.
    fn publish(&mut self) -> Result<(), flugs_artifact::StoreError>;

    /// Called once a task has what was made for it, or needs it no more.
    fn withdraw(&mut self, task: &TaskId);
}

/// Why scheduling cannot go on. Nothing that runs is touched by it.
#[derive(Debug, thiserror::Error)]
pub enum SchedulingError {
    /// The scheduler's changes cannot be remembered.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A task's documents cannot be published.
    #[error(transparent)]
    Publish(#[from] flugs_artifact::StoreError),
}

impl Failure for SchedulingError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Store(error) => error.exit_code(),
            Self::Publish(error) => error.exit_code(),
        }
    }
}

/// What comes out of [`Scheduling::next`].
#[derive(Debug, PartialEq)]
pub enum News {
    /// The scheduler has something to report.
    Report(Report),
    /// The connection to the master failed or ended; why.
    Disconnected(String),
    /// Something that only people care for.
    Notice(String),
}

/// What is known of the contact with the master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// How far it is.
    pub phase: ContactPhase,
    /// Since when.
    pub since: Instant,
    /// How many offers came since the framework subscribed.
    pub offers: u64,
    /// When the last of them came.
    pub last_offer: Option<Instant>,
}

/// How far the contact with the master is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactPhase {
    /// It is being made.
    Connecting,
    /// The master has accepted the framework.
    Subscribed,
    /// There is none; why.
    Disconnected(String),
}

struct Write {
    ticket: u64,
    changes: Vec<Change>,
}

/// A batch that is safe.
#[derive(Debug)]
struct Written {
    /// The last ticket of it.
    ticket: u64,
    changes: usize,
    took: Duration,
}

/// A scheduler at work.
#[derive(Debug)]
pub struct Scheduling<D, L, P> {
    scheduler: Scheduler<D>,
    link: L,
    publish: P,
    writes: mpsc::UnboundedSender<Write>,
    written: mpsc::UnboundedReceiver<Result<Written, StoreError>>,
    tally: Tally,
    news: VecDeque<News>,
    contact: Contact,
    started: Instant,
}

impl<D: Describe, L: Link, P: Publish> Scheduling<D, L, P> {
    /// A scheduler that goes on where the snapshot ends, and remembers in `memory`. Must be called
    /// within a runtime.
    pub fn new(
        settings: Settings,
        describe: D,
        snapshot: &Snapshot,
        link: L,
        publish: P,
        memory: impl Memory,
    ) -> Self {
        let (writes, to_write) = mpsc::unbounded_channel();
        let (told, written) = mpsc::unbounded_channel();
        tokio::spawn(remember(memory, to_write, told));
        let started = Instant::now();
        Self {
            scheduler: Scheduler::new(settings, describe, snapshot, started.elapsed()),
            link,
            publish,
            writes,
            written,
            tally: Tally::default(),
            news: VecDeque::new(),
            contact: Contact {
                phase: ContactPhase::Connecting,
                since: started,
                offers: 0,
                last_offer: None,
            },
            started,
        }
    }

    /// The scheduler, to be looked at.
    pub fn scheduler(&self) -> &Scheduler<D> {
        &self.scheduler
    }

    /// An agent that had room for a worker of this profile before, and offers less now.
    pub fn held_back(&self, profile: &str) -> Option<HeldBack> {
        self.scheduler.held_back(profile, self.started.elapsed())
    }

    /// What is known of the contact with the master.
    pub fn contact(&self) -> &Contact {
        &self.contact
    }

    /// What has passed so far, in numbers.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Tells the scheduler something, and carries out what it asks for.
    pub fn tell(&mut self, input: Input) -> Result<(), SchedulingError> {
        let launches_nothing = matches!(input, Input::WallClock(_));
        let actions = self.scheduler.step(self.started.elapsed(), input);
        // What a task will fetch is there before anybody can launch it.
        if !launches_nothing {
            self.publish.publish()?;
        }
        for action in actions {
            match action {
                Action::Store { ticket, changes } => {
                    // Fails only if remembering has failed, which `next` tells.
                    let _ = self.writes.send(Write { ticket, changes });
                }
                Action::Connect { generation, call } => {
                    self.tally.called(&call.body);
                    self.link.connect(generation, *call);
                }
                Action::Send { generation, call } => {
                    self.tally.called(&call.body);
                    self.link.send(generation, *call);
                }
                Action::Close => self.link.close(),
                Action::Report(report) => self.note(report),
            }
        }
        Ok(())
    }

    /// Waits for the next news; may be dropped at any time without losing any.
    pub async fn next(&mut self) -> Result<News, SchedulingError> {
        loop {
            if let Some(news) = self.news.pop_front() {
                return Ok(news);
            }
            let due = self.scheduler.next_tick().map(|at| self.started + at);
            let input = tokio::select! {
                heard = self.link.next() => self.hear(heard),
                Some(written) = self.written.recv() => Some(self.stored(&written?)),
                () = until(due) => Some(Input::Tick),
            };
            if let Some(input) = input {
                self.tell_time(&input)?;
                self.tell(input)?;
            }
        }
    }

    /// Maintenance is planned in the time of people.
    fn tell_time(&mut self, input: &Input) -> Result<(), SchedulingError> {
        let Input::Event { event, .. } = input else {
            return Ok(());
        };
        if matches!(**event, Event::Offers(_) | Event::InverseOffers(_)) {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
            self.tell(Input::WallClock(since_epoch.unwrap_or_default()))?;
        }
        Ok(())
    }

    fn stored(&mut self, written: &Written) -> Input {
        self.tally.wrote(written.changes, written.took);
        Input::Stored(written.ticket)
    }

    fn note(&mut self, report: Report) {
        match &report {
            Report::State { task, state, .. } if *state == TaskState::Running => {
                self.publish.withdraw(task);
            }
            Report::Ended { task, .. } => self.publish.withdraw(task),
            _ => {}
        }
        if matches!(report, Report::Subscribed(_)) {
            self.contact = Contact {
                phase: ContactPhase::Subscribed,
                since: Instant::now(),
                offers: 0,
                last_offer: None,
            };
        }
        self.news.push_back(News::Report(report));
    }

    fn hear(&mut self, heard: Heard) -> Option<Input> {
        match heard {
            Heard::Event { generation, event } => {
                self.tally.heard(&event);
                if let Event::Offers(offers) = &*event {
                    self.contact.offers += offers.offers.len() as u64;
                    self.contact.last_offer = Some(Instant::now());
                }
                Some(Input::Event { generation, event })
            }
            Heard::Disconnected {
                generation,
                refused,
                reason,
            } => {
                self.tally.disconnected();
                if self.contact.phase == ContactPhase::Subscribed {
                    self.contact.since = Instant::now();
                }
                self.contact.phase = ContactPhase::Disconnected(reason.clone());
                self.news.push_back(News::Disconnected(reason.clone()));
                Some(if refused {
                    Input::Rejected { generation, reason }
                } else {
                    Input::Disconnected(generation)
                })
            }
            Heard::Trouble(reason) => {
                self.contact.phase = ContactPhase::Disconnected(reason.clone());
                self.news.push_back(News::Disconnected(reason));
                None
            }
            Heard::TornDown { generation } => Some(Input::TornDown(generation)),
            Heard::Notice(text) => {
                self.news.push_back(News::Notice(text));
                None
            }
        }
    }
}

/// Remembers batches in their order; what has piled up meanwhile is remembered in one.
async fn remember(
    mut memory: impl Memory,
    mut to_write: mpsc::UnboundedReceiver<Write>,
    told: mpsc::UnboundedSender<Result<Written, StoreError>>,
) {
    while let Some(Write { ticket, changes }) = to_write.recv().await {
        let (mut last, mut batch) = (ticket, changes);
        while let Ok(Write { ticket, changes }) = to_write.try_recv() {
            last = ticket;
            batch.extend(changes);
        }
        let begun = Instant::now();
        let written = memory.apply(&batch).await.map(|()| Written {
            ticket: last,
            changes: batch.len(),
            took: begun.elapsed(),
        });
        let failed = written.is_err();
        if told.send(written).is_err() || failed {
            return;
        }
    }
}

/// Waits until then; for ever, if there is no then.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

#[cfg(test)]
#[path = "scheduling/tests.rs"]
mod tests;
