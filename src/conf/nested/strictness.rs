//! What Flink's YAML parser refuses and the event parser would let pass, and limits on size.

use saphyr_parser::{Event, ScalarStyle, Span};

use crate::conf::error::{ConfError, Refusal};

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

    /// Looks at the text between the last event and this one.
    pub(super) fn check(&mut self, event: &Event<'_>, span: Span) -> Result<(), ConfError> {
        let start = span.start.index();
        let gap = self
            .characters
            .get(self.position..start)
            .unwrap_or_default();
        if let Some(offset) = stray_tab(gap, self.behind_plain) {
            return Err(self.tab(self.position + offset));
        }
        let end = span.end.index().max(start);
        if end > self.position {
            self.position = end;
            self.behind_plain = matches!(event, Event::Scalar(_, ScalarStyle::Plain, _, _));
        }
        Ok(())
    }

    fn tab(&self, index: usize) -> ConfError {
        let before = self.characters.get(..index).unwrap_or_default();
        let line = 1 + before.iter().filter(|&&c| c == '\n').count();
        let column = 1 + before.iter().rev().take_while(|&&c| c != '\n').count();
        ConfError::Syntax {
            source_name: self.source_name.to_owned(),
            line,
            column,
            message: "a tab stands where Flink's parser takes only spaces".to_owned(),
        }
    }
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
