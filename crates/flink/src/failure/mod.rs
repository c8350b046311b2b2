//! Why a Flink process ended of itself, read from what it said last.
//!
//! Pure: the texts are gathered by whoever supervised it. What the virtual machine says of its own
//! start or crash goes first, for then there is nothing else; then Flink's log; then what was
//! printed without one.

mod log;
mod trace;
mod vm;

use self::trace::{Throwable, Trace};

/// What a process said last, oldest line first.
#[derive(Debug, Clone, Copy, Default)]
pub struct LastWords<'a> {
    /// On standard error.
    pub stderr: &'a str,
    /// On standard output.
    pub stdout: &'a str,
    /// In its log file.
    pub log: &'a str,
}

/// Why a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFailure {
    /// In one line: what was logged, what was thrown, and its root cause.
    pub text: String,
    /// The same for two failures that are the same, whatever their ports, times and names are.
    /// Absent if another try may well succeed, because another server was away.
    pub likeness: Option<String>,
}

/// What is thrown when another server is away: no reason to give up.
const ELSEWHERE: [&str; 8] = [
    "ConnectException",
    "NoRouteToHostException",
    "SocketTimeoutException",
    "SocketException",
    "ConnectionLossException",
    "SessionExpiredException",
    "TimeoutException",
    "RetriableException",
];

/// Reads why a process ended, if it said so.
pub fn read_failure(words: &LastWords<'_>) -> Option<ProcessFailure> {
    let of_vm = [words.stderr, words.stdout]
        .into_iter()
        .find_map(vm::last_words);
    if let Some(text) = of_vm {
        let likeness = Some(without_numbers(&text));
        return Some(ProcessFailure { text, likeness });
    }
    let logged = [words.log, words.stdout, words.stderr]
        .into_iter()
        .filter_map(log::last_complaint)
        .max_by_key(|one| (one.fatal, one.trace.is_some()));
    if let Some(complaint) = &logged
        && complaint.trace.is_some()
    {
        return Some(failure(&complaint.message, complaint.trace.as_ref()));
    }
    let printed = [words.stderr, words.stdout].into_iter().find_map(|text| {
        let lines: Vec<&str> = text.lines().collect();
        Trace::read(&lines)
    });
    match (printed, logged) {
        (Some(trace), _) => Some(failure("", Some(&trace))),
        // Of a line that says nothing there is nothing to tell.
        (None, Some(complaint)) => {
            Some(failure(&complaint.message, None)).filter(|one| !one.text.trim().is_empty())
        }
        (None, None) => None,
    }
}

fn failure(message: &str, trace: Option<&Trace>) -> ProcessFailure {
    let mut parts = Vec::new();
    if !message.is_empty() {
        parts.push(message.trim_end_matches(['.', ':']).to_owned());
    }
    let Some(trace) = trace else {
        let text = parts.concat();
        let likeness = Some(without_numbers(&text));
        return ProcessFailure { text, likeness };
    };
    if let Some(thrown) = &trace.thrown
        && *thrown != trace.root
    {
        parts.push(thrown.to_string());
    }
    let root = &trace.root;
    let mut text = parts.join(": ");
    if text.is_empty() {
        text = root.to_string();
    } else {
        text = format!("{text}; root cause: {root}");
    }
    ProcessFailure {
        likeness: (!root.is_elsewhere()).then(|| without_numbers(&root.to_string())),
        text,
    }
}

impl Throwable {
    fn is_elsewhere(&self) -> bool {
        let name = self.class.rsplit(['.', '$']).next().unwrap_or_default();
        ELSEWHERE.contains(&name)
    }
}

impl std::fmt::Display for Throwable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.class)?;
        if self.message.is_empty() {
            return Ok(());
        }
        write!(formatter, ": {}", self.message)
    }
}

/// Ports, ids and times differ from one try to the next.
fn without_numbers(text: &str) -> String {
    let mut plain = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        if word.chars().any(|c| c.is_ascii_digit()) {
            plain.push('#');
            plain.extend(word.chars().last().filter(|c| !c.is_ascii_alphanumeric()));
        } else {
            plain.push_str(word);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOG: &str = "2026-11-30 10:00:01,001 ERROR x.Y [] - Fatal error occurred.\n\
                       a.OuterException: top\n\tat b.C.d(C.java:1)\n\
                       Caused by: java.lang.ClassNotFoundException: org.apache.hadoop.X at 127.0.0.1:4711\n";

    #[test]
    fn the_logs_last_error_is_told_with_its_root_cause() {
        let words = LastWords {
            log: LOG,
            ..LastWords::default()
        };
        insta::assert_snapshot!(
            read_failure(&words).unwrap().text,
            @"Fatal error occurred: a.OuterException: top; root cause: java.lang.ClassNotFoundException: org.apache.hadoop.X at 127.0.0.1:4711"
        );
    }

    #[test]
    fn an_error_that_says_nothing_is_no_reason() {
        let words = LastWords {
            log: "2026-11-30 10:00:09,001 ERROR x.Y [] - \n",
            ..LastWords::default()
        };
        assert!(read_failure(&words).is_none());
    }

    #[test]
    fn a_virtual_machine_that_did_not_start_speaks_before_an_older_log() {
        let words = LastWords {
            stderr: "Unrecognized VM option 'X'\nError: Could not create the Java Virtual Machine.\n",
            log: LOG,
            ..LastWords::default()
        };
        insta::assert_snapshot!(
            read_failure(&words).unwrap().text,
            @"the Java virtual machine: Unrecognized VM option 'X'"
        );
    }

    #[test]
    fn what_was_printed_without_a_log_counts_where_nothing_was_logged() {
        let words = LastWords {
            stderr: "Exception in thread \"main\" java.lang.NoClassDefFoundError: org/x/Y\n\tat a.B.c(B.java:1)\n",
            stdout: "2026-11-30 10:00:01,001 ERROR x.Y [] - odd\n",
            ..LastWords::default()
        };
        insta::assert_snapshot!(
            read_failure(&words).unwrap().text,
            @"java.lang.NoClassDefFoundError: org/x/Y"
        );
        assert_eq!(read_failure(&LastWords::default()), None);
    }

    #[test]
    fn two_failures_are_alike_whatever_their_ports_are_and_a_server_that_is_away_is_no_reason() {
        let likeness = |log: &str| {
            let words = LastWords {
                log,
                ..LastWords::default()
            };
            read_failure(&words).unwrap().likeness
        };
        assert_eq!(likeness(LOG), likeness(&LOG.replace("4711", "39127")));
        assert_ne!(
            likeness(LOG),
            likeness(&LOG.replace("hadoop.X", "hadoop.Y"))
        );
        assert_eq!(
            likeness(&LOG.replace("lang.ClassNotFoundException", "net.ConnectException")),
            None
        );
    }

    proptest! {
        #[test]
        fn any_words_are_read_and_the_reason_is_one_bounded_line(
            stderr in "([\ta-zA-Z:. (]{0,40}\n){0,8}", log in "(2026 ERROR x - [a-z]{0,9}\n|a.BException: [a-z]{0,900}\n|\tat a\\(b\\)\n){0,8}",
        ) {
            let words = LastWords { stderr: &stderr, stdout: &log, log: &log };
            if let Some(failure) = read_failure(&words) {
                prop_assert!(!failure.text.contains('\n'), "{:?}", failure);
                prop_assert!(failure.text.chars().count() < 2000);
            }
        }
    }
}
