//! `flugs conf check`: what is wrong with a configuration, before anything starts.

use std::collections::BTreeSet;
use std::process::ExitCode as ProcessExit;

use serde::Serialize;

use super::refusals::refusals;
use super::sources::Gathered;
use super::{Ending, Sources, output};
use flugs_base::ExitCode;
use flugs_flink_conf::{Finding, Origin, Problem, Warning, WarningKind, check};

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
        let mut wrong = BTreeSet::new();
        for finding in found.filter(|finding| !is_said(finding, &gathered.warnings)) {
            if matches!(finding.problem, Problem::WrongType { .. }) {
                wrong.insert(finding.key.clone());
            }
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
        let refused = refusals(gathered, &|key| wrong.contains(key));
        findings.extend(refused.into_iter().map(|refusal| Found {
            severity: Severity::Error,
            key: refusal.key,
            from: refusal.origin.map(|origin| origin.to_string()),
            message: refusal.message,
        }));
        let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
        Self {
            flink_version: gathered.version.to_string(),
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            findings,
        }
    }
}

/// Whether there is no more to say of a key: what it is called was told, or how it stands there.
fn is_said(finding: &Finding, warnings: &[Warning]) -> bool {
    let is_told = |warning: &Warning| match &warning.kind {
        WarningKind::Deprecated { key, .. } => *key == finding.key,
        _ => false,
    };
    let is_unknown = matches!(finding.problem, Problem::UnknownKey { .. });
    is_nested(&finding.origin, warnings) || (is_unknown && warnings.iter().any(is_told))
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
