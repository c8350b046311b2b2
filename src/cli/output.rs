//! Writing to the terminal: results to standard output, everything else to standard error.
//!
//! A reader that went away (a closed pipe) is not an error worth a word. Any other failure of
//! standard output is one: what was asked for is not there, so the exit code says so.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode as ProcessExit;
use std::sync::OnceLock;

use super::printable::printable;
use crate::destination::is_standard_output;
use crate::spec::ExitCode;

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

/// Prints one line that is not a result. What is in it may be of a file that somebody else made.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(text));
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

/// Progress on standard error: one line that renews itself on a terminal, plain lines elsewhere.
pub(super) struct Progress {
    bar: Option<indicatif::ProgressBar>,
}

impl Progress {
    /// Progress that begins with `message`.
    pub(super) fn new(message: &'static str) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
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
