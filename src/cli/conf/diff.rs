//! `flugs conf diff`: how two configurations differ, whatever files they are in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode as ProcessExit;

use serde::Serialize;

use super::{Ending, output, warn};
use flugs_flink_conf::{
    ConfError, Configuration, ConfigurationFiles, Dialect, Layer, Parsed, load_directory,
    load_file, redacted,
};

/// Show how two configurations differ, key by key; their files may be of different kinds.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs conf diff /opt/flink-1.18/conf /opt/flink-2.3/conf
  flugs conf diff flink-conf.yaml config.yaml --exit-code
  flugs conf diff old/conf new/conf --json

A directory stands for the file in it (config.yaml if it has both). Secrets are compared and shown
as ******.

Exit code: 0; with --exit-code: 1 if they differ.")]
pub(super) struct Args {
    /// A configuration file, or a directory with one.
    old: PathBuf,
    /// Another one.
    new: PathBuf,
    /// Exit with 1 if they differ.
    #[arg(long)]
    exit_code: bool,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

/// One key whose values differ; a side that does not have it is empty.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    key: String,
    old: Option<String>,
    new: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let differences = differences(&read(&args.old)?, &read(&args.new)?);
    if args.json {
        output::json(&differences);
    } else {
        for difference in &differences {
            output::line(&difference.text());
        }
    }
    Ok(if args.exit_code && !differences.is_empty() {
        ProcessExit::FAILURE
    } else {
        ProcessExit::SUCCESS
    })
}

fn read(path: &Path) -> Result<Configuration, Ending> {
    let parsed = parse(path)?;
    warn(&parsed.warnings);
    let mut configuration = Configuration::new();
    configuration.extend(&parsed, Layer::ConfDirectory, &path.display().to_string());
    Ok(configuration)
}

fn parse(path: &Path) -> Result<Parsed, ConfError> {
    if path.is_dir() {
        return match load_directory(path, ConfigurationFiles::Nested) {
            Err(ConfError::Missing { .. }) => {
                load_directory(path, ConfigurationFiles::FlatThenNested).map(|(parsed, ..)| parsed)
            }
            other => other.map(|(parsed, ..)| parsed),
        };
    }
    let is_flat = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().contains("flink-conf"));
    let dialect = if is_flat {
        Dialect::Flat
    } else {
        Dialect::Nested
    };
    load_file(path, dialect)
}

fn differences(old: &Configuration, new: &Configuration) -> Vec<Difference> {
    let values = |configuration: &Configuration| -> BTreeMap<String, String> {
        let settings = configuration.iter();
        settings
            .map(|(key, setting)| (key.to_owned(), setting.value.clone()))
            .collect()
    };
    let (old, new) = (values(old), values(new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let shown = |key: &str, value: Option<&String>| value.map(|v| redacted(key, v).to_owned());
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| Difference {
            key: key.clone(),
            old: shown(key, old.get(key)),
            new: shown(key, new.get(key)),
        })
        .collect()
}

impl Difference {
    fn text(&self) -> String {
        let key = &self.key;
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => format!("~ {key}: {old:?} -> {new:?}"),
            (Some(old), None) => format!("- {key}: {old:?}"),
            (None, Some(new)) => format!("+ {key}: {new:?}"),
            (None, None) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_flink_conf::Origin;

    #[test]
    fn differences_are_shown_by_key_and_secrets_are_not() {
        let configuration = |settings: &[(&str, &str)]| {
            let mut configuration = Configuration::new();
            for (key, value) in settings {
                configuration.set(*key, *value, Origin::of(Layer::ConfDirectory));
            }
            configuration
        };
        let old = configuration(&[
            ("same", "1"),
            ("gone", "x"),
            ("rest.port", "8081"),
            ("a.password", "p"),
        ]);
        let new = configuration(&[
            ("same", "1"),
            ("rest.port", "8082"),
            ("come", ""),
            ("a.password", "q"),
        ]);
        let lines: Vec<String> = differences(&old, &new)
            .iter()
            .map(Difference::text)
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
~ a.password: "******" -> "******"
+ come: ""
- gone: "x"
~ rest.port: "8081" -> "8082"
"#);
    }
}
