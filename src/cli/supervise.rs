//! `flugs supervise`: the supervisor for any command.

use std::ffi::OsString;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::PathBuf;
use std::process::ExitCode as ProcessExit;

use nix::sys::stat::SFlag;

use super::supervision::SupervisionArgs;
use super::{Ending, output};
use flugs_base::ExitCode;
use flugs_flink::{LastWords, read_failure};
use flugs_launch::deliver_report;
use flugs_supervise::{self as supervise, Cause, Hooks, Outcome, SuperviseError, Supervision};

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

    /// Write the exit report to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Look for crash files (hs_err_pid*.log, *.hprof) here too (repeatable)
    #[arg(long, value_name = "DIRECTORY")]
    crash_directory: Vec<PathBuf>,

    /// Run the command in this directory
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,

    /// Hand the terminal to the command even if its output goes through a pipe, whose reader may
    /// want the terminal too. Without a pipe it is handed over anyway
    #[arg(long)]
    foreground: bool,

    #[command(flatten)]
    supervision: SupervisionArgs,

    /// The command and its arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What cannot wait until the arguments are parsed. `None`: go on and parse them.
///
/// The commands that end in supervising hold signals from here on: PID 1 of a namespace never
/// sees a signal that comes earlier. The re-executed supervisor needs no parsing, and is smaller
/// for it.
pub(super) fn before_parsing() -> Option<Result<ProcessExit, Ending>> {
    let mut words = std::env::args_os().skip(1);
    let command = words.next();
    let supervises = |word: &OsString| word == "supervise" || word == "launch";
    if !command.as_ref().is_some_and(supervises) && super::entrypoint::called().is_none() {
        return None;
    }
    if let Err(error) = supervise::hold_signals() {
        return Some(Err(error.into()));
    }
    if command? != "supervise" || words.next()? != DOCUMENT {
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
    if supervision.time_stamps {
        output::begin_log();
    }
    let hooks = Hooks {
        read_cause,
        deliver: deliver_report,
    };
    let Outcome { exit_code, .. } = supervise::run(supervision, hooks)?;
    Ok(ProcessExit::from(exit_code))
}

/// What a Java program said of its end. Any other program's words hold nothing of the kind.
fn read_cause(words: &supervise::LastWords) -> Option<Cause> {
    let failure = read_failure(&LastWords {
        stderr: &words.stderr,
        stdout: &words.stdout,
        log: &words.log,
    })?;
    Some(Cause {
        text: failure.text,
        likeness: failure.likeness,
    })
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
            report: self.report.clone(),
            crash_directories: self.crash_directory.clone(),
            // A pager at the other end of a pipe would be stopped for reading its keys.
            foreground: self.foreground || !is_piped(),
            program: program.into(),
            ..self.supervision.supervision()?
        })
    }
}

/// Whether what the command says goes to another process of the same job.
fn is_piped() -> bool {
    let kind = |stream: BorrowedFd<'_>| {
        let found = nix::sys::stat::fstat(stream).ok()?;
        Some(SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT)
    };
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    [stdout.as_fd(), stderr.as_fd()]
        .into_iter()
        .any(|stream| kind(stream) == Some(SFlag::S_IFIFO))
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;
    use flugs_supervise::{ExitOnStop, LimitValue, RestartWhen, Signal};
    use std::time::Duration;

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
