//! The server security suite: what a stranger may try, spoken byte by byte.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use flugs_artifact::server::{AccessRecord, ConnectionBounds, Limits};
use flugs_artifact::{FetchOptions, Fetcher, Server, ServerOptions, Store, Token};
use flugs_base::Sha256Digest;
use flugs_model::{Artifact, ArtifactKind};
use tokio::sync::oneshot;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const CONTENT: &[u8] = b"The artifact's own bytes.";

struct Running {
    address: SocketAddr,
    url: String,
    store: Store,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<std::thread::JoinHandle<()>>,
    directory: tempfile::TempDir,
}

fn running(options: ServerOptions) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let object = store.add_bytes(CONTENT).unwrap();
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), store.clone(), options).unwrap();
    let (address, url) = (server.local_addr(), server.url_of(&object.digest));
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let until = async {
            let _ = stopped.await;
        };
        runtime.block_on(server.serve(until)).unwrap();
    });
    Running {
        address,
        url,
        store,
        stop: Some(stop),
        ended: Some(ended),
        directory,
    }
}

fn guarded() -> ServerOptions {
    ServerOptions {
        token: Some(Token::new(TOKEN).unwrap()),
        ..ServerOptions::default()
    }
}

fn digest() -> Sha256Digest {
    Sha256Digest::of(CONTENT)
}

impl Running {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
    }

    /// Sends bytes and reads until the server hangs up.
    fn exchange(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        let _ = stream.write_all(request);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    }

    fn get(&self, target: &str, headers: &str) -> String {
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n");
        self.exchange(request.as_bytes())
    }
}

fn status(reply: &str) -> u16 {
    let code = reply.split(' ').nth(1).unwrap_or_default();
    code.parse()
        .unwrap_or_else(|_| panic!("no reply: {reply:?}"))
}

fn authorised() -> String {
    format!("Authorization: Bearer {TOKEN}\r\n")
}

#[test]
fn the_right_token_gets_the_bytes_with_a_strong_tag_and_rfc_9530_digest() {
    let server = running(guarded());
    let target = format!("/sha256/{}", digest());
    let reply = server.get(&target, &authorised());
    assert_eq!(status(&reply), 200);
    assert!(reply.ends_with(std::str::from_utf8(CONTENT).unwrap()));
    let digest64 = base64::engine::general_purpose::STANDARD.encode(digest().as_bytes());
    for line in [
        format!("ETag: \"sha256-{}\"", digest()),
        format!("Repr-Digest: sha-256=:{digest64}:"),
        "Accept-Ranges: bytes".to_owned(),
        format!("Content-Length: {}", CONTENT.len()),
    ] {
        assert!(reply.contains(&line), "{line} is missing in {reply}");
    }
    let part = server.get(&target, &format!("{}Range: bytes=4-11\r\n", authorised()));
    assert_eq!(status(&part), 206);
    assert!(part.ends_with("\r\n\r\nartifact"), "{part}");
    assert!(part.contains(&format!("Content-Range: bytes 4-11/{}", CONTENT.len())));
    assert!(
        part.contains(&digest64),
        "the digest is that of the whole, also beside a part"
    );
    let same = format!("{}If-None-Match: \"sha256-{}\"\r\n", authorised(), digest());
    let unchanged = server.get(&target, &same);
    assert_eq!(status(&unchanged), 304);
    assert!(unchanged.ends_with("\r\n\r\n") && unchanged.contains("ETag:"));
    let head = format!(
        "HEAD {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{}\r\n",
        authorised()
    );
    let head = server.exchange(head.as_bytes());
    assert!(status(&head) == 200 && head.ends_with("\r\n\r\n"));
    assert!(head.contains(&format!("Content-Length: {}", CONTENT.len())));
    let beyond = server.get(&target, &format!("{}Range: bytes=999-\r\n", authorised()));
    assert_eq!(status(&beyond), 416);
    assert!(beyond.contains(&format!("Content-Range: bytes */{}", CONTENT.len())));
}

#[test]
fn wrong_tokens_get_nothing_and_learn_nothing() {
    let server = running(guarded());
    let present = format!("/sha256/{}", digest());
    let absent = format!("/sha256/{}", Sha256Digest::of(b"absent"));
    for headers in [
        String::new(),
        "Authorization: Bearer \r\n".to_owned(),
        format!("Authorization: Bearer {}\r\n", TOKEN.replace('0', "1")),
        format!("Authorization: Bearer {TOKEN}x\r\n"),
        format!("Authorization: Basic {TOKEN}\r\n"),
        format!("Authorization: {TOKEN}\r\n"),
        format!("X-Authorization: Bearer {TOKEN}\r\n"),
    ] {
        let (here, there) = (
            server.get(&present, &headers),
            server.get(&absent, &headers),
        );
        assert_eq!(status(&here), 401, "{headers}");
        let body = |reply: &str| reply.split_once("\r\n\r\n").unwrap().1.to_owned();
        assert_eq!((status(&there), body(&there)), (401, body(&here)));
        assert!(here.contains("WWW-Authenticate: Bearer"));
    }
    assert_eq!(status(&server.get(&absent, &authorised())), 404);
    assert_eq!(status(&server.get("/metrics", "")), 401);
    assert_eq!(status(&server.get("/health", "")), 200);
}

#[test]
fn a_token_in_the_query_is_refused_even_if_it_is_right() {
    let server = running(guarded());
    for target in [
        format!("/sha256/{}?token={TOKEN}", digest()),
        format!("/sha256/{}?access_token={TOKEN}", digest()),
    ] {
        assert_eq!(status(&server.get(&target, "")), 400);
        assert_eq!(status(&server.get(&target, &authorised())), 400);
    }
}

#[test]
fn traversal_names_nothing() {
    let server = running(guarded());
    std::fs::write(server.directory.path().join("outside"), b"outside").unwrap();
    let inner = format!(
        "/sha256/{}/{}",
        digest().to_string().get(..2).unwrap(),
        digest()
    );
    for target in [
        "/../outside",
        "/sha256/../../outside",
        "/sha256/..%2f..%2foutside",
        "/%2e%2e/outside",
        "/sha256/....//outside",
        "/tmp/",
        "//etc/passwd",
        &inner,
    ] {
        let reply = server.get(target, &authorised());
        assert_eq!(status(&reply), 404, "{target}");
        assert!(!reply.contains("outside"));
    }
}

#[test]
fn request_smuggling_shapes_end_the_connection() {
    let server = running(guarded());
    let hidden = format!(
        "GET /sha256/{} HTTP/1.1\r\nHost: h\r\n{}\r\n",
        digest(),
        authorised()
    );
    for shape in [
        format!("Content-Length: {}\r\n", hidden.len()),
        "Transfer-Encoding: chunked\r\n".to_owned(),
        format!("Content-Length: 0\r\nContent-Length: {}\r\n", hidden.len()),
        format!(
            "Transfer-Encoding: chunked\r\nContent-Length: {}\r\n",
            hidden.len()
        ),
        "Transfer-Encoding: x\r\n".to_owned(),
        "X: y\nContent-Length: 7\r\n".to_owned(),
        "Content-Length : 7\r\n".to_owned(),
    ] {
        let request = format!("GET /health HTTP/1.1\r\nHost: h\r\n{shape}\r\n{hidden}");
        let reply = server.exchange(request.as_bytes());
        assert_eq!(status(&reply), 400, "{shape}");
        assert_eq!(reply.matches("HTTP/1.1 ").count(), 1, "{shape}: {reply}");
        assert!(reply.contains("Connection: close"));
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = running(guarded());
    let target = format!("/sha256/{}", digest());
    let kept = format!("GET {target} HTTP/1.1\r\nHost: h\r\n{}\r\n", authorised());
    let last = "GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let reply = server.exchange(format!("{kept}{kept}{last}").as_bytes());
    assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 3, "{reply}");
    assert!(reply.ends_with("\r\n\r\nok\n"));
}

#[test]
fn oversized_heads_other_methods_and_versions_are_refused() {
    let server = running(guarded());
    let long = format!("X: {}\r\n", "a".repeat(20_000));
    assert_eq!(status(&server.get("/health", &long)), 431);
    assert_eq!(status(&server.get("/health", &"X: y\r\n".repeat(100))), 431);
    for (request, expected) in [
        (
            "POST /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            405,
        ),
        (
            "DELETE /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            405,
        ),
        ("GET /health HTTP/3.0\r\nHost: h\r\n\r\n", 505),
        ("GET /health HTTP/1.1\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", 400),
    ] {
        assert_eq!(
            status(&server.exchange(request.as_bytes())),
            expected,
            "{request}"
        );
    }
}

#[test]
fn a_capability_path_grants_its_artifact_without_the_token_and_no_other() {
    let server = running(guarded());
    let other = server.store.add_bytes(b"other").unwrap();
    let capability = Token::new(TOKEN).unwrap().capability(&digest());
    let path = |digest: &Sha256Digest| format!("/c/{capability}/sha256/{digest}");
    assert_eq!(status(&server.get(&path(&digest()), "")), 200);
    assert_eq!(status(&server.get(&path(&other.digest), "")), 401);
    let forged = format!("/c/{}/sha256/{}", digest(), digest());
    assert_eq!(status(&server.get(&forged, "")), 401);
}

#[test]
fn a_secret_is_not_served_in_the_clear_unless_the_operator_says_so() {
    let server = running(guarded());
    let secret = server.store.add_secret_bytes(b"keytab").unwrap();
    let target = format!("/sha256/{}", secret.digest);
    let reply = server.get(&target, &authorised());
    assert_eq!(status(&reply), 403);
    assert!(!reply.contains("keytab"));
    let named = running(ServerOptions {
        secrets_in_the_clear: true,
        ..guarded()
    });
    named.store.add_secret_bytes(b"keytab").unwrap();
    assert_eq!(status(&named.get(&target, &authorised())), 200);
}

#[test]
fn a_thousand_idle_connections_do_not_keep_a_worker_out() {
    let bounds = ConnectionBounds {
        total: 1100,
        per_address: 1000,
    };
    let server = running(ServerOptions {
        bounds,
        ..guarded()
    });
    let idle: Vec<_> = (0..1000).map(|_| server.connect()).collect();
    let artifact = Artifact {
        name: "x".to_owned(),
        urls: vec![server.url.clone()],
        sha256: digest(),
        size: CONTENT.len() as u64,
        dest: "x".parse().unwrap(),
        kind: ArtifactKind::File,
        mode: 0o644,
        cache: true,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let options = FetchOptions {
            token: Some(Token::new(TOKEN).unwrap()),
            use_proxies: false,
            ..FetchOptions::default()
        };
        let base = server.url.parse().unwrap();
        let sandbox = server.directory.path().join("sandbox");
        let fetcher = Fetcher::new(options).unwrap();
        fetcher
            .fetch_all(&[artifact], &base, &sandbox, &|_| {})
            .await
            .unwrap();
    });
    let metrics = server.get("/metrics", &authorised());
    assert!(
        metrics.contains("closed_connections_total{reason=\"idle\"}"),
        "{metrics}"
    );
    assert!(
        !metrics.contains("reason=\"idle\"} 0"),
        "the idle made room: {metrics}"
    );
    drop(idle);
}

fn hasty() -> Limits {
    Limits {
        head_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(600),
        stall_timeout: Duration::from_millis(400),
        ..Limits::default()
    }
}

#[test]
fn a_head_that_drips_is_cut_off_and_an_idle_connection_closed() {
    let server = running(ServerOptions {
        limits: hasty(),
        ..guarded()
    });
    let started = Instant::now();
    let reply = server.exchange(b"GET /health HTTP/1.1\r\nHost:");
    assert_eq!(status(&reply), 408);
    assert_eq!(
        server.exchange(b""),
        "",
        "an idle connection ends without a word"
    );
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_client_that_takes_nothing_is_evicted() {
    let server = running(ServerOptions {
        limits: hasty(),
        ..guarded()
    });
    let large = server.store.add_bytes(&vec![7; 64 << 20]).unwrap();
    let mut stream = server.connect();
    let request = format!(
        "GET /sha256/{} HTTP/1.1\r\nHost: h\r\n{}\r\n",
        large.digest,
        authorised()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(8);
    while !server
        .get("/metrics", &authorised())
        .contains("reason=\"slow\"} 1")
    {
        assert!(Instant::now() < deadline, "it is still being served");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn a_request_at_work_is_finished_when_the_server_stops_and_new_ones_are_not_taken() {
    let mut server = running(guarded());
    let large = server.store.add_bytes(&vec![7; 32 << 20]).unwrap();
    let mut stream = server.connect();
    let request = format!(
        "GET /sha256/{} HTTP/1.1\r\nHost: h\r\n{}\r\n",
        large.digest,
        authorised()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut first = [0; 1000];
    stream.read_exact(&mut first).unwrap();
    server.stop.take().unwrap().send(()).unwrap();
    std::thread::park_timeout(Duration::from_millis(100));
    assert!(
        TcpStream::connect(server.address).is_err(),
        "it no longer listens"
    );
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.len() + first.len() > 32 << 20, "{}", rest.len());
    server.ended.take().unwrap().join().unwrap();
}

#[test]
fn urls_are_the_same_after_a_restart_and_on_another_address_as_advertised() {
    let advertised = ServerOptions {
        advertised: Some("https://master.example:8443/flugs/".parse().unwrap()),
        ..guarded()
    };
    let (one, two) = (running(advertised.clone()), running(advertised));
    assert_eq!(one.url, two.url);
    assert_eq!(
        one.url,
        format!("https://master.example:8443/flugs/sha256/{}", digest())
    );
}

#[test]
fn the_access_log_holds_no_token_and_no_capability() {
    let records: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&records);
    let log = move |record: &AccessRecord| sink.lock().unwrap().push(format!("{record:?}"));
    let server = running(ServerOptions {
        access_log: Some(Arc::new(log)),
        ..guarded()
    });
    let capability = Token::new(TOKEN).unwrap().capability(&digest());
    server.get(&format!("/c/{capability}/sha256/{}", digest()), "");
    server.get(&format!("/sha256/{}?token={TOKEN}", digest()), "");
    server.get(&format!("/sha256/{}", digest()), &authorised());
    let records = records.lock().unwrap();
    assert_eq!(records.len(), 3);
    let all = records.join("\n");
    assert!(!all.contains(TOKEN) && !all.contains(&capability), "{all}");
    assert!(
        all.contains("status: 200") && all.contains("status: 400"),
        "{all}"
    );
}
