//! The memory of a JobManager, in session and in application mode.

use super::dynamic::java_map_order;
use super::error::MemoryError;
use super::options::{
    DIRECT_MEMORY_LIMIT, JOB_MANAGER, JOB_MANAGER_HEAP, JOB_MANAGER_OFF_HEAP, RECOMMENDED_HEAP,
};
use super::plan::{Breakdown, JobManagerMemory, MemoryPlan, memory_arguments};
use super::process::{self, JvmMemory, Start};
use super::settings::Settings;
use super::size::MemorySize;
use flugs_model::Role;

/// Total Flink memory, in its parts.
#[derive(Debug, Clone, Copy)]
struct FlinkMemory {
    heap: MemorySize,
    off_heap: MemorySize,
}

impl FlinkMemory {
    fn total(self) -> Result<MemorySize, MemoryError> {
        self.heap
            .checked_add(self.off_heap)
            .ok_or(MemoryError::Overflow)
    }
}

pub(super) fn plan(
    settings: &mut Settings<'_>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<MemoryPlan, MemoryError> {
    settings.adopt_legacy_heap(&JOB_MANAGER.legacy, environment)?;
    let (flink, jvm) = match process::start(settings, &JOB_MANAGER, Role::JobManager)? {
        Start::Parts => {
            let flink = from_parts(settings)?;
            let total = flink.total()?;
            (
                flink,
                process::jvm_around_flink(settings, &JOB_MANAGER, total)?,
            )
        }
        Start::Flink(total) => {
            let flink = from_total(settings, total)?;
            (
                flink,
                process::jvm_around_flink(settings, &JOB_MANAGER, total)?,
            )
        }
        Start::Process(total, jvm) => (from_total(settings, total)?, jvm),
    };
    assemble(settings, flink, &jvm)
}

fn from_parts(settings: &mut Settings<'_>) -> Result<FlinkMemory, MemoryError> {
    let heap = settings.size(&JOB_MANAGER_HEAP)?;
    let off_heap = settings.size(&JOB_MANAGER_OFF_HEAP)?;
    let mut flink = FlinkMemory { heap, off_heap };
    if settings.contains(&JOB_MANAGER.total_flink) {
        let total = settings.size(&JOB_MANAGER.total_flink)?;
        if settings.contains(&JOB_MANAGER_OFF_HEAP) {
            if flink.total()? != total {
                return Err(MemoryError::HeapAndOffHeapNotFlink {
                    heap,
                    off_heap,
                    flink: total,
                });
            }
        } else {
            flink.off_heap = total
                .checked_sub(heap)
                .ok_or(MemoryError::HeapExceedsFlink { heap, flink: total })?;
            if flink.off_heap != off_heap {
                settings.note(format!(
                    "off-heap memory is {}, what {} leaves beside the heap; its default of \
                     {off_heap} is not used",
                    flink.off_heap, JOB_MANAGER.total_flink.key
                ));
            }
        }
    }
    check_heap(settings, heap);
    Ok(flink)
}

fn from_total(settings: &mut Settings<'_>, total: MemorySize) -> Result<FlinkMemory, MemoryError> {
    let off_heap = settings.size(&JOB_MANAGER_OFF_HEAP)?;
    let heap = total
        .checked_sub(off_heap)
        .filter(|&heap| heap > MemorySize::ZERO)
        .ok_or(MemoryError::FlinkNotAboveOffHeap {
            flink: total,
            off_heap,
        })?;
    check_heap(settings, heap);
    Ok(FlinkMemory { heap, off_heap })
}

/// Says when the heap is smaller than recommended.
fn check_heap(settings: &mut Settings<'_>, heap: MemorySize) {
    if heap < RECOMMENDED_HEAP {
        settings.note(format!(
            "the heap of {heap} is below the recommended minimum of {RECOMMENDED_HEAP}"
        ));
    }
}

fn assemble(
    settings: &mut Settings<'_>,
    flink: FlinkMemory,
    jvm: &JvmMemory,
) -> Result<MemoryPlan, MemoryError> {
    let limits_direct = settings.flag(DIRECT_MEMORY_LIMIT)?;
    let direct = limits_direct.then_some(flink.off_heap);
    let total_flink = flink.total()?;
    let total_process = total_flink
        .checked_add(jvm.metaspace)
        .and_then(|sum| sum.checked_add(jvm.overhead))
        .ok_or(MemoryError::Overflow)?;
    let bytes = |size: MemorySize| format!("{}b", size.bytes());
    let overhead = &JOB_MANAGER.overhead;
    let pairs = [
        (JOB_MANAGER_HEAP.key, flink.heap),
        (JOB_MANAGER_OFF_HEAP.key, flink.off_heap),
        (JOB_MANAGER.metaspace.key, jvm.metaspace),
        (overhead.min.key, jvm.overhead),
        (overhead.max.key, jvm.overhead),
    ]
    .map(|(key, size)| (key.to_owned(), bytes(size)));
    Ok(MemoryPlan {
        jvm_arguments: memory_arguments(flink.heap, direct, jvm.metaspace),
        dynamic: java_map_order(pairs.to_vec(), |(key, _)| key),
        breakdown: Breakdown::JobManager(JobManagerMemory {
            heap: flink.heap,
            off_heap: flink.off_heap,
            metaspace: jvm.metaspace,
            overhead: jvm.overhead,
            total_flink,
            total_process,
        }),
        notes: settings.take_notes(),
    })
}
