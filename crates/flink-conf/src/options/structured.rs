//! Lists and maps within one value, as Flink's `StructuredOptionsSplitter` takes them apart.

use super::super::nested::{Content, Node, Scalar, read_node};

/// Whether a value is a list: parts between semicolons, or a list of YAML. What is a list in YAML,
/// but not of such elements, is taken apart at semicolons all the same.
pub(super) fn is_list(
    value: &str,
    yaml: bool,
    node: impl Fn(&Content) -> bool,
    part: impl Fn(&str) -> bool,
) -> bool {
    let is_yaml = || match content(value) {
        Some(Content::Sequence(nodes)) => nodes.iter().all(|one| node(&one.content)),
        _ => false,
    };
    (yaml && is_yaml()) || split(value, ';').is_some_and(|parts| parts.iter().all(|one| part(one)))
}

/// Whether a value is a map: pairs such as `a:1` between commas, or a map of YAML.
pub(super) fn is_map(value: &str, yaml: bool) -> bool {
    let is_pair = |pair: &String| split(pair, ':').is_some_and(|parts| parts.len() == 2);
    let is_yaml = || content(value).is_some_and(|content| is_filled_map(&content));
    (yaml && is_yaml()) || split(value, ',').is_some_and(|pairs| pairs.iter().all(is_pair))
}

/// A map whose every key has a value.
pub(super) fn is_filled_map(content: &Content) -> bool {
    let is_null = |node: &Node| matches!(node.content, Content::Scalar(Scalar::Null));
    match content {
        Content::Mapping(entries) => !entries.iter().any(|(_, value)| is_null(value)),
        _ => false,
    }
}

fn content(value: &str) -> Option<Content> {
    Some(read_node(value, "").ok()??.content)
}

/// The parts of a value. White space around a part is none of it; a part in quotes may hold the
/// delimiter, and a doubled quote is one. Nothing if a quote is not closed, or if something else
/// than a delimiter follows it.
fn split(value: &str, delimiter: char) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = value;
    // Whether the part before the last delimiter is known: two delimiters have an empty one between.
    let mut after_delimiter = false;
    loop {
        rest = rest.trim_start_matches(char::is_whitespace);
        let Some(first) = rest.chars().next() else {
            return Some(parts);
        };
        if first == delimiter {
            if after_delimiter {
                parts.push(String::new());
            }
            after_delimiter = true;
            rest = rest.get(first.len_utf8()..)?;
            continue;
        }
        let (part, behind) = match first {
            '\'' | '"' => quoted(rest, first)?,
            _ => {
                let end = rest.find(delimiter).unwrap_or(rest.len());
                let (part, behind) = rest.split_at_checked(end)?;
                (part.trim().to_owned(), behind)
            }
        };
        let behind = behind.trim_start_matches(char::is_whitespace);
        if !behind.is_empty() && !behind.starts_with(delimiter) {
            return None;
        }
        parts.push(part);
        after_delimiter = false;
        rest = behind;
    }
}

/// The text within quotes at the front, and what is behind them.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = text.get(quote.len_utf8()..)?;
    loop {
        let (before, behind) = rest.split_once(quote)?;
        part.push_str(before);
        match behind.strip_prefix(quote) {
            Some(more) => {
                part.push(quote);
                rest = more;
            }
            None => return Some((part, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_trimmed_and_quotes_keep_delimiters() {
        let parts = |text| split(text, ';').map(|parts| parts.join("|"));
        assert_eq!(parts(" a ; 'b;''c' ;;d;").as_deref(), Some("a|b;'c||d"));
        assert_eq!(parts("").as_deref(), Some(""));
        assert_eq!(parts("'a"), None);
        assert_eq!(parts("'a' b"), None);
    }

    proptest! {
        #[test]
        fn what_is_quoted_and_joined_comes_apart_again(
            parts in proptest::collection::vec("(?s)['\";:, a]{1,6}|.{1,6}", 1..5),
        ) {
            let quote = |part: &String| format!("'{}'", part.replace('\'', "''"));
            let text = parts.iter().map(quote).collect::<Vec<_>>().join(" ; ");
            prop_assert_eq!(split(&text, ';'), Some(parts));
        }

        #[test]
        fn no_text_makes_the_splitter_panic(text in "(?s).{0,40}|['\";:, ab]{0,40}") {
            let _ = (is_map(&text, true), is_list(&text, false, is_filled_map, |part| !part.is_empty()));
        }
    }
}
