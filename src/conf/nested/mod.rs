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
use node::Node;
pub(super) use node::{Content, read as read_node};
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

struct Flatten<'a> {
    source_name: &'a str,
    parsed: Parsed,
    values: usize,
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
