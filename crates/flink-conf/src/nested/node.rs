//! The tree of a YAML document: parser events in, nodes with line numbers out, within limits.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::scalar::{Scalar, float, integer};
use super::strictness::{Gaps, MAXIMUM_DEPTH};
use crate::error::{ConfError, Refusal};

/// The most aliases of lists and mappings, snakeyaml-engine's `maxAliasesForCollections`.
const ALIAS_LIMIT: usize = 50;

/// The most bytes that aliases of scalars may stand for.
const ALIASED_BYTES: usize = 64 << 20;

/// One value of the document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// What it is.
    pub(crate) content: Content,
    /// The line it starts in, from 1.
    pub(super) line: usize,
}

/// What a node can be. Collections are shared, so that an alias costs nothing.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Scalar(Scalar),
    Sequence(Rc<Vec<Node>>),
    Mapping(Rc<Vec<(Node, Node)>>),
}

impl Content {
    /// What a person would call it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Scalar(scalar) => scalar.kind(),
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}

/// A collection whose end has not come yet.
enum Open {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<(Node, Node)>,
        key: Option<Node>,
        seen: HashSet<String>,
    },
}

struct Reader<'a> {
    source_name: &'a str,
    /// The number of characters, if the last line has no line break.
    unterminated: Option<usize>,
    open: Vec<(Open, usize, usize)>,
    anchors: HashMap<usize, Node>,
    aliases: usize,
    /// How many bytes the aliases of scalars stand for.
    aliased_bytes: usize,
    root: Option<Node>,
    documents: usize,
}

/// Reads the one document of `text`; `None` if there is nothing in it.
pub(crate) fn read(text: &str, source_name: &str) -> Result<Option<Node>, ConfError> {
    let mut reader = Reader {
        source_name,
        unterminated: (!text.ends_with(['\n', '\r'])).then(|| text.chars().count()),
        open: Vec::new(),
        anchors: HashMap::new(),
        aliases: 0,
        aliased_bytes: 0,
        root: None,
        documents: 0,
    };
    let mut gaps = Gaps::new(text, source_name);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| reader.syntax(&error))?;
        gaps.check(&event, span)?;
        reader.event(event, span)?;
    }
    Ok(reader.root)
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), ConfError> {
        let line = span.start.line();
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(self.refuse(line, Refusal::SecondDocument));
                }
                Ok(())
            }
            Event::Alias(anchor) => {
                let node = self.alias(anchor, line)?;
                self.place(node, line)
            }
            Event::Scalar(text, style, anchor, tag) => {
                if text.is_empty() && style == ScalarStyle::Plain && self.expects_key() {
                    return Err(self.refuse(line, Refusal::MissingKey));
                }
                let text = self.without_added_break(&text, style, span);
                let content = self.scalar(text, style, tag.as_deref(), line)?;
                self.finish(Node { content, line }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", line)?;
                self.enter(Open::Sequence(Vec::new()), anchor, line)
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", line)?;
                let open = Open::Mapping {
                    entries: Vec::new(),
                    key: None,
                    seen: HashSet::new(),
                };
                self.enter(open, anchor, line)
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(),
        }
    }

    fn expects_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some((Open::Mapping { key: None, .. }, _, _))
        )
    }

    fn enter(&mut self, open: Open, anchor: usize, line: usize) -> Result<(), ConfError> {
        if self.open.len() >= MAXIMUM_DEPTH {
            let limit = MAXIMUM_DEPTH;
            return Err(self.refuse(line, Refusal::TooDeep { limit }));
        }
        self.open.push((open, anchor, line));
        Ok(())
    }

    fn leave(&mut self) -> Result<(), ConfError> {
        let Some((open, anchor, line)) = self.open.pop() else {
            return Ok(());
        };
        let content = match open {
            Open::Sequence(items) => Content::Sequence(Rc::new(items)),
            Open::Mapping { entries, .. } => Content::Mapping(Rc::new(entries)),
        };
        self.finish(Node { content, line }, anchor)
    }

    /// Remembers a complete node under its anchor, and puts it where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), ConfError> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let line = node.line;
        self.place(node, line)
    }

    fn place(&mut self, node: Node, line: usize) -> Result<(), ConfError> {
        let mut duplicate = None;
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some((Open::Sequence(items), _, _)) => items.push(node),
            Some((Open::Mapping { entries, key, seen }, _, _)) => {
                if let Some(name) = key.take() {
                    entries.push((name, node));
                } else {
                    duplicate = repeated(&node, seen);
                    *key = Some(node);
                }
            }
        }
        match duplicate {
            Some(key) => Err(self.refuse(line, Refusal::DuplicateKey { key })),
            None => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<Node, ConfError> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(self.refuse(line, Refusal::UndefinedAlias));
        };
        if let Content::Scalar(Scalar::Text(text)) = &node.content {
            self.aliased_bytes += text.len();
            if self.aliased_bytes > ALIASED_BYTES {
                let limit = ALIASED_BYTES;
                return Err(self.refuse(line, Refusal::TooLarge { limit }));
            }
        }
        if !matches!(node.content, Content::Scalar(_)) {
            self.aliases += 1;
            if self.aliases > ALIAS_LIMIT {
                return Err(self.refuse(line, Refusal::TooManyAliases { limit: ALIAS_LIMIT }));
            }
        }
        Ok(node)
    }

    /// The event parser ends a block scalar with a line break even if the file ends without one.
    fn without_added_break<'t>(&self, text: &'t str, style: ScalarStyle, span: Span) -> &'t str {
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let at_end = self.unterminated.is_some_and(|end| span.end.index() >= end);
        if is_block && at_end {
            text.strip_suffix('\n').unwrap_or(text)
        } else {
            text
        }
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        line: usize,
    ) -> Result<Content, ConfError> {
        let Some(tag) = tag else {
            return Ok(Content::Scalar(match style {
                ScalarStyle::Plain => Scalar::resolve(text),
                _ => Scalar::Text(text.to_owned()),
            }));
        };
        let mismatch = || {
            self.refuse(
                line,
                Refusal::TagMismatch {
                    tag: tag.to_string(),
                },
            )
        };
        let scalar = match core_tag(tag) {
            Some("!" | "str") => Scalar::Text(text.to_owned()),
            Some("null") => Scalar::Null,
            Some("bool") => match Scalar::resolve(text) {
                Scalar::Boolean(value) => Scalar::Boolean(value),
                _ => return Err(mismatch()),
            },
            Some("int") => Scalar::Integer(integer(text).ok_or_else(mismatch)?),
            Some("float") => Scalar::Float(float(text).ok_or_else(mismatch)?),
            _ => {
                return Err(self.refuse(
                    line,
                    Refusal::UnknownTag {
                        tag: tag.to_string(),
                    },
                ));
            }
        };
        Ok(Content::Scalar(scalar))
    }

    fn collection_tag(
        &self,
        tag: Option<&Tag>,
        expected: &str,
        line: usize,
    ) -> Result<(), ConfError> {
        match tag {
            None => Ok(()),
            Some(tag) if core_tag(tag).is_some_and(|name| name == expected || name == "!") => {
                Ok(())
            }
            Some(tag) => Err(self.refuse(
                line,
                Refusal::UnknownTag {
                    tag: tag.to_string(),
                },
            )),
        }
    }

    fn refuse(&self, line: usize, refusal: Refusal) -> ConfError {
        ConfError::Refused {
            source_name: self.source_name.to_owned(),
            line,
            refusal,
        }
    }

    fn syntax(&self, error: &ScanError) -> ConfError {
        ConfError::Syntax {
            source_name: self.source_name.to_owned(),
            line: error.marker().line(),
            column: error.marker().col() + 1,
            message: error.info().to_owned(),
        }
    }
}

/// The key's text if its mapping has an equal one already. The kind keeps 1 and "1" apart, as Java's
/// `equals` does.
fn repeated(key: &Node, seen: &mut HashSet<String>) -> Option<String> {
    let Content::Scalar(scalar) = &key.content else {
        return None;
    };
    let name = scalar.print();
    (!seen.insert(format!("{}:{name}", scalar.kind()))).then_some(name)
}

/// The name of a tag of the core schema, "!" for the non-specific one.
fn core_tag(tag: &Tag) -> Option<&str> {
    if tag.is_yaml_core_schema() {
        Some(&tag.suffix)
    } else if tag.handle.is_empty() && tag.suffix == "!" {
        Some("!")
    } else {
        tag.handle
            .is_empty()
            .then(|| tag.suffix.strip_prefix("tag:yaml.org,2002:"))
            .flatten()
    }
}
