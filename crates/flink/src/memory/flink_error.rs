//! What Flink itself says about an impossible memory configuration.
//!
//! People search for Flink's own words, and the tests compare them with recorded ones. Each
//! line is an exception's class and message, the innermost cause last, as Java prints them.

use super::error::{MemoryError, NumberKind};
use super::fraction::java_double_text;
use super::options::{JOB_MANAGER, TASK_MANAGER};
use super::settings::RangeFault;
use super::size::{MemorySize, SizeError, java_trim};
use crate::FlinkVersion;
use flugs_model::Role;

/// The exception that Flink throws where its options contradict each other.
const ILLEGAL_CONFIGURATION: &str = "org.apache.flink.configuration.IllegalConfigurationException";
const ILLEGAL_ARGUMENT: &str = "java.lang.IllegalArgumentException";
const NUMBER_FORMAT: &str = "java.lang.NumberFormatException";

/// One exception: its class and message.
struct Exception {
    class: &'static str,
    message: String,
}

fn exception(class: &'static str, message: impl Into<String>) -> Exception {
    Exception {
        class,
        message: message.into(),
    }
}

impl MemoryError {
    /// The exception that Flink prints for this, and its causes, one a line:
    /// `class: message`, then `Caused by: class: message`.
    pub fn flink_error(&self, role: Role, version: &FlinkVersion) -> Vec<String> {
        let mut chain = chain(self);
        if let Some(prefix) = self.prefix(role, version)
            && let Some(first) = chain.first()
        {
            let outer = exception(first.class, format!("{prefix}{}", first.message));
            chain.insert(0, outer);
        }
        let line = |(position, exception): (usize, &Exception)| {
            let lead = if position == 0 { "" } else { "Caused by: " };
            format!("{lead}{}: {}", exception.class, exception.message)
        };
        chain.iter().enumerate().map(line).collect()
    }

    /// The message of the outermost exception.
    pub fn flink_message(&self, role: Role, version: &FlinkVersion) -> String {
        let first = chain(self).into_iter().next();
        let message = first.map_or_else(String::new, |exception| exception.message);
        format!(
            "{}{message}",
            self.prefix(role, version).unwrap_or_default()
        )
    }

    /// Whether Flink reports this as an illegal configuration rather than in another exception.
    pub(super) fn is_illegal_configuration(&self) -> bool {
        let first = chain(self).into_iter().next();
        first.is_some_and(|exception| exception.class == ILLEGAL_CONFIGURATION)
    }

    /// What Flink puts in front of illegal configurations of a role. A TaskManager's legacy
    /// settings are read before the rest; a JobManager's errors are reported bare from 2.0 on.
    fn prefix(&self, role: Role, version: &FlinkVersion) -> Option<&'static str> {
        if !self.is_illegal_configuration() {
            return None;
        }
        if role.is_job_manager() {
            return version
                .reads_legacy_memory_options()
                .then_some("JobManager memory configuration failed: ");
        }
        let is_legacy = match self {
            Self::LegacyVariable { .. } | Self::LegacyHeapNegative { .. } => true,
            Self::Size { key, .. } => *key == TASK_MANAGER.legacy.heap.key,
            _ => false,
        };
        Some(if is_legacy {
            "TaskManager failed to map legacy JVM heap option to the new one: "
        } else {
            "TaskManager memory configuration failed: "
        })
    }
}

fn chain(error: &MemoryError) -> Vec<Exception> {
    let illegal = |message: String| vec![exception(ILLEGAL_CONFIGURATION, message)];
    match error {
        MemoryError::NetworkInconsistent { source } => {
            let mut causes = illegal(
                "If Total Flink, Task Heap and (or) Managed Memory sizes are explicitly configured \
                 then the Network Memory size is the rest of the Total Flink memory after \
                 subtracting all other configured types of memory, but the derived Network Memory \
                 is inconsistent with its configuration."
                    .to_owned(),
            );
            causes.extend(chain(source));
            causes
        }
        MemoryError::Range { fault, .. } => {
            let cause = match fault {
                RangeFault::MinAboveMax => "min value must be less or equal to max value",
                RangeFault::Fraction => "fraction must be in range [0, 1)",
            };
            let mut causes = illegal(contradiction(error));
            causes.push(exception(ILLEGAL_ARGUMENT, cause));
            causes
        }
        MemoryError::Size { key, value, source } => vec![
            exception(
                ILLEGAL_CONFIGURATION,
                format!("Cannot read memory size from config option '{key}'."),
            ),
            unparsable(key, value),
            size_fault(source),
        ],
        MemoryError::Number { key, value, kind } => {
            vec![unparsable(key, value), number_fault(value, *kind)]
        }
        MemoryError::LegacyVariable { value, source, .. } => vec![
            exception(
                ILLEGAL_CONFIGURATION,
                format!(
                    "Cannot read total process memory size from environment variable value {value}."
                ),
            ),
            size_fault(source),
        ],
        MemoryError::SegmentSize { segment } => vec![segment_fault(*segment)],
        MemoryError::BuffersNegative { .. } => {
            vec![exception(ILLEGAL_ARGUMENT, "bytes must be >= 0")]
        }
        MemoryError::ProcessorsNotFinite { text } => {
            let first = text.chars().next().unwrap_or('N');
            vec![exception(
                NUMBER_FORMAT,
                format!(
                    "Character {first} is neither a decimal digit number, decimal point, nor \
                     \"e\" notation exponential mark."
                ),
            )]
        }
        MemoryError::Overflow => vec![exception("java.lang.ArithmeticException", "long overflow")],
        _ => illegal(contradiction(error)),
    }
}

/// The text for settings that contradict each other.
fn contradiction(error: &MemoryError) -> String {
    let text = |size: &MemorySize| size.to_flink_text();
    match error {
        MemoryError::NothingConfigured { role } => nothing_configured(*role),
        MemoryError::JvmExceedsProcess {
            metaspace,
            overhead,
            process,
            ..
        } => format!(
            "Sum of configured JVM Metaspace ({}) and JVM Overhead ({}) exceed configured Total \
             Process Memory ({}).",
            text(metaspace),
            text(overhead),
            text(process)
        ),
        MemoryError::ProcessTooSmall {
            process,
            flink,
            metaspace,
            ..
        } => format!(
            "The configured Total Process Memory size ({}) is less than the sum of the derived \
             Total Flink Memory size ({}) and the configured or default JVM Metaspace size  ({}).",
            text(process),
            text(flink),
            text(metaspace)
        ),
        MemoryError::OverheadOutOfRange {
            overhead, min, max, ..
        } => format!(
            "Derived JVM Overhead size ({}) is not in configured JVM Overhead range [{}, {}].",
            text(overhead),
            text(min),
            text(max)
        ),
        MemoryError::NetworkOutOfRange { network, min, max } => format!(
            "Derived Network Memory size ({}) is not in configured Network Memory range [{}, {}].",
            text(network),
            text(min),
            text(max)
        ),
        MemoryError::NetworkNotAsBuffers {
            network,
            configured,
        } => format!(
            "Derived Network Memory size ({}) does not match configured Network Memory size ({}).",
            text(network),
            text(configured)
        ),
        MemoryError::LegacyHeapNegative { mebibytes, .. } => {
            format!("Configured total process memory size ({mebibytes}MB) must not be less than 0.")
        }
        MemoryError::NoProcessors { .. } => "TaskExecutors need to be started with a positive \
             number of CPU cores. Please configure taskmanager.cpu.cores accordingly."
            .to_owned(),
        _ => contradiction_of_parts(error),
    }
}

fn contradiction_of_parts(error: &MemoryError) -> String {
    let text = |size: &MemorySize| size.to_flink_text();
    match error {
        MemoryError::PartsExceedFlink {
            framework_heap,
            framework_off_heap,
            task_off_heap,
            managed,
            network,
            flink,
        } => format!(
            "Sum of configured Framework Heap Memory ({}), Framework Off-Heap Memory ({}), Task \
             Off-Heap Memory ({}), Managed Memory ({}) and Network Memory ({}) exceed configured \
             Total Flink Memory ({}).",
            text(framework_heap),
            text(framework_off_heap),
            text(task_off_heap),
            text(managed),
            text(network),
            text(flink)
        ),
        MemoryError::PartsWithTaskHeapExceedFlink {
            framework_heap,
            framework_off_heap,
            task_heap,
            task_off_heap,
            managed,
            flink,
        } => format!(
            "Sum of configured Framework Heap Memory ({}), Framework Off-Heap Memory ({}), Task \
             Heap Memory ({}), Task Off-Heap Memory ({}) and Managed Memory ({}) exceed configured \
             Total Flink Memory ({}).",
            text(framework_heap),
            text(framework_off_heap),
            text(task_heap),
            text(task_off_heap),
            text(managed),
            text(flink)
        ),
        MemoryError::HeapAndOffHeapNotFlink {
            heap,
            off_heap,
            flink,
        } => format!(
            "Sum of the configured JVM Heap Memory ({}) and the configured Off-heap Memory ({}) \
             does not match the configured Total Flink Memory ({}). Please, make the configuration \
             consistent or configure only one option: either JVM Heap or Total Flink Memory.",
            text(heap),
            text(off_heap),
            text(flink)
        ),
        _ => contradiction_of_two(error),
    }
}

fn contradiction_of_two(error: &MemoryError) -> String {
    let text = |size: &MemorySize| size.to_flink_text();
    match error {
        MemoryError::FlinkNotAboveOffHeap { flink, off_heap } => format!(
            "The configured Total Flink Memory ({}) is less than the configured Off-heap Memory \
             ({}).",
            text(flink),
            text(off_heap)
        ),
        MemoryError::HeapExceedsFlink { heap, flink } => format!(
            "The configured JVM Heap Memory ({}) exceeds the configured Total Flink Memory ({}). \
             Please, make the configuration consistent or configure only one option: either JVM \
             Heap or Total Flink Memory.",
            text(heap),
            text(flink)
        ),
        MemoryError::Range {
            key,
            deprecated,
            default,
            fraction,
            min,
            max,
            ..
        } => format!(
            "Inconsistently configured {} ({}) and its min ({}), max ({}) value",
            option(key, default, *deprecated),
            java_double_text(*fraction),
            text(min),
            text(max)
        ),
        // Every other variant has its own exception above; its plain words stand in.
        other => other.to_string(),
    }
}

fn nothing_configured(role: Role) -> String {
    let options = if role.is_job_manager() {
        &JOB_MANAGER
    } else {
        &TASK_MANAGER
    };
    let parts: Vec<&str> = options
        .fine_grained
        .iter()
        .map(|option| option.key)
        .collect();
    format!(
        "Either required fine-grained memory ({}), or Total Flink Memory size ({}), or Total \
         Process Memory size ({}) need to be configured explicitly.",
        parts.join(" and "),
        option(options.total_flink.key, "null", None),
        option(options.total_process.key, "null", None)
    )
}

/// An option as Flink's `ConfigOption.toString` writes it.
fn option(key: &str, default: &str, deprecated: Option<&str>) -> String {
    let fallback = deprecated.map_or_else(String::new, |older| {
        format!("{{key={older}, isDeprecated=true}}")
    });
    format!("Key: '{key}' , default: {default} (fallback keys: [{fallback}])")
}

fn unparsable(key: &str, value: &str) -> Exception {
    exception(
        ILLEGAL_ARGUMENT,
        format!("Could not parse value '{value}' for key '{key}'."),
    )
}

fn size_fault(fault: &SizeError) -> Exception {
    match fault {
        SizeError::Empty => exception(
            ILLEGAL_ARGUMENT,
            "argument is an empty- or whitespace-only string",
        ),
        SizeError::NoNumber => exception(NUMBER_FORMAT, "text does not start with a number"),
        SizeError::UnknownUnit { unit } => exception(
            ILLEGAL_ARGUMENT,
            format!(
                "Memory size unit '{unit}' does not match any of the recognized units: (b | \
                 bytes) / (k | kb | kibibytes) / (m | mb | mebibytes) / (g | gb | gibibytes) / (t \
                 | tb | tebibytes)"
            ),
        ),
        SizeError::NumberTooLarge { number } => exception(
            ILLEGAL_ARGUMENT,
            format!(
                "The value '{number}' cannot be re represented as 64bit number (numeric overflow)."
            ),
        ),
        SizeError::TooLarge { text } => exception(
            ILLEGAL_ARGUMENT,
            format!(
                "The value '{text}' cannot be re represented as 64bit number of bytes (numeric \
                 overflow)."
            ),
        ),
    }
}

fn number_fault(value: &str, kind: NumberKind) -> Exception {
    match kind {
        NumberKind::Boolean => exception(
            ILLEGAL_ARGUMENT,
            format!(
                "Unrecognized option for boolean: {value}. Expected either true or false(case \
                 insensitive)"
            ),
        ),
        NumberKind::Float if java_trim(value).is_empty() => {
            exception(NUMBER_FORMAT, "empty String")
        }
        NumberKind::Float => exception(
            NUMBER_FORMAT,
            format!("For input string: \"{}\"", java_trim(value)),
        ),
        NumberKind::Integer => exception(NUMBER_FORMAT, format!("For input string: \"{value}\"")),
    }
}

fn segment_fault(segment: MemorySize) -> Exception {
    let bytes = segment.bytes();
    if i32::try_from(bytes).is_err() {
        return exception(
            ILLEGAL_ARGUMENT,
            format!("Cannot downcast long value {bytes} to integer."),
        );
    }
    let reason = if bytes < 4096 {
        "Minimum memory segment size is 4096"
    } else {
        "Memory segment size must be a power of 2."
    };
    exception(
        ILLEGAL_CONFIGURATION,
        format!(
            "Invalid configuration value for taskmanager.memory.segment-size : {bytes} - {reason}"
        ),
    )
}
