//! What reading one source of configuration gives: its settings, and what is odd about it.

use std::fmt;
use std::path::PathBuf;

use super::configuration::Configuration;

/// The settings of one source, in the order in which they stand, later ones winning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The settings. A key may stand twice.
    pub settings: Vec<ParsedSetting>,
    /// What Flink would warn about, or should have.
    pub warnings: Vec<Warning>,
}

/// One setting and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedSetting {
    /// The full dotted key.
    pub key: String,
    /// The value as Flink would print it.
    pub value: String,
    /// The line, from 1.
    pub line: usize,
}

/// Something odd in a source that does not keep it from being used. Never holds a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file or variable.
    pub source: String,
    /// The line, from 1, where there is one.
    pub line: Option<usize>,
    /// What is odd.
    pub kind: WarningKind,
}

/// What can be odd in a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WarningKind {
    /// Both files exist; Flink reads one and ignores the other.
    #[error("both {used} and {ignored} exist; Flink reads {used} and ignores {ignored}")]
    OtherFileIgnored {
        /// The one that is read.
        used: &'static str,
        /// The one that is not.
        ignored: &'static str,
    },
    /// A line without the separator; it is skipped.
    #[error("line skipped: no {expected:?} between key and value")]
    NoSeparator {
        /// What the dialect separates key and value with.
        expected: &'static str,
    },
    /// A line whose key or value is empty; it is skipped.
    #[error("line skipped: key or value is empty")]
    EmptyKeyOrValue,
    /// A `#` that is glued to what stands before it cut the rest of the line off (FLINK-35642).
    #[error("the value of \"{key}\" ends at a \"#\": flink-conf.yaml has no way to hold one")]
    HashCutsValue {
        /// The key.
        key: String,
    },
    /// The same key stands again further down, where it wins.
    #[error("\"{key}\" is set again in line {by_line}, which wins")]
    Overridden {
        /// The key.
        key: String,
        /// The line that wins.
        by_line: usize,
    },
    /// The file starts with a byte order mark, which Flink takes for part of the first key.
    #[error("starts with a byte order mark, which Flink takes for part of the first key")]
    ByteOrderMark,
    /// Lines of a flat file only mean something as nested YAML.
    #[error(
        "nested YAML up to line {last_line}, which Flink reads line by line in this file, each key \
         without its parents: write the full keys {}, each with its value on a line of its own",
        keys.join(", ")
    )]
    NestedYaml {
        /// The last line of it.
        last_line: usize,
        /// Every run of such lines, from its first to its last.
        lines: Vec<(usize, usize)>,
        /// The full keys that are meant.
        keys: Vec<String>,
    },
    /// Bytes that are not UTF-8 were replaced by U+FFFD.
    #[error("not valid UTF-8; bad bytes became U+FFFD")]
    NotUtf8,
    /// `$name` in the value of `key` names a variable that is not set; it became empty.
    #[error("\"{key}\" uses ${{{variable}}}, which is not set: replaced by nothing")]
    UnsetVariable {
        /// The key.
        key: String,
        /// The variable.
        variable: String,
    },
    /// A block list where only a flow list (`[a, b]`) can stand; the line is skipped.
    #[error("line skipped: write a list as [a, b] behind its key")]
    BlockList,
    /// A variable's value is not what it must be; the variable is ignored.
    #[error("{variable} ignored: expected {expected}")]
    BadVariable {
        /// The variable.
        variable: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A directory has no settings for the console's log.
    #[error(
        "no {expected} there: logs go to the console and the log file, as the release ships it"
    )]
    NoLogSettings {
        /// The file that would hold them.
        expected: &'static str,
    },
    /// A directory has no configuration file, where one is optional.
    #[error("no {expected} there: what variables and -D leave out is as the release ships it")]
    NoConfiguration {
        /// The file that would hold it.
        expected: &'static str,
    },
    /// A directory that commands look for the configuration in cannot be written to.
    #[error(
        "cannot be written to: what this container's variables set is in {} for commands \
         (FLINK_CONF_DIR)",
        instead.display()
    )]
    NotWritable {
        /// Where the configuration in effect is.
        instead: PathBuf,
    },
    /// A file that commands read cannot hold what a variable sets.
    #[error(
        "{file} cannot hold this value of \"{key}\" ({reason}): what is launched here gets it, \
         Flink's own commands and scripts do not"
    )]
    BesideFile {
        /// The key.
        key: String,
        /// The file.
        file: &'static str,
        /// What stands in the way.
        reason: &'static str,
    },
    /// Native code cannot be mapped from a directory for temporary files.
    #[error(
        "native code cannot be mapped from {directory} ({reason}), where RocksDB, Netty, Snappy, \
         Zstandard, Python's archives and others unpack theirs: jobs that need it will fail. Mount it \
         with exec (docker run --tmpfs /tmp:exec), or make room in it; or name another directory, which \
         for java.io.tmpdir FLUGS_RUN_DIR or the launch's directory does as well"
    )]
    NoNativeCode {
        /// The directory.
        directory: String,
        /// What a try met.
        reason: String,
    },
    /// A directory that is to be logged to cannot be written to.
    #[error(
        "no log can be written there ({reason}): what is logged goes to the console alone, and the \
         web page has nothing to show; name another directory (FLINK_LOG_DIR, env.log.dir)"
    )]
    NoLogFile {
        /// What a try met.
        reason: String,
    },
    /// A key is known by a newer name.
    #[error("\"{key}\" is deprecated: {instead}")]
    Deprecated {
        /// The key that was set.
        key: String,
        /// The key to set instead, or what to do if there is none.
        instead: String,
    },
    /// Two names of one option are set to different values, and this one does not count.
    #[error("the value of \"{key}\" does not count: {}", reason.explain(taken))]
    Dropped {
        /// The key that does not count.
        key: String,
        /// The key that counts.
        taken: String,
        /// Why it does.
        reason: DropReason,
    },
}

/// Why one of two names of an option counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DropReason {
    /// A higher layer sets it.
    HigherLayer {
        /// That layer's name.
        layer: &'static str,
    },
    /// It is the option's own key.
    OwnKey,
    /// Of the other names of the option, Flink asks for it first.
    EarlierName {
        /// The option.
        option: String,
    },
}

impl Warning {
    /// A warning about the value of a key that is in effect.
    pub(super) fn of_setting(configuration: &Configuration, key: &str, kind: WarningKind) -> Self {
        let origin = configuration.setting(key).map(|setting| &setting.origin);
        let source = origin.map(|origin| {
            let name = origin.layer.name().to_owned();
            origin.source.clone().unwrap_or(name)
        });
        Self {
            source: source.unwrap_or_default(),
            line: origin.and_then(|origin| origin.line),
            kind,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "{}:{line}: {}", self.source, self.kind),
            None => write!(formatter, "{}: {}", self.source, self.kind),
        }
    }
}

impl DropReason {
    fn explain(&self, taken: &str) -> String {
        match self {
            Self::HigherLayer { layer } => {
                format!("\"{taken}\" is set to something else in a higher layer ({layer})")
            }
            Self::OwnKey => {
                format!("it is an older name of \"{taken}\", which is set to something else")
            }
            Self::EarlierName { option } => format!(
                "for \"{option}\" Flink looks at \"{taken}\" first, which is set to something else"
            ),
        }
    }
}
