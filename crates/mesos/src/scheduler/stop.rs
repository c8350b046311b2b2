//! The ends: framework removed, taken over, refused; teardown; failover.

use super::{Action, Change, Describe, Report, Scheduler, Session, Stop};
use crate::wire::{CallBody, TaskId};

/// How far a stop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopping {
    /// None was asked for.
    No,
    /// The framework is to be torn down.
    TearingDown,
    /// All is said; it is done when this ticket is stored.
    Finishing(u64),
    /// Done.
    Done,
}

/// What the master says of a framework that was torn down, or away for too long. There is no
/// other sign of it.
const REMOVED: &str = "Framework has been removed";

/// What the master says on the stream of a scheduler that another one has replaced.
const FAILED_OVER: &str = "Framework failed over";

impl<D: Describe> Scheduler<D> {
    pub(super) fn error(&mut self, message: String) {
        let unsent = self.outbox.clear();
        self.never_launched(unsent);
        if message.contains(REMOVED) {
            self.framework_removed();
        } else {
            self.session = Session::Over;
            let superseded = message.contains(FAILED_OVER);
            let refused = || Report::Refused(message);
            self.report(if superseded {
                Report::Superseded
            } else {
                refused()
            });
        }
    }

    /// A framework that never was has nothing to lose by ending: somebody has to mend what it is
    /// refused for. One that has an id may have workers, whose job goes on meanwhile.
    pub(super) fn rejected(&mut self, reason: String) {
        if self.framework.is_some() {
            self.disconnected();
            return;
        }
        self.session = Session::Over;
        self.report(Report::Refused(reason));
    }

    /// A new id is taken only if nothing can be running under the old one.
    fn framework_removed(&mut self) {
        if self.stopping == Stopping::TearingDown {
            self.finish();
            return;
        }
        let recorded = self
            .tasks
            .iter()
            .filter(|(_, entry)| entry.record.is_some());
        let tasks: Vec<TaskId> = recorded.map(|(task, _)| task.clone()).collect();
        match self.framework.clone() {
            Some(framework) if !tasks.is_empty() => {
                self.session = Session::Over;
                self.removed = true;
                self.report(Report::FrameworkRemoved { framework, tasks });
            }
            _ => self.take_new_id(),
        }
    }

    fn take_new_id(&mut self) {
        self.framework = None;
        self.store(Change::Framework(None));
        let strays: Vec<TaskId> = self.tasks.keys().cloned().collect();
        for task in strays {
            self.drop_task(&task);
        }
        self.session = Session::Down(self.now);
    }

    pub(super) fn forget_framework(&mut self) {
        if !self.removed {
            return;
        }
        self.removed = false;
        self.forget_tasks();
        self.take_new_id();
    }

    fn forget_tasks(&mut self) {
        let tasks: Vec<TaskId> = self.tasks.keys().cloned().collect();
        let asked = self.stopping != Stopping::No;
        for task in tasks {
            self.forget(&task, asked);
        }
    }

    pub(super) fn stop(&mut self, stop: Stop) {
        if self.stopping != Stopping::No {
            return;
        }
        match stop {
            Stop::Failover => self.stopping = Stopping::Finishing(self.ticket),
            Stop::Teardown => {
                self.stopping = Stopping::TearingDown;
                if self.session == Session::Up {
                    let unsent = self.outbox.clear();
                    self.never_launched(unsent);
                }
                if self.removed {
                    self.finish();
                } else {
                    self.tear_down();
                }
            }
        }
    }

    /// Says TEARDOWN, if it is wanted and can be said.
    pub(super) fn tear_down(&mut self) {
        if self.stopping == Stopping::TearingDown && self.session == Session::Up {
            self.send(CallBody::Teardown);
        }
    }

    /// Without a framework there is nothing to connect for.
    pub(super) fn stop_while_down(&mut self) -> bool {
        if self.stopping == Stopping::TearingDown && self.framework.is_none() {
            self.finish();
        }
        matches!(self.stopping, Stopping::Finishing(_) | Stopping::Done)
    }

    pub(super) fn torn_down(&mut self) {
        if self.stopping == Stopping::TearingDown {
            self.finish();
        }
    }

    /// Nothing of the framework is left.
    fn finish(&mut self) {
        self.forget_tasks();
        self.framework = None;
        self.store(Change::Framework(None));
        self.stopping = Stopping::Finishing(self.ticket);
    }

    pub(super) fn pass_stop(&mut self) {
        if let Stopping::Finishing(ticket) = self.stopping
            && self.stored >= ticket
        {
            self.flush();
            self.stopping = Stopping::Done;
            self.session = Session::Over;
            self.actions.push(Action::Close);
            self.report(Report::Stopped);
        }
    }
}
