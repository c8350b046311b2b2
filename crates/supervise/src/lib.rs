//! PID 1: signals, the one reaper, process groups, restart policy, health, limits, privileges,
//! logs, and the exit report, for any one program.
//!
//! Single-threaded and without an async runtime: signals are blocked and read from a signalfd,
//! `poll` waits for them, for pipes and sockets, and for the next deadline; nothing fires when
//! nothing is due. What to do is decided by a pure machine ([`machine`]); what the kernel has to
//! do for that is in one module ([`sys`]).
//!
//! Never knows what it supervises: no word of Flink here. Uses only `spec` and
//! `destination` of this crate.
//!
//! ```
//! use std::time::Duration;
//!
//! // Whoever waits 30 s waits for the supervisor: the program has a little less.
//! let grace = flugs_supervise::default_grace(Some(Duration::from_secs(30)), |_| None);
//! assert!(grace < Duration::from_secs(30));
//! ```

#![warn(unused_crate_dependencies)]

mod accounts;
mod backoff;
mod cause;
mod cgroup;
mod clock;
mod conductor;
mod crash;
mod descendants;
mod end;
mod error;
mod footprint;
mod grace;
mod handover;
mod health;
mod kernel;
mod logs;
mod machine;
mod parent;
mod peer;
mod prepare;
mod privileges;
mod readiness;
mod rehearsal;
mod report;
mod signal;
mod signs;
mod start;
mod summary;
mod supervision;
mod supervisor;
mod sys;
mod terminal;
mod verdict;
mod wait;

pub use cause::{Cause, LastWords, ReadCause, START_OF_A_RUN, no_cause};
pub use cgroup::{ContainerLimits, Group, Version, container_limits, container_limits_below};
pub use error::SuperviseError;
pub use grace::default_grace;
pub use handover::{HeldSignals, exec_into, hold_signals, receive_document, release_signals};
pub use health::{
    CheckError, StatusError, announce_launch, ask_container, ask_status, check_now, is_asked_at,
    is_container, listen_in_container,
};
pub use privileges::become_user;
pub use rehearsal::{Question, rehearse};
pub use report::{
    ChildEnd, CrashFiles, ExitReport, LONGEST_REPORT, MemoryUse, OutOfMemory, Phase, PhaseTime,
    Reason, ReportError, ReportFormatError, rfc3339,
};
pub use signal::{Signal, SignalError};
pub use signs::{Complaint, Meaning, Sign, SignReader, Signs, Weight};
pub use supervision::{
    ExitOnStop, HealthCheck, HealthPolicy, LimitValue, Limits, LogPolicy, Peer, Privileges,
    RestartPolicy, RestartWhen, RotatingFiles, StatusAddress, StopPolicy, Supervision,
};
pub use supervisor::{Deliver, Hooks, Outcome, run};
pub use sys::map_as_code;
