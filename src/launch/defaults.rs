//! What flugs sets unless somebody else did: the lowest configuration layer.

use crate::flink::FlinkVersion;
use crate::spec::Role;

use super::SandboxLayout;

/// Flink options that hold where no file, variable or argument sets them. Each with its reason.
pub(super) fn defaults(
    role: Role,
    _version: &FlinkVersion,
    layout: &SandboxLayout,
) -> Vec<(&'static str, String)> {
    let tmp = layout.tmp.display().to_string();
    let mut defaults = vec![
        // A TaskManager that starts before its JobManager listens waits ten seconds before it
        // asks again. Half a second costs nothing: the question is one small message.
        // Milliseconds without a unit are read by every version (ClusterOptions).
        ("cluster.registration.error-delay", "500".to_owned()),
        // Temporary files go where the launch may write, and end with the sandbox
        // (CoreOptions.TMP_DIRS).
        ("io.tmp.dirs", tmp.clone()),
    ];
    if role.is_job_manager() {
        // Uploaded jars and the web page's files (WebOptions.TMP_DIR, UPLOAD_DIR).
        defaults.push(("web.tmpdir", tmp));
    }
    defaults
}
