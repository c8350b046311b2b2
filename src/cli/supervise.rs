//! `flugs supervise`: the supervisor for any command.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode as ProcessExit;
use std::time::Duration;

pub(super) mod options;

use self::options::{HealthArgs, LogArgs};
use super::Ending;
use crate::spec::ExitCode;
use crate::supervise::{
    self, ExitOnStop, LimitValue, Limits, Outcome, Privileges, RestartPolicy, RestartWhen, Signal,
    StopPolicy, SuperviseError, Supervision,
};

/// The one option of a re-executed supervisor, which is not for people.
const DOCUMENT: &str = "--document-fd";

const EXAMPLES: &str = "\
Examples:
  As the entry point of an image, in place of tini or dumb-init:
    ENTRYPOINT [\"flugs\", \"supervise\", \"--\"]

  With half a minute to shut down, a report, and restarts after failures:
    flugs supervise --grace 30 --report /tmp/exit-report.json --restart on-failure -- java -jar a.jar

Exit codes: the command's own, or 128 + n if it died of signal n; 0 after a clean stop on request;
64 to 124 for what went wrong around it (docs/exit-codes.md).";

/// Run a command as a small init does: pass on signals, reap orphans, stop in order, report
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// What messages and the report call the command [default: its file name]
    #[arg(long)]
    name: Option<String>,

    /// Seconds from the request to stop until SIGKILL [default: a second less than the engine's
    /// own grace period; 9 where there is no telling]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
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

    /// Seconds before the first restart; doubled for each further one
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    restart_backoff: Option<Duration>,

    /// The longest wait before a restart, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    restart_backoff_max: Option<Duration>,

    /// After running this many seconds, the next wait is the first again
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    restart_stable: Option<Duration>,

    /// The window in which restarts are counted, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    restart_window: Option<Duration>,

    /// Write the exit report to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Look for crash files (hs_err_pid*.log, *.hprof) here too (repeatable)
    #[arg(long, value_name = "DIRECTORY")]
    crash_directory: Vec<PathBuf>,

    /// Run the command in this directory
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,

    /// Stop the command when the process that started this one ends
    #[arg(long)]
    follow_parent: bool,

    /// Hand the terminal to the command, so that it can read from it and gets Ctrl-C itself
    #[arg(long)]
    foreground: bool,

    #[command(flatten)]
    logs: LogArgs,

    #[command(flatten)]
    health: HealthArgs,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    privileges: PrivilegeArgs,

    /// The command and its arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
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

#[derive(Debug, Clone, Copy)]
struct Restart {
    when: RestartWhen,
    ceiling: Option<u32>,
}

/// What cannot wait until the arguments are parsed. `None`: go on and parse them.
///
/// The commands that end in supervising hold signals from here on: PID 1 of a namespace never
/// sees a signal that comes earlier. The re-executed supervisor needs no parsing, and is smaller
/// for it.
pub(super) fn before_parsing() -> Option<Result<ProcessExit, Ending>> {
    let mut words = std::env::args_os().skip(1);
    let command = words.next()?;
    if command != "supervise" && command != "launch" {
        return None;
    }
    if let Err(error) = supervise::hold_signals() {
        return Some(Err(error.into()));
    }
    if command == "launch" || words.next()? != DOCUMENT {
        return None;
    }
    let descriptor = words.next()?.to_str()?.parse().ok()?;
    Some(resume(descriptor))
}

/// Goes on as the supervisor that this process was re-executed for.
fn resume(descriptor: i32) -> Result<ProcessExit, Ending> {
    let supervision = supervise::receive_document(descriptor)?;
    finish(supervision)
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let supervision = args.supervision()?;
    match supervise::exec_into(&supervision, &[]) {
        // Without /proc, this process does it itself; it only is a little larger.
        SuperviseError::Handover { .. } => finish(supervision),
        error => Err(error.into()),
    }
}

fn finish(supervision: Supervision) -> Result<ProcessExit, Ending> {
    let Outcome { exit_code, .. } = supervise::run(supervision)?;
    Ok(ProcessExit::from(exit_code))
}

impl Args {
    fn supervision(&self) -> Result<Supervision, Ending> {
        let mut words = self.command.iter().cloned();
        let program = words.next().unwrap_or_default();
        let arguments = words
            .map(OsString::into_string)
            .collect::<Result<_, _>>()
            .map_err(|argument| not_utf8(&argument))?;
        Ok(Supervision {
            name: self.name.clone().unwrap_or_default(),
            arguments,
            directory: self.directory.clone(),
            stop: StopPolicy {
                signal: self.stop_signal,
                grace: self.grace.unwrap_or_else(|| {
                    supervise::default_grace(None, |name| std::env::var(name).ok())
                }),
                exit_code_on_stop: self.exit_code_on_stop,
            },
            restart: restart_policy(
                self.restart,
                self.restart_backoff,
                self.restart_backoff_max,
                self.restart_stable,
                self.restart_window,
            ),
            logs: self.logs.policy()?,
            health: self.health.policy(),
            status: self.health.status(),
            report: self.report.clone(),
            crash_directories: self.crash_directory.clone(),
            follow_parent: self.follow_parent,
            foreground: self.foreground,
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
            ..Supervision::of(program)
        })
    }
}

fn restart_policy(
    restart: Restart,
    backoff: Option<Duration>,
    backoff_max: Option<Duration>,
    stable: Option<Duration>,
    window: Option<Duration>,
) -> RestartPolicy {
    let default = RestartPolicy::default();
    RestartPolicy {
        when: restart.when,
        ceiling: restart.ceiling.unwrap_or(default.ceiling),
        backoff: backoff.unwrap_or(default.backoff),
        backoff_max: backoff_max.unwrap_or(default.backoff_max),
        stable: stable.unwrap_or(default.stable),
        window: window.unwrap_or(default.window),
        ..default
    }
}

fn not_utf8(argument: &OsString) -> Ending {
    Ending {
        code: ExitCode::Usage,
        message: format!(
            "the argument {} is not UTF-8; put it into a script or a file that the command reads",
            argument.display()
        ),
    }
}

pub(super) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<f64>();
    number
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "a number of seconds, zero or more, is expected".to_owned())
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

fn parse_restart(text: &str) -> Result<Restart, String> {
    let (word, ceiling) = match text.split_once(':') {
        Some((word, number)) => (
            word,
            Some(
                number
                    .parse()
                    .map_err(|_| "a number of restarts is expected after the colon".to_owned())?,
            ),
        ),
        None => (text, None),
    };
    let when = match word {
        "never" | "no" => RestartWhen::Never,
        "on-failure" => RestartWhen::OnFailure,
        "always" => RestartWhen::Always,
        _ => return Err("never, on-failure or always is expected".to_owned()),
    };
    Ok(Restart { when, ceiling })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Whole {
        #[command(flatten)]
        args: Args,
    }

    fn parse(words: &str) -> Result<Supervision, String> {
        let words = std::iter::once("supervise").chain(words.split(' '));
        let whole = Whole::try_parse_from(words).map_err(|error| error.to_string())?;
        whole.args.supervision().map_err(|ending| ending.message)
    }

    #[test]
    fn the_commands_own_options_are_the_commands() {
        let supervision = parse("--grace 2.5 -- java --grace 3 -- x").unwrap();
        assert_eq!(supervision.stop.grace, Duration::from_millis(2500));
        assert_eq!(supervision.arguments, ["--grace", "3", "--", "x"]);
        assert_eq!(parse("java -version").unwrap().arguments, ["-version"]);
    }

    #[test]
    fn options_arrive_in_the_document() {
        let supervision = parse(
            "--stop-signal QUIT --exit-code-on-stop child --restart on-failure:3 --report r.json \
             --open-files hard --core-size 0 --user flink --own /data --no-new-privileges -- x",
        )
        .unwrap();
        assert_eq!(supervision.stop.signal, Some(Signal::QUIT));
        assert_eq!(supervision.stop.exit_code_on_stop, ExitOnStop::Child);
        assert_eq!(supervision.restart.when, RestartWhen::OnFailure);
        assert_eq!(supervision.restart.ceiling, 3);
        assert_eq!(supervision.limits.open_files, Some(LimitValue::Hard));
        assert_eq!(supervision.limits.core_size, Some(LimitValue::Value(0)));
        assert_eq!(supervision.privileges.user.as_deref(), Some("flink"));
        assert!(supervision.privileges.no_new_privileges);
    }

    #[test]
    fn wrong_values_are_refused_with_what_is_expected() {
        for (words, expected) in [
            ("--grace=-1 -- x", "seconds"),
            ("--stop-signal FOO -- x", "RTMIN+3"),
            ("--exit-code-on-stop 256 -- x", "0 to 255"),
            ("--restart sometimes -- x", "on-failure"),
            ("--restart always:x -- x", "restarts"),
            ("--open-files many -- x", "hard"),
            ("--own /x -- x", "--user"),
            ("--grace 1", "COMMAND"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(expected), "{words}: {error}");
        }
    }
}
