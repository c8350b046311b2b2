//! `flugs conf render`: the configuration file that a launch would write.

use std::path::PathBuf;
use std::process::ExitCode as ProcessExit;

use super::{Ending, Sources, output, warn};
use flugs_flink_conf::{
    ConfSource, Configuration, ConsoleLayout, Existing, Layer, Origin, REDACTED, Taking,
    beside_file, for_file, is_sensitive, prepare_directory, render,
};

/// Print or write the configuration that a launch would give Flink.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs conf render --flink-home /opt/flink
  flugs conf render --flink-version 2.3.0 -D rest.port=8082 --out /tmp/conf
  FLINK_PROPERTIES='rest.port: 8082' flugs conf render --flink-home /opt/flink --out /run/conf --json-logs

On standard output secrets are shown as ******; --out writes them, in a file that only its owner
can read. Links, devices and mounts that stand in DIR are written to, not replaced.

Exit code: 0; 75 if the configuration cannot be read, or cannot be written for this Flink.")]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
    /// Fill this directory with the configuration and the logging settings, as a launch does.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// With --out: have log4j write JSON to the console.
    #[arg(long, requires = "out")]
    json_logs: bool,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let gathered = args.sources.gather()?;
    warn(&gathered.warnings);
    let dialect = gathered.dialect();
    let configuration = for_file(&gathered.configuration, dialect);
    for (key, _) in beside_file(&gathered.configuration, dialect) {
        let name = dialect.file_name();
        output::note(&format!(
            "flugs: {name} cannot hold {key}: a launch gives it to the JVM beside the file"
        ));
    }
    let Some(target) = &args.out else {
        let (shown, hidden) = without_secrets(&configuration);
        output::line(render(&shown, dialect)?.trim_end());
        if hidden > 0 {
            output::note(&format!(
                "flugs: {hidden} secret values are shown as {REDACTED}; --out DIR writes them"
            ));
        }
        return Ok(ProcessExit::SUCCESS);
    };
    let layout = if args.json_logs {
        ConsoleLayout::Json
    } else {
        ConsoleLayout::AsConfigured
    };
    let source = gathered.directory.as_deref().map(|directory| ConfSource {
        directory,
        release: None,
        taking: Taking::Copies,
    });
    let existing = Existing::WrittenTo;
    prepare_directory(source, target, &configuration, dialect, layout, existing)?;
    let path = target.join(dialect.file_name());
    output::line(&path.display().to_string());
    Ok(ProcessExit::SUCCESS)
}

/// The values in effect with every secret replaced, and how many those were.
fn without_secrets(configuration: &Configuration) -> (Configuration, usize) {
    let mut shown = Configuration::new();
    let mut hidden = 0;
    for (key, setting) in configuration.iter() {
        let secret = is_sensitive(key);
        hidden += usize::from(secret);
        let value = if secret { REDACTED } else { &setting.value };
        shown.set(key, value, Origin::of(Layer::Derived));
    }
    (shown, hidden)
}
