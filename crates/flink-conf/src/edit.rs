//! Sets keys in a configuration file that people own: in the lines where they stand, each change
//! marked, so that the next one starts from what the people wrote.
//!
//! A marked line is preceded by a comment with a digest of it and with the line that it replaced.
//! Taking the changes back restores that line, unless somebody has edited the marked one since:
//! then it is theirs. So a second edit of the same file gives the same file, a key that is no
//! longer set has its old value again, and comments, order and layout stay.

use std::collections::BTreeMap;

use super::dialect::Dialect;
use super::error::ConfError;
use super::parsed::Parsed;
use super::render::{key_text, quoted};
use super::{flat, nested};
use flugs_base::Sha256Digest;

/// What the comment before a changed line begins with.
const MARK: &str = "# flugs:";
/// What stands in it before the line that was replaced.
const BEFORE: &str = "; before: ";
/// How many digits of a line's digest are kept: enough to see that it was edited.
const DIGITS: usize = 8;

/// One key to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The full dotted key.
    pub key: String,
    /// The value.
    pub value: String,
    /// Who sets it, for the comment.
    pub source: String,
}

/// The text of a configuration file with these keys set, and every earlier change taken back; or
/// `None` if it is laid out in a way that an edit by line would not do right.
///
/// # Errors
/// If the text cannot be parsed.
pub fn edited(
    text: &str,
    dialect: Dialect,
    edits: &[Edit],
    name: &str,
) -> Result<Option<String>, ConfError> {
    let original = original(text, dialect);
    let before = parse(&original, dialect, name)?;
    let set_before = in_effect(&before);
    let mut wanted = set_before.clone();
    let last: BTreeMap<&str, &Edit> = edits.iter().map(|edit| (edit.key.as_str(), edit)).collect();
    let changes: Vec<&Edit> = last
        .into_values()
        .filter(|edit| wanted.get(&edit.key) != Some(&edit.value))
        .collect();
    for edit in &changes {
        wanted.insert(edit.key.clone(), edit.value.clone());
    }
    let in_place = |edit: &Edit| line_of(&before, &edit.key);
    let sets = |parsed: Result<Parsed, ConfError>, settings: &BTreeMap<String, String>| {
        parsed.is_ok_and(|parsed| in_effect(&parsed) == *settings)
    };
    for place in [&in_place as &dyn Fn(&Edit) -> Option<usize>, &|_| None] {
        let text = with_changes(&original, dialect, &changes, place);
        // The edit is by line; whether it did what was wanted and can be taken back, the parser
        // says: a block scalar at the very end has another value once its line has an end.
        if sets(parse(&text, dialect, name), &wanted)
            && sets(unedited(&text, dialect, name), &set_before)
        {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// The settings of a configuration file as it is without the changes of [`edited`].
///
/// # Errors
/// If the text cannot be parsed.
pub fn unedited(text: &str, dialect: Dialect, name: &str) -> Result<Parsed, ConfError> {
    parse(&original(text, dialect), dialect, name)
}

/// The text as people wrote it: every marked line that nobody has edited is taken back.
fn original(text: &str, dialect: Dialect) -> String {
    if !text.contains(MARK) {
        return text.to_owned();
    }
    let mut restored = String::with_capacity(text.len());
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let Some(mark) = Mark::read(line) else {
            restored.push_str(line);
            continue;
        };
        let Some(marked) = lines.next_if(|next| digits(content(next)) == mark.digest) else {
            continue;
        };
        if let Some(before) = mark.before {
            restored.push_str(before);
            restored.push_str(ending(marked));
        }
    }
    match dialect {
        Dialect::Flat => restored,
        Dialect::Nested => without_repeated_keys(&restored),
    }
}

/// The comment before a changed line.
struct Mark<'a> {
    digest: &'a str,
    before: Option<&'a str>,
}

impl<'a> Mark<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let rest = content(line).trim_start().strip_prefix(MARK)?;
        let (digest, rest) = rest.split_at_checked(DIGITS)?;
        Some(Self {
            digest,
            before: rest.split_once(BEFORE).map(|(_, before)| before),
        })
    }

    fn write(line: &str, source: &str, before: Option<&str>) -> String {
        let mut mark = format!("{MARK}{} set by {source}", digits(line));
        if let Some(before) = before {
            mark.push_str(BEFORE);
            mark.push_str(before);
        }
        mark
    }
}

/// A script that adds `key: value` lines to the file before each start of a container has added
/// them twice by the second one. The official image's rewriting hides that; here the last one
/// stays, as it says. Only in files that were edited before: in any other, a key that stands twice
/// is a mistake that Flink refuses.
fn without_repeated_keys(text: &str) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let key = |at: usize| {
        let line = lines.get(at)?;
        let is_top = line.starts_with(|c: char| c.is_ascii_alphanumeric());
        let is_alone = !lines
            .get(at + 1)
            .is_some_and(|next| next.starts_with([' ', '-', '\t']) && !next.trim().is_empty());
        let (key, _) = line.split_once(": ")?;
        (is_top && is_alone).then_some(key)
    };
    let last: BTreeMap<&str, usize> = (0..lines.len())
        .filter_map(|at| Some((key(at)?, at)))
        .collect();
    let stays = |at: usize| key(at).is_none_or(|key| last.get(key) == Some(&at));
    let kept = lines.iter().enumerate().filter(|(at, _)| stays(*at));
    kept.map(|(_, line)| *line).collect()
}

/// The text with the changes: in the line that `place` gives (counted from 1), else at the end.
fn with_changes(
    text: &str,
    dialect: Dialect,
    changes: &[&Edit],
    place: &dyn Fn(&Edit) -> Option<usize>,
) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    // A last line may have lost the second half of its end.
    let is_cut = text.ends_with('\r');
    let end = if is_cut || text.contains("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let mut added = Vec::new();
    for edit in changes {
        let at = place(edit).and_then(|line| line.checked_sub(1));
        let replaced = at.and_then(|at| {
            let before = lines.get(at)?;
            let line = replacement(content(before), dialect, edit)?;
            let mark = Mark::write(&line, &edit.source, Some(content(before)));
            let indentation = line.len() - line.trim_start().len();
            let ending = if ending(before).is_empty() {
                end
            } else {
                ending(before)
            };
            Some((at, format!("{:indentation$}{mark}{end}{line}{ending}", "")))
        });
        if let Some((at, text)) = replaced {
            if let Some(line) = lines.get_mut(at) {
                *line = text;
            }
        } else {
            let line = whole_line(dialect, edit);
            let mark = Mark::write(&line, &edit.source, None);
            added.push(format!("{mark}{end}{line}{end}"));
        }
    }
    let mut text = lines.concat();
    if !added.is_empty() && !text.is_empty() && !text.ends_with('\n') {
        text.push_str(if is_cut { "\n" } else { end });
    }
    text.push_str(&added.concat());
    text
}

/// The line with another value, if it is nothing but a key and a value.
fn replacement(line: &str, dialect: Dialect, edit: &Edit) -> Option<String> {
    if dialect == Dialect::Flat {
        return Some(whole_line(dialect, edit));
    }
    let (key, _) = line.split_once(": ")?;
    let name = key.trim_start();
    let is_key = edit
        .key
        .strip_suffix(name)
        .is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'));
    is_key.then(|| format!("{key}: {}", quoted(&edit.value)))
}

fn whole_line(dialect: Dialect, edit: &Edit) -> String {
    match dialect {
        Dialect::Flat => flat::line(&edit.key, &edit.value),
        Dialect::Nested => format!("{}: {}", key_text(&edit.key), quoted(&edit.value)),
    }
}

fn parse(text: &str, dialect: Dialect, name: &str) -> Result<Parsed, ConfError> {
    match dialect {
        Dialect::Flat => Ok(flat::parse_flat(text, name)),
        Dialect::Nested => nested::parse_nested(text, name),
    }
}

fn in_effect(parsed: &Parsed) -> BTreeMap<String, String> {
    let settings = parsed.settings.iter();
    settings
        .map(|one| (one.key.clone(), one.value.clone()))
        .collect()
}

/// The line whose value of a key is in effect.
fn line_of(parsed: &Parsed, key: &str) -> Option<usize> {
    let last = parsed.settings.iter().rev().find(|one| one.key == key);
    last.map(|one| one.line)
}

fn digits(line: &str) -> String {
    let mut digest = Sha256Digest::of(line.as_bytes()).to_string();
    digest.truncate(DIGITS);
    digest
}

/// A line without its end.
fn content(line: &str) -> &str {
    line.trim_end_matches(['\n', '\r'])
}

fn ending(line: &str) -> &str {
    line.get(content(line).len()..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHIPPED: &str = "\
# Where the JobManager is.
jobmanager:
  bind-host: 0.0.0.0
  rpc:
    address: localhost   # or a name
taskmanager:
  numberOfTaskSlots: 1
rest.port: 8081
";

    fn edits(pairs: &[(&str, &str)]) -> Vec<Edit> {
        let edit = |(key, value): &(&str, &str)| Edit {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            source: "FLINK_PROPERTIES".to_owned(),
        };
        pairs.iter().map(edit).collect()
    }

    fn edit(text: &str, dialect: Dialect, pairs: &[(&str, &str)]) -> String {
        edited(text, dialect, &edits(pairs), "config.yaml")
            .unwrap()
            .unwrap()
    }

    #[test]
    fn keys_are_set_where_they_stand_and_the_rest_at_the_end() {
        let pairs = [
            ("jobmanager.rpc.address", "jm"),
            ("rest.port", "8099"),
            ("taskmanager.numberOfTaskSlots", "1"),
            ("s3.secret-key", "p#ss: word"),
        ];
        insta::assert_snapshot!(edit(SHIPPED, Dialect::Nested, &pairs), @r"
        # Where the JobManager is.
        jobmanager:
          bind-host: 0.0.0.0
          rpc:
            # flugs:bffd3403 set by FLINK_PROPERTIES; before:     address: localhost   # or a name
            address: jm
        taskmanager:
          numberOfTaskSlots: 1
        # flugs:0a362a4f set by FLINK_PROPERTIES; before: rest.port: 8081
        rest.port: 8099
        # flugs:e90fdffe set by FLINK_PROPERTIES
        s3.secret-key: 'p#ss: word'
        ");
    }

    #[test]
    fn a_restart_gives_the_same_file_and_other_variables_start_from_what_people_wrote() {
        for (dialect, text) in [
            (Dialect::Nested, SHIPPED),
            (Dialect::Flat, "rest.port: 8081 # web\r\nx: 1\r\n"),
        ] {
            let first = edit(text, dialect, &[("rest.port", "1"), ("a.b", "2")]);
            assert_eq!(
                edit(&first, dialect, &[("a.b", "2"), ("rest.port", "1")]),
                first
            );
            let other = edit(&first, dialect, &[("rest.port", "3")]);
            assert_eq!(other, edit(text, dialect, &[("rest.port", "3")]));
            assert_eq!(edit(&other, dialect, &[]), text);
        }
    }

    #[test]
    fn a_restart_gives_the_same_file_after_a_last_line_whose_end_is_cut() {
        for text in ["x: 1\r", "rest.port: 8081\r", "x: 1\nrest.port: 8081"] {
            let pairs = [("rest.port", "1"), ("a.b", "2")];
            let first = edit(text, Dialect::Nested, &pairs);
            assert_eq!(edit(&first, Dialect::Nested, &pairs), first);
        }
    }

    #[test]
    fn a_block_scalar_whose_line_has_no_end_keeps_its_value_when_the_edit_is_taken_back() {
        for text in ["a: >\n  x", "a: |\n  x", "b: 1\na: >\n  x\n"] {
            let pairs = [("a", "1"), ("b", "2")];
            let Some(after) = edited(text, Dialect::Nested, &edits(&pairs), "").unwrap() else {
                continue;
            };
            let back = unedited(&after, Dialect::Nested, "").unwrap();
            let before = parse(text, Dialect::Nested, "").unwrap();
            assert_eq!(in_effect(&back), in_effect(&before), "{after}");
        }
    }

    #[test]
    fn what_somebody_edited_since_is_theirs_and_variables_still_win() {
        let first = edit(
            SHIPPED,
            Dialect::Nested,
            &[("rest.port", "1"), ("a.b", "2")],
        );
        let by_hand = first
            .replace("rest.port: 1", "rest.port: 7")
            .replace("a.b: 2", "a.b: 8");
        let by_hand = format!("{by_hand}own: 5\n");
        let unset = unedited(&by_hand, Dialect::Nested, "").unwrap();
        let found = in_effect(&unset);
        assert_eq!(
            (&*found["rest.port"], &*found["a.b"], &*found["own"]),
            ("7", "8", "5")
        );
        let again = edit(&by_hand, Dialect::Nested, &[("rest.port", "1")]);
        assert!(
            again.contains("before: rest.port: 7\nrest.port: 1\n"),
            "{again}"
        );
    }

    /// A custom entry point that adds a line with `>>` at each start.
    #[test]
    fn lines_that_a_script_adds_at_every_start_do_not_make_a_key_stand_twice() {
        let added = "rest.port: 9\nown: 1\n";
        let start = |text: &str| edit(&format!("{text}{added}"), Dialect::Nested, &[("a", "1")]);
        let nested = SHIPPED.replace("rest.port", "restful");
        let second = start(&start(&nested));
        assert_eq!(start(&second).matches("own: 1").count(), 1);
        let parsed = parse(&second, Dialect::Nested, "").unwrap();
        assert_eq!(in_effect(&parsed)["rest.port"], "9");
        let twice = edited(&format!("{nested}{added}{added}"), Dialect::Nested, &[], "");
        assert!(twice.is_err(), "a first start refuses what Flink refuses");
    }

    #[test]
    fn other_layouts_are_overridden_at_the_end_or_left_alone() {
        for text in [
            "rest: {port: 8081}\n",
            "rest:\n  port: >\n    8081\n",
            "\"rest.port\": 8081\n",
            "rest:\n  ? port\n  : 8081\n",
        ] {
            let after = edited(text, Dialect::Nested, &edits(&[("rest.port", "9")]), "").unwrap();
            if let Some(after) = after {
                let parsed = parse(&after, Dialect::Nested, "").unwrap();
                assert_eq!(in_effect(&parsed)["rest.port"], "9", "{after}");
                assert_eq!(original(&after, Dialect::Nested), text);
            }
        }
        let closed = edited("{a: 1}\n", Dialect::Nested, &edits(&[("b", "2")]), "");
        assert_eq!(closed.unwrap(), None);
    }

    proptest! {
        #[test]
        fn every_edit_reads_back_and_can_be_taken_back(
            lines in prop::collection::vec("( {0,4})[ab](\\.[ab])?: ?[a-z0-9'#]{0,4}|# .{0,9}", 0..9),
            pairs in prop::collection::btree_map("[abc](\\.[ab]){0,2}", "[a-z #:0-9]{0,6}", 0..4),
            is_nested: bool,
        ) {
            let dialect = if is_nested { Dialect::Nested } else { Dialect::Flat };
            let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (&**k, &**v)).collect();
            if let Ok(Some(after)) = edited(&text, dialect, &edits(&pairs), "") {
                let found = in_effect(&parse(&after, dialect, "").unwrap());
                for (key, value) in &pairs {
                    prop_assert_eq!(found.get(*key).map(String::as_str), Some(*value));
                }
                prop_assert_eq!(edited(&after, dialect, &edits(&pairs), "").unwrap(), Some(after.clone()));
                prop_assert_eq!(original(&after, dialect), text);
            }
        }

        #[test]
        fn no_text_makes_the_edit_panic(text in "(?s).{0,80}|(# flugs:[0-9a-f]{0,9}(; before: )?|a: 1|\\n| ){0,9}") {
            for dialect in [Dialect::Flat, Dialect::Nested] {
                let _ = edited(&text, dialect, &edits(&[("a", "2")]), "");
            }
        }
    }
}
