//! What `flugs launch` does with artifacts: it holds what it uses of the shared cache until its
//! supervisor has ended, takes from its image what that has, and shows how far it is.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed test panics; these run the program and wait for it"
)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flugs_artifact::Store;
use flugs_artifact::store::Eviction;
use flugs_base::{ExitCode, Sha256Digest};
use flugs_model::{Artifact, ArtifactKind};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A Flink home whose JVM says that it runs, and then does nothing until it is stopped.
fn flink_home(directory: &Path) {
    for (file, text) in [
        ("flink/lib/flink-dist-2.3.0.jar", ""),
        ("flink/lib/log4j-api.jar", ""),
        (
            "flink/conf/config.yaml",
            "taskmanager.memory.process.size: 1728m\n",
        ),
        ("flink/conf/log4j-console.properties", ""),
        ("flink/conf/logback-console.xml", ""),
        ("java/release", "JAVA_VERSION=\"17.0.15\"\n"),
        (
            "java/bin/java",
            "#!/bin/sh\necho $$ > running\nexec sleep 60\n",
        ),
    ] {
        let path = directory.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(directory.join("java/bin/java"), executable).unwrap();
}

/// A manifest in a file that ships files of this host.
fn manifest(directory: &Path, shipped: &[(&str, &[u8], u32)]) -> (PathBuf, Sha256Digest) {
    let artifact = |(dest, content, mode): &(&str, &[u8], u32)| {
        let source = directory.join(format!("source-{dest}"));
        fs::write(&source, content).unwrap();
        let url = format!("file://{}", source.display());
        artifact_at(&url, dest, content, *mode)
    };
    manifest_of(directory, &shipped.iter().map(artifact).collect::<Vec<_>>())
}

fn artifact_at(url: &str, dest: &str, content: &[u8], mode: u32) -> Artifact {
    Artifact {
        name: dest.to_owned(),
        urls: vec![url.to_owned()],
        sha256: Sha256Digest::of(content),
        size: content.len() as u64,
        dest: dest.parse().unwrap(),
        kind: ArtifactKind::File,
        mode,
        cache: true,
    }
}

fn manifest_of(directory: &Path, artifacts: &[Artifact]) -> (PathBuf, Sha256Digest) {
    let json = serde_json::json!({
        "version": "1.0",
        "role": "taskmanager",
        "workerId": "taskmanager-00001",
        "artifacts": artifacts,
    })
    .to_string();
    let path = directory.join("manifest.json");
    fs::write(&path, &json).unwrap();
    (path, Sha256Digest::of(json.as_bytes()))
}

/// The command that launches a manifest in the directory's sandbox.
fn launch(directory: &Path, manifest: &Path, digest: &Sha256Digest) -> Command {
    let at = |name: &str| directory.join(name);
    let mut command = Command::new(env!("CARGO_BIN_EXE_flugs"));
    command
        .args(["launch", "taskmanager", "--manifest"])
        .arg(manifest)
        .args(["--sha256", &digest.to_string(), "--dir"])
        .arg(at("sandbox"))
        .env("JAVA_HOME", at("java"))
        .env("FLINK_HOME", at("flink"))
        .env_remove("FLINK_PROPERTIES")
        .stdin(Stdio::null());
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

struct Launch(Child);

impl Launch {
    fn start(directory: &Path, manifest: &Path, digest: &Sha256Digest) -> Self {
        let mut command = launch(directory, manifest, digest);
        command.arg("--cache").arg(directory.join("cache"));
        Self(command.spawn().unwrap())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.id()).unwrap())
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// The files that a process has open.
fn open_files(pid: i32) -> Vec<PathBuf> {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .collect()
}

#[test]
fn a_running_launch_keeps_its_copies_and_links_in_the_cache_until_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    flink_home(path);
    let (manifest, digest) = manifest(
        path,
        &[("linked", b"linked", 0o444), ("copied", b"copied", 0o644)],
    );
    let mut launch = Launch::start(path, &manifest, &digest);
    let jvm: i32 = wait_for("the JVM runs", || {
        let text = fs::read_to_string(path.join("sandbox/running")).ok()?;
        text.trim().parse().ok()
    });

    let cache = Store::open(&path.join("cache")).unwrap();
    let nothing = Eviction { max_bytes: 0 };
    let evicted = cache.evict(nothing).unwrap();
    assert_eq!((evicted.removed, evicted.held_bytes), (vec![], 12));
    let leases = |pid| {
        let open = open_files(pid).into_iter();
        open.filter(|file| file.extension().is_some_and(|name| name == "lease"))
            .count()
    };
    assert_eq!(leases(launch.pid().as_raw()), 1, "the supervisor holds it");
    assert_eq!(leases(jvm), 0, "the JVM does not inherit it");

    kill(launch.pid(), Signal::SIGTERM).unwrap();
    launch.0.wait().unwrap();
    fs::remove_dir_all(path.join("sandbox")).unwrap();
    let evicted = cache.evict(nothing).unwrap();
    assert_eq!((evicted.removed.len(), evicted.held_bytes), (2, 0));
    assert_eq!(fs::read_dir(path.join("cache/leases")).unwrap().count(), 0);
}

#[test]
fn the_lease_of_a_launch_that_is_killed_ends_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    flink_home(path);
    let (manifest, digest) = manifest(path, &[("copied", b"copied", 0o644)]);
    let mut launch = Launch::start(path, &manifest, &digest);
    let jvm: i32 = wait_for("the JVM runs", || {
        let text = fs::read_to_string(path.join("sandbox/running")).ok()?;
        text.trim().parse().ok()
    });
    launch.0.kill().unwrap();
    launch.0.wait().unwrap();
    let cache = Store::open(&path.join("cache")).unwrap();
    let evicted = cache.evict(Eviction { max_bytes: 0 }).unwrap();
    assert_eq!((evicted.removed.len(), evicted.held_bytes), (1, 0));
    let _ = kill(Pid::from_raw(jvm), Signal::SIGKILL);
}

#[test]
fn a_launch_takes_from_its_image_what_that_has() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    flink_home(path);
    fs::write(path.join("flink/lib/job.jar"), "in the image").unwrap();
    let home = path.join("flink");
    let stamped = Command::new(env!("CARGO_BIN_EXE_flugs"))
        .args(["artifact", "stamp"])
        .arg(&home)
        .status();
    assert!(stamped.unwrap().success());
    // Nobody listens there.
    let url = "http://127.0.0.1:1/job.jar";
    let artifact = artifact_at(url, "usrlib/a.jar", b"in the image", 0o444);
    let (manifest, digest) = manifest_of(path, &[artifact]);
    let output = launch(path, &manifest, &digest)
        .arg("--check")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let placed = path.join("sandbox/usrlib/a.jar");
    assert_eq!(fs::read(&placed).unwrap(), b"in the image");
    assert_eq!(fs::read_link(placed).unwrap(), home.join("lib/job.jar"));
}

/// A server that takes its time over one file.
fn slow_server(content: &'static [u8], pieces: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        let length = content.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        for piece in content.chunks(length.div_ceil(pieces)) {
            std::thread::park_timeout(Duration::from_millis(100));
            stream.write_all(piece).unwrap();
        }
    });
    url
}

static CONTENT: [u8; 150_000] = [7; 150_000];

#[test]
fn a_launch_that_fetches_for_longer_than_a_second_says_how_far_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    flink_home(path);
    let url = slow_server(&CONTENT, 15);
    let (manifest, digest) = manifest_of(path, &[artifact_at(&url, "x", &CONTENT, 0o444)]);
    let output = launch(path, &manifest, &digest)
        .arg("--check")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let lines: Vec<_> = stderr
        .lines()
        .filter(|line| line.contains("fetched"))
        .collect();
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
        panic!("{stderr}");
    };
    assert!(
        first.contains("of 146.48 KiB") && first.ends_with("s left"),
        "{stderr}"
    );
    assert!(
        last.starts_with("flugs: fetched 146.48 KiB in "),
        "{stderr}"
    );
}

#[test]
fn a_launch_says_which_of_its_certificates_cannot_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    flink_home(path);
    let (manifest, digest) = manifest_of(path, &[]);
    for option in [
        &["--ca", "none.pem"][..],
        &["--cert", "none.pem", "--key", "none.key"],
    ] {
        let output = launch(path, &manifest, &digest)
            .args(option)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(ExitCode::Configuration.code().into())
        );
        assert!(stderr.contains("none.pem"), "{stderr}");
    }
}
