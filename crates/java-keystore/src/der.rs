//! Reads DER: tag, length, value. No more than key stores and certificates need of it.
//!
//! Every length is checked against what is there. Indefinite lengths, which are BER and not DER,
//! are refused; Java's and OpenSSL's tools write none.

/// Tags that are read by name (X.690, 8.1.2).
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BITS: u8 = 0x03;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const OBJECT: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The tag of a part that is told apart by its number, with a value of its own inside.
pub(super) const fn explicit(number: u8) -> u8 {
    0xa0 | number
}

/// The same, for a value that has no parts.
pub(super) const fn implicit(number: u8) -> u8 {
    0x80 | number
}

/// Values that follow one another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Der<'a>(pub(super) &'a [u8]);

impl<'a> Der<'a> {
    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next value, whatever it is: its tag and its content.
    pub(super) fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ 0..=0x7f => (usize::from(short), rest),
            long @ 0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x0f))?;
                let number = |sum: usize, byte: &u8| (sum << 8) | usize::from(*byte);
                (bytes.iter().fold(0, number), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// The content of the next value, which must have this tag.
    pub(super) fn content(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let (found, content) = ahead.any()?;
        (found == tag).then(|| {
            *self = ahead;
            content
        })
    }

    /// The values inside of the next one, which must have this tag.
    pub(super) fn inside(&mut self, tag: u8) -> Option<Self> {
        self.content(tag).map(Der)
    }

    /// A whole number that is not negative and fits.
    pub(super) fn number(&mut self) -> Option<u32> {
        let bytes = self.content(INTEGER)?;
        let (first, _) = bytes.split_first()?;
        let significant = bytes.iter().skip_while(|byte| **byte == 0).count();
        if first & 0x80 != 0 || significant > 4 {
            return None;
        }
        let shift = |sum: u32, byte: &u8| (sum << 8) | u32::from(*byte);
        Some(bytes.iter().fold(0, shift))
    }

    /// An algorithm's identifier: its name and what follows it.
    pub(super) fn algorithm(&mut self) -> Option<(&'a [u8], Self)> {
        let mut parts = self.inside(SEQUENCE)?;
        let name = parts.content(OBJECT)?;
        Some((name, parts))
    }
}

/// An object identifier in dots, for people.
pub(super) fn dotted(object: &[u8]) -> String {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0_u64;
    for byte in object {
        arc = (arc << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if arcs.is_empty() {
                let top = (arc / 40).min(2);
                arcs.push(top);
                arc -= top * 40;
            }
            arcs.push(arc);
            arc = 0;
        }
    }
    let words: Vec<String> = arcs.iter().map(u64::to_string).collect();
    words.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_read_in_both_forms_and_indefinite_ones_are_refused() {
        let long = [&[OCTETS, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
        assert_eq!(Der(&long).content(OCTETS), Some(&[7; 256][..]));
        assert_eq!(Der(&[OCTETS, 2, 1, 2]).content(OCTETS), Some(&[1, 2][..]));
        assert_eq!(Der(&[OCTETS, 0x80, 1, 0, 0]).any(), None);
        assert_eq!(Der(&[OCTETS, 3, 1, 2]).any(), None);
    }

    #[test]
    fn numbers_are_whole_and_not_negative() {
        assert_eq!(Der(&[INTEGER, 2, 0x27, 0x10]).number(), Some(10_000));
        assert_eq!(Der(&[INTEGER, 2, 0, 0xff]).number(), Some(255));
        assert_eq!(Der(&[INTEGER, 1, 0x80]).number(), None);
        assert_eq!(Der(&[INTEGER, 6, 0, 1, 1, 1, 1, 1]).number(), None);
    }

    #[test]
    fn an_object_identifier_is_shown_in_dots() {
        let pbes2 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
        assert_eq!(dotted(&pbes2), "1.2.840.113549.1.5.13");
        assert_eq!(dotted(&[0x60, 0x86, 0x48, 1]), "2.16.840.1");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut der = Der(&bytes);
            while der.any().is_some() {}
            let _ = (Der(&bytes).number(), Der(&bytes).algorithm(), dotted(&bytes));
        }
    }
}
