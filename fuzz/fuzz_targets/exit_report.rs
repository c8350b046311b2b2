//! What a launcher hands in as its exit report: refused, or written and read again, and told in one
//! line of text without control characters.

use flugs::provider::mesos::failure::TaskFailure;
use flugs_mesos::scheduler::Ending;
use flugs_mesos::wire::TaskState;
use flugs_supervise::{ExitReport, ReportFormatError};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(report) = ExitReport::parse(bytes) else {
        return;
    };
    match ExitReport::parse(report.to_json().as_bytes()) {
        Ok(again) => assert_eq!(again.message, report.message),
        // It is written with more white space than it may have been read with.
        Err(error) => assert!(
            matches!(error, ReportFormatError::TooLong { .. }),
            "{error}"
        ),
    }
    let ending = Ending {
        state: Some(TaskState::Failed),
        reason: None,
        message: Some("Container exited with status 137".to_owned()),
        healthy: None,
        wanted: false,
    };
    let told = TaskFailure::of(&ending, Some(&report)).to_string();
    assert!(!told.contains(char::is_control), "{told:?}");
}
