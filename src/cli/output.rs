//! Writing to the terminal: results to standard output, everything else to standard error.
//!
//! A reader that went away (a closed pipe) is not an error worth a word. Any other failure of
//! standard output is one: what was asked for is not there, so the exit code says so.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode as ProcessExit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::printable::printable;
use flugs_base::ExitCode;
use flugs_base::destination::is_standard_output;
use flugs_supervise::rfc3339;

/// The first error of standard output, for the end.
static FAILED: OnceLock<io::Error> = OnceLock::new();

/// Prints one line of result.
pub(super) fn line(text: &str) {
    print(&format!("{text}\n"));
}

/// Prints a result of many lines, each with its end, in one go.
pub(super) fn text(lines: &str) {
    print(lines);
}

/// Prints one JSON document.
pub(super) fn json(document: &impl serde::Serialize) {
    Report::Result.json(document);
}

fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes());
    remember(written.and_then(|()| stdout.flush()));
}

fn remember(written: io::Result<()>) {
    match written {
        Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => {
            let text = format!("cannot write to standard output: {failed}");
            // The first one says why.
            if FAILED.set(failed).is_ok() {
                error(&text);
            }
        }
        _ => {}
    }
}

/// Ends a command: what it could not print is an error, whatever else became of it.
pub(super) fn close(exit: ProcessExit) -> ProcessExit {
    remember(io::stdout().lock().flush());
    let Some(failed) = FAILED.get() else {
        return exit;
    };
    if exit == ProcessExit::SUCCESS {
        ProcessExit::from(ExitCode::of_io(failed).code())
    } else {
        exit
    }
}

/// Where a command reports what it has done.
#[derive(Debug, Clone, Copy)]
pub(super) enum Report {
    /// On standard output.
    Result,
    /// On standard error.
    Note,
}

/// Where a command reports that has written this file: beside it, if it went to standard output.
pub(super) fn beside(file: &Path) -> Report {
    if is_standard_output(file) {
        Report::Note
    } else {
        Report::Result
    }
}

impl Report {
    pub(super) fn line(self, text: &str) {
        match self {
            Self::Result => line(text),
            Self::Note => note(text),
        }
    }

    pub(super) fn json(self, document: &impl serde::Serialize) {
        if let Ok(text) = serde_json::to_string_pretty(document) {
            self.line(&text);
        }
    }
}

/// Whether what is no result is a log, whose every line says when it was written.
static IS_LOG: AtomicBool = AtomicBool::new(false);

/// From here on, what is printed to standard error is a log: each line begins with a time stamp, and
/// none renews itself. For a program that runs for as long as others whose logs are laid beside it.
pub(super) fn begin_log() {
    IS_LOG.store(true, Ordering::Relaxed);
}

/// Prints one line that is not a result. What is in it may be of a file that somebody else made.
pub(super) fn note(text: &str) {
    let text = printable(text);
    let mut stderr = io::stderr().lock();
    let _ = if IS_LOG.load(Ordering::Relaxed) {
        stderr.write_all(stamped(&text, SystemTime::now()).as_bytes())
    } else {
        writeln!(stderr, "{text}")
    };
}

/// The text's lines, each with the time (RFC 3339, UTC, milliseconds) before it.
fn stamped(text: &str, now: SystemTime) -> String {
    let now = rfc3339(now);
    // A carriage return would hide the stamp of its line.
    let lines = text.split(['\n', '\r']).filter(|line| !line.is_empty());
    lines.fold(String::new(), |all, line| format!("{all}{now} {line}\n"))
}

/// Prints an error.
pub(super) fn error(text: &str) {
    note(&format!("flugs: {text}"));
}

/// Prints what clap has to say (help and version are not errors) and gives the exit code.
pub(super) fn usage(error: &clap::Error) -> ProcessExit {
    let hinted = super::hint::nearest_command(error);
    let printed = hinted.as_ref().unwrap_or(error).print();
    if error.use_stderr() {
        return ProcessExit::from(ExitCode::Usage.code());
    }
    remember(printed);
    ProcessExit::SUCCESS
}

/// Passes on bytes that another process wrote for people.
pub(super) fn raw(bytes: &[u8]) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(bytes).and_then(|()| stderr.flush());
}

/// Whether there is a line on standard error that may renew itself.
pub(super) fn renews_lines() -> bool {
    io::stderr().is_terminal() && !IS_LOG.load(Ordering::Relaxed)
}

/// Progress on standard error: one line that renews itself on a terminal, plain lines elsewhere.
pub(super) struct Progress {
    bar: Option<indicatif::ProgressBar>,
}

impl Progress {
    /// Progress that begins with `message`.
    pub(super) fn new(message: &'static str) -> Self {
        let bar = renews_lines().then(|| {
            let bar = indicatif::ProgressBar::new_spinner().with_message(message);
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            bar
        });
        Self { bar }
    }

    /// Renews the line; says nothing where lines cannot be renewed.
    pub(super) fn update(&self, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(message.to_owned());
        }
    }

    /// Says something that stays.
    pub(super) fn say(&self, message: &str) {
        match &self.bar {
            Some(bar) if !bar.is_finished() => bar.suspend(|| note(message)),
            _ => note(message),
        }
    }

    /// Takes the line away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const STAMP: &str = "2026-11-30T13:10:53.042Z ";

    fn at() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_796_044_253_042)
    }

    #[test]
    fn each_line_of_a_log_says_when_it_was_written() {
        let text = stamped("flugs: it failed\n  because: of that\n", at());
        insta::assert_snapshot!(text, @"
        2026-11-30T13:10:53.042Z flugs: it failed
        2026-11-30T13:10:53.042Z   because: of that
        ");
    }

    proptest! {
        #[test]
        fn no_line_of_a_log_is_without_its_time(text in "(\\PC|[\n\r]){0,200}") {
            let log = stamped(&text, at());
            let stamp = |line: &str| line.starts_with(STAMP);
            prop_assert!(log.split_terminator(['\n', '\r']).all(stamp));
        }
    }
}
