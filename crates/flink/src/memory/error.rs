//! Why a memory configuration is impossible, in plain words.
//!
//! What Flink itself says for the same reason is in [`super::flink_error`].

use super::settings::RangeFault;
use super::size::{MemorySize, SizeError};
use flugs_base::{ExitCode, Failure};
use flugs_model::Role;

/// What kind of value an option wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// A whole number.
    Integer,
    /// A number with a decimal point.
    Float,
    /// `true` or `false`.
    Boolean,
}

impl NumberKind {
    const fn wanted(self) -> &'static str {
        match self {
            Self::Integer => "a whole number",
            Self::Float => "a number such as 0.4",
            Self::Boolean => "true or false",
        }
    }
}

/// A configuration from which no memory layout follows: Flink would refuse to start.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MemoryError {
    /// Nothing says how much memory there is.
    #[error("{}", nothing_configured(*role))]
    NothingConfigured {
        /// The role that has no memory.
        role: Role,
    },
    /// Metaspace and overhead alone are more than the whole process.
    #[error(
        "{process_key} is {process}, but the JVM alone needs {metaspace} of metaspace and \
         {overhead} of overhead: raise {process_key}, or lower {metaspace_key} or {overhead_key}"
    )]
    JvmExceedsProcess {
        /// The option of the metaspace.
        metaspace_key: &'static str,
        /// The option of the least overhead.
        overhead_key: &'static str,
        /// The option of the process size.
        process_key: &'static str,
        /// Configured or default metaspace.
        metaspace: MemorySize,
        /// Derived overhead.
        overhead: MemorySize,
        /// The configured process size.
        process: MemorySize,
    },
    /// The process is smaller than Flink's memory and metaspace together.
    #[error(
        "{process_key} is {process}, but total Flink memory is {flink} and metaspace {metaspace}, \
         which is more: raise {process_key}, or set only one of {process_key} and {flink_key}"
    )]
    ProcessTooSmall {
        /// The option of the process size.
        process_key: &'static str,
        /// The option of the Flink size.
        flink_key: &'static str,
        /// The configured process size.
        process: MemorySize,
        /// Total Flink memory, configured or the sum of its parts.
        flink: MemorySize,
        /// Configured or default metaspace.
        metaspace: MemorySize,
    },
    /// What the other sizes leave for overhead is outside its bounds.
    #[error(
        "{process_key} leaves {overhead} for JVM overhead, which must be between {min} and {max}: \
         change {process_key}, or the bounds {min_key} and {max_key}"
    )]
    OverheadOutOfRange {
        /// The option of the least overhead.
        min_key: &'static str,
        /// The option of the most overhead.
        max_key: &'static str,
        /// The option of the process size.
        process_key: &'static str,
        /// What is left.
        overhead: MemorySize,
        /// The least allowed.
        min: MemorySize,
        /// The most allowed.
        max: MemorySize,
    },
    /// The parts of a TaskManager's Flink memory are more than the whole, before any task heap.
    #[error(
        "total Flink memory is {flink}, but framework heap ({framework_heap}), framework off-heap \
         ({framework_off_heap}), task off-heap ({task_off_heap}), managed ({managed}) and network \
         ({network}) memory are already more, so nothing is left for tasks: raise \
         taskmanager.memory.process.size or taskmanager.memory.flink.size, or lower one of the \
         parts (taskmanager.memory.managed.fraction is the largest by default)"
    )]
    PartsExceedFlink {
        /// Framework heap.
        framework_heap: MemorySize,
        /// Framework off-heap.
        framework_off_heap: MemorySize,
        /// Task off-heap.
        task_off_heap: MemorySize,
        /// Managed memory.
        managed: MemorySize,
        /// Network memory.
        network: MemorySize,
        /// Total Flink memory.
        flink: MemorySize,
    },
    /// The parts of a TaskManager's Flink memory, the task heap among them, are more than the
    /// whole.
    #[error(
        "total Flink memory is {flink}, but framework heap ({framework_heap}), framework off-heap \
         ({framework_off_heap}), task heap ({task_heap}), task off-heap ({task_off_heap}) and \
         managed ({managed}) memory are more, so nothing is left for the network: raise \
         taskmanager.memory.process.size or taskmanager.memory.flink.size, or lower \
         taskmanager.memory.task.heap.size or managed memory"
    )]
    PartsWithTaskHeapExceedFlink {
        /// Framework heap.
        framework_heap: MemorySize,
        /// Framework off-heap.
        framework_off_heap: MemorySize,
        /// Task heap.
        task_heap: MemorySize,
        /// Task off-heap.
        task_off_heap: MemorySize,
        /// Managed memory.
        managed: MemorySize,
        /// Total Flink memory.
        flink: MemorySize,
    },
    /// Network memory is what the other parts leave, and that is not as configured.
    #[error(
        "with total Flink memory and task heap given, network memory is what they leave, and that \
         contradicts its own settings"
    )]
    NetworkInconsistent {
        /// The contradiction.
        source: Box<Self>,
    },
    /// Network memory is outside its bounds.
    #[error(
        "{network} are left for network memory, which must be between {min} and {max}: change \
         taskmanager.memory.task.heap.size, or the bounds taskmanager.memory.network.min and \
         taskmanager.memory.network.max"
    )]
    NetworkOutOfRange {
        /// What is left.
        network: MemorySize,
        /// The least allowed.
        min: MemorySize,
        /// The most allowed.
        max: MemorySize,
    },
    /// Network memory is not what the number of buffers says.
    #[error(
        "{network} are left for network memory, but taskmanager.network.numberOfBuffers asks for \
         {configured}: remove that option, or set taskmanager.memory.network.min and max"
    )]
    NetworkNotAsBuffers {
        /// What is left.
        network: MemorySize,
        /// What the buffers need.
        configured: MemorySize,
    },
    /// A fraction and its bounds do not fit together.
    #[error("{}", range_fault(*fault, key, (min_key, *min), (max_key, *max), *fraction))]
    Range {
        /// The option of the fraction.
        key: &'static str,
        /// The option of the lower bound.
        min_key: &'static str,
        /// The option of the upper bound.
        max_key: &'static str,
        /// The older key of the fraction.
        deprecated: Option<&'static str>,
        /// The fraction's default.
        default: &'static str,
        /// The fraction.
        fraction: f64,
        /// The lower bound.
        min: MemorySize,
        /// The upper bound.
        max: MemorySize,
        /// What is wrong.
        fault: RangeFault,
    },
    /// A JobManager's Flink memory is not more than its off-heap part.
    #[error(
        "total Flink memory is {flink}, of which {off_heap} are off-heap, so no heap is left: \
         raise jobmanager.memory.process.size or jobmanager.memory.flink.size, or lower \
         jobmanager.memory.off-heap.size"
    )]
    FlinkNotAboveOffHeap {
        /// Total Flink memory.
        flink: MemorySize,
        /// Off-heap memory.
        off_heap: MemorySize,
    },
    /// A JobManager's heap is more than its Flink memory.
    #[error(
        "jobmanager.memory.heap.size is {heap}, more than jobmanager.memory.flink.size, {flink}: \
         set only one of them, or raise the latter"
    )]
    HeapExceedsFlink {
        /// The heap.
        heap: MemorySize,
        /// Total Flink memory.
        flink: MemorySize,
    },
    /// A JobManager's heap and off-heap do not add up to its Flink memory.
    #[error(
        "jobmanager.memory.heap.size ({heap}) and jobmanager.memory.off-heap.size ({off_heap}) do \
         not add up to jobmanager.memory.flink.size ({flink}): remove one of the three"
    )]
    HeapAndOffHeapNotFlink {
        /// The heap.
        heap: MemorySize,
        /// Off-heap memory.
        off_heap: MemorySize,
        /// Total Flink memory.
        flink: MemorySize,
    },
    /// A TaskManager would announce no processors.
    #[error(
        "a TaskManager needs more than {text} processors: set taskmanager.cpu.cores, or \
         taskmanager.numberOfTaskSlots if that is unset, to a positive number"
    )]
    NoProcessors {
        /// The number, as Java writes it.
        text: String,
    },
    /// The number of processors is infinite or not a number.
    #[error("taskmanager.cpu.cores is {text}, but must be a positive number such as 2.0")]
    ProcessorsNotFinite {
        /// The number, as Java writes it.
        text: String,
    },
    /// The value of an option is not a size.
    #[error("{key} is \"{value}\", which is not a size of memory")]
    Size {
        /// The option.
        key: &'static str,
        /// Its value.
        value: String,
        /// Why not.
        source: SizeError,
    },
    /// The value of an option is not of its type.
    #[error("{key} is \"{value}\", but must be {}", kind.wanted())]
    Number {
        /// The option.
        key: String,
        /// Its value.
        value: String,
        /// What it must be.
        kind: NumberKind,
    },
    /// A legacy environment variable is not a size.
    #[error("the environment variable {variable} is \"{value}\", which is not a size of memory")]
    LegacyVariable {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// Why not.
        source: SizeError,
    },
    /// A legacy heap size is negative.
    #[error("{key} is {mebibytes}, but a number of mebibytes cannot be negative")]
    LegacyHeapNegative {
        /// The option.
        key: &'static str,
        /// Its value.
        mebibytes: i32,
    },
    /// The size of a network buffer is not a power of two from 4 KiB to 1 GiB.
    #[error(
        "taskmanager.memory.segment-size is {segment}, but must be a power of two, at least 4 KiB \
         and at most 1 GiB"
    )]
    SegmentSize {
        /// The size.
        segment: MemorySize,
    },
    /// A negative number of network buffers.
    #[error("taskmanager.network.numberOfBuffers is {buffers}, but cannot be negative")]
    BuffersNegative {
        /// The number.
        buffers: i32,
    },
    /// Sizes add up to more than Flink can count.
    #[error("the configured sizes add up to more than 2^63 - 1 bytes: lower them")]
    Overflow,
}

impl MemoryError {
    /// The option whose value is not even of its type, if that is what is wrong.
    pub fn unreadable(&self) -> Option<&str> {
        match self {
            Self::Number { key, .. } => Some(key),
            Self::Size { key, .. } => Some(key),
            _ => None,
        }
    }
}

impl Failure for MemoryError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Configuration
    }
}

fn nothing_configured(role: Role) -> String {
    let prefix = if role.is_job_manager() {
        "jobmanager"
    } else {
        "taskmanager"
    };
    let parts = if role.is_job_manager() {
        "jobmanager.memory.heap.size"
    } else {
        "both taskmanager.memory.task.heap.size and taskmanager.memory.managed.size"
    };
    format!(
        "nothing says how much memory the {prefix} has: set {prefix}.memory.process.size (what \
         its container may use), or {prefix}.memory.flink.size, or {parts}"
    )
}

fn range_fault(
    fault: RangeFault,
    key: &str,
    (min_key, min): (&str, MemorySize),
    (max_key, max): (&str, MemorySize),
    fraction: f64,
) -> String {
    match fault {
        RangeFault::MinAboveMax => format!(
            "{min_key} is {min}, more than {max_key}, which is {max}: lower the one or raise the \
             other"
        ),
        RangeFault::Fraction => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the double came from a float; as a float it reads as configured"
            )]
            let configured = fraction as f32;
            format!("{key} is {configured}, but must be at least 0 and less than 1")
        }
    }
}
