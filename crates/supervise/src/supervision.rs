//! The document that says what to supervise and how. Serialised as JSON, it survives re-exec.
//!
//! Owns the policies' shapes and their defaults. Never acts on them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Signal;
use super::clock::seconds;
use super::report::PhaseTime;
use super::signs::Signs;

/// Everything the supervisor needs to run one program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Supervision {
    /// What messages and the report call the program; empty means its file name.
    #[serde(default)]
    pub name: String,
    /// The program: a path, or a name to look up in `PATH`.
    pub program: PathBuf,
    /// Its arguments, without the program itself.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Variables set for the program, over the inherited ones.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Inherited variables the program must not see.
    #[serde(default)]
    pub environment_removed: Vec<String>,
    /// The program's working directory; the supervisor's own if not given.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// How to stop it.
    #[serde(default)]
    pub stop: StopPolicy,
    /// Whether to start it again.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// Where its output goes.
    #[serde(default)]
    pub logs: LogPolicy,
    /// How to find out whether it is well; `None`: as long as it is alive.
    #[serde(default)]
    pub health: Option<HealthPolicy>,
    /// What lines of its output say about whether it is ready.
    #[serde(default)]
    pub signs: Option<Signs>,
    /// Whom the program works for. It is started anew when that process has died.
    #[serde(default)]
    pub peer: Option<Peer>,
    /// Where the supervisor answers `/healthz` and `/readyz`.
    #[serde(default)]
    pub status: Option<StatusAddress>,
    /// Resource limits set before the program starts.
    #[serde(default)]
    pub limits: Limits,
    /// What the supervisor gives up before the program starts.
    #[serde(default)]
    pub privileges: Privileges,
    /// Where the exit report is written.
    #[serde(default)]
    pub report: Option<PathBuf>,
    /// To whom the exit report is handed as well, for [`super::Deliver`] to understand. A secret: it
    /// may be a permission.
    #[serde(default)]
    pub report_to: Option<String>,
    /// Begin each line of the supervisor's own with the time.
    #[serde(default)]
    pub time_stamps: bool,
    /// Stop the program and end when the process that started this one ends.
    #[serde(default)]
    pub follow_parent: bool,
    /// Hand the terminal of standard input to the program, if it is this process's to hand: the
    /// program can read from it then, and what is typed goes to it, Ctrl-C and Ctrl-Z included.
    #[serde(default)]
    pub foreground: bool,
    /// Where crash files (`hs_err_pid*.log`, heap dumps) are looked for, beside the working
    /// directory and the places that the program's own arguments name.
    #[serde(default)]
    pub crash_directories: Vec<PathBuf>,
    /// The file that the program logs to by itself, where it says why it ends.
    #[serde(default)]
    pub program_log: Option<PathBuf>,
    /// What was done before the program could start, for the report.
    #[serde(default)]
    pub phases: Vec<PhaseTime>,
}

/// How the program is stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct StopPolicy {
    /// What the program is sent; `None` forwards what the supervisor was sent (TERM or INT).
    pub signal: Option<Signal>,
    /// The time from the request to SIGKILL.
    #[serde(with = "seconds", rename = "graceSeconds")]
    pub grace: Duration,
    /// What a clean stop on request exits with.
    pub exit_code_on_stop: ExitOnStop,
}

/// What a clean stop on request exits with. Clean is: the program ended with 0, or of the signal
/// it was sent (128 + n as its own code included: that is how a JVM ends).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExitOnStop {
    /// This code.
    Code(u8),
    /// Whatever the program's own end says: 143 for SIGTERM.
    Child,
}

/// Whether and how the program is started again when it ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RestartPolicy {
    /// After which ends.
    pub when: RestartWhen,
    /// The wait before the first restart; doubled for each further one.
    #[serde(with = "seconds", rename = "backoffSeconds")]
    pub backoff: Duration,
    /// The longest wait.
    #[serde(with = "seconds", rename = "backoffMaxSeconds")]
    pub backoff_max: Duration,
    /// How much of the wait is left to chance, 0 to 1: the wait is drawn from
    /// `[(1 - jitter) × wait, wait]`.
    pub jitter: f64,
    /// A program that ran this long starts over with the first wait.
    #[serde(with = "seconds", rename = "stableSeconds")]
    pub stable: Duration,
    /// At most this many restarts within `window`, then give up.
    pub ceiling: u32,
    /// The span that `ceiling` counts in.
    #[serde(with = "seconds", rename = "windowSeconds")]
    pub window: Duration,
}

/// After which ends a program is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartWhen {
    /// After none: whoever started the supervisor decides.
    #[default]
    Never,
    /// After an exit code other than 0, a death by signal, or a failed health check.
    OnFailure,
    /// After every end.
    Always,
}

/// Where the program's standard output and standard error go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum LogPolicy {
    /// Byte for byte to the supervisor's own. A terminal or a file is handed to the program as it
    /// is; a pipe or socket is fed through a bounded buffer, so that a reader that stopped
    /// reading cannot block the program.
    #[default]
    Pass,
    /// The program gets the supervisor's own streams whatever they are: nothing is copied, and a
    /// reader that stopped reading blocks the program.
    Inherit,
    /// One JSON object a line, to the supervisor's own streams.
    Json,
    /// Into files that are rotated.
    Files(RotatingFiles),
}

/// Log files `NAME.stdout.log` and `NAME.stderr.log` with their older generations `.1`, `.2`, ….
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RotatingFiles {
    /// The directory they are in; made if missing.
    pub directory: PathBuf,
    /// A file is rotated before it would grow beyond this many bytes.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: u64,
    /// How many older generations are kept of each.
    #[serde(default = "default_keep")]
    pub keep: u32,
    /// Whether lines are wrapped in JSON.
    #[serde(default)]
    pub json: bool,
    /// Whether the output goes to the supervisor's own streams as well.
    #[serde(default)]
    pub also_pass: bool,
}

/// How the program's health is found out, and what a bad result leads to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HealthPolicy {
    /// What is asked.
    pub check: HealthCheck,
    /// Failures in this time after a start do not count, until the first success.
    #[serde(
        with = "seconds",
        rename = "startPeriodSeconds",
        default = "default_start_period"
    )]
    pub start_period: Duration,
    /// The time from one check's end to the next one's start.
    #[serde(
        with = "seconds",
        rename = "intervalSeconds",
        default = "default_interval"
    )]
    pub interval: Duration,
    /// How long one check may take.
    #[serde(
        with = "seconds",
        rename = "timeoutSeconds",
        default = "default_timeout"
    )]
    pub timeout: Duration,
    /// This many failures in a row make the program unhealthy.
    #[serde(default = "default_failures")]
    pub failures: u32,
    /// How long an unhealthy program is given to write its thread dump after SIGQUIT, before it
    /// is stopped; zero sends no SIGQUIT.
    #[serde(with = "seconds", rename = "dumpSeconds", default = "default_dump")]
    pub dump: Duration,
}

/// One kind of health check. Addresses are numeric: a supervisor must not wait for a name server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum HealthCheck {
    /// `GET path` over plain HTTP; any status from 200 to 399 is well.
    Http {
        /// Where to connect to.
        address: SocketAddr,
        /// The request's path, with a leading slash.
        path: String,
    },
    /// A TCP connection is accepted.
    Tcp {
        /// Where to connect to.
        address: SocketAddr,
    },
    /// The process is alive and not stopped.
    Alive,
}

/// The process that a program works for, and without which what it does is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Peer {
    /// Where it listens as long as it lives.
    pub address: SocketAddr,
    /// Where it keeps a connection on which nothing is ever sent, and which ends with it.
    pub lifeline: SocketAddr,
}

/// Where the supervisor answers `GET /healthz` and `GET /readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StatusAddress {
    /// A Unix socket at this path.
    Socket(PathBuf),
    /// This port of the loopback interface.
    Port(u16),
}

/// Resource limits (`setrlimit`) of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Limits {
    /// Open files; `None` leaves them as they are.
    pub open_files: Option<LimitValue>,
    /// Size of a core file in bytes; `None` leaves it as it is.
    pub core_size: Option<LimitValue>,
}

/// One resource limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LimitValue {
    /// The soft limit is raised to the hard one.
    Hard,
    /// No limit.
    Unlimited,
    /// This soft limit; the hard one is raised to it if it is lower and that is allowed.
    Value(u64),
}

/// What the supervisor gives up, for itself and so for the program, before the program starts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Privileges {
    /// The user to become: `NAME`, `UID`, `NAME:GROUP`, `UID:GID`. Ignored when the process
    /// already is that user.
    pub user: Option<String>,
    /// Directories handed to that user, with all they contain.
    pub own: Vec<PathBuf>,
    /// Set `no_new_privs`: no program started from here on gains privileges by set-uid files.
    pub no_new_privileges: bool,
    /// Give up every capability, the bounding set included.
    pub drop_capabilities: bool,
}

impl Supervision {
    /// The supervision of `program` under the defaults.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self {
            name: String::new(),
            program: program.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            environment_removed: Vec::new(),
            directory: None,
            stop: StopPolicy::default(),
            restart: RestartPolicy::default(),
            logs: LogPolicy::default(),
            health: None,
            signs: None,
            peer: None,
            status: None,
            limits: Limits::default(),
            privileges: Privileges::default(),
            report: None,
            report_to: None,
            time_stamps: false,
            follow_parent: false,
            foreground: false,
            crash_directories: Vec::new(),
            program_log: None,
            phases: Vec::new(),
        }
    }

    /// What messages call the program.
    pub fn display_name(&self) -> String {
        if !self.name.is_empty() {
            return self.name.clone();
        }
        let file = self.program.file_name().map(Path::new);
        file.unwrap_or(&self.program).display().to_string()
    }
}

impl RotatingFiles {
    /// Files in this directory under the default sizes.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            max_bytes: default_max_bytes(),
            keep: default_keep(),
            json: false,
            also_pass: false,
        }
    }
}

impl Default for StopPolicy {
    fn default() -> Self {
        Self {
            signal: None,
            grace: Duration::from_secs(9),
            exit_code_on_stop: ExitOnStop::Code(0),
        }
    }
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            when: RestartWhen::Never,
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            jitter: 0.25,
            stable: Duration::from_secs(300),
            ceiling: 10,
            window: Duration::from_secs(1800),
        }
    }
}

impl HealthPolicy {
    /// This check under the default times.
    pub fn of(check: HealthCheck) -> Self {
        Self {
            check,
            start_period: default_start_period(),
            interval: default_interval(),
            timeout: default_timeout(),
            failures: default_failures(),
            dump: default_dump(),
        }
    }
}

fn default_max_bytes() -> u64 {
    64 * 1024 * 1024
}

fn default_keep() -> u32 {
    5
}

fn default_start_period() -> Duration {
    Duration::from_secs(60)
}

fn default_interval() -> Duration {
    Duration::from_secs(10)
}

fn default_timeout() -> Duration {
    Duration::from_secs(5)
}

fn default_failures() -> u32 {
    3
}

fn default_dump() -> Duration {
    Duration::from_secs(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Supervision {
        Supervision {
            name: "taskmanager".to_owned(),
            arguments: vec!["-version".to_owned()],
            environment: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
            directory: Some("/tmp".into()),
            stop: StopPolicy {
                signal: Some(Signal::QUIT),
                grace: Duration::from_millis(2500),
                exit_code_on_stop: ExitOnStop::Child,
            },
            logs: LogPolicy::Files(RotatingFiles {
                directory: "/logs".into(),
                max_bytes: 7,
                keep: 2,
                json: true,
                also_pass: true,
            }),
            health: Some(HealthPolicy::of(HealthCheck::Tcp {
                address: ([127, 0, 0, 1], 6122).into(),
            })),
            status: Some(StatusAddress::Port(9)),
            limits: Limits {
                open_files: Some(LimitValue::Hard),
                core_size: Some(LimitValue::Value(0)),
            },
            ..Supervision::of("/usr/bin/java")
        }
    }

    #[test]
    fn the_document_reads_back_from_what_it_writes() {
        let json = serde_json::to_string(&full()).unwrap();
        assert_eq!(serde_json::from_str::<Supervision>(&json).unwrap(), full());
    }

    #[test]
    fn only_the_program_is_required() {
        let read: Supervision = serde_json::from_str(r#"{"program":"true"}"#).unwrap();
        assert_eq!(read, Supervision::of("true"));
        assert!(serde_json::from_str::<Supervision>("{}").is_err());
    }

    #[test]
    fn unknown_fields_are_refused_at_every_level() {
        for json in [
            r#"{"program":"true","grace":1}"#,
            r#"{"program":"true","stop":{"grace":1}}"#,
            r#"{"program":"true","restart":{"max":1}}"#,
            r#"{"program":"true","logs":{"kind":"files","directory":"/x","size":1}}"#,
            r#"{"program":"true","health":{"check":{"kind":"tcp","address":"127.0.0.1:1","x":1}}}"#,
        ] {
            assert!(serde_json::from_str::<Supervision>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn negative_spans_are_refused() {
        let json = r#"{"program":"true","stop":{"graceSeconds":-1}}"#;
        let error = serde_json::from_str::<Supervision>(json).unwrap_err();
        assert!(error.to_string().contains("no span of time"), "{error}");
    }

    #[test]
    fn the_name_defaults_to_the_programs_file_name() {
        assert_eq!(Supervision::of("/usr/bin/java").display_name(), "java");
        assert_eq!(full().display_name(), "taskmanager");
    }
}
