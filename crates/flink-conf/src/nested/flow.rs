//! Lists on one line, as Flink prints a list that stands in a `config.yaml`: the flow style of
//! snakeyaml-engine's emitter, without line folding.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::rc::Rc;

use super::node::{Content, Node};
use super::scalar::Scalar;
use crate::error::Refusal;

/// The most values that one list may hold, aliases expanded.
const ITEM_LIMIT: usize = 100_000;
/// Keys of this length and longer are written with an explicit `?`.
const SIMPLE_KEY_LENGTH: usize = 128;

/// Prints a list. The same anchored collection twice in one list is refused: Flink would print
/// anchors of its own making there.
pub(super) fn print(list: &Node, items: &Rc<Vec<Node>>) -> Result<String, Refusal> {
    let mut printer = Printer {
        output: String::new(),
        seen: HashSet::new(),
        items: 0,
    };
    printer.sequence(items)?;
    debug_assert!(matches!(list.content, Content::Sequence(_)));
    Ok(printer.output)
}

struct Printer {
    output: String,
    seen: HashSet<usize>,
    items: usize,
}

impl Printer {
    fn node(&mut self, node: &Node) -> Result<(), Refusal> {
        self.items += 1;
        if self.items > ITEM_LIMIT {
            return Err(Refusal::TooManyValues { limit: ITEM_LIMIT });
        }
        match &node.content {
            Content::Scalar(scalar) => {
                self.scalar(scalar);
                Ok(())
            }
            Content::Sequence(items) => self.sequence(items),
            Content::Mapping(entries) => self.mapping(entries),
        }
    }

    fn sequence(&mut self, items: &Rc<Vec<Node>>) -> Result<(), Refusal> {
        self.once(Rc::as_ptr(items) as usize)?;
        self.output.push('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.output.push_str(", ");
            }
            self.node(item)?;
        }
        self.output.push(']');
        Ok(())
    }

    fn mapping(&mut self, entries: &Rc<Vec<(Node, Node)>>) -> Result<(), Refusal> {
        self.once(Rc::as_ptr(entries) as usize)?;
        self.output.push('{');
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 {
                self.output.push_str(", ");
            }
            let Content::Scalar(name) = &key.content else {
                let found = key.content.kind();
                return Err(Refusal::KeyNotString { found });
            };
            if is_simple_key(name) {
                self.scalar(name);
                self.output.push_str(": ");
            } else {
                self.output.push_str("? ");
                self.scalar(name);
                self.output.push_str(" : ");
            }
            self.node(value)?;
        }
        self.output.push('}');
        Ok(())
    }

    fn once(&mut self, identity: usize) -> Result<(), Refusal> {
        if self.seen.insert(identity) {
            Ok(())
        } else {
            Err(Refusal::RepeatedAlias)
        }
    }

    fn scalar(&mut self, scalar: &Scalar) {
        let Scalar::Text(text) = scalar else {
            self.output.push_str(&scalar.print());
            return;
        };
        if !text.chars().all(is_printable) {
            self.double_quoted(text);
        } else if may_be_plain(text) && *scalar == Scalar::resolve(text) {
            self.output.push_str(text);
        } else {
            let quoted = text.replace('\'', "''");
            let _ = write!(self.output, "'{quoted}'");
        }
    }

    fn double_quoted(&mut self, text: &str) {
        self.output.push('"');
        for c in text.chars() {
            escape(c, &mut self.output);
        }
        self.output.push('"');
    }
}

/// Writes one character of a double-quoted scalar.
pub(crate) fn escape(c: char, output: &mut String) {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        c if is_printable(c) => {
            output.push(c);
            return;
        }
        c => {
            let code = u32::from(c);
            let _ = match code {
                0..=0xff => write!(output, "\\x{code:02x}"),
                0x100..=0xffff => write!(output, "\\u{code:04x}"),
                _ => write!(output, "\\U{code:08x}"),
            };
            return;
        }
    };
    output.push('\\');
    output.push(short);
}

/// Whether YAML lets the character stand as it is (and it is neither a line break nor a tab).
pub(crate) fn is_printable(c: char) -> bool {
    matches!(c,
        ' '..='~'
        | '\u{a0}'..='\u{d7ff}'
        | '\u{e000}'..='\u{fefe}'
        | '\u{ff00}'..='\u{fffd}'
        | '\u{10000}'..='\u{10ffff}')
        && !is_break(c)
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_simple_key(scalar: &Scalar) -> bool {
    let text = scalar.print();
    !text.is_empty() && !text.contains(is_break) && text.chars().count() < SIMPLE_KEY_LENGTH
}

/// Whether a text may stand without quotes inside a flow collection.
fn may_be_plain(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(' ') && !text.ends_with(' ') && !has_flow_indicator(text)
}

/// Whether a text holds something that means structure inside a flow collection. Deliberately as
/// wide as the emitter's own rule, which quotes at every colon.
fn has_flow_indicator(text: &str) -> bool {
    let mut characters = text.chars();
    let first = characters.next();
    let second = characters.next();
    let leading = match first {
        Some('-') => second.is_none_or(|c| c == ' ' || c == '\t'),
        Some(c) => "#,[]{}&*!|>'\"%@`?:".contains(c),
        None => false,
    };
    leading
        || text.starts_with("---")
        || text.starts_with("...")
        || text.contains([',', '?', '[', ']', '{', '}', ':'])
        || text.contains(" #")
        || text.contains("\t#")
}
