//! `flugs conf check`: what is wrong with a configuration, before anything starts.

use std::process::ExitCode as ProcessExit;

use serde::Serialize;

use super::sources::Gathered;
use super::{Ending, Sources, output};
use crate::conf::{Origin, Warning, WarningKind, check};
use crate::flink::memory::derive;
use crate::spec::{ExitCode, Role};

/// Check a configuration: unknown keys, wrong types, impossible memory, clashing ports.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs conf check --flink-home /opt/flink
  flugs conf check --flink-version 2.3.0 --conf ./conf --strict
  flugs conf check --flink-version 1.20.5 -D taskmanager.numberOfTaskSlot=4 --no-environment --json

Exit code: 0 if there is no error (with --strict: nor a warning), else 75.")]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
    /// Treat warnings as errors.
    #[arg(long)]
    strict: bool,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    flink_version: String,
    errors: usize,
    warnings: usize,
    findings: Vec<Found>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    severity: Severity,
    key: Option<String>,
    from: Option<String>,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Error,
    Warning,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let gathered = args.sources.gather()?;
    let report = Report::new(&gathered);
    if args.json {
        output::json(&report);
    } else {
        for finding in &report.findings {
            output::line(&finding.text());
        }
        let (errors, warnings) = (report.errors, report.warnings);
        output::line(&format!(
            "{} settings for Flink {}: {errors} errors, {warnings} warnings",
            gathered.configuration.len(),
            gathered.version
        ));
    }
    let failed = report.errors > 0 || (args.strict && report.warnings > 0);
    Ok(if failed {
        ProcessExit::from(ExitCode::Configuration.code())
    } else {
        ProcessExit::SUCCESS
    })
}

impl Report {
    fn new(gathered: &Gathered) -> Self {
        let mut findings: Vec<Found> = gathered
            .warnings
            .iter()
            .map(|warning| Found {
                severity: Severity::Warning,
                key: None,
                from: None,
                message: warning.to_string(),
            })
            .collect();
        let configuration = &gathered.configuration;
        let found = check(configuration, gathered.table, gathered.dialect()).into_iter();
        for finding in found.filter(|finding| !is_nested(&finding.origin, &gathered.warnings)) {
            findings.push(Found {
                severity: if finding.problem.is_error() {
                    Severity::Error
                } else {
                    Severity::Warning
                },
                key: Some(finding.key),
                from: Some(finding.origin.to_string()),
                message: finding.problem.to_string(),
            });
        }
        findings.extend(impossible_memory(gathered));
        let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
        Self {
            flink_version: gathered.version.to_string(),
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            findings,
        }
    }
}

/// Whether a setting stands in lines that were said to be nested YAML: there is no more to say.
fn is_nested(origin: &Origin, warnings: &[Warning]) -> bool {
    warnings
        .iter()
        .any(|warning| match (&warning.kind, origin.line) {
            (WarningKind::NestedYaml { lines, .. }, Some(line)) => {
                let is_within = lines
                    .iter()
                    .any(|(first, last)| (*first..=*last).contains(&line));
                is_within && origin.source.as_ref() == Some(&warning.source)
            }
            _ => false,
        })
}

/// What the memory model says against the configuration, for either role that has one. A role
/// without any memory setting is left alone: its size may come from a container's limit.
fn impossible_memory(gathered: &Gathered) -> Vec<Found> {
    let get = |key: &str| gathered.configuration.get(key).map(str::to_owned);
    let roles = [
        (Role::JobManager, "jobmanager.memory."),
        (Role::TaskManager, "taskmanager.memory."),
    ];
    roles
        .into_iter()
        .filter(|(_, prefix)| {
            gathered
                .configuration
                .iter()
                .any(|(key, _)| key.starts_with(prefix))
        })
        .filter_map(|(role, _)| {
            let error = derive(role, &gathered.version, &get, &|_| None).err()?;
            Some(Found {
                severity: Severity::Error,
                key: None,
                from: None,
                message: format!("{role}: {error}"),
            })
        })
        .collect()
}

impl Found {
    fn text(&self) -> String {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        match (&self.key, &self.from) {
            (Some(key), Some(from)) => format!("{severity}: {key} ({from}): {}", self.message),
            _ => format!("{severity}: {}", self.message),
        }
    }
}
