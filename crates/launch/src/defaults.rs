//! The lowest configuration layer's part that depends on where a launch lives.

use flugs_model::Role;

use super::SandboxLayout;

/// Flink options that hold where no file, variable or argument sets them: whatever Flink would
/// write to the system's temporary directory goes where the launch may write, and ends with the
/// sandbox.
pub(super) fn of_sandbox(role: Role, layout: &SandboxLayout) -> Vec<(&'static str, String)> {
    let tmp = layout.tmp.display().to_string();
    // CoreOptions.TMP_DIRS
    let mut defaults = vec![("io.tmp.dirs", tmp.clone())];
    if role.is_job_manager() {
        // WebOptions.TMP_DIR: uploaded jars and the web page's files.
        defaults.push(("web.tmpdir", tmp));
    }
    defaults
}
