//! `flugs conf explain`: every value and where it comes from.

use std::process::ExitCode as ProcessExit;

use serde::Serialize;

use super::sources::Gathered;
use super::{Ending, Sources, output, table, warn};
use flugs_base::ExitCode;
use flugs_flink_conf::options::{FlinkOption, Lookup};
use flugs_flink_conf::{Setting, redacted};

/// Show every setting, its value, and where it comes from.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs conf explain --flink-home /opt/flink
  flugs conf explain --flink-home /opt/flink taskmanager.memory.process.size
  flugs conf explain --flink-version 1.20.5 --conf ./conf -D rest.port=8082 --json

Layers, lowest first: flugs-default, image-default, conf-directory, overlay, environment,
flink-properties, manifest, command-line, derived, forced. Secrets are shown as ******.

Exit code: 0; 75 if the configuration cannot be read, or does not have the one key asked for.")]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
    /// Only this key, with the values that other layers gave it.
    key: Option<String>,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

/// One setting as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    key: String,
    #[serde(flatten)]
    current: Candidate,
    #[serde(rename = "type")]
    value_type: Option<&'static str>,
    default: Option<&'static str>,
    /// The values that lost, the one that came closest first.
    overrides: Vec<Candidate>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    value: String,
    layer: &'static str,
    source: Option<String>,
    line: Option<usize>,
    #[serde(skip)]
    origin: String,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let gathered = args.sources.gather()?;
    warn(&gathered.warnings);
    let explanations: Vec<Explanation> = gathered
        .configuration
        .iter()
        .filter(|(key, _)| args.key.as_deref().is_none_or(|wanted| wanted == *key))
        .map(|(key, _)| explain(&gathered, key))
        .collect();
    if let (Some(key), true) = (&args.key, explanations.is_empty()) {
        return Err(not_set(&gathered, key));
    }
    if args.json {
        output::json(&explanations);
    } else if args.key.is_some() {
        for explanation in &explanations {
            output::line(&explanation.text());
        }
    } else {
        output::line(&overview(explanations));
    }
    Ok(ProcessExit::SUCCESS)
}

fn explain(gathered: &Gathered, key: &str) -> Explanation {
    let option = option(gathered, key);
    let show = |setting: &Setting| Candidate {
        value: redacted(key, &setting.value).to_owned(),
        layer: setting.origin.layer.name(),
        source: setting.origin.source.clone(),
        line: setting.origin.line,
        origin: setting.origin.to_string(),
    };
    let mut values = gathered.configuration.all(key).iter().rev().map(show);
    let current = values.next().unwrap_or_else(|| Candidate {
        value: String::new(),
        layer: "",
        source: None,
        line: None,
        origin: String::new(),
    });
    Explanation {
        key: key.to_owned(),
        current,
        value_type: option.map(|option| option.value_type.name()),
        default: option.and_then(|option| option.default),
        overrides: values.collect(),
    }
}

fn option(gathered: &Gathered, key: &str) -> Option<&'static FlinkOption> {
    gathered
        .table
        .with_own()
        .into_iter()
        .find_map(|table| match table.lookup(key) {
            Lookup::Current(option) | Lookup::Alias(option) => Some(option),
            Lookup::Family | Lookup::Unknown => None,
        })
}

fn not_set(gathered: &Gathered, key: &str) -> Ending {
    let message = match option(gathered, key) {
        Some(FlinkOption {
            default: Some(default),
            ..
        }) => {
            format!("{key} is not set; Flink's default is {default}")
        }
        Some(_) => format!("{key} is not set, and Flink has no default for it"),
        None => {
            let nearest = gathered
                .table
                .with_own()
                .iter()
                .find_map(|table| table.nearest(key));
            let hint = nearest.map(|nearest| format!("; did you mean {nearest}?"));
            format!(
                "{key} is not set, and no option has this name{}",
                hint.unwrap_or_default()
            )
        }
    };
    Ending {
        code: ExitCode::Configuration,
        message,
    }
}

/// The widest value a table shows; the rest is in `--json` and under the key alone.
const WIDEST: usize = 60;

fn overview(explanations: Vec<Explanation>) -> String {
    let rows = explanations.into_iter().map(|explanation| {
        let value = printable(&explanation.current.value);
        let short: String = value.chars().take(WIDEST).collect();
        let value = if short.len() < value.len() {
            format!("{short}…")
        } else {
            short
        };
        [explanation.key, value, explanation.current.origin]
    });
    table::render(&["KEY", "VALUE", "FROM"], rows)
}

/// A value on one line: what a terminal would obey is shown as an escape.
fn printable(value: &str) -> String {
    value
        .chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = (!c.is_control()).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

impl Explanation {
    fn text(&self) -> String {
        let mut lines = vec![
            format!("{} = {}", self.key, printable(&self.current.value)),
            format!("  from      {}", self.current.origin),
        ];
        for value in &self.overrides {
            lines.push(format!(
                "  over      {}  ({})",
                printable(&value.value),
                value.origin
            ));
        }
        if let Some(value_type) = self.value_type {
            lines.push(format!("  type      {value_type}"));
        }
        if let Some(default) = self.default {
            lines.push(format!("  default   {default}"));
        }
        lines.join("\n")
    }
}
