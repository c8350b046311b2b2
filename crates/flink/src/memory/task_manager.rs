//! The memory of a TaskManager.

use super::dynamic::java_map_order;
use super::error::MemoryError;
use super::fraction::{cut_to_eight_decimals, java_double_text, multiply};
use super::options::{
    CPU_CORES, EXTERNAL_RESOURCES, FRAMEWORK_HEAP, FRAMEWORK_OFF_HEAP, MANAGED, MANAGED_FRACTION,
    NETWORK_BUFFERS, NETWORK_FRACTION, NETWORK_MIN, RangeOptions, SEGMENT_SIZE, SLOTS, TASK_HEAP,
    TASK_MANAGER, TASK_OFF_HEAP, network_max,
};
use super::plan::{Breakdown, MemoryPlan, TaskManagerMemory, memory_arguments};
use super::process::{self, JvmMemory, Start};
use super::settings::Settings;
use super::size::MemorySize;
use flugs_model::Role;

/// Total Flink memory, in its parts.
#[derive(Debug, Clone, Copy)]
struct FlinkMemory {
    framework_heap: MemorySize,
    framework_off_heap: MemorySize,
    task_heap: MemorySize,
    task_off_heap: MemorySize,
    managed: MemorySize,
    network: MemorySize,
}

impl FlinkMemory {
    fn total(&self) -> Result<MemorySize, MemoryError> {
        sum(&[
            self.framework_heap,
            self.framework_off_heap,
            self.task_heap,
            self.task_off_heap,
            self.managed,
            self.network,
        ])
    }
}

pub(super) fn plan(
    settings: &mut Settings<'_>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<MemoryPlan, MemoryError> {
    settings.adopt_legacy_heap(&TASK_MANAGER.legacy, environment)?;
    let (flink, jvm) = match process::start(settings, &TASK_MANAGER, Role::TaskManager)? {
        Start::Parts => {
            let flink = from_parts(settings)?;
            let jvm = process::jvm_around_flink(settings, &TASK_MANAGER, flink.total()?)?;
            (flink, jvm)
        }
        Start::Flink(total) => {
            let flink = from_total(settings, total)?;
            (
                flink,
                process::jvm_around_flink(settings, &TASK_MANAGER, total)?,
            )
        }
        Start::Process(total, jvm) => (from_total(settings, total)?, jvm),
    };
    let cores = cpu_cores(settings)?;
    let slots = settings.integer(SLOTS)?.unwrap_or(1);
    let resources = external_resources(settings)?;
    assemble(settings, &flink, &jvm, cores, slots, &resources)
}

fn from_parts(settings: &mut Settings<'_>) -> Result<FlinkMemory, MemoryError> {
    let task_heap = settings.size(&TASK_HEAP)?;
    let managed = settings.size(&MANAGED)?;
    let mut flink = framework_and_off_heap(settings)?;
    flink.task_heap = task_heap;
    flink.managed = managed;
    let without_network = flink.total()?;
    flink.network = if settings.contains(&TASK_MANAGER.total_flink) {
        let total = settings.size(&TASK_MANAGER.total_flink)?;
        network_as_remainder(settings, &flink, without_network, total)?
    } else if uses_legacy_network(settings) {
        legacy_network(settings)?
    } else {
        let range = settings.range(&network_options(settings))?;
        settings.inverse_share("network", without_network, &range)?
    };
    Ok(flink)
}

fn from_total(settings: &mut Settings<'_>, total: MemorySize) -> Result<FlinkMemory, MemoryError> {
    let mut flink = framework_and_off_heap(settings)?;
    if settings.contains(&TASK_HEAP) {
        flink.task_heap = settings.size(&TASK_HEAP)?;
        flink.managed = managed(settings, total)?;
        let without_network = flink.total()?;
        flink.network = network_as_remainder(settings, &flink, without_network, total)?;
        return Ok(flink);
    }
    flink.managed = managed(settings, total)?;
    flink.network = if uses_legacy_network(settings) {
        legacy_network(settings)?
    } else {
        let range = settings.range(&network_options(settings))?;
        settings.share("network", total, &range)?
    };
    let without_task_heap = flink.total()?;
    flink.task_heap =
        total
            .checked_sub(without_task_heap)
            .ok_or(MemoryError::PartsExceedFlink {
                framework_heap: flink.framework_heap,
                framework_off_heap: flink.framework_off_heap,
                task_off_heap: flink.task_off_heap,
                managed: flink.managed,
                network: flink.network,
                flink: total,
            })?;
    Ok(flink)
}

/// The parts that are always given or defaulted; the others are zero.
fn framework_and_off_heap(settings: &mut Settings<'_>) -> Result<FlinkMemory, MemoryError> {
    Ok(FlinkMemory {
        framework_heap: settings.size(&FRAMEWORK_HEAP)?,
        framework_off_heap: settings.size(&FRAMEWORK_OFF_HEAP)?,
        task_off_heap: settings.size(&TASK_OFF_HEAP)?,
        task_heap: MemorySize::ZERO,
        managed: MemorySize::ZERO,
        network: MemorySize::ZERO,
    })
}

fn managed(settings: &mut Settings<'_>, flink: MemorySize) -> Result<MemorySize, MemoryError> {
    if settings.contains(&MANAGED) {
        return settings.size(&MANAGED);
    }
    let range = settings.range_between(
        MemorySize::ZERO,
        MemorySize::MAX,
        &MANAGED_FRACTION,
        (MANAGED.key, MANAGED.key),
    )?;
    settings.share("managed", flink, &range)
}

fn network_options(settings: &Settings<'_>) -> RangeOptions {
    RangeOptions {
        min: NETWORK_MIN,
        max: network_max(settings.version),
        fraction: NETWORK_FRACTION,
    }
}

/// Whether network memory is given as a number of buffers: only before Flink 2.0, and only if
/// none of the newer options is set.
fn uses_legacy_network(settings: &Settings<'_>) -> bool {
    let options = network_options(settings);
    settings.version.reads_legacy_memory_options()
        && settings.text(NETWORK_BUFFERS).is_some()
        && !settings.contains(&options.min)
        && !settings.contains(&options.max)
        && !settings.contains_fraction(&options.fraction)
}

fn legacy_network(settings: &mut Settings<'_>) -> Result<MemorySize, MemoryError> {
    let buffers = settings.integer(NETWORK_BUFFERS)?.unwrap_or(2048);
    let segment = settings.size(&SEGMENT_SIZE)?;
    let bytes = segment.bytes();
    if i32::try_from(bytes).is_err() || bytes < 4096 || !bytes.is_power_of_two() {
        return Err(MemoryError::SegmentSize { segment });
    }
    u64::try_from(buffers)
        .ok()
        .and_then(|buffers| buffers.checked_mul(bytes))
        .and_then(MemorySize::of_bytes)
        .ok_or(MemoryError::BuffersNegative { buffers })
}

/// Network memory where everything else is known: what is left, which must be as configured.
fn network_as_remainder(
    settings: &mut Settings<'_>,
    parts: &FlinkMemory,
    without_network: MemorySize,
    total: MemorySize,
) -> Result<MemorySize, MemoryError> {
    let network =
        total
            .checked_sub(without_network)
            .ok_or(MemoryError::PartsWithTaskHeapExceedFlink {
                framework_heap: parts.framework_heap,
                framework_off_heap: parts.framework_off_heap,
                task_heap: parts.task_heap,
                task_off_heap: parts.task_off_heap,
                managed: parts.managed,
                flink: total,
            })?;
    match check_network(settings, network, total) {
        Err(fault) if fault.is_illegal_configuration() => Err(MemoryError::NetworkInconsistent {
            source: Box::new(fault),
        }),
        Err(fault) => Err(fault),
        Ok(()) => Ok(network),
    }
}

fn check_network(
    settings: &mut Settings<'_>,
    network: MemorySize,
    total: MemorySize,
) -> Result<(), MemoryError> {
    if uses_legacy_network(settings) {
        let configured = legacy_network(settings)?;
        if configured != network {
            return Err(MemoryError::NetworkNotAsBuffers {
                network,
                configured,
            });
        }
        return Ok(());
    }
    let range = settings.range(&network_options(settings))?;
    if network < range.min || network > range.max {
        return Err(MemoryError::NetworkOutOfRange {
            network,
            min: range.min,
            max: range.max,
        });
    }
    if settings.contains_fraction(&NETWORK_FRACTION)
        && multiply(total, range.fraction) != Some(network)
    {
        settings.note(format!(
            "{} has no effect: network memory is what the other settings leave, {network}",
            NETWORK_FRACTION.key
        ));
    }
    Ok(())
}

/// The processors that a TaskManager announces: `taskmanager.cpu.cores`, else one a slot.
fn cpu_cores(settings: &Settings<'_>) -> Result<f64, MemoryError> {
    let cores = match settings.double(CPU_CORES)? {
        Some(cores) => cores,
        None => f64::from(settings.integer(SLOTS)?.unwrap_or(1)),
    };
    let text = java_double_text(cores);
    if cores <= 0.0 {
        return Err(MemoryError::NoProcessors { text });
    }
    if !cores.is_finite() {
        return Err(MemoryError::ProcessorsNotFinite { text });
    }
    let cuts = settings.version.cuts_processors_to_eight_decimals();
    Ok(if cuts {
        cut_to_eight_decimals(cores)
    } else {
        cores
    })
}

/// The names and amounts of external resources, in the order in which Flink writes them.
fn external_resources(settings: &mut Settings<'_>) -> Result<Vec<(String, i64)>, MemoryError> {
    let listed = settings.text(EXTERNAL_RESOURCES).unwrap_or_default();
    if listed == "none" {
        return Ok(Vec::new());
    }
    let mut names: Vec<String> = Vec::new();
    for name in listed
        .split(';')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let mut amounts = Vec::new();
    for name in java_map_order(names, |name| name) {
        let key = amount_key(&name);
        match settings.long(&key)? {
            Some(amount) if amount > 0 => amounts.push((name, amount)),
            Some(_) => settings.note(format!("{key} is not positive: {name} is ignored")),
            None => settings.note(format!("{key} is not set: {name} is ignored")),
        }
    }
    Ok(java_map_order(amounts, |(name, _)| name))
}

fn amount_key(resource: &str) -> String {
    format!("external-resource.{resource}.amount")
}

fn assemble(
    settings: &mut Settings<'_>,
    flink: &FlinkMemory,
    jvm: &JvmMemory,
    cores: f64,
    slots: i32,
    resources: &[(String, i64)],
) -> Result<MemoryPlan, MemoryError> {
    let heap = sum(&[flink.framework_heap, flink.task_heap])?;
    let direct = sum(&[flink.framework_off_heap, flink.task_off_heap, flink.network])?;
    let total_flink = flink.total()?;
    let total_process = sum(&[total_flink, jvm.metaspace, jvm.overhead])?;
    Ok(MemoryPlan {
        jvm_arguments: memory_arguments(heap, Some(direct), jvm.metaspace),
        dynamic: dynamic(settings, flink, jvm, cores, slots, resources),
        breakdown: Breakdown::TaskManager(TaskManagerMemory {
            framework_heap: flink.framework_heap,
            task_heap: flink.task_heap,
            managed: flink.managed,
            framework_off_heap: flink.framework_off_heap,
            task_off_heap: flink.task_off_heap,
            network: flink.network,
            metaspace: jvm.metaspace,
            overhead: jvm.overhead,
            total_flink,
            total_process,
        }),
        notes: settings.take_notes(),
    })
}

fn dynamic(
    settings: &Settings<'_>,
    flink: &FlinkMemory,
    jvm: &JvmMemory,
    cores: f64,
    slots: i32,
    resources: &[(String, i64)],
) -> Vec<(String, String)> {
    let bytes = |size: MemorySize| format!("{}b", size.bytes());
    let overhead = &TASK_MANAGER.overhead;
    let mut pairs: Vec<(String, String)> = [
        (CPU_CORES, java_double_text(cores)),
        (FRAMEWORK_HEAP.key, bytes(flink.framework_heap)),
        (FRAMEWORK_OFF_HEAP.key, bytes(flink.framework_off_heap)),
        (TASK_HEAP.key, bytes(flink.task_heap)),
        (TASK_OFF_HEAP.key, bytes(flink.task_off_heap)),
        (NETWORK_MIN.key, bytes(flink.network)),
        (network_max(settings.version).key, bytes(flink.network)),
        (MANAGED.key, bytes(flink.managed)),
        (TASK_MANAGER.metaspace.key, bytes(jvm.metaspace)),
        (overhead.min.key, bytes(jvm.overhead)),
        (overhead.max.key, bytes(jvm.overhead)),
        (SLOTS, slots.to_string()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    let names: Vec<&str> = resources.iter().map(|(name, _)| name.as_str()).collect();
    let list = match (
        names.as_slice(),
        settings.version.quotes_external_resources(),
    ) {
        ([], _) => "none".to_owned(),
        (names, true) => format!("\"{}\"", names.join(";")),
        (names, false) => names.join(";"),
    };
    pairs.push((EXTERNAL_RESOURCES.to_owned(), list));
    for (name, amount) in resources {
        pairs.push((amount_key(name), amount.to_string()));
    }
    java_map_order(pairs, |(key, _)| key)
}

fn sum(sizes: &[MemorySize]) -> Result<MemorySize, MemoryError> {
    sizes
        .iter()
        .try_fold(MemorySize::ZERO, |sum, &size| sum.checked_add(size))
        .ok_or(MemoryError::Overflow)
}
