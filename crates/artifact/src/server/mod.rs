//! The artifact server: HTTP/1.1, GET and HEAD of objects by their digest, and PUT of a launch's
//! exit report.
//!
//! Owns its connections and who may have what. It has its own connection loop, because the one
//! thing that decides its speed, `sendfile(2)`, is closed to HTTP libraries; in return it speaks
//! no more HTTP than a fetcher needs, and refuses the rest. Never writes to the store.

mod answer;
mod bounds;
mod conditional;
mod connection;
mod metrics;
mod range;
mod request;
mod target;
mod tls;
mod transport;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::socket::{Backlog, listen};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

pub use bounds::ConnectionBounds;
pub use metrics::Metrics;
pub use tls::{TlsError, TlsIdentity};

use super::fetch::Fingerprint;
use super::{Store, Token};
use bounds::{Admission, Place, Register};
use connection::Connection;
use flugs_base::{ExitCode, Failure, Sha256Digest};
use metrics::add;
use transport::Transport;

/// How a server behaves.
#[derive(Clone, Default)]
pub struct ServerOptions {
    /// Who shows this may have everything; `None` lets everybody.
    pub token: Option<Token>,
    /// The URL under which others reach the server, where it is not the bound address.
    pub advertised: Option<Url>,
    /// Serve TLS with this identity.
    pub tls: Option<TlsIdentity>,
    /// Serve secret objects without TLS. Somebody who names this knows why.
    pub secrets_in_the_clear: bool,
    /// Time and size limits.
    pub limits: Limits,
    /// How many connections there may be.
    pub bounds: ConnectionBounds,
    /// Told of every request that was answered.
    pub access_log: Option<AccessLog>,
    /// Takes the exit reports that launches hand in; `None`: nobody does.
    pub exit_reports: Option<ExitReports>,
}

/// Takes the bytes of a task's exit report, of which nothing is known but who may have sent them.
pub type ExitReports = Arc<dyn Fn(&str, &[u8]) -> Intake + Send + Sync>;

/// What becomes of something that is handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intake {
    /// It is taken.
    Taken,
    /// It is not what it should be; why.
    Malformed(String),
    /// It may be taken later.
    Busy,
}

/// Receives one record a request.
pub type AccessLog = Arc<dyn Fn(&AccessRecord) + Send + Sync>;

/// Time and size limits of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A request head may have this many bytes.
    pub head_bytes: usize,
    /// A head must be whole this long after its first byte; so must a TLS handshake.
    pub head_timeout: Duration,
    /// A connection may wait this long between requests.
    pub idle_timeout: Duration,
    /// A client must take some bytes within this time.
    pub stall_timeout: Duration,
    /// A client must take this many bytes a second, over each `stall_timeout`.
    pub min_bytes_per_second: u64,
    /// How long requests at work may go on once the server is to stop.
    pub drain: Duration,
}

/// One answered request. Holds no secret: tokens are never part of it, capabilities are redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRecord {
    /// Who asked.
    pub peer: SocketAddr,
    /// `GET`, `HEAD`, `PUT` or `other`.
    pub method: &'static str,
    /// What for; printable, with capability and query redacted.
    pub target: String,
    /// The status code.
    pub status: u16,
    /// Bytes of the body that were sent.
    pub bytes: u64,
    /// From the whole head to the last byte.
    pub elapsed: Duration,
    /// Whether the whole reply was sent.
    pub complete: bool,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be bound.
    #[error("the artifact server cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The listening socket cannot be used.
    #[error("the artifact server cannot accept connections")]
    Accept {
        /// What the kernel said.
        source: io::Error,
    },
}

/// An artifact server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    store: Store,
    options: ServerOptions,
    metrics: Arc<Metrics>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 16 << 10,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(20),
            min_bytes_per_second: 1024,
            drain: Duration::from_secs(30),
        }
    }
}

impl Default for ConnectionBounds {
    fn default() -> Self {
        Self {
            total: 8192,
            per_address: 1024,
        }
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServerOptions")
            .field("token", &self.token)
            .field("advertised", &self.advertised.as_ref().map(Url::as_str))
            .field("tls", &self.tls)
            .field("limits", &self.limits)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

impl Failure for ServerError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                ExitCode::PortInUse
            }
            Self::Bind { .. } => ExitCode::Configuration,
            Self::Accept { .. } => ExitCode::InputOutput,
        }
    }
}

/// Names the objects of one server.
#[derive(Debug, Clone)]
pub struct ObjectUrls {
    base: String,
    pin: Option<Fingerprint>,
}

impl ObjectUrls {
    /// The URL of an object: the same before and after a restart. Where the certificate is a
    /// generated or a pinned one, its fingerprint travels in the fragment, which no client ever
    /// sends.
    pub fn of(&self, digest: &Sha256Digest) -> String {
        self.pinned(format!("{}/sha256/{digest}", self.base))
    }

    /// The URL of an object that is itself the permission to have that object, and no other: for
    /// those who are not to have the token. As good as a password for the object.
    pub fn granting(&self, digest: &Sha256Digest, token: &Token) -> String {
        self.pinned(self.granting_unpinned(digest, token))
    }

    /// The same for a client that is not flugs, to which a fingerprint means nothing.
    pub fn granting_unpinned(&self, digest: &Sha256Digest, token: &Token) -> String {
        format!(
            "{}/c/{}/sha256/{digest}",
            self.base,
            token.capability(digest)
        )
    }

    /// The URL at which a task's launcher hands in its exit report: the permission to do so, and
    /// for no other task.
    pub fn exit_report(&self, task: &str, token: &Token) -> String {
        let capability = token.report_capability(task);
        self.pinned(format!("{}/c/{capability}/exit-report/{task}", self.base))
    }

    fn pinned(&self, url: String) -> String {
        match self.pin {
            Some(pin) => format!("{url}#{}{pin}", super::fetch::PIN_PREFIX),
            None => url,
        }
    }
}

impl Server {
    /// Listens on `address`. Connections wait until [`Server::serve`] runs.
    pub fn bind(
        address: SocketAddr,
        store: Store,
        options: ServerOptions,
    ) -> Result<Self, ServerError> {
        let bound = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            // The standard library's backlog is too short for a cluster that starts at once.
            listen(&listener, Backlog::MAXCONN)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) =
            bound().map_err(|source| ServerError::Bind { address, source })?;
        let shared = Arc::new(Shared {
            store,
            options,
            metrics: Arc::default(),
        });
        Ok(Self {
            listener,
            address,
            shared,
        })
    }

    /// The bound address, with the port that the kernel chose for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The counters.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.shared.metrics)
    }

    /// The URL of an object (see [`ObjectUrls::of`]).
    pub fn url_of(&self, digest: &Sha256Digest) -> String {
        self.urls().of(digest)
    }

    /// What the URLs of this server's objects are made of, for use while it serves.
    pub fn urls(&self) -> ObjectUrls {
        let options = &self.shared.options;
        ObjectUrls {
            base: self.base_url(),
            pin: options.tls.as_ref().and_then(TlsIdentity::pin).copied(),
        }
    }

    fn base_url(&self) -> String {
        if let Some(advertised) = &self.shared.options.advertised {
            return advertised.as_str().trim_end_matches('/').to_owned();
        }
        let reachable = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let scheme = match self.shared.options.tls {
            Some(_) => "https",
            None => "http",
        };
        let address = SocketAddr::new(reachable, self.address.port());
        format!("{scheme}://{address}")
    }

    /// Serves until `shutdown` is ready, then lets requests at work finish within the drain time.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        let listener = tokio::net::TcpListener::from_std(self.listener)
            .map_err(|source| ServerError::Accept { source })?;
        let register = Register::new(self.shared.options.bounds);
        let (drain, draining) = watch::channel(false);
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let shared = Arc::clone(&self.shared);
                    let register = Arc::clone(&register);
                    connections.spawn(accept(stream, peer, shared, register, draining.clone()));
                }
                // Out of descriptors or memory: those that are open will free some.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        drop(listener);
        drain.send_replace(true);
        let finished = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(self.shared.options.limits.drain, finished).await;
        connections.shutdown().await;
        Ok(())
    }
}

async fn accept(
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    register: Arc<Register>,
    draining: watch::Receiver<bool>,
) {
    let metrics = Arc::clone(&shared.metrics);
    add(&metrics.connections, 1);
    // Heads are written whole, so waiting to fill a segment only delays them.
    let _ = stream.set_nodelay(true);
    match register.admit(peer.ip(), Instant::now()) {
        Admission::Refused => {
            add(&metrics.refused_connections, 1);
            refuse(stream, &shared).await;
        }
        Admission::Admitted { place, evicted } => {
            add(&metrics.evicted_idle, u64::from(evicted));
            add(&metrics.open_connections, 1);
            converse(stream, peer, place, shared, draining).await;
            metrics
                .open_connections
                .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    shared: Arc<Shared>,
    draining: watch::Receiver<bool>,
) {
    let transport = match &shared.options.tls {
        None => Transport::Plain(stream),
        Some(identity) => {
            let shaken = identity.acceptor().accept(stream);
            let limit = shared.options.limits.head_timeout;
            match tokio::time::timeout(limit, shaken).await {
                Ok(Ok(stream)) => Transport::over_tls(stream),
                _ => return add(&shared.metrics.handshake_failures, 1),
            }
        }
    };
    let connection = Connection {
        transport,
        peer,
        place,
        shared,
        draining,
    };
    connection.serve().await;
}

/// Says why, where that is possible without a handshake, and hangs up.
async fn refuse(stream: TcpStream, shared: &Shared) {
    if shared.options.tls.is_none() {
        let head = answer::too_many().head(false, std::time::SystemTime::now());
        let _ = stream.try_write(head.as_bytes());
        let closing = Transport::Plain(stream).close();
        let _ = tokio::time::timeout(Duration::from_secs(1), closing).await;
    }
}

/// What a `Range` header asks of so many bytes: the first one and how many; for fuzzing.
#[doc(hidden)]
pub fn probe_range(header: &[u8], size: u64) -> Option<(u64, u64)> {
    match range::parse(header, size) {
        range::Asked::Part(span) => Some((span.start, span.length)),
        range::Asked::Ignored | range::Asked::Unsatisfiable => None,
    }
}

/// The length of the request head at the front of these bytes, and its target as the access log
/// shows it; for fuzzing.
#[doc(hidden)]
pub fn probe_request(bytes: &[u8]) -> Option<(usize, String)> {
    match request::parse(bytes, Limits::default().head_bytes) {
        request::Head::Complete(request, length) => {
            Some((length, target::redacted(&request.target)))
        }
        request::Head::Incomplete | request::Head::Refused(_) => None,
    }
}
