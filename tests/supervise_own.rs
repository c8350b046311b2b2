//! What `flugs supervise` does beyond any init's duties: reports, restarts, health, logs,
//! limits, privileges. Run as people run it: the real binary, as a process.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests watch an init from outside; nothing supervises children here"
)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test that cannot set its scene up fails on the spot; not every suite uses all of the support"
)]

mod everybody;
mod supervise_support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use everybody::Everybodys;
use flugs_supervise::{ExitReport, Phase, Reason};
use nix::sys::signal::Signal;
use supervise_support::{FLUGS, Init, Mode, command, runs, until};

/// `flugs supervise OPTIONS -- sh -c SCRIPT`, to its end.
fn run(options: &[&str], script: &str) -> Output {
    supervise(options, &["sh", "-c", script])
        .output()
        .expect("flugs runs")
}

fn supervise(options: &[&str], program: &[&str]) -> Command {
    let mut words = vec![FLUGS, "supervise"];
    words.extend(options);
    words.push("--");
    words.extend(program);
    command(Mode::Plain, &words)
}

fn start(options: &[&str], script: &str) -> Init {
    let mut words = vec![FLUGS, "supervise"];
    words.extend(options);
    words.extend(["--", "sh", "-c", script]);
    Init::start(Mode::Plain, &words)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A directory with a place for a report.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    fn report(&self) -> ExitReport {
        read_report(&self.path("report.json"))
    }
}

fn read_report(path: &Path) -> ExitReport {
    let json = fs::read(path).expect("a report");
    serde_json::from_slice(&json).expect("a readable report")
}

#[test]
fn the_report_names_phase_reason_code_times_and_the_last_error_lines() {
    let place = Place::new();
    let output = run(
        &["--report", &place.text("report.json"), "--name", "tm-1"],
        "echo one >&2; echo two >&2; exit 9",
    );
    assert_eq!(output.status.code(), Some(9));
    let report = place.report();
    assert_eq!((report.phase, report.reason), (Phase::Run, Reason::Exited));
    assert_eq!((report.exit_code, report.name.as_str()), (9, "tm-1"));
    assert_eq!(report.child.and_then(|child| child.exit_code), Some(9));
    assert_eq!(report.last_error_lines, ["one", "two"]);
    assert!(report.started <= report.stopped, "{report:?}");
    assert!(
        report
            .memory
            .process_peak_bytes
            .is_some_and(|peak| peak > 100_000)
    );
    let errors = text(&output.stderr);
    assert_eq!(errors, "one\ntwo\nflugs: tm-1 ended with exit code 9\n");
}

#[test]
fn the_last_error_lines_are_found_when_stderr_is_a_file_as_under_mesos() {
    let place = Place::new();
    fs::write(place.path("stderr"), "older\n").expect("a file");
    let file = fs::File::options()
        .append(true)
        .open(place.path("stderr"))
        .expect("a file");
    let status = supervise(
        &["--report", &place.text("report.json")],
        &["sh", "-c", "echo mine >&2; exit 1"],
    )
    .stderr(file)
    .status()
    .expect("flugs runs");
    assert_eq!(status.code(), Some(1));
    assert_eq!(place.report().last_error_lines, ["mine"]);
}

#[test]
fn death_by_a_signal_of_someone_else_is_reported_as_such() {
    let place = Place::new();
    let output = run(&["--report", &place.text("report.json")], "kill -SEGV $$");
    assert_eq!(output.status.code(), Some(139));
    let report = place.report();
    assert_eq!(report.reason, Reason::Signaled);
    assert_eq!(
        report
            .child
            .and_then(|child| child.signal)
            .map(flugs_supervise::Signal::number),
        Some(11)
    );
}

#[test]
fn a_clean_stop_is_0_and_a_kill_after_the_grace_is_137_and_both_are_reported() {
    for (script, code, reason) in [
        ("echo ready; exec sleep 60", 0, Reason::Stopped),
        (
            "trap 'exit 143' TERM; echo ready; while :; do sleep 0.02; done",
            0,
            Reason::Stopped,
        ),
        (
            "trap 'exit 3' TERM; echo ready; while :; do sleep 0.02; done",
            3,
            Reason::StopFailed,
        ),
        (
            "trap '' TERM; echo ready; while :; do sleep 0.02; done",
            137,
            Reason::Killed,
        ),
    ] {
        let place = Place::new();
        let report = place.text("report.json");
        let mut init = start(&["--grace", "0.5", "--report", &report], script).ready();
        init.signal(Signal::SIGTERM);
        assert_eq!(init.end(), code, "{script}");
        let report = place.report();
        assert_eq!(
            (report.reason, report.phase),
            (reason, Phase::Stop),
            "{script}"
        );
        assert_eq!(i32::from(report.exit_code), code);
    }
}

#[test]
fn the_stop_signal_is_what_the_command_gets() {
    let script = "trap 'exit 0' USR2; trap 'exit 5' TERM; echo ready; while :; do sleep 0.02; done";
    let mut init = start(&["--stop-signal", "USR2"], script).ready();
    init.signal(Signal::SIGTERM);
    assert_eq!(init.end(), 0);
}

#[test]
fn a_command_that_cannot_be_started_is_90_with_a_hint_and_a_report() {
    let place = Place::new();
    let script = place.path("no-interpreter");
    fs::write(&script, "#!/nonexistent/sh\n").expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("executable");
    for (program, hint) in [
        ("no-such-program", "not in PATH"),
        ("/no/such/program", "no such file"),
        (script.to_str().expect("UTF-8"), "interpreter"),
        ("/etc/passwd", "executable"),
    ] {
        let output = supervise(&["--report", &place.text("report.json")], &[program])
            .output()
            .expect("flugs runs");
        assert_eq!(output.status.code(), Some(90), "{program}");
        assert!(
            text(&output.stderr).contains(hint),
            "{}",
            text(&output.stderr)
        );
        let report = place.report();
        assert_eq!(
            (report.phase, report.reason),
            (Phase::Start, Reason::StartFailed)
        );
        assert!(report.message.contains(hint), "{}", report.message);
    }
}

#[test]
fn restarts_follow_the_policy_and_give_up_with_91() {
    let place = Place::new();
    let options = [
        "--restart",
        "on-failure:3",
        "--restart-backoff",
        "0.05",
        "--report",
    ];
    let report = place.text("report.json");
    let options: Vec<&str> = options.into_iter().chain([report.as_str()]).collect();
    let script = format!("echo run >> {}; exit 7", place.text("runs"));
    let output = run(&options, &script);
    assert_eq!(output.status.code(), Some(91));
    let runs = fs::read_to_string(place.path("runs")).expect("runs");
    assert_eq!(runs.lines().count(), 4, "the first and three restarts");
    let report = place.report();
    assert_eq!(
        (report.reason, report.restarts),
        (Reason::RestartsExhausted, 3)
    );
    assert_eq!(report.child.and_then(|child| child.exit_code), Some(7));
}

#[test]
fn a_restarted_command_that_succeeds_ends_it() {
    let place = Place::new();
    let flag = place.text("flag");
    let script = format!("test -e {flag} && exit 0; touch {flag}; exit 1");
    let output = run(
        &["--restart", "on-failure", "--restart-backoff", "0.05"],
        &script,
    );
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text(&output.stderr).contains("restart 1 in"),
        "{}",
        text(&output.stderr)
    );
}

/// A port that accepts connections and never answers is what a hung JVM looks like.
#[test]
fn a_hung_program_is_asked_for_its_threads_then_stopped_then_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let place = Place::new();
    let report = place.text("report.json");
    let options = [
        "--health-http",
        &url,
        "--health-start",
        "0",
        "--health-interval",
        "0.1",
        "--health-timeout",
        "0.2",
        "--health-failures",
        "2",
        "--health-dump",
        "1",
        "--report",
        &report,
    ];
    let script = "trap 'echo Full thread dump' QUIT; while :; do sleep 0.02; done";
    let output = run(&options, script);
    assert_eq!(output.status.code(), Some(92));
    assert_eq!(text(&output.stdout), "Full thread dump\n");
    assert!(
        text(&output.stderr).contains("no answer within 0.2 s"),
        "{}",
        text(&output.stderr)
    );
    let report = place.report();
    assert_eq!(report.reason, Reason::Unhealthy);
    let dump = &report.crash_files.thread_dumps[0];
    assert_eq!(
        fs::read_to_string(dump).expect("the dump"),
        "Full thread dump\n"
    );
}

#[test]
fn the_thread_dump_is_kept_when_stdout_is_a_file_as_under_mesos() {
    let place = Place::new();
    let stdout = fs::File::create(place.path("stdout")).expect("a file");
    let script = "echo before; trap 'echo Full thread dump' QUIT; while :; do sleep 0.02; done";
    let status = supervise(
        &[
            "--health-tcp",
            "127.0.0.1:1",
            "--health-start",
            "0",
            "--health-interval",
            "0.1",
            "--health-dump",
            "1",
            "--report",
            &place.text("report.json"),
        ],
        &["sh", "-c", script],
    )
    .stdout(stdout)
    .status()
    .expect("flugs runs");
    assert_eq!(status.code(), Some(92));
    let dump = fs::read_to_string(&place.report().crash_files.thread_dumps[0]).expect("the dump");
    assert_eq!(dump, "Full thread dump\n");
}

#[test]
fn a_program_that_becomes_well_again_is_ready_and_one_that_hangs_is_restarted_by_policy() {
    let place = Place::new();
    let socket = place.text("status");
    let flag = place.text("flag");
    let script =
        format!("echo ready; test -e {flag} && exec sleep 60; touch {flag}; kill -STOP $$");
    let options = [
        "--status",
        &socket,
        "--health-alive",
        "--health-start",
        "0",
        "--health-interval",
        "0.1",
        "--health-failures",
        "2",
        "--health-dump",
        "0",
        "--grace",
        "0.2",
        "--restart",
        "on-failure",
        "--restart-backoff",
        "0.05",
    ];
    let mut init = start(&options, &script).ready();
    let health = |options: &[&str]| {
        let mut words = vec![FLUGS, "health", "--status", &socket];
        words.extend(options);
        command(Mode::Plain, &words).output().expect("flugs runs")
    };
    until("restarted and ready", || {
        let output = health(&["--ready"]);
        let well = output.status.code() == Some(0);
        (well && text(&output.stdout).contains("\"restarts\":1")).then_some(())
    });
    init.signal(Signal::SIGTERM);
    assert_eq!(init.end(), 0);
    assert_eq!(
        health(&[]).status.code(),
        Some(1),
        "nobody answers any more"
    );
    assert!(!Path::new(&socket).exists());
}

#[test]
fn health_asks_addresses_by_itself_and_the_status_port_over_http() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let ask = |words: &[&str]| {
        let mut all = vec![FLUGS, "health"];
        all.extend(words);
        command(Mode::Plain, &all)
            .output()
            .expect("flugs runs")
            .status
            .code()
    };
    assert_eq!(ask(&["--tcp", &address]), Some(0));
    assert_eq!(
        ask(&["--http", &format!("http://{address}/"), "--timeout", "0.2"]),
        Some(1)
    );
    drop(listener);
    assert_eq!(ask(&["--tcp", &address]), Some(1));
    assert_eq!(ask(&[]), Some(2), "nobody to ask");
    let port = address.rsplit(':').next().expect("a port").to_owned();
    let mut init = start(&["--status", &port], "echo ready; exec sleep 60").ready();
    let mut stream = std::net::TcpStream::connect(&address).expect("the status port");
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\n\r\n")
        .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    init.signal(Signal::SIGTERM);
    assert_eq!(init.end(), 0);
}

#[test]
fn dropped_output_is_counted_and_told_to_a_reader_that_comes_back() {
    let place = Place::new();
    let report = place.text("report.json");
    let mut init = start(
        &["--report", &report],
        "head -c 3000000 /dev/zero; echo; touch $0.done; sleep 3; echo last",
    );
    // Nobody reads for longer than the program is held up.
    std::thread::sleep(Duration::from_millis(1500));
    let output = init.rest();
    assert_eq!(init.end(), 0);
    let _ = fs::remove_file("sh.done");
    let dropped = place.report().output_bytes_dropped;
    assert!(dropped > 1_000_000, "{dropped}");
    assert_eq!(output.len() as u64 + dropped, 3_000_001 + 5);
    assert!(output.ends_with(b"last\n"), "what comes later arrives");
}

#[test]
fn log_files_rotate_and_lines_are_wrapped() {
    let place = Place::new();
    let logs = place.text("logs");
    let output = run(
        &[
            "--name",
            "tm",
            "--log-directory",
            &logs,
            "--log-size",
            "1",
            "--log-keep",
            "2",
            "--logs",
            "json",
        ],
        "i=0; while [ $i -lt 40 ]; do head -c 65536 /dev/zero | tr '\\0' x; echo; i=$((i+1)); done; echo bad >&2",
    );
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "");
    let mut names: Vec<String> = fs::read_dir(&logs)
        .expect("logs")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "tm.stderr.log",
            "tm.stdout.log",
            "tm.stdout.log.1",
            "tm.stdout.log.2"
        ]
    );
    for name in &names {
        let text = fs::read_to_string(Path::new(&logs).join(name)).expect("a log");
        assert!(text.len() <= 1024 * 1024, "{name}: {}", text.len());
        for line in text.lines() {
            let object: serde_json::Value = serde_json::from_str(line).expect("one object a line");
            assert_eq!(object["name"], "tm");
        }
    }
}

#[test]
fn json_lines_go_to_the_streams_they_came_from() {
    let output = run(
        &["--logs", "json", "--name", "tm"],
        "echo out; printf err >&2",
    );
    let out: serde_json::Value = serde_json::from_slice(&output.stdout).expect("an object");
    let err: serde_json::Value = serde_json::from_slice(&output.stderr).expect("an object");
    assert_eq!(
        (&out["stream"], &out["line"]),
        (&"stdout".into(), &"out".into())
    );
    assert_eq!(
        (&err["stream"], &err["line"]),
        (&"stderr".into(), &"err".into())
    );
}

#[test]
fn the_end_of_the_parent_ends_the_command_in_order() {
    let place = Place::new();
    let mark = format!("6{:07}", std::process::id());
    let report = place.text("report.json");
    // The shell is the parent: it ends while the supervised command runs.
    let script = format!(
        "'{FLUGS}' supervise --follow-parent --report {report} -- sleep {mark} & sleep 0.5; exit 0"
    );
    let mut shell = Init::start(Mode::Plain, &["sh", "-c", &script]);
    until("the command runs", || runs(&mark).then_some(()));
    assert_eq!(shell.end(), 0);
    until("the report", || {
        place.path("report.json").exists().then_some(())
    });
    assert_eq!(place.report().reason, Reason::ParentGone);
    assert_eq!(place.report().exit_code, 94);
    assert!(!runs(&mark));
}

#[test]
fn limits_are_set_for_the_command() {
    let output = run(
        &["--open-files", "hard", "--core-size", "0"],
        "test $(ulimit -Sn) = $(ulimit -Hn) && ulimit -c",
    );
    assert_eq!(
        (output.status.code(), text(&output.stdout).trim()),
        (Some(0), "0")
    );
    let output = run(&["--open-files", "18446744073709551000"], "true");
    assert_eq!(output.status.code(), Some(75));
    assert!(
        text(&output.stderr).contains("open files"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn root_becomes_a_user_by_name_or_number_with_its_groups_its_home_and_its_sandbox() {
    let place = Place::new();
    fs::set_permissions(place.directory.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    fs::create_dir(place.path("sandbox")).expect("a sandbox");
    fs::write(place.path("sandbox/file"), "x").expect("a file");
    let sandbox = place.text("sandbox");
    let report = place.text("sandbox/report.json");
    let options = [
        "--user",
        "daemon",
        "--own",
        &sandbox,
        "--no-new-privileges",
        "--drop-capabilities",
        "--report",
        &report,
    ];
    let script = format!(
        "id -u; id -G; echo $HOME $USER; grep -E '^(NoNewPrivs|CapEff|CapBnd)' /proc/self/status; \
         echo more >> {sandbox}/file; cat /proc/$PPID/status | grep ^Uid"
    );
    let output = run(&options, &script);
    let expected = "1\n1\n/usr/sbin daemon\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n\
                    NoNewPrivs:\t1\nUid:\t1\t1\t1\t1\n";
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
    assert_eq!(read_report(Path::new(&report)).exit_code, 0);
    let output = run(&["--user", "12345:54321"], "id -u; id -g; echo $HOME");
    assert_eq!(text(&output.stdout), "12345\n54321\n/\n");
}

#[test]
fn who_is_not_root_cannot_become_another_and_is_told() {
    let place = Everybodys::new();
    let flugs = place.flugs();
    let words = [
        "setpriv",
        "--reuid",
        "1",
        "--clear-groups",
        flugs.to_str().expect("UTF-8"),
        "supervise",
        "--user",
        "2",
        "--",
        "true",
    ];
    let output = command(Mode::Plain, &words).output().expect("flugs runs");
    assert_eq!(output.status.code(), Some(96));
    assert!(
        text(&output.stderr).contains("only root"),
        "{}",
        text(&output.stderr)
    );
    let words = words.map(|word| if word == "2" { "1" } else { word });
    let output = command(Mode::Plain, &words).output().expect("flugs runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

/// One small tmpfs, filled by the command itself: the report's room was taken before.
#[test]
fn the_report_is_whole_on_a_disk_that_has_filled_up() {
    let place = Place::new();
    let disk = place.text("disk");
    fs::create_dir(&disk).expect("a directory");
    let script = format!(
        "mount -t tmpfs -o size=256k none {disk} && \
         '{FLUGS}' supervise --report {disk}/report.json -- \
         sh -c 'cat /dev/zero > {disk}/fill; echo full >&2; exit 11'; \
         code=$?; cp {disk}/report.json {}; df --output=avail {disk} | tail -1; exit $code",
        place.text("report.json")
    );
    let words = ["unshare", "--mount", "sh", "-c", &script];
    let output = command(Mode::Plain, &words).output().expect("unshare runs");
    assert_eq!(output.status.code(), Some(11), "{}", text(&output.stderr));
    let report = place.report();
    assert_eq!(report.exit_code, 11);
    assert!(
        report.last_error_lines.iter().any(|line| line == "full"),
        "{report:?}"
    );
}

#[test]
fn a_read_only_root_with_one_writable_directory_is_enough() {
    let place = Place::new();
    let writable = place.text("writable");
    fs::create_dir(&writable).expect("a directory");
    let script = format!(
        "mount -t tmpfs none {writable} && mount -o remount,bind,ro / 2>/dev/null || mount --bind / / ; \
         mount -o remount,bind,ro /; touch /probe 2>/dev/null && exit 99; \
         '{FLUGS}' supervise --report {writable}/report.json --status {writable}/s -- \
         sh -c 'exit 12' || exit $?"
    );
    let words = ["unshare", "--mount", "sh", "-c", &script];
    let output = command(Mode::Plain, &words).output().expect("unshare runs");
    assert_eq!(output.status.code(), Some(12), "{}", text(&output.stderr));
    let output = run(&["--report", "/proc/no/report.json"], "exit 13");
    assert_eq!(
        output.status.code(),
        Some(13),
        "a report that cannot be written is no failure"
    );
    assert!(text(&output.stderr).contains("/proc/no/report.json"));
}

#[test]
fn without_proc_it_supervises_all_the_same() {
    let script = format!("umount -l /proc && exec '{FLUGS}' supervise -- sh -c 'exit 14'");
    let words = ["unshare", "--mount", "--fork", "--pid", "sh", "-c", &script];
    let output = command(Mode::Plain, &words).output().expect("unshare runs");
    assert_eq!(output.status.code(), Some(14), "{}", text(&output.stderr));
}

/// A thousand wake-ups a second would show; so would one.
#[test]
fn an_idle_supervisor_does_not_wake_up() {
    let init = start(
        &["--status", "/tmp/.flugs-idle-status"],
        "echo ready; exec sleep 60",
    )
    .ready();
    std::thread::sleep(Duration::from_millis(300));
    let switches = || {
        let text = fs::read_to_string(format!("/proc/{}/status", init.pid)).expect("status");
        text.lines()
            .filter_map(|line| {
                line.split_once("ctxt_switches:")?
                    .1
                    .trim()
                    .parse::<u64>()
                    .ok()
            })
            .sum::<u64>()
    };
    let before = switches();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(switches(), before);
}

#[test]
fn orphans_are_counted_in_the_report() {
    let place = Place::new();
    let began = Instant::now();
    let script = "for i in 1 2 3 4 5; do (true &) ; done; sleep 0.3";
    run(&["--report", &place.text("report.json")], script);
    assert_eq!(place.report().orphans_reaped, 5);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn crash_files_of_a_jvm_are_named() {
    let place = Place::new();
    let directory = place.directory.path().to_str().expect("UTF-8");
    let script = "echo > hs_err_pid$$.log; echo > java_pid$$.hprof; \
                  echo 'java.lang.OutOfMemoryError: Java heap space' >&2; exit 3";
    run(
        &[
            "--report",
            &place.text("report.json"),
            "--directory",
            directory,
        ],
        script,
    );
    let report = place.report();
    assert_eq!(report.crash_files.fatal_error_logs.len(), 1);
    assert_eq!(report.crash_files.heap_dumps.len(), 1);
    let error = report.out_of_memory.jvm_error.expect("the JVM's error");
    assert_eq!(error, "java.lang.OutOfMemoryError: Java heap space");
    assert_eq!(
        report.reason,
        Reason::Exited,
        "the JVM's own error is no kernel kill"
    );
}

#[test]
fn stdin_is_the_commands() {
    let mut child = supervise(&[], &["cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("flugs runs");
    child
        .stdin
        .take()
        .expect("stdin")
        .write_all(b"through\n")
        .expect("written");
    let output = child.wait_with_output().expect("output");
    assert_eq!(text(&output.stdout), "through\n");
}
