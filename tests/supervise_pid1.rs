//! What an init has to get right, as seen from outside: the same cases as PID 1 of a namespace,
//! below a subreaper, and as a plain process.
//!
//! The init is `flugs supervise`, or what `FLUGS_PID1` says (words separated by blanks):
//! `bench/pid1-conformance.sh` runs this very suite against other inits.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests watch an init from outside; nothing supervises children here"
)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set its scene up fails on the spot"
)]

mod everybody;
mod supervise_support;

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use everybody::Everybodys;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use supervise_support::{FLUGS, Init, Mode, below, pause, runs, status_field, until};

/// The words that start the init under test, with those of its command.
fn words(command: &[&str]) -> Vec<String> {
    const OWN: &str = "supervise --grace 2 --exit-code-on-stop child --";
    // The binary's path may have blanks in it.
    let (program, words) = match std::env::var("FLUGS_PID1") {
        Ok(init) => (None, init),
        Err(_) => (Some(FLUGS.to_owned()), OWN.to_owned()),
    };
    let words = words.split_whitespace().map(str::to_owned);
    let command = command.iter().map(|&word| word.to_owned());
    program.into_iter().chain(words).chain(command).collect()
}

fn start(mode: Mode, command: &[&str]) -> Init {
    let words = words(command);
    Init::start(mode, &words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn shell(mode: Mode, script: &str) -> Init {
    start(mode, &["sh", "-c", script])
}

fn exit_codes_0_to_255_pass_through(mode: Mode) {
    for code in 0..=255 {
        assert_eq!(shell(mode, &format!("exit {code}")).end(), code);
    }
}

/// A `sleep` dies of the signal if and only if it arrives; those that do nothing by default are
/// answered by a trap. 32 and 33 are left out: glibc keeps them, and its `posix_spawn`, with which
/// this test starts processes, has them ignored.
fn every_signal_reaches_the_command(mode: Mode) {
    let quiet = [(18, "CONT"), (23, "URG"), (28, "WINCH")];
    let kept = [4, 5, 6, 7, 8, 9, 11, 17, 19, 20, 21, 22, 31, 32, 33];
    let numbers = (1..=64).filter(|number| !kept.contains(number));
    let mut missed = Vec::new();
    for number in numbers {
        let (script, expected) = match quiet.iter().find(|(quiet, _)| *quiet == number) {
            Some((_, name)) => (
                format!("trap 'exit 99' {name}; echo ready; while :; do sleep 0.02; done"),
                99,
            ),
            None => ("echo ready; exec sleep 60".to_owned(), 128 + number),
        };
        let mut init = shell(mode, &script).ready();
        init.signal_number(number);
        let ended = init.try_end_within(Duration::from_secs(3));
        // In a namespace an init that dies of a signal itself is reported as that signal.
        if ended != Some(expected) {
            missed.push((number, ended));
        }
    }
    assert!(missed.is_empty(), "(signal, end): {missed:?}");
}

fn a_command_that_ignores_term_is_killed_after_the_grace(mode: Mode) {
    let script = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    let mut init = shell(mode, script).ready();
    let asked = Instant::now();
    init.signal(Signal::SIGTERM);
    assert_eq!(init.end_within(Duration::from_secs(8)), 137);
    assert!(
        asked.elapsed() >= Duration::from_millis(1900),
        "{:?}",
        asked.elapsed()
    );
}

/// A process that left the group and the session, and whose parent is gone, is asked to end as
/// well, and is gone when the init is.
fn daemons_of_the_command_get_term_before_the_end(mode: Mode) {
    let directory = tempfile::tempdir().expect("a directory");
    let (told, up) = (directory.path().join("told"), directory.path().join("up"));
    let mark = format!("mark-{}-{mode:?}", std::process::id());
    let daemon = format!(
        "trap 'echo told > {told}; exit' TERM; touch {up}; while :; do sleep 0.05; done",
        told = told.display(),
        up = up.display(),
    );
    // Double fork: the shell between is gone before the command says that it is ready.
    let script = format!(
        "(setsid sh -c \"{daemon}\" {mark} &); while ! test -e {}; do sleep 0.01; done; \
         echo ready; exec sleep 60",
        up.display()
    );
    let mut init = shell(mode, &script).ready();
    assert!(runs(&mark));
    init.signal(Signal::SIGTERM);
    assert_eq!(init.end(), 143);
    assert!(told.exists(), "the daemon was not asked to end");
    assert!(!runs(&mark), "the daemon is still there");
}

fn daemons_that_ignore_term_are_killed_when_the_command_has_ended(mode: Mode) {
    let mark = format!("stubborn-{}-{mode:?}", std::process::id());
    let directory = tempfile::tempdir().expect("a directory");
    let up = directory.path().join("up").display().to_string();
    let daemon = format!("trap '' TERM; touch {up}; while :; do sleep 0.05; done");
    let script = format!(
        "(setsid sh -c \"{daemon}\" {mark} &); while ! test -e {up}; do sleep 0.01; done; exit 5"
    );
    let mut init = shell(mode, &script);
    let began = Instant::now();
    assert_eq!(init.end_within(Duration::from_secs(8)), 5);
    assert!(!runs(&mark), "the daemon is still there");
    assert!(began.elapsed() >= Duration::from_secs(2), "it had no grace");
}

/// A handler that takes half a second is not cut short by more of the same signal.
fn a_thousand_terms_in_a_second_do_not_cut_the_stop_short(mode: Mode) {
    let script =
        "trap 'trap \"\" TERM; sleep 0.5; exit 7' TERM; echo ready; while :; do sleep 0.02; done";
    let mut init = shell(mode, script).ready();
    let asked = Instant::now();
    for _ in 0..1000 {
        init.signal(Signal::SIGTERM);
        std::thread::sleep(Duration::from_micros(900));
    }
    assert_eq!(init.end(), 7);
    assert!(asked.elapsed() >= Duration::from_millis(500));
}

fn a_second_term_is_normal(mode: Mode) {
    let script =
        "trap 'trap \"\" TERM; sleep 1; exit 8' TERM; echo ready; while :; do sleep 0.02; done";
    let mut init = shell(mode, script).ready();
    init.signal(Signal::SIGTERM);
    std::thread::sleep(Duration::from_millis(300));
    init.signal(Signal::SIGTERM);
    assert_eq!(init.end(), 8);
}

/// As the Mesos command executor does it: every process is stopped, then sent SIGTERM, then
/// continued.
fn the_whole_tree_stopped_termed_and_continued_ends_in_order(mode: Mode) {
    let script = "sleep 60 & sleep 60 & echo ready; wait";
    let mut init = shell(mode, script).ready();
    let mut tree = vec![init.pid];
    tree.extend(below(init.pid));
    assert!(tree.len() >= 4, "{tree:?}");
    for signal in [Signal::SIGSTOP, Signal::SIGTERM, Signal::SIGCONT] {
        for pid in &tree {
            let _ = kill(Pid::from_raw(*pid), signal);
        }
    }
    assert_eq!(init.end(), 143);
}

fn stop_and_continue_of_the_command_are_no_end(mode: Mode) {
    let mut init = shell(mode, "echo ready; sleep 0.6; exit 6").ready();
    let command = init.children()[0];
    for signal in [Signal::SIGSTOP, Signal::SIGCONT] {
        let _ = kill(Pid::from_raw(command), signal);
        assert_eq!(init.try_end_within(Duration::from_millis(100)), None);
    }
    assert_eq!(init.end(), 6);
}

/// SIGTERM right after the init has taken over its signals: before the fork, between fork and
/// exec, just after. Wherever it falls, the init ends, and nothing is left.
fn term_at_any_moment_of_the_start_is_not_lost(mode: Mode) {
    let mark = format!("4{:07}", std::process::id());
    for round in 0..60_u64 {
        let mut init = start(mode, &["sleep", &mark]);
        let term = 1_u64 << 14;
        until("the init holds or catches SIGTERM", || {
            let set = |field| {
                let text = status_field(init.pid, field)?;
                u64::from_str_radix(&text, 16).ok()
            };
            let name = status_field(init.pid, "Name")?;
            let taken = set("SigBlk")? | set("SigCgt")?;
            (name != "unshare" && taken & term != 0).then_some(())
        });
        let end = Instant::now() + Duration::from_micros(round * 50);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        init.signal(Signal::SIGTERM);
        let ended = init.try_end_within(Duration::from_secs(4));
        assert!(
            matches!(ended, Some(0 | 95 | 143)),
            "round {round}: {ended:?}"
        );
    }
    assert!(!runs(&mark));
}

fn orphans_are_reaped_while_the_command_runs(mode: Mode) {
    storm(mode, 500);
}

/// Forks daemons that end at once, then waits until none of them is a zombie.
fn storm(mode: Mode, count: u32) {
    let script = "
        my $count = shift;
        for (1..$count) { my $p = fork; if (!$p) { if (!fork) { exit 0 } exit 0 } waitpid $p, 0 }
        for (1..500) {
            my $zombies = 0;
            for my $stat (glob '/proc/[0-9]*/stat') {
                open my $file, '<', $stat or next;
                my $text = <$file> // next;
                $zombies++ if $text =~ /\\) Z (\\d+)/ and $1 == getppid;
            }
            exit 0 if !$zombies;
            select undef, undef, undef, 0.02;
        }
        exit 9;";
    let mut init = start(mode, &["perl", "-e", script, &count.to_string()]);
    assert_eq!(
        init.end_within(Duration::from_secs(100)),
        0,
        "zombies were left"
    );
}

#[test]
fn zombie_storm_of_10000_leaves_none() {
    storm(Mode::Pid1, 10_000);
}

fn closed_standard_output_is_no_reason_to_end(mode: Mode) {
    let words = words(&["sh", "-c", "echo x 2>/dev/null; sleep 0.1; exit 3"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut init = Init::start_with(mode, &words, |command| {
        command.stdout(Stdio::from(writer));
    });
    assert_eq!(init.end(), 3);
}

fn blocked_standard_output_does_not_block_the_command(mode: Mode) {
    let mut init = shell(mode, "head -c 8000000 /dev/zero; exit 4");
    assert_eq!(init.end_within(Duration::from_secs(8)), 4);
}

fn output_arrives_byte_for_byte_to_the_end(mode: Mode) {
    let mut init = shell(mode, "seq 1 200000; printf end");
    let output = init.rest();
    assert_eq!(init.end(), 0);
    let mut expected: Vec<u8> = (1..=200_000)
        .flat_map(|n| format!("{n}\n").into_bytes())
        .collect();
    expected.extend(b"end");
    assert!(
        output == expected,
        "{} bytes instead of {}",
        output.len(),
        expected.len()
    );
}

/// Inherited from a parent that ignores SIGCHLD, it would make the kernel reap, and the exit code
/// would be lost.
/// As a plain process only: `unshare` itself cannot wait for its child then.
#[test]
fn an_ignored_sigchld_of_the_parent_loses_no_exit_code() {
    let words = words(&["sh", "-c", "exit 42"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(ignoring_chld(&words).end(), 42);
}

fn ignoring_chld(words: &[&str]) -> Init {
    let mut all = vec!["perl", "-e", "$SIG{CHLD} = 'IGNORE'; exec @ARGV", "--"];
    all.extend(words);
    Init::start(Mode::Plain, &all)
}

fn the_command_has_no_signal_blocked(mode: Mode) {
    let mut init = shell(mode, "grep ^SigBlk: /proc/self/status");
    let line = init.line();
    assert!(line.ends_with("0000000000000000"), "{line}");
    assert_eq!(init.end(), 0);
}

fn the_command_leads_its_own_process_group(mode: Mode) {
    let mut init = shell(mode, "echo ready; exec sleep 60").ready();
    let command = init.children()[0];
    let group = nix::unistd::getpgid(Some(Pid::from_raw(command))).expect("a group");
    assert_eq!(group.as_raw(), command);
    init.signal(Signal::SIGTERM);
    init.end();
}

/// SIGKILL gives an init no time to pass anything on.
fn a_killed_init_takes_its_command_with_it(mode: Mode) {
    let mark = format!("5{:07}", std::process::id());
    let mut init = shell(mode, &format!("echo ready; exec sleep {mark}")).ready();
    init.signal(Signal::SIGKILL);
    init.end();
    until("the command is gone", || (!runs(&mark)).then_some(()));
}

fn a_user_without_an_entry_is_no_matter(mode: Mode) {
    let place = Everybodys::new();
    let flugs = place.flugs().to_str().expect("UTF-8").to_owned();
    let words = words(&["sh", "-c", "id -u; exit 5"]).into_iter();
    let words: Vec<String> = words
        .map(|word| if word == FLUGS { flugs.clone() } else { word })
        .collect();
    let mut all = vec![
        "setpriv",
        "--reuid",
        "1000680000",
        "--regid",
        "0",
        "--clear-groups",
    ];
    all.extend(words.iter().map(String::as_str));
    let mut init = Init::start_with(mode, &all, |command| {
        command.stdout(Stdio::piped());
    });
    assert_eq!(init.line(), "1000680000");
    assert_eq!(init.end(), 5);
}

/// A process group of the test's own, so that a whole run can be signalled.
fn a_signal_to_the_group_of_the_init_ends_it_in_order(mode: Mode) {
    let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done";
    let words = words(&["sh", "-c", script]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut init = Init::start_with(mode, &words, |command| {
        command.stdout(Stdio::piped()).process_group(0);
    })
    .ready();
    if mode == Mode::Pid1 {
        // `unshare` is in the group too, and would die first.
        init.signal(Signal::SIGTERM);
    } else {
        let _ = kill(Pid::from_raw(-init.pid), Signal::SIGTERM);
    }
    assert_eq!(init.end(), 9);
    pause();
}

/// One module a mode, one test a case.
macro_rules! in_every_mode {
    ($($case:ident)*) => {
        mod pid1 { $(#[test] fn $case() { super::$case(super::Mode::Pid1); })* }
        mod subreaper { $(#[test] fn $case() { super::$case(super::Mode::Subreaper); })* }
        mod plain { $(#[test] fn $case() { super::$case(super::Mode::Plain); })* }
    };
}

in_every_mode! {
    exit_codes_0_to_255_pass_through
    every_signal_reaches_the_command
    a_command_that_ignores_term_is_killed_after_the_grace
    daemons_of_the_command_get_term_before_the_end
    daemons_that_ignore_term_are_killed_when_the_command_has_ended
    a_thousand_terms_in_a_second_do_not_cut_the_stop_short
    a_second_term_is_normal
    the_whole_tree_stopped_termed_and_continued_ends_in_order
    stop_and_continue_of_the_command_are_no_end
    term_at_any_moment_of_the_start_is_not_lost
    orphans_are_reaped_while_the_command_runs
    closed_standard_output_is_no_reason_to_end
    blocked_standard_output_does_not_block_the_command
    output_arrives_byte_for_byte_to_the_end
    the_command_has_no_signal_blocked
    the_command_leads_its_own_process_group
    a_killed_init_takes_its_command_with_it
    a_user_without_an_entry_is_no_matter
    a_signal_to_the_group_of_the_init_ends_it_in_order
}
