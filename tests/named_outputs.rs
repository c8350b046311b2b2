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

/// A file with a known digest, and what fetches it.
fn fetcher(directory: &Path) -> impl Fn(&[&str]) -> Command {
    let jar = directory.join("job.jar");
    fs::write(&jar, "jar").expect("a jar");
    let url = format!("file://{}", text(&jar));
    let digest = flugs_base::Sha256Digest::of(b"jar").to_string();
    move |more| {
        let mut command = flugs(&["artifact", "fetch", &url, "--sha256", &digest]);
        command.args(more);
        command
    }
}

#[test]
fn a_fetched_file_goes_into_what_has_its_name_already_and_to_standard_output() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let fetch = fetcher(directory.path());
    let put = |name: &str| {
        let output = fetch(&["--to", text(directory.path()), "--name", name]).output();
        let output = output.expect("flugs runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
    };
    fs::create_dir(at("below")).expect("a directory");
    symlink("below/file", at("link")).expect("a link");
    put("link");
    assert!(at("link").is_symlink());
    assert_eq!(fs::read(at("below/file")).expect("the link's file"), b"jar");
    symlink("/dev/null", at("device")).expect("a link");
    put("device");
    let null = fs::metadata(at("device")).expect("a device");
    assert!(null.file_type().is_char_device());

    // One name of several is another file now: a store's object stays what it is.
    fs::write(at("object"), "old").expect("a file");
    fs::hard_link(at("object"), at("placed")).expect("another name");
    put("placed");
    assert_eq!(fs::read(at("object")).expect("the object"), b"old");

    for more in [&["--to", "-"][..], &["--to", "-", "--json"]] {
        let output = fetch(more).output().expect("flugs runs");
        assert!(output.status.success());
        assert_eq!(output.stdout, b"jar", "{more:?}");
    }
    let full = fetch(&["--to", "/dev", "--name", "full"]).output();
    assert_eq!(full.expect("flugs runs").status.code(), Some(88));
    let device = fs::metadata("/dev/full").expect("a device");
    assert!(device.file_type().is_char_device());
    let refused = fetch(&["--to", "-", "--extract"]).output();
    assert_eq!(refused.expect("flugs runs").status.code(), Some(2));
    let mut names: Vec<String> = fs::read_dir(directory.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().display().to_string())
        .collect();
    names.sort();
    // What a later fetch knows of the one that could be replaced, and nothing else.
    let known = ".flugs-verified.json";
    let expected = [
        known, "below", "device", "job.jar", "link", "object", "placed",
    ];
    assert_eq!(names, expected, "nothing is left beside them");
}

#[test]
fn what_is_for_programs_never_goes_to_a_terminal_and_nothing_is_done_before_that_is_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let fetch = fetcher(directory.path());
    let definition = format!("{}/images/worker.yaml", env!("CARGO_MANIFEST_DIR"));
    let build = [
        "image",
        "build",
        &definition,
        "--base",
        "rootfs:/nowhere",
        "--flink-home",
        "/nowhere",
        "--output",
        "archive:-",
    ];
    let bundle = [
        "bundle",
        "create",
        "--unsigned",
        "--jar",
        "/nowhere",
        "--output",
        "-",
    ];
    let commands = [
        flugs(&build),
        flugs(&["image", "base", "--output", "-"]),
        flugs(&bundle),
        fetch(&["--to", "-"]),
    ];
    for mut command in commands {
        let pty = nix::pty::openpty(None, None).expect("a terminal");
        let slave = pty.slave.try_clone().expect("a copy");
        let output = command.stdout(slave).current_dir(directory.path()).output();
        let output = output.expect("flugs runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(74), "{command:?}: {said}");
        assert!(said.contains("it is a terminal"), "{command:?}: {said}");
        assert!(said.contains("> FILE"), "{command:?}: {said}");
        drop(command);
        drop(pty.slave);
        // Nobody has the other end any more: what there is to read was written.
        let mut shown = Vec::new();
        let mut screen = fs::File::from(pty.master);
        let _ = std::io::Read::read_to_end(&mut screen, &mut shown);
        assert_eq!(String::from_utf8_lossy(&shown), "", "{said}");
    }
}

/// As root, in a mount namespace of its own.
#[test]
fn a_mounted_file_keeps_its_mount_and_its_content_is_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = "set -e; mount --make-rprivate /; here=$1; cd \"$1\"; touch source log; \
                  printf 'old and much longer than the new text is' > source; \
                  mount --bind source log; shift; flugs=$1; shift; \
                  \"$flugs\" supervise --report log -- sh -c 'exit 3' || test $? = 3; \
                  grep -q '\"exitCode\": 3' source; \
                  printf 'a.b: c\\n' > flink-conf.yaml; \
                  \"$flugs\" conf migrate flink-conf.yaml --force --out log; \
                  printf 'a.b: c\\n' | cmp - source; \
                  \"$flugs\" conf render --flink-version 2.3.0 --no-environment -D a.b=d \
                  --out rendered; touch of-conf; mount --bind of-conf rendered/config.yaml; \
                  \"$flugs\" conf render --flink-version 2.3.0 --no-environment -D a.b=e \
                  --out rendered; grep -q 'a.b: e' of-conf; \
                  printf jar > job.jar; digest=$(sha256sum job.jar | cut -c-64); \
                  \"$flugs\" artifact fetch \"file://$here/job.jar\" --sha256 $digest --to . --name log; \
                  printf jar | cmp - source; umount rendered/config.yaml; \
                  rm -r rendered of-conf job.jar; ls";
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
