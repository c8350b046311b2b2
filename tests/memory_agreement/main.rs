//! flugs and Flink's own `BashJavaUtils` divide memory alike, on random configurations.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod configurations;
mod flink;
#[path = "../flink_homes/mod.rs"]
mod flink_homes;

use configurations::{Case, case};
use flugs_flink::FlinkVersion;
use flugs_flink::memory::derive;
use flugs_flink_conf::{Dialect, parse_flat, parse_nested};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// How many configurations each release is asked about.
const CASES: usize = 1000;

/// The same cases at every run.
fn cases() -> Vec<Case> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..CASES)
        .map(|_| case().new_tree(&mut runner).unwrap().current())
        .collect()
}

/// The file's values as Flink reads them: `1e3` is a number in YAML.
fn as_flink_reads_it(case: &Case, dialect: Dialect) -> Case {
    let mut read = case.clone();
    for (key, value) in &mut read.file {
        let line = format!("{key}: {value}");
        let parsed = match dialect {
            Dialect::Flat => parse_flat(&line, ""),
            Dialect::Nested => parse_nested(&line, "").unwrap(),
        };
        value.clone_from(&parsed.settings.first().unwrap().value);
    }
    read
}

fn assert_agreement(version: &str) {
    let flink_version: FlinkVersion = version.parse().unwrap();
    let cases = cases();
    let mut successes = 0;
    let mut differences = Vec::new();
    let dialect = flink_version.configuration_files().rendered();
    for (case, answer) in cases.iter().zip(flink::ask(version, dialect, &cases)) {
        let read = as_flink_reads_it(case, dialect);
        let ours = derive(case.role, &flink_version, &|key| read.get(key), &|_| None);
        let ours = match ours {
            Ok(plan) => {
                successes += 1;
                let dynamic: Vec<String> = plan
                    .dynamic
                    .iter()
                    .map(|(key, value)| format!("-D {key}={value}"))
                    .collect();
                Ok((plan.jvm_arguments.join(" "), dynamic.join(" ")))
            }
            Err(error) => Err(error.flink_error(case.role, &flink_version)),
        };
        if ours != answer {
            differences.push(format!("{case:?}\n  flugs: {ours:?}\n  Flink: {answer:?}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{version}: {} differences\n{}",
        differences.len(),
        differences.join("\n")
    );
    assert!(
        successes * 4 > CASES,
        "only {successes} of {CASES} configurations are possible"
    );
}

#[test]
fn random_configurations_are_divided_as_flink_1_13_divides_them() {
    assert_agreement("1.13.6");
}

#[test]
fn random_configurations_are_divided_as_flink_1_20_divides_them() {
    assert_agreement("1.20.5");
}

#[test]
fn random_configurations_are_divided_as_flink_2_3_divides_them() {
    assert_agreement("2.3.0");
}
