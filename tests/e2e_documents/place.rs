//! Where a block's commands are run as they stand, but for names that this machine has otherwise.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::pages::{Block, ROOT};

/// How long anything may take before a test gives up: generous, for loaded machines.
const PATIENCE: Duration = Duration::from_secs(180);

/// A directory like a clone of this repository, with `flugs` in the path.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    names: Vec<(String, String)>,
    replaced: RefCell<BTreeSet<String>>,
}

impl Place {
    /// `names` are replaced in every block: what is documented, and what stands for it here.
    pub(crate) fn new(names: &[(&str, &str)]) -> Self {
        let place = Self {
            directory: tempfile::tempdir().unwrap(),
            names: names
                .iter()
                .map(|(documented, here)| ((*documented).to_owned(), (*here).to_owned()))
                .collect(),
            replaced: RefCell::default(),
        };
        fs::create_dir(place.path("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_flugs"), place.path("bin/flugs")).unwrap();
        for file in ["Dockerfile.appmaster", "Dockerfile.worker"] {
            fs::copy(Path::new(ROOT).join(file), place.path(file)).unwrap();
        }
        for folder in ["images", "entrypoints"] {
            let copied = Command::new("cp")
                .arg("-r")
                .arg(Path::new(ROOT).join(folder))
                .arg(place.path(folder))
                .status();
            assert!(copied.unwrap().success());
        }
        place
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    /// The text with this machine's names.
    fn here(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (documented, here) in &self.names {
            if text.contains(documented) {
                self.replaced.borrow_mut().insert(documented.clone());
                text = text.replace(documented, here);
            }
        }
        assert!(!text.contains('…'), "what does the … stand for? {text}");
        text
    }

    fn command(&self, script: &str) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(self.directory.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .stdin(Stdio::null());
        for variable in [
            "FLINK_HOME",
            "FLINK_CONF_DIR",
            "FLINK_PROPERTIES",
            "DOCKER_BUILDKIT",
        ] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs commands, which must succeed; gives their standard output.
    #[track_caller]
    pub(crate) fn run(&self, commands: &str) -> String {
        let script = self.here(commands);
        let output = self.command(&script).output().unwrap();
        assert!(output.status.success(), "{script}\n{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a block.
    #[track_caller]
    pub(crate) fn run_block(&self, block: &Block) -> String {
        eprintln!("{}", block.place());
        self.run(&block.text)
    }

    /// Whether commands succeed.
    pub(crate) fn succeeds(&self, commands: &str) -> bool {
        let script = self.here(commands);
        self.command(&script).output().unwrap().status.success()
    }

    /// Starts commands the last of which stays, and takes the shell's place.
    pub(crate) fn start(&self, block: &Block) -> Running {
        eprintln!("{}", block.place());
        let log = self.path("log");
        let file = fs::File::create(&log).unwrap();
        let mut command = self.command(&self.here(&block.text));
        command.process_group(0);
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap();
        Running { child, log }
    }

    /// Every name that is to be replaced was there: a page that has changed is noticed.
    #[track_caller]
    pub(crate) fn used_every_name(&self) {
        let replaced = self.replaced.borrow();
        let unused: Vec<_> = self
            .names
            .iter()
            .filter(|(name, _)| !replaced.contains(name))
            .collect();
        assert!(unused.is_empty(), "no block has these any more: {unused:?}");
    }
}

/// A program that runs until it is told to stop.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until `holds`; that the program ends meanwhile fails the test.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.log()) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "{what}: ended with {ended:?}: {}",
                self.log()
            );
            assert!(
                Instant::now() < deadline,
                "not within {PATIENCE:?}: {what}: {}",
                self.log()
            );
            sleep(Duration::from_millis(200));
        }
    }

    /// Ctrl-C at a terminal; it must end in order.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, Signal::SIGINT).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(200));
    }
}

/// What a program printed, for a message.
pub(crate) fn said(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    format!("{}\n{}", output.status, String::from_utf8_lossy(&all))
}

/// Output with every number of two or more digits, and every run of blanks, made alike: what differs
/// from run to run.
pub(crate) fn shape(output: &str) -> String {
    let line = |line: &str| {
        line.split_whitespace()
            .map(masked)
            .collect::<Vec<_>>()
            .join(" ")
    };
    output
        .trim_end()
        .lines()
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

fn masked(word: &str) -> String {
    let mut masked = String::new();
    let mut digits = String::new();
    for letter in word.chars().chain(['\0']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        masked.push_str(if digits.len() > 1 { "N" } else { &digits });
        digits.clear();
        if letter != '\0' {
            masked.push(letter);
        }
    }
    masked
}
