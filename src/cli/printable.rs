//! Text that came from somewhere else, fit for a terminal.

use std::borrow::Cow;

/// The text with its control characters spelled out, but for line breaks and tabs: what a damaged
/// file has in place of a name must not command the terminal that it is shown on.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    let is_bad = |found: char| found.is_control() && found != '\n' && found != '\t';
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let spell = |found: char| {
        if is_bad(found) {
            found.escape_default().to_string()
        } else {
            found.to_string()
        }
    };
    Cow::Owned(text.chars().map(spell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out_and_all_else_stays() {
        assert_eq!(printable("a\tüber\n"), "a\tüber\n");
        assert_eq!(printable("\u{1b}[2J\u{7}\r"), r"\u{1b}[2J\u{7}\r");
    }
}
