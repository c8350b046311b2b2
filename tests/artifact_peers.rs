//! The fetcher and the server against programs that others wrote: Debian's container registry,
//! a proxy, OpenSSL's server, curl. `tools/install-packages.sh test` installs them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed test panics; these run programs and wait for them"
)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flugs_artifact::server::TlsIdentity;
use flugs_artifact::{Server, ServerOptions, Store};
use flugs_base::{ExitCode, Sha256Digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

const CONTENT: &[u8] = b"the bytes of an artifact";

/// `me:secret`, for RFC 7617.
const PASSWORD: &str = "bWU6c2VjcmV0";

/// The same, hashed with bcrypt as `htpasswd -B` does it.
const PASSWORD_FILE: &str = "me:$2b$05$QwtIMw2jYaN/Sl1Mdd0dseMXrK7ZDenMczVD.qWnCjQQ83gM6N0qO\n";

fn digest() -> Sha256Digest {
    Sha256Digest::of(CONTENT)
}

/// A program of another package that runs for as long as the test does.
struct Peer {
    child: Child,
    port: u16,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts a program and waits until it listens on `port`.
fn peer(command: &mut Command, port: u16) -> Peer {
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{name}: {error}; `tools/install-packages.sh test` installs it")
        });
    let mut peer = Peer { child, port };
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "{name} does not listen");
        if let Some(status) = peer.child.try_wait().unwrap() {
            panic!("{name} ended with {status}");
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    peer
}

/// `flugs artifact fetch` of the artifact into a fresh directory, without any proxy unless named.
struct Fetch {
    directory: tempfile::TempDir,
    command: Command,
}

impl Fetch {
    fn of(url: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_flugs"));
        command
            .args(["artifact", "fetch", url, "--name", "x", "--sha256"])
            .args([&digest().to_string(), "--size"])
            .args([&CONTENT.len().to_string(), "--to"])
            .arg(directory.path());
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command.env_remove("REGISTRY_AUTH_FILE");
        Self { directory, command }
    }

    fn arg(mut self, name: &str, value: &Path) -> Self {
        self.command.arg(name).arg(value);
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    #[track_caller]
    fn succeeds(mut self) {
        let output = self.command.output().unwrap();
        assert!(output.status.success(), "{}", message(&output));
        assert_eq!(fs::read(self.directory.path().join("x")).unwrap(), CONTENT);
    }

    /// Ends with this code; gives the message.
    #[track_caller]
    fn fails(mut self, code: ExitCode) -> String {
        let output = self.command.output().unwrap();
        let message = message(&output);
        assert_eq!(output.status.code(), Some(code.code().into()), "{message}");
        assert!(!self.directory.path().join("x").exists());
        message
    }
}

fn message(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn private_file(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

// --- Registries -------------------------------------------------------------------------------

/// A registry on the storage below `directory`, with this `auth` section.
fn registry(directory: &Path, auth: &str) -> Peer {
    let port = free_port();
    let root = directory.join("registry");
    let configuration = directory.join(format!("registry-{port}.yml"));
    let text = format!(
        "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
         http:\n  addr: 127.0.0.1:{port}\n{auth}",
        root.display()
    );
    fs::write(&configuration, text).unwrap();
    peer(
        Command::new("docker-registry")
            .arg("serve")
            .arg(&configuration),
        port,
    )
}

/// A registry that lets everybody in, and holds the artifact as a blob of `flink/dist`.
fn filled_registry(directory: &Path) -> Peer {
    let registry = registry(directory, "");
    let base = format!(
        "http://127.0.0.1:{}/v2/flink/dist/blobs/uploads/",
        registry.port
    );
    let output = curl(&["-i", "-X", "POST", &base]);
    let location = output
        .lines()
        .find_map(|line| line.strip_prefix("Location: "))
        .unwrap_or_else(|| panic!("{output}"));
    let place = format!("{location}&digest=sha256:{}", digest());
    let content = directory.join("content");
    fs::write(&content, CONTENT).unwrap();
    let body = format!("@{}", content.display());
    let kind = "Content-Type: application/octet-stream";
    let reply = curl(&[
        "-i",
        "-X",
        "PUT",
        "-H",
        kind,
        "--data-binary",
        &body,
        &place,
    ]);
    assert!(reply.starts_with("HTTP/1.1 201"), "{reply}");
    registry
}

fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*"])
        .args(arguments)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).replace('\r', "")
}

fn registry_url(registry: &Peer) -> String {
    format!("oci+http://127.0.0.1:{}/flink/dist", registry.port)
}

/// The file that `docker login` writes, for one registry.
fn login(directory: &Path, registry: &Peer, password: &str) -> PathBuf {
    let path = directory.join(format!("auth-{}.json", registry.port));
    let host = format!("127.0.0.1:{}", registry.port);
    private_file(
        &path,
        &serde_json::json!({"auths": {host: {"auth": password}}}).to_string(),
    );
    path
}

#[test]
fn a_registry_that_lets_everybody_in_gives_its_blob() {
    let directory = tempfile::tempdir().unwrap();
    let open = filled_registry(directory.path());
    Fetch::of(&registry_url(&open)).succeeds();
    let absent = format!("oci+http://127.0.0.1:{}/flink/other", open.port);
    let message = Fetch::of(&absent).fails(ExitCode::ArtifactRefused);
    assert!(message.contains("404"), "{message}");
}

#[test]
fn a_registry_that_asks_for_a_password_gets_it_from_the_login_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    drop(filled_registry(path));
    let passwords = path.join("htpasswd");
    fs::write(&passwords, PASSWORD_FILE).unwrap();
    let auth = format!(
        "auth:\n  htpasswd:\n    realm: here\n    path: {}\n",
        passwords.display()
    );
    let guarded = registry(path, &auth);
    let url = registry_url(&guarded);
    let file = login(path, &guarded, PASSWORD);
    Fetch::of(&url).arg("--registry-auth", &file).succeeds();
    Fetch::of(&url)
        .env("REGISTRY_AUTH_FILE", file.to_str().unwrap())
        .succeeds();
    let message = Fetch::of(&url).fails(ExitCode::ArtifactRefused);
    assert!(message.contains("401"), "{message}");
    let wrong = login(path, &guarded, &STANDARD.encode("me:wrong"));
    let message = Fetch::of(&url)
        .arg("--registry-auth", &wrong)
        .fails(ExitCode::ArtifactRefused);
    assert!(
        !message.contains("wrong") && !message.contains(PASSWORD),
        "{message}"
    );
}

/// Hands out tokens as the registry's specification says: to everybody for `flink/dist`, or only
/// to whoever knows the password. Ends with the test's process.
struct TokenServer {
    port: u16,
    certificate: PathBuf,
}

fn token_server(directory: &Path, password: Option<&'static str>) -> TokenServer {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["tokens".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let path = directory.join("tokens.pem");
    fs::write(&path, certificate.pem()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (key, certificate) = (key.serialize_der(), certificate.der().to_vec());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.extend(byte);
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let right = password.is_none_or(|password| {
                head.contains(&format!("authorization: basic {}", password.to_lowercase()))
            });
            let (status, body) = if right && head.contains("service=here") {
                let token = token(&key, &certificate);
                ("200 OK", serde_json::json!({"token": token}).to_string())
            } else {
                ("401 Unauthorized", String::new())
            };
            let length = body.len();
            let reply = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    TokenServer {
        port,
        certificate: path,
    }
}

/// A signed token (RFC 7519) that lets its bearer pull `flink/dist`.
fn token(key: &[u8], certificate: &[u8]) -> String {
    let random = ring::rand::SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &random).unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let head = serde_json::json!({
        "typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(certificate)],
    });
    let claims = serde_json::json!({
        "iss": "tokens", "sub": "me", "aud": "here", "jti": "1",
        "nbf": now - 60, "iat": now, "exp": now + 300,
        "access": [{"type": "repository", "name": "flink/dist", "actions": ["pull"]}],
    });
    let encode = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let text = format!("{}.{}", encode(&head), encode(&claims));
    let signature = key.sign(&random, text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn registry_with_tokens(directory: &Path, tokens: &TokenServer) -> Peer {
    let auth = format!(
        "auth:\n  token:\n    realm: http://127.0.0.1:{}/token\n    service: here\n    \
         issuer: tokens\n    rootcertbundle: {}\n",
        tokens.port,
        tokens.certificate.display()
    );
    registry(directory, &auth)
}

#[test]
fn a_registry_that_asks_for_a_token_names_who_hands_it_out() {
    let directory = tempfile::tempdir().unwrap();
    drop(filled_registry(directory.path()));
    let tokens = token_server(directory.path(), None);
    let guarded = registry_with_tokens(directory.path(), &tokens);
    Fetch::of(&registry_url(&guarded)).succeeds();
    let unpullable = format!("oci+http://127.0.0.1:{}/flink/other", guarded.port);
    Fetch::of(&unpullable).fails(ExitCode::ArtifactRefused);
}

#[test]
fn who_hands_out_tokens_may_ask_for_the_registrys_password() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    drop(filled_registry(path));
    let tokens = token_server(path, Some(PASSWORD));
    let guarded = registry_with_tokens(path, &tokens);
    let url = registry_url(&guarded);
    let file = login(path, &guarded, PASSWORD);
    Fetch::of(&url).arg("--registry-auth", &file).succeeds();
    let message = Fetch::of(&url).fails(ExitCode::ArtifactRefused);
    assert!(message.contains("401"), "{message}");
}

// --- Proxies ----------------------------------------------------------------------------------

/// A server of this project that runs for as long as the test's process; gives the artifact's URL.
fn server(directory: &Path, tls: Option<TlsIdentity>) -> String {
    let store = Store::open(&directory.join("store")).unwrap();
    let object = store.add_bytes(CONTENT).unwrap();
    let options = ServerOptions {
        tls,
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

struct Proxy {
    peer: Peer,
    log: PathBuf,
}

impl Proxy {
    fn start(directory: &Path) -> Self {
        let port = free_port();
        let log = directory.join("proxy.log");
        let configuration = directory.join("proxy.conf");
        let text = format!(
            "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 30\nMaxClients 10\n\
             LogLevel Connect\nLogFile \"{}\"\n",
            log.display()
        );
        fs::write(&configuration, text).unwrap();
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(&configuration);
        Self {
            peer: peer(&mut command, port),
            log,
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.peer.port)
    }

    /// The requests that it has seen.
    fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines()
            .filter_map(|line| Some(line.split_once("): ")?.1.to_owned()))
            .filter(|request| request.contains(" HTTP/1."))
            .collect()
    }
}

#[test]
fn a_proxy_is_asked_for_plain_urls_unless_the_host_is_excepted() {
    let directory = tempfile::tempdir().unwrap();
    let url = server(directory.path(), None);
    let proxy = Proxy::start(directory.path());
    Fetch::of(&url).env("http_proxy", &proxy.url()).succeeds();
    let seen = proxy.requests();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(
        seen.iter().all(|request| request.starts_with("GET")),
        "{seen:?}"
    );
    for excepted in ["127.0.0.1", "127.0.0.0/8", "other.example,127.0.0.1", "*"] {
        Fetch::of(&url)
            .env("http_proxy", &proxy.url())
            .env("no_proxy", excepted)
            .succeeds();
        assert_eq!(proxy.requests().len(), 1, "{excepted} is excepted");
    }
    Fetch::of(&url)
        .env("HTTP_PROXY", &proxy.url())
        .env("NO_PROXY", "other.example")
        .succeeds();
    Fetch::of(&url).env("ALL_PROXY", &proxy.url()).succeeds();
    // The proxy for TLS alone is none for plain text.
    Fetch::of(&url).env("https_proxy", &proxy.url()).succeeds();
    assert_eq!(proxy.requests().len(), 3);
}

#[test]
fn through_a_proxy_tls_is_a_tunnel_whose_other_end_is_checked() {
    let directory = tempfile::tempdir().unwrap();
    let names = ["127.0.0.1".to_owned()];
    let identity = TlsIdentity::generate(&names, None).unwrap();
    let url = server(directory.path(), Some(identity));
    let proxy = Proxy::start(directory.path());
    Fetch::of(&url).env("https_proxy", &proxy.url()).succeeds();
    let seen = proxy.requests();
    assert!(
        seen.len() == 1 && seen.iter().all(|request| request.starts_with("CONNECT")),
        "{seen:?}"
    );
    let other = TlsIdentity::generate(&names, None).unwrap();
    let (bare, _) = url.split_once('#').unwrap();
    let wrong = format!("{bare}#certificate-sha256={}", other.fingerprint());
    Fetch::of(&wrong)
        .env("https_proxy", &proxy.url())
        .fails_quickly("pinned");
}

impl Fetch {
    /// Is refused at every attempt; the attempts are cut short, because only the first matters.
    #[track_caller]
    fn fails_quickly(mut self, why: &str) {
        let mut child = self
            .command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut first = Vec::new();
        let mut stderr = child.stderr.take().unwrap();
        let mut byte = [0];
        while !first.ends_with(b"\n") && stderr.read(&mut byte).is_ok_and(|n| n == 1) {
            first.extend(byte);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let first = String::from_utf8_lossy(&first).to_lowercase();
        assert!(first.contains(why), "{first}");
        assert!(!self.directory.path().join("x").exists());
    }
}

// --- Client certificates ----------------------------------------------------------------------

/// An authority with a server's certificate and a client's, and a client of another authority.
struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    fn make(directory: &Path) -> Self {
        for (authority, names) in [
            ("ca", &["server", "client"][..]),
            ("other-ca", &["stranger"]),
        ] {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
            parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            parameters
                .distinguished_name
                .push(rcgen::DnType::CommonName, authority);
            let certificate = parameters.self_signed(&key).unwrap();
            fs::write(
                directory.join(format!("{authority}.pem")),
                certificate.pem(),
            )
            .unwrap();
            let issuer = rcgen::Issuer::new(parameters, key);
            for name in names {
                let key = rcgen::KeyPair::generate().unwrap();
                let san = vec!["127.0.0.1".to_owned()];
                let parameters = rcgen::CertificateParams::new(san).unwrap();
                let certificate = parameters.signed_by(&key, &issuer).unwrap();
                fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
                private_file(&directory.join(format!("{name}.key")), &key.serialize_pem());
            }
        }
        Self {
            directory: directory.to_owned(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A server of this project that lets in whom the authority vouches for.
    fn server(&self) -> String {
        let identity = TlsIdentity::from_files(
            &self.at("server.pem"),
            &self.at("server.key"),
            Some(&self.at("ca.pem")),
        );
        server(&self.directory, Some(identity.unwrap()))
    }

    /// A fetch that trusts the authority, as `name` or as nobody.
    fn fetch(&self, url: &str, name: Option<&str>) -> Fetch {
        let fetch = Fetch::of(url).arg("--ca", &self.at("ca.pem"));
        match name {
            None => fetch,
            Some(name) => fetch
                .arg("--cert", &self.at(&format!("{name}.pem")))
                .arg("--key", &self.at(&format!("{name}.key"))),
        }
    }
}

#[test]
fn a_server_that_demands_client_certificates_takes_those_of_its_authority_alone() {
    let directory = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(directory.path());
    let url = certificates.server();
    certificates.fetch(&url, Some("client")).succeeds();
    certificates
        .fetch(&url, None)
        .fails_quickly("certificaterequired");
    certificates
        .fetch(&url, Some("stranger"))
        .fails_quickly("unknownca");
}

#[test]
fn curl_meets_the_same_demand_for_a_client_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(directory.path());
    let url = certificates.server();
    let at = |name: &str| certificates.at(name).display().to_string();
    let authority = at("ca.pem");
    let (client, client_key) = (at("client.pem"), at("client.key"));
    let (stranger, stranger_key) = (at("stranger.pem"), at("stranger.key"));
    let trusted = curl(&[
        "--cacert",
        &authority,
        "--cert",
        &client,
        "--key",
        &client_key,
        &url,
    ]);
    assert_eq!(trusted.as_bytes(), CONTENT);
    for version in ["1.2", "1.3"] {
        let (least, most) = (format!("--tlsv{version}"), ["--tls-max", version]);
        let common = [&most[..], &[&least, "--cacert", &authority]].concat();
        let known = ["--cert", &client, "--key", &client_key, &url];
        assert_eq!(curl(&[&common[..], &known].concat()).as_bytes(), CONTENT);
        let unknown = ["--cert", &stranger, "--key", &stranger_key, &url];
        assert_eq!(curl(&[&common[..], &unknown].concat()), "");
        assert_eq!(curl(&[&common[..], &[&url]].concat()), "");
    }
    let old = curl(&[
        "--tls-max",
        "1.1",
        "--tlsv1.0",
        "--ciphers",
        "DEFAULT@SECLEVEL=0",
        "-k",
        &url,
    ]);
    assert_eq!(old, "", "TLS 1.1 is not spoken");
}

#[test]
fn the_fetcher_shows_its_certificate_to_openssl() {
    let directory = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(directory.path());
    fs::write(directory.path().join("artifact"), CONTENT).unwrap();
    let port = free_port();
    let mut command = Command::new("openssl");
    command
        .args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-WWW"])
        .args(["-Verify", "2", "-verify_return_error", "-quiet"])
        .args([
            "-CAfile",
            "ca.pem",
            "-cert",
            "server.pem",
            "-key",
            "server.key",
        ])
        .current_dir(directory.path());
    let _openssl = peer(&mut command, port);
    let url = format!("https://127.0.0.1:{port}/artifact");
    certificates.fetch(&url, Some("client")).succeeds();
    certificates
        .fetch(&url, None)
        .fails_quickly("certificaterequired");
    certificates
        .fetch(&url, Some("stranger"))
        .fails_quickly("unknownca");
    certificates.fetch(&url, Some("client")).succeeds();
}

#[test]
fn a_redirect_from_tls_to_plain_text_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(directory.path());
    let plain = server(directory.path(), None);
    let port = free_port();
    // In this mode the file is the whole reply, head included.
    let reply = format!("HTTP/1.1 302 Found\r\nLocation: {plain}\r\nContent-Length: 0\r\n\r\n");
    fs::write(directory.path().join("artifact"), reply).unwrap();
    let mut command = Command::new("openssl");
    command
        .args([
            "s_server",
            "-accept",
            &format!("127.0.0.1:{port}"),
            "-HTTP",
            "-quiet",
        ])
        .args(["-cert", "server.pem", "-key", "server.key"])
        .current_dir(directory.path());
    let _openssl = peer(&mut command, port);
    let url = format!("https://127.0.0.1:{port}/artifact");
    certificates
        .fetch(&url, None)
        .fails_quickly("a redirect from https to plain text");
}
