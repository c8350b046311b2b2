//! The crates of the workspace and which of each other they use, as cargo knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// What the name of every crate of the house begins with.
pub(crate) const PREFIX: &str = "flugs-";

/// The crates below `crates/`, by their names without the prefix.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub(crate) crates: BTreeMap<String, Crate>,
}

/// One of them.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    /// Those that it is built with; not those that only its tests use.
    pub(crate) uses: BTreeSet<String>,
    /// Whether it is held to the workspace's lints, missing documentation among them.
    pub(crate) has_lints: bool,
    /// Whether its `lib.rs` begins with what it owns.
    pub(crate) says_what_it_owns: bool,
    /// Whether its `lib.rs` has an example, which the documentation tests run.
    pub(crate) has_example: bool,
}

/// Cargo, or a file of a crate, could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkspaceError {
    /// `cargo metadata` failed.
    #[error("cargo metadata: {0}")]
    Cargo(#[from] cargo_metadata::Error),
    /// A file of a crate cannot be read.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
}

impl Workspace {
    /// The workspace of a directory.
    pub(crate) fn read(root: &Path) -> Result<Self, WorkspaceError> {
        let mut command = MetadataCommand::new();
        command.current_dir(root).no_deps();
        command.other_options(["--locked".to_owned(), "--offline".to_owned()]);
        let metadata = command.exec()?;
        let directory = metadata.workspace_root.join("crates");
        let mut crates = BTreeMap::new();
        for package in &metadata.packages {
            if !package.manifest_path.starts_with(&directory) {
                continue;
            }
            let name = short(&package.name).unwrap_or(&package.name).to_owned();
            crates.insert(name, Crate::read(package)?);
        }
        Ok(Self { crates })
    }
}

impl Crate {
    fn read(package: &Package) -> Result<Self, WorkspaceError> {
        let is_built_with = |kind: DependencyKind| kind != DependencyKind::Development;
        let dependencies = package.dependencies.iter();
        let dependencies = dependencies.filter(|one| is_built_with(one.kind));
        let uses = dependencies.filter_map(|one| Some(short(&one.name)?.to_owned()));
        let manifest = text(package.manifest_path.as_std_path())?;
        let library = package.manifest_path.with_file_name("src").join("lib.rs");
        let library = text(library.as_std_path())?;
        Ok(Self {
            uses: uses.collect(),
            has_lints: manifest.contains("[lints]\nworkspace = true"),
            says_what_it_owns: library.starts_with("//! "),
            has_example: library.contains("//! ```\n"),
        })
    }
}

/// The name of a crate of the house, without the prefix.
fn short(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)
}

fn text(path: &Path) -> Result<String, WorkspaceError> {
    std::fs::read_to_string(path).map_err(|error| WorkspaceError::File {
        path: path.display().to_string(),
        error,
    })
}
