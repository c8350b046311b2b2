//! The `Range` header (RFC 9110 §14): one byte range, or a suffix.

/// A part of a representation: from `start`, `length` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) length: u64,
}

/// What a `Range` header asks of a representation of a given size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing that is understood: malformed, another unit, or several ranges. The header is
    /// ignored (RFC 9110 §14.2).
    Ignored,
    /// A part that exists.
    Part(Span),
    /// A part of which not one byte exists (416).
    Unsatisfiable,
}

/// Reads a `Range` header for a representation of `size` bytes.
pub(super) fn parse(header: &[u8], size: u64) -> Asked {
    let spec = std::str::from_utf8(header)
        .ok()
        .and_then(|text| text.trim_matches([' ', '\t']).split_once('='))
        .filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"))
        .and_then(|(_, spec)| spec.trim_matches([' ', '\t']).split_once('-'));
    let Some((first, last)) = spec else {
        return Asked::Ignored;
    };
    match (digits(first), digits(last)) {
        (Digits::None, Digits::Number(suffix)) => self::suffix(suffix, size),
        (Digits::Number(first), Digits::None) => part(first, u64::MAX, size),
        (Digits::Number(first), Digits::Number(last)) if first <= last => part(first, last, size),
        _ => Asked::Ignored,
    }
}

fn suffix(length: u64, size: u64) -> Asked {
    let length = length.min(size);
    if length == 0 {
        return Asked::Unsatisfiable;
    }
    Asked::Part(Span {
        start: size - length,
        length,
    })
}

fn part(first: u64, last: u64, size: u64) -> Asked {
    if first >= size {
        return Asked::Unsatisfiable;
    }
    let last = last.min(size - 1);
    Asked::Part(Span {
        start: first,
        length: last - first + 1,
    })
}

enum Digits {
    None,
    Number(u64),
    Garbage,
}

/// `1*DIGIT`; a number beyond 64 bits is beyond every file, so it saturates.
fn digits(text: &str) -> Digits {
    if text.is_empty() {
        Digits::None
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        Digits::Number(text.parse().unwrap_or(u64::MAX))
    } else {
        Digits::Garbage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(header: &str) -> Asked {
        parse(header.as_bytes(), 1000)
    }

    fn span(start: u64, length: u64) -> Asked {
        Asked::Part(Span { start, length })
    }

    #[test]
    fn rfc_9110_section_14_1_2_examples() {
        assert_eq!(parse(b"bytes=0-499", 10_000), span(0, 500));
        assert_eq!(parse(b"bytes=500-999", 10_000), span(500, 500));
        assert_eq!(parse(b"bytes=-500", 10_000), span(9500, 500));
        assert_eq!(parse(b"bytes=9500-", 10_000), span(9500, 500));
    }

    #[test]
    fn what_reaches_past_the_end_is_cut_and_what_starts_there_is_unsatisfiable() {
        assert_eq!(ask("bytes=999-5000"), span(999, 1));
        assert_eq!(ask("bytes=-5000"), span(0, 1000));
        assert_eq!(ask("bytes=0-99999999999999999999999999"), span(0, 1000));
        for header in ["bytes=1000-", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(ask(header), Asked::Unsatisfiable, "{header}");
        }
        assert_eq!(parse(b"bytes=-1", 0), Asked::Unsatisfiable);
    }

    #[test]
    fn malformed_foreign_and_several_ranges_are_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1 -2",
            "items=0-1",
            "bytes=0-1,5-6",
            "bytes=0-1,",
            "bytes=0x1-2",
            "bytes==0-1",
            "bytes=-1-2",
        ] {
            assert_eq!(ask(header), Asked::Ignored, "{header:?}");
        }
        assert_eq!(parse(b"bytes=0-\xff", 10), Asked::Ignored);
    }

    proptest! {
        #[test]
        fn a_part_always_lies_within_the_representation(
            header in "bytes=[0-9]{0,21}-[0-9]{0,21}", size: u64,
        ) {
            if let Asked::Part(span) = parse(header.as_bytes(), size) {
                prop_assert!(span.length > 0);
                prop_assert!(span.start.checked_add(span.length).is_some_and(|end| end <= size));
            }
        }

        #[test]
        fn no_bytes_panic_the_parser(header: Vec<u8>, size: u64) {
            parse(&header, size);
        }
    }
}
