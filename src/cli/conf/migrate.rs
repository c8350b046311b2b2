//! `flugs conf migrate`: a `flink-conf.yaml` becomes a `config.yaml` that means the same.

use std::path::{Path, PathBuf};
use std::process::ExitCode as ProcessExit;

use serde::Serialize;

use super::{Ending, output};
use flugs_base::ExitCode;
use flugs_base::destination::{self, Target};
use flugs_flink::FlinkVersion;
use flugs_flink_conf::options::OptionTable;
use flugs_flink_conf::{
    ConfError, Configuration, Dialect, Layer, Parsed, is_sensitive, load_file, map_deprecated,
    render,
};

/// Turn a flink-conf.yaml into a config.yaml that means the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs conf migrate /opt/flink/conf
  flugs conf migrate flink-conf.yaml --out /opt/flink-2.3/conf/config.yaml
  flugs conf migrate old/conf --to 1.20.5 --out new/config.yaml --force --json
  flugs conf migrate flink-conf.yaml --out -

Older keys get the names that the version of --to knows. The old file is left as it is; remove it
yourself, because Flink 1.19 and 1.20 prefer it where both exist.

Exit code: 0; 75 if the file cannot be migrated, 74 if the new file exists and --force is not given.")]
pub(super) struct Args {
    /// The flink-conf.yaml, or the directory that it is in.
    path: PathBuf,
    /// The file to write, or - for standard output; by default config.yaml beside the old one.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The Flink version that is to read the new file.
    #[arg(long, value_name = "VERSION", default_value = "2.3.0")]
    to: String,
    /// Replace the new file if it exists.
    #[arg(long)]
    force: bool,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    from: PathBuf,
    to: PathBuf,
    settings: usize,
    warnings: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let version = args.to.parse::<FlinkVersion>()?.supported()?;
    if version.configuration_files().rendered() == Dialect::Flat {
        return Err(Ending {
            code: ExitCode::FlinkVersion,
            message: format!("Flink {version} reads no config.yaml: the first that does is 1.19"),
        });
    }
    let from = old_file(&args.path);
    let to = args
        .out
        .clone()
        .unwrap_or_else(|| from.with_file_name(Dialect::Nested.file_name()));
    if is_file(&to)? && !args.force {
        return Err(Ending {
            code: ExitCode::InputOutput,
            message: format!("{} exists; --force replaces it", to.display()),
        });
    }
    let parsed = load_file(&from, Dialect::Flat)?;
    let (configuration, warnings) = migrated(parsed, &from, &version);
    let text = render(&configuration, Dialect::Nested)?;
    let secret = configuration.iter().any(|(key, _)| is_sensitive(key));
    let mode = if secret { 0o600 } else { 0o644 };
    destination::write(&to, text.as_bytes(), mode).map_err(|error| unwritable(&to, error))?;
    let report = Report {
        from,
        to,
        settings: configuration.len(),
        warnings,
    };
    report.print(args.json);
    Ok(ProcessExit::SUCCESS)
}

/// Whether writing there would end a file's content.
fn is_file(path: &Path) -> Result<bool, Ending> {
    let target = Target::of(path).map_err(|error| unwritable(path, error))?;
    Ok(match target {
        Target::Replaceable(file) => file.exists(),
        Target::Kept(_) => true,
        Target::Stream(_) => false,
    })
}

fn unwritable(path: &Path, source: std::io::Error) -> ConfError {
    ConfError::Write {
        path: path.to_owned(),
        source,
    }
}

fn old_file(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(Dialect::Flat.file_name())
    } else {
        path.to_owned()
    }
}

/// The settings under the names of today. Quotes are characters in a `flink-conf.yaml`, except
/// around Java options, where Flink's scripts take one pair off.
fn migrated(
    mut parsed: Parsed,
    from: &Path,
    version: &FlinkVersion,
) -> (Configuration, Vec<String>) {
    let mut warnings: Vec<String> = parsed.warnings.iter().map(ToString::to_string).collect();
    for setting in &mut parsed.settings {
        let inner = setting
            .value
            .strip_prefix('"')
            .and_then(|v| v.strip_suffix('"'));
        let Some(inner) = inner.map(str::to_owned) else {
            continue;
        };
        if setting.key.starts_with("env.java.") {
            setting.value = inner;
        } else {
            warnings.push(format!(
                "{}:{}: the quotes of \"{}\" are part of its value, as they were for Flink",
                from.display(),
                setting.line,
                setting.key
            ));
        }
    }
    let mut configuration = Configuration::new();
    configuration.extend(&parsed, Layer::ConfDirectory, &from.display().to_string());
    let table = OptionTable::for_line(version.major(), version.minor());
    let deprecated = map_deprecated(&mut configuration, table);
    warnings.extend(deprecated.iter().map(ToString::to_string));
    (configuration, warnings)
}

impl Report {
    fn print(&self, json: bool) {
        let report = output::beside(&self.to);
        if json {
            report.json(self);
            return;
        }
        for warning in &self.warnings {
            output::note(&format!("flugs: warning: {warning}"));
        }
        report.line(&format!(
            "{}: {} settings",
            self.to.display(),
            self.settings
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_flink_conf::parse_flat;

    #[test]
    fn a_flat_file_becomes_one_that_means_the_same() {
        let parsed = parse_flat(
            "high-availability: zookeeper\nenv.java.opts: \"-Dx=1 -Dy=2\"\nfs.s3a.endpoint: h\n\
             fs.s3a.endpoint.region: r\ntaskmanager.heap.mb: 1024\na.b: \"q\"\nleading: 007\n",
            "flink-conf.yaml",
        );
        let version = FlinkVersion::new(2, 3, 0);
        let (configuration, warnings) = migrated(parsed, Path::new("flink-conf.yaml"), &version);
        let text = render(&configuration, Dialect::Nested).unwrap();
        insta::assert_snapshot!(format!("{text}---\n{}", warnings.join("\n")), @r#"
a.b: '"q"'
env.java.opts.all: -Dx=1 -Dy=2
fs.s3a.endpoint: h
fs.s3a.endpoint.region: r
high-availability.type: zookeeper
leading: '007'
taskmanager.memory.flink.size: 1024m
---
flink-conf.yaml:6: the quotes of "a.b" are part of its value, as they were for Flink
flink-conf.yaml:5: "taskmanager.heap.mb" is deprecated: use taskmanager.memory.flink.size
flink-conf.yaml:2: "env.java.opts" is deprecated: use env.java.opts.all
flink-conf.yaml:1: "high-availability" is deprecated: use high-availability.type
"#);
    }
}
