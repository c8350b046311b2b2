//! Whether the program is well: asking it, judging the answers, and telling others.
//!
//! Owns one check at a time, without waiting for it, and the supervisor's own `/healthz` and
//! `/readyz`. What a bad verdict leads to is the machine's business.

mod container;
mod judge;
mod probe;
mod status;

pub use self::container::{announce_launch, ask_container, is_container, listen_in_container};
pub use self::probe::{CheckError, check_now};
pub(super) use self::probe::{Probe, Progress, connecting};
pub(super) use self::status::{Condition, StatusServer, Watch as StatusWatch};
pub use self::status::{StatusError, ask_status, is_asked_at};

use std::os::fd::BorrowedFd;

use nix::poll::PollFlags;

use self::judge::Judge;
use super::clock::Moment;
use super::supervision::{HealthCheck, HealthPolicy};

/// The health of the current run of the program.
#[derive(Debug)]
pub(super) struct Health {
    policy: HealthPolicy,
    judge: Judge,
    probe: Option<Probe>,
    leader: Option<i32>,
}

impl Health {
    pub(super) fn new(policy: &HealthPolicy) -> Self {
        Self {
            policy: policy.clone(),
            judge: Judge::new(policy, Moment::default()),
            probe: None,
            leader: None,
        }
    }

    /// A run of the program began.
    pub(super) fn started(&mut self, leader: i32, now: Moment) {
        self.judge = Judge::new(&self.policy, now);
        self.probe = None;
        self.leader = Some(leader);
    }

    /// The run is over, or being ended: nothing is asked any more.
    pub(super) fn ended(&mut self) {
        self.probe = None;
        self.leader = None;
    }

    /// Whether the latest answers were good.
    pub(super) const fn is_ready(&self) -> bool {
        self.leader.is_some() && self.judge.is_ready()
    }

    /// What is wrong, for people.
    pub(super) fn complaint(&self) -> String {
        self.judge.complaint().to_owned()
    }

    /// When [`Health::tick`] is due.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.leader?;
        Some(match &self.probe {
            Some(probe) => probe.deadline(),
            None => self.judge.due(),
        })
    }

    /// What to poll on behalf of a check that is under way.
    pub(super) fn watch(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        self.probe.as_ref().map(Probe::watch)
    }

    /// The time may have come to begin a check, or to give one up. True: the program is unhealthy.
    pub(super) fn tick(&mut self, now: Moment) -> bool {
        let Some(leader) = self.leader else {
            return false;
        };
        if let Some(probe) = &self.probe {
            if now < probe.deadline() {
                return false;
            }
            self.probe = None;
            let problem = format!("no answer within {} s", self.policy.timeout.as_secs_f64());
            return self.judge.failed(problem, now);
        }
        if now < self.judge.due() {
            return false;
        }
        let deadline = now + self.policy.timeout;
        let progress = match &self.policy.check {
            HealthCheck::Alive => Progress::Done(probe::is_running(leader)),
            check => Probe::begin(check, deadline),
        };
        self.advance(progress, now)
    }

    /// The check that is under way can go on. True: the program is unhealthy.
    pub(super) fn ready(&mut self, now: Moment) -> bool {
        match self.probe.take() {
            Some(probe) => self.advance(probe.advance(), now),
            None => false,
        }
    }

    fn advance(&mut self, progress: Progress, now: Moment) -> bool {
        match progress {
            Progress::Waiting(probe) => {
                self.probe = Some(probe);
                false
            }
            Progress::Done(Ok(())) => {
                self.judge.passed(now);
                false
            }
            Progress::Done(Err(error)) => self.judge.failed(error.to_string(), now),
        }
    }
}
