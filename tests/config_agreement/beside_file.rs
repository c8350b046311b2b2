//! What a `flink-conf.yaml` cannot hold reaches Flink all the same.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use super::flink_homes::flink_home;
use super::jvm;

/// Legal on the command line of Flink's own scripts, and in no line of the file.
const ODD: [&str; 6] = [
    "pipeline.name=job #1",
    "s3.endpoint=",
    "my.padded= a b ",
    "my.lines=a\nb",
    "my.quotes=\"a\" 'b' \\",
    "mesos.constraints.hard.hostattribute=",
];

const SECRET: &str = "security.ssl.internal.key-password=p#ss";

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn launch(sandbox: &Path, role: &str, settings: &[&str], how: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flugs"));
    command.args(["launch", role, how, "--dir"]).arg(sandbox);
    command.args(["-D", "taskmanager.memory.process.size=1728m"]);
    for setting in settings {
        command.args(["-D", setting]);
    }
    command.env("FLINK_HOME", flink_home("1.13.6"));
    for variable in ["FLINK_CONF_DIR", "FLINK_PROPERTIES"] {
        command.env_remove(variable);
    }
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn hashes_empty_values_and_blanks_reach_flink_and_a_secret_stands_on_no_command_line() {
    let sandbox = tempfile::tempdir().unwrap();
    let settings = [ODD.as_slice(), &[SECRET]].concat();
    let prepared = launch(sandbox.path(), "taskmanager", &settings, "--prepare");
    assert!(prepared.status.success(), "{}", text(&prepared.stderr));
    let explained = text(&prepared.stdout);
    assert!(!explained.contains("p#ss"), "{explained}");
    let arguments = sandbox.path().join("conf/main-arguments");
    assert!(
        explained.contains(&format!("@{}", arguments.display())),
        "{explained}"
    );
    let mode = std::fs::metadata(&arguments).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // Flink's own main class reads the file that the launch wrote, but for the class that reports.
    let main = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner";
    let written = std::fs::read_to_string(&arguments).unwrap();
    assert!(written.contains(main), "{written}");
    let reported = sandbox.path().join("reported");
    std::fs::write(&reported, written.replace(main, "LoadSettings")).unwrap();
    let options = [format!("@{}", reported.display())];
    let options = options.each_ref().map(String::as_str);
    let read = jvm::run("1.13.6", "LoadSettings", &options, &[]);
    for setting in [
        "[pipeline.name]=[job #1]",
        "[s3.endpoint]=[]",
        "[my.padded]=[ a b ]",
        "[my.lines]=[a\nb]",
        "[my.quotes]=[\"a\" 'b' \\]",
        "[security.ssl.internal.key-password]=[p#ss]",
    ] {
        assert!(read.contains(&format!("{setting}\n")), "{setting}: {read}");
    }
    assert!(!read.contains("hostattribute"), "{read}");
}

#[test]
fn without_a_secret_such_settings_are_plain_arguments_and_a_check_takes_what_a_start_takes() {
    let sandbox = tempfile::tempdir().unwrap();
    let checked = launch(sandbox.path(), "taskmanager", &ODD, "--check");
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert!(text(&checked.stdout).contains("pipeline.name=job #1"));
    assert!(!sandbox.path().join("conf/flink-conf.yaml").exists());
    // The history server of these releases reads the file alone.
    for how in ["--check", "--prepare"] {
        let refused = launch(sandbox.path(), "history-server", &[ODD[0]], how);
        assert_eq!(refused.status.code(), Some(75), "{how}");
        assert!(text(&refused.stderr).contains("pipeline.name"), "{how}");
    }
}
