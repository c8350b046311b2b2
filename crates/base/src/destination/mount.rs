//! Which files something is mounted on: those keep their place, whatever is written to them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Whether `path`, which is there, is a mount's place: of a file, as container engines mount them.
pub(super) fn is_mounted_on(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else {
        return false;
    };
    // Without /proc, replacing the file fails, which is an answer as well.
    let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    places(&mounts).any(|place| place == path)
}

/// The places of a `mountinfo` (`proc_pid_mountinfo(5)`): the fifth field of each line.
fn places(mounts: &[u8]) -> impl Iterator<Item = PathBuf> {
    let lines = mounts.split(|byte| *byte == b'\n');
    let fields = lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    fields.map(|field| PathBuf::from(OsString::from_vec(plain(field))))
}

/// A field without its escapes: a backslash and three octal digits stand for a byte.
fn plain(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..3).filter(|_| *first == b'\\');
        let byte = escaped.and_then(octal);
        bytes.push(byte.unwrap_or(*first));
        rest = match byte {
            Some(_) => after.get(3..).unwrap_or_default(),
            None => after,
        };
    }
    bytes
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_are_read_with_blanks_and_backslashes_in_them() {
        let mounts = b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            23 22 8:1 /a /tmp/a\\040b\\134c rw,relatime shared:1 - ext4 /dev/sda1 rw\nshort line\n";
        let found: Vec<PathBuf> = places(mounts).collect();
        assert_eq!(found, [PathBuf::from("/"), PathBuf::from("/tmp/a b\\c")]);
    }

    #[test]
    fn the_root_is_mounted_and_an_ordinary_file_is_not() {
        assert!(is_mounted_on(Path::new("/proc")));
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(!is_mounted_on(file.path()));
    }

    proptest! {
        #[test]
        fn whatever_is_escaped_reads_back(path in proptest::collection::vec(any::<u8>(), 0..40)) {
            let escaped: Vec<u8> = path
                .iter()
                .flat_map(|byte| match byte {
                    b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
                    other => vec![*other],
                })
                .collect();
            prop_assert_eq!(plain(&escaped), path);
        }

        #[test]
        fn no_text_is_too_strange(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(places(&text).count() <= text.len() + 1);
        }
    }
}
