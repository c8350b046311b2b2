//! One check of the program's health, as far as it has come: connect, send, read the status line.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, getsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;

use super::super::clock::{Clock as _, KernelClock, Moment};
use super::super::supervision::HealthCheck;
use flugs_base::{ExitCode, Failure};

/// `HTTP/1.1 200`: all that is needed of an answer.
const STATUS_LINE: usize = 12;

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// No connection.
    #[error("cannot connect to {address}: {error}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// The connection broke.
    #[error("the connection to {address} broke: {error}")]
    Broken {
        /// Where to.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// The answer was not HTTP.
    #[error("{address} did not answer in HTTP/1: {found:?}")]
    NotHttp {
        /// Who.
        address: SocketAddr,
        /// The answer's beginning.
        found: String,
    },
    /// The answer was a refusal.
    #[error("{address}{path} answered {status}; 200 to 399 is expected")]
    Status {
        /// Who.
        address: SocketAddr,
        /// What was asked for.
        path: String,
        /// The status.
        status: u16,
    },
    /// Nothing came in time.
    #[error("{address} did not answer within {} s", timeout.as_secs_f64())]
    Timeout {
        /// Who.
        address: SocketAddr,
        /// The time it was given.
        timeout: Duration,
    },
    /// The process is stopped or gone.
    #[error("process {pid} is {state}")]
    NotRunning {
        /// Which.
        pid: i32,
        /// How it is instead.
        state: &'static str,
    },
}

impl Failure for CheckError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Unhealthy
    }
}

/// A check that waits for its peer.
#[derive(Debug)]
pub(in super::super) struct Probe {
    address: SocketAddr,
    /// What to ask for; `None`: a connection is enough.
    path: Option<String>,
    stream: TcpStream,
    stage: Stage,
    deadline: Moment,
    answer: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Reading,
}

/// How far a check has come.
#[derive(Debug)]
pub(in super::super) enum Progress {
    Waiting(Probe),
    Done(Result<(), CheckError>),
}

impl Probe {
    /// Begins a check over the network.
    pub(in super::super) fn begin(check: &HealthCheck, deadline: Moment) -> Progress {
        let (address, path) = match check {
            HealthCheck::Http { address, path } => (*address, Some(path.clone())),
            HealthCheck::Tcp { address } => (*address, None),
            HealthCheck::Alive => return Progress::Done(Ok(())),
        };
        match connecting(address) {
            Ok(stream) => Progress::Waiting(Self {
                address,
                path,
                stream,
                stage: Stage::Connecting,
                deadline,
                answer: Vec::new(),
            }),
            Err(errno) => Progress::Done(Err(CheckError::Connect {
                address,
                error: errno.into(),
            })),
        }
    }

    pub(in super::super) const fn deadline(&self) -> Moment {
        self.deadline
    }

    /// What to poll.
    pub(in super::super) fn watch(&self) -> (BorrowedFd<'_>, PollFlags) {
        let flags = match self.stage {
            Stage::Connecting => PollFlags::POLLOUT,
            Stage::Reading => PollFlags::POLLIN,
        };
        (self.stream.as_fd(), flags)
    }

    /// Goes on after a poll.
    pub(in super::super) fn advance(mut self) -> Progress {
        match self.try_advance() {
            Ok(false) => Progress::Waiting(self),
            Ok(true) => Progress::Done(Ok(())),
            Err(error) => Progress::Done(Err(error)),
        }
    }

    /// True when the check has passed.
    fn try_advance(&mut self) -> Result<bool, CheckError> {
        match self.stage {
            Stage::Connecting => self.connected(),
            Stage::Reading => self.read(),
        }
    }

    fn connected(&mut self) -> Result<bool, CheckError> {
        let address = self.address;
        let error = getsockopt(&self.stream, sockopt::SocketError).unwrap_or(0);
        if error != 0 {
            return Err(CheckError::Connect {
                address,
                error: io::Error::from_raw_os_error(error),
            });
        }
        let Some(path) = &self.path else {
            return Ok(true);
        };
        // A fresh connection has room for so little.
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: flugs\r\nConnection: close\r\n\r\n"
        );
        let sent = self.stream.write_all(request.as_bytes());
        sent.map_err(|error| CheckError::Broken { address, error })?;
        self.stage = Stage::Reading;
        Ok(false)
    }

    fn read(&mut self) -> Result<bool, CheckError> {
        let mut buffer = [0_u8; 256];
        let length = match self.stream.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => {
                return Err(CheckError::Broken {
                    address: self.address,
                    error,
                });
            }
        };
        self.answer
            .extend_from_slice(buffer.get(..length).unwrap_or_default());
        if self.answer.len() < STATUS_LINE && length > 0 {
            return Ok(false);
        }
        let (address, path) = (self.address, self.path.clone().unwrap_or_default());
        match status(&self.answer) {
            Some(200..=399) => Ok(true),
            Some(status) => Err(CheckError::Status {
                address,
                path,
                status,
            }),
            None => Err(CheckError::NotHttp {
                address,
                found: String::from_utf8_lossy(&self.answer)
                    .chars()
                    .take(40)
                    .collect(),
            }),
        }
    }
}

/// The status in `HTTP/1.x NNN …` (RFC 9112, section 4).
fn status(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.")?;
    let digits = rest.get(2..5)?;
    if rest.get(1) != Some(&b' ') || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

pub(in super::super) fn connecting(address: SocketAddr) -> Result<TcpStream, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(family, SockType::Stream, flags, None)?;
    match connect(fd.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(TcpStream::from(fd)),
        Err(errno) => Err(errno),
    }
}

/// Whether the process is there and not stopped.
pub(super) fn is_running(pid: i32) -> Result<(), CheckError> {
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.iter().rposition(|byte| *byte == b')').map(|at| at + 2);
    let state = match after_name.and_then(|at| stat.get(at)) {
        Some(b'T' | b't') => "stopped",
        Some(b'Z' | b'X') => "dead",
        Some(_) => return Ok(()),
        None => "gone",
    };
    Err(CheckError::NotRunning { pid, state })
}

/// Makes one check over the network and waits for its result. For commands, not for the loop.
pub fn check_now(check: &HealthCheck, timeout: Duration) -> Result<(), CheckError> {
    let deadline = KernelClock.now() + timeout;
    let mut progress = Probe::begin(check, deadline);
    loop {
        let probe = match progress {
            Progress::Done(result) => return result,
            Progress::Waiting(probe) => probe,
        };
        let (fd, flags) = probe.watch();
        let left = deadline.since(KernelClock.now());
        let mut polled = [PollFd::new(fd, flags)];
        let ready = ppoll(&mut polled, Some(TimeSpec::from_duration(left)), None);
        if ready == Ok(0) {
            let address = probe.address;
            return Err(CheckError::Timeout { address, timeout });
        }
        progress = match ready {
            Ok(_) => probe.advance(),
            Err(_) => Progress::Waiting(probe),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::TcpListener;

    const SHORT: Duration = Duration::from_millis(300);

    /// Answers one connection and gives what was asked.
    fn serve(answer: &'static [u8]) -> (SocketAddr, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 1024];
            let length = stream.read(&mut buffer).unwrap();
            stream.write_all(answer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        });
        (address, server)
    }

    fn ask(answer: &'static [u8]) -> Result<(), CheckError> {
        let (address, server) = serve(answer);
        let path = "/overview".to_owned();
        let result = check_now(&HealthCheck::Http { address, path }, Duration::from_secs(5));
        let request = server.join().unwrap();
        assert!(
            request.starts_with("GET /overview HTTP/1.1\r\nHost: 127.0.0.1:"),
            "{request}"
        );
        result
    }

    #[test]
    fn success_and_redirection_are_well_and_nothing_else() {
        ask(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        ask(b"HTTP/1.0 302 Found\r\n\r\n").unwrap();
        let error = ask(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("answered 503; 200 to 399 is expected"),
            "{error}"
        );
    }

    #[test]
    fn what_is_not_http_and_what_is_cut_off_is_refused() {
        for answer in [
            &b"SSH-2.0-OpenSSH_9\r\n"[..],
            b"HTTP/1.1",
            b"",
            b"HTTP/2 200 OK....",
        ] {
            assert!(
                matches!(ask(answer), Err(CheckError::NotHttp { .. })),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn a_port_nobody_listens_on_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        check_now(&HealthCheck::Tcp { address }, SHORT).unwrap();
        drop(listener);
        let error = check_now(&HealthCheck::Tcp { address }, SHORT).unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }

    /// A hung JVM: the kernel accepts the connection, and nobody answers.
    #[test]
    fn a_listener_that_never_answers_is_a_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let path = "/".to_owned();
        let error = check_now(&HealthCheck::Http { address, path }, SHORT).unwrap_err();
        assert!(matches!(error, CheckError::Timeout { .. }), "{error}");
    }

    #[test]
    fn this_process_is_running_and_a_missing_one_is_not() {
        is_running(nix::unistd::getpid().as_raw()).unwrap();
        let error = is_running(i32::MAX).unwrap_err();
        assert!(error.to_string().ends_with("is gone"), "{error}");
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(answer in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = status(&answer);
        }

        #[test]
        fn every_status_is_read(code in 100_u16..1000) {
            prop_assert_eq!(status(format!("HTTP/1.1 {code} X").as_bytes()), Some(code));
        }
    }
}
