//! `flugs image inspect`: what is in an image.

use std::collections::BTreeSet;
use std::process::ExitCode as ProcessExit;

use crate::cli::printable::printable;
use crate::cli::{Ending, output, runtime, table};
use crate::image::{Inspected, SourceName};

/// Show what an image is made of and how it is run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs image inspect oci:worker
  flugs image inspect archive:worker.tar --json
  flugs image inspect docker:flink:2.3.0")]
pub(super) struct Args {
    /// oci:DIR[:TAG], archive:FILE or docker:NAME; a bare path is looked at.
    image: SourceName,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let images = runtime()?.block_on(crate::image::inspect(&args.image))?;
    if args.json {
        output::json(&images);
    } else {
        for (at, image) in images.iter().enumerate() {
            if at > 0 {
                output::line("");
            }
            show(image);
        }
    }
    Ok(ProcessExit::SUCCESS)
}

fn show(image: &Inspected) {
    let config = &image.config;
    let words = |words: &[String]| words.join(" ");
    let names = |names: &BTreeSet<String>| {
        names
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let name = image
        .name
        .as_ref()
        .map_or_else(|| "(no name)".to_owned(), ToString::to_string);
    let facts = [
        ("name", name),
        ("digest", image.digest.to_string()),
        ("id", image.id.to_string()),
        ("platform", image.platform.clone()),
        ("created", image.created.clone().unwrap_or_default()),
        ("size", super::bytes(image.size)),
        (
            "class data",
            image
                .class_data
                .map(|layer| layer.to_string())
                .unwrap_or_default(),
        ),
        ("user", config.user.clone().unwrap_or_default()),
        ("entrypoint", words(&config.entrypoint)),
        ("command", words(&config.cmd)),
        ("workdir", config.working_dir.clone().unwrap_or_default()),
        ("ports", names(&config.exposed_ports)),
        ("volumes", names(&config.volumes)),
        (
            "stop signal",
            config.stop_signal.clone().unwrap_or_default(),
        ),
        (
            "healthcheck",
            config
                .healthcheck
                .as_ref()
                .map(|check| words(&check.test))
                .unwrap_or_default(),
        ),
    ];
    for (fact, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        output::line(&printable(&format!("{fact:<12} {value}")));
    }
    for variable in &config.env {
        output::line(&printable(&format!("{:<12} {variable}", "environment")));
    }
    for (label, value) in &config.labels {
        output::line(&printable(&format!("{:<12} {label}={value}", "label")));
    }
    let rows = image.layers.iter().map(|layer| {
        [
            layer.digest.to_string(),
            super::bytes(layer.size),
            layer.created_by.clone().unwrap_or_default(),
        ]
    });
    output::line(&printable(&table::render(
        &["LAYER", "SIZE", "CREATED BY"],
        rows,
    )));
}
