//! `flugs image base`: a minimal Debian with Java, made of packages.

use std::path::PathBuf;
use std::process::ExitCode as ProcessExit;

use serde::Serialize;

use crate::cli::{Ending, output};
use crate::image::{Architecture, BaseRecipe, BaseWay, Definition};

/// Make a base of Debian packages: a tar of a root file system. The same packages and the same
/// SOURCE_DATE_EPOCH give the same bytes. Needs mmdebstrap.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs image base --output base.tar
  flugs image base --package openjdk-21-jre-headless --suite trixie --output base.tar
  SOURCE_DATE_EPOCH=1700000000 flugs image base --definition images/worker.yaml --output base.tar --json")]
pub(super) struct Args {
    /// The file to write, or - for standard output.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Take suite and packages from the `base` of this definition.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["suite", "packages"])]
    definition: Option<PathBuf>,
    /// Debian's suite.
    #[arg(long, value_name = "NAME", default_value = "bookworm")]
    suite: String,
    /// A package to install, beside the essential ones; may be repeated.
    #[arg(
        long = "package",
        value_name = "NAME",
        default_values_t = ["openjdk-17-jre-headless".to_owned(), "libjemalloc2".to_owned()]
    )]
    packages: Vec<String>,
    /// Where packages come from: a mirror's URL or a file of apt sources; may be repeated
    /// [default: this machine's own].
    #[arg(long = "mirror", value_name = "URL")]
    sources: Vec<String>,
    /// For what machine [default: this one].
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Architecture>,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Made<'a> {
    path: &'a std::path::Path,
    sha256: flugs_base::Sha256Digest,
    size: u64,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let mut recipe = BaseRecipe {
        suite: args.suite.clone(),
        packages: args.packages.clone(),
        sources: args.sources.clone(),
        architecture: args.platform.unwrap_or(Architecture::own()),
        epoch: super::epoch()?,
    };
    if let Some(path) = &args.definition {
        let base = Definition::read(path)
            .map_err(crate::image::ImageError::from)?
            .base;
        match base.map(|base| base.way) {
            Some(BaseWay::Packages { packages, suite }) => {
                recipe.packages = packages;
                recipe.suite = suite;
            }
            _ => {
                return Err(Ending {
                    code: flugs_base::ExitCode::ImageInput,
                    message: format!("{}: its base is not made of packages", path.display()),
                });
            }
        }
    }
    let progress = output::Progress::new("installing packages");
    let made = recipe.make(&args.output);
    progress.finish();
    let made = made?;
    let report = output::beside(&args.output);
    if args.json {
        report.json(&Made {
            path: &args.output,
            sha256: made.digest,
            size: made.size,
        });
    } else {
        report.line(&format!(
            "{}  sha256:{}  {}",
            args.output.display(),
            made.digest,
            super::bytes(made.size)
        ));
    }
    Ok(ProcessExit::SUCCESS)
}
