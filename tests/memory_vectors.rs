//! Every recorded answer of Flink's own `BashJavaUtils` is reproduced exactly.
//!
//! `tests/data/memory-vectors.json` holds 450 runs of 1.13.6, 1.20.5 and 2.3.0: configuration,
//! arguments and environment in, JVM arguments, derived settings or the chain of exceptions out.

#![expect(clippy::expect_used, clippy::panic, reason = "a failed test panics")]

use std::collections::BTreeMap;

use flugs_flink::FlinkVersion;
use flugs_flink::memory::{MemoryError, MemoryPlan, derive};
use flugs_model::{Property, Role};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Vector {
    id: String,
    version: String,
    role: String,
    config: BTreeMap<String, String>,
    dynamic_args: Vec<String>,
    env: BTreeMap<String, String>,
    status: String,
    #[serde(default)]
    jvm_args: String,
    #[serde(default)]
    dynamic_params: String,
    #[serde(default)]
    summary: Vec<String>,
    #[serde(default)]
    error: Vec<String>,
}

#[derive(Debug)]
enum Refusal {
    /// A `-D` without a value, which the command line already refuses.
    CommandLine,
    Memory(MemoryError),
}

impl Vector {
    fn role(&self) -> Role {
        match self.role.as_str() {
            "TM" => Role::TaskManager,
            "JM" => Role::JobManager,
            other => panic!("unknown role {other}"),
        }
    }

    fn version(&self) -> FlinkVersion {
        self.version.parse().expect("a version")
    }

    fn derive(&self) -> Result<MemoryPlan, Refusal> {
        let mut configuration = self.config.clone();
        for property in dynamic_properties(&self.dynamic_args)? {
            configuration.insert(property.key, property.value);
        }
        derive(
            self.role(),
            &self.version(),
            &|key| configuration.get(key).cloned(),
            &|name| self.env.get(name).cloned(),
        )
        .map_err(Refusal::Memory)
    }
}

/// The `-D` settings among arguments of which the others mean nothing to the memory model.
fn dynamic_properties(arguments: &[String]) -> Result<Vec<Property>, Refusal> {
    let mut properties = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let text = match argument.strip_prefix("-D") {
            Some("") => arguments.next().ok_or(Refusal::CommandLine)?,
            Some(text) => text,
            None => continue,
        };
        properties.push(text.parse().map_err(|_| Refusal::CommandLine)?);
    }
    Ok(properties)
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("data/memory-vectors.json")).expect("vectors")
}

#[test]
fn every_recorded_success_is_reproduced_argument_by_argument() {
    let mut compared = 0;
    for vector in vectors().iter().filter(|vector| vector.status == "ok") {
        let plan = vector
            .derive()
            .unwrap_or_else(|error| panic!("{} {}: {error:?}", vector.version, vector.id));
        let name = format!("{} {}", vector.version, vector.id);
        assert_eq!(plan.jvm_arguments.join(" "), vector.jvm_args, "{name}");
        let dynamic: Vec<String> = plan
            .dynamic
            .iter()
            .map(|(key, value)| format!("-D {key}={value}"))
            .collect();
        assert_eq!(dynamic.join(" "), vector.dynamic_params, "{name}");
        compared += 1;
    }
    assert_eq!(compared, 321);
}

#[test]
fn every_recorded_failure_is_the_same_failure_down_to_its_causes() {
    let mut compared = 0;
    for vector in vectors().iter().filter(|vector| vector.status == "error") {
        let name = format!("{} {}", vector.version, vector.id);
        match vector.derive() {
            Ok(plan) => panic!("{name}: {plan:?}"),
            Err(Refusal::CommandLine) => assert!(
                vector.error[0].contains("Missing argument for option: D"),
                "{name}"
            ),
            Err(Refusal::Memory(error)) => assert_eq!(
                error.flink_error(vector.role(), &vector.version()),
                vector.error,
                "{name}"
            ),
        }
        compared += 1;
    }
    assert_eq!(compared, 129);
}

#[test]
fn the_breakdown_adds_up_to_the_totals_that_flink_logs() {
    let mut compared = 0;
    for vector in vectors().iter().filter(|vector| vector.status == "ok") {
        let name = format!("{} {}", vector.version, vector.id);
        let breakdown = vector.derive().expect("a plan").breakdown;
        let sum: u64 = breakdown.parts().iter().map(|(_, size)| size.bytes()).sum();
        let total = breakdown.total_process().expect("a total");
        assert_eq!(sum, total.bytes(), "{name}");
        for (label, size) in [
            ("Total Process Memory:", Some(total)),
            ("Total Flink Memory:", breakdown.total_flink()),
        ] {
            let logged = vector
                .summary
                .iter()
                .find_map(|line| line.strip_prefix(label));
            if let (Some(logged), Some(size)) = (logged, size) {
                assert_eq!(logged.trim(), size.to_flink_text(), "{name} {label}");
                compared += 1;
            }
        }
    }
    assert!(compared > 600, "only {compared} totals were compared");
}

#[test]
fn every_refusal_says_in_plain_words_what_to_do() {
    for vector in vectors() {
        if let Err(Refusal::Memory(error)) = vector.derive() {
            let text = error.to_string();
            assert!(text.len() > 40, "{}: {text}", vector.id);
            assert!(!text.contains("Exception"), "{}: {text}", vector.id);
        }
    }
}
