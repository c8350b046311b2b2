//! Debian's registry as a process of the test's own, and a way to it that cuts connections.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A running registry; it ends with this.
pub(crate) struct Registry {
    pub(crate) port: u16,
    process: Child,
    directory: tempfile::TempDir,
    passwords: Option<tempfile::NamedTempFile>,
}

impl Registry {
    /// Starts one, open to all or to this `user:secret`.
    pub(crate) fn start(credentials: Option<&str>) -> Self {
        let Some(credentials) = credentials else {
            return Self::start_with("");
        };
        // Debian's Python has bcrypt in crypt(3), the one form that the registry takes.
        let (user, secret) = credentials.split_once(':').unwrap();
        let script =
            "import crypt,sys; print(crypt.crypt(sys.argv[1], '$2b$05$abcdefghijklmnopqrstuu'))";
        let hash = Command::new("python3")
            .args(["-W", "ignore", "-c", script, secret])
            .output()
            .unwrap();
        let hash = String::from_utf8(hash.stdout).unwrap();
        assert!(hash.starts_with("$2b$"), "{hash}");
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("{user}:{hash}")).unwrap();
        let auth = format!(
            "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
            file.path().display()
        );
        let mut registry = Self::start_with(&auth);
        registry.passwords = Some(file);
        registry
    }

    /// Starts one with more in its configuration.
    pub(crate) fn start_with(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let at = directory.path().display();
        let configuration = format!(
            "version: 0.1\nlog: {{accesslog: {{disabled: false}}, level: warn}}\n\
             storage:\n  filesystem:\n    rootdirectory: {at}/data\nhttp:\n  addr: 127.0.0.1:{port}\n{more}"
        );
        let file = directory.path().join("config.yml");
        fs::write(&file, configuration).unwrap();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("docker-registry runs; see tools/install-packages.sh test");
        let registry = Self {
            port,
            process,
            directory,
            passwords: None,
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "{}", registry.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        registry
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// So many uploads were begun.
    pub(crate) fn uploads(&self) -> usize {
        self.log().matches("\"POST /v2/").count()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Passes connections on, and cuts some of them off.
pub(crate) struct Cutting {
    pub(crate) port: u16,
    counts: Arc<Counts>,
}

/// When a connection is cut.
enum Cuts {
    /// After so many bytes, whatever the connection; then the next limit counts.
    After(Mutex<Vec<u64>>),
    /// Before requests that send so many bytes: those of these numbers, counted from 0.
    BeforePieces(u64, Vec<usize>),
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    cuts: AtomicUsize,
    pieces: AtomicUsize,
}

impl Cutting {
    /// Cuts off after so many bytes each.
    pub(crate) fn start(to: u16, limits: &[u64]) -> Self {
        Self::with(to, Cuts::After(Mutex::new(limits.to_vec())))
    }

    /// Cuts off before anything of a piece of that length gets through.
    pub(crate) fn before_pieces(to: u16, length: u64, numbers: &[usize]) -> Self {
        Self::with(to, Cuts::BeforePieces(length, numbers.to_vec()))
    }

    fn with(to: u16, cuts: Cuts) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let counts = Arc::new(Counts::default());
        let (all, cuts) = (Arc::clone(&counts), Arc::new(cuts));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
                let (back_from, back_to) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || drop(std::io::copy(&mut &back_from, &mut &back_to)));
                let (all, cuts) = (Arc::clone(&all), Arc::clone(&cuts));
                std::thread::spawn(move || pass(&client, &server, &all, &cuts));
            }
        });
        Self { port, counts }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.counts.sent.load(Ordering::SeqCst)
    }

    pub(crate) fn cuts(&self) -> usize {
        self.counts.cuts.load(Ordering::SeqCst)
    }
}

impl Cuts {
    fn is_due(&self, bytes: &[u8], counts: &Counts) -> bool {
        match self {
            Self::After(limits) => {
                let mut limits = limits.lock().unwrap();
                match limits.first_mut() {
                    Some(left) if *left < bytes.len() as u64 => {
                        limits.remove(0);
                        true
                    }
                    Some(left) => {
                        *left -= bytes.len() as u64;
                        false
                    }
                    None => false,
                }
            }
            Self::BeforePieces(length, numbers) => {
                let head = String::from_utf8_lossy(bytes).to_lowercase();
                head.starts_with("patch ")
                    && head.contains(&format!("content-length: {length}\r\n"))
                    && numbers.contains(&counts.pieces.fetch_add(1, Ordering::SeqCst))
            }
        }
    }
}

fn pass(mut client: &TcpStream, mut server: &TcpStream, counts: &Counts, cuts: &Cuts) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read) = client.read(&mut buffer) {
        if read == 0 {
            break;
        }
        counts.sent.fetch_add(read as u64, Ordering::SeqCst);
        if cuts.is_due(&buffer[..read], counts) {
            counts.cuts.fetch_add(1, Ordering::SeqCst);
            break;
        }
        if server.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Hands the same token to everybody, and remembers what was asked.
pub(crate) struct Tokens {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tokens {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                while !request.ends_with(b"\r\n\r\n") {
                    match client.read(&mut buffer) {
                        Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
                        _ => break,
                    }
                }
                all.lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&request).into_owned());
                let body = r#"{"token":"abc"}"#;
                let _ = write!(
                    client,
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { port, asked }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}
