//! What a path that somebody named leads to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::mount::is_mounted_on;

/// How many symbolic links are followed, as the kernel does.
const MOST_LINKS: usize = 40;

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A regular file, or nothing yet: it can be replaced in one step.
    Replaceable(PathBuf),
    /// A regular file that has to stay the one it is: it has another name, or is a mount's place.
    Kept(PathBuf),
    /// What takes bytes and gives none back.
    Stream(Stream),
}

/// What takes bytes and gives none back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stream {
    /// This process's standard output.
    StandardOutput,
    /// This process's standard error.
    StandardError,
    /// A device, a pipe, or an open file of a process.
    Path(PathBuf),
}

impl Target {
    /// Follows `path` to its end; `-` is standard output.
    pub fn of(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stream(Stream::StandardOutput));
        }
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            if let Some(stream) = open_file(&path) {
                return Ok(Self::Stream(stream));
            }
            let found = match fs::symlink_metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Self::Replaceable(path));
                }
                found => found?,
            };
            if found.is_symlink() {
                let target = fs::read_link(&path)?;
                path = path.parent().unwrap_or(Path::new("")).join(target);
                continue;
            }
            return if found.is_dir() {
                Err(io::ErrorKind::IsADirectory.into())
            } else if !found.is_file() {
                Ok(Self::Stream(Stream::Path(path)))
            } else if found.nlink() > 1 || is_mounted_on(&path) {
                Ok(Self::Kept(path))
            } else {
                Ok(Self::Replaceable(path))
            };
        }
        Err(io::Error::from_raw_os_error(libc::ELOOP))
    }

    /// Opens it to be written as it stands; what was in a file is gone then.
    pub fn open(&self) -> io::Result<File> {
        self.open_with(0)
    }

    /// The same, but waits for nobody who is to read from a pipe: without a reader there is no
    /// pipe, and a full one takes no more.
    pub fn open_at_once(&self) -> io::Result<File> {
        self.open_with(libc::O_NONBLOCK)
    }

    /// Whether it is a terminal. A pipe is not opened to find that out: its reader would notice.
    pub fn is_terminal(&self) -> bool {
        let is_device = |path: &Path| {
            let found = fs::metadata(path);
            found.is_ok_and(|found| found.file_type().is_char_device())
        };
        match self {
            Self::Replaceable(_) | Self::Kept(_) => false,
            Self::Stream(Stream::StandardOutput) => io::stdout().is_terminal(),
            Self::Stream(Stream::StandardError) => io::stderr().is_terminal(),
            Self::Stream(Stream::Path(path)) => {
                is_device(path) && self.open_at_once().is_ok_and(|file| file.is_terminal())
            }
        }
    }

    fn open_with(&self, flags: i32) -> io::Result<File> {
        match self {
            Self::Replaceable(path) | Self::Kept(path) => File::create(path),
            Self::Stream(Stream::StandardOutput) => own(io::stdout().as_fd(), 1, flags),
            Self::Stream(Stream::StandardError) => own(io::stderr().as_fd(), 2, flags),
            // An open file goes on where it is.
            Self::Stream(Stream::Path(path)) => OpenOptions::new()
                .append(true)
                .custom_flags(libc::O_NOCTTY | flags)
                .open(path),
        }
    }
}

/// One of this process's own streams. A pipe that is not to be waited for is opened anew: the flag
/// would count for everybody who has it.
fn own(stream: BorrowedFd<'_>, number: u32, flags: i32) -> io::Result<File> {
    let file = File::from(stream.try_clone_to_owned()?);
    if flags == 0 || !file.metadata()?.file_type().is_fifo() {
        return Ok(file);
    }
    OpenOptions::new()
        .write(true)
        .custom_flags(flags)
        .open(format!("/proc/self/fd/{number}"))
}

/// The open file of a process that `path` names, if it does: `/proc/PID/fd/N`, which
/// `/dev/stdout` and `/dev/fd/N` lead to. To read its link would give a file's name, and lose how
/// far it has been written.
fn open_file(path: &Path) -> Option<Stream> {
    let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
    let directory = path.parent()?.canonicalize().ok()?;
    let mut parts = directory.strip_prefix("/proc").ok()?.iter();
    let process: u32 = parts.next()?.to_str()?.parse().ok()?;
    if parts.next_back()? != "fd" {
        return None;
    }
    Some(match number {
        1 if process == std::process::id() => Stream::StandardOutput,
        2 if process == std::process::id() => Stream::StandardError,
        _ => Stream::Path(path.to_owned()),
    })
}
