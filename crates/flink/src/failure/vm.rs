//! What the Java launcher and the virtual machine say when there is nothing to log with: they could
//! not start, they crashed, or memory ran out.

use super::trace::bounded;

/// How the launcher ends a complaint (`java.base/share/native/libjli`).
const NOT_CREATED: &str = "Error: Could not create the Java Virtual Machine.";
const NOT_INITIALISED: &str = "Error occurred during initialization of";
const CRASHED: &str = "A fatal error has been detected by the Java Runtime Environment";
const NO_MEMORY: &str = "There is insufficient memory for the Java Runtime Environment to continue";

/// Beginnings of lines that say all in one.
const COMPLAINTS: [&str; 12] = [
    "Unrecognized VM option",
    "Unrecognized option",
    "Improperly specified VM option",
    "Conflicting collector combinations",
    "Multiple garbage collectors selected",
    "Invalid maximum",
    "Invalid initial",
    "Missing +/- setting",
    "Terminating due to java.lang.OutOfMemoryError",
    "Aborting due to java.lang.OutOfMemoryError",
    "Error: Could not find or load main class",
    "Error: LinkageError occurred",
];

/// Lines that are no part of a complaint.
const ASIDE: [&str; 5] = [
    "Picked up ",
    "NOTE: Picked up ",
    "WARNING:",
    "Warning:",
    "[",
];

/// What the virtual machine says of its own end, if it does.
pub(super) fn last_words(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let at = |wanted: &str| lines.iter().rposition(|line| line.contains(wanted));
    let crash = at(CRASHED).map(|at| crash(lines.get(at..).unwrap_or_default()));
    let memory = || at(NO_MEMORY).map(|at| no_memory(lines.get(at..).unwrap_or_default()));
    let initialisation = || {
        let at = lines
            .iter()
            .rposition(|line| line.starts_with(NOT_INITIALISED))?;
        let reason = lines.get(at + 1..).unwrap_or_default();
        let reason = reason.iter().find(|line| is_reason(line));
        let line = lines.get(at)?;
        Some(reason.map_or_else(
            || (*line).to_owned(),
            |reason| format!("{line}: {}", reason.trim()),
        ))
    };
    let one_line = || {
        let complains = |line: &&&str| COMPLAINTS.iter().any(|one| line.starts_with(one));
        lines.iter().rfind(complains).map(|line| (*line).to_owned())
    };
    let launcher = || {
        let at = lines.iter().rposition(|line| *line == NOT_CREATED)?;
        let before = lines.get(..at).unwrap_or_default();
        let reason = before.iter().rfind(|line| is_reason(line))?;
        Some((*reason).to_owned())
    };
    let found = crash
        .or_else(memory)
        .or_else(initialisation)
        .or_else(one_line)
        .or_else(launcher)?;
    Some(format!("the Java virtual machine: {}", bounded(&found)))
}

fn is_reason(line: &str) -> bool {
    let is_warning = line.contains("Server VM warning:") || line.contains("Client VM warning:");
    !line.trim().is_empty() && !is_warning && !ASIDE.iter().any(|one| line.starts_with(one))
}

/// The two lines of a crash's banner that say what and where.
fn crash(banner: &[&str]) -> String {
    let inner = |line: &&str| line.trim_start_matches('#').trim().to_owned();
    let text: Vec<String> = banner.iter().skip(1).map(inner).collect();
    let what = text.iter().find(|line| !line.is_empty());
    let frame = text
        .iter()
        .position(|line| line.starts_with("Problematic frame"));
    let frame = frame.and_then(|at| text.get(at + 1));
    let what = what.map_or("crashed", String::as_str);
    match frame {
        Some(frame) => format!("crashed: {what}, in {frame}"),
        None => format!("crashed: {what}"),
    }
}

fn no_memory(banner: &[&str]) -> String {
    let inner = |line: &&str| line.trim_start_matches('#').trim().to_owned();
    let text: Vec<String> = banner.iter().take(2).map(inner).collect();
    text.join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(text: &str) -> String {
        let words = last_words(text).unwrap_or_default();
        let words = words.strip_prefix("the Java virtual machine: ");
        words.unwrap_or_default().to_owned()
    }

    const END: &str = "Error: Could not create the Java Virtual Machine.\n\
                       Error: A fatal exception has occurred. Program will exit.\n";

    #[test]
    fn the_launchers_reason_stands_before_its_last_sentences() {
        for reason in [
            "Unrecognized VM option 'UseNothing'",
            "Unrecognized option: -Xyz",
            "Invalid maximum heap size: -Xmx1z",
            "-XX:ThreadStackSize must be a number",
        ] {
            let text = format!("Picked up JAVA_TOOL_OPTIONS: -Dx\n{reason}\n{END}");
            assert_eq!(said(&text), reason);
        }
        let hint = format!("Unrecognized VM option 'UseG2GC'\nDid you mean '(+/-)UseG1GC'?\n{END}");
        assert_eq!(said(&hint), "Unrecognized VM option 'UseG2GC'");
    }

    #[test]
    fn what_kept_the_machine_from_initialising_is_told() {
        let text = "Error occurred during initialization of VM\nInitial heap size set to a larger value than the maximum heap size\n";
        assert_eq!(
            said(text),
            "Error occurred during initialization of VM: Initial heap size set to a larger value than the maximum heap size"
        );
        let text = "Error occurred during initialization of boot layer\njava.lang.module.FindException: Module x not found\n";
        assert!(said(text).ends_with("FindException: Module x not found"));
    }

    #[test]
    fn crashes_and_a_lack_of_memory_are_told() {
        let text = "#\n# A fatal error has been detected by the Java Runtime Environment:\n#\n#  SIGSEGV (0xb) at pc=0x1, pid=7, tid=8\n#\n# Problematic frame:\n# C  [libx.so+0x1]  f+0x1\n#\n";
        assert_eq!(
            said(text),
            "crashed: SIGSEGV (0xb) at pc=0x1, pid=7, tid=8, in C  [libx.so+0x1]  f+0x1"
        );
        let text = "OpenJDK 64-Bit Server VM warning: INFO: os::commit_memory(1) failed\n#\n# There is insufficient memory for the Java Runtime Environment to continue.\n# Native memory allocation (mmap) failed to map 17 bytes.\n";
        assert_eq!(
            said(text),
            "There is insufficient memory for the Java Runtime Environment to continue. Native memory allocation (mmap) failed to map 17 bytes."
        );
        let text = "Terminating due to java.lang.OutOfMemoryError: Java heap space\n";
        assert_eq!(said(text), text.trim());
    }

    #[test]
    fn a_log_without_such_words_says_nothing() {
        assert_eq!(last_words("2026 INFO x - Unrecognized option\n"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "((Error|#|Unrecognized|Picked up)?[ a-zA-Z:.]{0,30}\n){0,12}") {
            let _ = last_words(&text);
        }
    }
}
