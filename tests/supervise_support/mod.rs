//! Running an init as PID 1 of a namespace, below a subreaper, or as a plain process, and
//! watching it from outside.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(super) const FLUGS: &str = env!("CARGO_BIN_EXE_flugs");

/// A process id that no process has.
const NOBODY: i32 = i32::MAX;

/// How the init under test is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// As PID 1 of a PID namespace with its own /proc.
    Pid1,
    /// As the child of a process that adopts orphans.
    Subreaper,
    /// As any child of any process.
    Plain,
}

/// A running init.
pub(super) struct Init {
    /// The process that was spawned: `unshare`, or the init itself.
    outer: Child,
    /// The init, in the test's own PID namespace.
    pub(super) pid: i32,
    stdout: Option<BufReader<ChildStdout>>,
}

/// How an init ended: its exit code, or 128 + the signal it died of.
pub(super) fn code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().expect("a code or a signal"))
}

/// A command line for `words`, run in `mode`.
pub(super) fn command(mode: Mode, words: &[&str]) -> Command {
    let mut all = Vec::new();
    match mode {
        Mode::Pid1 => all.extend(["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]),
        Mode::Subreaper | Mode::Plain => {}
    }
    all.extend(words);
    let mut command = Command::new(all[0]);
    command.args(&all[1..]).stdin(Stdio::null());
    command
}

impl Init {
    /// Starts `words` with its standard output readable by the test.
    pub(super) fn start(mode: Mode, words: &[&str]) -> Self {
        Self::start_with(mode, words, |command| {
            command.stdout(Stdio::piped());
        })
    }

    /// The same, with the command set up by the test.
    pub(super) fn start_with(
        mode: Mode,
        words: &[&str],
        set_up: impl FnOnce(&mut Command),
    ) -> Self {
        if mode == Mode::Subreaper {
            nix::sys::prctl::set_child_subreaper(true).expect("a subreaper");
        }
        let mut command = command(mode, words);
        command.process_group(0);
        set_up(&mut command);
        let mut outer = command.spawn().expect("the init starts");
        let pid = match mode {
            // A short run may be over before it was seen.
            Mode::Pid1 => until("unshare has a child", || {
                let over = outer.try_wait().expect("wait").map(|_| NOBODY);
                over.or_else(|| children(id(&outer)).first().copied())
            }),
            Mode::Subreaper | Mode::Plain => id(&outer),
        };
        let stdout = outer.stdout.take().map(BufReader::new);
        Self { outer, pid, stdout }
    }

    /// Waits for one line on standard output.
    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.stdout.as_mut().expect("a piped standard output");
        stdout.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Waits until the program has said that it is ready.
    pub(super) fn ready(mut self) -> Self {
        assert_eq!(self.line(), "ready");
        self
    }

    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.pid), signal);
    }

    /// Sends a signal that has no name in the library: a real-time one.
    pub(super) fn signal_number(&self, number: i32) {
        let status = Command::new("/bin/kill")
            .args([format!("-{number}"), self.pid.to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success(), "kill -{number}");
    }

    /// The direct children of the init.
    pub(super) fn children(&self) -> Vec<i32> {
        children(self.pid)
    }

    /// Waits for the end, and fails the test if it does not come in time.
    pub(super) fn end_within(&mut self, limit: Duration) -> i32 {
        match self.try_end_within(limit) {
            Some(code) => code,
            None => panic!("still running after {limit:?}"),
        }
    }

    pub(super) fn end(&mut self) -> i32 {
        self.end_within(Duration::from_secs(20))
    }

    /// The end's code, if it comes in time.
    pub(super) fn try_end_within(&mut self, limit: Duration) -> Option<i32> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(status) = self.outer.try_wait().expect("wait") {
                return Some(code(status));
            }
            pause();
        }
        None
    }

    /// Everything that is left on standard output.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let stdout = self.stdout.as_mut().expect("a piped standard output");
        stdout.read_to_end(&mut rest).expect("standard output");
        rest
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        for pid in below(self.pid) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.outer.kill();
        let _ = self.outer.wait();
    }
}

fn id(child: &Child) -> i32 {
    i32::try_from(child.id()).expect("a process id")
}

/// The direct children of a process.
pub(super) fn children(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// Every process below `pid`.
pub(super) fn below(pid: i32) -> Vec<i32> {
    let mut found = Vec::new();
    let mut next = vec![pid];
    while let Some(parent) = next.pop() {
        let own = children(parent);
        found.extend(&own);
        next.extend(own);
    }
    found
}

/// One field of `/proc/PID/status`.
pub(super) fn status_field(pid: i32, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{field}:")))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Whether a process with `word` among its arguments runs.
pub(super) fn runs(word: &str) -> bool {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .any(|arguments| {
            arguments
                .split(|byte| *byte == 0)
                .any(|a| a == word.as_bytes())
        })
}

/// Waits until `found` gives something, at most 10 s.
pub(super) fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < end, "never: {what}");
        pause();
    }
}

/// A moment, for polling what cannot be waited for.
pub(super) fn pause() {
    std::thread::sleep(Duration::from_millis(2));
}
