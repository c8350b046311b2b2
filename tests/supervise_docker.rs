//! The static binary as PID 1 of real containers: the only file of an image beside a static
//! busybox. `tools/dockerd.sh` starts a daemon if none answers.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests drive Docker's command line; nothing supervises children here"
)]
#![expect(
    clippy::expect_used,
    reason = "a test that cannot set its scene up fails on the spot"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use flugs_supervise::{ExitReport, Reason};

const FLUGS: &str = env!("CARGO_BIN_EXE_flugs");
const DAEMON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/dockerd.sh");
const IMAGE: &str = "flugs-supervise-test";

fn docker(words: &[&str]) -> Output {
    Command::new("docker")
        .args(words)
        .output()
        .expect("docker runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An image of two static binaries and nothing else: no passwd, no shell but busybox's.
fn image() -> &'static str {
    static IMAGE_ID: OnceLock<String> = OnceLock::new();
    IMAGE_ID.get_or_init(|| {
        let daemon = Command::new(DAEMON)
            .output()
            .expect("tools/dockerd.sh runs");
        assert!(daemon.status.success(), "{}", text(&daemon.stderr));
        let busybox = Path::new("/bin/busybox");
        assert!(
            busybox.exists(),
            "busybox-static is missing: apt-get install busybox-static"
        );
        let root = tempfile::tempdir().expect("a directory");
        let bin = root.path().join("bin");
        for directory in ["bin", "sandbox", "proc", "tmp"] {
            std::fs::create_dir(root.path().join(directory)).expect("a directory");
        }
        std::fs::copy(FLUGS, bin.join("flugs")).expect("the binary");
        std::fs::copy(busybox, bin.join("busybox")).expect("busybox");
        std::os::unix::fs::symlink("busybox", bin.join("sh")).expect("a link");
        let script = format!(
            "tar -C {} -c . | docker import - {IMAGE}",
            root.path().display()
        );
        let made = Command::new("sh")
            .args(["-c", &script])
            .output()
            .expect("sh runs");
        assert!(made.status.success(), "{}", text(&made.stderr));
        text(&made.stdout).trim().to_owned()
    })
}

/// A container with a sandbox of the test's own, and what it left there.
struct Container {
    sandbox: tempfile::TempDir,
}

impl Container {
    fn new() -> Self {
        let sandbox = tempfile::tempdir().expect("a directory");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(sandbox.path(), mode).expect("mode");
        Self { sandbox }
    }

    fn words<'a>(&self, volume: &'a mut String, options: &[&'a str]) -> Vec<&'a str> {
        *volume = format!("{}:/sandbox", self.sandbox.path().display());
        let mut words = vec!["--network", "none", "-v", volume.as_str()];
        words.extend(options);
        words.push(image());
        words.extend([
            "/bin/flugs",
            "supervise",
            "--report",
            "/sandbox/report.json",
            "--",
        ]);
        words
    }

    /// `docker run`, to its end.
    fn run(&self, options: &[&str], script: &str) -> Output {
        let mut volume = String::new();
        let mut words = vec!["run", "--rm"];
        words.extend(self.words(&mut volume, options));
        words.extend(["/bin/sh", "-c", script]);
        docker(&words)
    }

    fn report(&self) -> ExitReport {
        let json = std::fs::read(self.path()).expect("a report");
        serde_json::from_slice(&json).expect("a readable report")
    }

    fn path(&self) -> PathBuf {
        self.sandbox.path().join("report.json")
    }
}

#[test]
fn docker_pid_1_passes_exit_codes_through() {
    let container = Container::new();
    let output = container.run(&[], "test $PPID = 1 && exit 33");
    assert_eq!(output.status.code(), Some(33), "{}", text(&output.stderr));
    assert_eq!(container.report().exit_code, 33);
}

/// The kernel kills the largest process of the container: the command. The supervisor survives
/// and says so.
#[test]
fn docker_memory_limit_kill_is_named_in_the_report() {
    let container = Container::new();
    let script = "x=x; while :; do x=$x$x; done";
    let output = container.run(&["--memory", "32m", "--memory-swap", "32m"], script);
    assert_eq!(output.status.code(), Some(137), "{}", text(&output.stderr));
    let report = container.report();
    assert_eq!(report.reason, Reason::OomKilled, "{report:?}");
    assert!(report.out_of_memory.kernel_kills >= 1);
    assert_eq!(report.memory.limit_bytes, Some(32 * 1024 * 1024));
    assert!(
        report.message.contains("memory limit of 33554432 bytes"),
        "{}",
        report.message
    );
    assert!(
        text(&output.stderr).contains("the kernel killed it"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn docker_stop_is_a_clean_stop_and_docker_kill_passes_signals_on() {
    let container = Container::new();
    for (verb, script, code) in [
        (vec!["stop"], "exec /bin/busybox sleep 60", 0),
        (
            vec!["kill", "--signal", "USR1"],
            "trap 'exit 21' USR1; while :; do /bin/busybox sleep 0.1; done",
            21,
        ),
    ] {
        let mut volume = String::new();
        let mut words = vec!["run", "--detach"];
        words.extend(container.words(&mut volume, &[]));
        words.extend(["/bin/sh", "-c", script]);
        let started = docker(&words);
        assert!(started.status.success(), "{}", text(&started.stderr));
        let id = text(&started.stdout).trim().to_owned();
        std::thread::sleep(std::time::Duration::from_millis(500));
        let mut words = verb;
        words.push(&id);
        docker(&words);
        let waited = docker(&["wait", &id]);
        assert_eq!(text(&waited.stdout).trim(), code.to_string(), "{words:?}");
        docker(&["rm", &id]);
    }
}

#[test]
fn docker_read_only_root_and_a_random_user_are_enough() {
    let container = Container::new();
    let options = [
        "--read-only",
        "--user",
        "1000680000:0",
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
    ];
    let output = container.run(&options, "/bin/busybox id -u; exit 4");
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "1000680000\n");
    assert_eq!(container.report().exit_code, 4);
}

#[test]
fn docker_orphans_are_reaped_at_once_and_daemons_end_with_the_container() {
    let container = Container::new();
    let script = "i=0; while [ $i -lt 200 ]; do (/bin/busybox true &); i=$((i+1)); done; \
                  /bin/busybox sleep 0.5; /bin/busybox ps -o stat | /bin/busybox grep -c Z; exit 0";
    let output = container.run(&[], script);
    assert_eq!(text(&output.stdout).trim(), "0", "{}", text(&output.stderr));
    assert!(
        container.report().orphans_reaped >= 200,
        "{:?}",
        container.report()
    );
}
