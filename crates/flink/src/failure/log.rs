//! The entries of a log: log4j's and logback's usual layouts, and one JSON object a line.

use serde_json::Value;

use super::trace::{Trace, bounded};

/// What says so loudly.
const LOUD: [&str; 2] = ["ERROR", "FATAL"];
const QUIET: [&str; 4] = ["WARN", "INFO", "DEBUG", "TRACE"];

/// Behind a date, a time and a thread of several words there is no level any more.
const WORDS_BEFORE_A_LEVEL: usize = 8;

/// With these words Flink's own entry points say what ends the process
/// (`ClusterEntrypoint`, `TaskManagerRunner`, `FatalExitExceptionHandler`).
const FATAL: [&str; 6] = [
    "Could not start cluster entrypoint",
    "Fatal error occurred",
    "Terminating TaskManagerRunner",
    "produced an uncaught exception",
    "Could not run",
    "FATAL:",
];

/// An entry of level ERROR or above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    /// What was logged, without date, level and logger.
    pub(super) message: String,
    /// What was thrown.
    pub(super) trace: Option<Trace>,
    /// Whether the process says that it ends because of this.
    pub(super) fatal: bool,
}

/// The complaint of a log that says most about the process's end: the last that ends it by its own
/// words, else the last with something thrown, else the last.
pub(super) fn last_complaint(log: &str) -> Option<Complaint> {
    let all = complaints(log);
    let last = |wanted: fn(&Complaint) -> bool| all.iter().rev().find(|one| wanted(one));
    last(|one| one.fatal && one.trace.is_some())
        .or_else(|| last(|one| one.trace.is_some()))
        .or_else(|| last(|_| true))
        .cloned()
}

fn complaints(log: &str) -> Vec<Complaint> {
    let lines: Vec<&str> = log
        .lines()
        .map(|line| line.trim_end_matches('\r'))
        .collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        if line.starts_with('{') {
            found.extend(of_json(line));
            continue;
        }
        let Some((level, message)) = header(line) else {
            continue;
        };
        let below = lines.get(at..).unwrap_or_default();
        let length = below
            .iter()
            .take_while(|line| header(line).is_none() && !line.starts_with('{'))
            .count();
        at += length;
        if LOUD.contains(&level) {
            let trace = Trace::read(below.get(..length).unwrap_or_default());
            found.push(complaint(level, message, trace));
        }
    }
    found
}

fn complaint(level: &str, message: &str, trace: Option<Trace>) -> Complaint {
    // One of JSON may have several lines: the first says what was met.
    let mut lines = message.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
    Complaint {
        message: bounded(first),
        trace,
        fatal: level == "FATAL" || FATAL.iter().any(|words| message.contains(words)),
    }
}

/// The level and the message of an entry's first line.
fn header(line: &str) -> Option<(&str, &str)> {
    let first = line.chars().next()?;
    if first.is_whitespace() {
        return None;
    }
    let mut rest = line;
    for number in 0..WORDS_BEFORE_A_LEVEL {
        let word = rest.split_ascii_whitespace().next()?;
        let end = rest.find(word)? + word.len();
        rest = rest.get(end..)?;
        let level = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let known = LOUD.iter().chain(&QUIET).find(|known| **known == level);
        if let Some(known) = known {
            // A level that stands first has a bracket, a date or a logger with it, not a sentence.
            let alone = number > 0 || word != level || rest.contains(" - ");
            return alone.then(|| (*known, message(rest)));
        }
        let is_first_of_header = first.is_ascii_digit() || matches!(first, '[' | '(' | '<');
        if number == 0 && !is_first_of_header {
            return None;
        }
    }
    None
}

/// What follows the logger's name.
fn message(rest: &str) -> &str {
    rest.split_once(" - ").map_or(rest, |(_, message)| message)
}

fn of_json(line: &str) -> Option<Complaint> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let text = |names: &[&str]| {
        let value = names.iter().find_map(|name| entry.get(name)?.as_str());
        value.map(str::to_owned)
    };
    let level = text(&["level", "log.level", "severity"])?.to_uppercase();
    if !LOUD.contains(&level.as_str()) {
        return None;
    }
    let message = text(&["message", "msg"]).unwrap_or_default();
    let thrown = text(&["exception", "stack_trace", "error.stack_trace"]).unwrap_or_default();
    let lines: Vec<&str> = thrown.lines().collect();
    Some(complaint(&level, &message, Trace::read(&lines)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLINK: &str = "\
2026-11-30 10:00:00,001 INFO  org.apache.flink.runtime.entrypoint.ClusterEntrypoint        [] - Starting.
2026-11-30 10:00:01,001 ERROR org.apache.flink.runtime.entrypoint.ClusterEntrypoint        [] - Could not start cluster entrypoint StandaloneSessionClusterEntrypoint.
org.apache.flink.runtime.entrypoint.ClusterEntrypointException: Failed to initialize the cluster entrypoint.
\tat org.apache.flink.runtime.entrypoint.ClusterEntrypoint.startCluster(ClusterEntrypoint.java:255) ~[flink-dist-2.3.0.jar:2.3.0]
Caused by: java.net.BindException: Could not start actor system on any port in port range 6123
\tat x.Y.z(Y.java:1)
2026-11-30 10:00:01,101 ERROR org.apache.flink.util.ShutDown        [] - Late noise.
java.lang.IllegalStateException: closed
\tat x.Y.z(Y.java:1)
";

    #[test]
    fn what_ends_the_process_by_its_own_words_goes_before_later_noise() {
        let found = last_complaint(FLINK).unwrap();
        assert!(found.fatal);
        assert_eq!(
            found.message,
            "Could not start cluster entrypoint StandaloneSessionClusterEntrypoint."
        );
        assert_eq!(found.trace.unwrap().root.class, "java.net.BindException");
    }

    #[test]
    fn layouts_with_brackets_threads_and_levels_in_front_are_understood() {
        for line in [
            "[ERROR] x.Y - broken",
            "10:00:01.5 [main thread 3] ERROR x.Y - broken",
            "[2026-11-30T10:00:00Z] <ERROR> x.Y - broken",
            "ERROR x.Y - broken",
            r#"{"level":"ERROR","message":"\n broken\n\tat x(y)"}"#,
            "{\"level\":\"ERROR\",\"message\":\"broken\"}",
        ] {
            let found = last_complaint(&format!("{line}\na.BException: c\n\tat d.E.f(E.java)\n"));
            let found = found.unwrap_or_else(|| panic!("{line}"));
            assert_eq!(found.message, "broken", "{line}");
        }
    }

    #[test]
    fn a_stack_trace_in_a_field_of_json_is_read() {
        let line = r#"{"level":"ERROR","message":"x","exception":"a.BException: c\n\tat d.E.f(E.java)\nCaused by: a.RootException: r\n"}"#;
        let root = last_complaint(line).unwrap().trace.unwrap().root;
        assert_eq!(
            (root.class.as_str(), root.message.as_str()),
            ("a.RootException", "r")
        );
    }

    #[test]
    fn warnings_and_sentences_with_the_word_error_are_no_complaints() {
        let log = "2026-11-30 10:00:00,001 WARN  x.Y [] - ERROR is a word\nERROR in my job\n";
        assert_eq!(last_complaint(log), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(log in "([\\[0-9 ]{0,4}(ERROR|INFO|FATAL)?[ a-z:.-]{0,20}(\n|\r\n|\tat x\\(\n)){0,12}") {
            let _ = last_complaint(&log);
        }
    }
}
