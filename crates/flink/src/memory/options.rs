//! The Flink options that memory depends on: keys, older keys, defaults.
//!
//! Source: Flink's `TaskManagerOptions`, `JobManagerOptions` and
//! `NettyShuffleEnvironmentOptions` of 1.13, 1.20 and 2.3.

use super::size::MemorySize;
use crate::FlinkVersion;

/// An option whose value is a size.
#[derive(Debug, Clone, Copy)]
pub(super) struct SizeOption {
    pub(super) key: &'static str,
    /// An older key that Flink still reads when `key` is not set.
    pub(super) deprecated: Option<&'static str>,
    /// `None` where Flink has no default.
    pub(super) default: Option<MemorySize>,
}

/// An option whose value is a fraction of another size.
#[derive(Debug, Clone, Copy)]
pub(super) struct FractionOption {
    pub(super) key: &'static str,
    pub(super) deprecated: Option<&'static str>,
    /// As Flink's source writes it; read like a configured value.
    pub(super) default: &'static str,
}

/// A part of memory given as a fraction that must lie between two sizes.
#[derive(Debug, Clone, Copy)]
pub(super) struct RangeOptions {
    pub(super) min: SizeOption,
    pub(super) max: SizeOption,
    pub(super) fraction: FractionOption,
}

/// The options that both roles have, under their own prefix.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProcessOptions {
    /// All set: memory is derived from its parts.
    pub(super) fine_grained: &'static [SizeOption],
    pub(super) total_flink: SizeOption,
    pub(super) total_process: SizeOption,
    pub(super) metaspace: SizeOption,
    pub(super) overhead: RangeOptions,
    pub(super) legacy: LegacyOptions,
}

/// How heap was configured before Flink 1.10, still read before 2.0.
#[derive(Debug, Clone, Copy)]
pub(super) struct LegacyOptions {
    pub(super) variable: &'static str,
    pub(super) heap: SizeOption,
    pub(super) heap_mebibytes: &'static str,
    /// The option that the legacy value stands in for.
    pub(super) stands_for: SizeOption,
}

const fn size(key: &'static str) -> SizeOption {
    SizeOption {
        key,
        deprecated: None,
        default: None,
    }
}

const fn size_or(key: &'static str, mebibytes: u32) -> SizeOption {
    SizeOption {
        key,
        deprecated: None,
        default: Some(MemorySize::of_mebibytes(mebibytes)),
    }
}

const fn fraction(key: &'static str, default: &'static str) -> FractionOption {
    FractionOption {
        key,
        deprecated: None,
        default,
    }
}

pub(super) const TASK_HEAP: SizeOption = size("taskmanager.memory.task.heap.size");
pub(super) const MANAGED: SizeOption = SizeOption {
    deprecated: Some("taskmanager.memory.size"),
    ..size("taskmanager.memory.managed.size")
};
pub(super) const MANAGED_FRACTION: FractionOption =
    fraction("taskmanager.memory.managed.fraction", "0.4");
pub(super) const FRAMEWORK_HEAP: SizeOption =
    size_or("taskmanager.memory.framework.heap.size", 128);
pub(super) const FRAMEWORK_OFF_HEAP: SizeOption =
    size_or("taskmanager.memory.framework.off-heap.size", 128);
pub(super) const TASK_OFF_HEAP: SizeOption = size_or("taskmanager.memory.task.off-heap.size", 0);
pub(super) const NETWORK_FRACTION: FractionOption = FractionOption {
    deprecated: Some("taskmanager.network.memory.fraction"),
    ..fraction("taskmanager.memory.network.fraction", "0.1")
};
pub(super) const NETWORK_MIN: SizeOption = SizeOption {
    deprecated: Some("taskmanager.network.memory.min"),
    ..size_or("taskmanager.memory.network.min", 64)
};
pub(super) const NETWORK_BUFFERS: &str = "taskmanager.network.numberOfBuffers";
pub(super) const SEGMENT_SIZE: SizeOption = SizeOption {
    default: MemorySize::of_bytes(32 << 10),
    ..size("taskmanager.memory.segment-size")
};
pub(super) const SLOTS: &str = "taskmanager.numberOfTaskSlots";
pub(super) const CPU_CORES: &str = "taskmanager.cpu.cores";
pub(super) const EXTERNAL_RESOURCES: &str = "external-resources";

/// `taskmanager.memory.network.max`, whose default changed with FLIP-266.
pub(super) fn network_max(version: &FlinkVersion) -> SizeOption {
    let default = if version.has_unbounded_network_memory() {
        MemorySize::MAX
    } else {
        MemorySize::of_mebibytes(1024)
    };
    SizeOption {
        key: "taskmanager.memory.network.max",
        deprecated: Some("taskmanager.network.memory.max"),
        default: Some(default),
    }
}

pub(super) const JOB_MANAGER_HEAP: SizeOption = size("jobmanager.memory.heap.size");
pub(super) const JOB_MANAGER_OFF_HEAP: SizeOption = size_or("jobmanager.memory.off-heap.size", 128);
pub(super) const DIRECT_MEMORY_LIMIT: &str = "jobmanager.memory.enable-jvm-direct-memory-limit";

/// The least heap that Flink recommends for a JobManager.
pub(super) const RECOMMENDED_HEAP: MemorySize = MemorySize::of_mebibytes(128);
pub(super) const TASK_MANAGER: ProcessOptions = ProcessOptions {
    fine_grained: &[TASK_HEAP, MANAGED],
    total_flink: size("taskmanager.memory.flink.size"),
    total_process: size("taskmanager.memory.process.size"),
    metaspace: size_or("taskmanager.memory.jvm-metaspace.size", 256),
    overhead: RangeOptions {
        min: size_or("taskmanager.memory.jvm-overhead.min", 192),
        max: size_or("taskmanager.memory.jvm-overhead.max", 1024),
        fraction: fraction("taskmanager.memory.jvm-overhead.fraction", "0.1"),
    },
    legacy: LegacyOptions {
        variable: "FLINK_TM_HEAP",
        heap: size("taskmanager.heap.size"),
        heap_mebibytes: "taskmanager.heap.mb",
        stands_for: size("taskmanager.memory.flink.size"),
    },
};

pub(super) const JOB_MANAGER: ProcessOptions = ProcessOptions {
    fine_grained: &[JOB_MANAGER_HEAP],
    total_flink: size("jobmanager.memory.flink.size"),
    total_process: size("jobmanager.memory.process.size"),
    metaspace: size_or("jobmanager.memory.jvm-metaspace.size", 256),
    overhead: RangeOptions {
        min: size_or("jobmanager.memory.jvm-overhead.min", 192),
        max: size_or("jobmanager.memory.jvm-overhead.max", 1024),
        fraction: fraction("jobmanager.memory.jvm-overhead.fraction", "0.1"),
    },
    legacy: LegacyOptions {
        variable: "FLINK_JM_HEAP",
        heap: size("jobmanager.heap.size"),
        heap_mebibytes: "jobmanager.heap.mb",
        stands_for: JOB_MANAGER_HEAP,
    },
};
