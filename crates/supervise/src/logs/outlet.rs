//! Writing to one of the supervisor's own streams without ever waiting for its reader.
//!
//! The streams are shared with whoever started the supervisor, so their flags are left alone:
//! a pipe is opened anew for a non-blocking description of its own; where that is not allowed,
//! a write follows a poll and is no larger than what a pipe with room is bound to take.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{SFlag, fstat};

use super::super::sys;

/// A pipe that polls as writable takes at least this much (`PIPE_BUF`) without blocking.
const SURE: usize = 4096;

/// What a stream leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Somebody who may stop reading.
    Pipe,
    /// The same, over a socket.
    Socket,
    /// A regular file.
    File,
    /// A terminal, `/dev/null`, or another device.
    Device,
}

/// What the stream with this number leads to.
pub(super) fn kind(stream: BorrowedFd<'_>) -> Kind {
    let Ok(found) = fstat(stream) else {
        return Kind::Device;
    };
    match SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFIFO => Kind::Pipe,
        SFlag::S_IFSOCK => Kind::Socket,
        SFlag::S_IFREG => Kind::File,
        _ => Kind::Device,
    }
}

/// See the module's text.
#[derive(Debug)]
pub(super) enum Outlet {
    /// A description of our own, non-blocking; or a file, where writing does not wait.
    Own(File),
    /// A socket shared with others.
    Socket(OwnedFd),
    /// A pipe or device shared with others.
    Shared(File),
    /// The reader is gone, or there never was one.
    Closed,
}

impl Outlet {
    /// The outlet to standard stream `number` (1 or 2).
    pub(super) fn standard(number: i32) -> Self {
        let Some(stream) = sys::standard(number) else {
            return Self::Closed;
        };
        let Ok(copy) = stream.try_clone_to_owned() else {
            return Self::Closed;
        };
        match kind(stream) {
            Kind::Socket => Self::Socket(copy),
            Kind::File => Self::Own(File::from(copy)),
            Kind::Device => Self::Shared(File::from(copy)),
            Kind::Pipe => match reopen(&copy) {
                Ok(own) => Self::Own(own),
                Err(_) => Self::Shared(File::from(copy)),
            },
        }
    }

    /// Writes what fits right now; 0 if nothing does.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Own(file) => file.write(bytes),
            Self::Socket(socket) => send(
                socket.as_raw_fd(),
                bytes,
                MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
            )
            .map_err(io::Error::from),
            Self::Shared(file) => {
                if !is_writable(file.as_fd()) {
                    return Ok(0);
                }
                file.write(bytes.get(..SURE).unwrap_or(bytes))
            }
            Self::Closed => Err(io::Error::from(io::ErrorKind::BrokenPipe)),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            other => other,
        }
    }

    /// What to poll for room.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Own(file) | Self::Shared(file) => Some(file.as_fd()),
            Self::Socket(socket) => Some(socket.as_fd()),
            Self::Closed => None,
        }
    }
}

fn reopen(pipe: &OwnedFd) -> io::Result<File> {
    File::options()
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(format!("/proc/self/fd/{}", pipe.as_raw_fd()))
}

fn is_writable(fd: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::new(fd, PollFlags::POLLOUT)];
    match poll(&mut polled, PollTimeout::ZERO) {
        Ok(count) => count > 0,
        Err(Errno::EINTR) => false,
        Err(_) => true, // Let the write tell.
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn fill(outlet: &mut Outlet) -> usize {
        let mut total = 0;
        loop {
            match outlet.try_write(&[b'x'; 10_000]).unwrap() {
                0 => return total,
                count => total += count,
            }
        }
    }

    #[test]
    fn a_full_pipe_takes_nothing_and_blocks_nobody_reopened_or_shared() {
        for reopened in [true, false] {
            let (mut reader, writer) = io::pipe().unwrap();
            let writer = OwnedFd::from(writer);
            let mut outlet = if reopened {
                Outlet::Own(reopen(&writer).unwrap())
            } else {
                Outlet::Shared(File::from(writer))
            };
            let total = fill(&mut outlet);
            assert!(total >= SURE, "{total}");
            let mut room = vec![0; total];
            reader.read_exact(&mut room).unwrap();
            assert!(outlet.try_write(b"more").unwrap() > 0);
            drop(reader);
            let error = outlet.try_write(b"x").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
    }

    #[test]
    fn a_full_socket_takes_nothing_and_blocks_nobody() {
        let (_reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut outlet = Outlet::Socket(writer.into());
        assert!(fill(&mut outlet) > 0);
    }

    #[test]
    fn the_kinds_of_streams_are_told_apart() {
        let (reader, _writer) = io::pipe().unwrap();
        assert_eq!(kind(reader.as_fd()), Kind::Pipe);
        assert_eq!(kind(tempfile::tempfile().unwrap().as_fd()), Kind::File);
        let null = File::open("/dev/null").unwrap();
        assert_eq!(kind(null.as_fd()), Kind::Device);
    }
}
