//! A master of the tests: it answers what it is told to answer, byte by byte.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use flugs_net::HostPort;

/// What happens to a connection after a request.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Bytes(Vec<u8>),
    Wait(Duration),
    Hang,
    Close,
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) connection: usize,
    head: String,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
}

type Answer = Arc<dyn Fn(&Asked) -> Vec<Step> + Send + Sync>;

struct State {
    posts: Vec<Asked>,
    /// Answers to the next posts, before the usual one; the last pushed first.
    first: Vec<Vec<Step>>,
    usual: Answer,
    version: String,
    /// Whether not even `/version` is answered.
    mute: bool,
}

#[derive(Clone)]
pub(super) struct Rogue {
    at: HostPort,
    state: Arc<Mutex<State>>,
    posted: watch::Receiver<usize>,
    idle: watch::Sender<usize>,
    streams: watch::Sender<usize>,
}

/// An answer with a body of known length.
pub(super) fn head(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut lines = String::new();
    for (name, value) in headers {
        lines.extend([name, ": ", value, "\r\n"]);
    }
    let length = body.len();
    format!("HTTP/1.1 {status} Words\r\n{lines}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// The head of a stream.
pub(super) fn open(stream: &str) -> Vec<u8> {
    let fixed = "Transfer-Encoding: chunked\r\nContent-Type: application/json";
    format!("HTTP/1.1 200 OK\r\n{fixed}\r\nMesos-Stream-Id: {stream}\r\n\r\n").into_bytes()
}

pub(super) fn chunked(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

/// An event as a record.
pub(super) fn event(event: &Value) -> Vec<u8> {
    let text = event.to_string();
    format!("{}\n{text}", text.len()).into_bytes()
}

pub(super) fn subscribed(interval: f64) -> Vec<u8> {
    event(&serde_json::json!({"type": "SUBSCRIBED", "subscribed": {
        "framework_id": {"value": "f"}, "heartbeat_interval_seconds": interval,
    }}))
}

impl Rogue {
    /// Answers every POST so, and `/version` as a master does.
    pub(super) async fn start(
        answer: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Arc::new(answer), None).await
    }

    /// Answers everything so.
    pub(super) async fn start_all(
        answer: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let rogue = Self::start(answer).await;
        rogue.state.lock().unwrap().mute = true;
        rogue
    }

    /// Answers every POST with these bytes, and leaves the connection open.
    pub(super) async fn answering(bytes: &[u8]) -> Self {
        let rogue = Self::late().await;
        rogue.now(bytes);
        rogue
    }

    /// What it answers is said later.
    pub(super) async fn late() -> Self {
        Self::start(|_| vec![Step::Hang]).await
    }

    pub(super) fn now(&self, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        let steps = move |_: &Asked| answer(&bytes);
        self.state.lock().unwrap().usual = Arc::new(steps);
    }

    /// Takes subscriptions and calls.
    pub(super) async fn subscribing() -> Self {
        Self::listen(Arc::new(usual), None).await
    }

    /// The same over TLS.
    pub(super) async fn secured(config: rustls::ServerConfig) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::listen(Arc::new(usual), Some(acceptor)).await
    }

    async fn listen(usual: Answer, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (posted, watched) = watch::channel(0);
        let idle = watch::channel(0).0;
        let streams = watch::channel(0).0;
        let rogue = Self {
            at: HostPort {
                host: address.ip().to_string(),
                port: address.port(),
            },
            state: Arc::new(Mutex::new(State {
                posts: Vec::new(),
                first: Vec::new(),
                usual,
                version: "1.12.0".into(),
                mute: false,
            })),
            posted: watched,
            idle,
            streams,
        };
        let server = Server {
            state: Arc::clone(&rogue.state),
            posted: Arc::new(posted),
            idle: rogue.idle.subscribe(),
            streams: rogue.streams.subscribe(),
        };
        tokio::spawn(async move {
            for number in 0.. {
                let (socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                let (server, tls) = (server.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => server.serve(number, socket).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                server.serve(number, socket).await;
                            }
                        }
                    }
                });
            }
        });
        rogue
    }

    pub(super) fn at(&self) -> HostPort {
        self.at.clone()
    }

    /// The next POST is answered with these bytes; with none, the connection is closed.
    pub(super) fn first(&self, bytes: &[u8]) {
        self.state.lock().unwrap().first.push(answer(bytes));
    }

    pub(super) fn hang_next(&self) {
        self.first_steps(vec![Step::Hang]);
    }

    pub(super) fn first_steps(&self, steps: Vec<Step>) {
        self.state.lock().unwrap().first.push(steps);
    }

    /// Ends everything that hangs, streams above all.
    pub(super) fn hang_up(&self) {
        self.streams.send_modify(|count| *count += 1);
    }

    pub(super) fn version(&self, version: &str) {
        version.clone_into(&mut self.state.lock().unwrap().version);
    }

    /// Closes the connections on which nothing is under way.
    pub(super) async fn close_idle(&self) {
        self.idle.send_modify(|count| *count += 1);
        // Until the peer has noticed.
        sleep(Duration::from_millis(50)).await;
    }

    /// All POSTs so far, at least so many.
    pub(super) async fn posts(&self, least: usize) -> Vec<Asked> {
        let mut posted = self.posted.clone();
        let enough = posted.wait_for(|count| *count >= least);
        timeout(Duration::from_secs(10), enough)
            .await
            .expect("too few calls")
            .unwrap();
        self.state.lock().unwrap().posts.clone()
    }
}

fn answer(bytes: &[u8]) -> Vec<Step> {
    match bytes {
        [] => vec![Step::Close],
        bytes => vec![Step::Bytes(bytes.to_vec())],
    }
}

/// As a master answers.
fn usual(asked: &Asked) -> Vec<Step> {
    if asked.body.contains("\"SUBSCRIBE\"") {
        let bytes = [open("s"), chunked(&subscribed(15.0))].concat();
        return vec![Step::Bytes(bytes), Step::Hang];
    }
    vec![Step::Bytes(head(202, &[], ""))]
}

#[derive(Clone)]
struct Server {
    state: Arc<Mutex<State>>,
    posted: Arc<watch::Sender<usize>>,
    idle: watch::Receiver<usize>,
    streams: watch::Receiver<usize>,
}

impl Server {
    async fn serve(mut self, number: usize, mut socket: impl AsyncRead + AsyncWrite + Unpin) {
        self.idle.mark_unchanged();
        self.streams.mark_unchanged();
        loop {
            let asked = tokio::select! {
                asked = read(number, &mut socket) => asked,
                _ = self.idle.changed() => return,
            };
            let Some(asked) = asked else {
                return;
            };
            let steps = self.decide(&asked);
            for step in steps {
                match step {
                    Step::Bytes(bytes) => {
                        if socket.write_all(&bytes).await.is_err() || socket.flush().await.is_err()
                        {
                            return;
                        }
                        tokio::task::yield_now().await;
                    }
                    Step::Wait(time) => sleep(time).await,
                    Step::Hang => {
                        let _ = self.streams.changed().await;
                        return;
                    }
                    Step::Close => return,
                }
            }
        }
    }

    fn decide(&self, asked: &Asked) -> Vec<Step> {
        let mut state = self.state.lock().unwrap();
        if asked.head.starts_with("GET /version ") && !state.mute {
            let version = serde_json::json!({"version": state.version});
            return answer(&head(200, &[], &version.to_string()));
        }
        state.posts.push(asked.clone());
        let count = state.posts.len();
        let steps = state.first.pop();
        let usual = Arc::clone(&state.usual);
        drop(state);
        self.posted.send_replace(count);
        steps.unwrap_or_else(|| usual(asked))
    }
}

async fn read(connection: usize, socket: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
            let mut body = bytes.split_off(at + 4);
            let mut asked = Asked {
                connection,
                head,
                body: String::new(),
            };
            let length = asked
                .header("content-length")
                .map_or(0, |length| length.parse().unwrap());
            while body.len() < length {
                if socket.read_buf(&mut body).await.ok()? == 0 {
                    return None;
                }
            }
            asked.body = String::from_utf8(body).unwrap();
            return Some(asked);
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
