//! Knowledge of Flink: versions, the home directory, Java, the memory model, the JVM command.
//!
//! Everything here is a function of data: configuration comes in as a lookup, the environment as
//! a lookup, the machine as numbers. This room reads directories where it must (which jars are
//! in `lib`) and never starts a process, not even `java -version`.

pub mod memory;

mod version;

pub use version::{FlinkVersion, FlinkVersionError};
