//! The supervisor's own `/healthz` and `/readyz`, on a Unix socket or a loopback port: enough
//! HTTP for `curl`, for an engine's health check and for `flugs health`.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::super::clock::Moment;
use super::super::error::SuperviseError;
use super::super::supervision::StatusAddress;
use flugs_base::{ExitCode, Failure};

/// At most so many questions at a time; others wait in the kernel.
const CLIENTS: usize = 8;

/// A question that takes longer than this to put is not answered.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest request that is read.
const REQUEST: usize = 4096;

/// How the program and its supervisor are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Condition {
    /// What is supervised.
    pub(in super::super) name: String,
    /// The program runs, is not being ended, and has not failed its health check.
    pub(in super::super) healthy: bool,
    /// It is healthy, and its latest health check passed.
    pub(in super::super) ready: bool,
    /// The program's process id, while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) pid: Option<i32>,
    /// How often it was started again.
    pub(in super::super) restarts: u32,
    /// What the latest failed check said, if it was the latest.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(in super::super) complaint: String,
}

/// What the poll loop watches on behalf of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Watch {
    /// A new question to the listener at this place.
    Listener(usize),
    /// The client at this place has something to say.
    Client(usize),
}

/// See the module's text.
#[derive(Debug)]
pub(in super::super) struct StatusServer {
    listeners: Vec<Listener>,
    /// The socket's file, which goes with the server.
    file: Option<PathBuf>,
    clients: Vec<Client>,
}

#[derive(Debug)]
enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

#[derive(Debug)]
struct Client {
    stream: Stream,
    request: Vec<u8>,
    deadline: Moment,
}

impl StatusServer {
    /// Listens at an address, and with `inside` for those who ask in this container, whom no
    /// address has to be told. `None`: nowhere.
    pub(in super::super) fn open(
        address: Option<&StatusAddress>,
        inside: Option<UnixListener>,
    ) -> Result<Option<Self>, SuperviseError> {
        let named = address.map(|address| {
            Listener::open(address).map_err(|error| SuperviseError::Status {
                address: address.to_string(),
                error,
            })
        });
        let named = named.transpose()?;
        let listeners: Vec<Listener> = named
            .into_iter()
            .chain(inside.map(Listener::Unix))
            .collect();
        let file = match address {
            Some(StatusAddress::Socket(path)) => Some(path.clone()),
            Some(StatusAddress::Port(_)) | None => None,
        };
        let clients = Vec::new();
        Ok((!listeners.is_empty()).then_some(Self {
            listeners,
            file,
            clients,
        }))
    }

    /// What to poll for input.
    pub(in super::super) fn watches(&self) -> impl Iterator<Item = (Watch, BorrowedFd<'_>)> {
        let has_room = self.clients.len() < CLIENTS;
        let listeners = self.listeners.iter().enumerate().filter(move |_| has_room);
        let listeners = listeners.map(|(at, one)| (Watch::Listener(at), one.descriptor()));
        let clients = self.clients.iter().enumerate();
        let clients = clients.map(|(at, client)| (Watch::Client(at), client.stream.descriptor()));
        // Clients first: answering one moves the others' places.
        clients.rev().chain(listeners)
    }

    /// When [`StatusServer::tick`] is due.
    pub(in super::super) fn deadline(&self) -> Option<Moment> {
        self.clients.iter().map(|client| client.deadline).min()
    }

    pub(in super::super) fn tick(&mut self, now: Moment) {
        self.clients.retain(|client| now < client.deadline);
    }

    /// One of [`StatusServer::watches`] is ready.
    pub(in super::super) fn ready(&mut self, watch: Watch, condition: &Condition, now: Moment) {
        match watch {
            Watch::Listener(at) => {
                let accepted = self.listeners.get(at).map(Listener::accept);
                if let Some(Ok(stream)) = accepted {
                    self.clients.push(Client {
                        stream,
                        request: Vec::new(),
                        deadline: now + PATIENCE,
                    });
                }
            }
            Watch::Client(at) => {
                let Some(client) = self.clients.get_mut(at) else {
                    return;
                };
                if client.read(condition) {
                    self.clients.swap_remove(at);
                }
            }
        }
    }
}

impl Drop for StatusServer {
    fn drop(&mut self) {
        if let Some(path) = &self.file {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Listener {
    fn open(address: &StatusAddress) -> io::Result<Self> {
        let listener = match address {
            StatusAddress::Socket(path) => {
                remove_stale(path)?;
                let listener = UnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                Self::Unix(listener)
            }
            StatusAddress::Port(port) => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, *port))?;
                listener.set_nonblocking(true)?;
                Self::Tcp(listener)
            }
        };
        Ok(listener)
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }

    fn accept(&self) -> io::Result<Stream> {
        let stream = match self {
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Stream::Unix(stream)
            }
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Stream::Tcp(stream)
            }
        };
        Ok(stream)
    }
}

/// A socket that a killed supervisor left is removed; one that somebody answers on is in use.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            if UnixStream::connect(path).is_ok() {
                return Err(io::Error::from(io::ErrorKind::AddrInUse));
            }
            std::fs::remove_file(path)
        }
        _ => Ok(()),
    }
}

impl Stream {
    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }

    fn as_io(&mut self) -> &mut dyn ReadWrite {
        match self {
            Self::Unix(stream) => stream,
            Self::Tcp(stream) => stream,
        }
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

impl Client {
    /// Reads on, and answers when the question is complete. True: this client is done.
    fn read(&mut self, condition: &Condition) -> bool {
        let mut buffer = [0_u8; 1024];
        match self.stream.as_io().read(&mut buffer) {
            Ok(0) => return true,
            Ok(length) => self
                .request
                .extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
        let complete = self.request.windows(4).any(|end| end == b"\r\n\r\n");
        if !complete && self.request.len() < REQUEST {
            return false;
        }
        let answer = answer(&self.request, condition);
        let _ = self.stream.as_io().write_all(answer.as_bytes());
        true
    }
}

/// The answer to a request: a function of the two.
fn answer(request: &[u8], condition: &Condition) -> String {
    let text = String::from_utf8_lossy(request);
    let mut words = text.split([' ', '\r', '\n']);
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let path = target.split('?').next().unwrap_or_default();
    let (status, body) = match (method, path) {
        ("GET" | "HEAD", "/healthz") => (verdict(condition.healthy), json(condition)),
        ("GET" | "HEAD", "/readyz") => (verdict(condition.ready), json(condition)),
        ("GET" | "HEAD", _) => ("404 Not Found", String::new()),
        _ => ("405 Method Not Allowed", String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if method == "HEAD" { head } else { head + &body }
}

const fn verdict(good: bool) -> &'static str {
    if good {
        "200 OK"
    } else {
        "503 Service Unavailable"
    }
}

fn json(condition: &Condition) -> String {
    // Strings and numbers always serialise.
    let mut text = serde_json::to_string(condition).unwrap_or_default();
    text.push('\n');
    text
}

/// Why a supervisor's own answer is not good.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// It cannot be asked.
    #[error("cannot ask the supervisor at {address}: {error}; is it running?")]
    Unreachable {
        /// Where.
        address: StatusAddress,
        /// What the kernel said.
        error: io::Error,
    },
    /// It was found, and says nothing.
    #[error("process {pid} supervises this container's command and does not answer: {error}")]
    Silent {
        /// Which.
        pid: i32,
        /// What the kernel said.
        error: io::Error,
    },
    /// It has not started what it is to supervise.
    #[error("not ready: process {pid} is still being launched (it fetches and renders)")]
    Launching {
        /// Which.
        pid: i32,
    },
    /// It says no.
    #[error("not well: {answer}")]
    No {
        /// What it said.
        answer: String,
    },
}

impl Failure for StatusError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Unhealthy
    }
}

/// Asks a supervisor at its status address for `path` and gives its answer's body if it is good.
pub fn ask_status(
    address: &StatusAddress,
    path: &str,
    timeout: Duration,
) -> Result<String, StatusError> {
    let unreachable = |error| StatusError::Unreachable {
        address: address.clone(),
        error,
    };
    let answer = ask(address, path, timeout).map_err(unreachable)?;
    verdict_of(&answer)
}

/// The body of a whole answer that is good.
pub(super) fn verdict_of(answer: &str) -> Result<String, StatusError> {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body = body.trim_end().to_owned();
    if answer.starts_with("HTTP/1.1 200 ") {
        return Ok(body);
    }
    Err(StatusError::No { answer: body })
}

/// Whether a supervisor answers at an address.
pub fn is_asked_at(address: &StatusAddress) -> bool {
    let answer = ask_status(address, "/healthz", Duration::from_secs(1));
    matches!(answer, Ok(_) | Err(StatusError::No { .. }))
}

/// What is sent to ask for `path`.
pub(super) fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

fn ask(address: &StatusAddress, path: &str, timeout: Duration) -> io::Result<String> {
    let request = request(path);
    let mut answer = String::new();
    match address {
        StatusAddress::Socket(socket) => {
            let mut stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(timeout))?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut answer)?;
        }
        StatusAddress::Port(port) => {
            let target = (Ipv4Addr::LOCALHOST, *port).into();
            let mut stream = TcpStream::connect_timeout(&target, timeout)?;
            stream.set_read_timeout(Some(timeout))?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut answer)?;
        }
    }
    Ok(answer)
}

impl fmt::Display for StatusAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(formatter, "{}", path.display()),
            Self::Port(port) => write!(formatter, "127.0.0.1:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn condition(healthy: bool, ready: bool) -> Condition {
        Condition {
            name: "tm".to_owned(),
            healthy,
            ready,
            pid: Some(7),
            restarts: 0,
            complaint: String::new(),
        }
    }

    fn status(request: &str, healthy: bool, ready: bool) -> String {
        let answer = answer(request.as_bytes(), &condition(healthy, ready));
        answer.split(' ').nth(1).unwrap().to_owned()
    }

    #[test]
    fn healthz_and_readyz_answer_200_or_503() {
        for (path, healthy, ready, expected) in [
            ("/healthz", true, false, "200"),
            ("/healthz", false, false, "503"),
            ("/readyz", true, false, "503"),
            ("/readyz?verbose", true, true, "200"),
        ] {
            let request = format!("GET {path} HTTP/1.1\r\n\r\n");
            assert_eq!(status(&request, healthy, ready), expected, "{path}");
        }
    }

    #[test]
    fn other_paths_and_methods_are_refused_and_head_has_no_body() {
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n", true, true), "404");
        assert_eq!(status("POST /healthz HTTP/1.1\r\n\r\n", true, true), "405");
        assert_eq!(status("", true, true), "405");
        let head = answer(b"HEAD /healthz HTTP/1.1\r\n\r\n", &condition(true, true));
        assert!(head.ends_with("\r\n\r\n"), "{head}");
    }

    #[test]
    fn the_body_says_how_it_is() {
        insta::assert_snapshot!(json(&condition(true, false)), @r#"{"name":"tm","healthy":true,"ready":false,"pid":7,"restarts":0}"#);
    }

    #[test]
    fn a_socket_left_by_a_killed_supervisor_is_replaced_and_one_in_use_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        let address = StatusAddress::Socket(path.clone());
        let server = StatusServer::open(Some(&address), None).unwrap();
        let error = StatusServer::open(Some(&address), None).unwrap_err();
        assert!(error.to_string().contains("in use"), "{error}");
        drop(server);
        assert!(!path.exists());
    }

    #[test]
    fn a_client_that_says_nothing_is_let_go_and_does_not_keep_others_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let address = StatusAddress::Socket(path.clone());
        let mut server = StatusServer::open(Some(&address), None).unwrap().unwrap();
        let silent: Vec<UnixStream> = (0..CLIENTS)
            .map(|_| UnixStream::connect(&path).unwrap())
            .collect();
        let at = |seconds| Moment::at(Duration::from_secs(seconds));
        for _ in &silent {
            server.ready(Watch::Listener(0), &condition(true, true), at(0));
        }
        assert!(
            server
                .watches()
                .all(|(watch, _)| watch != Watch::Listener(0))
        );
        assert_eq!(server.deadline(), Some(at(5)));
        server.tick(at(5));
        assert_eq!(server.watches().count(), 1);
    }

    proptest! {
        #[test]
        fn any_request_is_answered(request in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(answer(&request, &condition(true, true)).starts_with("HTTP/1.1 "));
        }
    }
}
