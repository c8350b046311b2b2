//! The fault suite: a fetcher against servers, disks and signals that misbehave on purpose. The
//! outcome is always the right bytes or a clear error, and never a visible partial file.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test fails by panicking; these run the program and wait for it"
)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flugs_artifact::fetch::{FetchEvent, Fingerprint, Retry};
use flugs_artifact::server::TlsIdentity;
use flugs_artifact::{FetchError, FetchOptions, Fetcher, Server, ServerOptions, Store};
use flugs_base::{ExitCode, Failure as _, Sha256Digest};
use flugs_model::{Artifact, ArtifactKind};
use url::Url;

/// What a rogue server does with one request, step by step; then it hangs up.
enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// So many bytes at a time, with a pause after each.
    Drip(Vec<u8>, usize, Duration),
}

/// A server that does as its script says: the script gets the number of the request (from 0) and
/// its head.
struct Rogue {
    base: String,
    heads: Arc<Mutex<Vec<String>>>,
    dripped: Arc<AtomicUsize>,
}

fn rogue(script: impl Fn(usize, &str) -> Vec<Step> + Send + Sync + 'static) -> Rogue {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let heads = Arc::new(Mutex::new(Vec::new()));
    let dripped = Arc::new(AtomicUsize::new(0));
    let drops = Arc::clone(&dripped);
    let (seen, script, count) = (Arc::clone(&heads), Arc::new(script), AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
            let drops = Arc::clone(&drops);
            std::thread::spawn(move || {
                let head = read_head(&stream);
                seen.lock().unwrap().push(head.clone());
                play(&stream, script(number, &head), &drops);
            });
        }
    });
    Rogue {
        base,
        heads,
        dripped,
    }
}

fn read_head(mut stream: &TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn play(mut stream: &TcpStream, steps: Vec<Step>, dripped: &AtomicUsize) {
    for step in steps {
        let written = match step {
            Step::Send(bytes) => stream.write_all(&bytes),
            Step::Wait(time) => {
                std::thread::park_timeout(time);
                Ok(())
            }
            Step::Drip(bytes, piece, pause) => bytes.chunks(piece).try_for_each(|piece| {
                std::thread::park_timeout(pause);
                dripped.fetch_add(piece.len(), Ordering::SeqCst);
                stream.write_all(piece)
            }),
        };
        if written.is_err() {
            return;
        }
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[4])
        .collect()
}

fn range_start(head: &str) -> Option<usize> {
    let line = head
        .lines()
        .find(|line| line.to_lowercase().starts_with("range:"))?;
    line.split("bytes=").nth(1)?.split('-').next()?.parse().ok()
}

/// A right answer: all of it, or from where it is asked.
fn answer(head: &str, content: &[u8], etag: Option<&str>) -> Vec<u8> {
    let etag = etag.map(|etag| format!("ETag: {etag}\r\nAccept-Ranges: bytes\r\n"));
    let etag = etag.unwrap_or_default();
    let size = content.len();
    let (line, part) = match range_start(head) {
        Some(start) => (
            format!(
                "206 Partial Content\r\nContent-Range: bytes {start}-{}/{size}",
                size - 1
            ),
            &content[start..],
        ),
        None => ("200 OK".to_owned(), content),
    };
    let length = part.len();
    let head =
        format!("HTTP/1.1 {line}\r\nContent-Length: {length}\r\n{etag}Connection: close\r\n\r\n");
    [head.as_bytes(), part].concat()
}

fn status(line: &str) -> Vec<Step> {
    vec![Step::Send(
        format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes(),
    )]
}

/// An answer of which only the first `body` bytes of its body arrive.
fn cut(whole: &[u8], body: usize) -> Vec<Step> {
    let head = whole
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap()
        + 4;
    vec![Step::Send(whole[..whole.len().min(head + body)].to_vec())]
}

struct Stage {
    directory: tempfile::TempDir,
    content: Vec<u8>,
}

impl Stage {
    fn new(length: usize) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            content: content(length),
        }
    }

    fn dest(&self) -> PathBuf {
        self.directory.path().join("sandbox/lib/x.jar")
    }

    fn fetch_with(&self, urls: &[&str], options: FetchOptions) -> Result<(), FetchError> {
        let artifact = Artifact {
            name: "lib/x.jar".to_owned(),
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            sha256: Sha256Digest::of(&self.content),
            size: self.content.len() as u64,
            dest: "lib/x.jar".parse().unwrap(),
            kind: ArtifactKind::File,
            mode: 0o644,
            cache: true,
        };
        let dest = self.dest();
        // While the fetch goes on, nothing but the whole file may ever be seen at its place.
        let look = |_: FetchEvent| {
            if let Ok(seen) = fs::read(&dest) {
                assert_eq!(seen.len(), self.content.len(), "a partial file is visible");
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let outcome = runtime.block_on(async {
            let base = Url::parse("http://127.0.0.1:1/").unwrap();
            let sandbox = self.directory.path().join("sandbox");
            let fetcher = Fetcher::new(options)?;
            fetcher.fetch_all(&[artifact], &base, &sandbox, &look).await
        });
        match outcome {
            Ok(_) => assert_eq!(fs::read(&dest).unwrap(), self.content),
            Err(_) => assert!(!dest.exists()),
        }
        outcome.map(drop)
    }

    fn fetch(&self, urls: &[&str]) -> Result<(), FetchError> {
        self.fetch_with(urls, impatient())
    }
}

fn impatient() -> FetchOptions {
    FetchOptions {
        retry: Retry {
            rounds: 12,
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(5),
            budget: Duration::from_secs(10),
        },
        stall_timeout: Duration::from_millis(300),
        connect_timeout: Duration::from_millis(500),
        use_proxies: false,
        ..FetchOptions::default()
    }
}

#[test]
fn cuts_at_random_places_cost_no_byte_twice_where_the_tag_is_strong() {
    let stage = Stage::new(700_000);
    let content = stage.content.clone();
    let server = rogue(move |number, head| {
        let whole = answer(head, &content, Some("\"strong\""));
        match number {
            0..8 => cut(&whole, 1 + number * 7919 % 90_000),
            _ => vec![Step::Send(whole)],
        }
    });
    stage.fetch(&[&server.base]).unwrap();
    let heads = server.heads.lock().unwrap();
    let starts: Vec<_> = heads.iter().map(|head| range_start(head)).collect();
    assert_eq!(starts[0], None);
    assert!(starts[1..].iter().all(Option::is_some), "{starts:?}");
    assert!(starts.is_sorted(), "each went on further: {starts:?}");
    let guarded = |head: &String| head.to_lowercase().contains("if-range: \"strong\"");
    assert!(heads[1..].iter().all(guarded));
}

#[test]
fn without_a_strong_tag_a_cut_download_starts_over() {
    for etag in [None, Some("W/\"weak\"")] {
        let stage = Stage::new(300_000);
        let content = stage.content.clone();
        let server = rogue(move |number, head| {
            let whole = answer(head, &content, etag);
            if number < 3 {
                cut(&whole, 100_000)
            } else {
                vec![Step::Send(whole)]
            }
        });
        stage.fetch(&[&server.base]).unwrap();
        let heads = server.heads.lock().unwrap();
        assert!(heads.iter().all(|head| range_start(head).is_none()));
    }
}

#[test]
fn a_file_that_changes_between_two_parts_is_never_spliced() {
    // By the book: If-Range fails and the whole new file comes.
    let stage = Stage::new(200_000);
    let (right, old) = (stage.content.clone(), vec![b'o'; 200_000]);
    let server = rogue(move |number, head| match number {
        0 => cut(&answer("", &old, Some("\"old\"")), 50_000),
        _ if range_start(head).is_some() => vec![Step::Send(answer("", &right, Some("\"new\"")))],
        _ => vec![Step::Send(answer("", &right, Some("\"new\"")))],
    });
    stage.fetch(&[&server.base]).unwrap();
    // Against the book: the part comes from the new file although the tag differs.
    let stage = Stage::new(200_000);
    let (right, old) = (stage.content.clone(), vec![b'o'; 200_000]);
    let server = rogue(move |number, head| match number {
        0 => cut(&answer("", &old, Some("\"old\"")), 50_000),
        _ => vec![Step::Send(answer(head, &right, Some("\"new\"")))],
    });
    stage.fetch(&[&server.base]).unwrap();
    // Worse: it does so under the old tag. Only the digest can tell, and does.
    let stage = Stage::new(200_000);
    let (right, old) = (stage.content.clone(), vec![b'o'; 200_000]);
    let server = rogue(move |number, head| match number {
        0 => cut(&answer("", &old, Some("\"old\"")), 50_000),
        _ => vec![Step::Send(answer(head, &right, Some("\"old\"")))],
    });
    stage.fetch(&[&server.base]).unwrap();
}

#[test]
fn wrong_content_range_and_416_lead_to_a_clean_start() {
    for lie in ["wrong-start", "wrong-size", "416"] {
        let stage = Stage::new(200_000);
        let content = stage.content.clone();
        let server = rogue(move |number, head| {
            let whole = answer(head, &content, Some("\"e\""));
            match (number, range_start(head), lie) {
                (0, ..) => cut(&whole, 50_000),
                (_, Some(_), "416") => status("416 Range Not Satisfiable"),
                (_, Some(start), _) => {
                    let text = String::from_utf8_lossy(&whole[..200]).into_owned();
                    let head_end = text.find("\r\n\r\n").unwrap() + 4;
                    let head = if lie == "wrong-start" {
                        text[..head_end].replace(&format!("bytes {start}"), "bytes 0")
                    } else {
                        text[..head_end].replace("/200000", "/200001")
                    };
                    vec![Step::Send([head.as_bytes(), &whole[head_end..]].concat())]
                }
                _ => vec![Step::Send(whole)],
            }
        });
        stage
            .fetch(&[&server.base])
            .unwrap_or_else(|error| panic!("{lie}: {error}"));
    }
}

#[test]
fn a_wrong_length_or_a_corrupt_byte_is_an_error_and_another_mirror_helps() {
    let stage = Stage::new(100_000);
    let shorter = stage.content[1..].to_vec();
    let longer = [&stage.content[..], b"x"].concat();
    let mut corrupt = stage.content.clone();
    corrupt[77_777] ^= 1;
    let right = stage.content.clone();
    let good = rogue(move |_, head| vec![Step::Send(answer(head, &right, None))]);
    for wrong in [shorter, longer, corrupt] {
        let bad = rogue(move |_, head| vec![Step::Send(answer(head, &wrong, Some("\"e\"")))]);
        let error = stage.fetch(&[&bad.base]).unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::ArtifactDigest, "{error}");
        assert_eq!(
            bad.heads.lock().unwrap().len(),
            2,
            "once more and no oftener"
        );
        stage.fetch(&[&bad.base, &good.base]).unwrap();
        fs::remove_file(stage.dest()).unwrap();
    }
    let more = stage.content.clone();
    let endless = rogue(move |_, _| {
        let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        vec![Step::Send([&head[..], &more, &more].concat())]
    });
    let error = stage.fetch(&[&endless.base]).unwrap_err();
    assert!(
        error.to_string().contains("more than the 100000 bytes"),
        "{error}"
    );
}

#[test]
fn server_errors_are_outlasted_and_named_when_they_are_not() {
    let stage = Stage::new(1000);
    let content = stage.content.clone();
    let server = rogue(move |number, head| {
        if number < 4 {
            status("503 Service Unavailable")
        } else {
            vec![Step::Send(answer(head, &content, None))]
        }
    });
    stage.fetch(&[&server.base]).unwrap();
    fs::remove_file(stage.dest()).unwrap();
    let broken = rogue(|_, _| status("500 Internal Server Error"));
    let error = stage.fetch(&[&broken.base]).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::ArtifactUnreachable);
    assert!(error.to_string().contains("(13 times): 500"), "{error}");
}

#[test]
fn silence_stalls_and_drips_do_not_hold_a_fetch_up() {
    let stage = Stage::new(100_000);
    let one_round = || FetchOptions {
        retry: Retry {
            rounds: 0,
            ..impatient().retry
        },
        min_bytes_per_second: 1_000_000,
        ..impatient()
    };
    let silent = rogue(|_, _| vec![Step::Wait(Duration::from_secs(20))]);
    let content = stage.content.clone();
    let stalls = rogue(move |_, head| {
        let mut steps = cut(&answer(head, &content, None), 10_000);
        steps.push(Step::Wait(Duration::from_secs(20)));
        steps
    });
    let content = stage.content.clone();
    let drips = rogue(move |_, head| {
        let whole = answer(head, &content, None);
        vec![Step::Drip(whole, 500, Duration::from_millis(50))]
    });
    for (server, word) in [
        (&silent, "nothing came"),
        (&stalls, "nothing came"),
        (&drips, "drips"),
    ] {
        // An answer's head may take the connection's time as well, hence a stall limit above it.
        let started = std::time::Instant::now();
        let mut options = one_round();
        if word == "drips" {
            options.stall_timeout = Duration::from_millis(1100);
        }
        let error = stage.fetch_with(&[&server.base], options).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    let content = stage.content.clone();
    let good = rogue(move |_, head| vec![Step::Send(answer(head, &content, None))]);
    stage
        .fetch_with(&[&silent.base, &stalls.base, &good.base], one_round())
        .unwrap();
}

#[test]
fn the_budget_ends_a_fetch_whatever_happens() {
    let stage = Stage::new(100_000);
    let content = stage.content.clone();
    let drips = rogue(move |_, head| {
        vec![Step::Drip(
            answer(head, &content, None),
            100,
            Duration::from_millis(20),
        )]
    });
    let options = FetchOptions {
        retry: Retry {
            budget: Duration::from_millis(500),
            ..impatient().retry
        },
        min_bytes_per_second: 1,
        ..impatient()
    };
    let started = std::time::Instant::now();
    let error = stage.fetch_with(&[&drips.base], options).unwrap_err();
    assert!(error.to_string().contains("the time was up"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn redirect_loops_end_and_lead_nowhere_unsafe() {
    let stage = Stage::new(10);
    let server = rogue(|_, _| {
        let head = "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        vec![Step::Send(head.as_bytes().to_vec())]
    });
    let options = FetchOptions {
        retry: Retry {
            rounds: 0,
            ..impatient().retry
        },
        ..impatient()
    };
    let error = stage.fetch_with(&[&server.base], options).unwrap_err();
    assert!(error.to_string().contains("too many redirects"), "{error}");
    assert!(server.heads.lock().unwrap().len() <= 8);
}

/// A server of this project over TLS on a thread of its own, for as long as the test runs.
fn tls_server(stage: &Stage, identity: TlsIdentity) -> String {
    let store = Store::open(&stage.directory.path().join("store")).unwrap();
    let object = store.add_bytes(&stage.content).unwrap();
    let options = ServerOptions {
        tls: Some(identity),
        ..ServerOptions::default()
    };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), store, options).unwrap();
    let url = server.url_of(&object.digest);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime
            .block_on(server.serve(std::future::pending()))
            .unwrap();
    });
    url
}

/// An authority, and a certificate of it for 127.0.0.1 that is or is not valid today.
fn signed(directory: &Path, expired: bool) -> (PathBuf, TlsIdentity) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = parameters.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(parameters, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    if expired {
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }
    let certificate = parameters.signed_by(&key, &issuer).unwrap();
    let at = |name: &str| directory.join(name);
    fs::write(at("ca.pem"), authority.pem()).unwrap();
    fs::write(at("server.pem"), certificate.pem()).unwrap();
    fs::write(at("server.key"), key.serialize_pem()).unwrap();
    let identity = TlsIdentity::from_files(&at("server.pem"), &at("server.key"), None).unwrap();
    (at("ca.pem"), identity)
}

#[test]
fn a_private_authority_is_trusted_and_an_expired_certificate_is_not() {
    for expired in [false, true] {
        let stage = Stage::new(50_000);
        let (authority, identity) = signed(stage.directory.path(), expired);
        let url = tls_server(&stage, identity);
        let options = FetchOptions {
            authority: Some(authority),
            retry: Retry {
                rounds: 0,
                ..impatient().retry
            },
            ..impatient()
        };
        let outcome = stage.fetch_with(&[&url], options);
        assert_eq!(outcome.is_err(), expired, "{outcome:?}");
        if let Err(error) = outcome {
            assert!(error.to_string().contains("expired"), "{error}");
        }
    }
}

#[test]
fn tls_with_the_wrong_key_is_refused_by_its_pin() {
    let stage = Stage::new(50_000);
    let names = ["127.0.0.1".to_owned()];
    let url = tls_server(&stage, TlsIdentity::generate(&names, None).unwrap());
    let other = TlsIdentity::generate(&names, None).unwrap();
    let wrong: Fingerprint = *other.fingerprint();
    let bare = url.split('#').next().unwrap();
    let once = || FetchOptions {
        retry: Retry {
            rounds: 0,
            ..impatient().retry
        },
        ..impatient()
    };
    let pinned = FetchOptions {
        pin: Some(wrong),
        ..once()
    };
    stage.fetch_with(&[bare], pinned).unwrap_err();
    let wrong_url = format!("{bare}#certificate-sha256={wrong}");
    let error = stage.fetch_with(&[&wrong_url], once()).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::ArtifactUnreachable);
    stage.fetch_with(&[&url], once()).unwrap();
}

fn fetch_command(stage: &Stage, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flugs"));
    let sandbox = stage.directory.path().join("sandbox/lib");
    command
        .args(["artifact", "fetch", url, "--name", "x.jar", "--sha256"])
        .arg(Sha256Digest::of(&stage.content).to_string())
        .args(["--size", &stage.content.len().to_string(), "--to"])
        .arg(sandbox)
        .env_remove("http_proxy")
        .env_remove("HTTP_PROXY")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

#[test]
fn a_fetcher_killed_at_random_points_leaves_nothing_visible_and_its_successor_finishes() {
    let stage = Stage::new(40_000_000);
    let content = stage.content.clone();
    let server = rogue(move |_, head| {
        let whole = answer(head, &content, Some("\"strong\""));
        vec![Step::Drip(whole, 400_000, Duration::from_millis(2))]
    });
    for bytes in [20_000_000, 1_000_000, 12_000_000, 0, 17_000_000] {
        let before = server.dripped.load(Ordering::SeqCst);
        let mut child = fetch_command(&stage, &server.base).spawn().unwrap();
        let ended = |child: &mut std::process::Child| child.try_wait().unwrap().is_some();
        while server.dripped.load(Ordering::SeqCst) < before + bytes && !ended(&mut child) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if stage.dest().exists() {
            assert_eq!(fs::read(stage.dest()).unwrap(), stage.content);
        }
    }
    let status = fetch_command(&stage, &server.base).status().unwrap();
    assert!(status.success());
    assert_eq!(fs::read(stage.dest()).unwrap(), stage.content);
    let heads = server.heads.lock().unwrap();
    let resumed = heads.iter().filter_map(|head| range_start(head)).max();
    assert!(
        resumed.is_some_and(|start| start > 0),
        "some run went on where another was"
    );
}

#[test]
fn a_full_disk_is_named_with_its_own_exit_code_and_leaves_nothing_visible() {
    let stage = Stage::new(3_000_000);
    let content = stage.content.clone();
    let server = rogue(move |_, head| vec![Step::Send(answer(head, &content, None))]);
    let sandbox = stage.directory.path().join("sandbox/lib");
    fs::create_dir_all(&sandbox).unwrap();
    let fetch = fetch_command(&stage, &server.base);
    let program = fetch.get_program().to_owned();
    let arguments: Vec<_> = fetch.get_args().map(ToOwned::to_owned).collect();
    // A file system of 1 MiB that only this process sees.
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=1m none \"$0\" && \"$@\"; code=$?; ls \"$0\" >&2; exit $code")
        .arg(&sandbox)
        .arg(program)
        .args(arguments)
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(ExitCode::NoSpace.code().into()),
        "{message}"
    );
    assert!(message.contains("no space is left"), "{message}");
    assert!(!message.lines().any(|line| line == "x.jar"), "{message}");
}
