//! What the memory of every Flink process has in common: the JVM's own needs around Flink's.
//!
//! Total process memory is metaspace, overhead and total Flink memory. Which of them is given
//! and which derived depends on the options that are set, in Flink's order of precedence.

use super::error::MemoryError;
use super::fraction::multiply;
use super::options::ProcessOptions;
use super::settings::Settings;
use super::size::MemorySize;
use flugs_model::Role;

/// Metaspace and overhead: what the JVM takes beside total Flink memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct JvmMemory {
    pub(super) metaspace: MemorySize,
    pub(super) overhead: MemorySize,
}

/// Where the derivation starts.
pub(super) enum Start {
    /// From the parts: every fine-grained option is set.
    Parts,
    /// From total Flink memory.
    Flink(MemorySize),
    /// From total process memory, which leaves this for Flink and that for the JVM.
    Process(MemorySize, JvmMemory),
}

/// Picks the start that Flink picks: parts before total Flink memory before total process
/// memory.
pub(super) fn start(
    settings: &mut Settings<'_>,
    options: &ProcessOptions,
    role: Role,
) -> Result<Start, MemoryError> {
    if options
        .fine_grained
        .iter()
        .all(|option| settings.contains(option))
    {
        return Ok(Start::Parts);
    }
    if settings.contains(&options.total_flink) {
        return settings.size(&options.total_flink).map(Start::Flink);
    }
    if settings.contains(&options.total_process) {
        let process = settings.size(&options.total_process)?;
        let jvm = jvm_within_process(settings, options, process)?;
        let jvm_total = jvm.metaspace.checked_add(jvm.overhead);
        let flink = jvm_total
            .and_then(|jvm_total| process.checked_sub(jvm_total))
            .ok_or(MemoryError::JvmExceedsProcess {
                metaspace_key: options.metaspace.key,
                overhead_key: options.overhead.min.key,
                process_key: options.total_process.key,
                metaspace: jvm.metaspace,
                overhead: jvm.overhead,
                process,
            });
        return Ok(Start::Process(flink?, jvm));
    }
    Err(MemoryError::NothingConfigured { role })
}

fn jvm_within_process(
    settings: &mut Settings<'_>,
    options: &ProcessOptions,
    process: MemorySize,
) -> Result<JvmMemory, MemoryError> {
    let metaspace = settings.size(&options.metaspace)?;
    let range = settings.range(&options.overhead)?;
    let overhead = settings.share("JVM overhead", process, &range)?;
    if metaspace.checked_add(overhead).is_none() {
        return Err(MemoryError::Overflow);
    }
    Ok(JvmMemory {
        metaspace,
        overhead,
    })
}

/// Metaspace and overhead around a known total Flink memory: overhead is what total process
/// memory leaves, if that is set, else its own fraction.
pub(super) fn jvm_around_flink(
    settings: &mut Settings<'_>,
    options: &ProcessOptions,
    flink: MemorySize,
) -> Result<JvmMemory, MemoryError> {
    let metaspace = settings.size(&options.metaspace)?;
    let needed = flink.checked_add(metaspace).ok_or(MemoryError::Overflow)?;
    if !settings.contains(&options.total_process) {
        let range = settings.range(&options.overhead)?;
        let overhead = settings.inverse_share("JVM overhead", needed, &range)?;
        // The total must be a size as well.
        needed.checked_add(overhead).ok_or(MemoryError::Overflow)?;
        return Ok(JvmMemory {
            metaspace,
            overhead,
        });
    }
    let process = settings.size(&options.total_process)?;
    let overhead = process
        .checked_sub(needed)
        .ok_or(MemoryError::ProcessTooSmall {
            process_key: options.total_process.key,
            flink_key: options.total_flink.key,
            process,
            flink,
            metaspace,
        })?;
    check_overhead(settings, options, overhead, process)?;
    Ok(JvmMemory {
        metaspace,
        overhead,
    })
}

fn check_overhead(
    settings: &mut Settings<'_>,
    options: &ProcessOptions,
    overhead: MemorySize,
    process: MemorySize,
) -> Result<(), MemoryError> {
    let range = settings.range(&options.overhead)?;
    if overhead < range.min || overhead > range.max {
        return Err(MemoryError::OverheadOutOfRange {
            min_key: options.overhead.min.key,
            max_key: options.overhead.max.key,
            process_key: options.total_process.key,
            overhead,
            min: range.min,
            max: range.max,
        });
    }
    let fraction = &options.overhead.fraction;
    if settings.contains_fraction(fraction) && multiply(process, range.fraction) != Some(overhead) {
        settings.note(format!(
            "{} has no effect: JVM overhead is what the other settings leave, {overhead}",
            fraction.key
        ));
    }
    Ok(())
}
