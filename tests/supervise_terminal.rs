//! `flugs supervise` on a terminal: who reads from it, who gets its keys, and job control.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may end at the first surprise, and waits for the programs that it runs"
)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use nix::pty::openpty;

const FLUGS: &str = env!("CARGO_BIN_EXE_flugs");

/// How long something may take to be said.
const LIMIT: Duration = Duration::from_secs(60);

/// A session of its own on a terminal of its own.
struct Terminal {
    keys: File,
    said: Receiver<Vec<u8>>,
    heard: String,
    child: Child,
}

impl Terminal {
    /// Runs a shell's command line there; the shell is interactive if there is none.
    fn run(script: Option<&str>) -> Self {
        let pty = openpty(None, None).expect("a terminal");
        let mut screen = File::from(pty.master.try_clone().expect("a copy"));
        let mut words = vec!["--ctty", "--wait", "bash", "--norc", "--noprofile"];
        match script {
            Some(script) => words.extend(["-c", script]),
            None => words.push("-i"),
        }
        let end = || {
            Stdio::from(OwnedFd::from(File::from(
                pty.slave.try_clone().expect("a copy"),
            )))
        };
        let child = Command::new("setsid")
            .args(words)
            .envs([("FLUGS", FLUGS), ("PS1", "prompt> "), ("TERM", "dumb")])
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("setsid starts");
        let (say, said) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A terminal that nobody has any more is an error.
            while let Ok(length) = screen.read(&mut buffer) {
                if length == 0 || say.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            keys: File::from(pty.master),
            said,
            heard: String::new(),
            child,
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("typed");
    }

    /// Waits until this is on the screen, after what was waited for before.
    fn sees(&mut self, expected: &str) {
        loop {
            if let Some(at) = self.heard.find(expected) {
                self.heard.drain(..at + expected.len());
                return;
            }
            match self.said.recv_timeout(LIMIT) {
                Ok(bytes) => self.heard.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("\"{expected}\" never came ({error}): {:?}", self.heard),
            }
        }
    }

    fn end(&mut self) -> i32 {
        self.child.wait().expect("wait").code().expect("a code")
    }
}

#[test]
fn what_is_typed_reaches_the_command_and_its_own_code_comes_back() {
    let script = "\"$FLUGS\" supervise -- bash -c 'read -p \"name: \" x; echo \"got $x\"; exit 7'; \
                  code=$?; read -p \"then: \" y; echo \"$y $code\"";
    let mut terminal = Terminal::run(Some(script));
    terminal.sees("name: ");
    terminal.press("bob\n");
    terminal.sees("got bob");
    // The terminal is the shell's again.
    terminal.sees("then: ");
    terminal.press("over\n");
    terminal.sees("over 7");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn ctrl_c_ends_the_command_and_nothing_is_started_again() {
    let script = "\"$FLUGS\" supervise --restart always --restart-backoff 0 -- \
                  bash -c 'echo ready; exec sleep 1000'";
    let mut terminal = Terminal::run(Some(&format!("trap : INT; {script}; exit $?")));
    terminal.sees("ready");
    terminal.press("\x03");
    assert_eq!(terminal.end(), 130);
}

#[test]
fn a_shell_stops_the_job_and_brings_it_back() {
    let mut terminal = Terminal::run(None);
    terminal.sees("prompt> ");
    terminal.press("\"$FLUGS\" supervise -- bash -c 'echo re''ady; read x; echo got $x'\n");
    terminal.sees("ready");
    terminal.press("\x1a");
    terminal.sees("Stopped");
    terminal.sees("prompt> ");
    terminal.press("fg\n");
    terminal.sees("supervise");
    terminal.press("bob\n");
    terminal.sees("got bob");
    terminal.sees("prompt> ");
    // In the background it is stopped as it reads, and the shell says so.
    terminal.press("\"$FLUGS\" supervise -- bash -c 'read x; echo had $x' &\n");
    terminal.sees("prompt> ");
    terminal.press("wait -n; jobs\n");
    terminal.sees("Stopped");
    terminal.press("fg\n");
    terminal.sees("supervise");
    terminal.press("eve\n");
    terminal.sees("had eve");
    terminal.press("exit 3\n");
    assert_eq!(terminal.end(), 3);
}

#[test]
fn a_pager_behind_a_pipe_keeps_the_terminal_unless_it_is_handed_over_by_word() {
    let pager = "bash -c 'read -p \"more: \" key < /dev/tty; echo \"pager $key\"; cat'";
    let script = format!("\"$FLUGS\" supervise -- bash -c 'echo x; sleep 0.1' | {pager}");
    let mut terminal = Terminal::run(Some(&script));
    terminal.sees("more: ");
    terminal.press("q\n");
    terminal.sees("pager q");
    assert_eq!(terminal.end(), 0);

    let script = "\"$FLUGS\" supervise --foreground -- bash -c 'read x; echo got $x' | cat";
    let mut terminal = Terminal::run(Some(script));
    terminal.press("bob\n");
    terminal.sees("got bob");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn the_supervisor_goes_by_its_name() {
    let script = "ps -o comm= -p $PPID";
    let output = Command::new(FLUGS)
        .args(["supervise", "--", "sh", "-c", script])
        .output()
        .expect("flugs runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "flugs\n");
}
