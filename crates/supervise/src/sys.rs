//! The system calls that no safe wrapper covers: raw signal masks (real-time signals and the two
//! that glibc hides included), `signalfd`, `waitpid`, `kill` by number, `pidfd_open`, capability
//! sets, code mappings, and what a child does between fork and exec.
//!
//! The only module of the crate with `unsafe`. Each function does one call and decides nothing.
#![expect(unsafe_code, reason = "the one module for raw system calls")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use super::Signal;
use super::end::Ended;

/// A set of signals as the kernel keeps it: bit n-1 for signal n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SignalSet(u64);

impl SignalSet {
    pub(super) fn of(signals: impl IntoIterator<Item = Signal>) -> Self {
        let bit = |signal: Signal| 1_u64 << (signal.number() - 1);
        Self(signals.into_iter().map(bit).fold(0, |set, bit| set | bit))
    }

    pub(super) const fn contains(self, signal: Signal) -> bool {
        self.0 & (1_u64 << (signal.number() - 1)) != 0
    }
}

/// The size of the kernel's signal set, which these calls ask for.
const SET_SIZE: usize = size_of::<u64>();

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// An id or descriptor out of a system call's result.
fn narrow(value: libc::c_long) -> io::Result<i32> {
    i32::try_from(value).map_err(io::Error::other)
}

/// Adds to the calling thread's blocked signals.
pub(super) fn block(set: SignalSet) -> io::Result<()> {
    mask(libc::SIG_BLOCK, set.0)
}

/// Unblocks signals of the calling thread; those that wait are delivered at once.
pub(super) fn unblock(set: SignalSet) -> io::Result<()> {
    mask(libc::SIG_UNBLOCK, set.0)
}

/// Changes the calling thread's blocked signals.
fn mask(how: i32, set: u64) -> io::Result<()> {
    // SAFETY: the kernel reads SET_SIZE bytes from a live u64 and writes nothing back.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            how,
            &raw const set,
            std::ptr::null_mut::<u64>(),
            SET_SIZE,
        )
    };
    check(result).map(drop)
}

/// A descriptor that is readable while one of `set` is pending; non-blocking, closed on exec.
pub(super) fn signal_fd(set: SignalSet) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads SET_SIZE bytes from a live u64.
    let result = unsafe {
        libc::syscall(
            libc::SYS_signalfd4,
            -1,
            &raw const set.0,
            SET_SIZE,
            libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
        )
    };
    own(narrow(check(result)?)?)
}

/// The signals that are blocked and wait for this process.
pub(super) fn pending() -> io::Result<SignalSet> {
    let mut set = 0_u64;
    // SAFETY: the kernel writes SET_SIZE bytes into a live u64.
    let result = unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut set, SET_SIZE) };
    check(result).map(|_| SignalSet(set))
}

/// Gives `signal` its default action: an ignored SIGCHLD, inherited, would lose exit codes.
pub(super) fn reset_disposition(signal: Signal) -> io::Result<()> {
    // SAFETY: SIG_DFL installs no handler of ours.
    let previous = unsafe { libc::signal(i32::from(signal.number()), libc::SIG_DFL) };
    if previous == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// What one call of `waitpid(-1, WNOHANG | WUNTRACED)` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaped {
    /// A child ended.
    Ended {
        /// Its process id.
        pid: i32,
        /// How it ended.
        how: Ended,
    },
    /// A child was stopped, and is still there.
    Stopped {
        /// Its process id.
        pid: i32,
        /// By which signal.
        by: Signal,
    },
    /// Children remain, and none has ended.
    NoneReady,
    /// There are no children.
    NoChildren,
}

/// Reaps one child, whoever started it, if one has ended; or tells of one that was stopped.
pub(super) fn reap() -> io::Result<Reaped> {
    loop {
        let mut status = 0;
        // SAFETY: the pointer is to a live value of the type that the call writes.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
        if pid < 0 {
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::ECHILD) => return Ok(Reaped::NoChildren),
                Some(libc::EINTR) => continue,
                _ => return Err(error),
            }
        }
        if pid == 0 {
            return Ok(Reaped::NoneReady);
        }
        if let Some(by) = stopped_by(status) {
            return Ok(Reaped::Stopped { pid, by });
        }
        let Some(how) = how_ended(status) else {
            continue;
        };
        return Ok(Reaped::Ended { pid, how });
    }
}

fn stopped_by(status: i32) -> Option<Signal> {
    if !libc::WIFSTOPPED(status) {
        return None;
    }
    Signal::from_number(u8::try_from(libc::WSTOPSIG(status)).ok()?)
}

fn how_ended(status: i32) -> Option<Ended> {
    if libc::WIFEXITED(status) {
        let code = libc::WEXITSTATUS(status);
        return Some(Ended::Exited(u8::try_from(code).unwrap_or(u8::MAX)));
    }
    if !libc::WIFSIGNALED(status) {
        return None;
    }
    let signal = u8::try_from(libc::WTERMSIG(status)).ok();
    Some(Ended::Signaled {
        signal: signal.and_then(Signal::from_number)?,
        core: libc::WCOREDUMP(status),
    })
}

/// Sends a signal: to a process, a group (negative), or everyone (`-1`).
pub(super) fn kill(target: i32, signal: Signal) -> io::Result<()> {
    // SAFETY: no memory is involved.
    let result = unsafe { libc::kill(target, i32::from(signal.number())) };
    check(result.into()).map(drop)
}

/// A descriptor that becomes readable when the process ends; closed on exec.
pub(super) fn open_pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is involved.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    own(narrow(check(result)?)?)
}

fn own(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the kernel has just handed out this descriptor; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Takes over a descriptor that was inherited by number, if it is open.
pub(super) fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD involves no memory.
    check(unsafe { libc::fcntl(fd, libc::F_GETFD) }.into())?;
    // SAFETY: the descriptor is open, and the caller was told its number as its owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// One of the three standard streams, if it is open.
pub(super) fn standard(fd: RawFd) -> Option<BorrowedFd<'static>> {
    // SAFETY: F_GETFD involves no memory.
    check(unsafe { libc::fcntl(fd, libc::F_GETFD) }.into()).ok()?;
    // SAFETY: the descriptor is open, and this program never closes 0, 1 and 2.
    Some(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Empties the capability bounding set. A process that may not (no `CAP_SETPCAP`) has nothing
/// in its other sets that could come back without it.
pub(super) fn drop_bounding_set() -> io::Result<()> {
    for capability in 0..64 {
        // SAFETY: no memory is involved.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        match check(result.into()) {
            Ok(_) => {}
            // Past the last capability that this kernel knows.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Empties the effective, permitted, inheritable and ambient capability sets.
pub(super) fn drop_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    // Two triples (effective, permitted, inheritable) of 32 capabilities each.
    let nothing = [0_u32; 6];
    // SAFETY: the kernel reads the header and the six words that version 3 has.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, nothing.as_ptr()) };
    check(result)?;
    // SAFETY: no memory is involved.
    let result = unsafe {
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        )
    };
    check(result.into()).map(drop)
}

/// What a child does to itself between fork and exec. The library has put it into its own
/// process group by then, and given SIGPIPE its default action.
#[derive(Debug, Clone, Copy)]
pub(super) struct BeforeExec {
    /// The supervisor: if it is not the parent any more, the child ends at once.
    pub(super) supervisor: i32,
    /// Take the terminal of standard input, which is the supervisor's.
    pub(super) takes_terminal: bool,
}

/// Has `command` do `steps` between fork and exec.
///
/// The parent-death signal is tied to the parent's *thread*; the supervisor has one only, and
/// forks from it. A parent that died before the call took effect is noticed by `getppid`.
pub(super) fn before_exec(command: &mut Command, steps: BeforeExec) {
    let run = move || {
        // SAFETY: no memory is involved.
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) }.into())?;
        // SAFETY: no memory is involved.
        if unsafe { libc::getppid() } != steps.supervisor {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        if steps.takes_terminal {
            take_terminal()?;
        }
        mask(libc::SIG_SETMASK, 0)
    };
    // SAFETY: the closure makes system calls only; it neither allocates nor locks.
    unsafe { command.pre_exec(run) };
}

/// Makes the caller's process group the foreground one of standard input's terminal. A caller in
/// the background would be stopped for that, so SIGTTOU is held for the moment.
fn take_terminal() -> io::Result<()> {
    let stopped_by = 1 << (libc::SIGTTOU - 1);
    mask(libc::SIG_BLOCK, stopped_by)?;
    // SAFETY: no memory is involved.
    let own = unsafe { libc::getpgrp() };
    // SAFETY: no memory is involved.
    let result = unsafe { libc::tcsetpgrp(0, own) };
    mask(libc::SIG_UNBLOCK, stopped_by)?;
    match check(result.into()) {
        Err(error) if error.raw_os_error() != Some(libc::ENOTTY) => Err(error),
        _ => Ok(()),
    }
}

/// Lets go of resident pages of a read-only mapping of a file; they are read again when touched.
pub(super) fn forget_file_pages(start: usize, end: usize) {
    let address = std::ptr::with_exposed_provenance_mut::<libc::c_void>(start);
    // SAFETY: the caller names whole mappings of this program's own file that nothing can have
    // written to, so their pages are the file's, whose content does not change while it runs.
    let result = unsafe { libc::madvise(address, end.saturating_sub(start), libc::MADV_DONTNEED) };
    // A kernel that refuses leaves them resident, which is merely larger.
    let _ = check(result.into());
}

/// Maps the first page of a file as code, privately, as a loader maps a library's, and lets go of
/// it at once: an error where the file system or a security module does not allow that. The file
/// has to be open for reading.
///
/// # Errors
/// What the kernel says: `EPERM` on a file system without execution, `EACCES` from a security module.
pub fn map_as_code(file: BorrowedFd<'_>) -> io::Result<()> {
    const PAGE: usize = 4096;
    // SAFETY: a new private mapping, at an address that the kernel chooses, touches no memory of
    // this program.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            PAGE,
            libc::PROT_READ | libc::PROT_EXEC,
            libc::MAP_PRIVATE,
            file.as_raw_fd(),
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping was made just now, and nobody else knows of it.
    check(unsafe { libc::munmap(address, PAGE) }.into()).map(drop)
}

/// Waits for one of the blocked signals of `set`, at most as long as `timeout`.
///
/// The same as polling and reading a [`signal_fd`], in one call instead of two.
pub(super) fn wait_for_signal(
    set: SignalSet,
    timeout: Option<Duration>,
    own_pid: i32,
) -> io::Result<Option<Received>> {
    let timeout = timeout.map(|span| libc::timespec {
        tv_sec: libc::time_t::try_from(span.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: span.subsec_nanos().into(),
    });
    let timeout = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    let mut record = [0_u8; size_of::<libc::siginfo_t>()];
    // SAFETY: the kernel reads SET_SIZE bytes from a live u64 and a timespec that is live or
    // null, and writes a siginfo_t's bytes into a buffer of that size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigtimedwait,
            &raw const set.0,
            record.as_mut_ptr(),
            timeout,
            SET_SIZE,
        )
    };
    match check(result) {
        Ok(_) => Ok(decode(&record, SENDER_IN_SIGINFO, own_pid)),
        // The time is over, or the process was stopped and goes on.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// One signal as the kernel reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Received {
    /// Which.
    pub(super) signal: Signal,
    /// Whether this very process caused it, as by writing to a closed pipe.
    pub(super) from_self: bool,
    /// Whether the kernel sent it, as a terminal's driver does for Ctrl-C.
    pub(super) from_kernel: bool,
}

/// `sizeof(struct signalfd_siginfo)`.
const RECORD: usize = 128;

/// Takes every waiting signal from a [`signal_fd`]. `buffer` is scratch space.
pub(super) fn receive(fd: &OwnedFd, own_pid: i32) -> io::Result<Vec<Received>> {
    let mut received = Vec::new();
    let mut buffer = [0_u8; RECORD * 16];
    loop {
        let length = match nix::unistd::read(fd, &mut buffer) {
            Ok(length) => length,
            Err(nix::errno::Errno::EAGAIN) => return Ok(received),
            Err(nix::errno::Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let records = buffer.get(..length).unwrap_or_default();
        for record in records.chunks_exact(RECORD) {
            received.extend(decode(record, SENDER_IN_RECORD, own_pid));
        }
        if length < buffer.len() {
            return Ok(received);
        }
    }
}

/// Where the sender's process id is in `struct signalfd_siginfo`, and in `siginfo_t` (where the
/// union of what signals carry is aligned to a pointer).
const SENDER_IN_RECORD: usize = 12;
const SENDER_IN_SIGINFO: usize = 16;

/// Both structures have the signal's number at 0 and its code at 8.
fn decode(record: &[u8], sender_at: usize, own_pid: i32) -> Option<Received> {
    let word = |at: usize| -> Option<[u8; 4]> { record.get(at..at + 4)?.try_into().ok() };
    let number = u8::try_from(u32::from_ne_bytes(word(0)?)).ok()?;
    let code = i32::from_ne_bytes(word(8)?);
    let sender = i32::from_ne_bytes(word(sender_at)?);
    Some(Received {
        signal: Signal::from_number(number)?,
        from_self: code == libc::SI_USER && sender == own_pid,
        from_kernel: code == libc::SI_KERNEL,
    })
}

/// Whether `fd` refers to a terminal.
pub(super) fn is_terminal(fd: RawFd) -> bool {
    standard(fd).is_some_and(|fd| nix::unistd::isatty(fd).unwrap_or(false))
}

/// The number of an open descriptor, for a process that will be told of it.
pub(super) fn number_of(fd: &OwnedFd) -> RawFd {
    fd.as_raw_fd()
}
