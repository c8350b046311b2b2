//! The application master of a Mesos cluster.
//!
//! Owns the loop between the planner ([`crate::fleet`]), the workers
//! ([`crate::provider::mesos`]) and the one JobManager, a child process; what is settled before
//! anything is started; the wait of one that stands by; and the HTTP interface. Holds no rule of scheduling.

mod adoption;
mod answer;
pub mod api;
mod candidacy;
mod certificate;
mod demand;
mod documents;
mod event;
mod failures;
mod job_manager;
mod maintenance;
mod master;
mod memory;
mod metrics;
mod preparation;
mod publication;
pub mod report;
mod run;
mod settings;
mod settling;
mod shipment;
mod stop;
mod truth;
mod watch;
mod why;
mod zookeeper;

pub use candidacy::Candidate;
pub use documents::Documents;
pub use event::{MesosEvent, NotifyMesos, Placed};
pub use preparation::{RealMesosCluster, prepare};
pub use run::MesosCluster;
pub use settings::MesosClusterSettings;
pub use zookeeper::ZooKeeperEvent;
