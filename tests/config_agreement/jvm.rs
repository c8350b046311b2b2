//! One small Java program, compiled and run against a Flink home.

use std::process::Command;

use crate::flink_homes::flink_home;

/// Compiles `tests/java/<program>.java` against the jars of a Flink release, runs it, and gives
/// what it printed.
pub(super) fn run(version: &str, program: &str, options: &[&str], arguments: &[String]) -> String {
    let lib = flink_home(version).join("lib");
    let classes = tempfile::tempdir().unwrap();
    let class_path = format!("{}/*:{}", lib.display(), classes.path().display());
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/java");
    let mut javac = Command::new("javac");
    javac.args(["-encoding", "UTF-8", "-cp", &class_path, "-d"]);
    javac
        .arg(classes.path())
        .arg(format!("{sources}/{program}.java"));
    output(javac);
    let mut java = Command::new("java");
    java.args(["-Xmx256m", "-Dfile.encoding=UTF-8", "-cp", &class_path]);
    java.args(options).arg(program).args(arguments);
    output(java)
}

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn output(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
