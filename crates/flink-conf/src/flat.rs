//! `flink-conf.yaml`: read line by line, as Flink up to 1.20 does. It is not YAML: no nesting, no
//! quoting, and a `#` ends the line wherever it stands.

use std::collections::HashMap;

use super::nested_in_flat::explain_nested_lines;
use super::parsed::{Parsed, ParsedSetting, Warning, WarningKind};

/// What separates key and value: a colon and a space. A tab does not count.
const SEPARATOR: &str = ": ";

/// Reads a `flink-conf.yaml`. Never fails: a line that is no setting is skipped with a warning, as
/// Flink's `GlobalConfiguration` skips it.
pub fn parse_flat(text: &str, source_name: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let warn = |line: usize, kind: WarningKind| Warning {
        source: source_name.to_owned(),
        line: Some(line),
        kind,
    };
    if text.starts_with('\u{feff}') {
        parsed.warnings.push(warn(1, WarningKind::ByteOrderMark));
    }
    for (index, raw) in lines(text).enumerate() {
        let line = index + 1;
        let (content, comment) = match raw.split_once('#') {
            Some((content, _)) => (content, true),
            None => (raw, false),
        };
        let statement = java_trim(content);
        if statement.is_empty() {
            continue;
        }
        let Some((key, value)) = statement.split_once(SEPARATOR) else {
            parsed.warnings.push(warn(
                line,
                WarningKind::NoSeparator {
                    expected: SEPARATOR,
                },
            ));
            continue;
        };
        let (key, value) = (java_trim(key), java_trim(value));
        if key.is_empty() || value.is_empty() {
            parsed
                .warnings
                .push(warn(line, WarningKind::EmptyKeyOrValue));
            continue;
        }
        if comment && !content.ends_with([' ', '\t']) {
            let key = key.to_owned();
            parsed
                .warnings
                .push(warn(line, WarningKind::HashCutsValue { key }));
        }
        parsed.settings.push(ParsedSetting {
            key: key.to_owned(),
            value: value.to_owned(),
            line,
        });
    }
    warn_of_overridden(&mut parsed, source_name);
    explain_nested_lines(text, source_name, &mut parsed.warnings);
    parsed
}

/// Adds a warning for each setting that a later one of the same source overrides.
fn warn_of_overridden(parsed: &mut Parsed, source_name: &str) {
    let last: HashMap<&str, usize> = parsed
        .settings
        .iter()
        .map(|setting| (setting.key.as_str(), setting.line))
        .collect();
    let warnings: Vec<Warning> = parsed
        .settings
        .iter()
        .filter_map(|setting| {
            let by_line = *last.get(setting.key.as_str())?;
            (by_line != setting.line).then(|| Warning {
                source: source_name.to_owned(),
                line: Some(setting.line),
                kind: WarningKind::Overridden {
                    key: setting.key.clone(),
                    by_line,
                },
            })
        })
        .collect();
    parsed.warnings.extend(warnings);
}

/// The lines as `java.io.BufferedReader` sees them: ended by LF, CR or CR LF.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').flat_map(|line| {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        line.split('\r')
    })
}

/// `String.trim()` of Java: cuts every character up to U+0020, and no other white space.
pub(super) fn java_trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

/// Why a setting cannot stand in a `flink-conf.yaml`, if it cannot.
pub(super) fn unrepresentable(key: &str, value: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("the key is empty");
    }
    if value.is_empty() {
        return Some("the value is empty, and Flink skips such lines");
    }
    if key.contains('#') || value.contains('#') {
        return Some("Flink cuts the line at \"#\"");
    }
    if key.contains(['\n', '\r']) || value.contains(['\n', '\r']) {
        return Some("it holds a line break");
    }
    if key.contains(SEPARATOR) {
        return Some("the key holds a colon and a space, where Flink would end it");
    }
    if java_trim(key) != key || java_trim(value) != value {
        return Some("Flink cuts white space and control characters off both ends");
    }
    None
}

/// One line of a `flink-conf.yaml`, without the line break.
pub(super) fn line(key: &str, value: &str) -> String {
    format!("{key}{SEPARATOR}{value}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn malformed_lines_are_skipped_with_their_number_and_without_their_text() {
        let text = "a: 1\nhunter2\n: x\n\tb:\tc\npass: p#q\na: 2\n";
        let parsed = parse_flat(text, "flink-conf.yaml");
        let warnings: Vec<String> = parsed.warnings.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(warnings.join("\n"), @r##"
flink-conf.yaml:2: line skipped: no ": " between key and value
flink-conf.yaml:3: line skipped: key or value is empty
flink-conf.yaml:4: line skipped: no ": " between key and value
flink-conf.yaml:5: the value of "pass" ends at a "#": flink-conf.yaml has no way to hold one
flink-conf.yaml:1: "a" is set again in line 6, which wins
"##);
    }

    #[test]
    fn a_key_that_stands_twice_has_both_values_and_the_last_one_wins() {
        let parsed = parse_flat("a: 1\na: 2\n", "flink-conf.yaml");
        let values: Vec<&str> = parsed.settings.iter().map(|s| s.value.as_str()).collect();
        assert_eq!(values, ["1", "2"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(?s).{0,200}|[a: #\\r\\n\\t]{0,40}") {
            let parsed = parse_flat(&text, "flink-conf.yaml");
            let sound = |s: &ParsedSetting| unrepresentable(&s.key, &s.value).is_none();
            prop_assert!(parsed.settings.iter().all(sound));
        }
    }
}
