//! Splitting one line of Java options into arguments, without a shell.
//!
//! Flink's scripts hand `env.java.opts.*` to `eval`, which runs `$(commands)`, swallows quotes
//! and cannot pass a value with a space. Here the line is text with these rules:
//!
//! - White space, line breaks included, separates arguments.
//! - `'…'` keeps everything as it is. `"…"` keeps everything but `\"`, `\\` and `${NAME}`.
//! - A backslash outside quotes takes the next character as it is.
//! - `${NAME}` outside single quotes is the value of an environment variable, as it is: it is
//!   neither split nor read again. A variable that is not set leaves the text as written.
//! - Everything else means itself: `$NAME`, `$(command)`, backquotes, `*`, `|`, `;`, `#`.
//! - A value that is one quoted text as a whole is the line inside, since a flat
//!   `flink-conf.yaml` keeps the quotes that people put around the whole value.

/// A line of options that ends in the middle of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A quote is never closed.
    #[error("the {quote} at character {position} is never closed")]
    UnterminatedQuote {
        /// The quote.
        quote: char,
        /// Where it stands, from 1.
        position: usize,
    },
    /// The line ends in a backslash.
    #[error("it ends in a backslash, which would take the next character as it is")]
    TrailingBackslash,
}

/// Splits a line into arguments. `variable` gives the value of an environment variable.
///
/// # Errors
/// If a quote or a backslash is left open.
pub fn split(
    line: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>, SplitError> {
    Splitter {
        characters: inner(line).chars().collect(),
        position: 0,
        variable,
    }
    .arguments()
}

/// The line inside quotes that surround all of it, else the line itself.
fn inner(line: &str) -> &str {
    let line = line.trim();
    for quote in ['"', '\''] {
        let inside = line
            .strip_prefix(quote)
            .and_then(|line| line.strip_suffix(quote));
        if let Some(inside) = inside
            && !inside.contains(quote)
        {
            return inside;
        }
    }
    line
}

struct Splitter<'a> {
    characters: Vec<char>,
    position: usize,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Splitter<'_> {
    fn arguments(mut self) -> Result<Vec<String>, SplitError> {
        let mut arguments = Vec::new();
        // `None` between arguments: an empty pair of quotes is an argument, white space is not.
        let mut current: Option<String> = None;
        while let Some(character) = self.next() {
            if character.is_whitespace() {
                arguments.extend(current.take());
                continue;
            }
            let argument = current.get_or_insert_default();
            match character {
                '\\' => argument.push(self.next().ok_or(SplitError::TrailingBackslash)?),
                '\'' | '"' => self.quoted(character, argument)?,
                '$' => argument.push_str(&self.variable_or_dollar()),
                other => argument.push(other),
            }
        }
        arguments.extend(current);
        Ok(arguments)
    }

    fn next(&mut self) -> Option<char> {
        let character = self.characters.get(self.position).copied();
        self.position += usize::from(character.is_some());
        character
    }

    fn quoted(&mut self, quote: char, argument: &mut String) -> Result<(), SplitError> {
        let position = self.position;
        while let Some(character) = self.next() {
            match character {
                _ if character == quote => return Ok(()),
                '\\' if quote == '"' => match self.characters.get(self.position) {
                    Some(&escaped @ ('"' | '\\')) => {
                        self.position += 1;
                        argument.push(escaped);
                    }
                    _ => argument.push('\\'),
                },
                '$' if quote == '"' => argument.push_str(&self.variable_or_dollar()),
                other => argument.push(other),
            }
        }
        Err(SplitError::UnterminatedQuote { quote, position })
    }

    /// The value of `{NAME}` behind a dollar sign, or the dollar sign alone.
    fn variable_or_dollar(&mut self) -> String {
        let rest = self.characters.get(self.position..).unwrap_or_default();
        let end = rest.iter().position(|&character| character == '}');
        let name: Option<String> = match (rest.first(), end) {
            (Some('{'), Some(end)) => rest.get(1..end).map(|name| name.iter().collect()),
            _ => None,
        };
        if let Some(name) = name.filter(|name| is_variable_name(name))
            && let Some(value) = (self.variable)(&name)
        {
            self.position += name.chars().count() + 2;
            return value;
        }
        "$".to_owned()
    }
}

fn is_variable_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variables(name: &str) -> Option<String> {
        match name {
            "LOG" => Some("/var/log with space".to_owned()),
            "HOSTILE" => Some("'\" ${LOG} $(id)".to_owned()),
            _ => None,
        }
    }

    fn parts(line: &str) -> Vec<String> {
        split(line, &variables).unwrap()
    }

    #[test]
    fn white_space_separates_and_quotes_keep_together() {
        assert_eq!(parts("  -Da=b \t-Dc=d\n-De"), ["-Da=b", "-Dc=d", "-De"]);
        assert_eq!(parts("-Db='p q' -Dc=\"r  s\""), ["-Db=p q", "-Dc=r  s"]);
        assert_eq!(parts("-Dx=a\\ b ''"), ["-Dx=a b", ""]);
        assert!(parts("  \n ").is_empty());
    }

    #[test]
    fn commands_globs_and_bare_dollars_mean_themselves() {
        assert_eq!(
            parts("-Da=$(touch${IFS}x) -Db=`id` -Dc=* -Dd=$LOG -De=a|b;c#d"),
            [
                "-Da=$(touch${IFS}x)",
                "-Db=`id`",
                "-Dc=*",
                "-Dd=$LOG",
                "-De=a|b;c#d"
            ]
        );
    }

    #[test]
    fn braced_variables_are_inserted_whole_and_never_read_again() {
        assert_eq!(
            parts("-Xlog:gc:${LOG}/gc"),
            ["-Xlog:gc:/var/log with space/gc"]
        );
        assert_eq!(parts("\"${HOSTILE}\""), ["'\" ${LOG} $(id)"]);
        assert_eq!(parts("'a ${LOG}' b"), ["a ${LOG}", "b"]);
        assert_eq!(
            parts("${UNSET} ${1} ${} ${LOG"),
            ["${UNSET}", "${1}", "${}", "${LOG"]
        );
    }

    #[test]
    fn quotes_around_the_whole_line_are_the_files_not_the_options() {
        assert_eq!(parts("\"-Dx=1 -Dy=2\""), ["-Dx=1", "-Dy=2"]);
        assert_eq!(parts("'-Dx=1 -Dy=2'"), ["-Dx=1", "-Dy=2"]);
        assert_eq!(parts("\"-Dx=1 2\" \"-Dy=3\""), ["-Dx=1 2", "-Dy=3"]);
    }

    #[test]
    fn double_quotes_know_two_escapes_and_single_quotes_none() {
        assert_eq!(parts(r#"-Da="\"\\\n" x"#), [r#"-Da="\\n"#, "x"]);
        assert_eq!(parts(r"-Da='\' x"), [r"-Da=\", "x"]);
    }

    #[test]
    fn what_is_left_open_is_refused_with_its_place() {
        let fault = |line| split(line, &variables).unwrap_err();
        assert_eq!(
            fault("-Da=\"b"),
            SplitError::UnterminatedQuote {
                quote: '"',
                position: 5
            }
        );
        assert_eq!(fault("-Da=b\\"), SplitError::TrailingBackslash);
    }

    proptest! {
        #[test]
        fn any_argument_survives_between_single_quotes(
            arguments in proptest::collection::vec("[^']{0,12}", 2..5)
        ) {
            let line: Vec<String> = arguments.iter().map(|text| format!("'{text}'")).collect();
            prop_assert_eq!(parts(&line.join(" ")), arguments);
        }

        #[test]
        fn no_line_makes_the_splitter_panic(line in "(?s).{0,64}") {
            let _ = split(&line, &variables);
        }
    }
}
