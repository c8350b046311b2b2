//! What those who work on flugs run, as `cargo xtask COMMAND`.

mod document;
mod drawing;
mod house;
mod workspace;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use document::{Document, DocumentError};
use workspace::{Workspace, WorkspaceError};

/// The document that says how the house is built.
const ARCHITECTURE: &str = "ARCHITECTURE.md";

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "What those who work on flugs run")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks that crates use those that ARCHITECTURE.md says, all of them above in its table
    House,
    /// Draws the crates and what they use, as ARCHITECTURE.md shows it (Mermaid)
    Drawing,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error("{ARCHITECTURE}: {0}")]
    Document(#[from] DocumentError),
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "xtask: error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let root = root();
    let workspace = Workspace::read(root)?;
    let mut out = std::io::stdout().lock();
    match arguments.command {
        Command::Drawing => out.write_all(drawing::draw(&workspace).as_bytes())?,
        Command::House => {
            let document = Document::read(&root.join(ARCHITECTURE))?;
            let breaches = house::check(&workspace, &document);
            for breach in &breaches {
                writeln!(out, "{breach}")?;
            }
            if !breaches.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
            writeln!(
                out,
                "{} crates, all as ARCHITECTURE.md says",
                workspace.crates.len()
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the workspace is.
fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}
