use std::cell::RefCell;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::*;
use crate::server::Intake;
use crate::store::Store;
use crate::{Server, ServerOptions};
use flugs_base::{ExitCode, Failure as _};
use flugs_model::ArtifactKind;

/// A server over a store with some objects, and a place to fetch to.
struct Stage {
    directory: tempfile::TempDir,
    store: Store,
    base: Url,
    _stop: oneshot::Sender<()>,
}

fn stage(options: ServerOptions) -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(address, store.clone(), options).unwrap();
    let manifest = store.add_bytes(b"{}").unwrap();
    let base = server.url_of(&manifest.digest).parse().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.serve(async {
        let _ = stopped.await;
    }));
    Stage {
        directory,
        store,
        base,
        _stop: stop,
    }
}

impl Stage {
    fn sandbox(&self) -> PathBuf {
        self.directory.path().join("sandbox")
    }

    fn artifact(&self, dest: &str, content: &[u8], mode: u32) -> Artifact {
        let object = self.store.add_bytes(content).unwrap();
        Artifact {
            name: dest.to_owned(),
            urls: vec![object.digest.to_string()],
            sha256: object.digest,
            size: object.size,
            dest: dest.parse().unwrap(),
            kind: ArtifactKind::File,
            mode,
            cache: true,
        }
    }

    async fn fetch(
        &self,
        options: FetchOptions,
        artifacts: &[Artifact],
    ) -> Result<FetchSummary, FetchError> {
        let fetcher = Fetcher::new(options).unwrap();
        fetcher
            .fetch_all(artifacts, &self.base, &self.sandbox(), &|_| {})
            .await
    }
}

/// A server that takes exit reports, and what it has taken; how long it is busy at first.
fn taking(busy: usize) -> (Stage, Arc<Mutex<Vec<String>>>) {
    let taken: Arc<Mutex<Vec<String>>> = Arc::default();
    let (into, busy) = (Arc::clone(&taken), Mutex::new(busy));
    let intake = move |task: &str, bytes: &[u8]| {
        let mut busy = busy.lock().unwrap();
        if *busy > 0 {
            *busy -= 1;
            return Intake::Busy;
        }
        if bytes == b"bad" {
            return Intake::Malformed("it is bad".to_owned());
        }
        let text = String::from_utf8_lossy(bytes);
        into.lock().unwrap().push(format!("{task}: {text}"));
        Intake::Taken
    };
    let stage = stage(ServerOptions {
        exit_reports: Some(Arc::new(intake)),
        ..with_token()
    });
    (stage, taken)
}

async fn hand_in_for(
    stage: &Stage,
    granted: &str,
    task: &str,
    body: &str,
) -> Result<(), HandInError> {
    let capability = token().report_capability(granted);
    let url = stage
        .base
        .join(&format!("/c/{capability}/exit-report/{task}"));
    let patience = Duration::from_secs(2);
    hand_in(url.unwrap().as_str(), body.into(), patience, &quick(None)).await
}

#[tokio::test]
async fn a_report_is_handed_in_by_its_permission_and_for_no_other_task() {
    let (stage, taken) = taking(2);
    let long = "x".repeat(60_000);
    hand_in_for(&stage, "tm-1-1", "tm-1-1", &long)
        .await
        .unwrap();
    assert_eq!(
        taken.lock().unwrap().as_slice(),
        [format!("tm-1-1: {long}")]
    );
    for (granted, task, body, expected) in [
        ("tm-1-1", "tm-1-2", "{}", 401),
        ("tm-1-1", "tm-1-1", "bad", 400),
        ("tm-1-1", "tm-1-1", "x".repeat(70_000).as_str(), 413),
    ] {
        let refused = hand_in_for(&stage, granted, task, body).await.unwrap_err();
        assert!(
            matches!(refused, HandInError::Refused { status } if status == expected),
            "{refused}"
        );
    }
    assert_eq!(taken.lock().unwrap().len(), 1);
}

/// Its process is about to end: nobody waits for an application master that is away.
#[tokio::test]
async fn handing_in_gives_up_in_time() {
    let begun = Instant::now();
    let patience = Duration::from_millis(600);
    let options = quick(None);
    let refused = hand_in(
        "http://127.0.0.1:1/c/x/exit-report/y",
        Vec::new(),
        patience,
        &options,
    );
    let error = refused.await.unwrap_err();
    assert!(matches!(error, HandInError::Unreachable { .. }), "{error}");
    // One that takes the connection and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/c/x/exit-report/y", silent.local_addr().unwrap());
    let error = hand_in(&url, vec![1; 1000], patience, &options)
        .await
        .unwrap_err();
    assert!(matches!(error, HandInError::Unreachable { .. }), "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}

fn token() -> Token {
    Token::new("0123456789abcdef").unwrap()
}

fn with_token() -> ServerOptions {
    ServerOptions {
        token: Some(token()),
        ..ServerOptions::default()
    }
}

fn quick(token: Option<Token>) -> FetchOptions {
    FetchOptions {
        token,
        retry: Retry {
            rounds: 1,
            first_wait: Duration::from_millis(1),
            ..Retry::default()
        },
        use_proxies: false,
        ..FetchOptions::default()
    }
}

fn many(stage: &Stage) -> Vec<Artifact> {
    let content = |n: usize| n.to_ne_bytes()[..1].repeat(n * 100_000);
    (0..12)
        .map(|n| stage.artifact(&format!("lib/{n}.jar"), &content(n), 0o644))
        .collect()
}

#[tokio::test]
async fn artifacts_arrive_whole_with_their_modes_and_a_second_fetch_moves_nothing() {
    let stage = stage(with_token());
    let artifacts = many(&stage);
    let first = stage.fetch(quick(Some(token())), &artifacts).await.unwrap();
    assert_eq!((first.fetched, first.present), (12, 0));
    for artifact in &artifacts {
        let path = artifact.dest.below(&stage.sandbox());
        let content = std::fs::read(&path).unwrap();
        assert_eq!(Sha256Digest::of(&content), artifact.sha256);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
    }
    assert!(!stage.sandbox().join(".flugs-fetch").exists());
    let second = stage.fetch(quick(None), &artifacts).await.unwrap();
    assert_eq!((second.fetched, second.present), (0, 12));
}

#[tokio::test]
async fn with_a_cache_read_only_files_are_links_and_the_next_sandbox_fetches_nothing() {
    let stage = stage(ServerOptions::default());
    let artifact = stage.artifact("lib/a.jar", &vec![9; 300_000], 0o444);
    let cache = Store::open(&stage.directory.path().join("cache")).unwrap();
    let options = FetchOptions {
        cache: Some(cache.clone()),
        ..quick(None)
    };
    let one = std::slice::from_ref(&artifact);
    assert_eq!(stage.fetch(options.clone(), one).await.unwrap().fetched, 1);
    let object = cache.look(&artifact.sha256).unwrap();
    let placed = stage.sandbox().join("lib/a.jar");
    let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
    assert_eq!(inode(&placed), inode(&object.path));
    std::fs::remove_dir_all(stage.sandbox()).unwrap();
    let again = stage.fetch(options, one).await.unwrap();
    assert_eq!((again.cached, again.fetched), (1, 0));
    assert!(again.lease.is_some());
}

#[tokio::test]
async fn a_file_changed_since_it_was_placed_is_fetched_again() {
    let stage = stage(ServerOptions::default());
    let artifact = stage.artifact("conf/x", b"right", 0o644);
    let one = std::slice::from_ref(&artifact);
    stage.fetch(quick(None), one).await.unwrap();
    let path = stage.sandbox().join("conf/x");
    std::fs::write(&path, b"wrong").unwrap();
    assert_eq!(stage.fetch(quick(None), one).await.unwrap().fetched, 1);
    assert_eq!(std::fs::read(path).unwrap(), b"right");
}

#[tokio::test]
async fn what_the_image_holds_is_not_fetched() {
    let stage = stage(ServerOptions::default());
    let image = stage.directory.path().join("opt/flink");
    std::fs::create_dir_all(image.join("lib")).unwrap();
    std::fs::write(image.join("lib/dist.jar"), b"dist").unwrap();
    Stamps::bake(&image).unwrap();
    let mut artifact = stage.artifact("flink/lib/dist.jar", b"dist", 0o444);
    artifact.urls = vec!["http://127.0.0.1:1/never".to_owned()];
    let options = FetchOptions {
        baked: vec![image.clone()],
        ..quick(None)
    };
    let one = std::slice::from_ref(&artifact);
    let first = stage.fetch(options.clone(), one).await.unwrap();
    assert_eq!((first.baked, first.fetched), (1, 0));
    let second = stage.fetch(options.clone(), one).await.unwrap();
    assert_eq!(second.present, 1);
    // A file that is no longer as it was stamped does not count.
    std::fs::write(image.join("lib/dist.jar"), b"more than dist").unwrap();
    assert!(stage.fetch(options, one).await.is_err());
}

#[tokio::test]
async fn a_wrong_token_is_refused_at_once_and_named_as_such() {
    let stage = stage(with_token());
    let artifact = stage.artifact("x", b"x", 0o644);
    let other = Token::new("fedcba9876543210").unwrap();
    let error = stage
        .fetch(quick(Some(other)), &[artifact])
        .await
        .unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::ArtifactRefused);
    assert!(error.to_string().contains("401"), "{error}");
    assert!(!error.to_string().contains("fedcba9876543210"), "{error}");
}

#[tokio::test]
async fn any_mirror_will_do_and_the_error_names_all_of_them() {
    let stage = stage(ServerOptions::default());
    let mut artifact = stage.artifact("x", b"x", 0o644);
    let right = artifact.urls[0].clone();
    let gone = Sha256Digest::of(b"gone").to_string();
    artifact.urls = vec!["http://127.0.0.1:1/dead".to_owned(), gone.clone(), right];
    let events = RefCell::new(Vec::new());
    let fetcher = Fetcher::new(quick(None)).unwrap();
    fetcher
        .fetch_all(
            std::slice::from_ref(&artifact),
            &stage.base,
            &stage.sandbox(),
            &|event| events.borrow_mut().push(event),
        )
        .await
        .unwrap();
    let failed = |event: &&FetchEvent| matches!(event, FetchEvent::Failed { .. });
    assert_eq!(events.borrow().iter().filter(failed).count(), 2);
    std::fs::remove_dir_all(stage.sandbox()).unwrap();
    artifact.urls.pop();
    let error = stage.fetch(quick(None), &[artifact]).await.unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::ArtifactUnreachable);
    let text = error.to_string();
    assert!(text.contains("http://127.0.0.1:1/dead (2 times)"), "{text}");
    assert!(text.contains(&format!("{gone}: 404 Not Found")), "{text}");
}

#[tokio::test]
async fn a_document_is_verified_and_bounded() {
    let stage = stage(with_token());
    let document = stage.store.add_bytes(b"{\"version\":\"1.0\"}").unwrap();
    let url = stage.base.join(&document.digest.to_string()).unwrap();
    let fetcher = Fetcher::new(quick(Some(token()))).unwrap();
    let document_again = fetcher.fetch_document(&url, &document.digest, 100).await;
    assert_eq!(document_again.unwrap(), b"{\"version\":\"1.0\"}");
    let other = Sha256Digest::of(b"other");
    let error = fetcher.fetch_document(&url, &other, 100).await.unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::ArtifactDigest);
    let error = fetcher
        .fetch_document(&url, &document.digest, 5)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("longer than 5 bytes"), "{error}");
}

#[tokio::test]
async fn a_file_url_is_copied_and_verified() {
    let stage = stage(ServerOptions::default());
    let mut artifact = stage.artifact("x", &vec![5; 2_000_000], 0o640);
    let source = stage.store.look(&artifact.sha256).unwrap().path;
    artifact.urls = vec![Url::from_file_path(&source).unwrap().into()];
    let one = std::slice::from_ref(&artifact);
    assert_eq!(stage.fetch(quick(None), one).await.unwrap().fetched, 1);
    artifact.sha256 = Sha256Digest::of(b"other");
    let error = stage.fetch(quick(None), &[artifact]).await.unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::ArtifactDigest);
}

#[tokio::test]
async fn a_large_file_comes_in_parts_side_by_side() {
    let stage = stage(ServerOptions::default());
    let content: Vec<u8> = (0..5_000_000_u32).map(|n| n.to_be_bytes()[2]).collect();
    let artifact = stage.artifact("large", &content, 0o644);
    let options = FetchOptions {
        range_threshold: 1 << 20,
        ..quick(None)
    };
    stage.fetch(options, &[artifact]).await.unwrap();
    assert_eq!(
        std::fs::read(stage.sandbox().join("large")).unwrap(),
        content
    );
}

#[tokio::test]
async fn over_tls_a_generated_certificate_is_trusted_by_the_pin_in_the_url() {
    let identity = crate::server::TlsIdentity::generate(
        &["localhost".to_owned(), "127.0.0.1".to_owned()],
        None,
    )
    .unwrap();
    let stage = stage(ServerOptions {
        tls: Some(identity),
        ..with_token()
    });
    assert!(stage.base.fragment().unwrap().starts_with(PIN_PREFIX));
    let artifact = stage.artifact("x", &vec![3; 1_000_000], 0o644);
    let one = std::slice::from_ref(&artifact);
    let summary = stage.fetch(quick(Some(token())), one).await.unwrap();
    assert_eq!(summary.fetched, 1);
    // Without the pin nobody vouches for it.
    let mut unpinned = stage.base.clone();
    unpinned.set_fragment(None);
    std::fs::remove_dir_all(stage.sandbox()).unwrap();
    let fetcher = Fetcher::new(quick(Some(token()))).unwrap();
    let error = fetcher
        .fetch_all(one, &unpinned, &stage.sandbox(), &|_| {})
        .await
        .unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::ArtifactUnreachable);
}
