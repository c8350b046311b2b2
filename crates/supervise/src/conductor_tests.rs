//! Orders of signals, ends and deadlines, played against a system and a clock of the test's own.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::super::supervision::{RestartPolicy, RestartWhen, StopPolicy};
use super::*;

/// What the system was told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Started,
    Group(i32, Signal),
    Leader(i32, Signal),
    Others(Signal),
}

/// A system whose children end when the test says so.
#[derive(Debug, Default)]
struct Stage {
    ends: VecDeque<Reaped>,
    /// What `wait` says when nothing has ended.
    left: bool,
    done: Vec<Done>,
    next: i32,
}

impl Sys for Stage {
    fn start(&mut self) -> Result<i32, SuperviseError> {
        self.next += 1;
        self.left = true;
        self.done.push(Done::Started);
        Ok(self.next)
    }

    fn signal_group(&mut self, leader: i32, signal: Signal) {
        self.done.push(Done::Group(leader, signal));
    }

    fn signal_leader(&mut self, leader: i32, signal: Signal) {
        self.done.push(Done::Leader(leader, signal));
    }

    fn signal_others(&mut self, signal: Signal) {
        self.done.push(Done::Others(signal));
    }

    fn reap(&mut self) -> Reaped {
        let idle = if self.left {
            Reaped::NoneReady
        } else {
            Reaped::NoChildren
        };
        self.ends.pop_front().unwrap_or(idle)
    }

    fn chance(&mut self) -> f64 {
        0.0
    }
}

#[derive(Debug, Clone, Default)]
struct Watch(Rc<Cell<Duration>>);

impl Clock for Watch {
    fn now(&self) -> Moment {
        Moment::at(self.0.get())
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.0.get()
    }
}

struct Play {
    conductor: Conductor<Stage, Watch>,
    watch: Watch,
}

impl Play {
    fn new(when: RestartWhen) -> Self {
        let restart = RestartPolicy {
            when,
            jitter: 0.0,
            ..RestartPolicy::default()
        };
        let dump = Duration::from_secs(3);
        let machine = Machine::new(StopPolicy::default(), restart, dump, false);
        let watch = Watch::default();
        let mut conductor = Conductor::new(machine, Stage::default(), watch.clone());
        conductor.begin();
        conductor.sys.done.clear();
        Self { conductor, watch }
    }

    fn ends(&mut self, pid: i32, code: u8) {
        self.conductor.sys.ends.push_back(Reaped::Ended {
            pid,
            how: Ended::Exited(code),
        });
    }

    /// Lets time pass to the next deadline.
    fn wait(&mut self) {
        let due = self.conductor.deadline().expect("a deadline");
        self.watch.0.set(due.since(Moment::default()));
        self.conductor.tick();
    }

    fn done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.conductor.sys.done)
    }

    fn verdict(&mut self) -> Option<Verdict> {
        let happened = self.conductor.happenings();
        happened.into_iter().find_map(|one| match one {
            Happening::Finished(verdict) => Some(verdict),
            _ => None,
        })
    }
}

#[test]
fn orphans_are_reaped_and_counted_and_are_no_end_of_the_program() {
    let mut play = Play::new(RestartWhen::Never);
    for pid in 100..200 {
        play.ends(pid, 1);
    }
    assert!(!play.conductor.reap());
    assert_eq!(play.conductor.tally().orphans, 100);
    assert_eq!(play.verdict(), None);
    assert_eq!(play.conductor.machine.leader(), Some(1));
}

/// The program's end is among a thousand others, and everything that has ended is reaped before
/// anything is decided.
#[test]
fn the_programs_end_in_a_storm_is_seen_and_the_rest_of_the_storm_is_reaped_first() {
    let mut play = Play::new(RestartWhen::Never);
    for pid in 100..600 {
        play.ends(pid, 0);
    }
    play.ends(1, 42);
    for pid in 600..1100 {
        play.ends(pid, 0);
    }
    play.conductor.sys.left = false;
    play.conductor.reap();
    assert_eq!(play.verdict(), Some(Verdict::Ended(Ended::Exited(42))));
    assert_eq!(play.conductor.tally().orphans, 1000);
    assert_eq!(play.done(), []);
}

#[test]
fn a_storm_without_end_does_not_keep_signals_waiting() {
    let mut play = Play::new(RestartWhen::Never);
    for pid in 0..10_000 {
        play.ends(1000 + pid, 0);
    }
    let mut rounds = 0;
    while play.conductor.reap() {
        rounds += 1;
        play.conductor.signal(Signal::HUP);
    }
    assert_eq!(rounds, 2);
    assert_eq!(play.done(), [Done::Group(1, Signal::HUP); 2]);
    assert_eq!(play.conductor.tally().orphans, 10_000);
}

#[test]
fn term_grace_kill_and_leftovers_come_in_this_order() {
    let mut play = Play::new(RestartWhen::Never);
    play.conductor.signal(Signal::TERM);
    play.wait();
    let expected = [
        Done::Group(1, Signal::TERM),
        Done::Group(1, Signal::KILL),
        Done::Others(Signal::KILL),
    ];
    assert_eq!(play.done(), expected);
    play.ends(1, 137);
    play.conductor.reap();
    assert_eq!(play.done(), [Done::Others(Signal::KILL)], "one is left");
    play.conductor.sys.left = false;
    play.conductor.reap();
    assert_eq!(play.verdict().map(Verdict::code), Some(137));
}

#[test]
fn a_signal_and_the_end_that_it_caused_may_arrive_in_either_order() {
    for signal_first in [true, false] {
        let mut play = Play::new(RestartWhen::Never);
        play.ends(1, 143);
        play.conductor.sys.left = false;
        if signal_first {
            play.conductor.signal(Signal::TERM);
            play.conductor.reap();
            assert_eq!(play.verdict().map(Verdict::code), Some(0));
        } else {
            play.conductor.reap();
            play.conductor.signal(Signal::TERM);
            assert_eq!(play.verdict().map(Verdict::code), Some(143));
        }
    }
}

#[test]
fn a_restart_waits_its_backoff_and_starts_once() {
    let mut play = Play::new(RestartWhen::Always);
    play.ends(1, 0);
    play.conductor.sys.left = false;
    play.conductor.reap();
    assert_eq!(play.conductor.machine.leader(), None);
    play.conductor.tick();
    assert_eq!(play.done(), [], "not yet");
    play.wait();
    play.conductor.tick();
    assert_eq!(play.done(), [Done::Started]);
    assert_eq!(play.conductor.machine.leader(), Some(2));
    assert_eq!(
        play.conductor.tally().first_start,
        Some(SystemTime::UNIX_EPOCH)
    );
}

#[test]
fn whoever_keeps_the_dump_is_told_before_it_is_asked_for() {
    let mut play = Play::new(RestartWhen::Never);
    play.conductor.happenings();
    play.conductor.unhealthy();
    assert_eq!(play.done(), [Done::Leader(1, Signal::QUIT)]);
    let happened = play.conductor.happenings();
    assert!(
        matches!(happened[..], [Happening::DumpAsked]),
        "{happened:?}"
    );
}
