//! Java's stack traces, as `Throwable.printStackTrace`, log4j and logback write them.

/// How much of a message is kept: enough for a sentence and a path or two.
const MOST: usize = 400;

/// How many further lines of a message are read.
const MORE_LINES: usize = 2;

/// One throwable of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Throwable {
    /// Its class.
    pub(super) class: String,
    /// What it says; empty if nothing.
    pub(super) message: String,
}

/// A throwable and what it goes back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    /// What was thrown in the end; absent where its line is lost.
    pub(super) thrown: Option<Throwable>,
    /// The innermost cause, which may be the same.
    pub(super) root: Throwable,
}

/// What a line of a trace is.
enum Line<'a> {
    /// `at package.Class.method(File.java:1)`, `... 12 more`, or a locked monitor.
    Frame,
    /// `Caused by: …`
    Cause(&'a str),
    /// `Wrapped by: …`: the root comes first then (log4j's `%rEx`, logback's `%rEx`).
    Wrapper(&'a str),
    /// Something that was thrown besides, or a reference back: no link of the chain.
    Aside,
    /// Anything else: a throwable's own line, or more of its message.
    Text,
}

fn kind(line: &str) -> Line<'_> {
    let inner = line.trim_start();
    let indented = inner.len() < line.len();
    if inner.contains("[CIRCULAR REFERENCE") || (indented && inner.starts_with("Suppressed: ")) {
        return Line::Aside;
    }
    if let Some(cause) = inner.strip_prefix("Caused by: ") {
        // The cause of what was suppressed stands below it.
        return if indented {
            Line::Aside
        } else {
            Line::Cause(cause)
        };
    }
    if let Some(wrapper) = inner.strip_prefix("Wrapped by: ") {
        return Line::Wrapper(wrapper);
    }
    let is_frame = inner.starts_with("at ") && inner.contains('(');
    let is_rest = inner.starts_with("... ") && inner.chars().any(|c| c.is_ascii_digit());
    if indented && (is_frame || is_rest || inner.starts_with("- locked ")) {
        return Line::Frame;
    }
    Line::Text
}

impl Trace {
    /// The trace that begins in `lines`, if there is one. Lines before its first are passed over;
    /// what follows it belongs to it only as far as it looks like it.
    pub(super) fn read(lines: &[&str]) -> Option<Self> {
        let begin = (0..lines.len()).find(|&at| begins(lines.get(at..).unwrap_or_default()))?;
        let mut lines = lines.get(begin..).unwrap_or_default();
        let mut chain: Vec<Throwable> = Vec::new();
        let (mut thrown, mut root_first) = (false, false);
        while let [first, rest @ ..] = lines {
            let text = match kind(first) {
                Line::Text if chain.is_empty() => {
                    thrown = true;
                    Some(after_thread(first))
                }
                Line::Cause(text) => Some(text),
                Line::Wrapper(text) => {
                    root_first = true;
                    Some(text)
                }
                Line::Frame | Line::Aside | Line::Text => None,
            };
            if let Some(text) = text {
                chain.extend(throwable(text, rest));
            }
            lines = rest;
        }
        let (first, last) = (chain.first()?.clone(), chain.last()?.clone());
        let (outer, root) = if root_first {
            (last, first)
        } else {
            (first, last)
        };
        Some(Self {
            thrown: (thrown || root_first).then_some(outer),
            root,
        })
    }
}

/// Whether a trace begins with the first of these lines.
fn begins(lines: &[&str]) -> bool {
    let [first, rest @ ..] = lines else {
        return false;
    };
    match kind(first) {
        Line::Cause(text) | Line::Wrapper(text) => class_of(text).is_some(),
        Line::Text => class_of(after_thread(first)).is_some_and(|class| {
            // A class of any name can be thrown; most say what they are.
            let last = class.rsplit(['.', '$']).next().unwrap_or_default();
            let named = ["Exception", "Error", "Throwable"]
                .iter()
                .any(|word| last.contains(word));
            let traced = rest.first().is_some_and(|next| {
                matches!(kind(next), Line::Frame | Line::Cause(_) | Line::Wrapper(_))
            });
            traced || (named && first.trim_start().len() == first.len())
        }),
        Line::Frame | Line::Aside => false,
    }
}

/// What stands behind `Exception in thread "main" ` or `Exception: `.
fn after_thread(line: &str) -> &str {
    if let Some(thread) = line.strip_prefix("Exception in thread \"") {
        return thread.split_once("\" ").map_or("", |(_, text)| text);
    }
    line.strip_prefix("Exception: ").unwrap_or(line)
}

/// The throwable whose line is `text`; its message may go on in the lines below.
fn throwable(text: &str, below: &[&str]) -> Option<Throwable> {
    let class = class_of(text)?;
    let mut message = text.get(class.len()..).unwrap_or_default();
    message = message.strip_prefix(':').unwrap_or(message).trim();
    let mut message = message.to_owned();
    let more = below
        .iter()
        .take_while(|line| matches!(kind(line), Line::Text));
    for line in more.take(MORE_LINES) {
        let line = line.trim();
        if !line.is_empty() {
            message.push(' ');
            message.push_str(line);
        }
    }
    Some(Throwable {
        class: class.to_owned(),
        message: bounded(message.trim()),
    })
}

/// The class that a throwable's line begins with: names with dots between, the last one with a
/// capital, then a colon or the end.
fn class_of(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !is_of_name(c)).unwrap_or(text.len());
    let class = text.get(..end)?;
    let followed = text.get(end..).unwrap_or_default();
    let ends = followed.is_empty() || followed.starts_with(':') || followed.trim().is_empty();
    let mut names = class.split('.').rev();
    let last = names.next()?;
    let proper = |name: &str| {
        let first = name.chars().next();
        first.is_some_and(|first| !first.is_ascii_digit())
    };
    let capital = last.split('$').next()?.chars().next()?.is_uppercase();
    let qualified =
        names.clone().count() > 0 || last.ends_with("Exception") || last.ends_with("Error");
    (ends && capital && qualified && proper(last) && names.all(proper)).then_some(class)
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '$')
}

/// A text of bounded length, cut between characters.
pub(super) fn bounded(text: &str) -> String {
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<(String, String)> {
        let lines: Vec<&str> = text.lines().collect();
        let show = |one: Throwable| format!("{}|{}", one.class, one.message);
        let trace = Trace::read(&lines)?;
        Some((trace.thrown.map(show).unwrap_or_default(), show(trace.root)))
    }

    fn pair(thrown: &str, root: &str) -> (String, String) {
        (thrown.to_owned(), root.to_owned())
    }

    #[test]
    fn the_innermost_cause_is_the_root_and_messages_may_have_lines() {
        let text = "org.x.Outer$Inner: cannot\n\tstart: this\n\tat a.B.c(B.java:1) ~[x.jar:1]\n\
                    \t... 3 more\nCaused by: java.util.MiddleException\n\tat a.B.c(B.java:2)\n\
                    Caused by: java.net.BindException: Address already in use\n\tat a.B.d(Native Method)\n";
        let outer = "org.x.Outer$Inner|cannot start: this";
        let root = "java.net.BindException|Address already in use";
        assert_eq!(
            read(text),
            Some(pair("", root)),
            "only a trace makes a throwable of any class"
        );
        let text = text.replace("cannot\n\tstart: this", "cannot");
        assert_eq!(read(&text), Some(pair("org.x.Outer$Inner|cannot", root)));
        let text = text.replace(
            "Outer$Inner: cannot",
            "OuterException: cannot\n\tstart: this",
        );
        assert_eq!(
            read(&text).unwrap().0,
            outer.replace("Outer$Inner", "OuterException")
        );
    }

    #[test]
    fn what_was_suppressed_and_references_back_are_no_causes() {
        let text = "a.FirstException: one\n\tat a.B.c(B.java:1)\n\
                    \tSuppressed: a.OtherException: two\n\t\tat a.B.c(B.java:1)\n\
                    \tCaused by: a.ThirdException: three\n\t\t... 1 more\n\
                    Caused by: a.RootException: four\n\tat a.B.c(B.java:1)\n\
                    Caused by: [CIRCULAR REFERENCE: a.FirstException: one]\n";
        assert_eq!(
            read(text),
            Some(pair("a.FirstException|one", "a.RootException|four"))
        );
        let older =
            "a.FirstException: one\n\tat a.B.c(B.java:1)\n\t[CIRCULAR REFERENCE:a.XException]\n";
        assert_eq!(
            read(older),
            Some(pair("a.FirstException|one", "a.FirstException|one"))
        );
    }

    #[test]
    fn a_trace_without_its_head_or_with_the_root_first_is_read_too() {
        let tail = "\tat a.B.c(B.java:1)\nCaused by: a.RootError: deep\n\t... 2 more\n";
        assert_eq!(read(tail), Some(pair("", "a.RootError|deep")));
        let reversed = "a.RootError: deep\n\tat a.B.c(B.java:1)\nWrapped by: a.OuterException: top\n\tat x.Y.z(Y.java)\n";
        assert_eq!(
            read(reversed),
            Some(pair("a.OuterException|top", "a.RootError|deep"))
        );
    }

    #[test]
    fn a_threads_name_may_hold_anything() {
        let text = "Exception in thread \"a b: c\" java.lang.NoClassDefFoundError: org/x/Y\n\tat a.B.c(B.java:1)\n";
        let one = "java.lang.NoClassDefFoundError|org/x/Y";
        assert_eq!(read(text), Some(pair(one, one)));
    }

    #[test]
    fn sentences_with_colons_are_no_throwables() {
        assert_eq!(
            read("Starting: all\nhdfs: gone\nsome.Words here: x\n1.2.Three: x\n"),
            None
        );
    }

    proptest! {
        #[test]
        fn any_lines_are_read_or_passed_over_in_bounds(
            lines in prop::collection::vec("(\t|Caused by: |at |Suppressed: )?[a-zA-Z.:$ (]{0,30}", 0..20)
        ) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            if let Some(trace) = Trace::read(&lines) {
                prop_assert!(trace.root.message.chars().count() <= MOST + 1);
                prop_assert!(!trace.root.class.is_empty());
            }
        }

        #[test]
        fn the_last_of_any_chain_of_causes_is_its_root(
            chain in prop::collection::vec("[a-z]{1,5}\\.[A-Z][a-z]{0,5}Exception", 1..6),
            frames in 1_usize..3,
        ) {
            let mut text = String::new();
            for (at, class) in chain.iter().enumerate() {
                let by = if at == 0 { "" } else { "Caused by: " };
                let line = format!("{by}{class}: m{at}\n");
                text.push_str(&line);
                text.push_str(&"\tat a.B.c(B.java:7)\n".repeat(frames));
            }
            let last = chain.len() - 1;
            prop_assert_eq!(
                read(&text),
                Some(pair(&format!("{}|m0", chain[0]), &format!("{}|m{last}", chain[last])))
            );
        }
    }
}
