//! The program's output and the supervisor's own few words.
//!
//! Owns both streams from the program to where they go: passed on, wrapped, kept in files, and
//! their last lines for the report. Never waits for a reader, and changes no byte unless told to.

mod capture;
mod json;
mod lines;
mod outlet;
mod queue;
mod rotate;
mod stream;
mod tail;

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use self::lines::Lines;
pub(super) use self::lines::Seen;
use self::stream::{Name, Stream};
use super::clock::Moment;
use super::error::SuperviseError;
use super::kernel::Streams;
use super::report::rfc3339;
use super::signs::Signs;
use super::supervision::{LogPolicy, RotatingFiles};

/// At the end, a reader that takes nothing for this long is not waited for any more.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// How much is read from the program at one go.
const SCRATCH: usize = 64 * 1024;

/// Reads in a row from one stream, before others have their turn.
const READS: u32 = 8;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Outputs {
    stdout: Stream,
    stderr: Stream,
    name: String,
    json: bool,
    /// Whether each line that is said begins with the time.
    time_stamps: bool,
    scratch: Vec<u8>,
    dumps: Vec<PathBuf>,
    /// A reader let [`LAST_PATIENCE`] pass.
    gave_up: bool,
}

/// What the poll loop watches on behalf of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    /// Output of the program.
    Stdout,
    Stderr,
    /// Room in the supervisor's own streams.
    Room,
}

/// Finds out whether the files of a policy could be opened; nothing is left of that.
pub(super) fn try_files(files: &RotatingFiles, name: &str) -> Result<(), SuperviseError> {
    stream::try_open(files, name)
}

impl Outputs {
    pub(super) fn new(
        policy: &LogPolicy,
        name: &str,
        signs: Option<&Signs>,
    ) -> Result<Self, SuperviseError> {
        let rules = signs.map(|signs| Rc::new(signs.reader()));
        let lines = || rules.clone().map(Lines::new);
        Ok(Self {
            stdout: Stream::new(Name::Stdout, policy, name, lines())?,
            stderr: Stream::new(Name::Stderr, policy, name, lines())?,
            name: name.to_owned(),
            json: matches!(policy, LogPolicy::Json),
            time_stamps: false,
            scratch: Vec::new(),
            dumps: Vec::new(),
            gave_up: false,
        })
    }

    /// Begins each line that is said with the time.
    pub(super) const fn with_time_stamps(mut self, time_stamps: bool) -> Self {
        self.time_stamps = time_stamps;
        self
    }

    /// Opens the log files, if there are to be any.
    pub(super) fn open_files(&mut self, policy: &LogPolicy) -> Result<(), SuperviseError> {
        if let LogPolicy::Files(files) = policy {
            self.stdout.open_files(files, &self.name)?;
            self.stderr.open_files(files, &self.name)?;
        }
        Ok(())
    }

    /// The streams for the program.
    pub(super) fn program_ends(&self) -> Result<Streams, SuperviseError> {
        let failed = |error| SuperviseError::Call {
            call: "fcntl(F_DUPFD_CLOEXEC)",
            error,
        };
        Ok(Streams {
            stdout: self.stdout.program_end().map_err(failed)?,
            stderr: self.stderr.program_end().map_err(failed)?,
        })
    }

    /// What to poll, and for what.
    pub(super) fn watches(&self) -> impl Iterator<Item = (Watch, BorrowedFd<'_>, PollFlags)> {
        let reads = [
            (Watch::Stdout, self.stdout.readable()),
            (Watch::Stderr, self.stderr.readable()),
        ]
        .into_iter()
        .filter_map(|(watch, fd)| Some((watch, fd?, PollFlags::POLLIN)));
        let writes = [self.stdout.writable(), self.stderr.writable()]
            .into_iter()
            .flatten()
            .map(|fd| (Watch::Room, fd, PollFlags::POLLOUT));
        reads.chain(writes)
    }

    /// When [`Outputs::tick`] is due.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let both = [self.stdout.queue.deadline(), self.stderr.queue.deadline()];
        both.into_iter().flatten().min()
    }

    pub(super) fn tick(&mut self, now: Moment) {
        self.stdout.queue.tick(now);
        self.stderr.queue.tick(now);
    }

    /// One of [`Outputs::watches`] is ready.
    pub(super) fn ready(&mut self, watch: Watch, now: Moment, wall: SystemTime) {
        self.scratch.resize(SCRATCH, 0);
        let stream = match watch {
            Watch::Stdout => &mut self.stdout,
            Watch::Stderr => &mut self.stderr,
            Watch::Room => return self.flush(),
        };
        for _ in 0..READS {
            if !stream.queue.takes_more() || !stream.read(&mut self.scratch, now, wall) {
                break;
            }
        }
    }

    /// Whether lines are to be looked at that the program writes to a file by itself, so that
    /// nothing tells when there are more.
    pub(super) const fn is_read_as_a_file(&self) -> bool {
        self.stdout.is_read_as_a_file() || self.stderr.is_read_as_a_file()
    }

    /// Looks at what the program has written to such files.
    pub(super) fn read_files(&mut self) {
        self.scratch.resize(SCRATCH, 0);
        self.stdout.read_file(&mut self.scratch);
        self.stderr.read_file(&mut self.scratch);
    }

    /// The lines that a rule fitted since the last call.
    pub(super) fn take_seen(&mut self) -> Vec<Seen> {
        let mut seen = self.stdout.take_seen();
        seen.append(&mut self.stderr.take_seen());
        seen
    }

    fn flush(&mut self) {
        self.stdout.flush();
        self.stderr.flush();
        for name in [Name::Stdout, Name::Stderr] {
            let dropped = self.stream(name).newly_dropped();
            if dropped > 0 {
                let name = name.as_str();
                self.say(&format!(
                    "{dropped} bytes of {name} were dropped: their reader is too slow"
                ));
            }
        }
    }

    const fn stream(&mut self, name: Name) -> &mut Stream {
        match name {
            Name::Stdout => &mut self.stdout,
            Name::Stderr => &mut self.stderr,
        }
    }

    /// Says one line on standard error.
    pub(super) fn say(&mut self, text: &str) {
        let words = if self.json {
            json::object(&self.name, "flugs", text, false, SystemTime::now())
        } else {
            plain(text, self.time_stamps).into_bytes()
        };
        self.stderr.say(&words);
    }

    /// A thread dump is asked for: keeps what comes in `path`.
    pub(super) fn begin_dump(&mut self, path: &Path) {
        self.stdout.begin_capture(path);
    }

    /// The program that was to be dumped has ended.
    pub(super) fn end_dump(&mut self, now: Moment, wall: SystemTime) {
        self.ready(Watch::Stdout, now, wall);
        self.dumps.extend(self.stdout.end_capture());
    }

    /// The dumps that were kept.
    pub(super) fn dumps(&self) -> &[PathBuf] {
        &self.dumps
    }

    /// The last lines of standard error and standard output.
    pub(super) fn last_lines(&mut self) -> (Vec<String>, Vec<String>) {
        (self.stderr.last_lines(), self.stdout.last_lines())
    }

    /// The ends of standard error and standard output, as far as they were seen.
    pub(super) fn last_words(&mut self) -> (String, String) {
        (self.stderr.last_words(), self.stdout.last_words())
    }

    /// Bytes that reached nobody.
    pub(super) fn dropped(&self) -> u64 {
        self.stdout.dropped() + self.stderr.dropped()
    }

    /// Takes in what the program has written, as far as there is room for it.
    pub(super) fn take_in(&mut self, now: Moment, wall: SystemTime) {
        self.scratch.resize(SCRATCH, 0);
        for stream in [&mut self.stdout, &mut self.stderr] {
            while stream.queue.takes_more() && stream.read(&mut self.scratch, now, wall) {}
            stream.flush();
        }
    }

    /// No process of the program is left: takes everything that it wrote from its pipes, and
    /// passes it on for as long as somebody reads.
    pub(super) fn drain(&mut self, now: Moment, wall: SystemTime) {
        self.scratch.resize(SCRATCH, 0);
        loop {
            let mut more = false;
            for stream in [&mut self.stdout, &mut self.stderr] {
                while stream.queue.takes_more() && stream.read(&mut self.scratch, now, wall) {}
                more |= !stream.queue.takes_more();
                stream.flush();
            }
            if !more {
                break;
            }
            if !self.wait_for_room() {
                self.gave_up = true;
                break;
            }
        }
        for stream in [&mut self.stdout, &mut self.stderr] {
            // If nobody reads, what is in the pipe still counts.
            for _ in 0..READS * 32 {
                if !stream.read(&mut self.scratch, now, wall) {
                    break;
                }
            }
            stream.end_line(now, wall);
        }
        self.flush_all();
    }

    /// Writes all that waits, for as long as somebody reads.
    pub(super) fn flush_all(&mut self) {
        self.flush();
        while !(self.stdout.queue.is_empty() && self.stderr.queue.is_empty()) {
            if self.gave_up || !self.wait_for_room() {
                self.gave_up = true;
                self.stdout.queue.clear();
                self.stderr.queue.clear();
            }
            self.flush();
        }
    }

    /// Waits until one of the readers made room. False: none does.
    fn wait_for_room(&self) -> bool {
        let mut polled: Vec<PollFd<'_>> = [self.stdout.writable(), self.stderr.writable()]
            .into_iter()
            .flatten()
            .map(|fd| PollFd::new(fd, PollFlags::POLLOUT))
            .collect();
        let patience = PollTimeout::try_from(LAST_PATIENCE).unwrap_or(PollTimeout::ZERO);
        loop {
            match poll(&mut polled, patience) {
                Err(nix::errno::Errno::EINTR) => {}
                Ok(ready) => return ready > 0,
                Err(_) => return false,
            }
        }
    }
}

/// A line of the supervisor's own.
fn plain(text: &str, time_stamps: bool) -> String {
    let lines = text.lines().filter(|line| !line.is_empty());
    let now = time_stamps.then(|| rfc3339(SystemTime::now()) + " ");
    let now = now.unwrap_or_default();
    let mut said = String::new();
    for (number, line) in lines.enumerate() {
        let name = if number == 0 { "flugs: " } else { "" };
        said.extend([now.as_str(), name, line, "\n"]);
    }
    said
}

/// Says one line on standard error when there are no [`Outputs`] (yet).
pub(super) fn say_plainly(text: &str, time_stamps: bool) {
    let mut outlet = outlet::Outlet::standard(2);
    let words = plain(text, time_stamps);
    let _: io::Result<usize> = outlet.try_write(words.as_bytes());
}
