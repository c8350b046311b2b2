//! Reading all of something, or saying that it is too long.

use std::io::{self, Read};

/// Reads all that there is.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] if there is more than `limit` bytes: what is cut off silently is
/// taken for something else. Otherwise what the reader said.
pub fn read_bounded(reader: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let problem = format!("it is longer than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(bytes)
}

/// Reads all that there is as UTF-8.
///
/// # Errors
/// As [`read_bounded`]; [`io::ErrorKind::InvalidData`] if it is not UTF-8.
pub fn read_bounded_text(reader: impl Read, limit: u64) -> io::Result<String> {
    let bytes = read_bounded(reader, limit)?;
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_all_or_nothing(bytes: Vec<u8>, limit in 0_u64..64) {
            match read_bounded(bytes.as_slice(), limit) {
                Ok(read) => prop_assert_eq!(read, bytes),
                Err(error) => {
                    prop_assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
                    prop_assert!(bytes.len() as u64 > limit);
                }
            }
        }
    }

    #[test]
    fn what_is_no_text_is_told_as_that() {
        let error = read_bounded_text([0xff].as_slice(), 8).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(read_bounded_text("é".as_bytes(), 2).unwrap(), "é");
    }
}
