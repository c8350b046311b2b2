//! Which step a launch is at, and how long each step before it took: for the exit report.

use std::time::Instant;

use flugs_base::{ExitCode, Failure};
use flugs_supervise::{Phase, PhaseTime};

use super::LaunchError;

/// The steps of one launch so far.
#[derive(Debug)]
pub(super) struct Stages {
    current: Phase,
    since: Instant,
    done: Vec<PhaseTime>,
    /// To whom the exit report is to be handed, once that is known.
    pub(super) report_to: Option<String>,
}

impl Stages {
    /// Begins with `first`.
    pub(super) fn begin(first: Phase) -> Self {
        Self {
            current: first,
            since: Instant::now(),
            done: Vec::new(),
            report_to: None,
        }
    }

    /// Ends the current step and begins the next.
    pub(super) fn enter(&mut self, next: Phase) {
        self.done.push(PhaseTime {
            phase: self.current,
            took: self.since.elapsed(),
        });
        self.current = next;
        self.since = Instant::now();
    }

    /// The current step.
    pub(super) const fn current(&self) -> Phase {
        self.current
    }

    /// The steps that are over.
    pub(super) fn done(&self) -> &[PhaseTime] {
        &self.done
    }

    /// The step that `error` belongs to: bytes are verified and unpacked while others are still
    /// being fetched, so the error knows better than the clock.
    pub(super) fn failed_in(&self, error: &LaunchError) -> Phase {
        match error.exit_code() {
            ExitCode::ManifestDigest | ExitCode::ArtifactDigest => Phase::Verify,
            ExitCode::ArchiveRefused => Phase::Unpack,
            _ => self.current,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_listed_once_it_is_over() {
        let mut stages = Stages::begin(Phase::Manifest);
        assert!(stages.done().is_empty());
        stages.enter(Phase::Fetch);
        stages.enter(Phase::Render);
        assert_eq!(stages.current(), Phase::Render);
        let phases: Vec<_> = stages.done().iter().map(|step| step.phase).collect();
        assert_eq!(phases, [Phase::Manifest, Phase::Fetch]);
        assert_eq!(stages.failed_in(&LaunchError::NoFlink), Phase::Render);
    }
}
