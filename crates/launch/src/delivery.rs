//! Handing the exit report to the application master, before the process ends and what it wrote is
//! gone with its container.
//!
//! Owns for how long that is tried. Best effort: whatever comes of it, the process ends as it would
//! have.

use std::time::Duration;

use flugs_artifact::{FetchOptions, fetch};
use flugs_supervise::ExitReport;

/// How long a process that ended of its own accord tries.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long one that was asked to end tries: its grace period is nearly over.
const SHORT_PATIENCE: Duration = Duration::from_millis(500);

/// Hands the report to the URL, which is a permission to do so. Gives up in time, without a word:
/// the report is on disk, and whoever it was for can do without.
pub fn deliver_report(url: &str, report: &ExitReport) {
    let patience = if report.was_asked_for() {
        SHORT_PATIENCE
    } else {
        PATIENCE
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else { return };
    // The re-executed supervisor has none yet.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = FetchOptions::default();
    let document = report.to_json().into_bytes();
    let _ = runtime.block_on(fetch::hand_in(url, document, patience, &options));
    // A name that is still being looked up must not hold the process up.
    runtime.shutdown_background();
}
