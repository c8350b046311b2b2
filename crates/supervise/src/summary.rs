//! From what happened to the exit report: the evidence gathered, the sentence for people.

use std::time::SystemTime;

use nix::sys::resource::{UsageWho, getrusage};

use super::Signal;
use super::cause::Cause;
use super::cgroup::{MemoryWatch, container_limits};
use super::conductor::Tally;
use super::crash::crash_files;
use super::end::Ended;
use super::report::{ChildEnd, ExitReport, MemoryUse, OutOfMemory, Phase, Reason};
use super::supervision::Supervision;
use super::verdict::Verdict;

/// What the supervisor watches from its start for the sake of the report.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) began: SystemTime,
    memory: Option<MemoryWatch>,
    limit: Option<u64>,
}

impl Evidence {
    /// Begins to watch.
    pub(super) fn new() -> Self {
        let limits = container_limits();
        Self {
            began: SystemTime::now(),
            limit: limits.memory_bytes,
            memory: limits.memory_group.map(MemoryWatch::new),
        }
    }

    /// The report on `verdict`.
    pub(super) fn report(
        &self,
        supervision: &Supervision,
        verdict: Verdict,
        tally: &Tally,
        restarts: u32,
        cause: Option<Cause>,
    ) -> ExitReport {
        let name = supervision.display_name();
        let out_of_memory = self.out_of_memory();
        let reason = reason(verdict, &out_of_memory);
        let ended = verdict.ended().or(tally.last_end);
        let mut message = format!("{name} {verdict}");
        if reason == Reason::OomKilled {
            message.push_str(&self.oom_sentence());
        }
        if let Some(cause) = &cause {
            message.push_str(": ");
            message.push_str(&cause.text);
        }
        ExitReport {
            message,
            exit_code: verdict.code(),
            child: ended.map(child_end),
            restarts,
            phases: supervision.phases.clone(),
            memory: MemoryUse {
                limit_bytes: self.limit,
                container_peak_bytes: self.memory.as_ref().and_then(MemoryWatch::peak),
                process_peak_bytes: peak_of_children(),
            },
            out_of_memory,
            crash_files: crash_files(supervision, self.began),
            orphans_reaped: tally.orphans,
            cause,
            ..ExitReport::new(&name, phase(verdict), reason, self.began)
        }
    }

    fn out_of_memory(&self) -> OutOfMemory {
        let Some(watch) = &self.memory else {
            return OutOfMemory::default();
        };
        let counted = watch.since_start();
        OutOfMemory {
            kernel_kills: counted.kills,
            limit_hits: counted.limit_hits,
            source: (counted.kills > 0 || counted.limit_hits > 0).then(|| watch.source()),
            jvm_error: None,
        }
    }

    fn oom_sentence(&self) -> String {
        match self.limit {
            Some(limit) => format!(
                ": the kernel killed it because the container reached its memory limit of {limit} bytes"
            ),
            None => ": the kernel killed it for want of memory".to_owned(),
        }
    }
}

/// The largest resident set that any reaped process ever had, in bytes. The kernel keeps it.
fn peak_of_children() -> Option<u64> {
    let kilobytes = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?.max_rss();
    let bytes = u64::try_from(kilobytes).ok()? * 1024;
    (bytes > 0).then_some(bytes)
}

/// A death by SIGKILL that nobody here sent, in a container where the kernel killed for memory,
/// is the kernel's.
fn reason(verdict: Verdict, memory: &OutOfMemory) -> Reason {
    match verdict {
        Verdict::Ended(Ended::Signaled { signal, .. })
            if signal == Signal::KILL && memory.kernel_kills > 0 =>
        {
            Reason::OomKilled
        }
        other => other.reason(),
    }
}

const fn phase(verdict: Verdict) -> Phase {
    match verdict {
        Verdict::StoppedBeforeStart | Verdict::StartFailed => Phase::Start,
        Verdict::Stopped { .. } | Verdict::ParentGone { .. } => Phase::Stop,
        Verdict::Ended(_)
        | Verdict::Unhealthy { .. }
        | Verdict::RestartsExhausted { .. }
        | Verdict::FailedAlike { .. } => Phase::Run,
    }
}

fn child_end(ended: Ended) -> ChildEnd {
    match ended {
        Ended::Exited(code) => ChildEnd {
            exit_code: Some(code),
            signal: None,
            core_dumped: false,
        },
        Ended::Signaled { signal, core } => ChildEnd {
            exit_code: None,
            signal: Some(signal),
            core_dumped: core,
        },
    }
}
