//! `flugs image verify`: whether an image is whole.

use std::process::ExitCode as ProcessExit;

use crate::cli::printable::printable;
use crate::cli::{Ending, output, runtime};
use crate::image::SourceName;
use flugs_base::ExitCode;

/// Check every digest, length and diffID of the images in a place; say all that is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs image verify oci:worker
  flugs image verify worker.tar --json")]
pub(super) struct Args {
    /// oci:DIR[:TAG], archive:FILE or docker:NAME; a bare path is looked at.
    image: SourceName,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let found = runtime()?.block_on(crate::image::verify(&args.image))?;
    if args.json {
        output::json(&found);
    } else {
        for problem in &found.problems {
            output::line(&printable(problem));
        }
    }
    if found.problems.is_empty() {
        if !args.json {
            output::line(&format!(
                "whole: {} images, {} blobs, {}",
                found.images,
                found.blobs,
                super::bytes(found.bytes)
            ));
        }
        return Ok(ProcessExit::SUCCESS);
    }
    Err(Ending {
        code: ExitCode::ImageRefused,
        message: format!("{}: {} problems", args.image, found.problems.len()),
    })
}
