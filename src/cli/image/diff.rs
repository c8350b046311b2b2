//! `flugs image diff`: how two images differ.

use std::process::ExitCode as ProcessExit;

use crate::cli::printable::printable;
use crate::cli::{Ending, output, runtime, table};
use crate::image::{Architecture, Change, ChangeKind, SourceName};

/// Show what differs between two images, by file and size. Ends with 0 whether they differ or not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs image diff old.tar new.tar
  flugs image diff docker:flink:2.3.0 oci:worker --json
  flugs image diff oci:images:1 oci:images:2 --platform linux/arm64")]
pub(super) struct Args {
    /// The image before: oci:DIR[:TAG], archive:FILE or docker:NAME; a bare path is looked at.
    before: SourceName,
    /// The image after.
    after: SourceName,
    /// Which machine's image, where there are several.
    #[arg(long)]
    platform: Option<Architecture>,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let found = runtime()?.block_on(crate::image::difference(
        &args.before,
        &args.after,
        args.platform,
    ))?;
    if args.json {
        output::json(&found);
        return Ok(ProcessExit::SUCCESS);
    }
    for (field, before, after) in &found.config {
        output::line(&printable(&format!("{field}: {before} -> {after}")));
    }
    if !found.files.is_empty() {
        let rows = found.files.iter().map(|change| {
            [
                sign(change).to_owned(),
                grown(change.before, change.after),
                change.path.clone(),
                change.what.join(", "),
            ]
        });
        let table = table::render(&["", "BYTES", "PATH", "DIFFERS IN"], rows);
        output::line(&printable(&table));
    }
    output::line(&format!(
        "{} files differ, {} -> {} ({} bytes); {} layers in common",
        found.files.len(),
        super::bytes(found.size_before),
        super::bytes(found.size_after),
        grown(found.size_before, found.size_after),
        found.common_layers
    ));
    Ok(ProcessExit::SUCCESS)
}

const fn sign(change: &Change) -> &'static str {
    match change.kind {
        ChangeKind::Added => "+",
        ChangeKind::Removed => "-",
        ChangeKind::Changed => "~",
    }
}

fn grown(before: u64, after: u64) -> String {
    if after >= before {
        format!("+{}", after - before)
    } else {
        format!("-{}", before - after)
    }
}
