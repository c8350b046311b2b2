//! Flink's own configuration loader, run on many files in one JVM.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What Flink's loader makes of one file: the settings, or the chain of causes of its refusal.
pub(super) type Reading = Result<BTreeMap<String, String>, String>;

/// The home of a Flink release.
pub(super) fn home(version: &str) -> PathBuf {
    let homes = std::env::var("FLUGS_FLINK_HOMES")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target/flink").to_owned());
    let home = Path::new(&homes).join(version);
    assert!(
        home.join("lib").is_dir(),
        "no Flink home at {}; tools/flink-home.sh makes it",
        home.display()
    );
    home
}

/// Reads every `(file name, content)` with the loader of a Flink release.
pub(super) fn read(version: &str, cases: &[(&str, &[u8])]) -> Vec<Reading> {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let classpath = format!(
        "{}/*:{}",
        home(version).join("lib").display(),
        path("classes").display()
    );
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/java/ReadConfiguration.java"
    );
    let mut javac = Command::new("javac");
    javac
        .args(["-cp", &classpath, "-d"])
        .arg(path("classes"))
        .arg(source);
    run(javac);
    let mut text = String::new();
    for (name, content) in cases {
        writeln!(text, "{name} {}", encode(content)).unwrap();
    }
    std::fs::write(path("cases"), text).unwrap();
    std::fs::create_dir(path("conf")).unwrap();
    let mut java = Command::new("java");
    java.args([
        "-Xmx256m",
        "-Dfile.encoding=UTF-8",
        "-Dlog4j2.level=OFF",
        "-cp",
        &classpath,
    ])
    .arg("ReadConfiguration")
    .args([path("cases"), path("results"), path("conf")]);
    run(java);
    let results = std::fs::read_to_string(path("results")).unwrap();
    let readings: Vec<Reading> = results.lines().map(reading).collect();
    assert_eq!(readings.len(), cases.len());
    readings
}

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn run(mut command: Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn reading(line: &str) -> Reading {
    let mut words = line.split(' ');
    let ok = words.next() == Some("ok");
    if !ok {
        return Err(decode(words.next().unwrap_or_default()));
    }
    Ok(words
        .map(|word| {
            let (key, value) = word.split_once(':').unwrap();
            (decode(key), decode(value))
        })
        .collect())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let word = group
            .iter()
            .fold(0_u32, |word, byte| (word << 8) | u32::from(*byte))
            << (8 * (3 - group.len()));
        for index in 0..4 {
            let sextet = (word >> (18 - 6 * index)) & 63;
            text.push(if index <= group.len() {
                char::from(ALPHABET[sextet as usize])
            } else {
                '='
            });
        }
    }
    text
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let (mut word, mut bits) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let sextet = ALPHABET.iter().position(|other| *other == byte).unwrap();
        word = (word << 6) | u32::try_from(sextet).unwrap();
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((word >> bits) & 255).unwrap());
        }
    }
    String::from_utf8(bytes).unwrap()
}
