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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WarningKind {
    /// Both files exist; Flink reads one and ignores the other.
    OtherFileIgnored {
        /// The one that is read.
        used: &'static str,
        /// The one that is not.
        ignored: &'static str,
    },
    /// A line without the separator; it is skipped.
    NoSeparator {
        /// What the dialect separates key and value with.
        expected: &'static str,
    },
    /// A line whose key or value is empty; it is skipped.
    EmptyKeyOrValue,
    /// A `#` that is glued to what stands before it cut the rest of the line off (FLINK-35642).
    HashCutsValue {
        /// The key.
        key: String,
    },
    /// The same key stands again further down, where it wins.
    Overridden {
        /// The key.
        key: String,
        /// The line that wins.
        by_line: usize,
    },
    /// The file starts with a byte order mark, which Flink takes for part of the first key.
    ByteOrderMark,
    /// Lines of a flat file only mean something as nested YAML.
    NestedYaml {
        /// The last line of it.
        last_line: usize,
        /// Every run of such lines, from its first to its last.
        lines: Vec<(usize, usize)>,
        /// The full keys that are meant.
        keys: Vec<String>,
    },
    /// Bytes that are not UTF-8 were replaced by U+FFFD.
    NotUtf8,
    /// `$name` in the value of `key` names a variable that is not set; it became empty.
    UnsetVariable {
        /// The key.
        key: String,
        /// The variable.
        variable: String,
    },
    /// A block list where only a flow list (`[a, b]`) can stand; the line is skipped.
    BlockList,
    /// A variable's value is not what it must be; the variable is ignored.
    BadVariable {
        /// The variable.
        variable: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A directory has no settings for the console's log.
    NoLogSettings {
        /// The file that would hold them.
        expected: &'static str,
    },
    /// A directory has no configuration file, where one is optional.
    NoConfiguration {
        /// The file that would hold it.
        expected: &'static str,
    },
    /// A directory that commands look for the configuration in cannot be written to.
    NotWritable {
        /// Where the configuration in effect is.
        instead: PathBuf,
    },
    /// A file that commands read cannot hold what a variable sets.
    BesideFile {
        /// The key.
        key: String,
        /// The file.
        file: &'static str,
        /// What stands in the way.
        reason: &'static str,
    },
    /// Native code cannot be mapped from a directory for temporary files.
    NoNativeCode {
        /// The directory.
        directory: String,
        /// What a try met.
        reason: String,
    },
    /// A directory that is to be logged to cannot be written to.
    NoLogFile {
        /// What a try met.
        reason: String,
    },
    /// A key is known by a newer name.
    Deprecated {
        /// The key that was set.
        key: String,
        /// The key to set instead, or what to do if there is none.
        instead: String,
    },
    /// Two names of one option are set to different values, and this one does not count.
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

impl fmt::Display for WarningKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherFileIgnored { used, ignored } => write!(
                formatter,
                "both {used} and {ignored} exist; Flink reads {used} and ignores {ignored}"
            ),
            Self::NoSeparator { expected } => {
                write!(
                    formatter,
                    "line skipped: no {expected:?} between key and value"
                )
            }
            Self::EmptyKeyOrValue => formatter.write_str("line skipped: key or value is empty"),
            Self::HashCutsValue { key } => write!(
                formatter,
                "the value of \"{key}\" ends at a \"#\": flink-conf.yaml has no way to hold one"
            ),
            Self::Overridden { key, by_line } => {
                write!(
                    formatter,
                    "\"{key}\" is set again in line {by_line}, which wins"
                )
            }
            Self::ByteOrderMark => formatter.write_str(
                "starts with a byte order mark, which Flink takes for part of the first key",
            ),
            Self::NestedYaml {
                last_line, keys, ..
            } => write!(
                formatter,
                "nested YAML up to line {last_line}, which Flink reads line by line in this file, \
                 each key without its parents: write the full keys {}, each with its value on a \
                 line of its own",
                keys.join(", ")
            ),
            Self::NotUtf8 => formatter.write_str("not valid UTF-8; bad bytes became U+FFFD"),
            Self::UnsetVariable { key, variable } => write!(
                formatter,
                "\"{key}\" uses ${{{variable}}}, which is not set: replaced by nothing"
            ),
            Self::BlockList => {
                formatter.write_str("line skipped: write a list as [a, b] behind its key")
            }
            Self::BadVariable { variable, expected } => {
                write!(formatter, "{variable} ignored: expected {expected}")
            }
            Self::NoLogSettings { expected } => write!(
                formatter,
                "no {expected} there: logs go to the console and the log file, as the release \
                 ships it"
            ),
            Self::NoConfiguration { expected } => write!(
                formatter,
                "no {expected} there: what variables and -D leave out is as the release ships it"
            ),
            Self::NotWritable { instead } => write!(
                formatter,
                "cannot be written to: what this container's variables set is in {} for commands \
                 (FLINK_CONF_DIR)",
                instead.display()
            ),
            Self::BesideFile { key, file, reason } => write!(
                formatter,
                "{file} cannot hold this value of \"{key}\" ({reason}): what is launched here gets it, \
                 Flink's own commands and scripts do not"
            ),
            Self::NoNativeCode { directory, reason } => write!(
                formatter,
                "native code cannot be mapped from {directory} ({reason}), where RocksDB, Netty, Snappy, \
                 Zstandard, Python's archives and others unpack theirs: jobs that need it will fail. \
                 Mount it with exec (docker run --tmpfs /tmp:exec), or make room in it; or name \
                 another directory, which for java.io.tmpdir FLUGS_RUN_DIR or the launch's \
                 directory does as well"
            ),
            Self::NoLogFile { reason } => write!(
                formatter,
                "no log can be written there ({reason}): what is logged goes to the console alone, \
                 and the web page has nothing to show; name another directory (FLINK_LOG_DIR, \
                 env.log.dir)"
            ),
            Self::Deprecated { key, instead } => {
                write!(formatter, "\"{key}\" is deprecated: {instead}")
            }
            Self::Dropped { key, taken, reason } => reason.explain(formatter, key, taken),
        }
    }
}

impl DropReason {
    fn explain(&self, formatter: &mut fmt::Formatter<'_>, key: &str, taken: &str) -> fmt::Result {
        write!(formatter, "the value of \"{key}\" does not count: ")?;
        match self {
            Self::HigherLayer { layer } => write!(
                formatter,
                "\"{taken}\" is set to something else in a higher layer ({layer})"
            ),
            Self::OwnKey => write!(
                formatter,
                "it is an older name of \"{taken}\", which is set to something else"
            ),
            Self::EarlierName { option } => write!(
                formatter,
                "for \"{option}\" Flink looks at \"{taken}\" first, which is set to something else"
            ),
        }
    }
}
