//! Files that somebody names are written to as what they are, and standard output that takes
//! nothing is an error.

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may end at the first surprise, and waits for the programs that it runs"
)]

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const FLUGS: &str = env!("CARGO_BIN_EXE_flugs");

fn flugs(words: &[&str]) -> Command {
    let mut command = Command::new(FLUGS);
    command.args(words).stdin(Stdio::null());
    command
}

fn run(words: &[&str]) -> Output {
    flugs(words).output().expect("flugs runs")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// What each command that writes a file is called with, up to the file's name.
fn writers(directory: &Path) -> Vec<Vec<String>> {
    let at = |name: &str| text(&directory.join(name)).to_owned();
    fs::write(at("flink-conf.yaml"), "a.b: c\n").expect("a configuration");
    fs::write(at("job.jar"), "jar").expect("a jar");
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut migrate = words("conf migrate");
    migrate.extend([at("flink-conf.yaml"), "--force".into(), "--out".into()]);
    let mut bundle = words("bundle create --unsigned --jar");
    bundle.extend([at("job.jar"), "--output".into()]);
    vec![migrate, bundle]
}

fn write_to(writer: &[String], target: &str) -> Output {
    let output = Command::new(FLUGS).args(writer).arg(target).output();
    let output = output.expect("flugs runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{writer:?} {target}: {said}");
    output
}

#[test]
fn devices_links_and_a_dash_are_written_to_and_not_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    for (number, writer) in writers(directory.path()).iter().enumerate() {
        let at = |name: &str| directory.path().join(format!("{name}-{number}"));
        let plain = at("plain");
        write_to(writer, text(&plain));
        let expected = fs::read(&plain).expect("what was written");

        symlink(&plain, at("link")).expect("a link");
        fs::write(&plain, "").expect("emptied");
        write_to(writer, text(&at("link")));
        assert!(at("link").is_symlink());
        assert_eq!(fs::read(&plain).expect("the link's file"), expected);

        fs::hard_link(&plain, at("other")).expect("another name");
        fs::write(&plain, "").expect("emptied");
        write_to(writer, text(&plain));
        assert_eq!(fs::read(at("other")).expect("by its other name"), expected);

        write_to(writer, "/dev/null");
        let null = fs::metadata("/dev/null").expect("a device");
        assert!(null.file_type().is_char_device());

        for name in ["-", "/dev/stdout"] {
            let output = write_to(writer, name);
            assert_eq!(output.stdout, expected, "{writer:?} {name}");
            assert!(!output.stderr.is_empty(), "what was done is told beside it");
        }
        let full = Command::new(FLUGS).args(writer).arg("/dev/full").output();
        assert_eq!(full.expect("flugs runs").status.code(), Some(88));
    }
    let left = fs::read_dir(directory.path()).expect("a directory").count();
    assert_eq!(left, 2 + 2 * 3, "nothing is left beside them");
}

/// As root, in a mount namespace of its own.
#[test]
fn a_mounted_file_keeps_its_mount_and_its_content_is_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = "set -e; mount --make-rprivate /; cd \"$1\"; touch source log; \
                  printf 'old and much longer than the new text is' > source; \
                  mount --bind source log; shift; flugs=$1; shift; \
                  \"$flugs\" supervise --report log -- sh -c 'exit 3' || test $? = 3; \
                  grep -q '\"exitCode\": 3' source; \
                  printf 'a.b: c\\n' > flink-conf.yaml; \
                  \"$flugs\" conf migrate flink-conf.yaml --force --out log; \
                  printf 'a.b: c\\n' | cmp - source; ls";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .args([text(directory.path()), FLUGS])
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let names = String::from_utf8_lossy(&output.stdout);
    assert!(names.ends_with("flink-conf.yaml\nlog\nsource\n"), "{names}");
}

#[test]
fn an_exit_report_goes_down_a_pipe_and_to_standard_error_once_and_last() {
    for target in ["/dev/stderr", "/proc/self/fd/2"] {
        let script = "echo program >&2; exit 3";
        let output = run(&["supervise", "--report", target, "--", "sh", "-c", script]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with("program\n{"), "{said}");
        assert_eq!(said.matches("\"version\": 1,").count(), 1, "{said}");
    }
    // A file that standard error goes to is written on, not written over.
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), "").expect("empty");
    let inode = fs::metadata(file.path()).expect("there").ino();
    let append = fs::OpenOptions::new().append(true).open(file.path());
    let status = flugs(&[
        "supervise",
        "--report",
        "/dev/stderr",
        "--",
        "sh",
        "-c",
        "echo a >&2",
    ])
    .stderr(append.expect("opened"))
    .status();
    assert!(status.expect("flugs runs").success());
    let said = fs::read_to_string(file.path()).expect("read");
    assert!(said.starts_with("a\n{"), "{said}");
    assert_eq!(fs::metadata(file.path()).expect("there").ino(), inode);
}

#[test]
fn standard_output_that_is_full_is_an_error_of_every_command_and_a_closed_pipe_is_none() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = directory.path().join("store");
    let commands: [&[&str]; 9] = [
        &["--version"],
        &["--help"],
        &["up", "--help"],
        &[
            "conf",
            "render",
            "--flink-version",
            "2.3.0",
            "--no-environment",
        ],
        &[
            "conf",
            "check",
            "--flink-version",
            "2.3.0",
            "--no-environment",
        ],
        &[
            "conf",
            "explain",
            "--flink-version",
            "2.3.0",
            "--no-environment",
            "--json",
        ],
        &[
            "memory",
            "--role",
            "jobmanager",
            "--flink-version",
            "2.3.0",
            "-Djobmanager.memory.process.size=2g",
        ],
        &["artifact", "add", FLUGS, "--store", text(&store)],
        &["entrypoint", "docker", "help"],
    ];
    for words in commands {
        let full = fs::OpenOptions::new().write(true).open("/dev/full");
        let output = flugs(words).stdout(full.expect("a device")).output();
        let output = output.expect("flugs runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(88), "{words:?}: {said}");
        assert!(said.contains("cannot write to standard output"), "{said}");

        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = flugs(words).stdout(writer).output().expect("flugs runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
        assert!(!said.contains("standard output"), "{said}");
    }
}
