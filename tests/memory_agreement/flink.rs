//! Flink's own `BashJavaUtils`, asked about many configurations in one JVM.

use std::process::Command;

use flugs_flink_conf::Dialect;

use crate::configurations::Case;
use crate::flink_homes::flink_home;

/// The two lines that Flink's scripts read, or the chain of exceptions.
pub(crate) type Answer = Result<(String, String), Vec<String>>;

/// Asks a release about every case.
pub(crate) fn ask(version: &str, dialect: Dialect, cases: &[Case]) -> Vec<Answer> {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let home = flink_home(version);
    let class_path = format!(
        "{}:{}/*:{}",
        home.join("bin/bash-java-utils.jar").display(),
        home.join("lib").display(),
        path("classes").display()
    );
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/java/DeriveMemory.java");
    let mut javac = Command::new("javac");
    javac
        .args(["-cp", &class_path, "-d"])
        .arg(path("classes"))
        .arg(source);
    run(javac);
    let lines: Vec<String> = cases.iter().map(|case| case.line() + "\n").collect();
    std::fs::write(path("cases"), lines.concat()).unwrap();
    std::fs::create_dir(path("conf")).unwrap();
    let mut java = Command::new("java");
    java.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .args(["-Dlog4j2.level=OFF", "-Dfile.encoding=UTF-8"])
        .args(["-cp", &class_path, "DeriveMemory"])
        .args([path("cases"), path("results"), path("conf")])
        .arg(dialect.file_name());
    run(java);
    let results = std::fs::read_to_string(path("results")).unwrap();
    let answers: Vec<Answer> = results.lines().map(answer).collect();
    assert_eq!(answers.len(), cases.len());
    answers
}

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn run(mut command: Command) {
    // Variables of the caller would take part in the derivation.
    command
        .env_remove("FLINK_TM_HEAP")
        .env_remove("FLINK_JM_HEAP");
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn answer(line: &str) -> Answer {
    let fields: Vec<&str> = line.split('\t').collect();
    match fields.as_slice() {
        ["ok", jvm, dynamic] => Ok(((*jvm).to_owned(), (*dynamic).to_owned())),
        ["error", chain @ ..] => Err(chain.iter().map(|&line| line.to_owned()).collect()),
        other => panic!("{other:?}"),
    }
}
