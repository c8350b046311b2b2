//! How a file is packed: its first bytes say it, whatever its name is.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// Ways to pack a file that can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// Not at all, by all that can be seen.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// Known, and not read here: its name, and the program that unpacks it.
    Foreign(&'static str, &'static str),
}

/// So many bytes tell.
const TELLING: usize = 6;

/// The bytes that such files begin with, those that are read first.
const FOREIGN: [(&[u8], &str, &str); 5] = [
    (b"\xfd7zXZ\0", "xz", "xz --decompress --keep"),
    (b"BZh", "bzip2", "bzip2 --decompress --keep"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4 --decompress"),
    (b"PK\x03\x04", "ZIP", "unzip"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip", "7z x"),
];

impl Packing {
    /// By the first bytes of a file.
    pub(super) fn of(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => FOREIGN
                .iter()
                .find(|(magic, _, _)| first.starts_with(magic))
                .map_or(Self::Plain, |(_, name, remedy)| Self::Foreign(name, remedy)),
        }
    }

    /// Of what is read from here next.
    pub(super) fn ahead(content: &mut impl BufRead) -> io::Result<Self> {
        content.fill_buf().map(Self::of)
    }

    /// What is packed in the content.
    pub(super) fn unpacked(self, content: impl BufRead + Send + 'static) -> io::Result<Unpacked> {
        Ok(match self {
            Self::Plain => Box::new(content),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(content)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(content)?),
            Self::Foreign(name, remedy) => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!(
                        "it is packed with {name}, and only gzip and zstd are read here: unpack \
                         it first (`{remedy}`)"
                    ),
                ));
            }
        })
    }
}

/// Something that was unpacked, or was plain.
pub(super) type Unpacked = Box<dyn Read + Send>;

/// What a file's part is packed in.
pub(super) fn of_part(mut part: io::Take<File>) -> io::Result<Packing> {
    let mut first = Vec::new();
    part.by_ref().take(TELLING as u64).read_to_end(&mut first)?;
    Ok(Packing::of(&first))
}

/// What is in a file's part, unpacked if need be.
pub(super) fn open(part: io::Take<File>) -> io::Result<Unpacked> {
    let mut content = BufReader::with_capacity(1 << 18, part);
    Packing::ahead(&mut content)?.unpacked(content)
}

/// Whether a tar can begin like this: with a header whose checksum is right (POSIX.1-1988,
/// "ustar"), with its end, or not at all.
pub(super) fn is_tar(first: &[u8]) -> bool {
    let Some(block) = first.get(..512) else {
        return first.is_empty();
    };
    if block.iter().all(|byte| *byte == 0) {
        return true;
    }
    let (before, rest) = block.split_at(148);
    let (written, after) = rest.split_at(8);
    let digits: String = written
        .iter()
        .map(|byte| char::from(*byte))
        .skip_while(|digit| *digit == ' ')
        .take_while(char::is_ascii_digit)
        .collect();
    let bytes = before.iter().chain(after).map(|byte| u32::from(*byte));
    u32::from_str_radix(&digits, 8).is_ok_and(|written| written == bytes.sum::<u32>() + 8 * 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tar_begins_with_a_right_checksum_or_ends_at_once() {
        let mut header = tar::Header::new_old();
        header.set_path("x").unwrap();
        header.set_size(0);
        header.set_cksum();
        assert!(is_tar(header.as_bytes()));
        assert!(is_tar(&[0; 1024]) && is_tar(&[]));
        assert!(!is_tar(&[b'x'; 1024]) && !is_tar(b"short"));
    }

    #[test]
    fn what_is_not_read_is_named_with_a_remedy() {
        let error = Packing::of(b"\xfd7zXZ\0\0").unpacked(io::empty()).err();
        let text = error.unwrap().to_string();
        assert!(
            text.contains("xz") && text.contains("--decompress"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = (is_tar(&bytes), Packing::of(&bytes));
        }
    }
}
