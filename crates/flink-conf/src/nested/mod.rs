//! `config.yaml`: YAML 1.2 read with the rules of Flink's loader (snakeyaml-engine with the core
//! schema), so that every value becomes the text that Flink itself would print for it.
//!
//! The parser's events become a small tree ([`node`]), its plain scalars are resolved
//! ([`scalar`]), and the tree is flattened into dotted keys; a list becomes one line of YAML
//! ([`flow`]). Where the event parser is laxer than Flink's, [`strictness`] refuses first.

mod flow;
mod node;
mod scalar;
mod strictness;

pub(super) use flow::{escape, is_printable};
pub(super) use node::{Content, Node, read as read_node};
pub(super) use scalar::Scalar;

use super::error::{ConfError, Refusal};
use super::parsed::{Parsed, ParsedSetting};

/// Reads a `config.yaml`.
///
/// # Errors
/// [`ConfError::Syntax`] if it is not YAML, [`ConfError::Refused`] if it is YAML that Flink's loader
/// does not take: then the whole file fails, as it does in Flink.
pub fn parse_nested(text: &str, source_name: &str) -> Result<Parsed, ConfError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    strictness::check_size(text, source_name)?;
    let Some(root) = node::read(text, source_name)? else {
        return Ok(Parsed::default());
    };
    let mut flatten = Flatten {
        source_name,
        parsed: Parsed::default(),
        values: 0,
        bytes: 0,
    };
    match &root.content {
        Content::Mapping(entries) => flatten.mapping("", entries)?,
        Content::Scalar(Scalar::Null) => {}
        content => {
            let found = content.kind();
            return Err(flatten.refuse(root.line, Refusal::RootNotMapping { found }));
        }
    }
    Ok(flatten.parsed)
}

/// The most values a document may have once its aliases are expanded.
const VALUE_LIMIT: usize = 100_000;
/// The most bytes that all keys and values may come to, aliases expanded.
const BYTE_LIMIT: usize = 64 << 20;

struct Flatten<'a> {
    source_name: &'a str,
    parsed: Parsed,
    values: usize,
    bytes: usize,
}

impl Flatten<'_> {
    /// Adds the settings of one mapping, in document order. Its depth is bounded by [`node`].
    fn mapping(&mut self, prefix: &str, entries: &[(Node, Node)]) -> Result<(), ConfError> {
        for (key, value) in entries {
            let name = match &key.content {
                Content::Scalar(Scalar::Text(name)) => name.as_str(),
                // Java's string concatenation spells the null key out.
                Content::Scalar(Scalar::Null) => "null",
                content => {
                    let found = content.kind();
                    return Err(self.refuse(key.line, Refusal::KeyNotString { found }));
                }
            };
            let dotted = format!("{prefix}{name}");
            self.values += 1;
            if self.values > VALUE_LIMIT {
                return Err(self.refuse(key.line, Refusal::TooManyValues { limit: VALUE_LIMIT }));
            }
            let text = match &value.content {
                Content::Mapping(children) => {
                    self.mapping(&format!("{dotted}."), children)?;
                    continue;
                }
                Content::Scalar(Scalar::Null) => {
                    return Err(self.refuse(key.line, Refusal::NullValue { key: dotted }));
                }
                Content::Scalar(scalar) => scalar.print(),
                Content::Sequence(items) => {
                    flow::print(value, items).map_err(|refusal| self.refuse(value.line, refusal))?
                }
            };
            self.bytes += dotted.len() + text.len();
            if self.bytes > BYTE_LIMIT {
                return Err(self.refuse(key.line, Refusal::TooLarge { limit: BYTE_LIMIT }));
            }
            self.parsed.settings.push(ParsedSetting {
                key: dotted,
                value: text,
                line: key.line,
            });
        }
        Ok(())
    }

    fn refuse(&self, line: usize, refusal: Refusal) -> ConfError {
        ConfError::Refused {
            source_name: self.source_name.to_owned(),
            line,
            refusal,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> Refusal {
        match parse_nested(text, "config.yaml") {
            Err(ConfError::Refused { refusal, .. }) => refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nesting_is_bounded_before_the_parser_and_in_it() {
        let brackets = format!("a: {}", "[".repeat(100_000));
        assert!(matches!(refusal(&brackets), Refusal::TooDeep { .. }));
        let lines = (0..100).map(|depth| " ".repeat(depth) + "a:");
        let blocks = lines.collect::<Vec<_>>().join("\n");
        assert!(matches!(refusal(&blocks), Refusal::TooDeep { .. }));
    }

    #[test]
    fn a_billion_laughs_are_refused() {
        let mut lists = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let aliases = vec![format!("*a{}", level - 1); 5].join(", ");
            writeln!(lists, "a{level}: &a{level} [{aliases}]").unwrap();
        }
        assert_eq!(refusal(&lists), Refusal::RepeatedAlias);
        let mut maps = String::from("a0: &a0 {x: 1, y: 2}\n");
        for level in 1..20 {
            let alias = level - 1;
            writeln!(maps, "a{level}: &a{level} {{x: *a{alias}, y: *a{alias}}}").unwrap();
        }
        assert!(matches!(refusal(&maps), Refusal::TooManyValues { .. }));
        let long = format!(
            "a: &a {}\nb: [{}]\n",
            "x".repeat(1 << 20),
            "*a , ".repeat(100)
        );
        assert!(matches!(refusal(&long), Refusal::TooLarge { .. }));
    }

    #[test]
    fn an_error_names_file_line_and_column_and_no_value() {
        let error =
            parse_nested("a: 1\npassword: [hunter2\nb: 2\n", "conf/config.yaml").unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("conf/config.yaml:3:"), "{text}");
        assert!(!text.contains("hunter2"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(?s).{0,200}|[a-c:\\-\\[\\]{}&*!|>'\"%@`#,? \\n\\t~<=]{0,80}") {
            let _ = parse_nested(&text, "config.yaml");
        }
    }
}
