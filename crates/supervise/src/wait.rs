//! Waiting for the next event: one `ppoll` over everything the supervisor listens to, for no
//! longer than until the next deadline, and for ever if there is none. With nothing but signals
//! to listen to, one `rt_sigtimedwait` brings the signal with it.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::Signal;
use super::clock::{Clock as _, Moment};
use super::error::SuperviseError;
use super::health::{Health, StatusServer, StatusWatch};
use super::logs::{Outputs, Watch as OutputWatch};
use super::parent::ParentWatch;
use super::peer::{PeerWatch, Watch as PeerSource};
use super::readiness::Readiness;
use super::supervisor::Supervisor;
use super::sys::{self, Received};

/// How often files that the program writes to by itself are looked at while it is not ready.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// What woke the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Signals,
    Parent,
    Output(OutputWatch),
    Probe,
    Peer(PeerSource),
    Status(StatusWatch),
}

impl Supervisor<'_> {
    /// Waits for the next event and deals with it.
    pub(super) fn wait(&mut self) -> Result<(), SuperviseError> {
        let timeout = self.timeout();
        if self.only_signals() {
            self.wait_for_signal(timeout)?;
        } else {
            for source in self.ready_sources(timeout)? {
                self.serve(source)?;
            }
        }
        if self.reap_pending {
            self.reap_pending = self.conductor.reap();
        }
        self.tick();
        Ok(())
    }

    /// Whether the program has the streams itself, and nobody else is to be listened to.
    fn only_signals(&self) -> bool {
        self.watches().nth(1).is_none()
    }

    fn wait_for_signal(&mut self, timeout: Option<Duration>) -> Result<(), SuperviseError> {
        let received = sys::wait_for_signal(self.held, timeout, self.own_pid);
        let received = received.map_err(|error| SuperviseError::Signals {
            call: "rt_sigtimedwait",
            error,
        })?;
        if let Some(one) = received {
            self.take_signal(one);
        }
        Ok(())
    }

    /// Polls everything and gives what is ready.
    fn ready_sources(&self, timeout: Option<Duration>) -> Result<Vec<Source>, SuperviseError> {
        let timeout = timeout.map(TimeSpec::from_duration);
        let (sources, mut polled): (Vec<Source>, Vec<PollFd<'_>>) = self
            .watches()
            .map(|(source, fd, flags)| (source, PollFd::new(fd, flags)))
            .unzip();
        match ppoll(&mut polled, timeout, None) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Vec::new()),
            Err(errno) => {
                return Err(SuperviseError::Call {
                    call: "ppoll",
                    error: errno.into(),
                });
            }
        }
        let ready = sources.into_iter().zip(&polled);
        Ok(ready
            .filter(|(_, fd)| fd.any().unwrap_or(false))
            .map(|(source, _)| source)
            .collect())
    }

    fn watches(&self) -> impl Iterator<Item = (Source, BorrowedFd<'_>, PollFlags)> {
        let signals = (Source::Signals, self.signals.as_fd(), PollFlags::POLLIN);
        let parent = match &self.parent {
            ParentWatch::Watching(fd) => Some((Source::Parent, fd.as_fd(), PollFlags::POLLIN)),
            ParentWatch::Gone | ParentWatch::Nothing => None,
        };
        let outputs = self.outputs.watches();
        let outputs = outputs.map(|(watch, fd, flags)| (Source::Output(watch), fd, flags));
        let probe = self.health.as_ref().and_then(Health::watch);
        let probe = probe.map(|(fd, flags)| (Source::Probe, fd, flags));
        let peer = self.peer.iter().flat_map(PeerWatch::watches);
        let peer = peer.map(|(watch, fd, flags)| (Source::Peer(watch), fd, flags));
        let status = self.status.iter().flat_map(StatusServer::watches);
        let status = status.map(|(watch, fd)| (Source::Status(watch), fd, PollFlags::POLLIN));
        std::iter::once(signals)
            .chain(parent)
            .chain(outputs)
            .chain(probe)
            .chain(peer)
            .chain(status)
    }

    fn serve(&mut self, source: Source) -> Result<(), SuperviseError> {
        let now = self.conductor.clock.now();
        match source {
            Source::Signals => self.take_signals()?,
            Source::Parent => {
                self.parent = ParentWatch::Gone;
                self.conductor.parent_gone();
            }
            Source::Output(watch) => {
                self.outputs.ready(watch, now, self.conductor.clock.wall());
                self.listen();
            }
            Source::Probe => {
                if self.health.as_mut().is_some_and(|health| health.ready(now)) {
                    self.unhealthy();
                }
            }
            Source::Peer(watch) => {
                // That it serves by now may stand in a file which nobody has looked at yet.
                self.look_at_files();
                let is_ready = self.readiness.as_ref().is_none_or(Readiness::is_ready);
                let peer = self.peer.as_mut();
                if peer.is_some_and(|peer| peer.ready(watch, is_ready, now)) {
                    self.renew();
                }
            }
            Source::Status(watch) => {
                self.look_at_files();
                let condition = self.condition();
                if let Some(status) = &mut self.status {
                    status.ready(watch, &condition, now);
                }
            }
        }
        Ok(())
    }

    fn tick(&mut self) {
        let now = self.conductor.clock.now();
        self.conductor.tick();
        self.outputs.tick(now);
        if let Some(status) = &mut self.status {
            status.tick(now);
        }
        if self.health.as_mut().is_some_and(|health| health.tick(now)) {
            self.unhealthy();
        }
        if self.peer.as_mut().is_some_and(|peer| peer.tick(now)) {
            self.renew();
        }
        if self.next_file_look().is_some_and(|due| due <= now) {
            self.look_at_files();
        }
        let said = self.readiness.as_mut().and_then(|one| one.tick(now));
        if let Some(sentence) = said {
            self.say(&sentence);
        }
    }

    /// Takes the meaning of lines that have come.
    fn listen(&mut self) {
        let (now, wall) = (self.conductor.clock.now(), self.conductor.clock.wall());
        for seen in self.outputs.take_seen() {
            let readiness = self.readiness.as_mut();
            let said = readiness.and_then(|one| one.heard(seen.meaning, now, wall));
            if let Some(sentence) = said {
                self.say(&sentence);
            }
        }
    }

    /// Looks at lines that the program has written to files by itself.
    fn look_at_files(&mut self) {
        if self.outputs.is_read_as_a_file() {
            self.next_look = self.conductor.clock.now() + BETWEEN_LOOKS;
            self.outputs.read_files();
            self.listen();
        }
    }

    /// When such files are due: a program that is ready is left in peace until somebody asks.
    fn next_file_look(&self) -> Option<Moment> {
        let readiness = self.readiness.as_ref()?;
        let due = self.outputs.is_read_as_a_file() && !readiness.is_ready();
        due.then_some(self.next_look)
    }

    fn unhealthy(&mut self) {
        let complaint = self.health.as_ref().map(Health::complaint);
        let complaint = complaint.unwrap_or_default();
        self.say(&format!("is unhealthy: {complaint}"));
        self.conductor.unhealthy();
    }

    /// Whom the program works for is gone.
    fn renew(&mut self) {
        if let Some(peer) = &self.peer {
            let address = peer.address();
            self.say(&format!(
                "is started anew: whom it works for has died, nothing listens at {address} any more"
            ));
            self.conductor.renew();
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if self.reap_pending {
            return Some(Duration::ZERO);
        }
        let due = [
            self.conductor.deadline(),
            Outputs::deadline(&self.outputs),
            self.health.as_ref().and_then(Health::deadline),
            self.peer.as_ref().and_then(PeerWatch::deadline),
            self.status.as_ref().and_then(StatusServer::deadline),
            self.readiness.as_ref().and_then(Readiness::deadline),
            self.next_file_look(),
        ];
        let next = due.into_iter().flatten().min()?;
        Some(next.since(self.conductor.clock.now()))
    }

    /// Takes every waiting signal, passes on what is to be passed on, and remembers to reap.
    pub(super) fn take_signals(&mut self) -> Result<(), SuperviseError> {
        let received =
            sys::receive(&self.signals, self.own_pid).map_err(|error| SuperviseError::Signals {
                call: "read(signalfd)",
                error,
            })?;
        for one in received {
            self.take_signal(one);
        }
        Ok(())
    }

    fn take_signal(&mut self, one: Received) {
        if one.signal == Signal::CHLD {
            self.reap_pending = true;
        } else if !one.from_self {
            if one.signal == Signal::CONT
                && let Some(leader) = self.conductor.machine.leader()
            {
                // A shell has brought this job back: to the foreground, or not.
                self.terminal.give_to(leader);
            }
            self.conductor.signal(one.signal);
        }
    }
}
