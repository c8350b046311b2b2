//! The outcome of the memory model: arguments, derived settings, and every part in bytes.

use super::size::MemorySize;

/// What the memory model decided for one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryPlan {
    /// The JVM's memory arguments: `-Xmx`, `-Xms`, perhaps `-XX:MaxDirectMemorySize`, and
    /// `-XX:MaxMetaspaceSize`, all in bytes.
    pub jvm_arguments: Vec<String>,
    /// The derived settings that the process must see, in the order Flink writes them.
    pub dynamic: Vec<(String, String)>,
    /// Every part of the process's memory.
    pub breakdown: Breakdown,
    /// What is worth knowing: bounds that took effect, older option names, settings without
    /// effect. Plain sentences.
    pub notes: Vec<String>,
}

/// Every part of a process's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakdown {
    /// A TaskManager's.
    TaskManager(TaskManagerMemory),
    /// A JobManager's.
    JobManager(JobManagerMemory),
    /// The process has no memory settings of Flink's (a history server).
    Unset,
}

/// The parts of a TaskManager's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskManagerMemory {
    /// Heap for Flink itself.
    pub framework_heap: MemorySize,
    /// Heap for operators and user code.
    pub task_heap: MemorySize,
    /// Native memory that Flink manages: RocksDB, sorting, Python.
    pub managed: MemorySize,
    /// Direct and native memory for Flink itself.
    pub framework_off_heap: MemorySize,
    /// Direct and native memory for user code.
    pub task_off_heap: MemorySize,
    /// Direct memory for network buffers.
    pub network: MemorySize,
    /// Class metadata.
    pub metaspace: MemorySize,
    /// Stacks, code cache, garbage collection.
    pub overhead: MemorySize,
    /// Everything except metaspace and overhead.
    pub total_flink: MemorySize,
    /// Everything.
    pub total_process: MemorySize,
}

/// The parts of a JobManager's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobManagerMemory {
    /// The heap.
    pub heap: MemorySize,
    /// Direct and native memory.
    pub off_heap: MemorySize,
    /// Class metadata.
    pub metaspace: MemorySize,
    /// Stacks, code cache, garbage collection.
    pub overhead: MemorySize,
    /// Heap and off-heap.
    pub total_flink: MemorySize,
    /// Everything.
    pub total_process: MemorySize,
}

impl MemoryPlan {
    /// The plan of a process that Flink has no memory settings for.
    pub(super) fn without_settings() -> Self {
        Self {
            jvm_arguments: Vec::new(),
            dynamic: Vec::new(),
            breakdown: Breakdown::Unset,
            notes: Vec::new(),
        }
    }
}

impl Breakdown {
    /// Every part with its name, in the order of the JVM's layout; the parts add up to
    /// [`Self::total_process`].
    pub fn parts(&self) -> Vec<(&'static str, MemorySize)> {
        match self {
            Self::TaskManager(memory) => vec![
                ("framework heap", memory.framework_heap),
                ("task heap", memory.task_heap),
                ("managed", memory.managed),
                ("framework off-heap", memory.framework_off_heap),
                ("task off-heap", memory.task_off_heap),
                ("network", memory.network),
                ("jvm metaspace", memory.metaspace),
                ("jvm overhead", memory.overhead),
            ],
            Self::JobManager(memory) => vec![
                ("heap", memory.heap),
                ("off-heap", memory.off_heap),
                ("jvm metaspace", memory.metaspace),
                ("jvm overhead", memory.overhead),
            ],
            Self::Unset => Vec::new(),
        }
    }

    /// Total Flink memory, if the process has memory settings.
    pub const fn total_flink(&self) -> Option<MemorySize> {
        match self {
            Self::TaskManager(memory) => Some(memory.total_flink),
            Self::JobManager(memory) => Some(memory.total_flink),
            Self::Unset => None,
        }
    }

    /// Total process memory, if the process has memory settings.
    pub const fn total_process(&self) -> Option<MemorySize> {
        match self {
            Self::TaskManager(memory) => Some(memory.total_process),
            Self::JobManager(memory) => Some(memory.total_process),
            Self::Unset => None,
        }
    }
}

/// The JVM's memory arguments, in Flink's order.
pub(super) fn memory_arguments(
    heap: MemorySize,
    direct: Option<MemorySize>,
    metaspace: MemorySize,
) -> Vec<String> {
    let heap = heap.bytes();
    let direct = direct.map(|direct| format!("-XX:MaxDirectMemorySize={}", direct.bytes()));
    let mut arguments = vec![format!("-Xmx{heap}"), format!("-Xms{heap}")];
    arguments.extend(direct);
    arguments.push(format!("-XX:MaxMetaspaceSize={}", metaspace.bytes()));
    arguments
}
