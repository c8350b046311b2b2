//! What is wrong with the options, all of it at once.

use flugs_base::{ExitCode, Failure};
use flugs_flink::memory::MemoryError;
use flugs_flink_conf::Origin;
use flugs_mesos::constraint::ConstraintError;
use flugs_mesos::master_address::MasterAddressError;
use flugs_model::WorkerIdError;

use super::text::TextError;

/// One option that cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("{key}{}: {reason}", from(.origin.as_ref()))]
pub struct MesosOptionProblem {
    /// The option.
    pub key: String,
    /// Where its value comes from, if it has one.
    pub origin: Option<Origin>,
    /// What is wrong.
    pub reason: MesosOptionReason,
}

fn from(origin: Option<&Origin>) -> String {
    origin.map_or_else(String::new, |origin| format!(" ({origin})"))
}

/// What can be wrong with an option. None of the texts holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum MesosOptionReason {
    /// It has to be set.
    #[error("it is not set; expected {expected}")]
    Missing {
        /// What it should be.
        expected: &'static str,
    },
    /// There is no such option.
    #[error("there is no such option{}", nearest.map_or_else(String::new, |key| format!("; did you mean {key}?")))]
    Unknown {
        /// The option that is spelled most like it.
        nearest: Option<&'static str>,
    },
    /// Its value is of another type.
    #[error("{} is not {expected}", found.as_ref().map_or_else(|| "the value".to_owned(), |found| format!("\"{found}\"")))]
    Type {
        /// The value, unless it is a secret.
        found: Option<String>,
        /// What it should be.
        expected: String,
    },
    /// Its value is beyond what makes sense.
    #[error("the value is {found}; expected {expected}")]
    Range {
        /// The value.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// It contradicts another option.
    #[error("{problem}")]
    Conflict {
        /// Which, how, and what to do.
        problem: String,
    },
    /// It names no master.
    #[error(transparent)]
    Master(#[from] MasterAddressError),
    /// It is no constraint.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// It is no list of the form that it should have.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A name that ends in workers' names is none.
    #[error(transparent)]
    Name(#[from] WorkerIdError),
    /// The memory of the workers cannot be derived.
    #[error("{0}")]
    Memory(Box<MemoryError>),
}

/// The options cannot be followed.
#[derive(Debug)]
pub struct MesosOptionsError {
    /// Everything that is wrong; at least one thing.
    pub problems: Vec<MesosOptionProblem>,
}

impl std::fmt::Display for MesosOptionsError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the configuration of the Mesos cluster cannot be followed:")?;
        for problem in &self.problems {
            write!(formatter, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for MesosOptionsError {}

impl Failure for MesosOptionsError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Configuration
    }
}
