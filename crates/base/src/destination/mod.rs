//! Where a whole file goes that somebody has named.
//!
//! Owns the difference between a file that is replaced in one step and whatever has to be written
//! to as it stands: a device, a pipe, `-`, a file with a second name or with a mount on it. A
//! symbolic link stays one; what it leads to is written. Never knows what is written.

mod mount;
mod target;

pub use target::{Stream, Target};

use std::fs::{File, Permissions};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// The permissions of everybody but a file's owner.
const OTHERS: u32 = 0o077;

/// What nobody reads on a terminal, and what may command it, was to be written to one.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is a terminal, and this is for programs to read: name a file, or lead the output away \
     (> FILE, | PROGRAM)"
)]
struct IsTerminal;

/// A file in the making, for programs to read: no terminal takes it. Nothing of it is seen where it
/// goes before [`Destination::commit`].
#[derive(Debug)]
pub struct Destination {
    made: Made,
}

#[derive(Debug)]
enum Made {
    /// Beside what it replaces.
    Beside(NamedTempFile, PathBuf),
    /// Elsewhere, to be copied.
    Apart(File, Target),
}

impl Destination {
    /// Begins a file that is to end up at `path`; `-` is standard output.
    ///
    /// # Errors
    /// As [`refuse_terminal`]; else what the kernel says.
    pub fn create(path: &Path) -> io::Result<Self> {
        let target = refused_terminal(path)?;
        let Target::Replaceable(file) = target else {
            return Self::apart(target);
        };
        let made = tempfile::Builder::new()
            .prefix(".flugs-")
            .tempfile_in(directory_of(&file));
        match made {
            Ok(made) => Ok(Self {
                made: Made::Beside(made, file),
            }),
            Err(error) if is_shut(&error) && file.is_file() => Self::apart(Target::Kept(file)),
            Err(error) => Err(error),
        }
    }

    fn apart(target: Target) -> io::Result<Self> {
        let made = Made::Apart(tempfile::tempfile()?, target);
        Ok(Self { made })
    }

    /// What is to be filled.
    pub fn file(&self) -> &File {
        match &self.made {
            Made::Beside(made, _) => made.as_file(),
            Made::Apart(made, _) => made,
        }
    }

    /// Puts it where it goes. A file that is new there, or replaced, has these
    /// permissions.
    pub fn commit(self, permissions: u32) -> io::Result<()> {
        match self.made {
            Made::Beside(made, file) => {
                made.as_file()
                    .set_permissions(Permissions::from_mode(permissions))?;
                match made.persist(&file) {
                    Ok(_) => Ok(()),
                    Err(failed) if is_shut(&failed.error) && file.is_file() => {
                        copy(failed.file.as_file(), &Target::Kept(file), permissions)
                    }
                    Err(failed) => Err(failed.error),
                }
            }
            Made::Apart(made, target) => copy(&made, &target, permissions),
        }
    }
}

/// Refuses, before there is anything to write, a path that leads to a terminal.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for a terminal; what the kernel says of a path that cannot be
/// followed.
pub fn refuse_terminal(path: &Path) -> io::Result<()> {
    refused_terminal(path).map(drop)
}

fn refused_terminal(path: &Path) -> io::Result<Target> {
    let target = Target::of(path)?;
    if target.is_terminal() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, IsTerminal));
    }
    Ok(target)
}

/// Whether whatever has this name can be replaced as it is: a file, also one with other names, or
/// nothing. A link, a device, a pipe and a mount's place have to be written to.
pub fn is_plain(path: &Path) -> bool {
    if path == Path::new("-") {
        return false;
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) => found.is_file() && !mount::is_mounted_on(path),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Writes a document that is at hand whole. A file that is new at `path`, or replaced, has this mode;
/// one that stays is closed to others, if the mode is its owner's alone.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    match Target::of(path)? {
        Target::Replaceable(file) => {
            let destination = Destination::create(&file)?;
            destination.file().write_all(bytes)?;
            destination.commit(mode)
        }
        // Nothing of it could be lacking: no copy is needed first.
        target => {
            close(&target, mode)?;
            target.open()?.write_all(bytes)
        }
    }
}

/// Takes a file that stays from everybody but its owner, if what comes into it is that private.
fn close(target: &Target, mode: u32) -> io::Result<()> {
    let Target::Kept(file) = target else {
        return Ok(());
    };
    let before = std::fs::metadata(file)?.permissions().mode();
    if mode & OTHERS != 0 || before & OTHERS == 0 {
        return Ok(());
    }
    std::fs::set_permissions(file, Permissions::from_mode(before & !OTHERS))
}

/// Whether what goes to `path` goes to standard output, which then has no room for other words.
pub fn is_standard_output(path: &Path) -> bool {
    matches!(Target::of(path), Ok(Target::Stream(Stream::StandardOutput)))
}

/// Whether a directory, and not the file in it, is why a file cannot be replaced: it takes no
/// new names, or something is mounted on this one.
pub fn is_shut(error: &io::Error) -> bool {
    use io::ErrorKind::{
        CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy, Unsupported,
    };
    matches!(
        error.kind(),
        CrossesDevices | PermissionDenied | ReadOnlyFilesystem | ResourceBusy | Unsupported
    )
}

fn copy(mut made: &File, target: &Target, permissions: u32) -> io::Result<()> {
    made.rewind()?;
    close(target, permissions)?;
    io::copy(&mut made, &mut target.open()?).map(drop)
}

fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Both ways of writing.
    fn write_twice(path: &Path) {
        write(path, b"first", 0o644).unwrap();
        let destination = Destination::create(path).unwrap();
        destination.file().write_all(b"second").unwrap();
        destination.commit(0o600).unwrap();
    }

    #[test]
    fn a_regular_file_is_replaced_in_one_step_and_gets_the_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        write(&path, b"old", 0o644).unwrap();
        let before = fs::metadata(&path).unwrap().ino();
        let destination = Destination::create(&path).unwrap();
        destination.file().write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        destination.commit(0o600).unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_ne!(after.ino(), before);
        assert_eq!(after.mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        drop(Destination::create(&path).unwrap());
        assert_eq!(names(directory.path()), ["x"]);
    }

    #[test]
    fn a_symbolic_link_stays_one_and_what_it_leads_to_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("below")).unwrap();
        symlink("below/file", at("direct")).unwrap();
        symlink("direct", at("chain")).unwrap();
        write_twice(&at("chain"));
        assert!(at("chain").is_symlink() && at("direct").is_symlink());
        assert_eq!(fs::read_to_string(at("below/file")).unwrap(), "second");
        assert_eq!(names(&at("below")), ["file"]);
        symlink("loop", at("loop")).unwrap();
        assert!(write(&at("loop"), b"", 0o644).is_err());
    }

    #[test]
    fn a_file_with_a_second_name_keeps_both() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("one"), "something longer").unwrap();
        fs::hard_link(at("one"), at("other")).unwrap();
        write_twice(&at("one"));
        assert_eq!(fs::read_to_string(at("other")).unwrap(), "second");
    }

    #[test]
    fn a_device_and_a_pipe_are_written_to() {
        write_twice(Path::new("/dev/null"));
        assert!(
            fs::metadata("/dev/null")
                .unwrap()
                .file_type()
                .is_char_device()
        );
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // Both ends at once: nobody waits for the other.
        let mut options = fs::OpenOptions::new();
        let mut reader = options.read(true).write(true).open(&path).unwrap();
        write_twice(&path);
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
        let mut read = [0; 11];
        io::Read::read_exact(&mut reader, &mut read).unwrap();
        assert_eq!(&read, b"firstsecond");
    }

    #[test]
    fn what_cannot_be_written_to_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let error = write(directory.path(), b"", 0o644).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        let error = write(Path::new("/nowhere/at/all"), b"", 0o644).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = write(Path::new("/dev/full"), b"x", 0o644).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn what_is_private_closes_a_file_that_has_to_stay_to_others() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let mode = |name: &str| fs::metadata(at(name)).unwrap().mode() & 0o777;
        for name in ["written", "committed"] {
            fs::write(at(name), "old").unwrap();
            fs::set_permissions(at(name), Permissions::from_mode(0o664)).unwrap();
            fs::hard_link(at(name), at(&format!("{name}-too"))).unwrap();
        }
        write(&at("written"), b"public", 0o644).unwrap();
        assert_eq!(mode("written"), 0o664);
        write(&at("written"), b"secret", 0o600).unwrap();
        assert_eq!(mode("written-too"), 0o600);
        let destination = Destination::create(&at("committed")).unwrap();
        destination.commit(0o600).unwrap();
        assert_eq!(mode("committed-too"), 0o600);
    }

    #[test]
    fn a_terminal_takes_text_and_nothing_that_is_for_programs() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let name = nix::unistd::ttyname(&pty.slave).unwrap();
        write(&name, b"text\n", 0o644).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        symlink(&name, &link).unwrap();
        for path in [&name, &link] {
            let refused = [Destination::create(path).map(drop), refuse_terminal(path)];
            for refused in refused {
                let error = refused.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                assert!(error.to_string().contains("> FILE"), "{error}");
            }
        }
        refuse_terminal(Path::new("/dev/null")).unwrap();
        refuse_terminal(directory.path().join("new").as_path()).unwrap();
    }

    #[test]
    fn a_file_is_replaced_as_it_is_and_what_is_none_has_to_be_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        assert!(is_plain(&at("new")));
        fs::write(at("file"), "").unwrap();
        fs::hard_link(at("file"), at("other")).unwrap();
        symlink("file", at("link")).unwrap();
        assert!(is_plain(&at("file")));
        for path in [at("link"), "/dev/null".into(), "/proc".into(), "-".into()] {
            assert!(!is_plain(&path), "{}", path.display());
        }
    }

    #[test]
    fn a_dash_and_the_names_of_the_streams_are_the_streams() {
        for path in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            assert!(is_standard_output(Path::new(path)), "{path}");
        }
        assert!(!is_standard_output(Path::new("./-")));
        let stderr = Target::of(Path::new("/dev/stderr")).unwrap();
        assert_eq!(stderr, Target::Stream(Stream::StandardError));
    }
}
