//! Whether a directory takes what a process is going to put there: files, and native code that is
//! mapped from them. It is tried, because nothing else tells: a mode knows nothing of a read-only
//! mount, a full disk or a quota, and a mount's flags know nothing of security modules.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use tempfile::NamedTempFile;

use flugs_supervise::map_as_code;

/// As much of a library as is mapped: a page.
const PAGE: [u8; 4096] = [0; 4096];

/// Why a directory does not do.
#[derive(Debug)]
pub(super) enum Unfit {
    /// No file can be made and filled there: read-only, not this user's, full, or over a quota.
    NoFile(io::Error),
    /// No file that is there can be mapped as code: mounted `noexec`, or a security module forbids it.
    NoCode(io::Error),
}

impl fmt::Display for Unfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile(error) => write!(formatter, "a file in it cannot be written: {error}"),
            Self::NoCode(error) if error.raw_os_error() == Some(libc::EPERM) => write!(
                formatter,
                "a file in it cannot be mapped as code: {error}, as where it is mounted noexec"
            ),
            Self::NoCode(error) => {
                write!(formatter, "a file in it cannot be mapped as code: {error}")
            }
        }
    }
}

/// Tries whether files can be written in a directory. One that is not there yet is made by whoever
/// uses it, in what is there. Nothing is left behind.
pub(super) fn takes_files(directory: &Path) -> Result<(), Unfit> {
    filled(directory).map(drop).map_err(Unfit::NoFile)
}

/// The same for native code that is unpacked there: a file with a library's ending (security modules
/// decide by names, too) is written, opened anew as the loader does, and mapped.
pub(super) fn takes_native_code(directory: &Path) -> Result<(), Unfit> {
    let library = filled(directory).map_err(Unfit::NoFile)?;
    let read = File::open(library.path()).map_err(Unfit::NoCode)?;
    map_as_code(read.as_fd()).map_err(Unfit::NoCode)
}

fn filled(directory: &Path) -> io::Result<NamedTempFile> {
    let there = directory.ancestors().find(|one| one.exists());
    let mut file = tempfile::Builder::new()
        .prefix("flugs-")
        .suffix(".so")
        .tempfile_in(there.unwrap_or(directory))?;
    file.write_all(&PAGE)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    use std::io::Read as _;

    #[test]
    fn a_directory_that_is_not_there_yet_is_as_good_as_what_it_will_be_made_in() {
        let directory = tempfile::tempdir().unwrap();
        let later = directory.path().join("not/yet");
        takes_native_code(&later).unwrap();
        takes_files(&later).unwrap();
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 0, "nothing is left of a try");
    }

    #[test]
    fn a_directory_of_the_kernels_own_takes_nothing() {
        let error = takes_native_code(Path::new("/proc/self")).unwrap_err();
        assert!(matches!(error, Unfit::NoFile(_)), "{error}");
        assert!(takes_files(Path::new("/proc/self")).is_err());
    }

    /// What a try says of a file system that is mounted with these flags, and filled: in a mount
    /// namespace of one thread's own.
    fn tried_on(flags: MsFlags, size: &'static str, fill: bool) -> String {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().to_owned();
        let tried = move || {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let alone = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, alone, None::<&str>).unwrap();
            mount(Some("tmpfs"), &path, Some("tmpfs"), flags, Some(size)).unwrap();
            if fill {
                let zeros = io::repeat(0);
                let copied = io::copy(
                    &mut zeros.take(1 << 20),
                    &mut File::create(path.join("zeros")).unwrap(),
                );
                assert_eq!(copied.unwrap_err().kind(), io::ErrorKind::StorageFull);
            }
            takes_native_code(&path).map_or_else(|error| error.to_string(), |()| "good".to_owned())
        };
        std::thread::spawn(tried).join().unwrap()
    }

    /// As root.
    #[test]
    fn a_noexec_a_read_only_and_a_full_file_system_are_told_apart() {
        let plain = MsFlags::empty();
        assert_eq!(tried_on(plain, "size=1m", false), "good");
        assert_eq!(
            tried_on(MsFlags::MS_NOEXEC, "size=1m", false),
            "a file in it cannot be mapped as code: Operation not permitted (os error 1), as where it \
             is mounted noexec"
        );
        let read_only = tried_on(MsFlags::MS_RDONLY, "size=1m", false);
        assert!(
            read_only.starts_with("a file in it cannot be written: Read-only file system"),
            "{read_only}"
        );
        let full = tried_on(plain, "size=64k", true);
        assert!(
            full.starts_with("a file in it cannot be written: No space left"),
            "{full}"
        );
    }
}
