//! From the launch to the supervisor: signals are held from the launch's first moment, and the
//! launch ends in re-executing this program, so that the memory of fetching and rendering is gone
//! and the process id, the signal mask and every pending signal are kept.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use nix::fcntl::{FcntlArg, FdFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{execv, getppid};
use serde::{Deserialize, Serialize};

use super::Signal;
use super::error::SuperviseError;
use super::supervision::Supervision;
use super::sys::{self, SignalSet};

/// The parent at the program's start, by the first who asked.
static PARENT: OnceLock<i32> = OnceLock::new();

/// What the launch wants held for as long as the supervisor lives.
static HELD: OnceLock<Vec<OwnedFd>> = OnceLock::new();

/// Signals are blocked from here on; none is lost, and none has its default effect.
///
/// Must be the program's first act, before any thread is started: threads inherit the mask.
pub fn hold_signals() -> Result<HeldSignals, SuperviseError> {
    let failed = |call| move |error| SuperviseError::Signals { call, error };
    parent_at_start();
    sys::block(every_held()).map_err(failed("rt_sigprocmask"))?;
    let stops = SignalSet::of([Signal::TERM, Signal::INT]);
    let fd = sys::signal_fd(stops).map_err(failed("signalfd4"))?;
    Ok(HeldSignals { fd })
}

/// Ends what [`hold_signals`] began, for a command that handles signals itself: those that came
/// meanwhile are delivered now. Its handlers must be in place.
pub fn release_signals() -> Result<(), SuperviseError> {
    let call = "rt_sigprocmask";
    sys::unblock(every_held()).map_err(|error| SuperviseError::Signals { call, error })
}

/// Every forwarded signal, and SIGCHLD.
pub(super) fn every_held() -> SignalSet {
    SignalSet::of(Signal::forwarded().chain([Signal::CHLD]))
}

/// The process that started this program.
pub(super) fn parent_at_start() -> i32 {
    *PARENT.get_or_init(|| getppid().as_raw())
}

/// Signals that wait until there is a program to pass them to.
///
/// The descriptor is readable while a request to stop (SIGTERM, SIGINT) waits. It must never be
/// read: the request has to stay pending for the supervisor.
#[derive(Debug)]
pub struct HeldSignals {
    fd: OwnedFd,
}

impl HeldSignals {
    /// The signal that asks to stop, if one has come. Takes nothing away.
    pub fn stop_requested(&self) -> Option<Signal> {
        let pending = sys::pending().ok()?;
        [Signal::TERM, Signal::INT]
            .into_iter()
            .find(|signal| pending.contains(*signal))
    }
}

impl AsRawFd for HeldSignals {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for HeldSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What the re-executed program reads.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Handover {
    parent: i32,
    held: Vec<RawFd>,
    supervision: Supervision,
}

/// Replaces this process by one that does nothing but supervise. Returns only on failure.
///
/// The document travels in a sealed memory file, so that secrets in the environment part are
/// neither in an argument nor on disk.
///
/// `held` stays open until the supervisor ends, and the program does not inherit it: a lock that
/// was taken through it lasts exactly as long.
pub fn exec_into(supervision: &Supervision, held: &[OwnedFd]) -> SuperviseError {
    match try_exec(supervision, held) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn try_exec(
    supervision: &Supervision,
    held: &[OwnedFd],
) -> Result<std::convert::Infallible, SuperviseError> {
    let failed = |step| move |error: io::Error| SuperviseError::Handover { step, error };
    let handover = Handover {
        parent: parent_at_start(),
        held: held.iter().map(AsRawFd::as_raw_fd).collect(),
        supervision: supervision.clone(),
    };
    let document = serde_json::to_vec(&handover)
        .map_err(io::Error::other)
        .map_err(failed("serialising"))?;
    let fd = sealed(&document).map_err(failed("memfd_create"))?;
    for held in held {
        keep_across_exec(held, true).map_err(failed("fcntl(F_SETFD)"))?;
    }
    hold_signals()?;
    let arguments = ["flugs", "supervise", "--document-fd"]
        .into_iter()
        .map(str::to_owned)
        .chain([sys::number_of(&fd).to_string()])
        .filter_map(|argument| CString::new(argument).ok())
        .collect::<Vec<_>>();
    // Not through `Command::exec`, which empties the signal mask.
    execv(c"/proc/self/exe", &arguments)
        .map_err(io::Error::from)
        .map_err(failed("execve /proc/self/exe"))
}

fn keep_across_exec(fd: &OwnedFd, keep: bool) -> io::Result<()> {
    let flags = if keep {
        FdFlag::empty()
    } else {
        FdFlag::FD_CLOEXEC
    };
    fcntl(fd, FcntlArg::F_SETFD(flags))?;
    Ok(())
}

/// A memory file with these bytes that nobody can change, and that survives exec.
fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = memfd_create(c"flugs-supervision", MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    file.rewind()?;
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file.into())
}

/// Reads what [`exec_into`] wrote, and closes it: the program must not see it.
pub fn receive_document(descriptor: i32) -> Result<Supervision, SuperviseError> {
    let refuse = |reason: String| SuperviseError::Document { descriptor, reason };
    let fd = sys::adopt(descriptor).map_err(|error| refuse(error.to_string()))?;
    let seals = fcntl(&fd, FcntlArg::F_GET_SEALS).unwrap_or(0);
    if seals & SealFlag::F_SEAL_WRITE.bits() == 0 {
        // Not ours, so not ours to close either.
        std::mem::forget(fd);
        return Err(refuse("it is not a sealed memory file".to_owned()));
    }
    let mut text = Vec::new();
    File::from(fd)
        .read_to_end(&mut text)
        .map_err(|error| refuse(error.to_string()))?;
    let handover: Handover =
        serde_json::from_slice(&text).map_err(|error| refuse(error.to_string()))?;
    let held = handover.held.into_iter().map(|number| {
        let fd = sys::adopt(number)?;
        keep_across_exec(&fd, false)?;
        Ok(fd)
    });
    let held = held
        .collect::<io::Result<Vec<_>>>()
        .map_err(|error| refuse(format!("a descriptor that was to be held: {error}")))?;
    // Executed by way of /proc, it would be called "exe".
    let _ = nix::sys::prctl::set_name(c"flugs");
    HELD.get_or_init(|| held);
    PARENT.get_or_init(|| handover.parent);
    Ok(handover.supervision)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::IntoRawFd as _;

    #[test]
    fn the_document_is_read_back_and_its_descriptor_closed() {
        let handover = Handover {
            parent: parent_at_start(),
            held: Vec::new(),
            supervision: Supervision::of("/bin/true"),
        };
        let fd = sealed(&serde_json::to_vec(&handover).unwrap()).unwrap();
        let number = fd.into_raw_fd();
        assert_eq!(receive_document(number).unwrap(), handover.supervision);
    }

    #[test]
    fn the_memory_file_cannot_be_changed() {
        let mut file = File::from(sealed(b"{}").unwrap());
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(0).is_err());
    }

    #[test]
    fn a_descriptor_that_is_not_open_or_not_sealed_is_refused() {
        assert!(receive_document(987).is_err());
        let file = tempfile::tempfile().unwrap();
        let error = receive_document(file.as_raw_fd()).unwrap_err();
        assert!(error.to_string().contains("sealed"), "{error}");
        file.metadata().unwrap();
    }
}
