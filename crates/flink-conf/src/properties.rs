//! `FLINK_PROPERTIES`: the official image's variable with one `key: value` a line, read without
//! the official entrypoint's losses (white space, comments, globs: see `docs/configuration.md`).

use super::nested::{Content, read_node};
use super::parsed::{Parsed, ParsedSetting, Warning, WarningKind};
use super::substitution::substitute;

/// The name of the variable, as warnings show it.
const SOURCE: &str = "FLINK_PROPERTIES";

/// Reads the value of `FLINK_PROPERTIES`. `environment` gives the variables that `$NAME` and
/// `${NAME}` in values stand for.
///
/// A line is split at its first colon. A `#` at the start of a line or behind white space starts
/// a comment. One pair of quotes around a whole value is taken off, as YAML would. A key without
/// value above deeper indented lines is a prefix of theirs.
pub fn parse_flink_properties(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Parsed {
    let mut parsed = Parsed::default();
    let mut prefixes: Vec<(usize, String)> = Vec::new();
    let lines: Vec<Line<'_>> = statements(text).collect();
    for (index, line) in lines.iter().enumerate() {
        prefixes.retain(|(indent, _)| *indent < line.indent);
        if line.content.starts_with("- ") || line.content == "-" {
            parsed
                .warnings
                .push(warning(line.number, WarningKind::BlockList));
            continue;
        }
        let Some((name, value)) = split(line.content) else {
            let kind = WarningKind::NoSeparator { expected: ":" };
            parsed.warnings.push(warning(line.number, kind));
            continue;
        };
        if name.is_empty() {
            parsed
                .warnings
                .push(warning(line.number, WarningKind::EmptyKeyOrValue));
            continue;
        }
        let prefix = prefixes.last().map_or("", |(_, prefix)| prefix.as_str());
        let key = format!("{prefix}{name}");
        let is_parent = lines
            .get(index + 1)
            .is_some_and(|next| next.indent > line.indent);
        if value.is_empty() && is_parent {
            prefixes.push((line.indent, format!("{key}.")));
            continue;
        }
        let (value, unset) = substitute(&unquoted(value), environment);
        for variable in unset {
            let key = key.clone();
            let kind = WarningKind::UnsetVariable { key, variable };
            parsed.warnings.push(warning(line.number, kind));
        }
        parsed.settings.push(ParsedSetting {
            key,
            value,
            line: line.number,
        });
    }
    parsed
}

/// A line that is neither blank nor a comment.
struct Line<'a> {
    number: usize,
    indent: usize,
    content: &'a str,
}

fn statements(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().enumerate().filter_map(|(index, raw)| {
        let content = raw.trim();
        (!content.is_empty() && !content.starts_with('#')).then(|| Line {
            number: index + 1,
            indent: raw.chars().take_while(|c| c.is_whitespace()).count(),
            content,
        })
    })
}

/// Key and value of a line; a key in quotes may hold a colon.
fn split(content: &str) -> Option<(String, &str)> {
    for quote in ['"', '\''] {
        let Some((inner, behind)) = content
            .strip_prefix(quote)
            .and_then(|rest| rest.split_once(quote))
        else {
            continue;
        };
        if let Some(value) = behind.trim_start().strip_prefix(':') {
            return Some((inner.to_owned(), without_comment(value.trim())));
        }
    }
    let (key, value) = content.split_once(':')?;
    Some((key.trim().to_owned(), without_comment(value.trim())))
}

/// Cuts a comment behind a value. A `#` counts if white space stands before it; inside of a quoted
/// value it never does.
fn without_comment(value: &str) -> &str {
    let quoted_length = quoted_prefix(value).unwrap_or(0);
    let mut blank_before = quoted_length == 0;
    for (index, c) in value.char_indices() {
        if index < quoted_length {
            continue;
        }
        if c == '#' && blank_before {
            return value
                .split_at_checked(index)
                .map_or(value, |(value, _)| value)
                .trim_end();
        }
        blank_before = c.is_whitespace();
    }
    value
}

/// The length of the quoted text that a value starts with, quotes included.
fn quoted_prefix(value: &str) -> Option<usize> {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut characters = value.char_indices().skip(1).peekable();
    while let Some((index, c)) = characters.next() {
        if c == '\\' && quote == '"' {
            characters.next();
        } else if c == quote {
            if quote == '\'' && characters.peek().is_some_and(|&(_, next)| next == '\'') {
                characters.next();
                continue;
            }
            return Some(index + 1);
        }
    }
    None
}

/// A value without the quotes around all of it, escapes resolved as YAML resolves them. A value
/// that only starts with a quote (`"a" "b"`) stays as it is.
fn unquoted(value: &str) -> String {
    if quoted_prefix(value) != Some(value.len()) {
        return value.to_owned();
    }
    match read_node(value, SOURCE) {
        Ok(Some(node)) => match node.content {
            Content::Scalar(scalar) => scalar.print(),
            _ => value.to_owned(),
        },
        _ => value.to_owned(),
    }
}

fn warning(line: usize, kind: WarningKind) -> Warning {
    Warning {
        source: SOURCE.to_owned(),
        line: Some(line),
        kind,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(text: &str) -> Vec<(String, String)> {
        let environment = |name: &str| (name == "MYVAR").then(|| "subst".to_owned());
        parse_flink_properties(text, &environment)
            .settings
            .into_iter()
            .map(|setting| (setting.key, setting.value))
            .collect()
    }

    fn value(line: &str) -> String {
        settings(line)[0].1.clone()
    }

    #[test]
    fn flink_38587_white_space_in_values_survives() {
        assert_eq!(
            value("env.java.opts.taskmanager: -Dfoo=bar  -XX:+UseZGC"),
            "-Dfoo=bar  -XX:+UseZGC"
        );
    }

    #[test]
    fn comment_lines_do_not_become_keys() {
        assert_eq!(settings("# a comment line\n   # another: one\n"), []);
        assert_eq!(value("a: b # comment"), "b");
        assert_eq!(value("s3.secret-key: p#q"), "p#q");
        assert_eq!(value("a: \"x # y\" # z"), "x # y");
        assert_eq!(value("a: # nothing"), "");
    }

    #[test]
    fn globs_are_not_expanded() {
        assert_eq!(value("glob.key: /usr/b*"), "/usr/b*");
    }

    #[test]
    fn quotes_around_a_whole_value_are_dropped_as_yaml_drops_them() {
        assert_eq!(value("a: \"x y\""), "x y");
        assert_eq!(value("a: 'it''s'"), "it's");
        assert_eq!(value(r#"a: "tab\there""#), "tab\there");
        assert_eq!(value(r#"a: "x" "y""#), r#""x" "y""#);
        assert_eq!(value(r#"a: -Db="p q""#), r#"-Db="p q""#);
        assert_eq!(value("a: \"007\""), "007");
    }

    #[test]
    fn lines_split_at_the_first_colon_with_or_without_a_space() {
        assert_eq!(settings("nospace:val"), [("nospace".into(), "val".into())]);
        assert_eq!(value("u: s3://b/a:b"), "s3://b/a:b");
        assert_eq!(settings("\"a:b\": c"), [("a:b".into(), "c".into())]);
    }

    #[test]
    fn a_line_without_a_colon_is_warned_about_and_sets_nothing() {
        let parsed = parse_flink_properties("a: 1\nnocolonline\n- x", &|_| None);
        assert_eq!(parsed.settings.len(), 1);
        let lines: Vec<Option<usize>> = parsed.warnings.iter().map(|w| w.line).collect();
        assert_eq!(lines, [Some(2), Some(3)]);
    }

    #[test]
    fn variables_are_substituted_in_values_and_a_value_can_add_no_line() {
        assert_eq!(value("x: ${MYVAR}-$MYVAR-${UNSET}"), "subst-subst-");
        let parsed = parse_flink_properties("a: $X\n", &|_| Some("1\nb: 2".into()));
        assert_eq!(parsed.settings.len(), 1);
        let unset = parse_flink_properties("a: $X\n", &|_| None);
        assert!(matches!(
            unset.warnings[0].kind,
            WarningKind::UnsetVariable { .. }
        ));
    }

    #[test]
    fn indented_children_get_their_parents_as_prefix() {
        assert_eq!(
            settings(
                "jobmanager:\n  rpc:\n    address: jm\n  bind-host: 0.0.0.0\nrest.port: 8081\n"
            ),
            [
                ("jobmanager.rpc.address".into(), "jm".into()),
                ("jobmanager.bind-host".into(), "0.0.0.0".into()),
                ("rest.port".into(), "8081".into()),
            ]
        );
        // As docker-compose files write it: the first line is not indented, the others are.
        assert_eq!(settings("a: 1\n    b: 2\n    c: 3\n").len(), 3);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(?s).{0,200}|[a: '\"#$\\\\{}\\n\\t-]{0,60}") {
            let parsed = parse_flink_properties(&text, &|_| Some("x".into()));
            prop_assert!(parsed.settings.iter().all(|setting| !setting.key.is_empty()));
        }
    }
}
