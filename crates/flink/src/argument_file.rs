//! A file that Java reads arguments from (`java @FILE`, since Java 9): what stands there is on no
//! command line, where every user of the machine could read it.

use std::path::{Path, PathBuf};

use super::command::JavaCommand;
use super::entry_point::main_class;
use flugs_model::Role;

/// The name of the file, in the configuration directory of a launch.
const NAME: &str = "main-arguments";

/// The first Java that reads such files.
const FIRST_JAVA: u32 = 9;

/// A file with the main class of a command and everything behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentFile {
    /// Where it is to be.
    pub path: PathBuf,
    /// What is to stand in it.
    pub text: String,
}

/// Whether a Java reads argument files.
pub const fn reads_argument_files(feature_version: u32) -> bool {
    feature_version >= FIRST_JAVA
}

/// Moves the main class of a command and what follows into a file in `directory`. Java expands no
/// file behind a main class, so the class has to move as well. Nothing if the command has none.
pub fn hide_main_arguments(
    command: &mut JavaCommand,
    role: Role,
    directory: &Path,
) -> Option<ArgumentFile> {
    let class = main_class(role);
    let position = command.arguments.iter().position(|word| word == class)?;
    let words = command.arguments.split_off(position);
    let path = directory.join(NAME);
    command.arguments.push(format!("@{}", path.display()));
    let lines = words.iter().map(|word| quoted(word));
    Some(ArgumentFile {
        path,
        text: lines.collect(),
    })
}

/// A word in quotes, on a line of its own.
fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for c in word.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{c}' => text.push_str("\\f"),
            _ => text.push(c),
        }
    }
    text.push_str("\"\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_that_means_something_in_an_argument_file_is_escaped() {
        assert_eq!(
            quoted("a=p#ss \"q\" \\ '\n\t@"),
            "\"a=p#ss \\\"q\\\" \\\\ '\\n\\t@\"\n"
        );
    }
}
