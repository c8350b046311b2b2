//! The application master's HTTP interface: a few documents, read-only.
//!
//! Owns who may read them: everybody on the loopback address, elsewhere who shows the token.
//! Never touches the cluster: it asks the loop that does, and passes the answer on.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE,
};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::report::HealthReport;
use flugs_artifact::Token;
use flugs_base::exposition::EXPOSITION_TYPE;
use flugs_supervise as supervise;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// How the cluster is.
    State,
    /// Why nothing is launched.
    Why,
    /// What monitoring systems read.
    Metrics,
    /// Whether the application master runs.
    Health,
    /// Whether its JobManager serves, or it stands by.
    Readiness,
}

impl Topic {
    const ALL: [Self; 5] = [
        Self::State,
        Self::Why,
        Self::Metrics,
        Self::Health,
        Self::Readiness,
    ];

    /// Where it is asked for.
    pub const fn path(self) -> &'static str {
        match self {
            Self::State => "/api/v1/state",
            Self::Why => "/api/v1/why",
            Self::Metrics => "/metrics",
            Self::Health => "/healthz",
            Self::Readiness => "/readyz",
        }
    }

    /// What its document is.
    const fn content_type(self) -> &'static str {
        match self {
            Self::State | Self::Why | Self::Health | Self::Readiness => JSON,
            Self::Metrics => EXPOSITION_TYPE,
        }
    }

    /// The status that a document is given with.
    fn status(self, document: &[u8]) -> StatusCode {
        let is_good = |good: fn(&HealthReport) -> bool| {
            let report = serde_json::from_slice(document);
            report.is_ok_and(|report| good(&report))
        };
        let good = match self {
            Self::State | Self::Why | Self::Metrics => true,
            Self::Health => is_good(|report| report.healthy),
            Self::Readiness => is_good(|report| report.ready),
        };
        if good {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// A question to the loop, and where the answer (the document) goes.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub topic: Topic,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Vec<u8>>,
}

const JSON: &str = "application/json";

/// So many connections at once; those above wait.
const CONNECTIONS: usize = 64;

/// A request's head must be whole within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The loop answers within this time, or not at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// An interface that listens.
#[derive(Debug)]
pub struct Api {
    listener: TcpListener,
    /// Where those ask who are in the same container; they need no token.
    inside: Option<UnixListener>,
    address: SocketAddr,
    token: Option<Token>,
    questions: mpsc::Sender<Question>,
}

impl Api {
    /// Listens. Without a token, everybody who can connect may read. Gives where questions arrive.
    pub fn bind(
        address: SocketAddr,
        token: Option<Token>,
    ) -> std::io::Result<(Self, mpsc::Receiver<Question>)> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let (questions, asked) = mpsc::channel(CONNECTIONS);
        let api = Self {
            address: listener.local_addr()?,
            inside: supervise::listen_in_container(),
            listener,
            token,
            questions,
        };
        Ok((api, asked))
    }

    /// The bound address, with the port that the kernel chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is dropped.
    pub async fn serve(self) {
        let Ok(listener) = tokio::net::TcpListener::from_std(self.listener) else {
            return;
        };
        let inside = self.inside.map(tokio::net::UnixListener::from_std);
        let door = |token| Door {
            token,
            questions: self.questions.clone(),
        };
        let own = Arc::new(door(None));
        let everybodys = Arc::new(door(self.token));
        let inside = async {
            if let Some(Ok(inside)) = inside {
                attend(own, Entrance::Inside(inside)).await;
            }
        };
        tokio::join!(attend(everybodys, Entrance::Network(listener)), inside);
    }
}

/// Where those come in who ask.
enum Entrance {
    Network(tokio::net::TcpListener),
    Inside(tokio::net::UnixListener),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Entrance {
    async fn accept(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Network(listener) => Box::new(listener.accept().await?.0),
            Self::Inside(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

/// Answers everybody who comes in.
async fn attend(door: Arc<Door>, entrance: Entrance) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok(stream) = entrance.accept().await else {
            // Out of descriptors: those that are open will free some.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let door = Arc::clone(&door);
        tokio::spawn(async move {
            let service = service_fn(|request| door.reply(request));
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(place);
        });
    }
}

struct Door {
    token: Option<Token>,
    questions: mpsc::Sender<Question>,
}

impl Door {
    async fn reply(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(self.answer(&request).await)
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !self.admits(request) {
            let mut refusal = says(StatusCode::UNAUTHORIZED, "show the token");
            let bearer = HeaderValue::from_static("Bearer");
            refusal.headers_mut().insert(WWW_AUTHENTICATE, bearer);
            return refusal;
        }
        let path = request.uri().path();
        let topic = Topic::ALL.into_iter().find(|topic| topic.path() == path);
        let Some(topic) = topic else {
            return says(
                StatusCode::NOT_FOUND,
                "there are /api/v1/state, /api/v1/why, /metrics, /healthz and /readyz",
            );
        };
        // Of an answer to HEAD the server sends the head alone.
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut refusal = says(
                StatusCode::METHOD_NOT_ALLOWED,
                "nothing can be changed here",
            );
            let allowed = HeaderValue::from_static("GET, HEAD");
            refusal.headers_mut().insert(ALLOW, allowed);
            return refusal;
        }
        match self.ask(topic).await {
            Some(document) => reply(topic.status(&document), topic.content_type(), document),
            None => says(
                StatusCode::SERVICE_UNAVAILABLE,
                "the application master is busy or ending",
            ),
        }
    }

    fn admits(&self, request: &Request<Incoming>) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        let shown = request.headers().get(AUTHORIZATION);
        let bearer = shown.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        bearer.is_some_and(|shown| token.matches(shown))
    }

    async fn ask(&self, topic: Topic) -> Option<Vec<u8>> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.questions.send(Question { topic, answer }).await.ok()?;
            answered.await.ok()
        };
        tokio::time::timeout(PATIENCE, asked).await.ok().flatten()
    }
}

fn says(status: StatusCode, words: &str) -> Response<Full<Bytes>> {
    let document = serde_json::json!({ "error": words }).to_string();
    reply(status, JSON, document.into_bytes())
}

fn reply(status: StatusCode, kind: &'static str, document: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(document)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const TOKEN: &str = "0123456789abcdef";

    fn client() -> reqwest::Client {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        client.build().unwrap()
    }

    /// The status and the body of a GET with these headers.
    async fn get(address: SocketAddr, path: &str, token: Option<&str>) -> (u16, String) {
        let mut request = client().get(format!("http://{address}{path}"));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    fn start(token: Option<&str>) -> SocketAddr {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let token = token.map(|text| Token::new(text).unwrap());
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (api, mut questions) = Api::bind(any, token).unwrap();
        let address = api.address();
        tokio::spawn(api.serve());
        tokio::spawn(async move {
            while let Some(question) = questions.recv().await {
                let document = format!("{:?}", question.topic).into_bytes();
                let _ = question.answer.send(document);
            }
        });
        address
    }

    #[tokio::test]
    async fn documents_are_given_to_who_shows_the_token_and_to_nobody_else() {
        let address = start(Some(TOKEN));
        let state = Topic::State.path();
        assert_eq!(
            get(address, state, Some(TOKEN)).await,
            (200, "State".to_owned())
        );
        assert_eq!(get(address, state, None).await.0, 401);
        assert_eq!(get(address, state, Some("fedcba9876543210")).await.0, 401);
        assert_eq!(get(address, "/", None).await.0, 401);
    }

    #[tokio::test]
    async fn without_a_token_everybody_reads_and_what_is_not_there_is_404() {
        let address = start(None);
        assert_eq!(
            get(address, Topic::Why.path(), None).await,
            (200, "Why".to_owned())
        );
        assert_eq!(get(address, "/api/v1/other", None).await.0, 404);
    }

    /// Prometheus 3 refuses a scrape whose type it does not know.
    #[tokio::test]
    async fn metrics_say_that_they_are_prometheus_text_and_documents_that_they_are_json() {
        let address = start(None);
        for (topic, expected) in [
            (Topic::Metrics, "text/plain; version=0.0.4; charset=utf-8"),
            (Topic::State, "application/json"),
        ] {
            let url = format!("http://{address}{}", topic.path());
            let answer = client().get(url).send().await.unwrap();
            assert_eq!(answer.headers()["content-type"], expected);
        }
    }

    #[tokio::test]
    async fn every_document_can_be_asked_for_its_head_and_nothing_can_be_changed() {
        let address = start(None);
        for topic in Topic::ALL {
            let url = format!("http://{address}{}", topic.path());
            let whole = client().get(&url).send().await.unwrap();
            let (whole_status, length) =
                (whole.status(), whole.headers()["content-length"].clone());
            let head = client().head(&url).send().await.unwrap();
            assert_eq!(head.status(), whole_status, "{url}");
            assert_eq!(head.headers()["content-length"], length);
            assert_eq!(head.text().await.unwrap(), "");
            let refused = client().post(&url).send().await.unwrap();
            assert_eq!(refused.status(), 405);
            assert_eq!(refused.headers()["allow"], "GET, HEAD");
        }
    }
}
