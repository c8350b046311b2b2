//! Every way in which configuration can fail to be read or written.
//!
//! No text here repeats a value: it may be a secret.

use std::io;
use std::path::PathBuf;

use super::Dialect;
use flugs_base::{ExitCode, Failure};

/// Why a configuration could not be read, rendered or written.
#[derive(Debug, thiserror::Error)]
pub enum ConfError {
    /// The directory holds none of the files that this Flink would read.
    #[error(
        "no configuration in {}: expected {expected}; Flink refuses to start without it",
        directory.display()
    )]
    Missing {
        /// The directory that was searched.
        directory: PathBuf,
        /// The file names that would have done.
        expected: &'static str,
    },
    /// A file exists and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A `config.yaml` is not UTF-8. (Flink refuses it too.)
    #[error("{source_name}:{line}: not valid UTF-8; save the file as UTF-8")]
    NotUtf8 {
        /// The file.
        source_name: String,
        /// The line of the first bad byte, from 1.
        line: usize,
    },
    /// The file is laid out in a way that the edits for a container cannot follow.
    #[error(
        "{source_name} binds loopback addresses in a layout that cannot be edited line by line: \
         set jobmanager.bind-host, taskmanager.bind-host and rest.address to 0.0.0.0 there, one a \
         line, and take taskmanager.host out"
    )]
    NotFitted {
        /// The file.
        source_name: String,
    },
    /// The text is not YAML.
    #[error("{source_name}:{line}:{column}: {message}")]
    Syntax {
        /// The file.
        source_name: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// The text is YAML that Flink's loader does not accept as configuration.
    #[error("{source_name}:{line}: {refusal}")]
    Refused {
        /// The file.
        source_name: String,
        /// The line, from 1.
        line: usize,
        /// The rule it breaks.
        refusal: Refusal,
    },
    /// Some settings cannot be written in this dialect so that Flink reads them back.
    #[error(
        "{} cannot hold {}",
        dialect.file_name(),
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    NotRepresentable {
        /// The dialect that was asked for.
        dialect: Dialect,
        /// Every setting that does not fit, in the order of the keys.
        problems: Vec<Unrepresentable>,
    },
    /// What was rendered does not read back to the same settings: a fault in flugs.
    #[error("internal fault: the rendered {} does not read back to the same settings", dialect.file_name())]
    ReadBack {
        /// The dialect that was rendered.
        dialect: Dialect,
    },
    /// A file or directory could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// One setting that a dialect cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrepresentable {
    /// The key.
    pub key: String,
    /// What stands in the way.
    pub reason: &'static str,
    /// Why it does not go beside the file either, with what to do; empty if it may.
    pub remedy: &'static str,
}

impl std::fmt::Display for Unrepresentable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} ({})", self.key, self.reason)?;
        if !self.remedy.is_empty() {
            write!(formatter, ", {}", self.remedy)?;
        }
        Ok(())
    }
}

/// A rule of Flink's `config.yaml` loader that well-formed YAML can break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The document is a list or a single value.
    #[error("expected a mapping of keys to values at the top, found {found}")]
    RootNotMapping {
        /// What stands there.
        found: &'static str,
    },
    /// A second document follows.
    #[error("expected one document, found a second one (\"---\")")]
    SecondDocument,
    /// A key stands twice in one mapping.
    #[error("duplicate key \"{key}\" in one mapping")]
    DuplicateKey {
        /// The key as it stands in its mapping.
        key: String,
    },
    /// A value is null or missing.
    #[error("key \"{key}\" has no value; write \"\" for an empty one, or remove the line")]
    NullValue {
        /// The full dotted key.
        key: String,
    },
    /// A key is a number, a boolean or a collection.
    #[error("expected a string as key, found {found}; put it in quotes")]
    KeyNotString {
        /// What stands there.
        found: &'static str,
    },
    /// A `:` stands without a key before it.
    #[error("a \":\" without a key before it")]
    MissingKey,
    /// One of the line breaks that YAML 1.2 abolished and Flink's parser still folds.
    #[error("a U+0085, U+2028 or U+2029 character; write it as an escape in double quotes")]
    UnusualLineBreak,
    /// A byte order mark stands where no file starts, as after joining two files.
    #[error("a byte order mark (U+FEFF) inside the file; remove it")]
    ByteOrderMark,
    /// An alias names no earlier anchor.
    #[error("undefined alias, or one that contains itself")]
    UndefinedAlias,
    /// A tag that configuration does not know.
    #[error("tag \"{tag}\" is not one that Flink can read")]
    UnknownTag {
        /// The tag.
        tag: String,
    },
    /// A value does not fit the tag in front of it.
    #[error("the value does not fit its tag \"{tag}\"")]
    TagMismatch {
        /// The tag.
        tag: String,
    },
    /// One list holds the same anchored collection twice.
    #[error("a list that holds the same anchored collection twice; write the collection out")]
    RepeatedAlias,
    /// There are more aliases of lists and mappings than Flink accepts.
    #[error("more than {limit} aliases of lists and mappings")]
    TooManyAliases {
        /// The most that are accepted.
        limit: usize,
    },
    /// The file is larger than Flink accepts.
    #[error("larger than {limit} characters")]
    TooLarge {
        /// The most that are accepted.
        limit: usize,
    },
    /// Collections stand too deep inside each other.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The most that are accepted.
        limit: usize,
    },
    /// With all its aliases expanded, the document holds too many values.
    #[error("more than {limit} values")]
    TooManyValues {
        /// The most that are accepted.
        limit: usize,
    },
}

impl Failure for ConfError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Missing { .. }
            | Self::NotUtf8 { .. }
            | Self::Syntax { .. }
            | Self::Refused { .. }
            | Self::NotFitted { .. }
            | Self::NotRepresentable { .. } => ExitCode::Configuration,
            Self::Read { source, .. } | Self::Write { source, .. } => ExitCode::of_io(source),
            Self::ReadBack { .. } => ExitCode::Internal,
        }
    }
}
