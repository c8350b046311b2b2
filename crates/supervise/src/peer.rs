//! Whether the process that the program works for has died: asked when a connection to it ends, and
//! believed when nothing listens where that process did.
//!
//! Owns that connection and the inquiry, without waiting for either. What its outcome leads to is the
//! machine's business.

use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use nix::poll::PollFlags;
use nix::sys::socket::{setsockopt, sockopt};

use super::clock::Moment;
use super::health::{CheckError, Probe, Progress, connecting};
use super::supervision::{HealthCheck, Peer};

/// The time from a question that was refused to the next one.
const BETWEEN_REFUSALS: Duration = Duration::from_millis(250);

/// The time from any other question to the next: a peer that lives is not to be bothered.
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(1);

/// A connection that was refused all this time was refused by a machine that is there, and on
/// which nobody listens: a process that is only slow, or cut off, does not refuse.
const REFUSED_FOR: Duration = Duration::from_millis(750);

/// How long one answer may take. Its lack proves nothing: it is no refusal.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long after the connection's end its reason is looked for: a process that is being stopped
/// closes its connections before it ceases to listen.
const INQUIRY: Duration = Duration::from_secs(20);

/// From one attempt to have the connection to the next: it is there before the program works for its
/// peer, which takes a JVM longer than this. A peer that died in between would not be missed.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(500);

/// See the module's text.
#[derive(Debug)]
pub(super) struct PeerWatch {
    peer: Peer,
    lifeline: Lifeline,
    inquiry: Option<Inquiry>,
}

/// The connection that ends with the peer.
#[derive(Debug)]
enum Lifeline {
    /// The program does not run.
    Unwanted,
    Absent {
        next: Moment,
    },
    Connecting {
        stream: TcpStream,
        until: Moment,
    },
    Held(TcpStream),
}

/// What is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    Lifeline,
    Question,
}

/// Questions since the connection ended.
#[derive(Debug)]
struct Inquiry {
    until: Moment,
    next: Moment,
    refused_since: Option<Moment>,
    probe: Option<Probe>,
}

impl PeerWatch {
    pub(super) const fn new(peer: &Peer) -> Self {
        Self {
            peer: *peer,
            lifeline: Lifeline::Unwanted,
            inquiry: None,
        }
    }

    /// A run of the program began.
    pub(super) fn started(&mut self, now: Moment) {
        self.inquiry = None;
        self.lifeline = Lifeline::Absent {
            next: now + BETWEEN_ATTEMPTS,
        };
    }

    /// The run is over, or being ended.
    pub(super) fn ended(&mut self) {
        self.inquiry = None;
        self.lifeline = Lifeline::Unwanted;
    }

    /// Where the peer listens, for people.
    pub(super) const fn address(&self) -> SocketAddr {
        self.peer.address
    }

    /// When [`PeerWatch::tick`] is due.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let of_lifeline = match self.lifeline {
            Lifeline::Absent { next } => Some(next),
            Lifeline::Connecting { until, .. } => Some(until),
            Lifeline::Unwanted | Lifeline::Held(_) => None,
        };
        let of_inquiry = self.inquiry.as_ref().map(|inquiry| match &inquiry.probe {
            Some(probe) => probe.deadline(),
            None => inquiry.next,
        });
        [of_lifeline, of_inquiry].into_iter().flatten().min()
    }

    /// What to poll.
    pub(super) fn watches(&self) -> impl Iterator<Item = (Watch, BorrowedFd<'_>, PollFlags)> {
        let lifeline = match &self.lifeline {
            Lifeline::Connecting { stream, .. } => Some((stream, PollFlags::POLLOUT)),
            Lifeline::Held(stream) => Some((stream, PollFlags::POLLIN)),
            Lifeline::Unwanted | Lifeline::Absent { .. } => None,
        };
        let lifeline = lifeline.map(|(stream, flags)| (Watch::Lifeline, stream.as_fd(), flags));
        let probe = self.inquiry.as_ref().and_then(|one| one.probe.as_ref());
        let probe = probe.map(|probe| {
            let (fd, flags) = probe.watch();
            (Watch::Question, fd, flags)
        });
        lifeline.into_iter().chain(probe)
    }

    /// The time may have come to connect, to ask, or to give either up. True: the peer is gone.
    pub(super) fn tick(&mut self, now: Moment) -> bool {
        match self.lifeline {
            Lifeline::Absent { next } if next <= now => self.connect(now),
            Lifeline::Connecting { until, .. } if until <= now => self.without_lifeline(now),
            _ => {}
        }
        self.ask(now)
    }

    /// What was polled can go on. `matters`: the program works for its peer by now. True: the peer is
    /// gone.
    pub(super) fn ready(&mut self, watch: Watch, matters: bool, now: Moment) -> bool {
        match watch {
            Watch::Lifeline => {
                self.lifeline_ready(matters, now);
                false
            }
            Watch::Question => {
                let probe = self.inquiry.as_mut().and_then(|one| one.probe.take());
                probe.is_some_and(|probe| self.advance(probe.advance(), now))
            }
        }
    }

    fn connect(&mut self, now: Moment) {
        match connecting(self.peer.lifeline) {
            Ok(stream) => {
                let until = now + PATIENCE;
                self.lifeline = Lifeline::Connecting { stream, until };
            }
            Err(_) => self.without_lifeline(now),
        }
    }

    fn without_lifeline(&mut self, now: Moment) {
        self.lifeline = Lifeline::Absent {
            next: now + BETWEEN_ATTEMPTS,
        };
    }

    fn lifeline_ready(&mut self, matters: bool, now: Moment) {
        match std::mem::replace(&mut self.lifeline, Lifeline::Unwanted) {
            Lifeline::Connecting { stream, .. } => {
                if stream.take_error().is_ok_and(|error| error.is_none()) {
                    // What is between the two forgets connections that are silent for long.
                    let _ = setsockopt(&stream, sockopt::KeepAlive, &true);
                    let _ = setsockopt(&stream, sockopt::TcpKeepIdle, &60);
                    self.lifeline = Lifeline::Held(stream);
                } else {
                    self.without_lifeline(now);
                }
            }
            Lifeline::Held(stream) => {
                if is_open(&stream) {
                    self.lifeline = Lifeline::Held(stream);
                    return;
                }
                self.without_lifeline(now);
                if matters && self.inquiry.is_none() {
                    self.inquiry = Some(Inquiry {
                        until: now + INQUIRY,
                        next: now,
                        refused_since: None,
                        probe: None,
                    });
                }
            }
            other => self.lifeline = other,
        }
    }

    fn ask(&mut self, now: Moment) -> bool {
        let Some(inquiry) = &mut self.inquiry else {
            return false;
        };
        if let Some(probe) = &inquiry.probe {
            if now >= probe.deadline() {
                inquiry.probe = None;
                inquiry.answered(false, now);
            }
            return false;
        }
        if now < inquiry.next {
            return false;
        }
        if now >= inquiry.until {
            self.inquiry = None;
            return false;
        }
        let check = HealthCheck::Tcp {
            address: self.peer.address,
        };
        let progress = Probe::begin(&check, now + PATIENCE);
        self.advance(progress, now)
    }

    fn advance(&mut self, progress: Progress, now: Moment) -> bool {
        let Some(inquiry) = &mut self.inquiry else {
            return false;
        };
        match progress {
            Progress::Waiting(probe) => {
                inquiry.probe = Some(probe);
                false
            }
            Progress::Done(result) => {
                let gone = inquiry.answered(result.is_err_and(|error| is_refusal(&error)), now);
                if gone {
                    self.ended();
                }
                gone
            }
        }
    }
}

impl Inquiry {
    /// Takes an answer in. True: the peer has refused for long enough.
    fn answered(&mut self, refused: bool, now: Moment) -> bool {
        if !refused {
            self.next = now + BETWEEN_QUESTIONS;
            self.refused_since = None;
            return false;
        }
        self.next = now + BETWEEN_REFUSALS;
        let since = *self.refused_since.get_or_insert(now);
        now.since(since) >= REFUSED_FOR
    }
}

/// Whether the other end has not closed the connection. Whatever it sends is nobody's.
fn is_open(mut stream: &TcpStream) -> bool {
    let mut scratch = [0; 256];
    match stream.read(&mut scratch) {
        Ok(length) => length > 0,
        Err(error) => matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
        ),
    }
}

fn is_refusal(error: &CheckError) -> bool {
    matches!(error, CheckError::Connect { error, .. }
        if error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    use nix::poll::{PollFd, PollTimeout, poll};
    use nix::sys::socket::{Backlog, listen};

    /// A process that listens at two ports, and has accepted the connection that ends with it.
    struct Process {
        listener: TcpListener,
        other: TcpListener,
        accepted: Option<TcpStream>,
    }

    impl Process {
        fn start() -> (Self, PeerWatch) {
            let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
            let (listener, other) = (listen(), listen());
            let watch = PeerWatch::new(&Peer {
                address: listener.local_addr().unwrap(),
                lifeline: other.local_addr().unwrap(),
            });
            let process = Self {
                listener,
                other,
                accepted: None,
            };
            (process, watch)
        }

        /// Has the watch hold its connection, and gives the moment at which it does.
        fn hold(&mut self, watch: &mut PeerWatch) -> u64 {
            watch.started(at(0));
            assert_eq!(pass(watch, true, 0, 3000), None);
            self.accepted = Some(self.other.accept().unwrap().0);
            assert!(matches!(watch.lifeline, Lifeline::Held(_)));
            assert_eq!(watch.deadline(), None, "nothing fires while it lives");
            3000
        }
    }

    const fn at(millis: u64) -> Moment {
        Moment::at(Duration::from_millis(millis))
    }

    /// Lets time pass; whether, and when, the peer was found to be gone.
    fn pass(watch: &mut PeerWatch, matters: bool, from: u64, until: u64) -> Option<u64> {
        for now in (from..=until).step_by(50) {
            if watch.tick(at(now)) {
                return Some(now);
            }
            let polled: Vec<Watch> = watch
                .watches()
                .filter(|(_, fd, flags)| {
                    let mut one = [PollFd::new(*fd, *flags)];
                    poll(&mut one, PollTimeout::ZERO).unwrap() > 0
                })
                .map(|(which, ..)| which)
                .collect();
            for which in polled {
                if watch.ready(which, matters, at(now)) {
                    return Some(now);
                }
            }
        }
        None
    }

    #[test]
    fn a_peer_whose_connection_ends_and_that_refuses_for_a_while_is_gone() {
        let (mut process, mut watch) = Process::start();
        let now = process.hold(&mut watch);
        drop(process);
        let gone = pass(&mut watch, true, now, now + 5000).unwrap() - now;
        assert!((750..1200).contains(&gone), "{gone}");
        assert_eq!(watch.deadline(), None, "told once, until the next run");
        assert_eq!(watch.watches().count(), 0);
    }

    /// As one that is being stopped: it answers nobody any more, and listens for a while.
    #[test]
    fn a_peer_that_listens_is_there_and_the_connection_is_had_again() {
        let (mut process, mut watch) = Process::start();
        let now = process.hold(&mut watch);
        process.accepted = None;
        assert_eq!(pass(&mut watch, true, now, now + 10_000), None);
        assert!(matches!(watch.lifeline, Lifeline::Held(_)));
        drop(process.listener);
        assert!(pass(&mut watch, true, now + 10_050, now + 15_000).is_some());
    }

    #[test]
    fn a_peer_is_not_asked_for_ever() {
        let (mut process, mut watch) = Process::start();
        let now = process.hold(&mut watch);
        process.accepted = None;
        assert_eq!(pass(&mut watch, true, now, now + 40_000), None);
        assert!(watch.inquiry.is_none());
    }

    #[test]
    fn a_peer_that_refused_for_a_moment_and_listens_again_is_not_taken_for_dead() {
        let mut inquiry = Inquiry {
            until: Moment::default(),
            next: Moment::default(),
            refused_since: None,
            probe: None,
        };
        assert!(!inquiry.answered(true, at(0)));
        assert!(!inquiry.answered(true, at(600)));
        assert!(!inquiry.answered(false, at(700)));
        assert!(!inquiry.answered(true, at(900)));
        assert!(!inquiry.answered(true, at(1600)));
        assert!(inquiry.answered(true, at(1650)));
    }

    #[test]
    fn silence_is_no_refusal() {
        let (mut process, mut watch) = Process::start();
        let now = process.hold(&mut watch);
        // One whose queue is full: the kernel lets further connections wait.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        listen(&silent, Backlog::new(0).unwrap()).unwrap();
        watch.peer.address = silent.local_addr().unwrap();
        let _queued: Vec<_> = (0..2).map(|_| connecting(watch.peer.address)).collect();
        drop(process);
        assert_eq!(pass(&mut watch, true, now, now + 40_000), None);
    }

    #[test]
    fn who_does_not_work_for_it_yet_and_who_never_had_a_connection_ask_nobody() {
        let (mut process, mut watch) = Process::start();
        let now = process.hold(&mut watch);
        drop(process);
        assert_eq!(pass(&mut watch, false, now, now + 40_000), None);

        let (process, mut watch) = Process::start();
        drop(process);
        watch.started(at(0));
        assert_eq!(pass(&mut watch, true, 0, 40_000), None);
        watch.ended();
        assert_eq!(watch.deadline(), None);
    }

    #[test]
    fn what_the_peer_sends_on_that_connection_is_nobodys() {
        use std::io::Write as _;
        let (mut process, mut watch) = Process::start();
        let now = process.hold(&mut watch);
        process.accepted.as_ref().unwrap().write_all(b"?").unwrap();
        assert_eq!(pass(&mut watch, true, now, now + 1000), None);
        assert!(matches!(watch.lifeline, Lifeline::Held(_)));
    }
}
