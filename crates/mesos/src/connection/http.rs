//! One HTTP connection to a master.
//!
//! Owns addresses, TCP, TLS and requests on it. Never knows what a call means, and never opens a
//! second connection by itself.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use nix::sys::socket::{setsockopt, sockopt};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::disconnect::Disconnect;
use super::endpoint::Endpoint;
use flugs_net::HostResolver;

/// The header that ties calls to their stream.
pub(super) const STREAM_ID: HeaderName = HeaderName::from_static("mesos-stream-id");

/// What is read of an answer that is not a stream.
const MOST_WORDS: usize = 4096;

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// How connections are made.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) resolver: HostResolver,
    pub(super) tls: Option<TlsConnector>,
    pub(super) limit: Duration,
    /// What every request carries.
    pub(super) headers: HeaderMap,
}

/// A connection, until it is dropped.
pub(super) struct Http {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    headers: HeaderMap,
}

impl Drop for Http {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Dialer {
    pub(super) async fn dial(&self, endpoint: &Endpoint) -> Result<Http, Disconnect> {
        let unreachable = |reason: String| Disconnect::Unreachable {
            master: endpoint.to_string(),
            reason,
        };
        let dialing = async {
            let socket = self.connect(endpoint).await?;
            let io = TokioIo::new(socket);
            handshake(io).await.map_err(|error| error.to_string())
        };
        let dialed = tokio::time::timeout(self.limit, dialing).await;
        let (sender, connection) = dialed
            .map_err(|_| unreachable(format!("no connection within {:?}", self.limit)))?
            .map_err(unreachable)?;
        let mut headers = self.headers.clone();
        let host = HeaderValue::try_from(endpoint.master.to_string());
        let host = host.map_err(|error| unreachable(error.to_string()))?;
        headers.insert(hyper::header::HOST, host);
        Ok(Http {
            sender,
            headers,
            driver: tokio::spawn(async move {
                // How it ended is told to whoever uses it.
                let _ = connection.await;
            }),
        })
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<Box<dyn Socket>, String> {
        let found = self.resolver.lookup(&endpoint.master).await;
        let addresses = match (found, endpoint.address) {
            (Ok(addresses), _) => addresses,
            (Err(_), Some(known)) => vec![SocketAddr::new(known, endpoint.master.port)],
            (Err(reason), None) => return Err(reason),
        };
        let socket = connect_any(&addresses, self.limit).await?;
        if !endpoint.tls {
            return Ok(Box::new(socket));
        }
        let Some(tls) = &self.tls else {
            return Err("it speaks TLS, which is not set up".to_owned());
        };
        let name = ServerName::try_from(endpoint.master.host.clone());
        let name = name.map_err(|error| error.to_string())?;
        let secured = tls.connect(name, socket).await;
        Ok(Box::new(secured.map_err(|error| error.to_string())?))
    }
}

/// The first of the addresses that answers; each has its share of the time.
async fn connect_any(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, String> {
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut last = "no address".to_owned();
    for address in addresses {
        let connected = timeout_at(Instant::now() + share, TcpStream::connect(address)).await;
        match connected {
            Ok(Ok(socket)) => {
                keep_alive(&socket);
                return Ok(socket);
            }
            Ok(Err(error)) => last = format!("{address}: {error}"),
            Err(_) => last = format!("{address}: no answer within {share:?}"),
        }
    }
    Err(last)
}

/// Has the kernel notice a peer that is gone without a word, long before heartbeats are missed.
fn keep_alive(socket: &TcpStream) {
    // A kernel that refuses leaves it to the heartbeats.
    let _ = socket.set_nodelay(true);
    let _ = setsockopt(socket, sockopt::KeepAlive, &true);
    let _ = setsockopt(socket, sockopt::TcpKeepIdle, &10);
    let _ = setsockopt(socket, sockopt::TcpKeepInterval, &5);
    let _ = setsockopt(socket, sockopt::TcpKeepCount, &3);
    let _ = setsockopt(socket, sockopt::TcpUserTimeout, &25_000);
}

impl Http {
    /// Whether the peer has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<Response<Incoming>, hyper::Error> {
        self.send(Method::GET, path, Bytes::new(), None).await
    }

    /// Posts a call; with the id of its stream, if it has one.
    pub(super) async fn post(
        &mut self,
        path: &str,
        body: Bytes,
        stream: Option<&HeaderValue>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        self.send(Method::POST, path, body, stream).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        stream: Option<&HeaderValue>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        self.sender.ready().await?;
        let is_post = method == Method::POST;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        if let Ok(uri) = path.parse() {
            *request.uri_mut() = uri;
        }
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        let json = HeaderValue::from_static("application/json");
        headers.insert(hyper::header::ACCEPT, json.clone());
        if is_post {
            // The master compares it byte by byte.
            headers.insert(hyper::header::CONTENT_TYPE, json);
        }
        if let Some(stream) = stream {
            headers.insert(STREAM_ID, stream.clone());
        }
        self.sender.send_request(request).await
    }
}

/// The beginning of an answer's text.
pub(super) async fn words(response: Response<Incoming>) -> Result<Vec<u8>, hyper::Error> {
    let mut body = response.into_body();
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data()
            && text.len() < MOST_WORDS
        {
            text.extend_from_slice(&data);
        }
    }
    text.truncate(MOST_WORDS);
    Ok(text)
}
