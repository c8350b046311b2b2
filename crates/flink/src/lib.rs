//! Knowledge of Flink: versions, the home directory, Java, the memory model, the JVM command.
//!
//! Everything here is a function of data: configuration comes in as a lookup, the environment as
//! a lookup, the machine as numbers. This room reads directories where it must (which jars are
//! in `lib`) and never starts a process: what only a JVM can say is handed in. [`rest`] is the one part that
//! speaks to a network: to a JobManager that somebody else started.
//!
//! ```
//! use flugs_flink::FlinkVersion;
//! use flugs_flink::memory::MemorySize;
//!
//! let version: FlinkVersion = "1.20.5".parse()?;
//! assert!(version < "2.3.0".parse()?);
//! assert_eq!(MemorySize::parse("1g")?, MemorySize::parse("1024m")?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(unused_crate_dependencies)]

pub mod java_options;
pub mod memory;
pub mod rest;

mod allocator;
mod argument_file;
mod class_data;
mod class_path;
mod command;
mod compatibility;
mod compilation;
mod entry_point;
mod exit_codes;
mod failure;
mod home;
mod java;
mod jvm_options;
mod log_files;
mod module_access;
mod version;

pub use allocator::{find_jemalloc, jemalloc_variables};
pub use argument_file::{ArgumentFile, hide_main_arguments, reads_argument_files};
pub use class_data::{
    ClassData, OLDEST_JAVA as OLDEST_ARCHIVING_JAVA, Unused, archive_name, base_archive,
    choose_class_data, class_data_directories, find_archive, in_doubt, travelling_archive_name,
};
pub use command::{CommandError, CommandInput, JavaCommand, PathFault, build};
pub use compatibility::{Combination, CompatibilityError};
pub use compilation::compile_later;
pub use entry_point::{main_class, service};
pub use exit_codes::{HALTED, JOB_FAILED, stop_reason};
pub use failure::{LastWords, ProcessFailure, read_failure};
pub use home::{FlinkHome, FlinkHomeError};
pub use java::{AskRuntime, JavaError, JavaRuntime};
pub use jvm_options::{JvmOptionsError, malformed_java_options};
pub use log_files::{LogFiles, LogIdentity, log_directory, pid_file};
pub use module_access::missing_access;
pub use version::{FlinkVersion, FlinkVersionError};
