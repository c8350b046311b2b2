//! What Flink's YAML parser refuses and the event parser would let pass, and limits on size. Held
//! against Flink's own loader by `tests/config_agreement.rs`.

use saphyr_parser::{Event, ScalarStyle, Span};

use crate::error::{ConfError, Refusal};

/// How deep collections may stand inside each other.
pub(super) const MAXIMUM_DEPTH: usize = 64;
/// How many brackets may be open at once, counted without regard to quotes, before the parser
/// is started at all: it looks ahead over every open one.
const MAXIMUM_BRACKETS: usize = 512;
/// The most characters in a file, snakeyaml-engine's `codePointLimit`.
const SIZE_LIMIT: usize = 3 * 1024 * 1024;

/// Refuses what is too large or too deep to be parsed.
pub(super) fn check_size(text: &str, source_name: &str) -> Result<(), ConfError> {
    let refuse = |line, refusal| ConfError::Refused {
        source_name: source_name.to_owned(),
        line,
        refusal,
    };
    let mut open = 0_usize;
    let mut line = 1;
    for (index, c) in text.chars().enumerate() {
        match c {
            '\u{85}' | '\u{2028}' | '\u{2029}' => {
                return Err(refuse(line, Refusal::UnusualLineBreak));
            }
            '\u{feff}' => return Err(refuse(line, Refusal::ByteOrderMark)),
            '\n' => line += 1,
            '[' | '{' => open += 1,
            ']' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > MAXIMUM_BRACKETS {
            let limit = MAXIMUM_DEPTH;
            return Err(refuse(line, Refusal::TooDeep { limit }));
        }
        if index >= SIZE_LIMIT {
            let limit = SIZE_LIMIT;
            return Err(refuse(line, Refusal::TooLarge { limit }));
        }
    }
    Ok(())
}

/// Watches the text between the parser's events: Flink's parser takes no tab there, except behind
/// a plain scalar and in a comment.
pub(super) struct Gaps<'a> {
    source_name: &'a str,
    characters: Vec<char>,
    /// Everything before this index has been looked at.
    position: usize,
    behind_plain: bool,
}

impl<'a> Gaps<'a> {
    pub(super) fn new(text: &str, source_name: &'a str) -> Self {
        Self {
            source_name,
            characters: text.chars().collect(),
            position: 0,
            behind_plain: false,
        }
    }

    /// Looks at the text between the last event and this one, and at the head of a block scalar.
    pub(super) fn check(&mut self, event: &Event<'_>, span: Span) -> Result<(), ConfError> {
        let (start, end) = (span.start.index(), span.end.index());
        let gap = self.text(self.position, start);
        if let Some(offset) = stray_tab(gap, self.behind_plain) {
            return Err(self.refuse(self.position + offset, TAB));
        }
        let document_starts = matches!(event, Event::DocumentStart(_));
        let nothing_came = matches!(event, Event::StreamEnd) && self.position == 0;
        if (document_starts || nothing_came) && has_line(gap, &['.', '.', '.']) {
            return Err(self.refuse(start, "a document ends before it starts"));
        }
        let own = self.text(start, end);
        if document_starts && has_reserved_directive(gap) {
            return Err(self.refuse(self.position, "a directive other than %YAML and %TAG"));
        }
        if names_anchor(event) && has_bad_anchor(own) {
            return Err(self.refuse(start, "an anchor's name holds one of / . * & [ {"));
        }
        if let Some(offset) = tab_behind_property(own) {
            return Err(self.refuse(start + offset, TAB));
        }
        let length = match event {
            Event::Scalar(text, ScalarStyle::Literal | ScalarStyle::Folded, _, _) => {
                if let Some(offset) = tab_in_header(own) {
                    return Err(self.refuse(start + offset, TAB));
                }
                if text.is_empty() {
                    return Err(self.refuse(start, "a block scalar without text; write \"\""));
                }
                own.len()
            }
            // The parser counts the white space behind a closing quote to the scalar.
            Event::Scalar(_, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted, _, _) => {
                quoted_length(own)
            }
            // The parser counts what follows a bracket to it.
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let bracket = own.iter().position(|c| matches!(c, '[' | '{'));
                bracket.map_or(0, |bracket| bracket + 1)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                usize::from(own.first().is_some_and(|c| matches!(c, ']' | '}')))
            }
            _ => own.len(),
        };
        if start + length > self.position {
            self.position = start + length;
            self.behind_plain = matches!(
                event,
                Event::Scalar(text, ScalarStyle::Plain, _, _) if !text.is_empty()
            );
        }
        Ok(())
    }

    fn text(&self, start: usize, end: usize) -> &[char] {
        self.characters.get(start..end).unwrap_or_default()
    }

    fn refuse(&self, index: usize, message: &str) -> ConfError {
        let before = self.text(0, index);
        let line = 1 + before.iter().filter(|&&c| c == '\n').count();
        let column = 1 + before.iter().rev().take_while(|&&c| c != '\n').count();
        ConfError::Syntax {
            source_name: self.source_name.to_owned(),
            line,
            column,
            message: message.to_owned(),
        }
    }
}

const TAB: &str = "a tab stands where Flink's parser takes only spaces";

/// Where a tab stands in the first line of a block scalar, behind its `|` or `>`.
fn tab_in_header(scalar: &[char]) -> Option<usize> {
    let indicator = scalar.iter().position(|c| matches!(c, '|' | '>'))?;
    scalar
        .iter()
        .enumerate()
        .skip(indicator)
        .take_while(|(_, c)| !matches!(c, '\n' | '\r' | '#'))
        .find_map(|(offset, &c)| (c == '\t').then_some(offset))
}

fn names_anchor(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::Alias(_)
            | Event::Scalar(_, _, 1.., _)
            | Event::SequenceStart(1.., _)
            | Event::MappingStart(1.., _)
    )
}

/// Whether the anchor or alias in a node's text has a name that Flink's parser does not take.
fn has_bad_anchor(node: &[char]) -> bool {
    node.iter()
        .skip_while(|c| !matches!(c, '&' | '*'))
        .skip(1)
        .take_while(|c| !c.is_whitespace() && !matches!(c, ',' | ']' | '}'))
        .any(|c| matches!(c, '/' | '.' | '*' | '&' | '[' | '{'))
}

/// Where a tab stands between a tag or an anchor and what it belongs to.
fn tab_behind_property(node: &[char]) -> Option<usize> {
    let mut in_property = false;
    for (offset, &c) in node.iter().enumerate() {
        match c {
            '&' | '!' if !in_property => in_property = true,
            '\t' => return Some(offset),
            ' ' | '\n' | '\r' => in_property = false,
            _ if !in_property => return None,
            _ => {}
        }
    }
    None
}

/// How long a node with a quoted scalar is, up to its closing quote.
fn quoted_length(node: &[char]) -> usize {
    let Some(opening) = node.iter().position(|c| matches!(c, '\'' | '"')) else {
        return node.len();
    };
    let quote = node.get(opening);
    let mut rest = node.iter().enumerate().skip(opening + 1).peekable();
    while let Some((offset, c)) = rest.next() {
        let escapes = match quote {
            Some('"') => *c == '\\',
            _ => *c == '\'' && rest.peek().is_some_and(|(_, next)| **next == '\''),
        };
        if escapes {
            rest.next();
        } else if Some(c) == quote {
            return offset + 1;
        }
    }
    node.len()
}

/// Whether the text before a document has a directive that is neither `%YAML` nor `%TAG`.
fn has_reserved_directive(gap: &[char]) -> bool {
    gap.split(|c| matches!(c, '\n' | '\r'))
        .filter_map(|line| line.strip_prefix(&['%']))
        .any(|line| {
            !line.starts_with(&['Y', 'A', 'M', 'L', ' '])
                && !line.starts_with(&['T', 'A', 'G', ' '])
        })
}

/// Whether a line starts like this.
fn has_line(text: &[char], start: &[char]) -> bool {
    text.split(|c| matches!(c, '\n' | '\r'))
        .any(|line| line.starts_with(start))
}

/// Where in a gap a tab stands that is neither in a comment nor behind a plain scalar.
fn stray_tab(gap: &[char], behind_plain: bool) -> Option<usize> {
    let mut comment = false;
    let mut behind_plain = behind_plain;
    let mut blank_before = true;
    for (offset, &c) in gap.iter().enumerate() {
        match c {
            '\n' | '\r' => {
                comment = false;
                behind_plain = false;
            }
            '#' if blank_before => comment = true,
            '\t' if !comment && !behind_plain => return Some(offset),
            ' ' | '\t' => {}
            _ => behind_plain = false,
        }
        blank_before = matches!(c, ' ' | '\t' | '\n' | '\r');
    }
    None
}
