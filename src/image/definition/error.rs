//! What is wrong with a definition, and where.

use std::io;
use std::path::PathBuf;

use flugs_base::{ExitCode, Failure};

/// Why a definition cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// The file cannot be read.
    #[error("the image definition {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file breaks a rule of YAML or of the format.
    #[error("{}:{line}:{column}: {reason}{}", path.display(), hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 0 where none can be told.
        line: u64,
        /// The column, from 1.
        column: u64,
        /// What is wrong.
        reason: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// Definitions include one another in a circle, or too deeply.
    #[error("{}: includes go deeper than {depth} files: do they include one another?", path.display())]
    Includes {
        /// The file at which it was given up.
        path: PathBuf,
        /// The depth that is allowed.
        depth: usize,
    },
    /// Something that every image needs is nowhere in the definition.
    #[error("{}: {field} is missing: {hint}", path.display())]
    Missing {
        /// The file that was named.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// What to write.
        hint: &'static str,
    },
}

impl Failure for DefinitionError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unreadable { source, .. } => ExitCode::of_io(source),
            Self::Malformed { .. } | Self::Includes { .. } | Self::Missing { .. } => {
                ExitCode::ImageDefinition
            }
        }
    }
}
