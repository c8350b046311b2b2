//! Writing to the terminal: results to standard output, everything else to standard error.
//!
//! A reader that went away (a closed pipe) is not an error worth a word.

use std::io::Write as _;
use std::process::ExitCode as ProcessExit;

use crate::spec::ExitCode;

/// Prints one line of result.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints one JSON document.
pub(super) fn json(document: &impl serde::Serialize) {
    let mut stdout = std::io::stdout().lock();
    let written = serde_json::to_writer_pretty(&mut stdout, document);
    if written.is_ok() {
        let _ = writeln!(stdout);
    }
}

/// Prints one line that is not a result.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints an error.
pub(super) fn error(text: &str) {
    note(&format!("flugs: {text}"));
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
