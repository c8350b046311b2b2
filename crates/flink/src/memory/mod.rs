//! Flink's memory model: from configuration to the JVM's limits, exactly as Flink computes it.
//!
//! [`derive`] answers what Flink's own scripts ask a helper JVM (`BashJavaUtils`): the memory
//! arguments of the JVM, the derived `-D` settings, and why a configuration is impossible. All
//! arithmetic is in whole bytes with Flink's own rounding; the tests hold it to recorded and
//! live answers. This module never reads a file, an environment or a cgroup: they come as data.

mod container;
mod dynamic;
mod error;
mod flink_error;
mod fraction;
mod job_manager;
mod options;
mod plan;
mod process;
mod settings;
mod size;
mod task_manager;

pub use container::{
    ContainerLimit, LeastLimit, container_disagreement, least_limit, process_size_from_container,
};
pub use error::{MemoryError, NumberKind};
pub use plan::{Breakdown, JobManagerMemory, MemoryPlan, TaskManagerMemory};
pub use settings::RangeFault;
pub use size::{MemorySize, SizeError};

use super::FlinkVersion;
use flugs_model::Role;

use settings::Settings;

/// Computes the memory of a process of `role`.
///
/// `configuration` gives the effective value of a Flink option, if it is set at all (defaults
/// are known here); `environment` gives a variable of the process's environment, of which only
/// `FLINK_TM_HEAP` and `FLINK_JM_HEAP` are asked, and those only before Flink 2.0.
///
/// A history server has no memory settings of Flink's: its plan is empty.
///
/// # Errors
/// [`MemoryError`], where Flink itself would refuse to start.
pub fn derive(
    role: Role,
    version: &FlinkVersion,
    configuration: &dyn Fn(&str) -> Option<String>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<MemoryPlan, MemoryError> {
    let mut settings = Settings::new(version, configuration);
    match role {
        Role::TaskManager => task_manager::plan(&mut settings, environment),
        Role::JobManager | Role::StandaloneJob => job_manager::plan(&mut settings, environment),
        Role::HistoryServer => Ok(MemoryPlan::without_settings()),
    }
}
