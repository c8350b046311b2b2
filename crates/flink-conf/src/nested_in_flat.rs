//! Nested YAML in a `flink-conf.yaml`. Flink reads such a file line by line, so that a key there has
//! no parent: `interval: 60s` below `checkpointing:` is a key called `interval`.

use super::parsed::{Warning, WarningKind};

/// One run of lines that only means something as nested YAML.
struct Block {
    first: usize,
    last: usize,
    /// The full keys that are meant.
    keys: Vec<String>,
}

/// A parent whose children are being read: its indentation and its name.
type Parent<'a> = (usize, &'a str);

/// Takes what was said of single lines out, where nested YAML explains all of them, and says so.
pub(super) fn explain_nested_lines(text: &str, source: &str, warnings: &mut Vec<Warning>) {
    let blocks = blocks(text);
    let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else {
        return;
    };
    let holds = |line: usize| {
        let within = |block: &Block| (block.first..=block.last).contains(&line);
        blocks.iter().any(within)
    };
    warnings.retain(|warning| !warning.line.is_some_and(holds));
    let keys = blocks.iter().flat_map(|block| block.keys.iter().cloned());
    warnings.push(Warning {
        source: source.to_owned(),
        line: Some(first.first),
        kind: WarningKind::NestedYaml {
            last_line: last.last,
            lines: blocks
                .iter()
                .map(|block| (block.first, block.last))
                .collect(),
            keys: keys.collect(),
        },
    });
}

/// Every parent at the margin with deeper lines below it.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut parents: Vec<Parent<'_>> = Vec::new();
    let mut first = 0;
    for (index, raw) in text.lines().enumerate() {
        let content = raw.split('#').next().unwrap_or_default().trim_end();
        let statement = content.trim_start();
        if statement.is_empty() {
            continue;
        }
        let indentation = content.len() - statement.len();
        parents.retain(|(depth, _)| *depth < indentation);
        let path = || -> Vec<&str> { parents.iter().map(|(_, name)| *name).collect() };
        let meant = match statement.split_once(": ") {
            Some((name, _)) if !parents.is_empty() => {
                Some([path(), vec![name.trim_end()]].concat().join("."))
            }
            _ if statement.starts_with("- ") && !parents.is_empty() => Some(path().join(".")),
            _ => None,
        };
        if let Some(key) = meant {
            let line = index + 1;
            match blocks.last_mut().filter(|block| block.first == first) {
                Some(block) => {
                    block.last = line;
                    if block.keys.last() != Some(&key) {
                        block.keys.push(key);
                    }
                }
                None => blocks.push(Block {
                    first,
                    last: line,
                    keys: vec![key],
                }),
            }
        } else if let Some(name) = statement.strip_suffix(':') {
            if parents.is_empty() {
                first = index + 1;
            }
            parents.push((indentation, name.trim_end()));
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use crate::{WarningKind, parse_flat};
    use proptest::prelude::*;

    #[test]
    fn nested_yaml_is_told_in_one_message_with_the_keys_that_are_meant() {
        let text = "a.b: 1\nexecution:\n  checkpointing:\n    interval: \"60s\"\n\n    timeout: 20min # t\n\
                    c: 2\nstate:\n  backend:\n    type: rocksdb\nlist:\n  - x\n  - y\nlonely:\n";
        let parsed = parse_flat(text, "flink-conf.yaml");
        let warnings: Vec<String> = parsed.warnings.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(warnings.join("\n"), @r#"
flink-conf.yaml:14: line skipped: no ": " between key and value
flink-conf.yaml:2: nested YAML up to line 13, which Flink reads line by line in this file, each key without its parents: write the full keys execution.checkpointing.interval, execution.checkpointing.timeout, state.backend.type, list, each with its value on a line of its own
"#);
        assert_eq!(parsed.settings.len(), 5);
    }

    #[test]
    fn an_indented_line_without_a_parent_is_an_ordinary_one() {
        let parsed = parse_flat("  a: 1\n\tb: 2\n", "flink-conf.yaml");
        assert_eq!((parsed.settings.len(), parsed.warnings.len()), (2, 0));
    }

    proptest! {
        #[test]
        fn lines_that_are_told_of_are_lines_of_the_file_and_hold_keys(text in "([ab]: ?[ab]?|  [ab]:( 1)?|\t- x|#.|)(\n([ab]: ?[ab]?|  [ab]:( 1)?|  - x|))*") {
            let parsed = parse_flat(&text, "flink-conf.yaml");
            for warning in &parsed.warnings {
                if let WarningKind::NestedYaml { last_line, lines, keys } = &warning.kind {
                    prop_assert!(lines.windows(2).all(|pair| pair[0].1 < pair[1].0));
                    prop_assert!(lines.iter().all(|(first, last)| first < last));
                    prop_assert!(*last_line <= text.lines().count());
                    prop_assert!(!keys.is_empty() && keys.iter().all(|key| !key.is_empty()));
                }
            }
        }

        #[test]
        fn no_text_makes_the_search_panic(text in "(?s)[a: #\\r\\n\\t-]{0,60}") {
            let _ = parse_flat(&text, "flink-conf.yaml");
        }
    }
}
