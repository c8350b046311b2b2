//! Tar headers read to the letter: a header that two programs could read in two ways is refused.
//!
//! The `tar` crate reads the fields that it needs; others read others, and stop without a word at
//! a field that they cannot read. So all numbers of all headers are looked at, those of extension
//! headers included, and a name prefix counts only where every program heeds it.

use super::rule::Rule;

/// Extension headers of one entry may take this many bytes together. They are held in memory.
pub(super) const LONGEST_EXTENSIONS: usize = 1 << 20;

const BLOCK: usize = 512;

/// Mode, user, group, size, time, checksum, device numbers: where they begin and end.
const NUMBERS: [(usize, usize); 8] = [
    (100, 108),
    (108, 116),
    (116, 124),
    (124, 136),
    (136, 148),
    (148, 156),
    (329, 337),
    (337, 345),
];

/// Checks the headers of one entry: extension headers with their content, then its own.
pub(super) fn check_all(mut blocks: &[u8]) -> Result<(), Rule> {
    while let Some((block, rest)) = blocks.split_at_checked(BLOCK) {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        check(block)?;
        if !matches!(block.get(156), Some(b'x' | b'g' | b'L' | b'K')) {
            return Ok(());
        }
        let size = block.get(124..136).and_then(number).unwrap_or(0);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let content = size.checked_next_multiple_of(BLOCK).unwrap_or(usize::MAX);
        blocks = rest.get(content..).unwrap_or_default();
    }
    Ok(())
}

fn check(block: &[u8]) -> Result<(), Rule> {
    let field = |(start, end): (usize, usize)| block.get(start..end).unwrap_or_default();
    if !NUMBERS
        .into_iter()
        .all(|range| number(field(range)).is_some())
    {
        return Err(Rule::Ambiguous {
            what: "a number that cannot be read",
        });
    }
    // Only `ustar`, version 00, has a prefix; GNU keeps times there, and some read them as one.
    let is_ustar = field((257, 265)) == b"ustar\x0000";
    if !is_ustar && field((345, 500)).iter().any(|byte| *byte != 0) {
        return Err(Rule::Ambiguous {
            what: "something where other formats have a name prefix",
        });
    }
    Ok(())
}

/// A number in octal digits with spaces before and spaces or NUL behind it, or in the binary form
/// that GNU uses for large ones. Nothing else is read alike by all.
fn number(field: &[u8]) -> Option<u64> {
    if field.first() == Some(&0x80) {
        let (high, low) = field.split_at_checked(field.len().checked_sub(8)?)?;
        let fits = high.iter().skip(1).all(|byte| *byte == 0);
        let mut bytes: [u8; 8] = low.try_into().ok()?;
        if high.is_empty() {
            bytes[0] = 0;
        }
        return fits.then_some(u64::from_be_bytes(bytes));
    }
    let digits = field.split(|byte| *byte == 0).next().unwrap_or_default();
    let digits = digits.trim_ascii();
    digits.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_programs_read_differently_are_none() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\0\0\0\x02\0"), Some(512));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x07"), Some(7));
        for field in [
            &b"0000648\0"[..],
            b"-000644\0",
            b"+000644\0",
            b"0_00644\0",
            b"64 4\0\0\0\0",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x80\0\0\x01\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(number(field), None, "{field:?}");
        }
    }

    #[test]
    fn a_prefix_where_the_format_has_none_is_ambiguous() {
        let mut header = tar::Header::new_gnu();
        header.set_cksum();
        check(header.as_bytes()).unwrap();
        let mut block = *header.as_bytes();
        block[345] = b'L';
        assert!(matches!(check(&block), Err(Rule::Ambiguous { .. })));
    }
}
