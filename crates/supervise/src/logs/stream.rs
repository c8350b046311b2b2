//! One of the program's two output streams, on its way from the program to where it is to go.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::OFlag;
use nix::unistd::{pipe2, read};

use super::super::clock::Moment;
use super::super::error::SuperviseError;
use super::super::supervision::{LogPolicy, RotatingFiles};
use super::super::sys;
use super::capture::Capture;
use super::json::JsonLines;
use super::lines::{Lines, Seen};
use super::outlet::{Kind, Outlet, kind};
use super::queue::Queue;
use super::rotate::RotatingFile;
use super::tail::{Tail, lines_of};

/// How much of a file that the program writes to by itself is read for the report.
const TAIL_BYTES: u64 = 16 * 1024;

/// How much of such a file is read at one go for its lines' sake.
const AT_ONCE: u64 = 16 * 1024 * 1024;

/// Standard output or standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Stdout,
    Stderr,
}

impl Name {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    const fn number(self) -> i32 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) name: Name,
    /// Both ends of the pipe to the program. The writing end is kept for the next run.
    pipe: Option<Pipe>,
    files: Option<RotatingFile>,
    passes: bool,
    json: Option<JsonLines>,
    outlet: Outlet,
    pub(super) queue: Queue,
    tail: Tail,
    lines: Option<Lines>,
    direct: Option<DirectFile>,
    capture: Option<Capture>,
    /// Where the file stood when a dump was asked for.
    capture_from: u64,
    lost: u64,
}

#[derive(Debug)]
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

/// A regular file that the program writes to by itself.
#[derive(Debug)]
struct DirectFile {
    file: File,
    /// Its size at the start: what was in it before is not the program's.
    start: u64,
    /// How far it has been read for its lines' sake.
    read_to: u64,
}

impl Stream {
    pub(super) fn new(
        name: Name,
        policy: &LogPolicy,
        program: &str,
        lines: Option<Lines>,
    ) -> Result<Self, SuperviseError> {
        let own = sys::standard(name.number());
        let direct = own.filter(|fd| kind(*fd) == Kind::File).and_then(direct);
        let leads_to = own.map_or(Kind::Device, kind);
        let is_json = matches!(policy, LogPolicy::Json)
            || matches!(policy, LogPolicy::Files(files) if files.json);
        let relayed = match policy {
            LogPolicy::Pass => match leads_to {
                Kind::Pipe | Kind::Socket => true,
                // What a terminal was sent cannot be read from it again.
                Kind::Device => own.is_some() && lines.is_some(),
                Kind::File => false,
            },
            LogPolicy::Inherit => false,
            LogPolicy::Json | LogPolicy::Files(_) => true,
        };
        Ok(Self {
            name,
            pipe: relayed.then(Pipe::new).transpose()?,
            passes: match policy {
                LogPolicy::Files(files) => files.also_pass,
                _ => true,
            },
            files: None,
            json: is_json.then(|| JsonLines::new(program, name.as_str())),
            outlet: Outlet::standard(name.number()),
            queue: Queue::default(),
            tail: Tail::default(),
            lines,
            direct: direct.filter(|_| !relayed),
            capture: None,
            capture_from: 0,
            lost: 0,
        })
    }

    /// Opens this stream's log file.
    pub(super) fn open_files(
        &mut self,
        files: &RotatingFiles,
        program: &str,
    ) -> Result<(), SuperviseError> {
        self.files = Some(open(files, self.name, program)?);
        Ok(())
    }

    /// What the program is to write to; `None`: the supervisor's own stream.
    pub(super) fn program_end(&self) -> io::Result<Option<OwnedFd>> {
        let pipe = self.pipe.as_ref();
        pipe.map(|pipe| pipe.writer.try_clone()).transpose()
    }

    /// What to poll for output of the program.
    pub(super) fn readable(&self) -> Option<BorrowedFd<'_>> {
        let pipe = self.pipe.as_ref().filter(|_| self.queue.takes_more());
        pipe.map(|pipe| pipe.reader.as_fd())
    }

    /// What to poll for room, if something waits.
    pub(super) fn writable(&self) -> Option<BorrowedFd<'_>> {
        self.outlet.descriptor().filter(|_| !self.queue.is_empty())
    }

    /// Reads once from the program. False if there was nothing.
    pub(super) fn read(&mut self, scratch: &mut [u8], now: Moment, wall: SystemTime) -> bool {
        let Some(pipe) = &self.pipe else {
            return false;
        };
        let Ok(length) = read(&pipe.reader, scratch) else {
            return false;
        };
        let bytes = scratch.get(..length).unwrap_or_default();
        self.tail.observe(bytes);
        if let Some(lines) = &mut self.lines {
            lines.observe(bytes);
        }
        if let Some(capture) = &mut self.capture {
            capture.observe(bytes);
        }
        match &mut self.json {
            Some(json) => {
                let wrapped = json.wrap(bytes, wall);
                self.put(&wrapped, now);
            }
            None => self.put(bytes, now),
        }
        length > 0
    }

    /// Whether its lines are to be looked at and only [`Stream::read_file`] can do that.
    pub(super) const fn is_read_as_a_file(&self) -> bool {
        self.lines.is_some() && self.direct.is_some()
    }

    /// Looks at what the program has written to its file since the last time.
    pub(super) fn read_file(&mut self, scratch: &mut [u8]) {
        if let (Some(lines), Some(direct)) = (&mut self.lines, &mut self.direct) {
            direct.read_on(scratch, |bytes| lines.observe(bytes));
        }
    }

    /// The lines that a rule fitted since the last call.
    pub(super) fn take_seen(&mut self) -> Vec<Seen> {
        self.lines.as_mut().map(Lines::take).unwrap_or_default()
    }

    /// Gives out a last line that has no end.
    pub(super) fn end_line(&mut self, now: Moment, wall: SystemTime) {
        if let Some(json) = &mut self.json {
            let last = json.finish(wall);
            self.put(&last, now);
        }
    }

    fn put(&mut self, bytes: &[u8], now: Moment) {
        if let Some(files) = &mut self.files {
            files.write(bytes);
        }
        if !self.passes {
            return;
        }
        if matches!(self.outlet, Outlet::Closed) {
            self.lost += bytes.len() as u64;
            return;
        }
        let mut written = 0;
        if self.queue.is_empty() {
            written = self.outlet.try_write(bytes).unwrap_or(0);
        }
        self.queue
            .push(bytes.get(written..).unwrap_or_default(), now);
    }

    /// Adds words of the supervisor's own.
    pub(super) fn say(&mut self, words: &[u8]) {
        if !matches!(self.outlet, Outlet::Closed) {
            self.queue.push_anyway(words);
            self.flush();
        }
    }

    /// Writes what fits. Gives the number of bytes.
    pub(super) fn flush(&mut self) -> usize {
        let mut total = 0;
        while let Some(front) = self.queue.front() {
            match self.outlet.try_write(front) {
                Ok(0) => break,
                Ok(count) => {
                    self.queue.advance(count);
                    total += count;
                }
                Err(error) => self.give_up(&error),
            }
        }
        total
    }

    /// A reader that is gone stays gone; a full disk may have room again.
    fn give_up(&mut self, error: &io::Error) {
        let gone = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
        if gone.contains(&error.kind()) {
            self.outlet = Outlet::Closed;
        }
        self.queue.clear();
        self.lost += self.queue.take_dropped();
    }

    /// Bytes that were dropped since the last call, if it is time to tell.
    pub(super) fn newly_dropped(&mut self) -> u64 {
        let dropped = self.queue.take_dropped();
        self.lost += dropped;
        dropped
    }

    /// Every byte dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        let by_disk = self.files.as_ref().map_or(0, RotatingFile::dropped);
        self.lost + self.queue.dropped() + by_disk
    }

    /// The last lines that the program wrote, as far as they were seen.
    pub(super) fn last_lines(&mut self) -> Vec<String> {
        match &mut self.direct {
            Some(direct) => direct.last_lines(),
            None => self.tail.lines(),
        }
    }

    /// The end of what the program wrote, as far as it was seen.
    pub(super) fn last_words(&mut self) -> String {
        let bytes = match &mut self.direct {
            Some(direct) => direct.last_bytes().0,
            None => self.tail.bytes(),
        };
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Keeps what comes next in `path`.
    pub(super) fn begin_capture(&mut self, path: &Path) {
        if self.pipe.is_none() && self.direct.is_none() {
            return;
        }
        self.capture = Capture::begin(path).ok();
        self.capture_from = self.direct.as_ref().map_or(0, DirectFile::size);
    }

    /// Ends the keeping.
    pub(super) fn end_capture(&mut self) -> Option<PathBuf> {
        let mut capture = self.capture.take()?;
        if let Some(direct) = &mut self.direct {
            capture.copy_from(&mut direct.file, self.capture_from);
        }
        capture.finish()
    }
}

impl Pipe {
    fn new() -> Result<Self, SuperviseError> {
        let failed = |call| {
            move |errno: nix::errno::Errno| SuperviseError::Call {
                call,
                error: errno.into(),
            }
        };
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(failed("pipe2"))?;
        // Only our end: the program must find an ordinary, blocking pipe.
        let flags = nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK);
        nix::fcntl::fcntl(&reader, flags).map_err(failed("fcntl(F_SETFL)"))?;
        Ok(Self { reader, writer })
    }
}

impl DirectFile {
    fn size(&self) -> u64 {
        self.file.metadata().map_or(self.start, |found| found.len())
    }

    /// Reads from where the last time ended to the end. A program that has written very much since
    /// is not read from the beginning of that.
    fn read_on(&mut self, scratch: &mut [u8], mut take: impl FnMut(&[u8])) {
        let size = self.size();
        if size < self.read_to {
            self.read_to = 0;
        }
        self.read_to = self.read_to.max(size.saturating_sub(AT_ONCE));
        while let Ok(length @ 1..) = self.file.read_at(scratch, self.read_to) {
            take(scratch.get(..length).unwrap_or_default());
            self.read_to = self.read_to.saturating_add(length as u64);
        }
    }

    fn last_lines(&mut self) -> Vec<String> {
        let (bytes, cut) = self.last_bytes();
        lines_of(&bytes, cut)
    }

    /// The file's end, and whether there is more before it.
    fn last_bytes(&mut self) -> (Vec<u8>, bool) {
        let size = self.size();
        // A file that shrank was truncated, and all of it is the program's.
        let start = if size < self.start { 0 } else { self.start };
        let from = start.max(size.saturating_sub(TAIL_BYTES));
        let mut bytes = Vec::new();
        if self.file.seek(SeekFrom::Start(from)).is_err() {
            return (bytes, false);
        }
        let limited = &mut (&self.file).take(TAIL_BYTES);
        match limited.read_to_end(&mut bytes) {
            Ok(_) => (bytes, from > start),
            Err(_) => (Vec::new(), false),
        }
    }
}

/// Opens a stream's file for reading; the stream itself may be for writing only.
fn direct(stream: BorrowedFd<'_>) -> Option<DirectFile> {
    let file = File::open(format!("/proc/self/fd/{}", stream.as_raw_fd())).ok()?;
    let start = file.metadata().ok()?.len();
    let read_to = start;
    Some(DirectFile {
        file,
        start,
        read_to,
    })
}

/// Finds out whether the files could be opened. What is made for that is gone afterwards.
pub(super) fn try_open(files: &RotatingFiles, program: &str) -> Result<(), SuperviseError> {
    let directory = &files.directory;
    let is_missing = |path: &Path| std::fs::symlink_metadata(path).is_err();
    let missing: Vec<&Path> = directory
        .ancestors()
        .take_while(|one| is_missing(one))
        .collect();
    let tried = [Name::Stdout, Name::Stderr]
        .into_iter()
        .try_for_each(|name| {
            let path = path_of(directory, name, program);
            let is_new = is_missing(&path);
            open(files, name, program)?;
            if is_new {
                // What was made a moment ago can be removed; if not, it does no harm.
                let _ = std::fs::remove_file(&path);
            }
            Ok(())
        });
    for made in missing {
        let _ = std::fs::remove_dir(made);
    }
    tried
}

fn path_of(directory: &Path, name: Name, program: &str) -> PathBuf {
    let program = program.replace('/', "_");
    directory.join(format!("{program}.{}.log", name.as_str()))
}

fn open(files: &RotatingFiles, name: Name, program: &str) -> Result<RotatingFile, SuperviseError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| SuperviseError::Logs { path, error }
    };
    let directory = &files.directory;
    std::fs::create_dir_all(directory).map_err(failed(directory))?;
    let path = path_of(directory, name, program);
    RotatingFile::open(&path, files.max_bytes, files.keep).map_err(failed(&path))
}
