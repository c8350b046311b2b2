//! The command of a Flink process: program, arguments and variables, ready to be executed.
//!
//! Built as data, argument by argument; no shell reads it. Where it differs from what Flink's
//! own scripts build, `docs/jvm-command.md` says why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::allocator::preload;
use super::class_path::{class_path_name, hadoop_entries};
use super::entry_point::{main_class, program_arguments};
use super::home::FlinkHome;
use super::java::JavaRuntime;
use super::jvm_options::{JvmOptionsError, Sources, jvm_options};
use super::log_files::{LogFiles, LogIdentity};
use super::memory::MemoryPlan;
use flugs_base::{ExitCode, Failure};
use flugs_model::Role;

/// A process to execute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JavaCommand {
    /// The Java launcher.
    pub program: PathBuf,
    /// Its arguments, without the program's name.
    pub arguments: Vec<String>,
    /// The variables to set in addition to the launcher's own environment.
    pub environment: BTreeMap<String, String>,
    /// The files the process logs to.
    pub log_files: LogFiles,
    /// Whether standard output and error go to files (`env.stdout-err.redirect-to-file`). The
    /// console appender is switched off then.
    pub redirects_output: bool,
}

/// Everything a command is made of.
#[derive(Clone, Copy)]
pub struct CommandInput<'a> {
    /// The distribution.
    pub home: &'a FlinkHome,
    /// The runtime.
    pub java: &'a JavaRuntime,
    /// What the process is.
    pub role: Role,
    /// The effective configuration.
    pub configuration: &'a dyn Fn(&str) -> Option<String>,
    /// The environment that the process will inherit.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The directory with the rendered configuration.
    pub conf_dir: &'a Path,
    /// The directory for logs.
    pub log_dir: &'a Path,
    /// What the log files' names are made of.
    pub identity: LogIdentity<'a>,
    /// What the memory model decided.
    pub memory: &'a MemoryPlan,
    /// Settings that the configuration file cannot hold.
    pub settings: &'a [(String, String)],
    /// The user's own arguments.
    pub arguments: &'a [String],
    /// jemalloc, if it is to be preloaded (see [`super::find_jemalloc`]).
    pub allocator: Option<&'a Path>,
    /// The container's processors by its CPU quota, if it has one.
    pub cpu_quota: Option<f64>,
    /// The directory that the JVM works in, if Flink's files were brought there: its jars are
    /// named relative to it.
    pub travelled: Option<&'a Path>,
}

/// Why no command can be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A line of Java options is malformed.
    #[error(transparent)]
    Options(#[from] JvmOptionsError),
    /// A path cannot be part of a class path or of an argument.
    #[error(
        "the path {path:?} cannot be passed to Java: it {}; use another directory",
        fault.reason()
    )]
    Path {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        fault: PathFault,
    },
}

/// Why a path cannot be passed to Java.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// It holds the character that separates the entries of a class path.
    Colon,
    /// It is not UTF-8.
    NotUtf8,
}

impl PathFault {
    const fn reason(self) -> &'static str {
        match self {
            Self::Colon => "holds a colon, which separates the entries of a class path",
            Self::NotUtf8 => "is not UTF-8",
        }
    }
}

impl Failure for CommandError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Configuration
    }
}

/// Builds the command.
///
/// # Errors
/// If an options line is malformed or a path cannot be passed to Java.
pub fn build(input: &CommandInput<'_>) -> Result<JavaCommand, CommandError> {
    for path in [input.conf_dir, input.log_dir] {
        text(path)?;
    }
    let log_files = LogFiles::new(input.log_dir, input.role, &input.identity);
    let mut environment = exported(input)?;
    let known = |name: &str| match name {
        "FLINK_LOG_PREFIX" => Some(log_files.prefix().display().to_string()),
        "FLINK_LOG_DIR" => Some(input.log_dir.display().to_string()),
        name => environment
            .get(name)
            .cloned()
            .or_else(|| (input.environment)(name)),
    };
    let sources = Sources {
        configuration: input.configuration,
        environment: input.environment,
        variables: &known,
    };
    let version = input.home.version();
    let options = jvm_options(input.role, version, input.java, &sources)?;
    let redirects_output = redirects_output(input);
    let fatal_error = fatal_error_option(&options.before_memory, &options.after_memory, &log_files);

    let mut arguments = options.before_memory;
    arguments.extend(input.memory.jvm_arguments.iter().cloned());
    arguments.extend(options.after_memory);
    arguments.extend(fatal_error);
    arguments.extend(log_files.system_properties(input.conf_dir, redirects_output));
    arguments.push("-classpath".to_owned());
    arguments.push(class_path(input)?);
    arguments.push(main_class(input.role).to_owned());
    let dynamic = [input.memory.dynamic.as_slice(), input.settings].concat();
    arguments.extend(program_arguments(
        input.role,
        version,
        input.conf_dir,
        &dynamic,
        input.arguments,
    ));
    if let Some(library) = input.allocator {
        environment.extend(preload(library, input.cpu_quota, input.environment));
    }
    Ok(JavaCommand {
        program: input.java.executable.clone(),
        arguments,
        environment,
        log_files,
        redirects_output,
    })
}

/// The variables that Flink's scripts export and Flink, its logging or its plugins read.
fn exported(input: &CommandInput<'_>) -> Result<BTreeMap<String, String>, CommandError> {
    let home = input.home;
    let mut variables = BTreeMap::new();
    for (name, path) in [
        ("FLINK_HOME", home.root().to_owned()),
        ("FLINK_CONF_DIR", input.conf_dir.to_owned()),
        ("FLINK_BIN_DIR", home.bin()),
        ("FLINK_LIB_DIR", home.lib()),
        ("FLINK_OPT_DIR", home.opt()),
        ("FLINK_PLUGINS_DIR", plugins(input)),
        ("JAVA_HOME", input.java.home.clone()),
    ] {
        variables.insert(name.to_owned(), text(&path)?.to_owned());
    }
    for (name, key, default) in [
        ("MAX_LOG_FILE_NUMBER", "env.log.max", "10"),
        ("ROOT_LOG_LEVEL", "env.log.level", "INFO"),
    ] {
        let value = non_empty((input.environment)(name))
            .or_else(|| non_empty((input.configuration)(key)))
            .unwrap_or_else(|| default.to_owned());
        variables.insert(name.to_owned(), value);
    }
    let inherited = inherited_logs(input);
    variables.insert("FLINK_INHERITED_LOGS".to_owned(), inherited);
    Ok(variables)
}

/// The plugins of the distribution, unless the launch assembled a directory of its own.
fn plugins(input: &CommandInput<'_>) -> PathBuf {
    non_empty((input.environment)("FLINK_PLUGINS_DIR"))
        .map_or_else(|| input.home.plugins(), PathBuf::from)
}

/// What Flink prints at the top of its log: how its memory was decided.
fn inherited_logs(input: &CommandInput<'_>) -> String {
    let dynamic: Vec<String> = input
        .memory
        .dynamic
        .iter()
        .map(|(key, value)| format!("-D {key}={value}"))
        .collect();
    let mut logs = (input.environment)("FLINK_INHERITED_LOGS").unwrap_or_default();
    logs.push_str("\n\nRESOURCE_PARAMS extraction logs:\njvm_params: ");
    logs.push_str(&input.memory.jvm_arguments.join(" "));
    logs.push_str("\ndynamic_configs: ");
    logs.push_str(&dynamic.join(" "));
    logs.push_str("\nlogs: ");
    logs.push_str(&input.memory.notes.join("\n"));
    logs.push('\n');
    logs
}

fn redirects_output(input: &CommandInput<'_>) -> bool {
    non_empty((input.environment)("STD_REDIRECT_TO_FILE"))
        .or_else(|| (input.configuration)("env.stdout-err.redirect-to-file"))
        .is_some_and(|value| value == "true")
}

/// Where the JVM writes its report when it crashes: beside the log, unless the user chose.
fn fatal_error_option(before: &[String], after: &[String], files: &LogFiles) -> Option<String> {
    let chosen = before
        .iter()
        .chain(after)
        .any(|option| option.starts_with("-XX:ErrorFile="));
    (!chosen).then(|| format!("-XX:ErrorFile={}", files.fatal_error().display()))
}

fn class_path(input: &CommandInput<'_>) -> Result<String, CommandError> {
    let home = input.home;
    let mut entries = Vec::new();
    for jar in home
        .jars()
        .iter()
        .map(PathBuf::as_path)
        .chain([home.dist_jar()])
    {
        let entry = text(class_path_name(jar, input.travelled))?;
        if entry.contains(':') {
            return Err(CommandError::Path {
                path: jar.to_owned(),
                fault: PathFault::Colon,
            });
        }
        entries.push(entry.to_owned());
    }
    entries.extend(hadoop_entries(
        input.configuration,
        input.environment,
        &Path::is_dir,
    ));
    Ok(entries.join(":"))
}

fn text(path: &Path) -> Result<&str, CommandError> {
    path.to_str().ok_or_else(|| CommandError::Path {
        path: path.to_owned(),
        fault: PathFault::NotUtf8,
    })
}

fn non_empty(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}
