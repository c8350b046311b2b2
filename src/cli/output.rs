//! Writing to the terminal: results to standard output, everything else to standard error.
//!
//! A reader that went away (a closed pipe) is not an error worth a word.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode as ProcessExit;

use super::printable::printable;
use crate::spec::ExitCode;

/// Prints one line of result.
pub(super) fn line(text: &str) {
    // Standard output writes a line at a time: what it is given at once, it writes at once.
    let _ = std::io::stdout()
        .lock()
        .write_all(format!("{text}\n").as_bytes());
}

/// Prints a result of many lines, each with its end, in one go.
pub(super) fn text(lines: &str) {
    let _ = std::io::stdout().lock().write_all(lines.as_bytes());
}

/// Prints one JSON document.
pub(super) fn json(document: &impl serde::Serialize) {
    if let Ok(text) = serde_json::to_string_pretty(document) {
        line(&text);
    }
}

/// Prints one line that is not a result.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints an error.
pub(super) fn error(text: &str) {
    note(&format!("flugs: {}", printable(text)));
}

/// Prints what clap has to say (help and version are not errors) and gives the exit code.
pub(super) fn usage(error: &clap::Error) -> ProcessExit {
    let _ = error.print();
    if error.use_stderr() {
        ProcessExit::from(ExitCode::Usage.code())
    } else {
        ProcessExit::SUCCESS
    }
}

/// Passes on bytes that another process wrote for people.
pub(super) fn raw(bytes: &[u8]) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(bytes).and_then(|()| stderr.flush());
}

/// Progress on standard error: one line that renews itself on a terminal, plain lines elsewhere.
pub(super) struct Progress {
    bar: Option<indicatif::ProgressBar>,
}

impl Progress {
    /// Progress that begins with `message`.
    pub(super) fn new(message: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
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
