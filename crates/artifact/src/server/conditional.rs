//! Preconditions and ranges, in the order of RFC 9110 §13.2.2, as one function.

use super::range::{self, Asked, Span};

/// The request's fields that decide how much of a representation is sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Conditions<'a> {
    pub(super) if_match: Option<&'a [u8]>,
    pub(super) if_none_match: Option<&'a [u8]>,
    pub(super) if_range: Option<&'a [u8]>,
    pub(super) range: Option<&'a [u8]>,
}

/// What to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// 200 with everything.
    Full,
    /// 206 with a part.
    Partial(Span),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    RangeNotSatisfiable,
}

/// RFC 9110 §13.2.2, step by step. An object has no modification date, so steps 2 and 4
/// (`If-Unmodified-Since`, `If-Modified-Since`) must be ignored, and a date in `If-Range` never
/// matches (§13.1.5).
pub(super) fn evaluate(is_get: bool, asked: Conditions<'_>, etag: &str, size: u64) -> Outcome {
    // Step 1.
    if let Some(list) = asked.if_match
        && !matches_any(list, etag, Comparison::Strong)
    {
        return Outcome::PreconditionFailed;
    }
    // Step 3.
    if let Some(list) = asked.if_none_match
        && matches_any(list, etag, Comparison::Weak)
    {
        return Outcome::NotModified;
    }
    // Step 5; Range is defined for GET alone (§14.2).
    let range = asked.range.filter(|_| is_get);
    let unchanged = asked
        .if_range
        .is_none_or(|validator| trim(validator) == etag.as_bytes());
    match range.filter(|_| unchanged) {
        // Step 6.
        None => Outcome::Full,
        Some(header) => match range::parse(header, size) {
            Asked::Ignored => Outcome::Full,
            Asked::Part(span) => Outcome::Partial(span),
            Asked::Unsatisfiable => Outcome::RangeNotSatisfiable,
        },
    }
}

/// RFC 9110 §8.8.3.2. Ours are all strong, so the two differ only for a weak one in the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether a list of entity tags, or `*`, covers ours. Entity tags of ours hold no comma, so
/// splitting at commas can only lose foreign ones.
fn matches_any(list: &[u8], etag: &str, comparison: Comparison) -> bool {
    if trim(list) == b"*" {
        return true;
    }
    list.split(|byte| *byte == b',').map(trim).any(|candidate| {
        let bare = match comparison {
            Comparison::Weak => candidate.strip_prefix(b"W/").unwrap_or(candidate),
            Comparison::Strong => candidate,
        };
        bare == etag.as_bytes()
    })
}

fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"sha256-aa\"";
    const SIZE: u64 = 100;

    fn get(conditions: Conditions<'_>) -> Outcome {
        evaluate(true, conditions, ETAG, SIZE)
    }

    const PART: Outcome = Outcome::Partial(Span {
        start: 10,
        length: 90,
    });

    #[test]
    fn rfc_9110_13_2_2_every_step_and_which_wins() {
        let yes: Option<&[u8]> = Some(b"\"sha256-aa\"");
        let no: Option<&[u8]> = Some(b"\"sha256-bb\"");
        let range: Option<&[u8]> = Some(b"bytes=10-");
        let beyond: Option<&[u8]> = Some(b"bytes=100-");
        let table = [
            ([None, None, None, None], Outcome::Full),
            ([None, None, None, range], PART),
            ([None, None, None, beyond], Outcome::RangeNotSatisfiable),
            ([None, None, yes, range], PART),
            ([None, None, no, range], Outcome::Full),
            ([None, None, no, beyond], Outcome::Full),
            ([None, None, yes, None], Outcome::Full),
            ([None, yes, None, range], Outcome::NotModified),
            ([None, yes, no, beyond], Outcome::NotModified),
            ([None, no, None, range], PART),
            ([no, yes, None, range], Outcome::PreconditionFailed),
            ([yes, yes, None, range], Outcome::NotModified),
            ([yes, no, yes, range], PART),
            ([no, None, None, None], Outcome::PreconditionFailed),
        ];
        for ([if_match, if_none_match, if_range, range], expected) in table {
            let conditions = Conditions {
                if_match,
                if_none_match,
                if_range,
                range,
            };
            assert_eq!(get(conditions), expected, "{conditions:?}");
        }
    }

    #[test]
    fn a_head_request_has_no_ranges() {
        let conditions = Conditions {
            range: Some(b"bytes=10-"),
            ..Conditions::default()
        };
        assert_eq!(evaluate(false, conditions, ETAG, SIZE), Outcome::Full);
    }

    #[test]
    fn weak_tags_match_if_none_match_only() {
        let weak: Option<&[u8]> = Some(b"W/\"sha256-aa\"");
        let range: Option<&[u8]> = Some(b"bytes=10-");
        let with = |if_match, if_none_match, if_range| Conditions {
            if_match,
            if_none_match,
            if_range,
            range,
        };
        assert_eq!(get(with(None, weak, None)), Outcome::NotModified);
        assert_eq!(get(with(weak, None, None)), Outcome::PreconditionFailed);
        assert_eq!(get(with(None, None, weak)), Outcome::Full);
    }

    #[test]
    fn lists_stars_and_dates() {
        let in_list: Option<&[u8]> = Some(b"\"x\" , \"sha256-aa\",\"y\"");
        let star: Option<&[u8]> = Some(b" * ");
        let date: Option<&[u8]> = Some(b"Sat, 29 Oct 1994 19:43:31 GMT");
        let if_none_match = |value| Conditions {
            if_none_match: value,
            ..Conditions::default()
        };
        assert_eq!(get(if_none_match(in_list)), Outcome::NotModified);
        assert_eq!(get(if_none_match(star)), Outcome::NotModified);
        let dated = Conditions {
            if_range: date,
            range: Some(b"bytes=10-"),
            ..Conditions::default()
        };
        assert_eq!(get(dated), Outcome::Full);
    }
}
