//! The options that say how something is supervised, shared by `supervise` and `launch`.

use std::path::PathBuf;
use std::time::Duration;

pub(super) mod options;
pub(super) mod restart;

use self::options::{HealthArgs, LogArgs};
use self::restart::{BackoffArgs, Restart, parse_restart};
use super::{Ending, number};
use flugs_supervise::{
    self as supervise, ExitOnStop, LimitValue, Limits, Privileges, RestartPolicy, Signal,
    StopPolicy, Supervision,
};

#[derive(Debug, clap::Args)]
pub(super) struct SupervisionArgs {
    /// Seconds from the request to stop until SIGKILL [default: a second less than the engine's
    /// own grace period; 9 where there is no telling]
    #[arg(long, value_name = "SECONDS", value_parser = number::seconds)]
    grace: Option<Duration>,

    /// The signal that asks the command to stop [default: the one that was received]
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<Signal>,

    /// What to exit with after a clean stop on request: a code, or "child" for the command's own
    #[arg(long, value_name = "CODE", default_value = "0", value_parser = parse_exit_on_stop)]
    exit_code_on_stop: ExitOnStop,

    /// When to start the command again: never, on-failure, always; with ":N", at most N times in
    /// the window
    #[arg(long, value_name = "POLICY", default_value = "never", value_parser = parse_restart)]
    restart: Restart,

    #[command(flatten)]
    backoff: BackoffArgs,

    /// Begin each line of flugs' own with the time (RFC 3339, UTC)
    #[arg(long)]
    time_stamps: bool,

    /// Stop the command when the process that started this one ends
    #[arg(long)]
    follow_parent: bool,

    #[command(flatten)]
    logs: LogArgs,

    #[command(flatten)]
    health: HealthArgs,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    privileges: PrivilegeArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Limit of open files: a number, "hard" (raise the soft limit to the hard one), "unlimited"
    #[arg(long, value_name = "LIMIT", value_parser = parse_limit)]
    open_files: Option<LimitValue>,

    /// Limit of a core file's size in bytes: a number, "hard", "unlimited"
    #[arg(long, value_name = "LIMIT", value_parser = parse_limit)]
    core_size: Option<LimitValue>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Privileges")]
struct PrivilegeArgs {
    /// Become this user first: NAME, UID, NAME:GROUP or UID:GID
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// Hand this directory, with all it contains, to that user first (repeatable)
    #[arg(long, value_name = "DIRECTORY", requires = "user")]
    own: Vec<PathBuf>,

    /// Let nothing that is started gain privileges by set-uid files
    #[arg(long)]
    no_new_privileges: bool,

    /// Give up every capability
    #[arg(long)]
    drop_capabilities: bool,
}

impl SupervisionArgs {
    /// Whether lines of flugs' own say when they were written.
    pub(super) const fn time_stamps(&self) -> bool {
        self.time_stamps
    }

    /// The grace period, if one was asked for.
    pub(super) const fn grace(&self) -> Option<Duration> {
        self.grace
    }

    /// A supervision of nothing yet, under these options.
    pub(super) fn supervision(&self) -> Result<Supervision, Ending> {
        let variable = |name: &str| std::env::var(name).ok();
        let grace = self.grace;
        Ok(Supervision {
            stop: StopPolicy {
                signal: self.stop_signal,
                grace: grace.unwrap_or_else(|| supervise::default_grace(None, variable)),
                exit_code_on_stop: self.exit_code_on_stop,
            },
            restart: self.backoff.policy(self.restart, RestartPolicy::default()),
            logs: self.logs.policy()?,
            health: self.health.policy(),
            status: self.health.status(),
            follow_parent: self.follow_parent,
            time_stamps: self.time_stamps,
            limits: Limits {
                open_files: self.limits.open_files,
                core_size: self.limits.core_size,
            },
            privileges: Privileges {
                user: self.privileges.user.clone(),
                own: self.privileges.own.clone(),
                no_new_privileges: self.privileges.no_new_privileges,
                drop_capabilities: self.privileges.drop_capabilities,
            },
            ..Supervision::of("")
        })
    }
}

fn parse_exit_on_stop(text: &str) -> Result<ExitOnStop, String> {
    if text == "child" {
        return Ok(ExitOnStop::Child);
    }
    let code = text.parse().map(ExitOnStop::Code);
    code.map_err(|_| "a code from 0 to 255, or \"child\", is expected".to_owned())
}

fn parse_limit(text: &str) -> Result<LimitValue, String> {
    match text {
        "hard" => Ok(LimitValue::Hard),
        "unlimited" => Ok(LimitValue::Unlimited),
        number => number
            .parse()
            .map(LimitValue::Value)
            .map_err(|_| "a number, \"hard\" or \"unlimited\" is expected".to_owned()),
    }
}
