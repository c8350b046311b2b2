//! The application master of a Mesos cluster.
//!
//! Owns the loop between the planner ([`crate::fleet`]), the workers
//! ([`crate::provider::mesos`]) and the one JobManager, a child process; what is settled before
//! anything is started; and the HTTP interface. Holds no rule of scheduling.

mod answer;
pub mod api;
mod event;
mod job_manager;
pub mod report;
mod run;
mod stop;
mod why;

pub use event::{MesosEvent, NotifyMesos};
pub use run::MesosCluster;
