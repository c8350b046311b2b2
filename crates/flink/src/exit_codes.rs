//! What Flink's processes exit with, as the kernel passes it on: the lowest eight bits.

/// A job that has failed for good (`ApplicationStatus.FAILED`, 1443).
pub const JOB_FAILED: u8 = 163;

/// Flink has ended the process at once, without its shutdown (-17): `JvmShutdownSafeguard`, or
/// `FatalExitExceptionHandler`.
pub const HALTED: u8 = 239;

/// How long Flink lets the shutdown of a process take (`JvmShutdownSafeguard`), in seconds.
const SHUTDOWN_SECONDS: u64 = 5;

/// Why a process that was asked to stop ended with `code` after so many seconds, where Flink has a
/// reason of its own for it. The log does not say: log4j has ended by then.
pub const fn stop_reason(code: u8, seconds: u64) -> Option<&'static str> {
    match code {
        HALTED if seconds >= SHUTDOWN_SECONDS => Some(
            "its shutdown took longer than the 5 s that Flink allows (JvmShutdownSafeguard), as it \
             does while ZooKeeper is away, and now and then in the midst of its start. No failure: \
             what it holds in ZooKeeper ends with its session",
        ),
        HALTED => Some(
            "something in its shutdown was not caught (FatalExitExceptionHandler). No failure: it \
             was to end",
        ),
        _ => None,
    }
}
