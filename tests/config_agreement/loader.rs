//! Flink's own configuration loader, run on many files in one JVM.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::jvm;

/// What Flink's loader makes of one file: the settings, or the chain of causes of its refusal.
pub(super) type Reading = Result<BTreeMap<String, String>, String>;

/// Reads every `(file name, content)` with the loader of a Flink release.
pub(super) fn read(version: &str, cases: &[(&str, &[u8])]) -> Vec<Reading> {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let mut text = String::new();
    for (name, content) in cases {
        writeln!(text, "{name} {}", encode(content)).unwrap();
    }
    std::fs::write(path("cases"), text).unwrap();
    std::fs::create_dir(path("conf")).unwrap();
    let arguments = [path("cases"), path("results"), path("conf")];
    jvm::run(
        version,
        "ReadConfiguration",
        &["-Dlog4j2.level=OFF"],
        &arguments,
    );
    let results = std::fs::read_to_string(path("results")).unwrap();
    let readings: Vec<Reading> = results.lines().map(reading).collect();
    assert_eq!(readings.len(), cases.len());
    readings
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
