//! The exit report: one JSON document that says why a launch ended.
//!
//! Owns its format (`docs/supervision.md`) and how it gets to disk: whole or not at all, also
//! when the disk has filled up since the start. Never decides what happened.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::{FallocateFlags, fallocate};
use serde::{Deserialize, Serialize};

use super::Signal;
use super::cause::Cause;
use super::clock::seconds;
use flugs_base::destination::{Target, is_shut};
use flugs_base::{ExitCode, Failure};

/// Room kept on disk for the report. What a report holds is bounded so that it fits.
const RESERVED: i64 = 64 * 1024;

/// A report has at most so many bytes.
pub const LONGEST_REPORT: usize = 64 * 1024;

/// The format's version, as the document states it.
const VERSION: u32 = 1;

/// Why a launch ended. Written by `flugs supervise` and `flugs launch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExitReport {
    /// The format's version: 1.
    pub version: u32,
    /// What was launched.
    pub name: String,
    /// How far it got.
    pub phase: Phase,
    /// Why it ended, in one word.
    pub reason: Reason,
    /// The same in a sentence.
    pub message: String,
    /// What the launcher exits with.
    pub exit_code: u8,
    /// How the program's last run ended, if it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<ChildEnd>,
    /// Why, in the program's own words, if it ended of its own accord and said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// When the launcher began (RFC 3339, UTC).
    pub started: String,
    /// When this report was made (RFC 3339, UTC).
    pub stopped: String,
    /// How often the program was started again.
    #[serde(default)]
    pub restarts: u32,
    /// What was done before the program started, and how long each step took.
    #[serde(default)]
    pub phases: Vec<PhaseTime>,
    /// Memory, as far as it is known.
    #[serde(default)]
    pub memory: MemoryUse,
    /// Signs of a lack of memory.
    #[serde(default)]
    pub out_of_memory: OutOfMemory,
    /// Files that a crashed JVM left.
    #[serde(default)]
    pub crash_files: CrashFiles,
    /// Processes that the program left to the supervisor, and that were reaped.
    #[serde(default)]
    pub orphans_reaped: u64,
    /// Bytes of output dropped because their reader was too slow, or the disk full.
    #[serde(default)]
    pub output_bytes_dropped: u64,
    /// The last lines of standard error, if the supervisor saw them.
    #[serde(default)]
    pub last_error_lines: Vec<String>,
}

/// How far a launch got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Reading the launch manifest.
    Manifest,
    /// Fetching artifacts.
    Fetch,
    /// Verifying their digests.
    Verify,
    /// Unpacking them.
    Unpack,
    /// Rendering the configuration.
    Render,
    /// Starting the program.
    Start,
    /// The program was running.
    Run,
    /// The program was being stopped on request.
    Stop,
}

/// One step before the start, and how long it took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PhaseTime {
    /// The step.
    pub phase: Phase,
    /// How long it took.
    #[serde(with = "seconds", rename = "seconds")]
    pub took: Duration,
}

/// Why a launch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The program ended by itself.
    Exited,
    /// The program died of a signal that the supervisor did not send.
    Signaled,
    /// The kernel killed the program for want of memory.
    OomKilled,
    /// The program was stopped on request, in good order.
    Stopped,
    /// The program was asked to stop and ended with a failure of its own.
    StopFailed,
    /// The program was asked to stop, did not, and was killed.
    Killed,
    /// A stop was asked for before the program was started.
    StoppedBeforeStart,
    /// The program could not be started.
    StartFailed,
    /// The program failed its health check.
    Unhealthy,
    /// The restart policy gave up.
    RestartsExhausted,
    /// The parent process ended.
    ParentGone,
    /// The launch failed before the program could be started.
    LaunchFailed,
}

/// How a run of the program ended: one of the two is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ChildEnd {
    /// Its exit code, if it exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// The signal it died of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// Whether the kernel wrote a core.
    #[serde(default)]
    pub core_dumped: bool,
}

/// Memory, in bytes; what is not known is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct MemoryUse {
    /// The container's limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
    /// The most the whole container ever used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_peak_bytes: Option<u64>,
    /// The largest resident set that one reaped process ever had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_peak_bytes: Option<u64>,
}

/// Signs of a lack of memory, counted from the launcher's start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct OutOfMemory {
    /// Processes of the container that the kernel killed.
    pub kernel_kills: u64,
    /// How often the container ran into its limit.
    pub limit_hits: u64,
    /// The control group's file that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// The JVM's own complaint, which is another matter: a `java.lang.OutOfMemoryError` line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jvm_error: Option<String>,
}

/// Files that a crashed or dumped JVM left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct CrashFiles {
    /// Fatal-error logs (`hs_err_pid*.log`).
    pub fatal_error_logs: Vec<PathBuf>,
    /// Heap dumps (`*.hprof`).
    pub heap_dumps: Vec<PathBuf>,
    /// Thread dumps that the supervisor asked for and kept.
    pub thread_dumps: Vec<PathBuf>,
}

/// Why the report is not on disk.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the exit report {}: {error}; is its directory there, writable, and not full?", path.display())]
pub struct ReportError {
    /// Where it was to be.
    pub path: PathBuf,
    /// What the kernel said.
    pub error: io::Error,
}

/// Why a document is not taken for a report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportFormatError {
    /// It is too long.
    #[error("the exit report has {bytes} bytes; one has at most {LONGEST_REPORT}")]
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// It is no report.
    #[error("the exit report is not readable: {reason}")]
    Malformed {
        /// What the parser says, with line and column.
        reason: String,
    },
    /// It is of another version.
    #[error("the exit report has version {found}; this flugs reads version {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
}

impl Failure for ReportError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::of_io(&self.error)
    }
}

impl ExitReport {
    /// A report for `name` with only what every report has. The times are `started` and now.
    pub fn new(name: &str, phase: Phase, reason: Reason, started: SystemTime) -> Self {
        Self {
            version: VERSION,
            name: name.to_owned(),
            phase,
            reason,
            message: String::new(),
            exit_code: 0,
            child: None,
            cause: None,
            started: rfc3339(started),
            stopped: rfc3339(SystemTime::now()),
            restarts: 0,
            phases: Vec::new(),
            memory: MemoryUse::default(),
            out_of_memory: OutOfMemory::default(),
            crash_files: CrashFiles::default(),
            orphans_reaped: 0,
            output_bytes_dropped: 0,
            last_error_lines: Vec::new(),
        }
    }

    /// The report of a launch that failed in `phase`, before there was a program.
    pub fn of_failure(name: &str, phase: Phase, error: &dyn Failure, started: SystemTime) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            message.push_str("; because: ");
            message.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self {
            message,
            exit_code: error.exit_code().code(),
            ..Self::new(name, phase, Reason::LaunchFailed, started)
        }
    }

    /// The report of a launch that was asked to stop in `phase`, before there was a program.
    pub fn of_early_stop(name: &str, phase: Phase, signal: Signal, started: SystemTime) -> Self {
        Self {
            message: format!("{name} was not started: {signal} asked to stop before that"),
            exit_code: ExitCode::StoppedBeforeStart.code(),
            ..Self::new(name, phase, Reason::StoppedBeforeStart, started)
        }
    }

    /// Reads a report. Strict: whoever wrote another format is not guessed at.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReportFormatError> {
        if bytes.len() > LONGEST_REPORT {
            let bytes = bytes.len();
            return Err(ReportFormatError::TooLong { bytes });
        }
        let report: Self =
            serde_json::from_slice(bytes).map_err(|error| ReportFormatError::Malformed {
                reason: error.to_string(),
            })?;
        if report.version != VERSION {
            let found = report.version;
            return Err(ReportFormatError::Version { found });
        }
        Ok(report)
    }

    /// Whether the report says more than an exit code does.
    pub const fn says_more(&self) -> bool {
        self.cause.is_some() || !matches!(self.reason, Reason::Exited | Reason::Signaled)
    }

    /// Whether somebody had asked for the end.
    pub const fn was_asked_for(&self) -> bool {
        matches!(
            self.reason,
            Reason::Stopped
                | Reason::StopFailed
                | Reason::Killed
                | Reason::StoppedBeforeStart
                | Reason::ParentGone
        )
    }

    /// Writes the report to `path`: whole, or not at all, where it is a file that can be replaced.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        let mut file = ReportFile::reserve(path)?;
        file.write(self)
    }

    /// The document's text.
    pub fn to_json(&self) -> String {
        // Strings and numbers always serialise.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// A place for a report. On disk, room is taken while there is some.
#[derive(Debug)]
pub(super) struct ReportFile {
    path: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// A file that is replaced by a spare one, beside it, that the report was written to.
    Replaced {
        target: PathBuf,
        spare: PathBuf,
        file: Option<File>,
    },
    /// What is written to as it stands.
    AsItStands(Target),
}

impl ReportFile {
    /// Takes room next to `path`, where it is a file that can be replaced. A file system that
    /// cannot reserve (ENOTSUP) is written to without.
    pub(super) fn reserve(path: &Path) -> Result<Self, ReportError> {
        match Place::of(path) {
            Ok(place) => Ok(Self {
                path: path.to_owned(),
                place,
            }),
            Err(error) => Err(ReportError {
                path: path.to_owned(),
                error,
            }),
        }
    }

    /// Whether the report can be replaced by a later one. What went into a pipe or to a device
    /// stays said.
    pub(super) const fn can_be_replaced(&self) -> bool {
        !matches!(self.place, Place::AsItStands(Target::Stream(_)))
    }

    /// Writes the report into the reserved room and puts it in place. Can be done again: later
    /// reports replace earlier ones, with room taken anew.
    pub(super) fn write(&mut self, report: &ExitReport) -> Result<(), ReportError> {
        self.place
            .write(report.to_json().as_bytes())
            .map_err(|error| ReportError {
                path: self.path.clone(),
                error,
            })
    }
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
        let target = match Target::of(path)? {
            Target::Replaceable(target) => target,
            target => return Ok(Self::AsItStands(target)),
        };
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let spare = target.with_file_name(name);
        match open_spare(&spare) {
            Ok(file) => Ok(Self::Replaced {
                target,
                spare,
                file: Some(file),
            }),
            Err(error) if is_shut(&error) && target.is_file() => {
                Ok(Self::AsItStands(Target::Kept(target)))
            }
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::AsItStands(target) => target.open_at_once()?.write_all(bytes),
            Self::Replaced {
                target,
                spare,
                file,
            } => {
                let mut file = match file.take() {
                    Some(file) => file,
                    None => open_spare(spare)?,
                };
                file.write_all(bytes)?;
                let length = file.metadata()?.len();
                file.set_len(length)?; // Gives back what was reserved and not used.
                file.sync_all()?;
                fs::rename(spare, target)
            }
        }
    }
}

fn open_spare(spare: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(spare)?;
    match fallocate(&file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, RESERVED) {
        Ok(()) | Err(nix::errno::Errno::EOPNOTSUPP) => Ok(file),
        Err(error) => {
            let _ = fs::remove_file(spare);
            Err(error.into())
        }
    }
}

impl Drop for ReportFile {
    fn drop(&mut self) {
        if let Place::Replaced {
            spare,
            file: Some(_),
            ..
        } = &self.place
        {
            let _ = fs::remove_file(spare);
        }
    }
}

/// A time for people and programs, in UTC.
pub fn rfc3339(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time)
        .map(|stamp| format!("{stamp:.3}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
